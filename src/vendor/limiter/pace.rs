//! The rate below the ceiling: halved by a 429, recovered step by step.

use std::time::Duration;
use tokio::time::Instant;

/// The slowest that 429s make it, as a share of the ceiling.
const FLOOR: f64 = 1.0 / 64.0;
/// What one step of recovery adds, as a share of the ceiling.
const STEP: f64 = 0.05;
/// From one step to the next: from half the ceiling back to all of it takes ten minutes.
const STEP_EVERY: Duration = Duration::from_secs(60);

/// How fast requests may leave at present.
#[derive(Debug)]
pub(super) struct Pace {
    ceiling: f64,
    rate: f64,
    changed: Instant,
    slowed: Option<Instant>,
    last: Option<Instant>,
}

impl Pace {
    pub(super) fn new(ceiling: f64, now: Instant) -> Pace {
        Pace { ceiling, rate: ceiling, changed: now, slowed: None, last: None }
    }

    /// Goes on at the rate of an earlier process.
    pub(super) fn resume(&mut self, rate: Option<f64>, now: Instant) {
        self.rate = rate.filter(|rate| rate.is_finite()).unwrap_or(self.ceiling).clamp(self.ceiling * FLOOR, self.ceiling);
        self.changed = now;
    }

    /// Requests a second; `None` at the ceiling, which is kept elsewhere.
    pub(super) fn below_ceiling(&self) -> Option<f64> {
        (self.rate < self.ceiling).then_some(self.rate)
    }

    /// When the next request may leave.
    pub(super) fn next(&self) -> Option<Instant> {
        let rate = self.below_ceiling()?;
        Some(self.last? + super::period(rate))
    }

    pub(super) fn leave(&mut self, now: Instant) {
        self.last = Some(now);
    }

    /// A request that left then was answered 429. Several that were under way together are one warning, not several.
    pub(super) fn throttled(&mut self, left: Instant, now: Instant) -> bool {
        if self.slowed.is_some_and(|slowed| left < slowed) {
            return false;
        }
        self.rate = (self.rate / 2.0).max(self.ceiling * FLOOR);
        (self.slowed, self.changed) = (Some(now), now);
        true
    }

    /// A request was answered as it should be.
    pub(super) fn answered(&mut self, now: Instant) -> bool {
        if self.rate >= self.ceiling || now.duration_since(self.changed) < STEP_EVERY {
            return false;
        }
        self.rate = (self.rate + self.ceiling * STEP).min(self.ceiling);
        self.changed = now;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_429_halves_down_to_a_floor() {
        let start = Instant::now();
        let mut pace = Pace::new(2.0, start);
        assert_eq!(pace.below_ceiling(), None);
        for (second, rate) in [(1, 1.0), (2, 0.5), (3, 0.25)] {
            assert!(pace.throttled(at(start, second), at(start, second)));
            assert_eq!(pace.below_ceiling(), Some(rate));
        }
        for second in 4..20 {
            pace.throttled(at(start, second), at(start, second));
        }
        assert_eq!(pace.below_ceiling(), Some(2.0 / 64.0));
    }

    #[test]
    fn requests_that_were_under_way_together_are_one_warning() {
        let start = Instant::now();
        let mut pace = Pace::new(2.0, start);
        assert!(pace.throttled(at(start, 1), at(start, 5)));
        assert!(!pace.throttled(at(start, 2), at(start, 6)));
        assert_eq!(pace.below_ceiling(), Some(1.0));
        assert!(pace.throttled(at(start, 30), at(start, 31)));
    }

    #[test]
    fn it_recovers_slowly_and_only_while_requests_are_answered() {
        let start = Instant::now();
        let mut pace = Pace::new(2.0, start);
        pace.throttled(start, start);
        let steps = (1..=1200).filter(|second| pace.answered(at(start, *second))).count();
        assert_eq!((steps, pace.below_ceiling()), (10, None));
        pace.throttled(at(start, 2000), at(start, 2000));
        assert!(pace.answered(at(start, 9000)));
        assert_eq!(pace.below_ceiling(), Some(1.1));
    }

    #[test]
    fn what_an_earlier_process_says_is_believed_within_bounds() {
        let start = Instant::now();
        let mut pace = Pace::new(2.0, start);
        for (rate, expected) in [
            (Some(0.5), Some(0.5)),
            (Some(7.0), None),
            (None, None),
            (Some(f64::NAN), None),
            (Some(-1.0), Some(2.0 / 64.0)),
            (Some(0.0), Some(2.0 / 64.0)),
        ] {
            pace.resume(rate, start);
            assert_eq!(pace.below_ceiling(), expected, "{rate:?}");
        }
    }

    #[test]
    fn below_the_ceiling_requests_leave_a_period_apart() {
        let start = Instant::now();
        let mut pace = Pace::new(2.0, start);
        pace.leave(start);
        assert_eq!(pace.next(), None);
        pace.throttled(start, start);
        assert_eq!(pace.next(), Some(at(start, 1)));
    }
}
