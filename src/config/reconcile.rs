//! `[reconcile]`: the whole reading that is set against the file, with the limits on what it may delete.

use super::document::Rule;
use super::span::Span;
use serde::Deserialize;

/// What becomes of a listing that no stream returns and that the vendor still answers by its key.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DetailOnly {
    Keep,
    Delete,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reconcile {
    /// Zero for never.
    pub(crate) every: Span,
    pub(crate) confirm_budget: u64,
    pub(crate) detail_only: DetailOnly,
    pub(crate) brake_count: u64,
    pub(crate) brake_share: f64,
    pub(crate) burst_count: u64,
    pub(crate) burst_share: f64,
}

impl Reconcile {
    pub(super) fn rules(&self) -> Vec<Rule> {
        let rule =
            |share: f64, key| (!(0.0..=1.0).contains(&share), key, "a share lies between 0 and 1; write 0.05 for 5 percent".to_owned());
        vec![rule(self.brake_share, "reconcile.brake_share"), rule(self.burst_share, "reconcile.burst_share")]
    }
}
