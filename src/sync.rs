//! One feed kept true: the session that decides, the worker that obeys it, and what they share.

mod absences;
pub(crate) mod ask;
mod attempts;
pub(crate) mod census;
pub(crate) mod clock;
pub(crate) mod control;
pub(crate) mod discovery;
pub(crate) mod dry_run;
mod fetch;
pub(crate) mod gatherer;
pub(crate) mod heartbeat;
pub mod intake;
pub mod messages;
mod notices;
mod pace;
pub(crate) mod progress;
pub(crate) mod replay;
mod reporter;
pub mod session;
pub(crate) mod shared;
pub(crate) mod tools;
pub(crate) mod totals;
mod trouble;
pub(crate) mod trouble_log;
pub(crate) mod worker;
