//! Every decision, pure: no IO, no clock, no random; the time and a seed are arguments.

pub(crate) mod attempts;
pub(crate) mod backoff;
pub mod brake;
pub mod burst;
pub mod checkpoint;
pub mod clock;
pub(crate) mod coverage;
pub(crate) mod discover;
mod due;
pub(crate) mod feed;
pub mod gathering;
pub(crate) mod known_gaps;
mod lookbacks;
pub(crate) mod merge;
mod narrowing;
mod observations;
pub mod options;
pub(crate) mod page;
pub(crate) mod paging;
pub(crate) mod progress;
mod rounds;
pub mod scans;
mod second_reading;
pub mod sharing;
pub(crate) mod step;
pub mod window;
pub(crate) mod zone;
