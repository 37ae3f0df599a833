//! What `status` shows, read from the file as any consumer would.

use super::{Error, OpenError, checkpoint, sqlite};
use crate::plan::window::Range;
use crate::record::{FeedId, Said, Stamp, Window};
use rusqlite::{Connection, params};
use serde::Serialize;
use std::path::Path;

/// One feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FeedReport {
    /// The feed.
    pub feed_id: FeedId,
    /// Listings that are live.
    pub live: u64,
    /// Tombstones.
    pub deleted: u64,
    /// The oldest stamp that the mirror is to hold.
    pub since: String,
    /// Everything stamped from `since` to here was read whole; null while the beginning is unread.
    pub complete_until: Option<String>,
    /// Stretches that are unread, newest first.
    pub gaps: Vec<Gap>,
    /// When the newest changes were last proven complete; null if never.
    pub polled_at: Option<String>,
    /// What the mirror is doing about the feed.
    pub activity: String,
    /// Since when.
    pub activity_at: String,
    /// Why, for a person; null when all is well.
    pub note: Option<String>,
    /// Records kept in `rejects`.
    pub rejects: u64,
    /// Windows that could not be proven whole.
    pub suspect_windows: u64,
}

/// A stretch that is unread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The stream, as the vendor's Status parameter.
    pub status: u8,
    /// Its beginning.
    pub from: String,
    /// Its end.
    pub to: String,
}

/// Reads the state of every feed.
///
/// # Errors
/// When the file is missing, not ours, or SQLite refuses.
pub fn feeds(path: &Path) -> Result<Vec<FeedReport>, ReportError> {
    let connection = sqlite::open_read_only(path)?;
    Ok(read_feeds(&connection)?)
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The file cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// SQLite refused.
    #[error("cannot read the database: {0}")]
    Read(#[from] Error),
}

fn read_feeds(connection: &Connection) -> Result<Vec<FeedReport>, Error> {
    // One transaction: all numbers are of the same moment.
    let tx = connection.unchecked_transaction()?;
    let mut statement = tx.prepare("SELECT feed_id, since, activity, activity_at, note, polled_at FROM feeds ORDER BY feed_id")?;
    let mut rows = statement.query([])?;
    let mut reports = Vec::new();
    while let Some(row) = rows.next()? {
        let feed_id = FeedId(row.get(0)?);
        let count = |sql: &str| tx.query_row(sql, params![feed_id.0], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs);
        let all = count("SELECT count(*) FROM listings WHERE feed_id = ?1")?;
        let deleted = count("SELECT count(*) FROM listings WHERE feed_id = ?1 AND deleted_at IS NOT NULL")?;
        let rejects = count("SELECT count(*) FROM rejects WHERE feed_id = ?1")?;
        let suspect_windows = count("SELECT count(*) FROM windows WHERE feed_id = ?1 AND state = 'suspect'")?;
        let since: String = row.get(1)?;
        let (complete_until, gaps) = reach(&tx, &feed_id, checkpoint::stamp_of(&since)?)?;
        reports.push(FeedReport {
            live: all - deleted,
            deleted,
            since,
            complete_until: complete_until.map(|stamp| stamp.to_string()),
            gaps,
            polled_at: row.get(5)?,
            activity: row.get(2)?,
            activity_at: row.get(3)?,
            note: row.get(4)?,
            rejects,
            suspect_windows,
            feed_id,
        });
    }
    Ok(reports)
}

/// How far the feed is complete: the least of its streams.
fn reach(connection: &Connection, feed: &FeedId, since: Stamp) -> Result<(Option<Stamp>, Vec<Gap>), Error> {
    let saved = checkpoint::load(connection, feed)?;
    let mut until = saved.streams.values().map(|state| whole_until(state.coverage.windows(), since)).min().flatten();
    // Without its live listings a feed is not complete, whatever its deletions say.
    if !saved.streams.keys().any(|stream| stream.says() == Said::Live) {
        until = None;
    }
    let mut gaps = Vec::new();
    for (stream, state) in &saved.streams {
        let now = state.coverage.end().unwrap_or(since);
        let unread = Range { since, now }.gaps(state);
        gaps.extend(unread.iter().map(|gap| Gap { status: stream.status(), from: gap.from.to_string(), to: gap.to.to_string() }));
    }
    Ok((until, gaps))
}

fn whole_until(covered: &[Window], since: Stamp) -> Option<Stamp> {
    covered.iter().find(|window| window.from <= since && window.to > since).map(|window| window.to)
}
