//! The rate: a ceiling without bursts, and a lower rate after a 429, which recovers step by step.

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::cell::Cell;
use std::time::Duration;

/// The slowest that 429s make it, as a share of the ceiling.
const FLOOR: f64 = 1.0 / 64.0;
/// What one step of recovery adds, as a share of the ceiling.
const STEP: f64 = 0.05;
/// From one step to the next: from half the ceiling back to all of it takes ten minutes.
const STEP_EVERY: Duration = Duration::from_secs(60);
/// The slowest rate: one request in a day.
const LONGEST_PERIOD: Duration = Duration::from_secs(24 * 3600);

/// How fast requests may leave at present. All times are of the monotonic clock.
#[derive(Debug)]
pub(super) struct RequestRate {
    ceiling: RateLimiter<NotKeyed, InMemoryState, GivenTime, NoOpMiddleware<Duration>>,
    /// Both in requests per second.
    highest: f64,
    current: f64,
    /// When `current` was last changed.
    changed: Duration,
    /// When a 429 last lowered it.
    lowered: Option<Duration>,
    /// When a request last left.
    last: Option<Duration>,
}

/// The clock that governor reads: it shows the time that the rate was last asked about.
#[derive(Debug, Default)]
struct GivenTime(Cell<Duration>);

impl Clock for GivenTime {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.get()
    }
}

impl RequestRate {
    pub(super) fn new(requests_per_second: f64) -> RequestRate {
        let quota = Quota::with_period(period(requests_per_second)).expect("the period is not zero");
        // What is no number counts as none, so that the bounds below stay in order.
        let highest = requests_per_second.max(0.0);
        RequestRate {
            ceiling: RateLimiter::direct_with_clock(quota, GivenTime::default()),
            highest,
            current: highest,
            changed: Duration::ZERO,
            lowered: None,
            last: None,
        }
    }

    /// Goes on at the rate of an earlier process.
    pub(super) fn resume(&mut self, rate: Option<f64>, now: Duration) {
        self.current = rate.filter(|rate| rate.is_finite()).unwrap_or(self.highest).clamp(self.highest * FLOOR, self.highest);
        self.changed = now;
    }

    /// Requests per second; `None` at the ceiling.
    pub(super) fn below_ceiling(&self) -> Option<f64> {
        (self.current < self.highest).then_some(self.current)
    }

    /// Takes the turn of one request; the error is the time of the next turn.
    pub(super) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let lowered = self.below_ceiling().zip(self.last).map(|(rate, last)| last + period(rate));
        if let Some(next) = lowered.filter(|next| now < *next) {
            return Err(next);
        }
        self.ceiling.clock().0.set(now);
        self.ceiling.check().map_err(|not_until| not_until.earliest_possible())?;
        self.last = Some(now);
        Ok(())
    }

    /// A request that left then was answered 429: the rate is halved. Several that were under way together are one warning.
    pub(super) fn throttled(&mut self, left: Duration, now: Duration) {
        if self.lowered.is_some_and(|lowered| left < lowered) {
            return;
        }
        self.current = (self.current / 2.0).max(self.highest * FLOOR);
        (self.lowered, self.changed) = (Some(now), now);
    }

    /// A request was answered as it should be. Returns whether the rate has risen.
    pub(super) fn answered(&mut self, now: Duration) -> bool {
        if self.current >= self.highest || now.saturating_sub(self.changed) < STEP_EVERY {
            return false;
        }
        self.current = (self.current + self.highest * STEP).min(self.highest);
        self.changed = now;
        true
    }
}

/// From one request to the next. What is no positive number counts as one request in a day.
fn period(requests_per_second: f64) -> Duration {
    let period = Duration::try_from_secs_f64(requests_per_second.recip()).unwrap_or(LONGEST_PERIOD);
    period.clamp(Duration::from_nanos(1), LONGEST_PERIOD)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::ZERO;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// The milliseconds at which the next four requests leave when somebody always waits.
    fn check_departures(rate: &mut RequestRate, from: Duration, expected: [u128; 4]) {
        let mut now = from;
        let left = expected.map(|_| {
            while let Err(next) = rate.take(now) {
                assert!(next > now, "it would be asked again at once, for ever");
                now = next;
            }
            (now - from).as_millis()
        });
        assert_eq!(left, expected, "{rate:?}");
    }

    #[test]
    fn the_rate_has_no_bursts() {
        check_departures(&mut RequestRate::new(2.0), START, [0, 500, 1000, 1500]);
    }

    #[test]
    fn a_rate_below_one_is_a_period() {
        check_departures(&mut RequestRate::new(0.1), START, [0, 10_000, 20_000, 30_000]);
    }

    #[test]
    fn a_silent_hour_saves_nothing_up() {
        let (mut full, mut halved) = (RequestRate::new(2.0), RequestRate::new(2.0));
        halved.throttled(START, START);
        for from in [START, at(3600), at(7200)] {
            check_departures(&mut full, from, [0, 500, 1000, 1500]);
            check_departures(&mut halved, from, [0, 1000, 2000, 3000]);
        }
    }

    #[test]
    fn absurd_options_are_bounded() {
        for absurd in [0.0, -1.0, f64::NAN, 1e-300] {
            assert_eq!(period(absurd), LONGEST_PERIOD, "{absurd}");
            let mut rate = RequestRate::new(absurd);
            rate.throttled(START, START);
            rate.resume(Some(1.0), START);
            check_departures(&mut rate, START, [0, 86_400_000, 172_800_000, 259_200_000]);
        }
        assert_eq!(period(f64::INFINITY), Duration::from_nanos(1));
        assert_eq!(period(0.5), Duration::from_secs(2));
    }

    #[test]
    fn a_429_halves_down_to_a_floor() {
        let mut rate = RequestRate::new(2.0);
        assert_eq!(rate.below_ceiling(), None);
        for (second, expected) in [(1, 1.0), (2, 0.5), (3, 0.25)] {
            rate.throttled(at(second), at(second));
            assert_eq!(rate.below_ceiling(), Some(expected));
        }
        (4..20).for_each(|second| rate.throttled(at(second), at(second)));
        assert_eq!(rate.below_ceiling(), Some(2.0 / 64.0));
    }

    #[test]
    fn requests_that_were_under_way_together_are_one_warning() {
        let mut rate = RequestRate::new(2.0);
        for (left, now, expected) in [(1, 5, 1.0), (2, 6, 1.0), (30, 31, 0.5)] {
            rate.throttled(at(left), at(now));
            assert_eq!(rate.below_ceiling(), Some(expected));
        }
    }

    #[test]
    fn it_recovers_slowly_and_only_while_requests_are_answered() {
        let mut rate = RequestRate::new(2.0);
        rate.throttled(START, START);
        let steps = (1..=1200).filter(|second| rate.answered(at(*second))).count();
        assert_eq!((steps, rate.below_ceiling()), (10, None));
        rate.throttled(at(2000), at(2000));
        assert!(rate.answered(at(9000)));
        assert_eq!(rate.below_ceiling(), Some(1.1));
    }

    #[test]
    fn what_an_earlier_process_says_is_believed_within_bounds() {
        let mut rate = RequestRate::new(2.0);
        for (saved, expected) in [
            (Some(0.5), Some(0.5)),
            (Some(7.0), None),
            (None, None),
            (Some(f64::NAN), None),
            (Some(-1.0), Some(2.0 / 64.0)),
            (Some(0.0), Some(2.0 / 64.0)),
        ] {
            rate.resume(saved, START);
            assert_eq!(rate.below_ceiling(), expected, "{saved:?}");
        }
    }
}
