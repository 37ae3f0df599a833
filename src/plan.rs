//! Every decision, pure: no IO, no clock, no random; the time and a seed are arguments.

pub mod backoff;
pub mod brake;
pub mod command;
pub mod coverage;
pub mod discover;
pub mod feed;
pub mod lane;
pub mod paging;
pub mod reconcile;
mod review;
mod suspects;
pub mod window;
pub mod zone;
