//! What is known of one listing, and how that came to be known.

use super::error::Error;
use super::rejects::{self, RejectReport};
use super::report::{ReportError, read};
use super::row_sql::RowSql;
use super::text;
use crate::entity::Entity;
use crate::record::{Content, FeedId, ListingKey, Stamp};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use std::path::Path;

/// Events of each kind that are told, the newest.
const TOLD: u32 = 20;

/// All that is known of a listing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WhyReport {
    /// The feed.
    pub feed_id: FeedId,
    /// The listing.
    pub listing_id: String,
    /// The feed's state; null if the mirror does not know it.
    pub feed: Option<FeedKnown>,
    /// The row; null if the listing was never stored.
    pub row: Option<RowReport>,
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
pub struct FeedKnown {
    /// The oldest stamp that the mirror is to hold.
    pub since: String,
    /// Everything stamped from `since` to here was read whole; null while the beginning is unread.
    pub complete_until: Option<String>,
    /// When a person removed it; null while it is mirrored.
    pub removed_at: Option<String>,
}

/// A listing's row, as far as it tells its history.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RowReport {
    /// Whether it is live; else a tombstone.
    pub live: bool,
    /// How its deletion was learnt: vendor, absent, feed_removed.
    pub deleted_cause: Option<String>,
    /// When its deletion was learnt.
    pub deleted_at: Option<String>,
    /// When it was first stored.
    pub first_seen_at: String,
    /// When it last really changed.
    pub changed_at: String,
    /// The number of its last change.
    pub change_seq: i64,
    /// The vendor's date of its content.
    pub mls_update_date: Option<String>,
    /// The stamp of the newest thing heard of it, live or deleted.
    pub stamp: Option<String>,
    /// Its status.
    pub listing_status: Option<String>,
}

/// A change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangeReport {
    /// Its number.
    pub change_seq: i64,
    /// insert, update, tombstone, revive.
    pub kind: String,
    /// When.
    pub changed_at: String,
}

/// A window that claims the listing's stamp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WindowReport {
    /// Its number.
    pub window_id: i64,
    /// The stream, as the vendor's Status parameter.
    pub status: u8,
    /// poll, lookback, fill, scan.
    pub purpose: String,
    /// open, complete, suspect, cut.
    pub state: String,
    /// Its beginning.
    pub from: String,
    /// Its end.
    pub to: String,
    /// When its reading began.
    pub opened_at: String,
    /// When its reading ended; null while open.
    pub closed_at: Option<String>,
}

/// A time that it came late.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LateReport {
    /// The stamp.
    pub stamp: String,
    /// Seconds from the stamp to the find.
    pub late_s: f64,
    /// poll, lookback, fill, scan.
    pub found_by: String,
    /// When it was found.
    pub found_at: String,
}

/// A reconcile run that lacked it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AbsenceReport {
    /// The run.
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
///
/// # Errors
/// When the file is missing, not ours, or SQLite refuses.
pub fn why(path: &Path, key: &ListingKey) -> Result<WhyReport, ReportError> {
    read(path, |connection| {
        let stamp = heard(connection, key)?;
        Ok(WhyReport {
            feed_id: key.feed.clone(),
            listing_id: key.listing.0.clone(),
            feed: feed_known(connection, &key.feed)?,
            row: row_report(connection, key)?,
            changes: changes(connection, key)?,
            windows: stamp.map_or(Ok(Vec::new()), |stamp| windows(connection, &key.feed, stamp))?,
            late: late(connection, key)?,
            rejects: rejects::list(connection, Some(&key.feed), Some(&key.listing))?,
            absences: absences(connection, key)?,
        })
    })
}

/// The stored row as a record's content.
///
/// # Errors
/// When the file is missing, not ours, or SQLite refuses.
pub fn content(path: &Path, key: &ListingKey, entity: &'static Entity) -> Result<Option<Content>, ReportError> {
    read(path, |connection| Ok(RowSql::new(entity).cells(connection, key)?))
}

fn feed_known(connection: &Connection, feed: &FeedId) -> Result<Option<FeedKnown>, Error> {
    let mut statement = connection.prepare(
        "SELECT feeds.since, coverage.complete_until, feeds.removed_at FROM feeds LEFT JOIN coverage USING (feed_id) WHERE feeds.feed_id = ?1",
    )?;
    let known = |row: &Row| Ok(FeedKnown { since: row.get(0)?, complete_until: row.get(1)?, removed_at: row.get(2)? });
    Ok(statement.query_row([&feed.0], known).optional()?)
}

