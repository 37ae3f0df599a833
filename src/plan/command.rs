//! The words in which a plan speaks with the worker and the database.

use super::attempts::Retry;
use super::coverage::Coverage;
use super::paging::{Answer, Mark, Reading};
use super::window::{StreamState, Task};
use super::zone::ZoneFinding;
use crate::record::{Failure, FeedId, ListingId, PageRequest, Stamp, Stream, Window};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a feed is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The streams polled.
    pub streams: Vec<Stream>,
    /// From the beginning of one poll to the beginning of the next.
    pub interval: Duration,
    /// How far a poll reaches back behind the cursor.
    pub overlap: Duration,
    /// How far a window's end stays behind the vendor's clock.
    pub settle: Duration,
    /// The oldest stamp that the mirror is to hold.
    pub since: Stamp,
    /// A window with more pages than this is cut in time.
    pub window_pages: u64,
    /// Re-readings of what was complete, for listings that are published later than they are stamped.
    pub lookbacks: Vec<LookbackRule>,
    /// How often stamps ahead of the vendor's clock are looked for; `None` for never.
    pub ahead_every: Option<Duration>,
    /// From the beginning of one reconcile to the beginning of the next; `None` for never.
    pub scan_every: Option<Duration>,
    /// Reconcile now.
    pub scan_now: bool,
    /// A reconcile that changes nothing.
    pub dry_run: bool,
    /// Absent rows that the vendor is asked about in a run.
    pub confirm_budget: u64,
    /// Stop when everything is read, instead of polling for ever.
    pub once: bool,
    /// Spreads clients that failed together.
    pub seed: u64,
}

/// A look-back: every so often, what is stamped as late as this is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LookbackRule {
    /// How often.
    pub every: Duration,
    /// How far back.
    pub reach: Duration,
}

/// The kinds of work, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Bringing what changed since the last poll.
    Poll,
    /// Reading again what was complete, for listings that came late.
    Lookback,
    /// Filling a gap of the past.
    Fill,
    /// Reading everything again, to set it against the file.
    Scan,
}

impl Purpose {
    /// All of them, the most urgent first.
    pub const ALL: [Purpose; 4] = [Purpose::Poll, Purpose::Lookback, Purpose::Fill, Purpose::Scan];

    /// The word for it in the database.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Purpose::Poll => "poll",
            Purpose::Lookback => "lookback",
            Purpose::Fill => "fill",
            Purpose::Scan => "scan",
        }
    }
}

/// Now, in the clocks that decisions need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The vendor's clock, as its answers show it.
    pub vendor: Stamp,
    /// The earlier of the vendor's clock and ours, as the vendor's dates show it. One of them may be wrong, and what is
    /// stamped before both is past by either.
    pub earliest: Stamp,
    /// Our own clock, UTC; it outlives the process.
    pub ours: Stamp,
    /// Time since the process began: never steps.
    pub monotonic: Duration,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Ask for a page.
    Fetch {
        /// Which kind of work it is.
        purpose: Purpose,
        /// The request.
        request: PageRequest,
    },
    /// Make a row for a reconcile run, and tell it by `scan_begun`.
    BeginScan {
        /// What it will read.
        range: Window,
        /// Whether it is to change nothing.
        dry_run: bool,
        /// Whether somebody asked for it; its regular time has come otherwise.
        wanted: bool,
    },
    /// A run's reading is over: find out which rows it lacks, and tell them by `judged`.
    Judge {
        /// The run.
        run: i64,
        /// Whether every window of it was proven whole.
        proven: bool,
    },
    /// Ask the vendor about a row that a run's reading lacks, and tell by `confirmed`.
    Confirm {
        /// The run.
        run: i64,
        /// The listing.
        listing: ListingId,
    },
    /// Every row that a run's reading lacks was asked about: end it, and tell by `scanned`.
    EndScan {
        /// The run.
        run: i64,
    },
    /// Nothing to do before this time of [`Now::monotonic`].
    Wait {
        /// When to ask again.
        until: Duration,
    },
    /// A one-shot run is over.
    Finished {
        /// Why the feed is not complete; empty if it is.
        missing: Vec<String>,
    },
}

/// An answered page, as far as decisions depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageSeen {
    /// What paging needs.
    pub answer: Answer,
    /// The stamps of the feed's own records.
    pub stamps: Vec<Stamp>,
    /// Records of feeds that were not asked for.
    pub foreign: usize,
    /// The vendor's clock, if the answer told it.
    pub vendor_now: Option<Stamp>,
}

/// A window that is being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Its row in the database, once it has one.
    pub row: Option<i64>,
    /// What it is asked for.
    pub task: Task,
    /// How far its reading is.
    pub reading: Reading,
    /// The vendor's clock when it was opened.
    pub opened: Stamp,
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
    /// Which stream it is about.
    pub stream: Stream,
    /// Where the mirror stands with the stream; `None` if it is not one that is polled.
    pub state: Option<StreamState>,
    /// The window, if it deserves a row.
    pub window: Option<WindowSave>,
    /// When look-backs were begun and done, by name.
    pub lookbacks: BTreeMap<String, LookbackTimes>,
    /// The page belongs to this run.
    pub run: Option<i64>,
    /// Changes nothing but counts.
    pub dry_run: bool,
    /// What was read whole before this page: a change that comes from inside came late.
    pub read_before: Coverage,
    /// Which kind of work it is.
    pub purpose: Purpose,
    /// What the vendor's stamps show of its zone.
    pub zone: Option<ZoneFinding>,
}

/// When a look-back was last begun and last proven, on our own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookbackTimes {
    /// Begun.
    pub begun: Stamp,
    /// Proven.
    pub done: Stamp,
}

/// A reconcile run that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedScan {
    /// The run.
    pub run: i64,
    /// What it reads.
    pub range: Window,
    /// What it has read whole, by stream.
    pub coverage: BTreeMap<Stream, Coverage>,
    /// A window of it could not be proven.
    pub doubtful: bool,
    /// Rows that it lacks and that were not asked about yet; `None` while it is reading.
    pub to_confirm: Option<Vec<ListingId>>,
    /// Rows that were asked about.
    pub asked: u64,
}

/// What is to be saved of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowSave {
    /// Which kind of work it is.
    pub purpose: Purpose,
    /// What became of it.
    pub state: WindowState,
    /// The window.
    pub open: Open,
    /// The marks saved so far no longer count.
    pub forget_marks: bool,
    /// The marks to add.
    pub marks: Vec<Mark>,
}

/// What the database remembers of a feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// Its streams.
    pub streams: BTreeMap<Stream, StreamState>,
    /// Its windows that are being read.
    pub open: Vec<(Purpose, Open)>,
    /// When its look-backs were begun and done, by name.
    pub lookbacks: BTreeMap<String, LookbackTimes>,
    /// Its reconcile run that is under way.
    pub scan: Option<SavedScan>,
    /// When its last reconcile began, or when it was adopted, on our own clock.
    pub last_scan: Option<Stamp>,
}

/// What became of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Store it, with this checkpoint.
    Store(Box<Checkpoint>),
    /// It does not count as read; the plan has taken it as this failure.
    Refuse(Failure, String, Retry),
}
