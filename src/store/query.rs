//! Queries, answered as their callers need it.

use rusqlite::types::FromSql;
use rusqlite::{Connection, Params, Row};

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
