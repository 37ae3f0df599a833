//! What is doubtful about a feed's reading: windows without proof, listings that came late.

use super::error::Error;
use super::text;
use crate::plan::coverage::Coverage;
use crate::record::{FeedId, Window};
use rusqlite::{Connection, params};
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
pub(super) fn suspects(connection: &Connection, feed: &FeedId) -> Result<Vec<SuspectWindow>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT window_id, status, purpose, claim_from, claim_to, total_last, keys_seen, closed_at
         FROM windows WHERE feed_id = ?1 AND state = 'suspect' ORDER BY window_id DESC LIMIT ?2",
    )?;
    let mut rows = statement.query(params![feed.0, SUSPECTS])?;
    let mut suspects = Vec::new();
    while let Some(row) = rows.next()? {
        let suspect = SuspectWindow {
            status: row.get(1)?,
            purpose: row.get(2)?,
            from: row.get(3)?,
            to: row.get(4)?,
            total: row.get::<_, i64>(5)?.unsigned_abs(),
            keys_seen: row.get::<_, i64>(6)?.unsigned_abs(),
            closed_at: row.get(7)?,
        };
        if !proven_since(connection, feed, row.get(0)?, &suspect)? {
            suspects.push(suspect);
        }
    }
    Ok(suspects)
}

/// Whether later windows that were proven cover all of it together.
fn proven_since(connection: &Connection, feed: &FeedId, id: i64, suspect: &SuspectWindow) -> Result<bool, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT claim_from, claim_to FROM windows
         WHERE feed_id = ?1 AND status = ?2 AND state = 'complete' AND window_id > ?3 AND claim_from <= ?5 AND claim_to >= ?4",
    )?;
    let mut rows = statement.query(params![feed.0, suspect.status, id, suspect.from, suspect.to])?;
    let window = |from: &str, to: &str| Ok::<_, Error>(Window { from: text::stamp_of(from)?, to: text::stamp_of(to)? });
    let mut proven = Coverage::default();
    while let Some(row) = rows.next()? {
        proven.insert(window(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?)?);
    }
    let claim = window(&suspect.from, &suspect.to)?;
    Ok(proven.contains(claim.from) && proven.gaps(claim).is_empty())
}

/// How late a feed's late listings came; `None` when none did.
pub(super) fn lateness(connection: &Connection, feed: &FeedId) -> Result<Option<Lateness>, Error> {
    let count = |more: &str| {
        let sql = format!("SELECT count(*) FROM late_listings WHERE feed_id = ?1 {more}");
        connection.prepare_cached(&sql)?.query_row([&feed.0], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
    };
    let total = count("")?;
    if total == 0 {
        return Ok(None);
    }
    let at_rank = |rank: u64| {
        connection
            .prepare_cached("SELECT late_s FROM late_listings WHERE feed_id = ?1 ORDER BY late_s LIMIT 1 OFFSET ?2")?
            .query_row(params![feed.0, rank.saturating_sub(1) as i64], |row| row.get::<_, f64>(0))
    };
    Ok(Some(Lateness {
        count: total,
        half_s: at_rank(total.div_ceil(2))?,
        nine_tenths_s: at_rank((total * 9).div_ceil(10))?,
        most_s: at_rank(total)?,
        beyond_overlap: count("AND found_by IN ('lookback', 'scan')")?,
    }))
}
