//! What a row was: its changes through time, and its columns at any moment for which the history is kept.

use super::query::{json, rows, value};
use super::report::{ReportError, read};
use super::row_sql::key_columns;
use crate::entity::Entity;
use crate::record::{ListingKey, Stamp};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Columns with their values.
pub(crate) type Columns = BTreeMap<String, Value>;
/// Columns that differ, each with its value before and after.
pub(crate) type Differing = BTreeMap<String, (Value, Value)>;

/// A change, as consumers read it. The names are part of the contract.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ChangeLine {
    pub seq: i64,
    pub entity: String,
    pub feed_id: String,
    pub key: String,
    pub kind: String,
    pub cause: String,
    pub stamp: Option<String>,
    pub at: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub bulk: bool,
    /// Null where it is not known any more.
    pub diff: Option<Differing>,
    /// It was not made before; null where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<String>,
}

impl ChangeLine {
    /// The columns that [`ChangeLine::read`] reads, in its order.
    pub(super) const SELECTED: &'static str = "seq, entity, feed_id, key, kind, cause, stamp, at, bulk, diff, not_before";

    pub(super) fn read(row: &Row) -> rusqlite::Result<ChangeLine> {
        let (seq, entity, feed_id, key, kind, cause, stamp, at, bulk, diff, not_before) = row.try_into()?;
        let diff: Option<String> = diff;
        let diff = diff.as_deref().and_then(differing);
        Ok(ChangeLine { seq, entity, feed_id, key, kind, cause, stamp, at, bulk, diff, not_before })
    }

    /// Whether it may be the first of its key.
    fn begins(&self) -> bool {
        self.diff.is_none() && matches!(self.kind.as_str(), "added" | "deleted")
    }

    /// Fills in what the change brought as a whole. Of a key that was known before, each column is told, because any may have
    /// been another.
    pub(super) fn complete(&mut self, connection: &Connection, entity: &Entity) -> rusqlite::Result<()> {
        if self.diff.is_none()
            && let Some(after) = after(connection, entity, (&self.feed_id, &self.key), self.seq)?
        {
            let begins = self.begins();
            let told = after.into_iter().filter(|(_, value)| !begins || !value.is_null());
            self.diff = Some(told.map(|(column, value)| (column, (Value::Null, value))).collect());
        }
        Ok(())
    }
}

/// A row through time.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct History {
    pub feed_id: String,
    pub key: String,
    /// Whether the history before the first of the changes was cut.
    pub cut: bool,
    /// Its changes, oldest first.
    pub changes: Vec<ChangeLine>,
}

/// A row as it was.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AsOf {
    pub feed_id: String,
    pub key: String,
    /// The moment that was asked for, UTC.
    pub time: String,
    /// Whether it was live; else deleted.
    pub live: bool,
    /// Its columns.
    pub row: Columns,
}

/// Why it cannot be told what a row was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// It was never stored.
    Never,
    /// It was not stored yet.
    NotYet,
    /// What was known of that time is not kept.
    NotKept,
}

/// The changes of a row; `None` if there is no such row.
pub(crate) fn history(path: &Path, entity: &Entity, key: &ListingKey) -> Result<Option<History>, ReportError> {
    read(path, |connection| {
        let (feed, id) = (&key.feed.0, &key.listing.0);
        if present(connection, entity, (feed, id))?.is_none() {
            return Ok(None);
        }
        let mut changes = changes(connection, entity, (feed, id))?;
        let cut = !changes.first().is_some_and(ChangeLine::begins);
        changes.iter_mut().try_for_each(|change| change.complete(connection, entity))?;
        Ok(Some(History { feed_id: feed.clone(), key: id.clone(), cut, changes }))
    })
}

/// What a row was at a moment.
pub(crate) fn as_of(path: &Path, entity: &Entity, key: &ListingKey, time: Stamp) -> Result<Result<AsOf, Unknown>, ReportError> {
    read(path, |connection| at(connection, entity, (&key.feed.0, &key.listing.0), time))
}

