//! The rows of feeds: adopted, noted, removed.

use super::commit::{change, tombstone};
use super::writer::FeedNote;
use super::{Error, checkpoint};
use crate::record::{FeedId, ListingId, ListingKey, Stamp};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

/// Rows that become tombstones in one transaction.
const BATCH: i64 = 1000;

/// Makes sure that a feed has a row; tells the oldest stamp that the mirror is to hold of it.
pub(super) fn adopt(connection: &Connection, feed: &FeedId, since: Stamp, insist: bool, at: &str) -> Result<Stamp, Error> {
    connection
        .prepare_cached(
            "INSERT INTO feeds (feed_id, added_at, since, activity, activity_at) VALUES (?1, ?2, ?3, 'new', ?2)
             ON CONFLICT (feed_id) DO UPDATE SET since = iif(?4, ?3, since),
                 added_at = iif(removed_at IS NULL, added_at, ?2), removed_at = NULL WHERE ?4 OR removed_at IS NOT NULL",
        )?
        .execute(params![feed.0, at, since.to_string(), insist])?;
    // A look-back that was broken off begins anew when it is due.
    connection
        .prepare_cached("UPDATE windows SET state = 'cut', closed_at = ?2 WHERE feed_id = ?1 AND state = 'open' AND purpose = 'lookback'")?
        .execute(params![feed.0, at])?;
    let since: String = connection.prepare_cached("SELECT since FROM feeds WHERE feed_id = ?1")?.query_row([&feed.0], |row| row.get(0))?;
    checkpoint::stamp_of(&since)
}

/// Writes down what a feed is doing.
pub(super) fn save_note(connection: &Connection, note: &FeedNote) -> Result<(), Error> {
    connection.prepare_cached("UPDATE feeds SET activity = ?2, note = ?3, activity_at = ?4 WHERE feed_id = ?1")?.execute(params![
        note.feed.0,
        note.activity,
        note.note,
        note.at
    ])?;
    Ok(())
}

/// The feeds that were not removed.
pub(super) fn mirrored(connection: &Connection) -> Result<Vec<FeedId>, Error> {
    let mut statement = connection.prepare_cached("SELECT feed_id FROM feeds WHERE removed_at IS NULL ORDER BY feed_id")?;
    Ok(statement.query_map([], |row| Ok(FeedId(row.get(0)?)))?.collect::<rusqlite::Result<_>>()?)
}

/// Refuses what is about a feed that was removed: a process that still mirrors it must not fill it again unseen.
pub(super) fn check_mirrored(tx: &Connection, feed: &FeedId) -> Result<(), Error> {
    let removed: Option<bool> = tx
        .prepare_cached("SELECT removed_at IS NOT NULL FROM feeds WHERE feed_id = ?1")?
        .query_row([&feed.0], |row| row.get(0))
        .optional()?;
    match removed {
        Some(true) => Err(Error::Removed(feed.clone())),
        Some(false) | None => Ok(()),
    }
}

/// Counts a record whose `extra` was too long.
pub(super) fn count_extra_cut(tx: &Connection, feed: &FeedId) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE feeds SET extra_cut = extra_cut + 1 WHERE feed_id = ?1")?.execute([&feed.0]).map(drop)
}

/// Counts a reject that was not kept whole.
pub(super) fn count_reject_cut(tx: &Connection, feed: &FeedId) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE feeds SET rejects_cut = rejects_cut + 1 WHERE feed_id = ?1")?.execute([&feed.0]).map(drop)
}

/// Removes a feed; tells how many rows became tombstones, `None` if there is no such feed.
///
/// Where it stood is forgotten first, so that whatever happens later, it is read from the beginning if it comes back.
pub(super) fn remove(connection: &mut Connection, feed: &FeedId, at: &str) -> Result<Option<u64>, Error> {
    if !forget(connection, feed, at)? {
        return Ok(None);
    }
    let mut after = String::new();
    let mut removed = 0;
    loop {
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        match check_mirrored(&tx, feed) {
            Err(Error::Removed(_)) => {}
            Err(error) => return Err(error),
            Ok(()) => return Err(Error::Strange(format!("the feed {feed} as mirrored again while it was being removed"))),
        }
        let batch = live_after(&tx, feed, &after)?;
        let Some((last, _)) = batch.last() else { return Ok(Some(removed)) };
        after = last.clone();
        for (listing, stamp) in batch {
            let key = ListingKey { feed: feed.clone(), listing: ListingId(listing) };
            let seq = change(&tx, &key, "tombstone", at)?;
            tombstone(&tx, &key, "feed_removed", stamp, (at, seq))?;
            removed += 1;
        }
        tx.commit()?;
    }
}

/// `false` if there is no such feed.
fn forget(connection: &mut Connection, feed: &FeedId, at: &str) -> Result<bool, Error> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let known = tx.execute(
        "UPDATE feeds SET removed_at = coalesce(removed_at, ?2), activity = 'new', activity_at = ?2, note = NULL, polled_at = NULL
         WHERE feed_id = ?1",
        params![feed.0, at],
    )?;
    for forgotten in [
        "DELETE FROM cursors WHERE feed_id = ?1",
        "DELETE FROM covered WHERE feed_id = ?1",
        "DELETE FROM lookbacks WHERE feed_id = ?1",
        "DELETE FROM notices WHERE feed_id = ?1",
        "DELETE FROM window_marks WHERE window_id IN (SELECT window_id FROM windows WHERE feed_id = ?1 AND state = 'open')",
        "DELETE FROM windows WHERE feed_id = ?1 AND state = 'open'",
    ] {
        tx.execute(forgotten, [&feed.0])?;
    }
    super::reconcile_run::abandon(&tx, feed, at)?;
    tx.commit()?;
    Ok(known > 0)
}

fn live_after(tx: &Connection, feed: &FeedId, after: &str) -> rusqlite::Result<Vec<(String, Option<String>)>> {
    let mut statement = tx.prepare_cached(
        "SELECT listing_id, stamp FROM listings
         WHERE feed_id = ?1 AND listing_id > ?2 AND deleted_at IS NULL ORDER BY listing_id LIMIT ?3",
    )?;
    statement.query_map(params![feed.0, after, BATCH], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}
