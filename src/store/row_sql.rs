//! The statements on an entity's table, made from its fields.

use super::licences::Licences;
use super::misfits;
use super::query::value;
use crate::entity::Entity;
use crate::plan::merge::Known;
use crate::record::{Cell, Content, FeedId, Field, Hash, Kind, ListingKey, Stamp};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

/// The columns that the mirror adds and that every write of content sets.
const MIRRORED: [&str; 9] =
    ["extra", "stamp", "raw_hash", "content_hash", "changed_at", "deleted_at", "deleted_cause", "change_seq", "purged_at"];

/// The statements on one entity's table. `?1` is the feed and `?2` the id inside it.
#[derive(Debug)]
pub(super) struct RowSql {
    pub(super) entity: &'static Entity,
    /// What differs in the queries of URLs alone is no change.
    pub(super) ignores_queries: bool,
    /// What may be stored of each feed.
    pub(super) licences: Licences,
    find: String,
    /// The cells and `extra`, in the order of the fields.
    pub(super) cells: String,
    insert: String,
    number: Option<String>,
    update: String,
    refresh: String,
    rewrite: String,
    purge: String,
    tombstone: String,
    restamp: String,
    stamp: String,
}

/// A stored row without its cells.
pub(super) struct Stored {
    pub(super) stamp: Option<Stamp>,
    pub(super) raw_hash: Hash,
    pub(super) content_hash: Hash,
    pub(super) deleted_cause: Option<String>,
    /// Its contents were taken out.
    pub(super) purged: bool,
}

impl Stored {
    pub(super) fn is_deleted(&self) -> bool {
        self.deleted_cause.is_some()
    }

    /// Whether it is deleted without a word of the vendor's.
    pub(super) fn is_inferred(&self) -> bool {
        self.deleted_cause.as_ref().is_some_and(|cause| cause != "vendor")
    }

    pub(super) fn known(&self, same: bool, taken_back: bool) -> Known {
        Known { stamp: self.stamp, deleted: self.is_deleted(), inferred: self.is_inferred(), same, taken_back }
    }
}

/// A row's content, with what the mirror adds to it.
pub(super) struct NewRow<'a> {
    pub(super) key: &'a ListingKey,
    pub(super) content: &'a Content<'a>,
    pub(super) content_hash: Hash,
    pub(super) raw_hash: Hash,
    pub(super) stamp: Option<Stamp>,
    /// The mirror's clock.
    pub(super) at: &'a str,
    pub(super) change_seq: i64,
    /// It becomes a tombstone that the vendor stated; a live row otherwise.
    pub(super) deleted: bool,
    /// Its contents were taken out.
    pub(super) purged: bool,
}

/// The two columns of an entity's key: the feed, and the id inside it.
pub(super) fn key_columns(entity: &Entity) -> [&'static str; 2] {
    entity.fields.first_chunk::<2>().expect("an entity's first two fields are its key").map(|field| field.column)
}

