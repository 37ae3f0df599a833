//! What is known of one listing, and how that came to be known.

use super::query::rows;
use super::rejects::{self, RejectReport};
use super::report::{ReportError, read};
use super::row_sql::RowSql;
use crate::entity::Entity;
use crate::record::{Content, FeedId, ListingKey};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use std::path::Path;

/// Events of each kind that are told, the newest.
const TOLD: u32 = 20;

/// All that is known of a listing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct WhyReport {
    pub feed_id: FeedId,
    pub listing_id: String,
    /// The feed's state; null if the mirror does not know it.
    pub feed: Option<FeedKnown>,
    /// The row; null if the listing was never stored.
    pub row: Option<RowReport>,
    /// What the vendor says of it that is older than the row; null where it says nothing such.
    pub contested: Option<ContestedReport>,
    /// Its real changes, newest first.
    pub changes: Vec<ChangeReport>,
    /// The windows in whose reading its newest stamp lies, newest first.
    pub windows: Vec<WindowReport>,
    /// When it came late, newest first.
    pub late: Vec<LateReport>,
    /// Records with its number that could not become a row.
    pub rejects: Vec<RejectReport>,
    /// Reconcile runs that lacked it, newest first.
    pub absences: Vec<AbsenceReport>,
}

/// A feed's state, as far as it explains a listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FeedKnown {
    /// The oldest stamp that the mirror is to hold.
    pub since: String,
    /// Everything stamped from `since` to here was read whole; null while the beginning is unread.
    pub complete_until: Option<String>,
    /// When a person removed it; null while it is mirrored.
    pub removed_at: Option<String>,
}

/// A listing's row, as far as it tells its history.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct RowReport {
    /// Whether it is live; else a tombstone.
    pub live: bool,
    /// How its deletion was learnt: vendor, absent, feed_removed.
    pub deleted_cause: Option<String>,
    /// When its deletion was learnt.
    pub deleted_at: Option<String>,
    pub first_seen_at: String,
    /// When it last really changed.
    pub changed_at: String,
    /// The number of its last change.
    pub change_seq: i64,
    /// The vendor's date of its content.
    pub mls_update_date: Option<String>,
    /// The stamp of the newest thing heard of it, live or deleted.
    pub stamp: Option<String>,
    pub listing_status: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ChangeReport {
    pub seq: i64,
    /// added, changed, deleted, restored.
    pub kind: String,
    /// One of the words of the column `changes.cause`.
    pub cause: String,
    pub at: String,
}

/// An answer that was older than the row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ContestedReport {
    /// Whether it is a deletion; else a live copy.
    pub deleted: bool,
    pub stamp: Option<String>,
    pub first_seen_at: String,
}

/// A window that claims the listing's stamp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct WindowReport {
    pub window_id: i64,
    /// The stream, as the vendor's Status parameter.
    pub status: u8,
    /// poll, lookback, fill, scan.
    pub purpose: String,
    /// open, complete, suspect, cut.
    pub state: String,
    pub from: String,
    pub to: String,
    /// When its reading began.
    pub opened_at: String,
    /// When its reading ended; null while open.
    pub closed_at: Option<String>,
}

/// A time that it came late.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct LateReport {
    pub stamp: String,
    /// Seconds from the stamp to the find.
    pub late_s: f64,
    /// poll, lookback, fill, scan.
    pub found_by: String,
    pub found_at: String,
}

/// A reconcile run that lacked it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct AbsenceReport {
    pub run_id: i64,
    /// When the run began.
    pub started_at: String,
    /// One of the words of the column `reconcile_runs.state`.
    pub state: String,
    /// What the vendor said of the listing: unasked, gone, deleted, present, unclear.
    pub verdict: String,
    /// Whether it became a tombstone.
    pub applied: bool,
    /// The listing that seems to be the same under another key.
    pub twin_id: Option<String>,
}

/// Reads what is known of a listing.
pub(crate) fn why(path: &Path, key: &ListingKey) -> Result<WhyReport, ReportError> {
    read(path, |connection| {
        let row = row_report(connection, key)?;
        let stamp = row.as_ref().and_then(|row| row.stamp.as_deref());
        Ok(WhyReport {
            feed_id: key.feed.clone(),
            listing_id: key.listing.0.clone(),
            feed: feed_known(connection, &key.feed)?,
            contested: contested(connection, key)?,
            changes: changes(connection, key)?,
            windows: stamp.map_or(Ok(Vec::new()), |stamp| windows(connection, &key.feed, stamp))?,
            late: late(connection, key)?,
            rejects: rejects::list(connection, Some(&key.feed), Some(&key.listing))?,
            absences: absences(connection, key)?,
            row,
        })
    })
}

