//! What a session is told, and what it says: events in, commands and reports out.

use super::intake::{Arrival, Stored};
use crate::plan::attempts::Retry;
use crate::plan::brake::BrakeLimits;
use crate::plan::checkpoint::Saved;
use crate::plan::known_gaps::KnownGap;
use crate::plan::options::Purpose;
use crate::plan::scans::ScanRequest;
use crate::record::{ListingId, Page, PageRequest, Record, Window};
use crate::store::{Confirmation, Judgement};
use crate::vendor::Error as VendorError;
use std::time::Duration;

/// What happened. Every command but `Tell`, `Wait`, `Store` and `Finished` is followed by the event that it names.
#[derive(Debug)]
pub enum Event {
    /// A page was answered.
    Page(Purpose, PageRequest, Page),
    /// A request for a page failed.
    Failed(Purpose, PageRequest, VendorError),
    /// A single record was answered; `None` where the vendor does not have it.
    One(ListingId, Result<Option<Record>, VendorError>),
    /// A page was stored.
    Stored(Stored),
    /// So many listings are live, after so many deletions within an hour.
    Live {
        /// The deletions.
        recent: u64,
        /// The live listings.
        live: u64,
    },
    /// A reconcile run was begun, with this number.
    ScanBegun(i64, Window),
    /// The scan that was to begin is not begun: its asker has gone.
    ScanWithdrawn,
    /// What a scan lacks was worked out.
    Judged(Judgement),
    /// What the vendor said of a row was stored.
    Confirmed,
    /// The known gaps were saved.
    GapsSaved,
    /// The reconcile run was ended.
    ScanEnded,
    /// The database refused a command, for this reason; nothing of it was stored.
    StoreFailed(String),
    /// What the database remembers of the feed.
    Loaded(Box<Saved>),
    /// Somebody asks for a scan.
    ScanRequested(ScanRequest),
    /// The reason of failures may be gone.
    TryAgain,
}

/// What is to be done.
#[derive(Debug)]
pub enum Command {
    /// Ask the vendor for a page: `Page` or `Failed`.
    Fetch(Purpose, PageRequest),
    /// Ask the vendor for a single record: `One`.
    FetchOne(ListingId),
    /// Begin to store a page. What came of it is told at `AwaitStored`, or before what the next `Fetch` brought is told.
    Store(Box<Arrival>),
    /// Wait until the page is stored that is being stored: `Stored` or `StoreFailed`.
    AwaitStored,
    /// Count the live listings: `Live` or `StoreFailed`. The number is that of the deletions of the last hour;
    /// `Live` repeats it.
    CountLive(u64),
    /// Begin a reconcile run, if whoever asked for it still wants it: `ScanBegun`, `ScanWithdrawn` or `StoreFailed`.
    BeginScan(Window, Option<ScanRequest>),
    /// Work out which rows the scan lacks: `Judged` or `StoreFailed`.
    Judge {
        /// Stretches that the scan could not read or prove.
        unread: Vec<Window>,
        /// The limits of the brake.
        limits: BrakeLimits,
    },
    /// Store what the vendor said of a row that the scan lacks: `Confirmed` or `StoreFailed`.
    Confirm(ListingId, Confirmation),
    /// Save the known gaps of the feed in the place of those that were saved: `GapsSaved` or `StoreFailed`.
    SaveGaps(Vec<KnownGap>),
    /// End the reconcile run: `ScanEnded` or `StoreFailed`.
    EndScan {
        /// What the vendor has by its key alone, as two runs in a row have found, is deleted.
        delete_detail_only: bool,
    },
    /// Read what the database remembers of the feed: `Loaded` or `StoreFailed`.
    Load,
    /// Tell people.
    Tell(Report),
    /// Nothing to do before this time of [`Now::monotonic`](crate::plan::clock::Now), or before an event comes by itself.
    Wait(Duration),
    /// The database cannot be used, and a one-shot run does not wait for it.
    GiveUp,
    /// A one-shot run is over: why the feed is not complete, nothing if it is.
    Finished(Vec<String>),
}

/// What people may want to know.
#[derive(Debug)]
pub enum Report {
    /// A page is about to be asked for.
    Working(Purpose, PageRequest),
    /// There is nothing to do for a while.
    Waiting,
    /// A request for a page failed.
    Failed(Purpose, PageRequest, VendorError, Retry),
    /// A request for a single record failed.
    OneFailed(ListingId, VendorError, Retry),
    /// A page was stored.
    Stored(Stored),
    /// The database cannot be used; it is tried again after this.
    StoreFailed(String, Duration),
    /// A scan has begun.
    ScanBegun(i64, Window, Option<ScanRequest>),
    /// What a scan found may be deleted without a person.
    NotWithheld,
    /// A scan's deletions wait for a person, for this reason.
    Withheld(i64, String),
    /// A scan proves nothing, for this reason.
    ScanFailed(i64, String),
    /// A scan is over that somebody has asked for.
    ScanOver(ScanRequest),
    /// The known gaps changed: a notice, or nothing if there is none.
    Gaps(Option<String>),
    /// Requests fail again and again while others are answered: a notice, or nothing if that is over.
    Trouble(Option<String>),
    /// Very many deletions were stated.
    Burst(String),
    /// A one-shot run is over, for this first reason if it is not complete.
    Finished(Option<String>),
}
