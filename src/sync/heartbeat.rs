//! What a feed's worker last said of itself, for the watchdog: whether it makes progress or waits as it should.

use std::time::Duration;

/// A worker that has reported nothing for this long, or for this long after the end of its wait, is taken to be stuck. It
/// is far longer than any transaction takes.
const LIMIT: Duration = Duration::from_secs(300);

/// What a worker is doing. Times are those of [`Now::monotonic`](crate::plan::clock::Now).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Beat {
    /// It has not begun, or it has ended.
    #[default]
    Absent,
    /// It decides or stores something; it reported so at this moment.
    Working { since: Duration },
    /// It waits until this moment, or until an order comes.
    Waiting { until: Duration },
    /// It waits for the vendor: for its turn in the budget, which may take hours, and then for an answer, which the
    /// request's own timeout limits.
    Queued,
}

impl Beat {
    /// Whether the worker should have said something else by now.
    #[must_use]
    pub(crate) fn is_overdue(self, now: Duration) -> bool {
        match self {
            Beat::Absent | Beat::Queued => false,
            Beat::Working { since: from } | Beat::Waiting { until: from } => now > from.saturating_add(LIMIT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(beat: Beat, now: u64, expected: bool) {
        assert_eq!(beat.is_overdue(Duration::from_secs(now)), expected, "{beat:?} at {now} s");
    }

    #[test]
    fn a_worker_that_says_nothing_more_is_overdue_unless_it_waits() {
        let (since, until) = (Duration::from_secs(1_000), Duration::from_secs(5_000));
        check(Beat::Absent, 1_000_000, false);
        check(Beat::Queued, 1_000_000, false);
        check(Beat::Working { since }, 1_000, false);
        check(Beat::Working { since }, 1_300, false);
        check(Beat::Working { since }, 1_301, true);
        check(Beat::Waiting { until }, 4_999, false);
        check(Beat::Waiting { until }, 5_300, false);
        check(Beat::Waiting { until }, 5_301, true);
        check(Beat::Waiting { until: Duration::MAX }, 1_000_000, false);
    }
}
