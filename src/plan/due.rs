//! When a kind of work has something to do.

use super::clock::Now;
use crate::record::Stamp;
use std::time::Duration;

/// When there is something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// At once.
    Now,
    /// Not before this time of [`Now::monotonic`].
    At(Duration),
    /// Not as things stand.
    Never,
}

impl Due {
    /// Now, if something is the case; otherwise never.
    pub(super) fn now_if(holds: bool) -> Due {
        if holds { Due::Now } else { Due::Never }
    }

    /// At a time of [`Now::monotonic`].
    pub(super) fn at(time: Duration, now: Now) -> Due {
        if time <= now.monotonic { Due::Now } else { Due::At(time) }
    }

    /// At a time of our own clock.
    pub(super) fn at_ours(time: Stamp, now: Now) -> Due {
        Due::at(now.monotonic + time.since(now.ours), now)
    }

    /// As a one-shot run has it: what is not due now is never due.
    pub(super) fn once(self, once: bool) -> Due {
        match self {
            Due::At(_) if once => Due::Never,
            due => due,
        }
    }

    /// The earlier of two.
    pub(super) fn or(self, other: Due, now: Now) -> Due {
        match self.time(now).into_iter().chain(other.time(now)).min() {
            Some(time) => Due::at(time, now),
            None => Due::Never,
        }
    }

    /// The time of [`Now::monotonic`] at which it is due; `None` for never.
    pub(super) fn time(self, now: Now) -> Option<Duration> {
        match self {
            Due::Now => Some(now.monotonic),
            Due::At(time) => Some(time),
            Due::Never => None,
        }
    }
}
