//! Listings of which the vendor gave an answer that is older than their row: noted, until the row is confirmed or taken back.

use super::incoming::{Hearing, Incoming};
use super::query::value;
use super::row_sql::{RowSql, Stored};
use crate::plan::merge::{News, are_two_readings};
use crate::record::{Content, FeedId, Hash, ListingKey, Record, Stamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// What the vendor said of a listing that was older than its row.
pub(super) struct Contested {
    pub(super) deleted: bool,
    pub(super) stamp: Option<Stamp>,
    raw_hash: Hash,
    raw: Option<String>,
    first_seen_at: String,
    /// The same by the vendor's clock, where that is known.
    vendor_seen_at: Option<Stamp>,
    /// The reconcile run that asks the vendor about it.
    pub(super) asker: Option<i64>,
}

impl Contested {
    /// Whether this answer is the same state once more, so long after the first that it is the truth. Each clock may be set meanwhile,
    /// so both must say so.
    pub(super) fn is_seen_twice(&self, tx: &Connection, (heard, hearing): (&Incoming, Hearing), stored: &Stored) -> rusqlite::Result<bool> {
        let same = matches!((heard.news, self.deleted), (News::Live, false) | (News::Deleted, true)) && heard.stamp == self.stamp;
        let ours = Stamp::parse(&self.first_seen_at).zip(Stamp::parse(hearing.at));
        let apart = ours.is_some_and(|(first, now)| are_two_readings(first, now))
            && self.vendor_seen_at.zip(hearing.vendor_now).is_none_or(|(first, now)| are_two_readings(first, now));
        Ok(same && apart && asked_for(tx, heard.key, stored, &self.first_seen_at)?)
    }

    /// Its record; `None` where its text was not kept, or cannot be read any more.
    pub(super) fn record(&self, sql: &RowSql) -> Option<Record> {
        (sql.entity.read)(self.raw.as_deref()?).ok()
    }

    /// The same as something to be stored, proven. Nothing where its content is not known any more.
    pub(super) fn proven<'a>(
        &self,
        tx: &Connection,
        sql: &RowSql,
        (key, record): (&'a ListingKey, Option<&'a Record>),
    ) -> rusqlite::Result<Option<Incoming<'a>>> {
        let (stamp, raw_hash) = (self.stamp, self.raw_hash);
        let heard = Incoming { stamp, raw_hash, record, proven: true, ..Incoming::without_record(key, News::Deleted) };
        // Without a text, it is what the row was made of.
        let is_row = || sql.find(tx, key).map(|stored| self.raw.is_none() && stored.is_some_and(|stored| stored.raw_hash == raw_hash));
        Ok(match self.deleted {
            true => Some(heard),
            false if record.is_some() || is_row()? => Some(Incoming { news: News::Live, ..heard }),
            false => None,
        })
    }
}

