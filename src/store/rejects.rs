//! Rejects: kept within bounds, and given back to be decoded again.

use super::database::Database;
use super::error::Error;
use super::feeds;
use super::incoming::{Hearing, Incoming};
use super::query::{rows, value};
use super::row::apply;
use crate::entity::Entity;
use crate::plan::licence::Licence;
use crate::record::{FeedId, ListingId, ListingKey, Presence, Record, Reject, Stamp, Stream, printable};
use rusqlite::{Connection, params};
use serde::Serialize;

/// Rejects that are kept per feed.
const KEPT: i64 = 10_000;
/// Bytes that are kept of one reject.
const LONGEST_RAW: usize = 1 << 20;
/// Rejects that are read at once, since each may be long.
const BATCH: u32 = 50;
/// Characters of a reason.
const REASON: usize = 500;

/// A reject that can be decoded again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptReject {
    pub reject_id: i64,
    /// The feed that was asked for.
    pub feed: FeedId,
    /// The stream that returned it.
    pub stream: Stream,
    /// The JSON as sent.
    pub raw: String,
}

/// A reject that became a record.
#[derive(Clone, Debug)]
pub(crate) struct Replayed {
    pub reject_id: i64,
    /// The stream that returned it.
    pub stream: Stream,
    pub record: Record,
}

/// Where a reject comes from.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) feed: &'a FeedId,
    /// What the record is of.
    pub(super) entity: &'a Entity,
    pub(super) stream: Stream,
    pub(super) at: &'a str,
    pub(super) licence: &'a Licence,
}

/// A reject, as `rejects` and `why` show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RejectReport {
    pub reject_id: i64,
    /// What it is of.
    pub entity: String,
    /// The feed that was asked for.
    pub feed_id: FeedId,
    /// The stream, as the vendor's Status parameter.
    pub status: u8,
    /// The MLS number or another id, as far as it could be read.
    pub listing_id: Option<ListingId>,
    pub reason: String,
    /// When it was first seen.
    pub rejected_at: String,
    /// Its length as sent.
    pub bytes: u64,
    /// Whether it was kept whole, so that it can be decoded again.
    pub whole: bool,
}

