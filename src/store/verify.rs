//! Whether the rows are what was stored: each against its hash, and all of a feed against the table `checksums`.

use super::checksums::{Sum, hash_of, hashed_columns};
use super::column::key_text;
use super::query::rows;
use super::report::{ReportError, read};
use super::row_sql::key_columns;
use crate::entity::Entity;
use crate::record::Hash;
use rusqlite::{Connection, params};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Rows that are named, of each feed; all are counted.
pub(super) const MOST_NAMED: usize = 1000;

/// The rows of one feed against its checksum.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// The feed.
    pub feed_id: String,
    /// The kind of thing: `listing`.
    pub entity: &'static str,
    /// Whether every row is what was stored, and none is lost or added.
    pub agrees: bool,
    /// The newest change in the checksum.
    pub seq: i64,
    /// How many rows there are, deleted ones included.
    pub rows: u64,
    /// What they come to.
    pub hash: String,
    /// How many rows the checksum is of; `None` where there is none.
    pub stored_rows: Option<u64>,
    /// The checksum.
    pub stored_hash: Option<String>,
    /// The ids of rows that are not what was stored; the first 1,000.
    pub changed: Vec<String>,
    /// How many there are.
    pub changed_count: u64,
    /// The ids of rows whose changes tell of something else: that the row is there, is not, or is deleted. They are looked for
    /// only where the sums differ.
    pub misplaced: Vec<String>,
}

/// What the rows of a feed come to.
#[derive(Default)]
struct Found {
    sum: Sum,
    rows: u64,
    changed: Vec<String>,
    changed_count: u64,
}

/// The line of `checksums`.
struct Stored {
    seq: i64,
    rows: u64,
    hash: String,
}

/// Makes the checksums of a file anew, of an entity and of those beside it, and compares.
///
/// # Errors
/// When the file cannot be read.
pub fn verify(path: &Path, entity: &'static Entity) -> Result<Vec<Verified>, ReportError> {
    read(path, |connection| {
        let verified: Vec<_> = entity.all().map(|entity| verify_one(connection, entity)).collect::<rusqlite::Result<_>>()?;
        Ok(verified.into_iter().flatten().collect())
    })
}

fn verify_one(connection: &Connection, entity: &'static Entity) -> rusqlite::Result<Vec<Verified>> {
    let mut stored = stored(connection, entity)?;
    let mut found = found(connection, entity)?;
    for feed in stored.keys().filter(|feed| !found.contains_key(*feed)).cloned().collect::<Vec<_>>() {
        found.insert(feed, Found::default());
    }
    found.into_iter().map(|(feed, found)| compared(connection, entity, (&feed, found), stored.remove(&feed))).collect()
}

/// What SQLite finds wrong with the file: pages, and indexes that do not hold what their tables hold. Empty where all is well.
pub(crate) fn damages(path: &Path) -> Result<Vec<String>, ReportError> {
    let found: Vec<String> = read(path, |connection| rows(connection, "PRAGMA integrity_check(20)", [], |row| row.get(0)))?;
    Ok(if found == ["ok"] { Vec::new() } else { found })
}

fn stored(connection: &Connection, entity: &Entity) -> rusqlite::Result<BTreeMap<String, Stored>> {
    rows(connection, "SELECT feed_id, seq, rows, hash FROM checksums WHERE entity = ?1", [entity.name], |row| {
        Ok((row.get(0)?, Stored { seq: row.get(1)?, rows: row.get(2)?, hash: row.get(3)? }))
    })
}

/// Reads the rows in the order of the file, which is the fastest.
fn found(connection: &Connection, entity: &Entity) -> rusqlite::Result<BTreeMap<String, Found>> {
    let columns = entity.fields.len() + 1;
    let sql = format!("SELECT {}, content_hash, deleted_at IS NOT NULL FROM {}", hashed_columns(entity), entity.table);
    let mut statement = connection.prepare(&sql)?;
    let mut all = statement.query([])?;
    let mut feeds: BTreeMap<String, Found> = BTreeMap::new();
    while let Some(row) = all.next()? {
        let [feed, id] = [0, 1].map(|index| row.get_ref(index).ok().and_then(key_text).unwrap_or_default());
        let hash = hash_of(row, columns)?;
        if !feeds.contains_key(feed.as_ref()) {
            feeds.insert(feed.clone().into_owned(), Found::default());
        }
        let Some(found) = feeds.get_mut(feed.as_ref()) else { continue };
        found.rows += 1;
        found.sum = found.sum.plus(if row.get(columns + 1)? { Sum::of_deleted(&feed, &id) } else { Sum::of(hash) });
        if row.get::<_, Hash>(columns)? != hash {
            found.changed_count += 1;
            if found.changed.len() < MOST_NAMED {
                found.changed.push(id.into_owned());
            }
        }
    }
    Ok(feeds)
}

fn compared(
    connection: &Connection,
    entity: &'static Entity,
    (feed, found): (&str, Found),
    stored: Option<Stored>,
) -> rusqlite::Result<Verified> {
    let Found { sum, rows, changed, changed_count } = found;
    let hash = sum.hex();
    let equal = stored.as_ref().is_some_and(|stored| stored.hash == hash && stored.rows == rows);
    let misplaced = if equal { Vec::new() } else { misplaced(connection, entity, feed)? };
    Ok(Verified {
        feed_id: feed.to_owned(),
        entity: entity.name,
        agrees: equal && changed_count == 0,
        seq: stored.as_ref().map_or(0, |stored| stored.seq),
        rows,
        hash,
        stored_rows: stored.as_ref().map(|stored| stored.rows),
        stored_hash: stored.map(|stored| stored.hash),
        changed,
        changed_count,
        misplaced,
    })
}

/// The rows that do not go with their changes, as far as these are kept.
fn misplaced(connection: &Connection, entity: &Entity, feed: &str) -> rusqlite::Result<Vec<String>> {
    let (table, [feed_column, id]) = (entity.table, key_columns(entity));
    let sql = format!(
        "SELECT stored.{id} FROM {table} AS stored LEFT JOIN changes ON changes.seq = stored.change_seq
         WHERE stored.{feed_column} = ?2 AND stored.change_seq > (SELECT cut_seq FROM schema_meta)
             AND ((changes.entity, changes.feed_id, changes.key) IS NOT (?1, stored.{feed_column}, stored.{id})
                 OR (
                    -- What was taken out of it says nothing of that.
                    SELECT kind = 'deleted' FROM changes AS told
                    WHERE told.entity = ?1 AND told.feed_id = ?2 AND told.key = stored.{id} AND kind <> 'purged' ORDER BY seq DESC LIMIT 1
                ) <> (stored.deleted_at IS NOT NULL))
         UNION
         SELECT DISTINCT key FROM changes
         WHERE entity = ?1 AND feed_id = ?2
             AND NOT EXISTS (SELECT 1 FROM {table} AS stored WHERE stored.{feed_column} = ?2 AND stored.{id} = changes.key)
         LIMIT {MOST_NAMED}"
    );
    rows(connection, &sql, params![entity.name, feed], |row| row.get(0))
}
