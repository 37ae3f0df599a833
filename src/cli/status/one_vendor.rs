//! What `mls-sync status --vendor` shows: the parts of one vendor.

use super::scanned;
use crate::config::Config;
use crate::store::report::Status;

/// The notice that is about the listings' vendor; the others without a feed are about the machine.
const OF_LISTINGS: &str = "feeds";

/// Leaves what is of the only vendor that the configuration names. Who mirrors, and what is wrong with the machine, concerns each.
pub(super) fn leave(status: &mut Status, config: &Config) {
    let is_meant = |vendor| config.vendors.contains(vendor);
    status.accounts.retain(|account| is_meant(config.vendor_of(&account.account)));
    status.scanned.retain(|report| is_meant(scanned::vendor(&report.entity)));
    if !config.mirrors_listings() {
        status.source = None;
        status.feeds.clear();
        status.notices.retain(|notice| notice.kind != OF_LISTINGS);
    }
}
