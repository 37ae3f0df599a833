//! Every decision, pure: no IO, no clock, no random; the time and a seed are arguments.

pub mod attempts;
pub mod backoff;
pub mod brake;
pub mod burst;
pub mod checkpoint;
pub mod clock;
pub mod coverage;
pub mod discover;
mod due;
pub mod feed;
mod fills;
mod lookbacks;
pub mod merge;
mod observations;
pub mod options;
pub mod page;
pub mod paging;
mod rounds;
pub mod scans;
mod second_reading;
mod suspects;
pub mod window;
pub mod zone;
