//! What a run of the process is to do, and how a one-shot run ended.

use crate::record::{FeedId, Stamp};
use crate::sync::dry_run::DryRun;
use std::collections::BTreeMap;

/// What a run is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunOptions {
    /// The command as typed, for whoever finds the file in use.
    pub command: &'static str,
    /// Stop when everything is read.
    pub once: bool,
    /// Load everything. Where the file is empty, what only queries need is built at the end.
    pub backfill: bool,
    /// Take over a file that mirrors another source.
    pub adopt: bool,
    /// Replaces what earlier runs set as the oldest stamp to hold.
    pub since: Option<Stamp>,
    /// Only these feeds; empty for all.
    pub feeds: Vec<FeedId>,
    /// Set a whole reading against the file.
    pub reconcile: bool,
    /// Read the vendor's totals of an account, and nothing else.
    pub totals: bool,
    /// Only tell what the reconcile would repair and delete.
    pub dry_run: bool,
}

/// How a one-shot run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunOutcome {
    /// Whether it was stopped before its end.
    pub stopped: bool,
    /// What each feed lacks; empty for one that is complete.
    pub feeds: BTreeMap<FeedId, Vec<String>>,
    /// What a dry run found of each account.
    pub dry_runs: Vec<DryRun>,
    /// Why no feed could be found.
    pub no_feeds: Option<String>,
}