/// What is noted of a listing.
pub(super) fn find(tx: &Connection, key: &ListingKey) -> rusqlite::Result<Option<Contested>> {
    let sql =
        "SELECT deleted, stamp, raw_hash, raw, first_seen_at, vendor_seen_at, run_id FROM contested WHERE feed_id = ?1 AND listing_id = ?2";
    let read = |row: &Row| {
        let (deleted, stamp, raw_hash, raw, first_seen_at, vendor_seen_at, asker) = row.try_into()?;
        Ok(Contested { deleted, stamp, raw_hash, raw, first_seen_at, vendor_seen_at, asker })
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
/// something only to a scan that did not see the deletion itself, and takes no deletion's place here. A copy that looks deleted
/// means nothing.
pub(super) fn note(
    tx: &Connection,
    sql: &RowSql,
    (heard, content): (&Incoming, Option<&Content>),
    stored: &Stored,
    hearing: Hearing,
) -> rusqlite::Result<()> {
    let is_moot = match hearing.run {
        Some(run) => value(tx, SAW_ROW, params![run, heard.key.listing])?,
        None => heard.stamp >= stored.stamp,
    };
    if is_moot || content.is_some_and(sql.entity.looks_deleted) {
        return Ok(());
    }
    // What was taken out must not come back here.
    let raw = heard.raw().filter(|_| heard.raw_hash != stored.raw_hash && !stored.purged);
    let raw = raw.and_then(|raw| sql.licences.of(&heard.key.feed).storable(raw));
    tx.prepare_cached(
        "INSERT INTO contested (feed_id, listing_id, deleted, stamp, raw_hash, raw, first_seen_at, vendor_seen_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (feed_id, listing_id) DO UPDATE SET deleted = ?3, stamp = ?4, raw_hash = ?5, raw = ?6, run_id = NULL,
             first_seen_at = iif(deleted = ?3 AND stamp IS ?4, first_seen_at, ?7),
             vendor_seen_at = iif(deleted = ?3 AND stamp IS ?4, vendor_seen_at, ?8)
         WHERE iif(stamp IS ?4, deleted < ?3 OR deleted = ?3 AND raw_hash <> ?5, TRUE)",
    )?
    .execute(params![
        heard.key.feed,
        heard.key.listing,
        heard.news == News::Deleted,
        heard.stamp,
        heard.raw_hash,
        raw,
        hearing.at,
        hearing.vendor_now
    ])
    .map(drop)
}

/// Whether a feed has rows that are contested.
pub(super) fn any(connection: &Connection, feed: &FeedId) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM contested WHERE feed_id = ?1)")?.query_row([feed], |row| row.get(0))
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

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;
    use crate::record::ListingId;

    const SINCE: &str = "2024-06-01T12:00:00.000Z";

    /// Whether the vendor was asked for a row of June, live or deleted, in a file that holds this.
    fn asked(deleted: bool, holds: &str) -> bool {
        let mut file = Connection::open_in_memory().expect("a file");
        schema::create(&mut file).expect("the schema");
        file.execute_batch(holds).expect("what it holds");
        let key = ListingKey { feed: FeedId("A".to_owned()), listing: ListingId("1".to_owned()) };
        let stored = Stored {
            stamp: Stamp::parse("2024-06-01T11:00:00"),
            raw_hash: Hash::default(),
            content_hash: Hash::default(),
            deleted_cause: deleted.then(|| "vendor".to_owned()),
            purged: false,
        };
        asked_for(&file, &key, &stored, SINCE).expect("an answer")
    }

    /// Both streams are polled, and were read up to this hour.
    fn read_until(hour: u32) -> String {
        format!(
            "INSERT INTO cursors (feed_id, status, aligned, from_rule) VALUES ('A', 0, 1, 'exact'), ('A', 3, 1, 'exact');
             INSERT INTO covered VALUES ('A', 0, '1900-01-01T00:00:00', '2024-06-01T{hour}:00:00'),
                 ('A', 3, '1900-01-01T00:00:00', '2024-06-01T{hour}:00:00');"
        )
    }

    /// A window of a stream over the row's hour, of this state, opened at this minute past twelve.
    fn window(status: u8, state: &str, minute: u32) -> String {
        format!(
            "INSERT INTO windows (feed_id, status, purpose, run_id, state, from_date, to_date, claim_from, claim_to, next_page, page_size,
                 total_first, total_last, keys_seen, passes, grew, strict, opened, opened_at, closed_at)
             VALUES ('A', {status}, 'scan', 1, '{state}', '', '', '2024-06-01T10:00:00', '2024-06-01T12:00:00', 1, 1, 1, 1, 1, 0, 0, 0, '',
                 '2024-06-01T12:{minute:02}:00.000Z', '2024-06-01T12:30:00.000Z');"
        )
    }

    #[test]
    fn a_row_was_asked_for_where_its_own_stream_was_read_with_proof_since_then() {
        for (deleted, status, other) in [(false, 0, 3), (true, 3, 0)] {
            let with = |window: String| asked(deleted, &(read_until(12) + &window));
            assert!(with(window(status, "complete", 1)), "Status={status}");
            assert!(!with(window(other, "complete", 1)), "another stream shows no such row");
            assert!(!with(window(status, "suspect", 1)), "nothing was proven");
            assert!(!with(window(status, "complete", 0).replace("12:00:00.000Z", "11:59:00.000Z")), "that was before");
            assert!(!asked(deleted, &read_until(12)), "nobody has asked");
        }
    }

    #[test]
    fn the_reading_of_a_dry_run_does_not_count() {
        let dry = "INSERT INTO reconcile_runs (run_id, feed_id, state, dry_run, from_date, to_date, started_at)
             VALUES (1, 'A', 'done', 1, '', '', '');";
        assert!(!asked(false, &(read_until(12) + &window(0, "complete", 1) + dry)));
    }

    #[test]
    fn what_lies_behind_everything_that_is_read_is_not_waited_for() {
        assert!(asked(false, &read_until(10)), "its date lies in the future");
    }
}
