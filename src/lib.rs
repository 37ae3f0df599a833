//! mls-sync keeps a local SQLite file true to a vendor's listings API.

#![warn(missing_docs)]

pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod discovery;
pub mod plan;
pub mod progress;
pub mod provider;
pub mod record;
pub mod sandbox;
pub mod store;
pub mod worker;
pub mod zone;
