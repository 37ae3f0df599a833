//! Queries, answered as their callers need it.

use rusqlite::types::{FromSql, ValueRef};
use rusqlite::{Connection, Params, Row};
use serde_json::Value;

/// The rows of a query, each as it is read.
pub(super) fn rows<T, C: FromIterator<T>>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row) -> rusqlite::Result<T>,
) -> rusqlite::Result<C> {
    connection.prepare_cached(sql)?.query_map(params, read)?.collect()
}

/// The one value of a query that has one row.
pub(super) fn value<T: FromSql>(connection: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<T> {
    connection.prepare_cached(sql)?.query_row(params, |row| row.get(0))
}

/// A value as JSON. The mirror stores no blob that a consumer is shown.
pub(super) fn json(value: ValueRef) -> Value {
    match value {
        ValueRef::Null | ValueRef::Blob(_) => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
    }
}
