//! Reconcile runs, as `status` and `reconcile` show them.

use super::error::Error;
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
    /// Live records read, repetitions included.
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
    /// Why it failed or was withheld.
    pub note: Option<String>,
    /// Absent listings that have a twin with the same address, price and place: at most 1000.
    pub pairs: Vec<Pair>,
}

const RUN: &str = "run_id, feed_id, state, dry_run, started_at, ended_at, read, missing, stale, live_before, absent, deleted, note";
/// Pairs that are told of a run.
const PAIRS: u32 = 1000;

/// The last run of a feed.
pub(super) fn last(connection: &Connection, feed: &FeedId) -> Result<Option<RunReport>, Error> {
    let sql = format!("SELECT {RUN} FROM reconcile_runs WHERE feed_id = ?1 ORDER BY run_id DESC LIMIT 1");
    let run = connection.prepare_cached(&sql)?.query_row([&feed.0], run_report).optional()?;
    run.map(|run| with_pairs(connection, run)).transpose()
}

/// The runs after this one, oldest first.
pub(super) fn after(connection: &Connection, run: i64) -> Result<Vec<RunReport>, Error> {
    let sql = format!("SELECT {RUN} FROM reconcile_runs WHERE run_id > ?1 ORDER BY run_id");
    let mut statement = connection.prepare_cached(&sql)?;
    let runs: Vec<RunReport> = statement.query_map([run], run_report)?.collect::<rusqlite::Result<_>>()?;
    runs.into_iter().map(|run| with_pairs(connection, run)).collect()
}

fn with_pairs(connection: &Connection, mut run: RunReport) -> Result<RunReport, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT listing_id, twin_id FROM reconcile_absent WHERE run_id = ?1 AND twin_id IS NOT NULL ORDER BY listing_id LIMIT ?2",
    )?;
    let pair = |row: &Row| Ok(Pair { absent: ListingId(row.get(0)?), twin: ListingId(row.get(1)?) });
    run.pairs = statement.query_map(params![run.run_id, PAIRS], pair)?.collect::<rusqlite::Result<_>>()?;
    Ok(run)
}

fn run_report(row: &Row) -> rusqlite::Result<RunReport> {
    let number = |index: usize| row.get::<_, i64>(index).map(i64::unsigned_abs);
    Ok(RunReport {
        run_id: row.get(0)?,
        feed_id: FeedId(row.get(1)?),
        state: row.get(2)?,
        dry_run: row.get(3)?,
        started_at: row.get(4)?,
        ended_at: row.get(5)?,
        read: number(6)?,
        missing: number(7)?,
        stale: number(8)?,
        live_before: number(9)?,
        absent: number(10)?,
        deleted: number(11)?,
        note: row.get(12)?,
        pairs: Vec::new(),
    })
}
