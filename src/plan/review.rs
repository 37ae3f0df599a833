//! A second reading of what was complete: a look-back, or the scan of a reconcile.

use super::command::{LookbackRule, LookbackTimes};
use super::coverage::Coverage;
use super::window::{Reach, Task, next_gap};
use crate::record::{Stamp, Stream, Window};
use std::collections::BTreeMap;
use std::time::Duration;

/// Stamps further ahead of the vendor's clock than this are looked for by themselves: no window that ends now shows them.
const AHEAD: Duration = Duration::from_secs(5 * 60);
/// The name of that look-back.
pub(super) const AHEAD_NAME: &str = "ahead";
/// 9999-12-31T00:00:00, as far as a vendor's date can go.
const END_OF_TIME: Stamp = Stamp(2_534_022_144_000_000_000);
/// A look-back that was broken off is not begun again before this.
const BEGIN_AGAIN: Duration = Duration::from_secs(10 * 60);

/// A range that is read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Review {
    /// The look-back's name; `None` for a scan.
    pub(super) name: Option<String>,
    /// What is read.
    pub(super) range: Window,
    /// What of it was read whole.
    pub(super) coverage: BTreeMap<Stream, Coverage>,
    /// A window could not be proven.
    pub(super) doubtful: bool,
}

impl Review {
    pub(super) fn new(name: Option<String>, range: Window, streams: &[Stream]) -> Review {
        let coverage = streams.iter().map(|stream| (*stream, Coverage::default())).collect();
        Review { name, range, coverage, doubtful: false }
    }

    /// The next window; `None` when everything was read.
    pub(super) fn next(&self, spans: &BTreeMap<Stream, Duration>) -> Option<Task> {
        let reach = |coverage: &Coverage| Reach { coverage: coverage.clone(), range: self.range };
        next_gap(&self.coverage.iter().map(|(stream, coverage)| (*stream, reach(coverage))).collect(), spans)
    }

    /// Whether everything was read.
    pub(super) fn is_done(&self) -> bool {
        self.next(&BTreeMap::new()).is_none()
    }

    /// A window was read, with or without proof.
    pub(super) fn read(&mut self, task: Task, proven: bool) {
        self.doubtful |= !proven;
        self.coverage.entry(task.stream).or_default().insert(task.claim);
    }
}

/// The name of a rung in the database.
pub(super) fn rung_name(rung: LookbackRule) -> String {
    format!("{}s", rung.reach.as_secs())
}

/// The look-back that is due, and what it reads.
pub(super) fn due(
    rungs: &[LookbackRule],
    ahead_every: Option<Duration>,
    times: &BTreeMap<String, LookbackTimes>,
    settled: Stamp,
    now: (Stamp, Stamp),
) -> Option<(String, Window)> {
    let (vendor, ours) = now;
    let is_due = |name: &str, every: Duration| {
        // What was done in the future was done by a clock that has been set back since.
        let over = |at: Stamp, every: Duration| ours < at || ours.since(at) >= every;
        times.get(name).is_none_or(|times| over(times.done, every) && over(times.begun, every.min(BEGIN_AGAIN)))
    };
    if ahead_every.is_some_and(|every| is_due(AHEAD_NAME, every)) {
        return Some((AHEAD_NAME.to_owned(), Window { from: vendor.plus(AHEAD), to: END_OF_TIME }));
    }
    let rung = rungs.iter().find(|rung| is_due(&rung_name(**rung), rung.every))?;
    Some((rung_name(*rung), Window { from: settled.minus(rung.reach), to: settled }))
}

/// When the next look-back is due, on our own clock.
pub(super) fn next_due(rungs: &[LookbackRule], ahead_every: Option<Duration>, times: &BTreeMap<String, LookbackTimes>) -> Option<Stamp> {
    let at = |name: &str, every: Duration| {
        times.get(name).map_or(Stamp(i64::MIN), |times| times.done.plus(every).max(times.begun.plus(every.min(BEGIN_AGAIN))))
    };
    let rungs = rungs.iter().map(|rung| at(&rung_name(*rung), rung.every));
    rungs.chain(ahead_every.map(|every| at(AHEAD_NAME, every))).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_back_puts_no_look_back_off() {
        let hour = Duration::from_secs(3600);
        let rungs = [LookbackRule { every: hour, reach: hour * 2 }];
        let noon = Stamp::parse("2024-06-01T12:00:00").expect("a date");
        let is_due = |done: Stamp, ours: Stamp| {
            let times = BTreeMap::from([(rung_name(rungs[0]), LookbackTimes { begun: done, done })]);
            due(&rungs, None, &times, noon, (noon, ours)).is_some()
        };
        assert!(!is_due(noon, noon.plus(hour / 2)));
        assert!(is_due(noon, noon.plus(hour)));
        assert!(is_due(noon, noon.minus(hour * 24 * 365)));
    }
}
