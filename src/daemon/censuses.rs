//! The configuration of agents, offices and open houses, as those take it who read them.

use crate::config::Config;
use crate::plan::brake::BrakeLimits;
use crate::plan::census::Rhythm;
use crate::sync::census::Kind;
use crate::vendor::catalogue::Catalogue;
use crate::vendor::{AGENT_DIRECTORY, OFFICE_DIRECTORY, OPEN_HOUSE_DIRECTORY, Vendor};
use std::sync::Arc;

/// The kinds that are read.
pub(super) fn kinds(config: &Config, vendor: &Arc<Vendor>) -> Vec<Kind> {
    let reconcile = &config.reconcile;
    let limits = BrakeLimits { count: reconcile.brake_count, share: reconcile.brake_share, budget: reconcile.confirm_budget };
    let sections = [(&AGENT_DIRECTORY, &config.agents), (&OFFICE_DIRECTORY, &config.offices), (&OPEN_HOUSE_DIRECTORY, &config.open_houses)];
    let on = sections.into_iter().filter(|(_, section)| !section.every.0.is_zero());
    on.map(|(directory, section)| {
        let rhythm = Rhythm { every: section.every.0, whole_every: reconcile.every.0, has_updates: directory.has_ids() };
        Kind { catalogue: Catalogue::Directory(Arc::clone(vendor), directory), account: None, rhythm, limits }
    })
    .collect()
}
