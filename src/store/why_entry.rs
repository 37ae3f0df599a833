//! What is known of one identity or listing process: its row, its changes, and the readings of its account.

use super::intent_report::{self, IntentReport};
use super::query::rows;
use super::report::{ReportError, read};
use super::row_sql::key_columns;
use super::scanned_rows::{INTERNAL, object};
use crate::entity::Entity;
use crate::record::ListingKey;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde_json::{Map, Value};
use std::path::Path;

/// Changes that are told, the newest.
const TOLD: u32 = 20;

/// All that is known of one identity or process.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct EntryReport {
    /// The kind of thing: `identity`, `process`.
    pub entity: &'static str,
    /// The account that was looked into.
    pub account: String,
    pub id: String,
    /// The row, by the names of its columns; null if it was never stored.
    pub row: Option<Map<String, Value>>,
    /// Its changes, newest first, each by the names of the columns of the table `changes`.
    pub changes: Vec<Map<String, Value>>,
    /// The requests that were to change it, newest first.
    pub intents: Vec<IntentReport>,
    /// When the last reading began that was proven whole; null before the first.
    pub proven_at: Option<String>,
    /// When the first of the whole readings began that lack the live row; null where the last one does not.
    pub absent_since: Option<String>,
}

/// Reads what is known of one; the feed of its key is the account.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn why(path: &Path, entity: &'static Entity, key: &ListingKey) -> Result<EntryReport, ReportError> {
    read(path, |connection| {
        Ok(EntryReport {
            entity: entity.name,
            account: key.feed.0.clone(),
            id: key.listing.0.clone(),
            row: row(connection, entity, key)?,
            changes: changes(connection, entity, key)?,
            intents: intent_report::of_one(connection, entity, key)?,
            proven_at: proven_at(connection, entity, key)?,
            absent_since: absent_since(connection, entity, key)?,
        })
    })
}

fn row(connection: &Connection, entity: &Entity, key: &ListingKey) -> rusqlite::Result<Option<Map<String, Value>>> {
    let (table, [account, id]) = (entity.table, key_columns(entity));
    let sql = format!("SELECT * FROM {table} WHERE {account} = ?1 AND {id} = ?2");
    connection.query_row(&sql, params![key.feed, key.listing], |row| object(row, &INTERNAL)).optional()
}

fn changes(connection: &Connection, entity: &Entity, key: &ListingKey) -> rusqlite::Result<Vec<Map<String, Value>>> {
    let sql = "SELECT * FROM changes WHERE entity = ?1 AND feed_id = ?2 AND key = ?3 ORDER BY seq DESC LIMIT ?4";
    rows(connection, sql, params![entity.name, key.feed, key.listing, TOLD], |row| object(row, &["entity", "feed_id", "key"]))
}

fn proven_at(connection: &Connection, entity: &Entity, key: &ListingKey) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT proven_at FROM censuses WHERE feed_id = ?1 AND entity = ?2";
    Ok(connection.query_row(sql, params![key.feed, entity.name], |row| row.get(0)).optional()?.flatten())
}

fn absent_since(connection: &Connection, entity: &Entity, key: &ListingKey) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT since FROM census_absent WHERE entity = ?1 AND feed_id = ?2 AND key = ?3";
    connection.query_row(sql, params![entity.name, key.feed, key.listing], |row| row.get(0)).optional()
}