impl RowSql {
    pub(super) fn new(entity: &'static Entity) -> RowSql {
        let table = entity.table;
        let [feed, id] = key_columns(entity);
        let this = format!("WHERE {feed} = ?1 AND {id} = ?2");
        let columns = entity.fields.iter().map(|field| field.column).collect::<Vec<_>>();
        let written: Vec<&str> = columns.iter().copied().chain(MIRRORED).collect();
        let marks = (1..=written.len() + 1).map(|n| format!("?{n}")).collect::<Vec<_>>().join(", ");
        let set = |(index, column): (usize, &&str)| format!("{column} = ?{}", index + 1);
        let sets = |count: usize| written.iter().enumerate().take(count).skip(2).map(set).collect::<Vec<_>>().join(", ");
        RowSql {
            entity,
            ignores_queries: false,
            licences: Licences::default(),
            find: format!("SELECT stamp, deleted_cause, raw_hash, content_hash, purged_at IS NOT NULL FROM {table} {this}"),
            cells: format!("SELECT {}, extra FROM {table} {this}", columns.join(", ")),
            insert: format!("INSERT INTO {table} ({}, first_seen_at) VALUES ({marks})", written.join(", ")),
            number: entity.numbers.map(|numbers| {
                format!(
                    "INSERT INTO {numbers} ({feed}, {id}) SELECT {feed}, {id} FROM {table} AS new WHERE change_seq > ?1
                     AND NOT EXISTS (SELECT 1 FROM {numbers} AS known WHERE (known.{feed}, known.{id}) = (new.{feed}, new.{id}))
                     ORDER BY change_seq"
                )
            }),
            update: format!("UPDATE {table} SET {} {this}", sets(written.len())),
            // The content and its hashes, without what makes it a change.
            refresh: format!("UPDATE {table} SET {} {this} AND deleted_at IS NULL", sets(columns.len() + 4)),
            // The same with `changed_at`, for a deleted row, too.
            rewrite: format!("UPDATE {table} SET {} {this}", sets(columns.len() + 5)),
            purge: format!("UPDATE {table} SET change_seq = ?3, purged_at = coalesce(?4, purged_at) {this}"),
            tombstone: format!(
                "UPDATE {table} SET deleted_at = ?3, deleted_cause = ?4, changed_at = ?3, change_seq = ?5, stamp = ?6 {this}"
            ),
            restamp: format!("UPDATE {table} SET stamp = ?3, deleted_cause = 'vendor' {this}"),
            stamp: format!("UPDATE {table} SET stamp = ?3, raw_hash = ?4 {this}"),
        }
    }

    /// The stored row without its cells, which few decisions need.
    pub(super) fn find(&self, connection: &Connection, key: &ListingKey) -> rusqlite::Result<Option<Stored>> {
        let read = |row: &Row| {
            let (stamp, deleted_cause, raw_hash, content_hash, purged) = row.try_into()?;
            Ok(Stored { stamp, deleted_cause, raw_hash, content_hash, purged })
        };
        connection.prepare_cached(&self.find)?.query_row(params![key.feed, key.listing], read).optional()
    }

