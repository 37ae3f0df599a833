//! What `status` shows, read from the file as any consumer would.

use super::census::{self, CensusReport};
use super::error::Error;
use super::freshness::{self, Freshness};
use super::holder::Holder;
use super::known_gaps::{self, KnownGapReport};
use super::lateness::{self, Lateness};
use super::ledger::{self, AccountReport};
use super::load::FirstLoad;
use super::long_readers::{self, Reader};
use super::misfits::{self, MisfitCount};
use super::notice::{self, NoticeReport};
use super::open_error::OpenError;
use super::query::{rows, value};
use super::reconcile_report::{self, RunReport};
use super::rejects::{self, RejectReport};
use super::scanned::{self, ScannedReport};
use super::{checkpoint, instance, load, source, sqlite};
use crate::plan::window::MirrorRange;
use crate::record::{FeedId, Source, Stamp, Stream};
use chrono::Utc;
use rusqlite::Connection;
use serde::Serialize;
use std::path::Path;

/// One feed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeedReport {
    /// The feed.
    pub feed_id: FeedId,
    /// Listings that are live.
    pub live: u64,
    /// Tombstones.
    pub deleted: u64,
    /// The oldest stamp that the mirror is to hold.
    pub since: String,
    /// Everything stamped from `since` to here was read whole; null while the beginning is unread.
    pub complete_until: Option<String>,
    /// While the beginning is unread: everything stamped later than this was read, up to the newest. Null otherwise.
    pub back_to: Option<String>,
    /// Stretches that are unread between what was read, newest first. They are filled by themselves.
    pub gaps: Vec<Gap>,
    /// When the newest changes were last proven complete, or up to about a minute earlier while a process mirrors; null if never.
    pub polled_at: Option<String>,
    /// What the mirror is doing about the feed.
    pub activity: String,
    /// Since when.
    pub activity_at: String,
    /// Why, for a person; null when all is well.
    pub note: Option<String>,
    /// Records kept in `rejects`.
    pub rejects: u64,
    /// Rejects that were not kept, or not whole, because there were too many or they were too long.
    pub rejects_cut: u64,
    /// Records whose unknown fields were not kept because they were too long.
    pub extra_cut: u64,
    /// The fields whose values did not fit their columns, and in how many stored listings, the most frequent first.
    pub misfits: Vec<MisfitCount>,
    /// Agents, offices and open houses, where they were ever read.
    pub censuses: Vec<CensusReport>,
    /// Stretches that could not be read, the newest first. They are tried again, ever more seldom.
    pub known_gaps: Vec<KnownGapReport>,
    /// The same as `complete_until`, but for the known gaps.
    pub complete_but_for_known_gaps_until: Option<String>,
    /// Listings come up to so many seconds after their stamp, as was seen during the last day; null if none came late. The dates of
    /// completeness are earlier by this.
    pub late_s: Option<f64>,
    /// When the last scan began that proved the history; null if there was none, so that it was only read.
    pub proven_at: Option<String>,
    /// What the first load has cost, so far or until it was over; null where that is not known.
    pub first_load: Option<FirstLoad>,
    /// What a person should know.
    pub notices: Vec<NoticeReport>,
    /// How long changes took lately from their stamp to the file; null when polls found none.
    pub fresh: Option<Freshness>,
    /// How late late listings came; null when none did.
    pub late: Option<Lateness>,
    /// The last reconcile run; null before the first.
    pub last_reconcile: Option<RunReport>,
}

impl FeedReport {
    /// Whether the vendor has never shown a record of the feed.
    pub(crate) fn is_unknown(&self) -> bool {
        self.live + self.deleted + self.rejects + self.rejects_cut == 0
    }
}

