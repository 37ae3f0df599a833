//! mls-sync keeps a local SQLite file true to a vendor's listings API.

#![warn(missing_docs)]

pub mod plan;
pub mod provider;
pub mod record;
pub mod sandbox;
pub mod store;
