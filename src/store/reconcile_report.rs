//! Reconcile runs, as `status` and `reconcile` show them.

use super::query::rows;
use crate::record::{FeedId, ListingId};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

/// A listing that vanished, and the one that seems to be the same under another key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pair {
    /// The key that is absent.
    pub absent: ListingId,
    /// The key that appeared.
    pub twin: ListingId,
}

/// A run, as `status` and `reconcile` show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunReport {
    /// Its number, for `--approve`.
    pub run_id: i64,
    /// The feed.
    pub feed_id: FeedId,
    /// One of the words of the column `reconcile_runs.state`.
    pub state: String,
    /// Whether it changed nothing.
    pub dry_run: bool,
    /// When it began.
    pub started_at: String,
    /// When it ended; null while it runs.
    pub ended_at: Option<String>,
    /// Live listings that were read.
    pub read: u64,
    /// Listings that the file lacked.
    pub missing: u64,
    /// Listings that the file had an older version of.
    pub stale: u64,
    /// Live rows that were there before it began.
    pub live_before: u64,
    /// Of those, rows that the reading lacks.
    pub absent: u64,
    /// Of those, rows that became tombstones.
    pub deleted: u64,
    /// Rows that were newer than what the vendor has now, and hold that again; of a dry run, those that would.
    pub taken_back: u64,
    /// Why it failed or was withheld.
    pub note: Option<String>,
    /// Absent listings that have a twin with the same address, price and place: at most 1000.
    pub pairs: Vec<Pair>,
}

const RUN: &str = "run_id, feed_id, state, dry_run, started_at, ended_at, read, missing, stale, live_before, absent, deleted, taken_back, \
     note";
/// Pairs that are told of a run.
const PAIRS: u32 = 1000;

/// The last run of a feed.
pub(super) fn last(connection: &Connection, feed: &FeedId) -> rusqlite::Result<Option<RunReport>> {
    let sql = format!("SELECT {RUN} FROM reconcile_runs WHERE feed_id = ?1 ORDER BY run_id DESC LIMIT 1");
    connection.query_row(&sql, [feed], |row| run_report(connection, row)).optional()
}

/// The runs after this one, oldest first.
pub(super) fn after(connection: &Connection, run: i64) -> rusqlite::Result<Vec<RunReport>> {
    let sql = format!("SELECT {RUN} FROM reconcile_runs WHERE run_id > ?1 ORDER BY run_id");
    rows(connection, &sql, [run], |row| run_report(connection, row))
}

fn run_report(connection: &Connection, row: &Row) -> rusqlite::Result<RunReport> {
    let (run_id, feed_id, state, dry_run, started_at, ended_at, read, missing, stale, live_before, absent, deleted, taken_back, note) =
        row.try_into()?;
    let sql = "SELECT listing_id, twin_id FROM reconcile_absent WHERE run_id = ?1 AND twin_id IS NOT NULL ORDER BY listing_id LIMIT ?2";
    let pairs = rows(connection, sql, params![run_id, PAIRS], |row| Ok(Pair { absent: row.get(0)?, twin: row.get(1)? }))?;
    Ok(RunReport {
        run_id,
        feed_id,
        state,
        dry_run,
        started_at,
        ended_at,
        read,
        missing,
        stale,
        live_before,
        absent,
        deleted,
        taken_back,
        note,
        pairs,
    })
}
