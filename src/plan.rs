//! Every decision, pure: no IO, no clock, no random; the time and a seed are arguments.

pub mod backoff;
pub mod coverage;
pub mod discover;
pub mod feed;
pub mod paging;
pub mod reconcile;
pub mod window;
