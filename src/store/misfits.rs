//! Which values of the stored rows did not fit their columns.

use super::query::{rows, value};
use crate::entity::Entity;
use crate::record::{Cell, Content, FeedId, ListingKey};
use rusqlite::{Connection, params};
use serde::Serialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

/// A field whose value did not fit its column in some listings of a feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MisfitCount {
    /// The vendor's name of the field.
    pub field: String,
    /// How many stored listings it concerns, deleted ones included.
    pub listings: u64,
}

/// Forgets what an earlier content of a row left.
pub(super) fn forget(connection: &Connection, entity: &Entity, key: &ListingKey) -> rusqlite::Result<()> {
    let sql = "DELETE FROM misfits WHERE feed_id = ?1 AND entity = ?2 AND key = ?3";
    connection.prepare_cached(sql)?.execute(params![key.feed, entity.name, key.listing]).map(drop)
}

/// Takes note of what did not fit in the row that is being written. A stamp that is missing does not fit either: every listing has
/// one.
pub(super) fn add(connection: &Connection, entity: &Entity, key: &ListingKey, content: &Content, dated: bool) -> rusqlite::Result<()> {
    let names: BTreeMap<String, IgnoredAny> =
        content.extra.as_deref().map(serde_json::from_str).transpose().ok().flatten().unwrap_or_default();
    let undated = entity.stamp.filter(|_| !dated);
    if names.is_empty() && undated.is_none() {
        return Ok(());
    }
    // A rounded number is in `extra`, too, but its column holds the rest of it.
    let misfits = entity
        .fields
        .iter()
        .zip(&content.cells)
        .filter(|(field, cell)| **cell == Cell::Null && names.contains_key(field.wire) || Some(field.wire) == undated);
    let mut insert = connection.prepare_cached("INSERT INTO misfits (feed_id, entity, key, field) VALUES (?1, ?2, ?3, ?4)")?;
    for (field, _) in misfits {
        insert.execute(params![key.feed, entity.name, key.listing, field.wire])?;
    }
    Ok(())
}

/// Whether a feed has rows without a stamp that can be read.
pub(super) fn undated(connection: &Connection, entity: &Entity, feed: &FeedId) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM misfits WHERE feed_id = ?1 AND entity = ?2 AND field = ?3)";
    value(connection, sql, params![feed, entity.name, entity.stamp])
}

/// The fields of a feed, the most frequent first.
pub(super) fn counts(connection: &Connection, feed: &FeedId) -> rusqlite::Result<Vec<MisfitCount>> {
    let sql = "SELECT field, listings FROM misfit_counts WHERE feed_id = ?1 ORDER BY listings DESC, field";
    rows(connection, sql, [feed], |row| Ok(MisfitCount { field: row.get(0)?, listings: row.get(1)? }))
}
