//! What is asked of a feed while it is being mirrored.

use super::failure::Outage;
use super::{FeedPlan, Lane};

impl FeedPlan {
    /// The reason of failures may be gone, as after a change of the key: what waits for its next try is tried at once.
    pub fn try_again(&mut self) {
        self.lanes.values_mut().for_each(Lane::try_again);
        self.outage = Outage::default();
    }

    /// Reconcile, as soon as the file is complete and what was asked for before is done.
    pub fn want_sweep(&mut self, dry_run: bool) {
        self.sweeps_wanted.push_back(dry_run);
    }

    /// Whoever asked for the next sweep does not want it any more.
    pub fn unwant_sweep(&mut self) {
        self.sweeps_wanted.pop_front();
    }

    /// Whether a sweep is under way.
    #[must_use]
    pub fn is_sweeping(&self) -> bool {
        self.sweep.is_some()
    }

    /// Whether the sweep under way changes nothing.
    #[must_use]
    pub fn sweep_is_dry(&self) -> bool {
        self.sweep.as_ref().is_some_and(|sweep| sweep.dry_run)
    }
}
