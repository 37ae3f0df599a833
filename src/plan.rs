//! Every decision, pure: no IO, no clock, no random; the time and a seed are arguments.

pub mod attempts;
pub mod backoff;
pub mod brake;
pub mod command;
pub mod coverage;
pub mod discover;
pub mod feed;
pub mod merge;
pub mod paging;
mod review;
mod suspects;
pub mod window;
pub mod zone;
