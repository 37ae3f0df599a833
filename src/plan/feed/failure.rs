//! What follows from a failed request: who waits, and for how long.
//!
//! A request that is refused says something of its window alone, so only its own kind of work waits. A vendor that does
//! not answer, or answers nothing readable, is asked by one request at a time, ever more seldom; only when one is answered
//! does the other work go on. What failed in such an outage is then free to try at once. If it fails again while the
//! vendor answers others, the trouble is its own, and it waits by itself.

use super::FeedPlan;
use super::outcome::MAX_PASSES;
use crate::plan::attempts::{Lane, Retry};
use crate::plan::command::{Now, Open, Purpose, Verdict};
use crate::record::Failure;
use std::collections::BTreeSet;
use std::time::Duration;

/// The vendor does not answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Outage {
    /// Failures in a row, of any kind of work.
    lane: Lane,
    /// The kinds of work that were well until it began.
    met: BTreeSet<Purpose>,
}

impl Outage {
    /// Why a one-shot run has given up.
    pub(super) fn gave_up(&self) -> Option<&String> {
        self.lane.gave_up()
    }
}

impl FeedPlan {
    /// Takes in a failed request. `reason` is for the report of a one-shot run.
    pub fn on_failure(&mut self, purpose: Purpose, failure: &Failure, now: Now, reason: &str) -> Retry {
        let is_outage = match failure {
            Failure::Unavailable | Failure::Malformed => true,
            Failure::Throttled { .. } | Failure::Unauthorized | Failure::Refused => false,
        };
        let failure = if *failure == Failure::Refused && self.page_may_be_gone(purpose) { &Failure::Unavailable } else { failure };
        if *failure == Failure::Refused && purpose == Purpose::Lookback && self.looks_ahead() {
            self.give_up_looking_ahead(now);
            return Retry { wait: Duration::ZERO, fails: 0, gave_up: false };
        }
        let lane = self.lanes.entry(purpose).or_default();
        let was_well = !lane.is_failing();
        let retry = lane.fail(failure, now.monotonic, reason, self.options.once, self.options.seed);
        if is_outage {
            self.outage.met.extend(was_well.then_some(purpose));
            let all = self.outage.lane.fail(failure, now.monotonic, reason, self.options.once, self.options.seed);
            return Retry { wait: all.wait.max(retry.wait), fails: all.fails, gave_up: all.gave_up || retry.gave_up };
        }
        // A credential that is not accepted is not accepted for anything.
        if *failure == Failure::Unauthorized {
            let lane = lane.clone();
            self.lanes.values_mut().for_each(|other| *other = lane.clone());
        }
        retry
    }

    /// Takes note that the vendor answers.
    pub(super) fn answered(&mut self, purpose: Purpose) {
        self.lanes.insert(purpose, Lane::default());
        for met in std::mem::take(&mut self.outage).met {
            self.lanes.entry(met).and_modify(|lane| {
                if lane.is_failing() {
                    lane.try_now()
                }
            });
        }
    }

    /// When a kind of work may ask; `None` when it has given up.
    pub(super) fn not_before(&self, purpose: Purpose) -> Option<Duration> {
        Some(self.lanes[&purpose].not_before()?.max(self.outage.lane.not_before()?))
    }

    /// Takes an answered page for a failure.
    pub(super) fn refuse(&mut self, purpose: Purpose, open: Open, failure: Failure, reason: &str, now: Now) -> Verdict {
        self.open.insert(purpose, open);
        let retry = self.on_failure(purpose, &failure, now, reason);
        Verdict::Refuse(failure, reason.to_owned(), retry)
    }

    /// A window that shrank may have lost the page that was asked for, and how the vendor answers to a page past the end
    /// is not documented. So the refusal of a later page begins the window anew: at once the first few times; after that
    /// as seldom as any refused request, because a vendor that refuses every deep page would be asked without end.
    fn page_may_be_gone(&mut self, purpose: Purpose) -> bool {
        let Some(open) = self.open.get_mut(&purpose) else { return false };
        if open.reading.next_page <= 1 {
            return false;
        }
        open.reading.refused += 1;
        open.reading.again();
        open.reading.refused < MAX_PASSES
    }
}
