//! The first load of each feed: how far it is, and what it has cost.

use super::query::{rows, value};
use crate::plan::checkpoint::LoadCost;
use crate::record::{FeedId, Stamp};
use rusqlite::{Connection, params};
use serde::Serialize;

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

/// What the first load of a feed has cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FirstLoad {
    /// All requests until everything was read once.
    pub requests: u64,
    /// The pages that all its listings fill, live and deleted ones apart: so many requests were needed.
    pub pages: u64,
    /// When it was over; null before.
    pub ended_at: Option<String>,
}

/// Counts what a part of a first load has cost.
pub(super) fn count(tx: &Connection, feed: &FeedId, cost: &LoadCost, at: &str) -> rusqlite::Result<()> {
    let sql = "UPDATE feeds SET load_requests = load_requests + ?2, page_size = ?3, loaded_at = iif(?4, ?5, NULL)
         WHERE feed_id = ?1 AND loaded_at IS NULL";
    tx.prepare_cached(sql)?.execute(params![feed, cost.requests, cost.page_size, cost.ends, at]).map(drop)
}

/// What the first load of a feed has cost that has so many live and deleted listings; `None` where that is not known.
pub(super) fn first(connection: &Connection, feed: &FeedId, listings: (u64, u64)) -> rusqlite::Result<Option<FirstLoad>> {
    let sql = "SELECT load_requests, page_size, loaded_at FROM feeds WHERE feed_id = ?1";
    let (requests, page_size, ended_at): (u64, Option<u64>, _) = connection.query_row(sql, [feed], |row| row.try_into())?;
    let pages = |records: u64| listings.0.div_ceil(records) + listings.1.div_ceil(records);
    Ok(page_size.filter(|records| *records > 0).map(|records| FirstLoad { requests, pages: pages(records), ended_at }))
}
