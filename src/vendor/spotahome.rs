//! The Spotahome Listing Processes API.

mod calls;
mod client;
mod decode;
pub mod fields;
mod filter;
mod list;
mod refusal;
mod token;
mod totals;
mod write;

pub use calls::Spotahome;
pub use client::{Client, ClientOptions};
pub use decode::PROCESSES;
pub(super) use decode::is_cancelled;
pub use filter::{OfAgent, ProcessFilter, ProcessId};
pub use refusal::SpotahomeRefusal;
pub use token::{TokenFacts, token_facts};
pub use write::{WriteOutcome, assignation, cancellation, unassignation};
