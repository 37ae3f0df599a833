//! One feed kept true: the session that decides, the worker that obeys it, and what they share.

pub mod ask;
pub mod clock;
pub mod control;
pub mod discovery;
pub mod heartbeat;
pub mod intake;
pub mod messages;
pub mod progress;
pub mod replay;
mod reporter;
pub mod session;
pub mod tools;
pub mod worker;
