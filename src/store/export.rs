//! The rows for other programs, one after the other, as they are at one moment.

use super::change_reader::{self, FollowError};
use super::changes;
use super::error::Error;
use super::query::rows;
use super::report::ReportError;
use super::row_sql::key_columns;
use super::sqlite;
use crate::entity::Entity;
use crate::record::{Cell, Kind};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use std::path::Path;

/// What the mirror adds to the columns of an entity, but for what is internal.
const OWN: [&str; 7] = ["extra", "first_seen_at", "changed_at", "deleted_at", "deleted_cause", "change_seq", "purged_at"];
/// The view of what may be displayed.
const PUBLIC: &str = "public_listings";

/// Which rows are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Selection {
    /// Only what may be displayed.
    pub public: bool,
    /// What has changed behind this number, deleted rows included; the live rows where there is none.
    pub since: Option<i64>,
    /// In the order of the keys in any case. Otherwise, what has changed comes in the order of its changes, which an index has.
    pub by_key: bool,
}

/// A column, and what it holds.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub name: String,
    pub kind: Kind,
}

/// Rows of one moment.
pub(crate) struct Export {
    connection: Connection,
    sql: String,
    pub columns: Vec<Column>,
    /// The number of the newest change of this moment.
    pub seq: i64,
}

impl Export {
    pub(crate) fn begin(path: &Path, entity: &Entity, selection: Selection) -> Result<Export, FollowError> {
        let connection = sqlite::open_read_only(path).map_err(ReportError::from)?;
        connection.execute_batch("BEGIN")?;
        let seq = changes::newest(&connection)?;
        selection.since.map_or(Ok(()), |since| change_reader::check_known(&connection, since))?;
        let names = if selection.public { public_columns(&connection)? } else { all_columns(entity) };
        let sql = sql(entity, selection, &names);
        let columns = names.into_iter().map(|name| Column { kind: kind(entity, &name), name }).collect();
        Ok(Export { connection, sql, columns, seq })
    }

    /// Hands over each row, a cell for each column; tells how many there were.
    pub(crate) fn each<E: From<Error>>(&self, mut take: impl FnMut(&[Cell]) -> Result<(), E>) -> Result<u64, E> {
        let mut statement = self.connection.prepare(&self.sql).map_err(Error::from)?;
        let (mut rows, mut count) = (statement.query([]).map_err(Error::from)?, 0);
        while let Some(row) = rows.next().map_err(Error::from)? {
            take(&self.cells(row).map_err(Error::from)?)?;
            count += 1;
        }
        Ok(count)
    }

    fn cells<'r>(&self, row: &'r Row) -> rusqlite::Result<Vec<Cell<'r>>> {
        (0..self.columns.len()).map(|index| row.get_ref(index).map(cell)).collect()
    }
}

fn cell(value: ValueRef<'_>) -> Cell<'_> {
    match value {
        ValueRef::Null | ValueRef::Blob(_) => Cell::Null,
        ValueRef::Integer(number) => Cell::Integer(number),
        ValueRef::Real(number) => Cell::Real(number),
        ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text)),
    }
}

fn all_columns(entity: &Entity) -> Vec<String> {
    entity.fields.iter().map(|field| field.column).chain(OWN).map(str::to_owned).collect()
}

/// Whoever applies what has changed must be told what is gone.
fn public_columns(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut names: Vec<String> = rows(connection, "SELECT name FROM pragma_table_info(?1) ORDER BY cid", [PUBLIC], |row| row.get(0))?;
    names.push("deleted_at".to_owned());
    Ok(names)
}

/// The views add numbers to the columns of the entity.
fn kind(entity: &Entity, column: &str) -> Kind {
    let field = entity.fields.iter().find(|field| field.column == column);
    field.map(|field| field.kind).unwrap_or(match column {
        "extra" => Kind::Json,
        "change_seq" => Kind::Integer,
        number if number.ends_with("_number") => Kind::Real,
        _ => Kind::Text,
    })
}

fn sql(entity: &Entity, Selection { public, since, by_key }: Selection, names: &[String]) -> String {
    let (table, [feed, id]) = (entity.table, key_columns(entity));
    let (which, order) = match since {
        None => ("stored.deleted_at IS NULL".to_owned(), format!("stored.{feed}, stored.{id}")),
        // The plus keeps the index of the numbers away: what it finds would have to be sorted, row by wide row.
        Some(since) if by_key => (format!("+stored.change_seq > {since}"), format!("stored.{feed}, stored.{id}")),
        Some(since) => (format!("stored.change_seq > {since}"), "stored.change_seq".to_owned()),
    };
    // A cross join keeps the order of its tables, so that nothing has to be sorted.
    let join = if since.is_some() { "LEFT" } else { "CROSS" };
    let shown = if public { format!("{join} JOIN {PUBLIC} AS shown USING ({feed}, {id})") } else { String::new() };
    let column = |name: &String| match name.as_str() {
        // What may not be displayed any more, such as what was purged, is as good as deleted.
        "deleted_at" if public => {
            format!("iif(shown.{id} IS NULL, coalesce(stored.deleted_at, stored.purged_at, stored.changed_at), NULL)")
        }
        own if !public || own == feed || own == id || own == "change_seq" => format!("stored.{own}"),
        other => format!("shown.{other}"),
    };
    let columns: Vec<String> = names.iter().map(column).collect();
    format!("SELECT {} FROM {table} AS stored {shown} WHERE {which} ORDER BY {order}", columns.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::LISTINGS;

    #[test]
    fn rows_are_read_in_the_order_of_an_index_and_never_sorted() {
        let connection = Connection::open_in_memory().expect("SQLite opens");
        connection.execute_batch(include_str!("../../schema.sql")).expect("schema.sql is valid");
        for (public, since, by_key) in
            [false, true].into_iter().flat_map(|public| [(public, None, true), (public, Some(7), true), (public, Some(7), false)])
        {
            let names = if public { public_columns(&connection).expect("columns") } else { all_columns(&LISTINGS) };
            let sql = sql(&LISTINGS, Selection { public, since, by_key }, &names);
            let plan: Vec<String> =
                rows(&connection, &format!("EXPLAIN QUERY PLAN {sql}"), [], |row| row.get("detail")).expect("the query is valid");
            let plan = plan.join("\n");
            let index =
                if since.is_some() && !by_key { "sqlite_autoindex_listings_1 (change_seq>?)" } else { "sqlite_autoindex_listings_2" };
            assert!(plan.contains(index) && !plan.contains("TEMP B-TREE") && !plan.contains("MATERIALIZE"), "{sql}\n{plan}");
        }
    }
}
