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
    pub fn want_scan(&mut self, dry_run: bool) {
        self.scans_wanted.push_back(dry_run);
    }

    /// Whoever asked for the next scan does not want it any more.
    pub fn unwant_scan(&mut self) {
        self.scans_wanted.pop_front();
    }

    /// Whether a scan is under way.
    #[must_use]
    pub fn is_scanning(&self) -> bool {
        self.scan.is_some()
    }

    /// Whether the scan under way changes nothing.
    #[must_use]
    pub fn scan_is_dry(&self) -> bool {
        self.scan.as_ref().is_some_and(|scan| scan.dry_run)
    }
}
