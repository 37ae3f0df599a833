//! The table `reconcile_runs`: how a run begins, what its reading saw, and how it ends. A feed has at most one run under way.

use super::database::Database;
use super::error::Error;
use super::query::rows;
use super::windows;
use crate::plan::merge::ActionKind;
use crate::plan::options::Purpose;
use crate::record::{FeedId, ListingId, Stamp, Window};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::BTreeMap;

/// A withheld run whose absent rows are tombstones now, as far as they had not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Approved {
    pub feed: FeedId,
    pub deleted: u64,
    /// Absent rows that changed since the run began, and stay.
    pub kept: u64,
}

/// Whose run it is, and the mirror's clock.
#[derive(Clone, Copy)]
pub(super) struct Occasion<'a> {
    pub(super) feed: &'a FeedId,
    pub(super) at: &'a str,
}

/// What the vendor said of a row, asked for it by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// It does not have it.
    Gone,
    /// A record that looks deleted.
    Deleted,
    /// A live record of this stamp: the row stays, unless it is this record that contests it.
    Present(Option<Stamp>),
    /// No usable answer: the row stays.
    Unclear,
}

/// A listing that a run's scan was shown.
pub(super) struct Seen {
    pub(super) listing: ListingId,
    /// By a stream of live listings.
    pub(super) live: bool,
    /// As the row holds it, or newer.
    pub(super) present: bool,
    /// What became of its row.
    pub(super) kind: ActionKind,
}

/// A run that can still change something.
pub(super) struct Run {
    pub(super) id: i64,
    pub(super) feed: FeedId,
    pub(super) state: String,
    pub(super) dry_run: bool,
    pub(super) started_at: String,
}

/// A run's columns, in the order of [`read_run`].
const RUN: &str = "SELECT run_id, feed_id, state, dry_run, started_at FROM reconcile_runs";

fn read_run(row: &Row) -> rusqlite::Result<Run> {
    Ok(Run { id: row.get(0)?, feed: row.get(1)?, state: row.get(2)?, dry_run: row.get(3)?, started_at: row.get(4)? })
}

/// Begins a run in place of whatever is under way; tells its number, for people.
pub(super) fn begin(database: &mut Database, occasion: Occasion, range: Window, dry_run: bool) -> rusqlite::Result<i64> {
    let (tx, _) = database.begin()?;
    abandon(&tx, occasion)?;
    let run = tx
        .prepare_cached(
            "INSERT INTO reconcile_runs (feed_id, state, dry_run, from_date, to_date, started_at) VALUES (?1, 'scanning', ?2, ?3, ?4, ?5)",
        )?
        .insert(params![occasion.feed, dry_run, range.from, range.to, occasion.at])?;
    tx.commit()?;
    Ok(run)
}

/// The run of a feed that is under way.
pub(super) fn under_way(connection: &Connection, feed: &FeedId) -> Result<Run, Error> {
    let mut statement = connection.prepare_cached(&format!("{RUN} WHERE feed_id = ?1 AND state IN ('scanning', 'confirming')"))?;
    let run = statement.query_row([feed], read_run).optional()?;
    run.ok_or_else(|| Error::Strange(format!("the reconcile run of {feed} was ended")))
}

/// The run with this number.
pub(super) fn numbered(connection: &Connection, run: i64) -> rusqlite::Result<Option<Run>> {
    connection.query_row(&format!("{RUN} WHERE run_id = ?1"), [run], read_run).optional()
}

/// Takes note of the listings of a page that a run has read; counts, by what became of their rows, those that it sees live for the
/// first time.
pub(super) fn saw(tx: &Connection, run: &Run, seen: &[Seen]) -> rusqlite::Result<BTreeMap<ActionKind, u64>> {
    let mut known = tx.prepare_cached("SELECT live FROM reconcile_seen WHERE run_id = ?1 AND listing_id = ?2")?;
    let mut statement = tx.prepare_cached(
        "INSERT INTO reconcile_seen (run_id, listing_id, live, present) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (run_id, listing_id) DO UPDATE SET live = live OR ?3, present = present OR ?4 WHERE live < ?3 OR present < ?4",
    )?;
    let mut fresh = BTreeMap::new();
    for Seen { listing, live, present, kind } in seen {
        let was_live = known.query_row(params![run.id, listing], |row| row.get(0)).optional()?.unwrap_or(false);
        if *live && !was_live {
            *fresh.entry(*kind).or_default() += 1;
        }
        statement.execute(params![run.id, listing, live, present])?;
    }
    Ok(fresh)
}

/// Counts what a page that a run has read did to the rows.
pub(super) fn count(tx: &Connection, run: &Run, counts: &BTreeMap<ActionKind, u64>) -> rusqlite::Result<()> {
    let of = |kinds: &[ActionKind]| kinds.iter().filter_map(|kind| counts.get(kind)).sum::<u64>();
    tx.prepare_cached("UPDATE reconcile_runs SET read = read + ?2, missing = missing + ?3, stale = stale + ?4 WHERE run_id = ?1")?
        .execute(params![run.id, counts.values().sum::<u64>(), of(&[ActionKind::Insert]), of(&[ActionKind::Update, ActionKind::Revive])])
        .map(drop)
}

/// Ends the run that is under way, if there is one, because its process is not there to go on with it, or asks for another.
/// What it has read counts for nothing: another run must not go on with its window.
pub(super) fn abandon(connection: &Connection, occasion: Occasion) -> rusqlite::Result<()> {
    let Occasion { feed, at } = occasion;
    windows::cut_open(connection, feed, (Purpose::Scan, None), at)?;
    connection.execute(
        "DELETE FROM reconcile_seen WHERE run_id IN
             (SELECT run_id FROM reconcile_runs WHERE feed_id = ?1 AND state IN ('scanning', 'confirming'))",
        [feed],
    )?;
    let fail = "UPDATE reconcile_runs SET state = 'failed', note = 'it was broken off', ended_at = ?2
         WHERE feed_id = ?1 AND state IN ('scanning', 'confirming')";
    connection.execute(fail, params![feed, at]).map(drop)
}

/// The same in a transaction of its own.
pub(super) fn give_up(database: &mut Database, occasion: Occasion) -> rusqlite::Result<()> {
    let (tx, _) = database.begin()?;
    abandon(&tx, occasion)?;
    tx.commit()
}

/// The rows that a run's reading lacks or contests and that were not asked about yet.
pub(super) fn unasked(connection: &Connection, run: i64) -> rusqlite::Result<Vec<ListingId>> {
    let sql = "SELECT listing_id FROM reconcile_absent WHERE run_id = ?1 AND verdict = 'unasked'
         UNION SELECT listing_id FROM contested WHERE run_id = ?1 ORDER BY listing_id";
    rows(connection, sql, [run], |row| row.get(0))
}
