//! A listing's row: the SQL made from the field table, and the way of a record's cells into its columns and back.

use crate::record::{Cell, Content, Field, Hash, Kind, ListingKey};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, ToSql, params};

/// The statements on `listings`, and the fields that they are made of. The first two fields are the key.
#[derive(Debug)]
pub(super) struct ListingSql {
    pub(super) fields: &'static [Field],
    insert: String,
    update: String,
    select: String,
}

/// What a write adds to a record's content.
pub(super) struct Mirror<'a> {
    pub(super) stamp: Option<String>,
    pub(super) raw_hash: Hash,
    pub(super) content_hash: Hash,
    pub(super) at: &'a str,
    pub(super) deleted: bool,
    pub(super) change_seq: i64,
}

impl ListingSql {
    pub(super) fn new(fields: &'static [Field]) -> ListingSql {
        let columns: Vec<&str> = fields.iter().map(|field| field.column).collect();
        let mirrored = "extra, stamp, raw_hash, content_hash, changed_at, deleted_at, deleted_cause, change_seq";
        let count = columns.len() + 9;
        let marks: Vec<String> = (1..=count).map(|n| format!("?{n}")).collect();
        let sets: Vec<String> =
            columns.iter().copied().chain(mirrored.split(", ")).zip(&marks).skip(2).map(|(c, m)| format!("{c} = {m}")).collect();
        ListingSql {
            fields,
            insert: format!("INSERT INTO listings ({}, {mirrored}, first_seen_at) VALUES ({})", columns.join(", "), marks.join(", ")),
            update: format!("UPDATE listings SET {} WHERE feed_id = ?1 AND listing_id = ?2", sets.join(", ")),
            select: format!("SELECT {}, extra FROM listings WHERE feed_id = ?1 AND listing_id = ?2", columns.join(", ")),
        }
    }

    pub(super) fn insert(&self, connection: &Connection, key: &ListingKey, content: &Content, mirror: &Mirror) -> rusqlite::Result<()> {
        self.write(connection, &self.insert, key, content, mirror)
    }

    pub(super) fn update(&self, connection: &Connection, key: &ListingKey, content: &Content, mirror: &Mirror) -> rusqlite::Result<()> {
        self.write(connection, &self.update, key, content, mirror)
    }

    fn write(&self, connection: &Connection, sql: &str, key: &ListingKey, content: &Content, mirror: &Mirror) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(sql)?;
        statement.raw_bind_parameter(1, &key.feed.0)?;
        statement.raw_bind_parameter(2, &key.listing.0)?;
        for (index, cell) in content.cells.iter().enumerate().skip(2) {
            statement.raw_bind_parameter(index + 1, cell)?;
        }
        let deleted_at = mirror.deleted.then_some(mirror.at);
        let deleted_cause = mirror.deleted.then_some("vendor");
        let stamps: [&dyn ToSql; 9] = [
            &content.extra,
            &mirror.stamp,
            &mirror.raw_hash.as_slice(),
            &mirror.content_hash.as_slice(),
            &mirror.at,
            &deleted_at,
            &deleted_cause,
            &mirror.change_seq,
            &mirror.at,
        ];
        let bound = statement.parameter_count() - self.fields.len();
        for (index, value) in stamps.iter().take(bound).enumerate() {
            statement.raw_bind_parameter(self.fields.len() + index + 1, value)?;
        }
        statement.raw_execute().map(drop)
    }

    /// The stored row as a record's content.
    pub(super) fn load(&self, connection: &Connection, key: &ListingKey) -> rusqlite::Result<Option<Content>> {
        let mut statement = connection.prepare_cached(&self.select)?;
        let read = |row: &rusqlite::Row| {
            let cells = self.fields.iter().enumerate().map(|(index, field)| cell_of(field, row.get::<_, Value>(index)?));
            Ok(Content { cells: cells.collect::<rusqlite::Result<_>>()?, extra: row.get(self.fields.len())? })
        };
        statement.query_row(params![key.feed.0, key.listing.0], read).optional()
    }
}

fn cell_of(field: &Field, value: Value) -> rusqlite::Result<Cell> {
    Ok(match (field.kind, value) {
        (_, Value::Null) => Cell::Null,
        (Kind::Integer | Kind::Bool, Value::Integer(value)) => Cell::Integer(value),
        (Kind::Real, Value::Real(value)) => Cell::Real(value),
        (Kind::Text | Kind::Loose | Kind::Time | Kind::Json, Value::Text(value)) => Cell::Text(value),
        (_, other) => {
            let wrong = rusqlite::types::FromSqlError::Other(format!("{} holds {:?}", field.column, other.data_type()).into());
            return Err(wrong.into());
        }
    })
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Cell::Absent | Cell::Null => ValueRef::Null,
            Cell::Integer(value) => ValueRef::Integer(*value),
            Cell::Real(value) => ValueRef::Real(*value),
            Cell::Text(value) => ValueRef::Text(value.as_bytes()),
        }))
    }
}
