//! Listings of which the vendor gave an answer that is older than their row: noted, until the row is confirmed or taken back.

use super::incoming::{Hearing, Incoming};
use super::query::value;
use super::row_sql::{RowSql, Stored};
use crate::plan::merge::{News, are_two_readings};
use crate::record::{Hash, ListingKey, Stamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// What the vendor said of a listing that was older than its row.
pub(super) struct Contested {
    pub(super) deleted: bool,
    pub(super) stamp: Option<Stamp>,
    raw_hash: Hash,
    raw: Option<String>,
    first_seen_at: String,
    /// The reconcile run that asks the vendor about it.
    pub(super) asker: Option<i64>,
}

impl Contested {
    /// Whether this answer is the same state once more, so long after the first that it is the truth.
    pub(super) fn is_seen_twice(&self, tx: &Connection, heard: &Incoming, stored: &Stored, at: &str) -> rusqlite::Result<bool> {
        let same = matches!((heard.news, self.deleted), (News::Live, false) | (News::Deleted, true)) && heard.stamp == self.stamp;
        let apart = Stamp::parse(&self.first_seen_at).zip(Stamp::parse(at)).is_some_and(|(first, now)| are_two_readings(first, now));
        Ok(same && apart && asked_for(tx, &heard.key, stored, &self.first_seen_at)?)
    }

    /// The same as something to be stored, proven. Nothing where its content was not kept, or cannot be read any more.
    pub(super) fn proven(self, tx: &Connection, sql: &RowSql, key: &ListingKey) -> rusqlite::Result<Option<Incoming>> {
        let Contested { deleted, stamp, raw_hash, raw, .. } = self;
        let heard = Incoming { stamp, raw_hash, proven: true, ..Incoming::gone(key.clone(), News::Deleted) };
        if deleted {
            return Ok(Some(heard));
        }
        // Without a text, it is what the row was made of.
        let content = match raw {
            None if sql.find(tx, key)?.is_some_and(|stored| stored.raw_hash == raw_hash) => sql.cells(tx, key)?,
            raw => raw.and_then(|raw| (sql.entity.read)(&raw).ok()).and_then(|record| (sql.entity.decode)(&record).ok()),
        };
        Ok(content.map(|content| Incoming { news: News::Live, content: Some(content), ..heard }))
    }
}

/// What is noted of a listing.
pub(super) fn find(tx: &Connection, key: &ListingKey) -> rusqlite::Result<Option<Contested>> {
    let sql = "SELECT deleted, stamp, raw_hash, raw, first_seen_at, run_id FROM contested WHERE feed_id = ?1 AND listing_id = ?2";
    let read = |row: &Row| {
        let (deleted, stamp, raw_hash, raw, first_seen_at, asker) = row.try_into()?;
        Ok(Contested { deleted, stamp, raw_hash, raw, first_seen_at, asker })
    };
    tx.prepare_cached(sql)?.query_row(params![key.feed, key.listing], read).optional()
}

/// Forgets what is noted of a listing.
pub(super) fn forget(tx: &Connection, key: &ListingKey) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM contested WHERE feed_id = ?1 AND listing_id = ?2")?.execute(params![key.feed, key.listing]).map(drop)
}

/// Whether a run's scan was shown what the row holds.
const SAW_ROW: &str = "SELECT EXISTS (SELECT 1 FROM reconcile_seen WHERE run_id = ?1 AND listing_id = ?2 AND present)";

/// Takes note of an answer that did not change its row because it is not newer.
///
/// Where the stream of everything returns deleted listings, too, each deletion has such a copy of the same stamp: it means
/// something only to a scan that did not see the deletion itself. A copy that looks deleted means nothing.
pub(super) fn note(tx: &Connection, sql: &RowSql, heard: &Incoming, stored: &Stored, hearing: Hearing) -> rusqlite::Result<()> {
    let is_moot = match hearing.run {
        Some(run) => value(tx, SAW_ROW, params![run, heard.key.listing])?,
        None => heard.stamp >= stored.stamp,
    };
    if is_moot || heard.content.as_ref().is_some_and(sql.entity.looks_deleted) {
        return Ok(());
    }
    let raw = heard.raw.as_ref().filter(|_| heard.raw_hash != stored.raw_hash);
    tx.prepare_cached(
        "INSERT INTO contested (feed_id, listing_id, deleted, stamp, raw_hash, raw, first_seen_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (feed_id, listing_id) DO UPDATE SET deleted = ?3, stamp = ?4, raw_hash = ?5, raw = ?6, run_id = NULL,
             first_seen_at = iif(deleted = ?3 AND stamp IS ?4, first_seen_at, ?7)
         WHERE deleted <> ?3 OR stamp IS NOT ?4 OR raw_hash <> ?5",
    )?
    .execute(params![heard.key.feed, heard.key.listing, heard.news == News::Deleted, heard.stamp, heard.raw_hash, raw, hearing.at])
    .map(drop)
}

/// Whether the vendor was asked since then, with proof, for the stretch in which it would have shown what the row holds, by every
/// stream that shows such rows. What lies behind everything that was ever asked for, as a date in the future does, is not waited
/// for. A dry run takes back what it saw, so its reading does not count.
fn asked_for(tx: &Connection, key: &ListingKey, stored: &Stored, since: &str) -> rusqlite::Result<bool> {
    let Some(stamp) = stored.stamp else { return Ok(false) };
    value(
        tx,
        "SELECT NOT EXISTS (
             SELECT 1 FROM cursors AS stream
             WHERE stream.feed_id = ?1 AND stream.polled AND (stream.status = 3) = ?2
                 AND EXISTS (SELECT 1 FROM covered WHERE covered.feed_id = ?1 AND covered.status = stream.status AND to_date >= ?3)
                 AND NOT EXISTS (
                     SELECT 1 FROM windows AS asked
                     WHERE asked.feed_id = ?1 AND asked.state = 'complete' AND closed_at >= ?4 AND asked.status = stream.status
                         AND ?3 BETWEEN claim_from AND claim_to AND opened_at >= ?4
                         AND NOT EXISTS (SELECT 1 FROM reconcile_runs AS run WHERE run.run_id = asked.run_id AND run.dry_run)))",
        params![key.feed, stored.is_deleted(), stamp, since],
    )
}
