//! The table `known_gaps`: the stretches of a feed that could not be read, saved and loaded.

use super::database::Database;
use super::query::rows;
use crate::plan::known_gaps::KnownGap;
use crate::record::{FeedId, Stamp, Window};
use rusqlite::{Connection, params};
use serde::Serialize;

/// The known gaps of a feed, the newest stretch first.
const GAPS: &str = "SELECT status, from_date, to_date, reason, tried, found_at, retry_at FROM known_gaps
     WHERE feed_id = ?1 ORDER BY from_date DESC, status";

/// A stretch that could not be read, as `status` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KnownGapReport {
    /// The stream, as the vendor's Status parameter.
    pub status: u8,
    /// Its beginning.
    pub from: String,
    /// Its end.
    pub to: String,
    /// Why.
    pub reason: String,
    /// How often it was tried.
    pub tried: u32,
    /// When it was found.
    pub found_at: String,
    /// When it is tried again.
    pub retry_at: String,
}

impl KnownGapReport {
    /// Whether an unread stretch is this one.
    pub(crate) fn covers(&self, status: u8, from: &str, to: &str) -> bool {
        self.status == status && self.from.as_str() <= from && to <= self.to.as_str()
    }
}

/// The known gaps of a feed for `status`, the newest stretch first.
pub(super) fn report(connection: &Connection, feed: &FeedId) -> rusqlite::Result<Vec<KnownGapReport>> {
    rows(connection, GAPS, [feed], |row| {
        let (status, from, to, reason, tried, found_at, retry_at) = row.try_into()?;
        Ok(KnownGapReport { status, from, to, reason, tried, found_at, retry_at })
    })
}

/// Puts the known gaps of a feed in the place of those that were saved.
pub(super) fn save(database: &mut Database, feed: &FeedId, gaps: &[KnownGap]) -> rusqlite::Result<()> {
    let (tx, _) = database.begin()?;
    let written = |at: Stamp| format!("{}Z", at.to_wire());
    tx.prepare_cached("DELETE FROM known_gaps WHERE feed_id = ?1")?.execute([feed])?;
    for gap in gaps {
        tx.prepare_cached(
            "INSERT INTO known_gaps (feed_id, status, from_date, to_date, reason, tried, found_at, retry_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            feed,
            gap.stream,
            gap.claim.from,
            gap.claim.to,
            gap.reason,
            gap.tried,
            written(gap.found_at),
            written(gap.retry_at)
        ])?;
    }
    tx.commit()
}

/// The known gaps of a feed.
pub(super) fn load(connection: &Connection, feed: &FeedId) -> rusqlite::Result<Vec<KnownGap>> {
    rows(connection, GAPS, [feed], |row| {
        let (stream, from, to, reason, tried, found_at, retry_at) = row.try_into()?;
        Ok(KnownGap { stream, claim: Window { from, to }, reason, tried, found_at, retry_at })
    })
}