/// Keeps a reject, once; tells whether it is new. Beyond the bounds it is only counted.
pub(super) fn keep(tx: &Connection, origin: Origin, reject: &Reject) -> rusqlite::Result<bool> {
    let Origin { feed, entity, stream, at, licence } = origin;
    let hash = reject.raw_hash.as_slice();
    if value(tx, "SELECT count(*) FROM rejects WHERE feed_id = ?1 AND raw_hash = ?2", params![feed, hash])? {
        return Ok(false);
    }
    let kept: i64 = value(tx, "SELECT count(*) FROM rejects WHERE feed_id = ?1", [feed])?;
    // A listing that is first heard of when it is deleted is stored without contents.
    let deleted = stream.presence() == Presence::Deleted && licence.keep_deleted.is_some();
    let storable = licence.storable(&reject.raw).filter(|_| !deleted).unwrap_or_default();
    let raw = beginning(&storable, LONGEST_RAW);
    let is_cut = raw.len() < storable.len();
    if kept >= KEPT || is_cut {
        feeds::count_reject_cut(tx, feed)?;
    }
    if kept >= KEPT {
        return Ok(false);
    }
    let mut reason = printable(&reject.reason, REASON);
    if is_cut {
        let (first, all) = (raw.len(), storable.len());
        reason.push_str(&format!(" (only the first {first} of its {all} bytes were kept; it cannot be decoded again)"));
    }
    let bytes = if storable.is_empty() && !reject.raw.is_empty() {
        reason.push_str(" (it was not kept, because the licence may not allow it; it cannot be decoded again)");
        reject.raw.len()
    } else {
        storable.len()
    };
    let mut statement = tx.prepare_cached(
        "INSERT INTO rejects (feed_id, status, listing_id, reason, raw, raw_bytes, raw_hash, rejected_at, entity)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    statement.execute(params![feed, stream, reject.listing, reason, raw, bytes, hash, at, entity.name])?;
    Ok(true)
}

fn beginning(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

/// Says in a reject's reason why it has no text.
const EMPTIED: &str = "raw = '', reason = reason || ' (its text was taken out, because the licence does not let it be kept)'";

/// Takes the text out of a listing's rejects that came before this.
pub(super) fn empty_of(tx: &Connection, key: &ListingKey, before: &str) -> rusqlite::Result<()> {
    let sql = format!("UPDATE rejects SET {EMPTIED} WHERE feed_id = ?1 AND listing_id = ?2 AND rejected_at <= ?3 AND raw <> ''");
    tx.prepare_cached(&sql)?.execute(params![key.feed, key.listing, before]).map(drop)
}

/// Takes the text out of a feed's rejects that came before this.
pub(super) fn empty_before(connection: &Connection, feed: &FeedId, before: Stamp) -> rusqlite::Result<()> {
    let due = "feed_id = ?1 AND rejected_at < ?2 AND raw <> ''";
    // Where there is nothing to do, nothing is written.
    if value(connection, &format!("SELECT EXISTS (SELECT 1 FROM rejects WHERE {due})"), params![feed, before])? {
        connection.execute(&format!("UPDATE rejects SET {EMPTIED} WHERE {due}"), params![feed, before])?;
    }
    Ok(())
}

/// Takes the fields that are never stored out of the next rejects of a feed; tells the last one of them, `None` at the end.
pub(super) fn leave_out(tx: &Connection, feed: &FeedId, licence: &Licence, after: i64) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT reject_id, raw FROM rejects WHERE feed_id = ?1 AND reject_id > ?2 AND raw <> '' ORDER BY reject_id LIMIT ?3";
    let next: Vec<(i64, String)> = rows(tx, sql, params![feed, after, BATCH], |row| row.try_into())?;
    for (reject_id, raw) in &next {
        match licence.storable(raw) {
            Some(left) if left == raw.as_str() => {}
            Some(left) => {
                let whole =
                    "UPDATE rejects SET raw_bytes = iif(raw_bytes = octet_length(raw), ?3, raw_bytes), raw = ?2 WHERE reject_id = ?1";
                tx.prepare_cached(whole)?.execute(params![reject_id, left, left.len()])?;
            }
            None => drop(tx.prepare_cached(&format!("UPDATE rejects SET {EMPTIED} WHERE reject_id = ?1"))?.execute([reject_id])?),
        }
    }
    Ok(next.last().map(|(reject_id, _)| *reject_id))
}

/// Forgets a feed's rejects of a kind of thing.
pub(super) fn forget(tx: &Connection, entity: &Entity, feed: &FeedId) -> rusqlite::Result<()> {
    tx.execute("DELETE FROM rejects WHERE feed_id = ?1 AND entity = ?2", params![feed, entity.name]).map(drop)
}

/// The next rejects of listings that were kept whole. Other things are read again anyway.
pub(super) fn kept(connection: &Connection, after: i64) -> rusqlite::Result<Vec<KeptReject>> {
    let sql = "SELECT reject_id, feed_id, status, raw FROM rejects JOIN feeds USING (feed_id)
         WHERE reject_id > ?1 AND entity = 'listing' AND raw_bytes = octet_length(raw) AND removed_at IS NULL ORDER BY reject_id LIMIT ?2";
    rows(connection, sql, params![after, BATCH], |row| {
        let (reject_id, feed, stream, raw) = row.try_into()?;
        Ok(KeptReject { reject_id, feed, stream, raw })
    })
}

/// Stores records in place of the rejects that they were.
pub(super) fn replay(database: &mut Database, records: Vec<Replayed>, at: &str) -> Result<(), Error> {
    let (tx, sql) = database.begin()?;
    for Replayed { reject_id, stream, record } in records {
        feeds::check_mirrored(&tx, &record.key.feed)?;
        apply(&tx, sql, Incoming::of(&record, stream.presence()), Hearing::at(at))?;
        tx.prepare_cached("DELETE FROM rejects WHERE reject_id = ?1")?.execute([reject_id])?;
    }
    Ok(tx.commit()?)
}

/// The rejects of one feed or of all, of one listing or of all, oldest first.
pub(super) fn list(connection: &Connection, feed: Option<&FeedId>, listing: Option<&ListingId>) -> rusqlite::Result<Vec<RejectReport>> {
    let sql = "SELECT reject_id, entity, feed_id, status, listing_id, reason, rejected_at, raw_bytes, raw_bytes = octet_length(raw)
         FROM rejects WHERE (?1 IS NULL OR feed_id = ?1) AND (?2 IS NULL OR listing_id = ?2) ORDER BY reject_id";
    rows(connection, sql, params![feed, listing], |row| {
        let (reject_id, entity, feed_id, status, listing_id, reason, rejected_at, bytes, whole) = row.try_into()?;
        Ok(RejectReport { reject_id, entity, feed_id, status, listing_id, reason, rejected_at, bytes, whole })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(beginning("aé", 2), "a");
        assert_eq!(beginning("aé", 3), "aé");
        assert_eq!(beginning("aé", 9), "aé");
    }
}
