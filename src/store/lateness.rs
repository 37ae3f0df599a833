//! How late listings came.

use super::query::{rows, value};
use crate::record::{FeedId, Stamp};
use rusqlite::{Connection, params};
use serde::Serialize;
use std::time::Duration;

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

/// When late listings were found, and how late the latest was, for each hour of the last day in which there were any.
pub(super) fn latest(connection: &Connection, feed: &FeedId) -> rusqlite::Result<Vec<(Stamp, Duration)>> {
    let sql = "WITH late AS (SELECT late_s, found_at FROM late_listings WHERE feed_id = ?1)
         SELECT max(found_at), max(late_s) FROM late
         WHERE found_at > strftime('%Y-%m-%dT%H:%M:%fZ', (SELECT max(found_at) FROM late), '-1 day')
         GROUP BY substr(found_at, 1, 13)";
    rows(connection, sql, [feed], |row| Ok((row.get(0)?, Duration::try_from_secs_f64(row.get(1)?).unwrap_or_default())))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_hour_of_the_last_day_the_latest_is_told() {
        let connection = Connection::open_in_memory().expect("SQLite opens");
        connection.execute_batch(include_str!("../../schema.sql")).expect("schema.sql is valid");
        let feed = FeedId("A".to_owned());
        assert_eq!(latest(&connection, &feed).expect("read"), []);
        let found =
            [("A", 1.0, "01T11:59"), ("A", 9.0, "02T12:10"), ("A", 7.5, "02T12:20"), ("A", 3.0, "02T13:00"), ("B", 80.0, "02T13:00")];
        for (feed, late, at) in found {
            let sql =
                "INSERT INTO late_listings (feed_id, listing_id, stamp, late_s, found_by, found_at) VALUES (?1, 'x', '', ?2, 'poll', ?3)";
            connection.execute(sql, params![feed, late, format!("2026-05-{at}:00.000Z")]).expect("a row");
        }
        let at = |time: &str| Stamp::parse(&format!("2026-05-02T{time}:00Z")).expect("a date");
        let expected = [(at("12:20"), Duration::from_secs(9)), (at("13:00"), Duration::from_secs(3))];
        assert_eq!(latest(&connection, &feed).expect("read"), expected);
    }
}
