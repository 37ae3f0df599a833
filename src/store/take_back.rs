//! Rows that a run takes back: its scan was shown an older version of them, and nothing of what they hold.

use super::contested;
use super::error::Error;
use super::incoming::Hearing;
use super::query::rows;
use super::reconcile_run::{Confirmation, Run};
use super::row::apply;
use super::row_sql::{RowSql, key_columns};
use crate::plan::coverage::Coverage;
use crate::plan::merge::{ActionKind, TWO_READINGS};
use crate::record::{ListingId, ListingKey, Stamp, Stream, Window};
use rusqlite::{Connection, params};
use std::collections::BTreeMap;

/// A row that a scan contests.
struct Doubtful {
    listing: ListingId,
    deleted: bool,
    stamp: Option<Stamp>,
    changed_at: Stamp,
}

/// Takes back the rows that a run's scan was shown older live copies or deletions of. Rows that are younger than a copy of the
/// vendor's database may be, or that the scan was not able to show, wait for what the vendor says of each by itself. A live row
/// of which an older deletion was shown is among those that the reading lacks. `asks` tells whether the run asks about rows.
pub(super) fn settle(tx: &Connection, sql: &RowSql, run: &Run, (asks, at): (bool, &str)) -> Result<(), Error> {
    let proven = proven(tx, run)?;
    let settled = Stamp::parse(&run.started_at).map(|started| started.minus(TWO_READINGS));
    for row in doubtful(tx, sql, run)? {
        let stream = if row.deleted { Stream::Deleted } else { Stream::All };
        let shown = row.stamp.is_some_and(|stamp| proven.get(&stream).is_some_and(|proven| proven.contains(stamp)));
        if shown && Some(row.changed_at) < settled {
            take_back(tx, sql, (run, &row.listing), at)?;
        } else if asks {
            ask(tx, (run, &row.listing), Some(run.id))?;
        }
    }
    Ok(())
}

/// The rows that a run's scan was shown an older version of, and nothing of what they hold.
fn doubtful(tx: &Connection, sql: &RowSql, run: &Run) -> rusqlite::Result<Vec<Doubtful>> {
    let (table, [feed, id]) = (sql.entity.table, key_columns(sql.entity));
    let sql = format!(
        "SELECT seen.listing_id, stored.deleted_at IS NOT NULL, stored.stamp, stored.changed_at
         FROM contested JOIN reconcile_seen AS seen ON seen.run_id = ?1 AND seen.listing_id = contested.listing_id AND NOT seen.present
             JOIN {table} AS stored ON stored.{feed} = ?2 AND stored.{id} = seen.listing_id
         WHERE contested.feed_id = ?2 AND NOT (contested.deleted AND stored.deleted_at IS NULL)"
    );
    rows(tx, &sql, params![run.id, run.feed], |row| {
        let (listing, deleted, stamp, changed_at) = row.try_into()?;
        Ok(Doubtful { listing, deleted, stamp, changed_at })
    })
}

/// What a run's scan has read with proof.
fn proven(tx: &Connection, run: &Run) -> rusqlite::Result<BTreeMap<Stream, Coverage>> {
    let sql = "SELECT status, claim_from, claim_to FROM windows WHERE run_id = ?1 AND state = 'complete'";
    let windows: Vec<(Stream, Stamp, Stamp)> = rows(tx, sql, [run.id], |row| row.try_into())?;
    let mut proven: BTreeMap<Stream, Coverage> = BTreeMap::new();
    for (stream, from, to) in windows {
        proven.entry(stream).or_default().insert(Window { from, to });
    }
    Ok(proven)
}

/// Notes which run asks the vendor about a row.
fn ask(tx: &Connection, (run, listing): (&Run, &ListingId), asker: Option<i64>) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached("UPDATE contested SET run_id = ?3 WHERE feed_id = ?1 AND listing_id = ?2")?;
    statement.execute(params![run.feed, listing, asker]).map(drop)
}

/// Takes in what the vendor said of a row by itself, if the run asks for it because of an older version.
pub(super) fn confirm(tx: &Connection, sql: &RowSql, row: (&Run, &ListingId), said: Confirmation, at: &str) -> Result<(), Error> {
    let (run, listing) = row;
    let key = ListingKey { feed: run.feed.clone(), listing: listing.clone() };
    let Some(contested) = contested::find(tx, &key)?.filter(|contested| contested.asker == Some(run.id)) else { return Ok(()) };
    match said {
        Confirmation::Present(stamp) if !contested.deleted && stamp == contested.stamp => take_back(tx, sql, row, at),
        Confirmation::Gone | Confirmation::Deleted if contested.deleted => take_back(tx, sql, row, at),
        Confirmation::Unclear => Ok(ask(tx, row, None)?),
        Confirmation::Present(_) | Confirmation::Gone | Confirmation::Deleted => Ok(contested::forget(tx, &key)?),
    }
}

/// Puts what is noted of a listing in the place of its row.
pub(super) fn take_back(tx: &Connection, sql: &RowSql, (run, listing): (&Run, &ListingId), at: &str) -> Result<(), Error> {
    let key = ListingKey { feed: run.feed.clone(), listing: listing.clone() };
    let Some(contested) = contested::find(tx, &key)? else { return Ok(()) };
    let record = contested.record(sql);
    let Some(heard) = contested.proven(tx, sql, (&key, record.as_ref()))? else { return Ok(()) };
    let kind = apply(tx, sql, heard, Hearing::at(at))?.kind;
    if matches!(kind, ActionKind::Update | ActionKind::Revive | ActionKind::Tombstone) {
        tx.prepare_cached("UPDATE reconcile_runs SET taken_back = taken_back + 1 WHERE run_id = ?1")?.execute([run.id])?;
    }
    Ok(())
}