/// All that `status` shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// The process that mirrors into the file; null if none does.
    pub process: Option<Holder>,
    /// The vendor's system and the account that the file mirrors; null before the first run.
    pub source: Option<Source>,
    /// How the credentials stand that were used.
    pub accounts: Vec<AccountReport>,
    /// Who reads the file at this moment, where a long transaction is in the way; empty otherwise, or out of sight.
    pub readers: Vec<Reader>,
    /// What a person should know about the vendor or the machine.
    pub notices: Vec<NoticeReport>,
    /// The feeds that are mirrored.
    pub feeds: Vec<FeedReport>,
    /// What is read whole of other vendors.
    pub scanned: Vec<ScannedReport>,
}

/// A feed, as `feeds` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FeedEntry {
    pub feed_id: FeedId,
    /// When it was adopted.
    pub added_at: String,
    /// The oldest stamp that the mirror is to hold.
    pub since: String,
    /// Listings that are live.
    pub live: u64,
    /// Tombstones.
    pub deleted: u64,
    /// When a person removed it; null while it is mirrored.
    pub removed_at: Option<String>,
}

/// A stretch that is unread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The stream, as the vendor's Status parameter.
    pub status: u8,
    /// Its beginning.
    pub from: String,
    /// Its end.
    pub to: String,
}

/// Reads the state of every feed that is mirrored.
pub(crate) fn feeds(path: &Path) -> Result<Vec<FeedReport>, ReportError> {
    Ok(status(path)?.feeds)
}

/// Reads all that `status` shows.
///
/// # Errors
/// When the file is missing, not ours, or SQLite refuses.
pub fn status(path: &Path) -> Result<Status, ReportError> {
    let process = instance::holder(path).unwrap_or_else(|error| {
        tracing::warn!(%error, "whether a process mirrors into the file cannot be seen");
        None
    });
    read(path, |connection| {
        let notices = notice::of(connection, None)?;
        let in_the_way = notices.iter().any(|notice| notice.kind == "snapshot");
        Ok(Status {
            process,
            source: source::load(connection)?,
            accounts: ledger::report(connection, Utc::now())?,
            readers: if in_the_way { long_readers::readers(path) } else { Vec::new() },
            notices,
            feeds: read_feeds(connection)?,
            scanned: scanned::reports(connection)?,
        })
    })
}

/// Reads only the accounts of the other vendors. `status` also counts all listings, which takes long where there are many.
pub(crate) fn scanned(path: &Path) -> Result<Vec<ScannedReport>, ReportError> {
    read(path, scanned::reports)
}

/// Which source the file mirrors; `None` before the first run.
pub(crate) fn source(path: &Path) -> Result<Option<Source>, ReportError> {
    read(path, source::load)
}

/// Lists the feeds, removed ones included.
pub(crate) fn feed_list(path: &Path) -> Result<Vec<FeedEntry>, ReportError> {
    read(path, read_entries)
}

/// Lists the rejects of one feed, or of all.
pub(crate) fn rejects(path: &Path, feed: Option<&FeedId>) -> Result<Vec<RejectReport>, ReportError> {
    read(path, |connection| rejects::list(connection, feed, None))
}

/// The reconcile runs after this one, oldest first; 0 for all.
pub(crate) fn runs_after(path: &Path, run: i64) -> Result<Vec<RunReport>, ReportError> {
    read(path, |connection| reconcile_report::after(connection, run))
}

/// The number of the last reconcile run; 0 before the first.
pub(crate) fn last_run(path: &Path) -> Result<i64, ReportError> {
    read(path, |connection| value(connection, "SELECT coalesce(max(run_id), 0) FROM reconcile_runs", []))
}

