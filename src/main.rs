//! mls-sync: keeps a local SQLite file true to a vendor's listings API.

use std::process::ExitCode;

fn main() -> ExitCode {
    mls_sync::main()
}
