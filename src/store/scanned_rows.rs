//! The rows of what is read whole of other vendors, for commands that list them.

use super::query::{json, rows};
use super::report::{ReportError, read};
use super::row_sql::key_columns;
use super::scanned::{ScannedReport, reports};
use crate::entity::Entity;
use rusqlite::{Connection, Row, ToSql, params};
use serde_json::{Map, Value};
use std::path::Path;

/// Columns that are no consumer's business.
pub(super) const INTERNAL: [&str; 3] = ["stamp", "raw_hash", "content_hash"];

/// The accounts with processes that were ever read.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn process_accounts(path: &Path) -> Result<Vec<ScannedReport>, ReportError> {
    let mut reports = read(path, reports)?;
    reports.retain(|report| report.entity == "process");
    Ok(reports)
}

/// Which identities are meant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identities {
    /// The deleted ones instead of the others.
    pub deleted: bool,
    /// Only of this MLS.
    pub mls: Option<String>,
}

/// These identities, in the order of their ids: each a JSON object by the names of the columns.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn identities(path: &Path, which: &Identities) -> Result<Vec<Map<String, Value>>, ReportError> {
    let sql = "SELECT * FROM identities WHERE (deleted_at IS NOT NULL) = ?1 AND (?2 IS NULL OR mls_id = ?2) ORDER BY account, identity_id";
    read(path, |connection| objects(connection, sql, params![which.deleted, which.mls]))
}

/// Which processes are meant: those that have all these values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Processes {
    /// Those that are gone instead of the others.
    pub deleted: bool,
    pub state: Option<String>,
    pub agent: Option<String>,
    /// Only those without an agent.
    pub unassigned: bool,
    /// The landlord's account.
    pub account_id: Option<String>,
    pub property_id: Option<String>,
}

/// These processes, in the order of their ids: each a JSON object by the names of the columns.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn processes(path: &Path, which: &Processes) -> Result<Vec<Map<String, Value>>, ReportError> {
    let sql = "SELECT * FROM listing_processes
         WHERE (deleted_at IS NOT NULL) = ?1 AND (?2 IS NULL OR state = ?2) AND (?3 IS NULL OR agent_id = ?3)
             AND (NOT ?4 OR agent_id IS NULL) AND (?5 IS NULL OR account_id = ?5) AND (?6 IS NULL OR property_id = ?6)
         ORDER BY account, process_id";
    let Processes { deleted, state, agent, unassigned, account_id, property_id } = which;
    read(path, |connection| objects(connection, sql, params![deleted, state, agent, unassigned, account_id, property_id]))
}

/// One thing of an account, if it is live: a JSON object by the names of the columns.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn live(path: &Path, entity: &Entity, (account, id): (&str, i64)) -> Result<Option<Map<String, Value>>, ReportError> {
    let ([of_account, of_id], table) = (key_columns(entity), entity.table);
    let sql = format!("SELECT * FROM {table} WHERE {of_account} = ?1 AND {of_id} = ?2 AND deleted_at IS NULL");
    read(path, |connection| Ok(objects(connection, &sql, params![account, id])?.pop()))
}

/// A value of a row as text.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Some(value.to_string()),
    }
}

/// The rows of a query as JSON objects.
pub(super) fn objects(connection: &Connection, sql: &str, values: &[&dyn ToSql]) -> rusqlite::Result<Vec<Map<String, Value>>> {
    rows(connection, sql, values, |row| object(row, &INTERNAL))
}

/// A row as a JSON object by the names of its columns, without these.
pub(super) fn object(row: &Row, left_out: &[&str]) -> rusqlite::Result<Map<String, Value>> {
    let names = row.as_ref().column_names().enumerate().filter(|(_, name)| !left_out.contains(name));
    names.map(|(index, name)| Ok((name.to_owned(), json(row.get_ref(index)?)))).collect()
}
