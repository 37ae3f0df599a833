//! What a run of the process is to do, and how a one-shot run ended.

use crate::record::{FeedId, Stamp};
use std::collections::BTreeMap;

/// What a run is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunOptions {
    /// The command as typed, for whoever finds the file in use.
    pub command: &'static str,
    /// Stop when everything is read.
    pub once: bool,
    /// Replaces what earlier runs set as the oldest stamp to hold.
    pub since: Option<Stamp>,
    /// Only these feeds; empty for all.
    pub feeds: Vec<FeedId>,
    /// Set a whole reading against the file.
    pub reconcile: Option<ReconcileMode>,
}

/// What a reconcile may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReconcileMode {
    /// Repair and delete.
    Apply,
    /// Only tell.
    DryRun,
}

/// How a one-shot run ended: what each feed lacks, if anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunOutcome {
    /// Whether it was stopped before its end.
    pub stopped: bool,
    /// What each feed lacks.
    pub feeds: BTreeMap<FeedId, Vec<String>>,
    /// Why no feed could be found.
    pub no_feeds: Option<String>,
}
