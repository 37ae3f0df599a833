//! How long the history is kept.

use super::database::Database;
use super::query::value;
use crate::record::Stamp;
use rusqlite::params;
use std::time::Duration;

/// Changes that are looked at in one transaction: it must not be in the way of a page for long.
const BATCH: i64 = 1000;

/// Cuts the oldest changes that are older than this, a few at a time, and writes down up to where that is. A row is not
/// touched: what it was before the changes that are left can still be told from them.
pub(super) fn cut(database: &mut Database, keep: Duration, now: &str) -> rusqlite::Result<()> {
    let Some(before) = Stamp::parse(now).map(|now| now.minus(keep)) else { return Ok(()) };
    let oldest = "SELECT max(seq) FROM (SELECT seq, at FROM changes ORDER BY seq LIMIT ?1) WHERE at < ?2";
    let cut: Option<i64> = value(&database.connection, oldest, params![BATCH, before])?;
    let Some(cut) = cut else { return Ok(()) };
    let (tx, _) = database.begin()?;
    tx.execute("DELETE FROM changes WHERE seq <= ?1", [cut])?;
    tx.execute("UPDATE schema_meta SET cut_seq = ?1", [cut])?;
    tx.commit()
}
