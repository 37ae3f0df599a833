//! mls-sync: keeps a local SQLite file true to a vendor's listings API.
fn main() {}