/// Reads in one transaction, so that all numbers are of the same moment.
pub(super) fn read<T>(path: &Path, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, ReportError> {
    let connection = sqlite::open_read_only(path)?;
    let done = connection.unchecked_transaction().and_then(|tx| query(&tx));
    Ok(done.map_err(Error::from)?)
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The file cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// SQLite refused.
    #[error("cannot read the database: {0}")]
    Read(#[from] Error),
}

/// The view `coverage` decides how far a feed is complete, so that `status` and consumers never disagree.
fn read_feeds(connection: &Connection) -> rusqlite::Result<Vec<FeedReport>> {
    let sql = "SELECT feeds.feed_id, feeds.since, activity, activity_at, note, feeds.polled_at, rejects_cut, extra_cut, complete_until,
             complete_but_for_known_gaps_until, late_s, proven_at
         FROM feeds JOIN coverage USING (feed_id) ORDER BY feeds.feed_id";
    rows(connection, sql, [], |row| {
        let (
            feed_id,
            since,
            activity,
            activity_at,
            note,
            polled_at,
            rejects_cut,
            extra_cut,
            complete_until,
            but_for_gaps,
            late_s,
            proven_at,
        ) = row.try_into()?;
        let (live, deleted) = counts(connection, &feed_id)?;
        let complete_until: Option<String> = complete_until;
        let back_to = if complete_until.is_none() { load::back_to(connection, &feed_id)? } else { None };
        Ok(FeedReport {
            live,
            deleted,
            since,
            back_to: back_to.map(|back: Stamp| back.to_string()),
            complete_until,
            gaps: gaps(connection, &feed_id, row.get(1)?)?,
            polled_at,
            activity,
            activity_at,
            note,
            rejects: value(connection, "SELECT count(*) FROM rejects WHERE feed_id = ?1", [&feed_id])?,
            rejects_cut,
            extra_cut,
            misfits: misfits::counts(connection, &feed_id)?,
            censuses: census::reports(connection, &feed_id)?,
            known_gaps: known_gaps::report(connection, &feed_id)?,
            complete_but_for_known_gaps_until: but_for_gaps,
            late_s,
            proven_at,
            first_load: load::first(connection, &feed_id, (live, deleted))?,
            notices: notice::of(connection, Some(&feed_id))?,
            fresh: freshness::of(connection, &feed_id)?,
            late: lateness::of(connection, &feed_id)?,
            last_reconcile: reconcile_report::last(connection, &feed_id)?,
            feed_id,
        })
    })
}

fn read_entries(connection: &Connection) -> rusqlite::Result<Vec<FeedEntry>> {
    rows(connection, "SELECT feed_id, added_at, since, removed_at FROM feeds ORDER BY feed_id", [], |row| {
        let (feed_id, added_at, since, removed_at) = row.try_into()?;
        let (live, deleted) = counts(connection, &feed_id)?;
        Ok(FeedEntry { feed_id, added_at, since, live, deleted, removed_at })
    })
}

/// Live rows and tombstones. Counting both from indexes spares reading the wide rows.
fn counts(connection: &Connection, feed: &FeedId) -> rusqlite::Result<(u64, u64)> {
    let all: u64 = value(connection, "SELECT count(*) FROM listings WHERE feed_id = ?1", [feed])?;
    let deleted = value(connection, "SELECT count(*) FROM listings WHERE feed_id = ?1 AND deleted_at IS NOT NULL", [feed])?;
    Ok((all - deleted, deleted))
}

/// The unread stretches between what was read, stream by stream. What is no longer polled is nobody's to fill.
fn gaps(connection: &Connection, feed: &FeedId, since: Stamp) -> rusqlite::Result<Vec<Gap>> {
    let saved = checkpoint::load_streams(connection, feed)?;
    let polled: Vec<Stream> = rows(connection, "SELECT status FROM cursors WHERE feed_id = ?1 AND polled", [feed], |row| row.get(0))?;
    let mut gaps = Vec::new();
    for (stream, state) in saved.iter().filter(|(stream, _)| polled.contains(stream)) {
        let now = state.coverage.end().unwrap_or(since);
        let unread = MirrorRange { since, now }.gaps(state);
        gaps.extend(unread.iter().map(|gap| Gap { status: stream.number(), from: gap.from.to_string(), to: gap.to.to_string() }));
    }
    Ok(gaps)
}
