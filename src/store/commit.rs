//! THE TRANSACTION: what a page changes, and the checkpoint that says that it was read, together or not at all.

use super::database::Database;
use super::error::Error;
use super::idle::Idle;
use super::incoming::{Hearing, Incoming};
use super::reconcile_run::Seen;
use super::rejects::Origin;
use super::row::{Applied, apply};
use super::{changes, checkpoint, contested, feeds, freshness, misfits, reconcile_run, rejects, windows};
use crate::plan::checkpoint::Checkpoint;
use crate::plan::merge::ActionKind;
use crate::plan::options::Purpose;
use crate::record::{ListingKey, Presence, Record, Reject, Stamp};
use chrono::{DateTime, SecondsFormat, TimeDelta};
use rusqlite::{Connection, TransactionBehavior, params};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// One page on its way into the file.
#[derive(Clone, Debug)]
pub(crate) struct PageCommit {
    /// Records of the feed that was asked for.
    pub records: Vec<Record>,
    pub rejects: Vec<Reject>,
    /// Where the reading stands after this page.
    pub checkpoint: Checkpoint,
    /// The vendor's clock when the page came: how late a late record is.
    pub vendor_now: Stamp,
    /// When the page came.
    pub arrived: Instant,
    pub at: String,
}

/// What a page did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// How many records led to each kind of action.
    pub counts: BTreeMap<ActionKind, u64>,
    /// Rejects that were not kept already.
    pub new_rejects: Vec<Reject>,
    /// How long after its stamp the latest of the late listings came; zero if none did.
    pub latest: Duration,
    /// How many changes were in the queries of URLs alone.
    pub signed_anew: u64,
    /// Whether the feed has listings without a stamp that can be read; `None` where the page says nothing new of that.
    pub undated: Option<bool>,
}

impl Committed {
    /// How many of the records changed what readers see.
    #[must_use]
    pub(crate) fn changes(&self) -> u64 {
        self.counts.iter().filter(|(kind, _)| kind.is_change()).map(|(_, count)| count).sum()
    }
}

/// Late listings that are kept, over all feeds.
const KEPT_LATE: i64 = 100_000;

/// Stores a page.
pub(super) fn commit(database: &mut Database, page: PageCommit) -> Result<Committed, Error> {
    let begun = Instant::now();
    let Database { connection, sql, idle, .. } = database;
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let PageCommit { records, rejects, checkpoint, vendor_now, arrived, at } = page;
    // It may have waited behind others; whoever follows by time must not have passed it already.
    let at = later(&at, arrived.elapsed());
    let feed = &checkpoint.feed;
    feeds::check_mirrored(&tx, feed)?;
    let mut committed = Committed::default();
    let scans = checkpoint.purpose == Purpose::Scan;
    // A dry run leaves no trace beside its own scan.
    if checkpoint.dry_run && !scans {
        return Ok(committed);
    }
    let presence = checkpoint.stream.presence();
    let reads_live = scans && presence == Presence::Live;
    let run = scans.then(|| reconcile_run::under_way(&tx, feed)).transpose()?;
    let hearing = Hearing { at: &at, run: run.as_ref().map(|run| run.id), vendor_now: Some(vendor_now), of_many: true };
    let (mut seen, mut fresh) = (Vec::new(), Vec::new());
    let before = changes::newest(&tx)?;
    let mut undated = false;
    // Any other transaction goes without, because SQLite would write what stood on each page before into a file beside.
    if checkpoint.dry_run {
        tx.execute_batch("SAVEPOINT dry_run")?;
    }
    for record in records {
        let applied = apply(&tx, sql, Incoming::of(&record, presence), hearing)?;
        let selected_by = record.selected_by();
        let Record { key, stamp, .. } = record;
        let new_stamp = changed_stamp(stamp, &applied).and(selected_by);
        // A change that comes from a stretch that had been read whole was published after it was stamped.
        if let Some(stamp) = new_stamp.filter(|stamp| checkpoint.read_before.contains(*stamp)) {
            note_late(&tx, &key, checkpoint.purpose, (stamp, vendor_now, &at))?;
            committed.latest = committed.latest.max(vendor_now.since(stamp));
        }
        fresh.extend(new_stamp.filter(|stamp| checkpoint.fresh_after.is_some_and(|after| *stamp > after)));
        let changed = matches!(applied.kind, ActionKind::Update | ActionKind::Revive | ActionKind::Tombstone | ActionKind::Restamp);
        undated |= stamp.is_none() || changed && applied.earlier.is_none();
        committed.signed_anew += u64::from(applied.signed_anew && applied.kind == ActionKind::Update);
        seen.push(Seen { listing: key.listing, live: reads_live, present: applied.kind != ActionKind::Superseded, kind: applied.kind });
        *committed.counts.entry(applied.kind).or_default() += 1;
    }
    if [ActionKind::Insert, ActionKind::InsertTombstone].iter().any(|kind| committed.counts.contains_key(kind)) {
        sql.number(&tx, before)?;
    }
    changes::mark_bulk(&tx, sql.entity, before)?;
    // A dry run sees what it would do, and takes it back.
    if checkpoint.dry_run {
        tx.execute_batch("ROLLBACK TO dry_run; RELEASE dry_run")?;
    }
    let origin = Origin { feed, entity: sql.entity, stream: checkpoint.stream, at: &at, licence: sql.licences.of(feed) };
    for reject in rejects {
        if rejects::keep(&tx, origin, &reject)? {
            committed.new_rejects.push(reject);
        }
    }
    if let Some(run) = &run {
        let counts = reconcile_run::saw(&tx, run, &seen)?;
        reconcile_run::count(&tx, run, &counts)?;
    }
    freshness::note(&tx, feed, &fresh, vendor_now.plus(arrived.elapsed()), &at)?;
    committed.undated = undated.then(|| misfits::undated(&tx, sql.entity, feed)).transpose()?;
    // What is contested waits for polls that could have shown it, so these must be found in `windows`.
    if idle.may_hold(&checkpoint, &committed.counts, committed.new_rejects.len()) && !contested::any(&tx, feed)? {
        tx.commit()?;
        idle.hold(checkpoint, at);
        if idle.is_due() {
            write_idle(database)?;
        }
        return Ok(committed);
    }
    save_held(&tx, idle)?;
    checkpoint::save(&tx, &checkpoint, &at)?;
    tx.commit()?;
    idle.written();
    tracing::trace!(%feed, changes = committed.changes(), duration_ms = begun.elapsed().as_millis(), "a page is stored");
    Ok(committed)
}

