//! A feed that a person removes: its live rows become tombstones, and where it stood is forgotten.

use super::changes;
use super::commit::later;
use super::database::Database;
use super::error::Error;
use super::feeds::check_mirrored;
use super::incoming::{Hearing, Incoming};
use super::query::rows;
use super::reconcile_run::{self, Occasion};
use super::row::apply;
use super::row_sql::key_columns;
use crate::entity::Entity;
use crate::plan::merge::News;
use crate::record::{FeedId, ListingId, ListingKey};
use rusqlite::{Connection, params};
use std::time::Instant;

/// Rows that become tombstones in one transaction.
const BATCH: i64 = 1000;

/// Removes a feed; tells how many rows became tombstones, `None` if there is no such feed.
///
/// Where it stood is forgotten first, so that whatever happens later, it is read from the beginning if it comes back.
pub(super) fn remove(database: &mut Database, feed: &FeedId, at: &str) -> Result<Option<u64>, Error> {
    if !forget(database, feed, at)? {
        return Ok(None);
    }
    let mut removed = 0;
    for entity in database.entities() {
        removed += bury(database, entity, feed, at)?;
    }
    Ok(Some(removed))
}

/// Makes the feed's live rows of one kind tombstones; tells how many.
fn bury(database: &mut Database, entity: &Entity, feed: &FeedId, at: &str) -> Result<u64, Error> {
    let mut after = ListingId(String::new());
    let (mut removed, begun) = (0, Instant::now());
    loop {
        let (tx, sql) = database.begin_on(entity)?;
        match check_mirrored(&tx, feed) {
            Err(Error::Removed(_)) => {}
            Err(error) => return Err(error),
            Ok(()) => return Err(Error::Strange(format!("the feed {feed} is mirrored again, and was being removed"))),
        }
        let batch = live_after(&tx, sql.entity, feed, &after)?;
        let Some(last) = batch.last() else { return Ok(removed) };
        after = last.clone();
        removed += batch.len() as u64;
        let (before, at) = (changes::newest(&tx)?, later(at, begun.elapsed()));
        for listing in batch {
            let key = ListingKey { feed: feed.clone(), listing };
            apply(&tx, sql, Incoming::without_record(&key, News::FeedRemoved), Hearing::at(&at))?;
        }
        changes::mark_bulk(&tx, sql.entity, before)?;
        tx.commit()?;
    }
}

/// `false` if there is no such feed.
fn forget(database: &mut Database, feed: &FeedId, at: &str) -> rusqlite::Result<bool> {
    let (tx, _) = database.begin()?;
    let known = tx.execute(
        "UPDATE feeds SET removed_at = coalesce(removed_at, ?2), activity = 'new', activity_at = ?2, note = NULL, polled_at = NULL,
             load_requests = 0, page_size = NULL, loaded_at = NULL
         WHERE feed_id = ?1",
        params![feed, at],
    )?;
    for forgotten in [
        "DELETE FROM cursors WHERE feed_id = ?1",
        "DELETE FROM covered WHERE feed_id = ?1",
        "DELETE FROM known_gaps WHERE feed_id = ?1",
        "DELETE FROM lookbacks WHERE feed_id = ?1",
        "DELETE FROM contested WHERE feed_id = ?1",
        "DELETE FROM freshness_counts WHERE feed_id = ?1",
        "DELETE FROM notices WHERE feed_id = ?1",
        "DELETE FROM censuses WHERE feed_id = ?1",
        "DELETE FROM census_absent WHERE feed_id = ?1",
        "DELETE FROM window_marks WHERE window_id IN (SELECT window_id FROM windows WHERE feed_id = ?1 AND state = 'open')",
        "DELETE FROM windows WHERE feed_id = ?1 AND state = 'open'",
    ] {
        tx.execute(forgotten, [feed])?;
    }
    reconcile_run::abandon(&tx, Occasion { feed, at })?;
    tx.commit()?;
    Ok(known > 0)
}

fn live_after(tx: &Connection, entity: &Entity, feed: &FeedId, after: &ListingId) -> rusqlite::Result<Vec<ListingId>> {
    let (table, [feed_id, id]) = (entity.table, key_columns(entity));
    let sql = format!("SELECT {id} FROM {table} WHERE {feed_id} = ?1 AND {id} > ?2 AND deleted_at IS NULL ORDER BY {id} LIMIT ?3");
    rows(tx, &sql, params![feed, after, BATCH], |row| row.get(0))
}
