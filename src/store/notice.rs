//! The table `notices`: what a person should know, until it no longer holds.

use super::query::rows;
use crate::record::FeedId;
use rusqlite::{Connection, params};
use serde::Serialize;

/// What a person should know, until it no longer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    /// The feed; `None` for the vendor or the machine.
    pub feed: Option<FeedId>,
    /// One word; at most one notice per kind and feed.
    pub kind: &'static str,
    /// `None` takes it back.
    pub note: Option<String>,
    pub at: String,
}

/// A notice, as `status` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NoticeReport {
    /// One word, as `docs/operate.md` lists them.
    pub kind: String,
    /// The notice.
    pub note: String,
    /// Since when.
    pub noticed_at: String,
}

/// The notices of a feed; of the vendor and the machine where there is none.
pub(super) fn of(connection: &Connection, feed: Option<&FeedId>) -> rusqlite::Result<Vec<NoticeReport>> {
    let feed = feed.map_or("", |feed| feed.0.as_str());
    rows(connection, "SELECT kind, note, noticed_at FROM notices WHERE feed_id = ?1 ORDER BY kind", [feed], |row| {
        Ok(NoticeReport { kind: row.get(0)?, note: row.get(1)?, noticed_at: row.get(2)? })
    })
}

/// Puts up a notice, or takes it back. The same notice again changes nothing.
pub(super) fn save(connection: &Connection, notice: &Notice) -> rusqlite::Result<()> {
    let feed = notice.feed.as_ref().map_or("", |feed| feed.0.as_str());
    let put_up = "INSERT INTO notices (feed_id, kind, note, noticed_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (feed_id, kind) DO UPDATE SET note = ?3, noticed_at = ?4 WHERE note <> ?3";
    match &notice.note {
        Some(note) => connection.prepare_cached(put_up)?.execute(params![feed, notice.kind, note, notice.at]),
        None => connection.prepare_cached("DELETE FROM notices WHERE feed_id = ?1 AND kind = ?2")?.execute(params![feed, notice.kind]),
    }
    .map(drop)
}
