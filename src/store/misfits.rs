//! Which values of the stored rows did not fit their columns.

use crate::record::{Cell, Content, FeedId, Field, ListingKey};
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

/// Takes note of what did not fit in the row that is being written, and of nothing that an earlier content left.
pub(super) fn save(connection: &Connection, key: &ListingKey, fields: &[Field], content: &Content) -> rusqlite::Result<()> {
    let (feed, listing) = (&key.feed.0, &key.listing.0);
    connection.prepare_cached("DELETE FROM misfits WHERE feed_id = ?1 AND listing_id = ?2")?.execute([feed, listing])?;
    let Some(extra) = content.extra.as_deref() else { return Ok(()) };
    let names: BTreeMap<String, IgnoredAny> = serde_json::from_str(extra).unwrap_or_default();
    // A rounded number is in `extra`, too, but its column holds the rest of it.
    let misfits = fields.iter().zip(&content.cells).filter(|(field, cell)| **cell == Cell::Null && names.contains_key(field.wire));
    let mut insert = connection.prepare_cached("INSERT INTO misfits (feed_id, listing_id, field) VALUES (?1, ?2, ?3)")?;
    for (field, _) in misfits {
        insert.execute(params![feed, listing, field.wire])?;
    }
    Ok(())
}

/// The fields of a feed, the most frequent first.
pub(super) fn counts(connection: &Connection, feed: &FeedId) -> rusqlite::Result<Vec<MisfitCount>> {
    let sql = "SELECT field, listings FROM misfit_counts WHERE feed_id = ?1 ORDER BY listings DESC, field";
    let mut statement = connection.prepare_cached(sql)?;
    let read = |row: &rusqlite::Row| Ok(MisfitCount { field: row.get(0)?, listings: row.get::<_, i64>(1)?.unsigned_abs() });
    statement.query_map([&feed.0], read)?.collect()
}
