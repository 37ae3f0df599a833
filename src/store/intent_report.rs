//! The rows of the table `intents`, for those who show them.

use super::query::rows;
use super::report::{ReportError, read};
use crate::entity::Entity;
use crate::record::ListingKey;
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use std::path::Path;

/// The columns of [`IntentReport`].
pub(super) const REPORT: &str = "intent_id, vendor, account, entity, verb, target, state, sent_at, changed_at, note, change_seq";
/// Requests that are told of one thing.
const TOLD: u32 = 20;

/// One row of `intents`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IntentReport {
    /// Its number.
    pub intent_id: i64,
    /// `spark` or `spotahome`.
    pub vendor: String,
    /// The account at the vendor.
    pub account: String,
    /// `identity`, `process`, `ticket` or `upload`.
    pub entity: String,
    /// What was to be done.
    pub verb: String,
    /// The id of what was to be changed, or was made.
    pub target: Option<String>,
    /// How far it is.
    pub state: String,
    /// When it was written down.
    pub sent_at: String,
    /// Since when it is in this state.
    pub changed_at: String,
    /// Why, for a person.
    pub note: Option<String>,
    /// The change that shows it.
    pub change_seq: Option<i64>,
}

/// The requests in the order in which they were sent; the open ones alone, or all.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn intents(path: &Path, all: bool) -> Result<Vec<IntentReport>, ReportError> {
    let sql = format!("SELECT {REPORT} FROM intents WHERE ?1 OR state IN ('sent', 'unknown') ORDER BY intent_id");
    read(path, |connection| rows(connection, &sql, [all], report))
}

/// The requests that concerned one thing, newest first.
pub(super) fn of_one(connection: &Connection, entity: &Entity, key: &ListingKey) -> rusqlite::Result<Vec<IntentReport>> {
    let sql = format!("SELECT {REPORT} FROM intents WHERE entity = ?1 AND account = ?2 AND target = ?3 ORDER BY intent_id DESC LIMIT ?4");
    rows(connection, &sql, params![entity.name, key.feed, key.listing, TOLD], report)
}

/// One of the rows that begin with these columns.
pub(super) fn report(row: &Row) -> rusqlite::Result<IntentReport> {
    Ok(IntentReport {
        intent_id: row.get(0)?,
        vendor: row.get(1)?,
        account: row.get(2)?,
        entity: row.get(3)?,
        verb: row.get(4)?,
        target: row.get(5)?,
        state: row.get(6)?,
        sent_at: row.get(7)?,
        changed_at: row.get(8)?,
        note: row.get(9)?,
        change_seq: row.get(10)?,
    })
}
