//! What is doubtful about a feed's reading: windows without proof, listings that came late.

use super::query::{rows, value};
use crate::plan::coverage::Coverage;
use crate::record::{FeedId, Window};
use rusqlite::{Connection, Row, params};
use serde::Serialize;

/// Suspect windows that are looked at, newest first.
const SUSPECTS: u32 = 1000;

/// A window that was read as often as is sensible, without proof, and that no later reading has proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SuspectWindow {
    /// The stream, as the vendor's Status parameter.
    pub status: u8,
    /// What it was read for: poll, lookback, fill, scan.
    pub purpose: String,
    /// Its beginning.
    pub from: String,
    /// Its end.
    pub to: String,
    /// The vendor's Total on its last answer.
    pub total: u64,
    /// Distinct records seen.
    pub keys_seen: u64,
    /// When its reading ended.
    pub closed_at: Option<String>,
}

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

/// The suspect windows of a feed, newest first.
pub(super) fn suspects(connection: &Connection, feed: &FeedId) -> rusqlite::Result<Vec<SuspectWindow>> {
    let sql = "SELECT status, purpose, claim_from, claim_to, total_last, keys_seen, closed_at, window_id
         FROM windows WHERE feed_id = ?1 AND state = 'suspect' ORDER BY window_id DESC LIMIT ?2";
    let suspects: Vec<Option<SuspectWindow>> = rows(connection, sql, params![feed, SUSPECTS], |row| {
        let claim = Window { from: row.get(2)?, to: row.get(3)? };
        let (status, purpose, from, to, total, keys_seen, closed_at, id) = row.try_into()?;
        let proven = proven_since(connection, feed, (id, status), claim)?;
        Ok((!proven).then_some(SuspectWindow { status, purpose, from, to, total, keys_seen, closed_at }))
    })?;
    Ok(suspects.into_iter().flatten().collect())
}

/// Whether windows of a stream that were proven after this one cover all of its claim together.
fn proven_since(connection: &Connection, feed: &FeedId, (id, status): (i64, u8), claim: Window) -> rusqlite::Result<bool> {
    let sql = "SELECT claim_from, claim_to FROM windows
         WHERE feed_id = ?1 AND status = ?2 AND state = 'complete' AND window_id > ?3 AND claim_from <= ?5 AND claim_to >= ?4";
    let window = |row: &Row| Ok(Window { from: row.get(0)?, to: row.get(1)? });
    let proven: Vec<Window> = rows(connection, sql, params![feed, status, id, claim.from, claim.to], window)?;
    let proven = Coverage::new(proven);
    Ok(proven.contains(claim.from) && proven.gaps(claim).is_empty())
}

/// How late a feed's late listings came; `None` when none did.
pub(super) fn lateness(connection: &Connection, feed: &FeedId) -> rusqlite::Result<Option<Lateness>> {
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