fn heard(connection: &Connection, key: &ListingKey) -> Result<Option<Stamp>, Error> {
    let mut statement = connection.prepare("SELECT stamp FROM listings WHERE feed_id = ?1 AND listing_id = ?2")?;
    let stamp: Option<Option<String>> = statement.query_row(params![key.feed.0, key.listing.0], |row| row.get(0)).optional()?;
    stamp.flatten().map(|text| text::stamp_of(&text)).transpose()
}

fn row_report(connection: &Connection, key: &ListingKey) -> Result<Option<RowReport>, Error> {
    let mut statement = connection.prepare(
        "SELECT deleted_at IS NULL, deleted_cause, deleted_at, first_seen_at, changed_at, change_seq, mls_update_date, stamp, listing_status
         FROM listings WHERE feed_id = ?1 AND listing_id = ?2",
    )?;
    let report = |row: &Row| {
        Ok(RowReport {
            live: row.get(0)?,
            deleted_cause: row.get(1)?,
            deleted_at: row.get(2)?,
            first_seen_at: row.get(3)?,
            changed_at: row.get(4)?,
            change_seq: row.get(5)?,
            mls_update_date: row.get(6)?,
            stamp: row.get(7)?,
            listing_status: row.get(8)?,
        })
    };
    Ok(statement.query_row(params![key.feed.0, key.listing.0], report).optional()?)
}

fn of_listing<T>(
    connection: &Connection,
    sql: &str,
    key: &ListingKey,
    report: impl Fn(&Row) -> rusqlite::Result<T>,
) -> Result<Vec<T>, Error> {
    let mut statement = connection.prepare(sql)?;
    Ok(statement.query_map(params![key.feed.0, key.listing.0, TOLD], report)?.collect::<rusqlite::Result<_>>()?)
}

fn changes(connection: &Connection, key: &ListingKey) -> Result<Vec<ChangeReport>, Error> {
    let sql = "SELECT change_seq, kind, changed_at FROM changes
         WHERE feed_id = ?1 AND listing_id = ?2 ORDER BY change_seq DESC LIMIT ?3";
    of_listing(connection, sql, key, |row| Ok(ChangeReport { change_seq: row.get(0)?, kind: row.get(1)?, changed_at: row.get(2)? }))
}

fn late(connection: &Connection, key: &ListingKey) -> Result<Vec<LateReport>, Error> {
    let sql = "SELECT stamp, late_s, found_by, found_at FROM late_listings
         WHERE feed_id = ?1 AND listing_id = ?2 ORDER BY late_id DESC LIMIT ?3";
    of_listing(connection, sql, key, |row| {
        Ok(LateReport { stamp: row.get(0)?, late_s: row.get(1)?, found_by: row.get(2)?, found_at: row.get(3)? })
    })
}

fn absences(connection: &Connection, key: &ListingKey) -> Result<Vec<AbsenceReport>, Error> {
    let sql = "SELECT run.run_id, run.started_at, run.state, absent.verdict, absent.applied, absent.twin_id
         FROM reconcile_runs AS run JOIN reconcile_absent AS absent USING (run_id)
         WHERE run.feed_id = ?1 AND absent.listing_id = ?2 ORDER BY run.run_id DESC LIMIT ?3";
    of_listing(connection, sql, key, |row| {
        Ok(AbsenceReport {
            run_id: row.get(0)?,
            started_at: row.get(1)?,
            state: row.get(2)?,
            verdict: row.get(3)?,
            applied: row.get(4)?,
            twin_id: row.get(5)?,
        })
    })
}

fn windows(connection: &Connection, feed: &FeedId, stamp: Stamp) -> Result<Vec<WindowReport>, Error> {
    let mut statement = connection.prepare(
        "SELECT window_id, status, purpose, state, claim_from, claim_to, opened_at, closed_at FROM windows
         WHERE feed_id = ?1 AND claim_from <= ?2 AND claim_to >= ?2 ORDER BY window_id DESC LIMIT ?3",
    )?;
    let report = |row: &Row| {
        Ok(WindowReport {
            window_id: row.get(0)?,
            status: row.get(1)?,
            purpose: row.get(2)?,
            state: row.get(3)?,
            from: row.get(4)?,
            to: row.get(5)?,
            opened_at: row.get(6)?,
            closed_at: row.get(7)?,
        })
    };
    Ok(statement.query_map(params![feed.0, stamp.to_string(), TOLD], report)?.collect::<rusqlite::Result<_>>()?)
}
