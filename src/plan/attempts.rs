//! Failures in a row: when the next try may come, and when a one-shot run gives up.

use super::backoff;
use crate::record::Failure;
use std::time::Duration;

/// A one-shot run gives up on a request after this many faults in a row.
const ONCE_FAULTS: u32 = 8;
/// A one-shot run gives up after being throttled this often in a row.
const ONCE_THROTTLES: u32 = 20;

/// How a failure is met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    /// The wait before the next try.
    pub wait: Duration,
    /// Failures in a row, this one included.
    pub fails: u32,
    /// A one-shot run does not try again.
    pub gave_up: bool,
}

/// The failures in a row of one kind of work, or of a whole feed.
#[derive(Clone, Debug, Default)]
pub(super) struct Lane {
    fails: u32,
    not_before: Duration,
    gave_up: Option<String>,
}

impl Lane {
    /// When it may ask; `None` when it has given up.
    pub(super) fn not_before(&self) -> Option<Duration> {
        self.gave_up.is_none().then_some(self.not_before)
    }

    /// Lets it ask at once; what it has failed before still counts.
    pub(super) fn try_again(&mut self) {
        self.not_before = Duration::ZERO;
    }

    /// Why it has given up.
    pub(super) fn gave_up(&self) -> Option<&String> {
        self.gave_up.as_ref()
    }

    /// Whether the last try failed.
    pub(super) fn is_failing(&self) -> bool {
        self.fails > 0
    }

    /// Lets it try at once, as if it had failed for the first time. One that has given up stays so.
    pub(super) fn try_now(&mut self) {
        (self.fails, self.not_before) = (1, Duration::ZERO);
    }

    /// Takes in a failure.
    pub(super) fn fail(&mut self, failure: &Failure, up: Duration, reason: &str, once: bool, seed: u64) -> Retry {
        self.fails = self.fails.saturating_add(1);
        let wait = backoff::wait(failure, self.fails, seed);
        let most = match failure {
            Failure::Throttled { .. } => ONCE_THROTTLES,
            Failure::Unavailable | Failure::Malformed => ONCE_FAULTS,
            Failure::Unauthorized | Failure::Refused => 1,
        };
        let gave_up = once && self.fails >= most;
        self.not_before = up + wait;
        if gave_up {
            self.gave_up = Some(reason.to_owned());
        }
        Retry { wait, fails: self.fails, gave_up }
    }
}
