//! The gate, which a 429 closes for every request until a certain time.
//!
//! After that time one request goes first, and alone: it is the probe that shows whether the vendor takes requests again.

use crate::record::ClosedGate;
use std::time::Duration;

/// The gate is never closed for longer, whatever wait the vendor asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(48 * 3600);
/// A wait grows by up to this share, so that clients that the vendor stopped together do not return together.
const JITTER: f64 = 0.05;
/// A wait never grows by more than this.
const MOST_JITTER: Duration = Duration::from_secs(10);

/// One moment on two clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Since the limiter was made; this clock is never set.
    pub(super) monotonic: Duration,
    /// Unix milliseconds by the machine's clock, which may be set; what outlives the process is written in them.
    pub(super) unix_ms: i64,
}

impl Moment {
    pub(super) fn unix_seconds(self) -> i64 {
        self.unix_ms.div_euclid(1000)
    }
}

/// Times without a unit in their name are of the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Gate {
    not_before: Option<Duration>,
    /// What is to outlive the process, until a probe has been answered.
    closed: Option<ClosedGate>,
    /// When the last 429 came.
    closed_at: Option<Duration>,
}

impl Gate {
    /// Closes again as far as an earlier process was told to wait.
    pub(super) fn resume(&mut self, closed: ClosedGate, now: Moment) {
        // A clock that was set back meanwhile must not make the wait longer than the vendor's.
        let left = u64::try_from(closed.until_ms.saturating_sub(now.unix_ms)).unwrap_or(0);
        let left = Duration::from_millis(left).min(with_jitter(closed.wait, 1.0));
        self.not_before = Some(now.monotonic + left);
        self.closed = Some(closed);
    }

    /// Closes for this wait and a little longer, by a random `fraction` between 0 and 1 of the largest addition. A gate that
    /// is closed for longer stays so.
    pub(super) fn close(&mut self, wait: Duration, fraction: f64, now: Moment) {
        let wait = wait.min(LONGEST_WAIT);
        let closed_for = with_jitter(wait, fraction);
        let until = Some(now.monotonic + closed_for);
        if self.not_before < until || self.closed.is_none() {
            let millis = i64::try_from(closed_for.as_millis()).unwrap_or(i64::MAX);
            self.closed = Some(ClosedGate { until_ms: now.unix_ms.saturating_add(millis), wait });
        }
        self.not_before = self.not_before.max(until);
        self.closed_at = Some(now.monotonic);
    }

    /// Whether a request that left then came before the last 429: its answer says nothing of what the vendor takes now.
    pub(super) fn predates_closing(&self, left: Duration) -> bool {
        self.closed_at.is_some_and(|closed_at| left < closed_at)
    }

    /// A request that left after the last 429 was answered as it should be. Returns whether there is something to save.
    pub(super) fn answered(&mut self) -> bool {
        self.closed.take().is_some()
    }

    /// Until when no request may leave; `None` when the time has come.
    pub(super) fn closed_until(&self, now: Duration) -> Option<Duration> {
        self.not_before.filter(|open| now < *open)
    }

    /// Whether only one request may be in flight, because none was answered since the last 429.
    pub(super) fn is_probing(&self) -> bool {
        self.closed.is_some()
    }

    pub(super) fn to_save(&self) -> Option<ClosedGate> {
        self.closed
    }
}

fn with_jitter(wait: Duration, fraction: f64) -> Duration {
    wait + wait.mul_f64(JITTER * fraction).min(MOST_JITTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(100);

    fn at(seconds: u64) -> Moment {
        Moment { monotonic: Duration::from_secs(seconds), unix_ms: 1_000_000 + i64::try_from(seconds).expect("small") * 1000 }
    }

    /// `closings` are a second and a wait in seconds each; `expected` is the second at which the last one lets requests through.
    fn check(closings: &[(u64, u64)], fraction: f64, expected: u64) {
        let mut gate = Gate::default();
        closings.iter().for_each(|(second, wait)| gate.close(Duration::from_secs(*wait), fraction, at(*second)));
        let open = Duration::from_secs(expected);
        assert_eq!(gate.closed_until(open - Duration::from_nanos(1)), Some(open), "{closings:?}");
        assert_eq!(gate.closed_until(open), None, "{closings:?}");
        assert!(gate.is_probing());
    }

    #[test]
    fn the_longest_wait_counts_and_grows_a_little() {
        check(&[(5, 100)], 0.0, 105);
        check(&[(5, 100)], 1.0, 110);
        check(&[(5, 1000)], 1.0, 1015);
        check(&[(5, 100), (6, 1)], 0.0, 105);
        check(&[(5, 100), (6, 100)], 0.0, 106);
    }

    #[test]
    fn an_endless_wait_ends() {
        check(&[(0, u64::MAX)], 0.0, 48 * 3600);
        check(&[(0, u64::MAX)], 1.0, 48 * 3600 + 10);
    }

    #[test]
    fn a_probe_that_is_answered_opens_it() {
        let mut gate = Gate::default();
        assert!(!gate.answered());
        gate.close(WAIT, 0.0, at(5));
        assert!(gate.predates_closing(Duration::from_secs(4)) && !gate.predates_closing(Duration::from_secs(5)));
        assert!(gate.answered() && !gate.answered());
        assert_eq!((gate.is_probing(), gate.to_save()), (false, None));
    }

    #[test]
    fn it_outlives_the_process_and_a_clock_that_is_set() {
        let mut before = Gate::default();
        before.close(WAIT, 0.0, at(0));
        let closed = before.to_save().expect("it is closed");
        assert_eq!(closed, ClosedGate { until_ms: 1_100_000, wait: WAIT });
        for (unix_ms, left) in [(1_000_000, 100), (1_060_000, 40), (1_100_000, 0), (i64::MAX, 0), (0, 105), (i64::MIN, 105)] {
            let mut after = Gate::default();
            after.resume(closed, Moment { monotonic: Duration::from_secs(7), unix_ms });
            let expected = (left > 0).then_some(Duration::from_secs(7 + left));
            assert_eq!((after.closed_until(Duration::from_secs(7)), after.is_probing()), (expected, true), "{unix_ms}");
        }
    }
}
