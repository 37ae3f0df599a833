//! Windows that nobody reads any more.

use crate::plan::options::Purpose;
use crate::record::FeedId;
use rusqlite::{Connection, params};

/// Gives up the window that a feed has open for a purpose, if there is one: at most one may be open.
pub(super) fn cut_open(connection: &Connection, feed: &FeedId, purpose: Purpose, at: &str) -> rusqlite::Result<()> {
    const OPEN: &str = "feed_id = ?1 AND purpose = ?2 AND state = 'open'";
    let about = params![feed.0, purpose.word()];
    connection
        .prepare_cached(&format!("DELETE FROM window_marks WHERE window_id IN (SELECT window_id FROM windows WHERE {OPEN})"))?
        .execute(about)?;
    connection
        .prepare_cached(&format!("UPDATE windows SET state = 'cut', closed_at = ?3 WHERE {OPEN}"))?
        .execute(params![feed.0, purpose.word(), at])
        .map(drop)
}
