//! What a run has done so far, counted by workers and read by whoever shows it.

use crate::plan::merge::ActionKind;
use crate::record::FeedId;
use crate::store::Committed;
use crate::sync::heartbeat::Beat;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What one feed's worker has done and is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FeedProgress {
    /// Requests sent for this feed alone.
    pub requests: u64,
    /// Records read of the past, repetitions included.
    pub filled: u64,
    /// Records that the past is known to have.
    pub expected: u64,
    /// Rounds in which every poll was proven complete.
    pub rounds: u64,
    /// How many records led to each kind of action.
    pub counts: BTreeMap<ActionKind, u64>,
    /// Records that could not be stored and were not known before.
    pub rejects: u64,
    /// Whether its requests fail at present.
    pub in_trouble: bool,
    /// What the feed is doing, for a person.
    pub doing: String,
    /// What its worker last said of itself, for the watchdog.
    pub beat: Beat,
}

impl FeedProgress {
    /// Adds what a page did.
    pub(super) fn add(&mut self, committed: &Committed) {
        for (kind, count) in &committed.counts {
            *self.counts.entry(*kind).or_default() += count;
        }
        self.rejects += committed.new_rejects.len() as u64;
    }

    /// How many records led to one of these kinds of action.
    pub(crate) fn count(&self, kinds: &[ActionKind]) -> u64 {
        kinds.iter().filter_map(|kind| self.counts.get(kind)).sum()
    }
}

/// The progress of each feed. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    feeds: Arc<Mutex<BTreeMap<FeedId, FeedProgress>>>,
    /// What the tasks say of themselves that read whole kinds of things, by the name of their vendor.
    censuses: Arc<Mutex<BTreeMap<&'static str, Beat>>>,
}

impl Progress {
    /// Changes the counters of a feed.
    pub(crate) fn update(&self, feed: &FeedId, change: impl FnOnce(&mut FeedProgress)) {
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        change(feeds.entry(feed.clone()).or_default());
    }

    /// Tells what a feed's worker does from now on.
    pub(crate) fn beat(&self, feed: &FeedId, beat: Beat) {
        self.update(feed, |counters| counters.beat = beat);
    }

    /// Tells what the task does that reads whole kinds of things of a vendor.
    pub(crate) fn census_beat(&self, vendor: &'static str, beat: Beat) {
        self.censuses.lock().unwrap_or_else(PoisonError::into_inner).insert(vendor, beat);
    }

    /// What these tasks said last.
    #[must_use]
    pub(crate) fn censuses(&self) -> BTreeMap<&'static str, Beat> {
        self.censuses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many feeds there are.
    pub(crate) fn feeds(&self) -> usize {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The counters as they are.
    #[must_use]
    pub(crate) fn snapshot(&self) -> BTreeMap<FeedId, FeedProgress> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
