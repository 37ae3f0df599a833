//! How often a feed is polled: a busy one faster and a quiet one slower, within the bounds that were set.

use std::time::Duration;

/// After so many rounds in a row that brought nothing, polls come half as often.
const QUIET_ROUNDS: u32 = 4;

/// The time from one poll of a feed to the next.
#[derive(Clone, Debug)]
pub(super) struct Interval {
    /// All others are this one doubled so many times: so of feeds that poll at the multiples of their intervals, one that does so
    /// seldom does so together with those that do it often.
    shortest: Duration,
    /// How often the shortest is doubled in the usual one, in the longest one, and at present.
    usual: u32,
    longest: u32,
    doubled: u32,
    /// Rounds in a row that brought nothing.
    quiet: u32,
    /// The last round brought something.
    changed: bool,
}

impl Interval {
    pub(super) fn new(interval: Duration, least: Option<Duration>, most: Option<Duration>) -> Interval {
        let usual = least.map_or(0, |least| doublings(least, interval));
        let more = most.map_or(0, |most| doublings(interval, most));
        Interval { shortest: interval / (1 << usual), usual, longest: usual + more, doubled: usual, quiet: 0, changed: false }
    }

    pub(super) fn get(&self) -> Duration {
        self.shortest * (1 << self.doubled)
    }

    /// The next poll after this time of [`Now::monotonic`](super::clock::Now). Feeds that share their requests poll at the multiples
    /// of their intervals.
    pub(super) fn after(&self, time: Duration, shared: bool) -> Duration {
        let since = if shared { time.as_nanos() % self.get().as_nanos().max(1) } else { 0 };
        time + self.get().saturating_sub(Duration::from_nanos(u64::try_from(since).unwrap_or_default()))
    }

    /// A round begins.
    pub(super) fn round_begins(&mut self) {
        self.changed = false;
        if self.quiet >= QUIET_ROUNDS {
            self.quiet = 0;
            self.doubled = (self.doubled + 1).min(self.longest);
        }
    }

    /// A round has ended that was proven, so that it did not find nothing for want of an answer.
    pub(super) fn round_ended(&mut self) {
        self.quiet += u32::from(!self.changed);
    }

    /// The last round has brought changes. While listings are missing, no feed is polled faster than usual: requests are for them.
    pub(super) fn brought_changes(&mut self, missing: bool) {
        self.quiet = 0;
        if !std::mem::replace(&mut self.changed, true) {
            self.doubled = self.doubled.saturating_sub(1).max(if missing { self.usual } else { 0 });
        }
    }
}

/// How often a span can be doubled without becoming longer than another.
fn doublings(span: Duration, most: Duration) -> u32 {
    (most.as_nanos() / span.as_nanos().max(1)).max(1).ilog2().min(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn interval(least: u64, most: u64) -> Interval {
        let bound = |seconds: u64| (seconds > 0).then(|| SECOND * seconds as u32);
        Interval::new(SECOND * 60, bound(least), bound(most))
    }

    /// The seconds from each round to the next, where `true` stands for one that brings changes.
    fn rounds(mut interval: Interval, rounds: &[bool], missing: bool) -> Vec<u64> {
        let one = |changes: &bool| {
            interval.round_begins();
            interval.round_ended();
            if *changes {
                interval.brought_changes(missing);
            }
            interval.get().as_secs()
        };
        rounds.iter().map(one).collect()
    }

    #[test]
    fn without_bounds_it_stays() {
        let all = [[true; 10], [false; 10]].concat();
        assert!(rounds(interval(0, 0), &all, false).iter().all(|seconds| *seconds == 60));
    }

    #[test]
    fn each_round_with_changes_halves_it_and_four_without_any_double_it_within_the_bounds() {
        assert_eq!(rounds(interval(10, 0), &[true; 4], false), [30, 15, 15, 15]);
        assert_eq!(rounds(interval(0, 300), &[false; 14], false), [60, 60, 60, 60, 120, 120, 120, 120, 240, 240, 240, 240, 240, 240]);
        let seldom = [true, false, false, false, true, false, false, false, false, false];
        assert_eq!(rounds(interval(10, 300), &seldom, false), [30, 30, 30, 30, 15, 15, 15, 15, 15, 30]);
    }

    #[test]
    fn while_listings_are_missing_it_is_no_shorter_than_usual() {
        assert_eq!(rounds(interval(10, 300), &[true; 4], true), [60; 4]);
        let mut fast = interval(10, 300);
        fast.brought_changes(false);
        assert_eq!(rounds(fast, &[true], true), [60]);
    }

    #[test]
    fn a_round_that_was_not_proven_does_not_make_a_feed_quiet() {
        let mut interval = interval(0, 300);
        (0..20).for_each(|_| interval.round_begins());
        assert_eq!(interval.get(), SECOND * 60);
    }

    #[test]
    fn feeds_that_share_requests_and_poll_seldom_do_so_when_those_do_that_poll_often() {
        let mut slow = interval(7, 900);
        let mut fast = slow.clone();
        for _ in 0..8 {
            fast.round_begins();
            fast.brought_changes(false);
        }
        let mut often = Vec::new();
        let mut time = Duration::ZERO;
        while time < SECOND * 4_000 {
            time = fast.after(time, true);
            often.push(time);
        }
        let mut time = SECOND * 13;
        for round in 0..40 {
            slow.round_begins();
            slow.round_ended();
            time = slow.after(time, true);
            assert!(time > SECOND * 3_900 || often.contains(&time), "round {round} at {time:?}");
        }
        assert_eq!((fast.get(), slow.get()), (SECOND * 15 / 2, SECOND * 480));
    }
}