/// The stored row as a record's content.
pub(crate) fn content(path: &Path, key: &ListingKey, entity: &'static Entity) -> Result<Option<Content<'static>>, ReportError> {
    read(path, |connection| RowSql::new(entity).cells(connection, key))
}

fn feed_known(connection: &Connection, feed: &FeedId) -> rusqlite::Result<Option<FeedKnown>> {
    let sql = "SELECT feeds.since, complete_until, removed_at FROM feeds LEFT JOIN coverage USING (feed_id) WHERE feeds.feed_id = ?1";
    let known = |row: &Row| Ok(FeedKnown { since: row.get(0)?, complete_until: row.get(1)?, removed_at: row.get(2)? });
    connection.query_row(sql, [feed], known).optional()
}

fn row_report(connection: &Connection, key: &ListingKey) -> rusqlite::Result<Option<RowReport>> {
    let sql =
        "SELECT deleted_at IS NULL, deleted_cause, deleted_at, first_seen_at, changed_at, change_seq, mls_update_date, stamp, listing_status
         FROM listings WHERE feed_id = ?1 AND listing_id = ?2";
    let report = |row: &Row| {
        let (live, deleted_cause, deleted_at, first_seen_at, changed_at, change_seq, mls_update_date, stamp, listing_status) =
            row.try_into()?;
        Ok(RowReport { live, deleted_cause, deleted_at, first_seen_at, changed_at, change_seq, mls_update_date, stamp, listing_status })
    };
    connection.query_row(sql, params![key.feed, key.listing], report).optional()
}

fn contested(connection: &Connection, key: &ListingKey) -> rusqlite::Result<Option<ContestedReport>> {
    let sql = "SELECT deleted, stamp, first_seen_at FROM contested WHERE feed_id = ?1 AND listing_id = ?2";
    let report = |row: &Row| Ok(ContestedReport { deleted: row.get(0)?, stamp: row.get(1)?, first_seen_at: row.get(2)? });
    connection.query_row(sql, params![key.feed, key.listing], report).optional()
}

fn changes(connection: &Connection, key: &ListingKey) -> rusqlite::Result<Vec<ChangeReport>> {
    let sql = "SELECT seq, kind, cause, at FROM changes
         WHERE entity = 'listing' AND feed_id = ?1 AND key = ?2 ORDER BY seq DESC LIMIT ?3";
    rows(connection, sql, params![key.feed, key.listing, TOLD], |row| {
        Ok(ChangeReport { seq: row.get(0)?, kind: row.get(1)?, cause: row.get(2)?, at: row.get(3)? })
    })
}

fn late(connection: &Connection, key: &ListingKey) -> rusqlite::Result<Vec<LateReport>> {
    let sql = "SELECT stamp, late_s, found_by, found_at FROM late_listings
         WHERE feed_id = ?1 AND listing_id = ?2 ORDER BY late_id DESC LIMIT ?3";
    rows(connection, sql, params![key.feed, key.listing, TOLD], |row| {
        Ok(LateReport { stamp: row.get(0)?, late_s: row.get(1)?, found_by: row.get(2)?, found_at: row.get(3)? })
    })
}

fn absences(connection: &Connection, key: &ListingKey) -> rusqlite::Result<Vec<AbsenceReport>> {
    let sql = "SELECT run.run_id, run.started_at, run.state, absent.verdict, absent.applied, absent.twin_id
         FROM reconcile_runs AS run JOIN reconcile_absent AS absent USING (run_id)
         WHERE run.feed_id = ?1 AND absent.listing_id = ?2 ORDER BY run.run_id DESC LIMIT ?3";
    rows(connection, sql, params![key.feed, key.listing, TOLD], |row| {
        let (run_id, started_at, state, verdict, applied, twin_id) = row.try_into()?;
        Ok(AbsenceReport { run_id, started_at, state, verdict, applied, twin_id })
    })
}

fn windows(connection: &Connection, feed: &FeedId, stamp: &str) -> rusqlite::Result<Vec<WindowReport>> {
    let sql = "SELECT window_id, status, purpose, state, claim_from, claim_to, opened_at, closed_at FROM windows
         WHERE feed_id = ?1 AND claim_from <= ?2 AND claim_to >= ?2 ORDER BY window_id DESC LIMIT ?3";
    rows(connection, sql, params![feed, stamp, TOLD], |row| {
        let (window_id, status, purpose, state, from, to, opened_at, closed_at) = row.try_into()?;
        Ok(WindowReport { window_id, status, purpose, state, from, to, opened_at, closed_at })
    })
}
