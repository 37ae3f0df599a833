//! What a plan asks for, and what it makes of an answered page.

use super::attempts::Retry;
use super::checkpoint::Checkpoint;
use super::options::Purpose;
use super::scans::ScanRequest;
use super::zone::ZoneFinding;
use crate::record::{Failure, ListingId, PageRequest, Stream, Window};
use std::time::Duration;

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask for a page; tell by `FeedPlan::on_page` or `FeedPlan::on_failure`.
    Fetch(Purpose, PageRequest),
    /// Begin a scan of this stretch; tell by `Scans::begun`.
    BeginScan(Window, Option<ScanRequest>),
    /// A scan's reading is over; tell which rows it lacks by `Scans::judged`.
    Judge {
        /// Stretches that it could not read or prove.
        unread: Vec<Window>,
    },
    /// Ask the vendor about a row that a scan's reading lacks; tell by `Scans::confirmed`.
    Confirm(ListingId),
    /// Every row that a scan's reading lacks was asked about; tell by `Scans::ended`.
    EndScan,
    /// Nothing to do before this time of `Now::monotonic`.
    Wait(Duration),
    /// A one-shot run is over: why the feed is not complete, nothing if it is.
    Finished(Vec<String>),
}

/// What became of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Store it, with this checkpoint.
    Store(Box<Checkpoint>, Option<ZoneFinding>),
    /// It does not count as read; the plan has taken it as this failure.
    Refuse(Failure, &'static str, Retry),
}

/// Requests that fail again and again while the vendor answers others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failing {
    /// What is read.
    pub(crate) purpose: Purpose,
    /// Of which stream.
    pub(crate) stream: Stream,
    /// Why they fail, for people.
    pub(crate) reason: String,
}
