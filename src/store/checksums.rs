//! The table `checksums`: for each feed and entity, a sum of the hashes of its rows, kept in step with every row.
//!
//! A sum does not depend on the order of the rows, and a row that changes costs one subtraction and one addition. Its four lanes
//! of 32 bits are added by SQLite itself, each modulo 2^32. A live row counts with the hash of its columns; a deleted one with
//! that of its key alone, because what it last held is no longer what the vendor says.

use super::row_sql::key_columns;
use crate::entity::Entity;
use crate::record::{ContentHasher, Hash, ListingKey, raw_hash};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

/// A sum of row hashes, modulo 2^32 in each lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum([u32; 4]);

impl Sum {
    /// The part of one row.
    pub(super) fn of(hash: Hash) -> Sum {
        let mut lanes = [0; 4];
        for (lane, bytes) in lanes.iter_mut().zip(hash.chunks_exact(4)) {
            *lane = bytes.iter().fold(0, |lane, byte| lane << 8 | u32::from(*byte));
        }
        Sum(lanes)
    }

    /// The part of a deleted row.
    pub(super) fn of_deleted(feed: &str, id: &str) -> Sum {
        Sum::of(raw_hash(format!("deleted {}:{feed} {id}", feed.len()).as_bytes()))
    }

    pub(super) fn plus(self, other: Sum) -> Sum {
        self.zip(other, u32::wrapping_add)
    }

    fn minus(self, other: Sum) -> Sum {
        self.zip(other, u32::wrapping_sub)
    }

    fn zip(self, other: Sum, with: impl Fn(u32, u32) -> u32) -> Sum {
        Sum(std::array::from_fn(|lane| with(self.0[lane], other.0[lane])))
    }

    /// As the column `hash` shows it.
    pub(super) fn hex(self) -> String {
        self.0.iter().map(|lane| format!("{lane:08x}")).collect()
    }
}

/// A row goes from one part of the sum to another; `before` is `None` for a new one. `seq` is its change, where it has one.
pub(super) fn moved(
    tx: &Connection,
    entity: &Entity,
    key: &ListingKey,
    (before, after): (Option<Sum>, Sum),
    seq: Option<i64>,
) -> rusqlite::Result<()> {
    let new = i64::from(before.is_none());
    let Sum([a, b, c, d]) = after.minus(before.unwrap_or_default());
    let sql = "UPDATE checksums SET seq = max(seq, ?3), rows = rows + ?4, a = (a + ?5) & 4294967295, b = (b + ?6) & 4294967295,
         c = (c + ?7) & 4294967295, d = (d + ?8) & 4294967295 WHERE feed_id = ?1 AND entity = ?2";
    let values = params![key.feed, entity.name, seq.unwrap_or(0), new, a, b, c, d];
    if tx.prepare_cached(sql)?.execute(values)? == 0 {
        let sql = "INSERT INTO checksums (feed_id, entity, seq, rows, a, b, c, d) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        tx.prepare_cached(sql)?.execute(values)?;
    }
    Ok(())
}

/// The columns by which [`hash_of`] knows a row: those of its cells, then `extra`.
pub(super) fn hashed_columns(entity: &Entity) -> String {
    entity.fields.iter().map(|field| field.column).chain(["extra"]).collect::<Vec<_>>().join(", ")
}

/// The hash of a row's columns, as [`Content::hash`](crate::record::Content::hash) makes it of a record. `columns` is how many
/// [`hashed_columns`] there are; they are the first of the row.
pub(super) fn hash_of(row: &Row, columns: usize) -> rusqlite::Result<Hash> {
    let mut hasher = ContentHasher::default();
    for index in 0..columns - 1 {
        match row.get_ref(index)? {
            ValueRef::Null => hasher.null(),
            ValueRef::Integer(value) => hasher.integer(value),
            ValueRef::Real(value) => hasher.real(value),
            ValueRef::Text(value) => hasher.text(value),
            ValueRef::Blob(value) => hasher.foreign(value),
        }
    }
    Ok(match row.get_ref(columns - 1)? {
        ValueRef::Null => hasher.end(b""),
        ValueRef::Text(extra) if !extra.is_empty() => hasher.end(extra),
        // Not even an empty text: the mirror writes none.
        other => {
            hasher.foreign(other.as_bytes().unwrap_or_default());
            hasher.end(b"")
        }
    })
}

/// Makes the checksums of a file that has none. The hash of each row is made anew, too: what an earlier version hashed may
/// have been other columns.
pub(super) fn build(tx: &Connection, entity: &'static Entity) -> rusqlite::Result<()> {
    let (table, [feed, id]) = (entity.table, key_columns(entity));
    let columns = entity.fields.len() + 1;
    let mut renew = tx.prepare(&format!("UPDATE {table} SET content_hash = ?2 WHERE rowid = ?1"))?;
    let sql = format!("SELECT {}, rowid, content_hash, deleted_at IS NOT NULL, change_seq FROM {table}", hashed_columns(entity));
    let mut all = tx.prepare(&sql)?;
    let mut stored = all.query([])?;
    while let Some(row) = stored.next()? {
        let hash = hash_of(row, columns)?;
        let key = ListingKey { feed: row.get(feed)?, listing: row.get(id)? };
        let (rowid, before): (i64, Hash) = (row.get(columns)?, row.get(columns + 1)?);
        if hash != before {
            renew.execute(params![rowid, hash])?;
        }
        let part = if row.get(columns + 2)? { Sum::of_deleted(&key.feed.0, &key.listing.0) } else { Sum::of(hash) };
        moved(tx, entity, &key, (None, part), row.get(columns + 3)?)?;
    }
    Ok(())
}
