//! What follows from a failed request: who waits, and for how long.

use super::FeedPlan;
use super::outcome::MAX_PASSES;
use crate::plan::command::{Now, Open, Purpose, Verdict};
use crate::plan::lane::Retry;
use crate::record::Failure;
use std::time::Duration;

impl FeedPlan {
    /// Takes in a failed request. `reason` is for the report of a one-shot run.
    pub fn on_failure(&mut self, purpose: Purpose, failure: &Failure, now: Now, reason: &str) -> Retry {
        let failure = if *failure == Failure::Refused && self.page_may_be_gone(purpose) { &Failure::Unavailable } else { failure };
        if *failure == Failure::Refused && purpose == Purpose::Lookback && self.looks_ahead() {
            self.give_up_looking_ahead(now);
            return Retry { wait: Duration::ZERO, fails: 0, gave_up: false };
        }
        let lane = self.lanes.entry(purpose).or_default();
        let retry = lane.fail(failure, now.up, reason, self.options.once, self.options.seed);
        // A credential that is not accepted is not accepted for anything.
        if *failure == Failure::Unauthorized {
            let lane = lane.clone();
            self.lanes.values_mut().for_each(|other| *other = lane.clone());
        }
        retry
    }

    /// Takes an answered page for a failure.
    pub(super) fn refuse(&mut self, purpose: Purpose, open: Open, failure: Failure, reason: &str, now: Now) -> Verdict {
        self.open.insert(purpose, open);
        self.on_failure(purpose, &failure, now, reason);
        Verdict::Refuse(failure, reason.to_owned())
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