    /// The stored row as a record's content.
    pub(super) fn cells(&self, connection: &Connection, key: &ListingKey) -> rusqlite::Result<Option<Content<'static>>> {
        let fields = self.entity.fields;
        let read = |row: &Row| {
            let cells = fields.iter().enumerate().map(|(index, field)| cell_of(field, row.get::<_, Value>(index)?));
            Ok(Content { cells: cells.collect::<rusqlite::Result<_>>()?, extra: row.get(fields.len())? })
        };
        connection.prepare_cached(&self.cells)?.query_row(params![key.feed, key.listing], read).optional()
    }

    pub(super) fn insert(&self, connection: &Connection, row: &NewRow) -> rusqlite::Result<()> {
        self.write(connection, &self.insert, row)?;
        misfits::add(connection, self.entity, row.key, row.content, row.stamp.is_some())
    }

    /// Numbers the rows that are new since a change. It is no trigger of their table, because SQLite would then keep a copy of each page of it,
    /// to take the statement back by itself. It is one statement for many rows, because each statement that may be taken back makes FTS5
    /// write what it holds of the rows before.
    pub(super) fn number(&self, connection: &Connection, after: i64) -> rusqlite::Result<()> {
        self.number.as_ref().map_or(Ok(0), |number| connection.prepare_cached(number)?.execute([after])).map(drop)
    }

    pub(super) fn update(&self, connection: &Connection, row: &NewRow) -> rusqlite::Result<()> {
        self.write_anew(connection, &self.update, row)
    }

    /// Gives a live row new content that is no change to consumers.
    pub(super) fn refresh(&self, connection: &Connection, row: &NewRow) -> rusqlite::Result<()> {
        self.write_anew(connection, &self.refresh, row)
    }

    /// Gives a row, live or deleted, the content that is left of it. `purged_at` is null where the rest is there.
    pub(super) fn purge(&self, connection: &Connection, row: &NewRow) -> rusqlite::Result<()> {
        self.write_anew(connection, &self.rewrite, row)?;
        let purged_at = row.purged.then_some(row.at);
        let NewRow { key, change_seq, .. } = row;
        connection.prepare_cached(&self.purge)?.execute(params![key.feed, key.listing, change_seq, purged_at]).map(drop)
    }

    fn write_anew(&self, connection: &Connection, sql: &str, row: &NewRow) -> rusqlite::Result<()> {
        self.write(connection, sql, row)?;
        misfits::forget(connection, self.entity, row.key)?;
        misfits::add(connection, self.entity, row.key, row.content, row.stamp.is_some())
    }

    fn write(&self, connection: &Connection, sql: &str, row: &NewRow) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(sql)?;
        statement.raw_bind_parameter(1, &row.key.feed)?;
        statement.raw_bind_parameter(2, &row.key.listing)?;
        // A parameter that is not bound is null.
        let is_null = |cell: &Cell| matches!(cell, Cell::Absent | Cell::Null);
        for (index, cell) in row.content.cells.iter().enumerate().skip(2).filter(|(_, cell)| !is_null(cell)) {
            statement.raw_bind_parameter(index + 1, cell)?;
        }
        // The last is first_seen_at, which an update does not have.
        let mirrored: [&dyn ToSql; MIRRORED.len() + 1] = [
            &row.content.extra,
            &row.stamp,
            &row.raw_hash,
            &row.content_hash,
            &row.at,
            &row.deleted.then_some(row.at),
            &row.deleted.then_some("vendor"),
            &row.change_seq,
            &row.purged.then_some(row.at),
            &row.at,
        ];
        let fields = self.entity.fields.len();
        for (value, index) in mirrored.iter().zip(fields + 1..=statement.parameter_count()) {
            statement.raw_bind_parameter(index, value)?;
        }
        statement.raw_execute().map(drop)
    }

    /// Turns a live row into a tombstone; `change` is the mirror's clock and the change's number.
    pub(super) fn tombstone(
        &self,
        connection: &Connection,
        key: &ListingKey,
        why: (&str, Option<Stamp>),
        change: (&str, i64),
    ) -> rusqlite::Result<()> {
        let ((cause, stamp), (at, seq)) = (why, change);
        connection.prepare_cached(&self.tombstone)?.execute(params![key.feed, key.listing, at, cause, seq, stamp]).map(drop)
    }

    /// Gives a tombstone the stamp of a deletion that the vendor stated.
    pub(super) fn restamp(&self, connection: &Connection, key: &ListingKey, stamp: Option<Stamp>) -> rusqlite::Result<()> {
        connection.prepare_cached(&self.restamp)?.execute(params![key.feed, key.listing, stamp]).map(drop)
    }

    /// Gives a row that holds what was heard the stamp and the hash of that.
    pub(super) fn stamp(&self, connection: &Connection, key: &ListingKey, heard: (Option<Stamp>, Hash)) -> rusqlite::Result<()> {
        connection.prepare_cached(&self.stamp)?.execute(params![key.feed, key.listing, heard.0, heard.1]).map(drop)
    }

    /// How many live rows a feed has. Both counts come from indexes, which spares reading the wide rows.
    pub(super) fn live(&self, connection: &Connection, feed: &FeedId) -> rusqlite::Result<u64> {
        let (table, [column, _]) = (self.entity.table, key_columns(self.entity));
        let sql = format!(
            "SELECT (SELECT count(*) FROM {table} WHERE {column} = ?1)
                 - (SELECT count(*) FROM {table} WHERE {column} = ?1 AND deleted_at IS NOT NULL)"
        );
        value(connection, &sql, [feed])
    }
}

fn cell_of(field: &Field, value: Value) -> rusqlite::Result<Cell<'static>> {
    Ok(match (field.kind, value) {
        (_, Value::Null) => Cell::Null,
        (Kind::Integer | Kind::Bool, Value::Integer(value)) => Cell::Integer(value),
        (Kind::Real, Value::Real(value)) => Cell::Real(value),
        (Kind::Text | Kind::Loose | Kind::Time | Kind::Json, Value::Text(value)) => Cell::Text(value.into()),
        (_, other) => {
            let wrong = rusqlite::types::FromSqlError::Other(format!("{} holds {:?}", field.column, other.data_type()).into());
            return Err(wrong.into());
        }
    })
}
