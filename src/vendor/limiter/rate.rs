//! The rate: a ceiling without bursts, and a lower rate after a 429, which comes back.
//!
//! Each closed gate halves the rate. After less than a minute in which nothing was refused it is back at three quarters of
//! the rate that was refused, and then it rises by a twentieth a minute. A gate that closes before that lowers what counts as
//! refused by a tenth only: 429s that have nothing to do with the rate would otherwise keep it at the floor for long. A
//! vendor that truly takes much less closes the gate again and again, and is found by those tenths.

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::cell::Cell;
use std::time::Duration;

/// The slowest that 429s make it, as a share of the ceiling.
const FLOOR: f64 = 1.0 / 64.0;
/// Up to this share of the rate that was refused, it comes back by itself.
const SAFE: f64 = 0.75;
/// How long that takes. It grows by the same factor in equal times, so that a rate that is refused again is hardly passed.
const RETURN: Duration = Duration::from_secs(45);
/// From one step of the return to the next.
const RETURN_EVERY: Duration = Duration::from_secs(5);
/// What is left of the rate that was refused, for each gate that closes before the return is over.
const REFUSED_AGAIN: f64 = 0.9;
/// What one step beyond the return multiplies, and the time from one to the next.
const PROBE: f64 = 1.05;
const PROBE_EVERY: Duration = Duration::from_secs(60);
/// The slowest rate: one request in a day.
const LONGEST_PERIOD: Duration = Duration::from_secs(24 * 3600);

/// How fast requests may leave at present. All times are of the monotonic clock.
#[derive(Debug)]
pub(super) struct RequestRate {
    ceiling: RateLimiter<NotKeyed, InMemoryState, GivenTime, NoOpMiddleware<Duration>>,
    /// All four in requests per second.
    highest: f64,
    current: f64,
    /// The rate that the vendor has refused.
    refused: f64,
    /// Where the return began.
    halved: f64,
    /// Since when nothing was refused.
    quiet_since: Duration,
    /// When `current` was last changed.
    changed: Duration,
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
            refused: highest,
            halved: highest,
            quiet_since: Duration::ZERO,
            changed: Duration::ZERO,
            last: None,
        }
    }

    /// Goes on at the rate of an earlier process. What was refused then is not remembered: it may have been the ceiling.
    pub(super) fn resume(&mut self, rate: Option<f64>, now: Duration) {
        let rate = rate.filter(|rate| rate.is_finite()).unwrap_or(self.highest).clamp(self.highest * FLOOR, self.highest);
        (self.current, self.halved, self.refused) = (rate, rate, self.highest);
        (self.quiet_since, self.changed) = (now, now);
    }

    /// Requests per second.
    pub(super) fn current(&self) -> f64 {
        self.current
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

    /// A 429 has closed the gate: the rate is halved.
    pub(super) fn throttled(&mut self, now: Duration) {
        let refused = if self.is_returning() { self.refused * REFUSED_AGAIN } else { self.current };
        self.refused = refused.max(self.current);
        self.current = (self.current / 2.0).max(self.highest * FLOOR);
        self.halved = self.current;
        (self.quiet_since, self.changed) = (now, now);
    }

    /// A request was answered as it should be; `opened` says whether it was the probe that opened the gate. Returns whether
    /// the rate has risen.
    pub(super) fn answered(&mut self, opened: bool, now: Duration) -> bool {
        if opened {
            (self.quiet_since, self.changed) = (now, now);
        }
        let (every, risen) = if self.is_returning() {
            (RETURN_EVERY, self.on_the_way_back(now))
        } else {
            (PROBE_EVERY, (self.current * PROBE).min(self.highest))
        };
        if self.current >= self.highest || now.saturating_sub(self.changed) < every {
            return false;
        }
        (self.current, self.changed) = (risen, now);
        true
    }

    fn is_returning(&self) -> bool {
        self.current < self.refused * SAFE
    }

    /// From where it was halved to the safe share of what was refused, by the time since.
    fn on_the_way_back(&self, now: Duration) -> f64 {
        let way = now.saturating_sub(self.quiet_since).div_duration_f64(RETURN);
        if way >= 1.0 { self.refused * SAFE } else { self.halved * (self.refused * SAFE / self.halved).powf(way) }
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
        halved.throttled(START);
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
            rate.throttled(START);
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
            rate.throttled(at(second));
            assert_eq!(rate.below_ceiling(), Some(expected));
        }
        (4..20).for_each(|second| rate.throttled(at(second)));
        assert_eq!(rate.below_ceiling(), Some(2.0 / 64.0));
    }

    /// The rate after each of these seconds, while a request is answered every second.
    fn check_return(rate: &mut RequestRate, from: u64, expected: &[(u64, f64)]) {
        let mut second = from;
        for &(until, expected) in expected {
            while second < until {
                second += 1;
                rate.answered(second == from + 1, at(second));
            }
            assert!((rate.current() - expected).abs() < 0.005, "after {} s: {} and not {expected}", until - from, rate.current());
        }
    }

    #[test]
    fn after_a_minute_of_quiet_it_is_at_three_quarters_of_what_was_refused_and_then_rises_slowly() {
        let mut rate = RequestRate::new(2.0);
        rate.throttled(START);
        check_return(&mut rate, 0, &[(1, 1.0), (16, 1.145), (60, 1.5), (105, 1.5), (120, 1.575), (500, 2.0)]);
        assert_eq!(rate.below_ceiling(), None);
    }

    #[test]
    fn it_rises_only_while_requests_are_answered() {
        let mut rate = RequestRate::new(2.0);
        rate.throttled(START);
        assert!(!rate.answered(true, at(3600)), "the gate was closed for an hour, which says nothing of the rate");
        assert!(rate.answered(false, at(7200)));
        assert_eq!(rate.below_ceiling(), Some(1.5));
    }

    /// Seven 429s within a minute halve it down to nearly nothing; they must not keep it there.
    #[test]
    fn one_429_after_the_other_is_overcome_within_a_minute_of_quiet() {
        let mut rate = RequestRate::new(100.0);
        (0..7).for_each(|count| rate.throttled(at(count * 8)));
        assert_eq!(rate.current(), 100.0 / 64.0);
        check_return(&mut rate, 48, &[(78, 9.45), (98, 39.86)]);
    }

    /// A vendor that takes one request a second, of a mirror that may send twenty: its 429s become rare.
    #[test]
    fn a_vendor_that_takes_far_less_is_seldom_asked_too_fast() {
        let mut rate = RequestRate::new(20.0);
        let (mut now, mut tokens, mut refused, mut opened) = (Duration::ZERO, 1.0_f64, Vec::new(), false);
        while now < at(3600) {
            let since = now;
            if tokens >= 1.0 {
                tokens -= 1.0;
                rate.answered(std::mem::take(&mut opened), now);
                now += period(rate.current());
            } else {
                refused.push(now);
                opened = true;
                rate.throttled(now);
                now += Duration::from_secs(1).max(period(rate.current()));
            }
            tokens = (tokens + (now - since).as_secs_f64()).min(5.0);
        }
        let late = refused.iter().filter(|at| **at > Duration::from_secs(1200)).count();
        assert!(refused.len() <= 40 && late <= 10, "{} were refused, {late} of them after 20 minutes", refused.len());
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
