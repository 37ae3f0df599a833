//! Rejects: kept within bounds, and given back to be decoded again.

use super::database::Database;
use super::error::Error;
use super::feeds;
use super::incoming::{Hearing, Incoming};
use super::query::{rows, value};
use super::row::apply;
use crate::plan::licence::Licence;
use crate::record::{FeedId, ListingId, Record, Reject, Stream, printable};
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
    pub(super) stream: Stream,
    pub(super) at: &'a str,
    pub(super) licence: &'a Licence,
}

/// A reject, as `rejects` and `why` show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RejectReport {
    pub reject_id: i64,
    /// The feed that was asked for.
    pub feed_id: FeedId,
    /// The stream, as the vendor's Status parameter.
    pub status: u8,
    /// The MLS number, as far as it could be read.
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
    let Origin { feed, stream, at, licence } = origin;
    let hash = reject.raw_hash.as_slice();
    if value(tx, "SELECT count(*) FROM rejects WHERE feed_id = ?1 AND raw_hash = ?2", params![feed, hash])? {
        return Ok(false);
    }
    let kept: i64 = value(tx, "SELECT count(*) FROM rejects WHERE feed_id = ?1", [feed])?;
    let storable = licence.storable(&reject.raw).unwrap_or_default();
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
        reason.push_str(" (it was not kept, because it may hold fields that are not to be stored; it cannot be decoded again)");
        reject.raw.len()
    } else {
        storable.len()
    };
    let mut statement = tx.prepare_cached(
        "INSERT INTO rejects (feed_id, status, listing_id, reason, raw, raw_bytes, raw_hash, rejected_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    statement.execute(params![feed, stream, reject.listing, reason, raw, bytes, hash, at])?;
    Ok(true)
}

fn beginning(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

/// The next rejects that were kept whole.
pub(super) fn kept(connection: &Connection, after: i64) -> rusqlite::Result<Vec<KeptReject>> {
    let sql = "SELECT reject_id, feed_id, status, raw FROM rejects JOIN feeds USING (feed_id)
         WHERE reject_id > ?1 AND raw_bytes = octet_length(raw) AND removed_at IS NULL ORDER BY reject_id LIMIT ?2";
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
    let sql = "SELECT reject_id, feed_id, status, listing_id, reason, rejected_at, raw_bytes, raw_bytes = octet_length(raw)
         FROM rejects WHERE (?1 IS NULL OR feed_id = ?1) AND (?2 IS NULL OR listing_id = ?2) ORDER BY reject_id";
    rows(connection, sql, params![feed, listing], |row| {
        let (reject_id, feed_id, status, listing_id, reason, rejected_at, bytes, whole) = row.try_into()?;
        Ok(RejectReport { reject_id, feed_id, status, listing_id, reason, rejected_at, bytes, whole })
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
