//! How long changes took from the vendor's stamp until they could be read from the file.

use crate::record::{FeedId, Stamp};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use std::time::Duration;

/// Shorter times are counted as this long.
const SHORTEST: Duration = Duration::from_millis(100);
/// Times are rounded up to steps, of which so many double the time: a time that is told is too long by a tenth at most.
const STEPS: f64 = 8.0;

/// How long the changes that polls found lately took from their stamp to the file, in seconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Freshness {
    /// How many there were in this hour of the clock and the one before.
    pub changes: u64,
    /// Half of them took no longer.
    pub p50_s: f64,
    /// All but one of a hundred took no longer.
    pub p99_s: f64,
}

/// Counts changes; `visible` is the vendor's clock just before they are committed. What is older than the hour before is deleted,
/// so that a feed has a few hundred counts at most.
pub(super) fn note(tx: &Connection, feed: &FeedId, stamps: &[Stamp], visible: Stamp, at: &str) -> rusqlite::Result<()> {
    if stamps.is_empty() {
        return Ok(());
    }
    let hour = "strftime('%Y-%m-%dT%H:00:00.000Z', ?2";
    let forget = format!("DELETE FROM freshness_counts WHERE feed_id = ?1 AND began_at < {hour}, '-1 hour')");
    tx.prepare_cached(&forget)?.execute(params![feed, at])?;
    let count = format!(
        "INSERT INTO freshness_counts (feed_id, began_at, within_s, changes) VALUES (?1, {hour}), ?3, 1)
         ON CONFLICT DO UPDATE SET changes = changes + 1"
    );
    let mut count = tx.prepare_cached(&count)?;
    for stamp in stamps {
        count.execute(params![feed, at, step(visible.since(*stamp))])?;
    }
    Ok(())
}

/// The end of the step that a time lies in, in seconds, to the millisecond.
fn step(took: Duration) -> f64 {
    let steps = (took.max(SHORTEST).as_secs_f64().log2() * STEPS).ceil();
    ((steps / STEPS).exp2() * 1e3).round() / 1e3
}

/// How fresh a feed is; `None` where polls have found no change lately.
pub(super) fn of(connection: &Connection, feed: &FeedId) -> rusqlite::Result<Option<Freshness>> {
    let sql = "SELECT changes, p50_s, p99_s FROM freshness WHERE feed_id = ?1";
    let read = |row: &rusqlite::Row| Ok(Freshness { changes: row.get(0)?, p50_s: row.get(1)?, p99_s: row.get(2)? });
    connection.prepare_cached(sql)?.query_row([feed], read).optional()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{SecondsFormat, TimeDelta, Utc};

    fn connection() -> Connection {
        let connection = Connection::open_in_memory().expect("SQLite opens");
        connection.execute_batch(include_str!("../../schema.sql")).expect("schema.sql is valid");
        connection
    }

    fn feed() -> FeedId {
        FeedId("A".to_owned())
    }

    /// Notes changes that took so many seconds, so many minutes ago.
    fn noted(connection: &Connection, seconds: &[u64], minutes_ago: i64) {
        let visible = Stamp::parse("2024-06-01T12:00:00").expect("a date");
        let stamps: Vec<Stamp> = seconds.iter().map(|seconds| visible.minus(Duration::from_secs(*seconds))).collect();
        let at = (Utc::now() - TimeDelta::minutes(minutes_ago)).to_rfc3339_opts(SecondsFormat::Millis, true);
        note(connection, &feed(), &stamps, visible, &at).expect("it is noted");
    }

    #[test]
    fn half_and_nearly_all_changes_took_no_longer_than_is_told_and_a_tenth_less_at_most() {
        let connection = connection();
        assert_eq!(of(&connection, &feed()).expect("read"), None);
        noted(&connection, &[10, 20, 30, 40, 7000], 0);
        let fresh = of(&connection, &feed()).expect("read").expect("changes");
        assert_eq!(fresh.changes, 5);
        assert!((30.0..33.0).contains(&fresh.p50_s) && (7000.0..7700.0).contains(&fresh.p99_s), "{fresh:?}");
        noted(&connection, &[1; 600], 0);
        let fresh = of(&connection, &feed()).expect("read").expect("changes");
        assert!((1.0..1.1).contains(&fresh.p50_s) && (1.0..1.1).contains(&fresh.p99_s), "{fresh:?}");
    }

    #[test]
    fn changes_of_the_last_hour_count_and_older_ones_are_forgotten() {
        let connection = connection();
        noted(&connection, &[900], 121);
        assert_eq!(of(&connection, &feed()).expect("read"), None, "too long ago");
        noted(&connection, &[5], 59);
        noted(&connection, &[5], 0);
        let fresh = of(&connection, &feed()).expect("read").expect("changes");
        assert!(fresh.changes == 2 && fresh.p99_s < 6.0, "{fresh:?}");
        let kept: u64 = connection.query_row("SELECT sum(changes) FROM freshness_counts", [], |row| row.get(0)).expect("a count");
        assert_eq!(kept, 2);
    }

    #[test]
    fn a_feed_has_few_counts_whatever_its_changes_took() {
        let steps: std::collections::BTreeSet<String> =
            (0..1_000_000).map(|tenths| step(Duration::from_millis(tenths * 100)).to_string()).collect();
        assert!(steps.len() < 200, "{}", steps.len());
        assert!((0..100_000_u64).step_by(7).all(|ms| step(Duration::from_millis(ms)) * 1001.0 >= ms as f64));
    }
}
