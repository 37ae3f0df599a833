//! `[reconcile]`: the whole reading that is set against the file, with the limits on what it may delete.

use super::document::Rule;
use super::span::Span;
use serde::Deserialize;
use std::time::Duration;

/// The whole reading that is set against the file, with the limits on what it may delete.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Reconcile {
    /// From the beginning of one run to the beginning of the next; zero for never.
    pub every: Span,
    /// The most absent listings that one run asks the vendor about, one by one.
    pub confirm_budget: u64,
    /// Inferred deletions up to this number need no approval.
    pub brake_count: u64,
    /// Inferred deletions up to this share of a feed's live listings, between 0 and 1, need no approval.
    pub brake_share: f64,
    /// Deletions that the vendor states within an hour are reported when they are more than this number
    pub burst_count: u64,
    /// and also more than this share of the feed's live listings, between 0 and 1.
    pub burst_share: f64,
}

impl Default for Reconcile {
    fn default() -> Self {
        Reconcile {
            every: Span(Duration::from_secs(7 * 86_400)),
            confirm_budget: 1000,
            brake_count: 100,
            brake_share: 0.05,
            burst_count: 1000,
            burst_share: 0.2,
        }
    }
}

impl Reconcile {
    pub(super) fn rules(&self) -> Vec<Rule> {
        let no_share = |share: f64| !(0.0..=1.0).contains(&share);
        let why = "a share lies between 0 and 1; write 0.05 for 5 percent";
        vec![
            (no_share(self.brake_share), "reconcile.brake_share", why.to_owned()),
            (no_share(self.burst_share), "reconcile.burst_share", why.to_owned()),
        ]
    }
}
