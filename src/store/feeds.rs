//! The table `feeds`: which feeds are mirrored, and what the mirror is doing about each.

use super::error::Error;
use super::notice::{self, Notice};
use super::query::{rows, value};
use super::windows;
use crate::plan::options::Purpose;
use crate::record::{FeedId, ListingId, Stamp};
use rusqlite::{Connection, OptionalExtension, params};

/// What a feed is doing, for `status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FeedNote {
    pub feed: FeedId,
    /// One of the words of the column `feeds.activity`.
    pub activity: &'static str,
    /// Why, for a person.
    pub note: Option<String>,
    pub at: String,
}

/// Makes sure that a feed has a row; tells the oldest stamp that the mirror is to hold of it.
pub(super) fn adopt(connection: &Connection, feed: &FeedId, since: Stamp, insist: bool, at: &str) -> rusqlite::Result<Stamp> {
    connection
        .prepare_cached(
            "INSERT INTO feeds (feed_id, added_at, since, activity, activity_at) VALUES (?1, ?2, ?3, 'new', ?2)
             ON CONFLICT (feed_id) DO UPDATE SET since = iif(?4, ?3, since),
                 added_at = iif(removed_at IS NULL, added_at, ?2), removed_at = NULL WHERE ?4 OR removed_at IS NOT NULL",
        )?
        .execute(params![feed, at, since, insist])?;
    // A look-back that was broken off begins anew when it is due.
    windows::cut_open(connection, feed, (Purpose::Lookback, None), at)?;
    value(connection, "SELECT since FROM feeds WHERE feed_id = ?1", [feed])
}

/// The name under which the file knows this feed; as it was given where it does not. Upper and lower case do not matter.
pub(super) fn named(connection: &Connection, feed: &FeedId) -> rusqlite::Result<FeedId> {
    let sql = "SELECT feed_id FROM feeds WHERE feed_id = ?1 COLLATE NOCASE ORDER BY feed_id = ?1 DESC LIMIT 1";
    Ok(rows::<_, Vec<_>>(connection, sql, [feed], |row| row.get(0))?.pop().unwrap_or_else(|| feed.clone()))
}

/// Writes down what a feed is doing.
pub(super) fn save_note(connection: &Connection, note: &FeedNote) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("UPDATE feeds SET activity = ?2, note = ?3, activity_at = ?4 WHERE feed_id = ?1")?;
    statement.execute(params![note.feed, note.activity, note.note, note.at]).map(drop)
}

/// The feeds that were not removed.
pub(super) fn mirrored(connection: &Connection) -> rusqlite::Result<Vec<FeedId>> {
    rows(connection, "SELECT feed_id FROM feeds WHERE removed_at IS NULL ORDER BY feed_id", [], |row| row.get(0))
}

/// A few live listings of a feed, with their stamps.
pub(super) fn samples(connection: &Connection, feed: &FeedId, count: usize) -> rusqlite::Result<Vec<(ListingId, Stamp)>> {
    let sql = "SELECT listing_id, stamp FROM live_listings WHERE feed_id = ?1 AND stamp IS NOT NULL LIMIT ?2";
    rows(connection, sql, params![feed, count as u64], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Tells of the feeds that the configuration no longer names that they are not mirrored; takes it back where it names them again.
pub(super) fn tell_of_dropped(connection: &Connection, named: &[String], at: &str) -> rusqlite::Result<()> {
    for feed in mirrored(connection)? {
        let last = "SELECT coalesce(polled_at, activity_at) FROM feeds WHERE feed_id = ?1";
        let since: String = value(connection, last, [&feed])?;
        let told = "SELECT note FROM notices WHERE feed_id = ?1 AND kind = 'dropped'";
        let told: Option<String> = connection.query_row(told, [&feed], |row| row.get(0)).optional()?;
        let note = (!named.is_empty() && !named.contains(&feed.0)).then(|| {
            format!(
                "not mirrored since {since}: constellation1.feeds does not name it. Its rows stay as they were; if it is gone for good: \
                 mls-sync feeds remove {feed}"
            )
        });
        if note != told {
            notice::save(connection, &Notice { feed: Some(feed), kind: "dropped", note, at: at.to_owned() })?;
        }
    }
    Ok(())
}

/// Refuses what is about a feed that was removed: a process that still mirrors it must not fill it again unseen.
pub(super) fn check_mirrored(tx: &Connection, feed: &FeedId) -> Result<(), Error> {
    if value(tx, "SELECT count(*) FROM feeds WHERE feed_id = ?1 AND removed_at IS NOT NULL", [feed])? {
        return Err(Error::Removed(feed.clone()));
    }
    Ok(())
}

/// Counts a record whose `extra` was too long.
pub(super) fn count_extra_cut(tx: &Connection, feed: &FeedId) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE feeds SET extra_cut = extra_cut + 1 WHERE feed_id = ?1")?.execute([feed]).map(drop)
}

/// Counts a reject that was not kept whole.
pub(super) fn count_reject_cut(tx: &Connection, feed: &FeedId) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE feeds SET rejects_cut = rejects_cut + 1 WHERE feed_id = ?1")?.execute([feed]).map(drop)
}
