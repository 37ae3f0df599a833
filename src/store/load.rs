//! How far the first load of each feed is.

use super::query::{rows, value};
use crate::record::{FeedId, Stamp};
use rusqlite::Connection;

/// How far the loading of a feed is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub feed: FeedId,
    /// Up to when the feed is complete; `None` while its beginning is unread.
    pub complete_until: Option<String>,
    /// Everything that is stamped later was read, in every stream: the past is read from the newest to the oldest. `None` where
    /// nothing was, and where all was.
    pub back_to: Option<Stamp>,
}

/// How far each feed is that is mirrored.
pub(super) fn loads(connection: &Connection) -> rusqlite::Result<Vec<Load>> {
    rows(connection, "SELECT feed_id, complete_but_for_known_gaps_until FROM coverage ORDER BY feed_id", [], |row| {
        let (feed, complete_until): (FeedId, Option<String>) = row.try_into()?;
        let back_to = if complete_until.is_none() { back_to(connection, &feed)? } else { None };
        Ok(Load { feed, complete_until, back_to })
    })
}

/// Since when a feed was read whole, up to its newest; `None` where a stream has nothing that was.
pub(super) fn back_to(connection: &Connection, feed: &FeedId) -> rusqlite::Result<Option<Stamp>> {
    let sql = "SELECT iif(count(*) = count(newest), max(newest), NULL) FROM (
             SELECT max(from_date) AS newest FROM cursors LEFT JOIN covered USING (feed_id, status)
             WHERE feed_id = ?1 AND polled GROUP BY status)";
    value(connection, sql, [feed])
}
