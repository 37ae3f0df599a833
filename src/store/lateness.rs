//! How late listings came.

use super::query::value;
use crate::record::FeedId;
use rusqlite::{Connection, params};
use serde::Serialize;

/// How late listings came that came after their stretch had been read whole, in seconds from stamp to find.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lateness {
    /// How many there were.
    pub count: u64,
    /// Half of them came within this.
    pub half_s: f64,
    /// Nine of ten came within this.
    pub nine_tenths_s: f64,
    /// All of them came within this.
    pub most_s: f64,
    /// Those that polls did not find, because they came later than poll.overlap.
    pub beyond_overlap: u64,
}

/// How late a feed's late listings came; `None` when none did.
pub(super) fn of(connection: &Connection, feed: &FeedId) -> rusqlite::Result<Option<Lateness>> {
    let count: u64 = value(connection, "SELECT count(*) FROM late_listings WHERE feed_id = ?1", [feed])?;
    if count == 0 {
        return Ok(None);
    }
    let at_rank = |rank: u64| {
        let sql = "SELECT late_s FROM late_listings WHERE feed_id = ?1 ORDER BY late_s LIMIT 1 OFFSET ?2 - 1";
        value(connection, sql, params![feed, rank])
    };
    let beyond = "SELECT count(*) FROM late_listings WHERE feed_id = ?1 AND found_by IN ('lookback', 'scan')";
    Ok(Some(Lateness {
        count,
        half_s: at_rank(count.div_ceil(2))?,
        nine_tenths_s: at_rank((count * 9).div_ceil(10))?,
        most_s: at_rank(count)?,
        beyond_overlap: value(connection, beyond, [feed])?,
    }))
}
