//! Whether polls come as often as they should, and what is said where the rate does not allow it.

use crate::record::{POLLS_PER_OTHER, spoken};
use std::time::Duration;

/// A round that comes later than this many intervals after the last is late.
const LATE: f64 = 1.5;
/// What polls may use of the rate while the past is read: the rest is kept for it.
const SHARE: f64 = POLLS_PER_OTHER as f64 / (POLLS_PER_OTHER + 1) as f64;

/// A feed's round of polls that is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// Since the last round of the feed was over.
    pub after: Duration,
    /// What it should be.
    pub interval: Duration,
    /// Requests per second that the polls of all feeds need.
    pub needed: f64,
    /// Requests per second that may leave at present.
    pub rate: f64,
}

/// Whether it was said that polls are late. One feed speaks for all, because they share the rate.
#[derive(Debug, Default)]
pub(super) struct Pace {
    is_late: bool,
}

impl Pace {
    /// What is to be said after a round, if anything: once when polls become late, and once when they are on time again.
    pub(super) fn polled(&mut self, round: Round) -> Option<String> {
        let Round { after, interval, needed, rate } = round;
        let is_scarce = needed > rate * SHARE;
        let is_late = after > interval.mul_f64(LATE);
        if self.is_late {
            self.is_late = is_scarce || is_late;
            return (!self.is_late)
                .then(|| format!("polls come every {} (poll.interval, or poll.interval_max where it is set) again", spoken(interval)));
        }
        // A poll that is late for another reason, such as slow answers, is not told of here.
        self.is_late = is_scarce && is_late;
        self.is_late.then(|| {
            format!(
                "polls come every {} instead of every {} (poll.interval, or poll.interval_max where it is set), because the rate allows no more: they need {needed:.2} requests a \
                 second, the rate is {rate:.2}, and a third of it is kept for listings that are still missing",
                spoken(after),
                spoken(interval)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(after: u64, needed: f64, rate: f64) -> Round {
        Round { after: Duration::from_secs(after), interval: Duration::from_secs(10), needed, rate }
    }

    #[test]
    fn polls_that_the_rate_delays_are_told_of_once() {
        let mut pace = Pace::default();
        assert_eq!(pace.polled(round(10, 2.0, 1.0)), None, "there is nothing else to read, so they are on time");
        let told = pace.polled(round(31, 2.0, 1.0)).expect("they are late");
        assert!(
            told.starts_with("polls come every 31 s instead of every 10 s (poll.interval, or poll.interval_max where it is set)"),
            "{told}"
        );
        assert!(told.contains("they need 2.00 requests a second, the rate is 1.00"), "{told}");
        assert_eq!(pace.polled(round(40, 2.0, 1.0)), None);
        assert_eq!(pace.polled(round(10, 2.0, 1.0)), None, "one feed may be in luck");
        assert_eq!(pace.polled(round(31, 2.0, 20.0)), None, "the rate has risen, and the first round after that is still late");
        assert_eq!(
            pace.polled(round(10, 2.0, 20.0)).as_deref(),
            Some("polls come every 10 s (poll.interval, or poll.interval_max where it is set) again")
        );
        assert!(pace.polled(round(31, 2.0, 1.0)).is_some(), "they are late anew");
    }

    #[test]
    fn polls_that_are_late_for_another_reason_are_not_laid_to_the_rate() {
        assert_eq!(Pace::default().polled(round(100, 2.0, 20.0)), None);
    }
}
