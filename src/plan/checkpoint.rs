//! What is saved of a plan with every page, and what a plan is resumed from.

use super::coverage::Coverage;
use super::known_gaps::KnownGap;
use super::options::Purpose;
use super::page::Mark;
use super::paging::Reading;
use super::progress::Progress;
use super::window::{StreamState, Task};
use crate::record::{FeedId, ListingId, Stamp, Stream, Window};
use std::collections::BTreeMap;
use std::time::Duration;

/// A window that is being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// What it is asked for.
    pub task: Task,
    /// How far its reading is.
    pub reading: Reading,
    /// The vendor's clock when it was opened.
    pub opened: Stamp,
    /// Whether a checkpoint has told the database of it.
    pub saved: bool,
}

impl Open {
    /// What is saved of a window that is read no further.
    pub(super) fn ended(self, state: WindowState) -> WindowSave {
        let Open { task, reading, opened, saved } = self;
        WindowSave { state, task, opened, progress: reading.progress(), begins: !saved, forget_marks: true, marks: Vec::new() }
    }
}

/// What became of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowState {
    /// Being read.
    Open,
    /// Proven whole.
    Complete,
    /// Read as often as is sensible, without proof.
    Suspect,
    /// Given up in favour of smaller windows.
    Cut,
}

/// What is to be saved in the transaction that stores the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The feed.
    pub feed: FeedId,
    /// Which kind of work the page belongs to.
    pub purpose: Purpose,
    /// Which stream the page is of.
    pub stream: Stream,
    /// Where the mirror stands with the stream; `None` if it is not one that is polled, or nothing may be changed.
    pub state: Option<StreamState>,
    /// The window, if it has a row in the table `windows` or is to get one.
    pub window: Option<WindowSave>,
    /// When look-backs were begun and done, by name.
    pub lookbacks: BTreeMap<String, LookbackTimes>,
    /// Changes nothing but the counts of a dry run.
    pub dry_run: bool,
    /// What was read whole before this page: a change that comes from inside came late.
    pub read_before: Coverage,
    /// Changes of this page that are stamped later tell how fresh the file is; `None` where none do.
    pub fresh_after: Option<Stamp>,
    /// With this page all streams were polled up to one moment, and each was proven.
    pub round_proven: bool,
    /// What the first load has cost since the last checkpoint; `None` once it is over.
    pub load: Option<LoadCost>,
}

/// What a part of a first load has cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadCost {
    /// Requests of every kind, failed ones included.
    pub requests: u64,
    /// The most records that were seen on one page.
    pub page_size: u64,
    /// With this page everything was read once.
    pub ends: bool,
}

/// What is to be saved of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowSave {
    /// What became of it.
    pub state: WindowState,
    /// What it was asked for.
    pub task: Task,
    /// The vendor's clock when it was opened.
    pub opened: Stamp,
    /// How far its reading is.
    pub progress: Progress,
    /// It is new: whatever the database has open for this kind of work is given up.
    pub begins: bool,
    /// The marks saved so far no longer count.
    pub forget_marks: bool,
    /// The marks to add.
    pub marks: Vec<Mark>,
}

/// When a look-back was last begun and last ended, on our own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookbackTimes {
    /// When it was begun; the same as `done` once it has ended.
    pub begun: Stamp,
    /// When it ended, with or without proof. It is put earlier by as much as the next one is to come sooner.
    pub done: Stamp,
}

/// A reconcile that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedScan {
    /// What it reads.
    pub range: Window,
    /// What it has read whole, by stream.
    pub coverage: BTreeMap<Stream, Coverage>,
    /// What of it could not be proven, by stream.
    pub unproven: BTreeMap<Stream, Coverage>,
    /// Rows that it lacks and that were not asked about yet; `None` while it is reading.
    pub to_confirm: Option<Vec<ListingId>>,
    /// How many rows were asked about.
    pub asked: u64,
}

/// What the database remembers of a feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// Its streams.
    pub streams: BTreeMap<Stream, StreamState>,
    /// Its windows that are being read.
    pub open: Vec<(Purpose, Open)>,
    /// The stretches that could not be read.
    pub known_gaps: Vec<KnownGap>,
    /// When its look-backs were begun and done, by name.
    pub lookbacks: BTreeMap<String, LookbackTimes>,
    /// Listings that came late: when they were found, on our own clock, and how long after their stamp. The latest of each hour of the
    /// last day in which there were any.
    pub late: Vec<(Stamp, Duration)>,
    /// Its reconcile that is under way.
    pub scan: Option<SavedScan>,
    /// When its last reconcile began, or when it was adopted, on our own clock.
    pub last_scan: Option<Stamp>,
    /// Everything was read once.
    pub loaded: bool,
}