fn at(connection: &Connection, entity: &Entity, (feed, id): (&str, &str), time: Stamp) -> rusqlite::Result<Result<AsOf, Unknown>> {
    let Some(row) = present(connection, entity, (feed, id))? else { return Ok(Err(Unknown::Never)) };
    let changes = changes(connection, entity, (feed, id))?;
    let (until, later): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| Stamp::parse(&change.at) <= Some(time));
    // What was taken out says nothing of that.
    let tells = |change: &&ChangeLine| change.kind != "purged";
    let live = match (until.iter().rev().find(tells), later.iter().find(tells)) {
        (Some(last), _) => last.kind != "deleted",
        (None, Some(next)) if next.begins() => return Ok(Err(Unknown::NotYet)),
        // Its changes until then were cut, and everything since then is kept.
        (None, Some(next)) if kept_since(connection)? <= Some(time) => next.kind != "restored",
        (None, None) if row_since(connection, entity, (feed, id))? <= Some(time) => is_live(connection, entity, (feed, id))?,
        (None, _) => return Ok(Err(Unknown::NotKept)),
    };
    let told = |row: Columns| AsOf { feed_id: feed.to_owned(), key: id.to_owned(), time: format!("{time}Z"), live, row };
    Ok(undo(row, later.iter().rev().map(|change| change.diff.as_ref())).map(told).ok_or(Unknown::NotKept))
}

/// The columns of a row after a change of it; `None` where they are not known any more.
fn after(connection: &Connection, entity: &Entity, key: (&str, &str), seq: i64) -> rusqlite::Result<Option<Columns>> {
    let later: Vec<Option<String>> = rows(
        connection,
        "SELECT diff FROM changes WHERE entity = ?1 AND feed_id = ?2 AND key = ?3 AND seq > ?4 ORDER BY seq DESC",
        params![entity.name, key.0, key.1, seq],
        |row| row.get(0),
    )?;
    let later: Vec<_> = later.iter().map(|diff| diff.as_deref().and_then(differing)).collect();
    Ok(present(connection, entity, key)?.and_then(|row| undo(row, later.iter().map(Option::as_ref))))
}

/// A row without what these changes, newest first, have changed; `None` where one does not tell.
fn undo<'a>(mut row: Columns, newest_first: impl Iterator<Item = Option<&'a Differing>>) -> Option<Columns> {
    for diff in newest_first {
        row.extend(diff?.iter().map(|(column, (before, _))| (column.clone(), before.clone())));
    }
    Some(row)
}

fn changes(connection: &Connection, entity: &Entity, (feed, id): (&str, &str)) -> rusqlite::Result<Vec<ChangeLine>> {
    let columns = ChangeLine::SELECTED;
    let sql = format!("SELECT {columns} FROM changes WHERE entity = ?1 AND feed_id = ?2 AND key = ?3 ORDER BY seq");
    rows(connection, &sql, params![entity.name, feed, id], ChangeLine::read)
}

/// The columns of a row but for its key, as they are.
fn present(connection: &Connection, entity: &Entity, (feed, id): (&str, &str)) -> rusqlite::Result<Option<Columns>> {
    let [feed_column, id_column] = key_columns(entity);
    let columns: Vec<&str> = entity.fields.iter().map(|field| field.column).skip(2).chain(["extra"]).collect();
    let sql = format!("SELECT {} FROM {} WHERE {feed_column} = ?1 AND {id_column} = ?2", columns.join(", "), entity.table);
    let read = |row: &Row| {
        let cell = |(index, column): (usize, &&str)| Ok(((*column).to_owned(), json(row.get_ref(index)?)));
        columns.iter().enumerate().map(cell).collect()
    };
    connection.prepare_cached(&sql)?.query_row(params![feed, id], read).optional()
}

fn differing(diff: &str) -> Option<Differing> {
    serde_json::from_str(diff).ok()
}

/// When the oldest change was made that is kept.
fn kept_since(connection: &Connection) -> rusqlite::Result<Option<Stamp>> {
    value(connection, "SELECT (SELECT at FROM changes ORDER BY seq LIMIT 1)", [])
}

/// When a row last changed.
fn row_since(connection: &Connection, entity: &Entity, key: (&str, &str)) -> rusqlite::Result<Option<Stamp>> {
    of_row(connection, entity, key, "changed_at")
}

fn is_live(connection: &Connection, entity: &Entity, key: (&str, &str)) -> rusqlite::Result<bool> {
    of_row(connection, entity, key, "deleted_at IS NULL")
}

fn of_row<T: rusqlite::types::FromSql>(
    connection: &Connection,
    entity: &Entity,
    (feed, id): (&str, &str),
    what: &str,
) -> rusqlite::Result<T> {
    let (table, [feed_column, id_column]) = (entity.table, key_columns(entity));
    value(connection, &format!("SELECT {what} FROM {table} WHERE {feed_column} = ?1 AND {id_column} = ?2"), params![feed, id])
}