/// Stores a live listing that was asked for by itself; tells what that did to its row.
pub(super) fn single(database: &mut Database, record: &Record, at: &str) -> Result<ActionKind, Error> {
    let (tx, sql) = database.begin()?;
    feeds::check_mirrored(&tx, &record.key.feed)?;
    let applied = apply(&tx, sql, Incoming::of(record, Presence::Live), Hearing::at(at))?;
    tx.commit()?;
    Ok(applied.kind)
}

/// Writes the checkpoints that were held back.
pub(super) fn write_idle(database: &mut Database) -> rusqlite::Result<()> {
    let Database { connection, idle, .. } = database;
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    save_held(&tx, idle)?;
    tx.commit()?;
    idle.written();
    Ok(())
}

fn save_held(tx: &Connection, idle: &Idle) -> rusqlite::Result<()> {
    for (checkpoint, at) in idle.held() {
        // A feed that was removed meanwhile stays as it is.
        if feeds::check_mirrored(tx, &checkpoint.feed).is_ok() {
            // A poll that was proven takes the place of one that is still open in the file.
            windows::cut_open(tx, &checkpoint.feed, (checkpoint.purpose, Some(checkpoint.stream)), at)?;
            checkpoint::save(tx, checkpoint, at)?;
        }
    }
    Ok(())
}

/// A time of the mirror's clock moved later.
pub(super) fn later(at: &str, by: Duration) -> String {
    let moved = DateTime::parse_from_rfc3339(at).ok().and_then(|at| at.to_utc().checked_add_signed(TimeDelta::from_std(by).ok()?));
    moved.map_or_else(|| at.to_owned(), |moved| moved.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// The stamp of a change. One that brings no new stamp does not say when it was made.
fn changed_stamp(stamp: Option<Stamp>, applied: &Applied) -> Option<Stamp> {
    stamp.filter(|_| applied.kind.is_change() && stamp > applied.earlier)
}

/// Takes note of a late listing; `when` is its stamp, the vendor's clock and the mirror's.
fn note_late(tx: &Connection, key: &ListingKey, found_by: Purpose, when: (Stamp, Stamp, &str)) -> rusqlite::Result<()> {
    let (stamp, vendor_now, at) = when;
    let late = vendor_now.since(stamp).as_secs_f64();
    let mut statement = tx.prepare_cached(
        "INSERT INTO late_listings (feed_id, listing_id, stamp, late_s, found_by, found_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let id = statement.insert(params![key.feed, key.listing, stamp, late, found_by, at])?;
    // The oldest give way: what is kept is enough to see how late listings come.
    if id > KEPT_LATE {
        tx.prepare_cached("DELETE FROM late_listings WHERE late_id <= ?1")?.execute([id - KEPT_LATE])?;
    }
    Ok(())
}
