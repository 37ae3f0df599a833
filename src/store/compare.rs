//! Whether two files hold the same: row by row, in the order of the keys.

use super::checksums::{hash_of, hashed_columns};
use super::column::key_text;
use super::error::Error;
use super::open_error::unusable;
use super::query::{rows, value};
use super::report::{ReportError, read};
use super::row_sql::{RowSql, key_columns};
use super::verify::MOST_NAMED;
use crate::entity::Entity;
use crate::record::{FeedId, Hash, ListingId, ListingKey};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, Rows};
use serde::Serialize;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;

/// The rows of one feed in two files.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Compared {
    pub feed_id: String,
    /// The kind of thing: `listing`.
    pub entity: &'static str,
    /// Rows that are the same in both: equal in every column, or deleted in both.
    pub equal: u64,
    /// Rows that differ in nothing but the queries of URLs.
    pub signed_anew: u64,
    /// Deleted in one file, and not there in the other.
    pub deleted_in_one: u64,
    /// Rows that differ otherwise; the first 1,000.
    pub differing: Vec<Difference>,
    pub differing_count: u64,
}

/// How a row differs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Difference {
    pub id: String,
    #[serde(flatten)]
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// Live in this file alone: not there, or deleted in the other.
    LiveOnly(Side),
    /// It stands more than once in one of the files.
    Repeated(Side),
    /// These columns.
    Columns(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Side {
    Here,
    There,
}

/// A row on its way past.
struct Passing {
    feed: String,
    id: String,
    deleted: bool,
    hash: Hash,
    /// The row before it has the same key.
    repeated: bool,
}

/// Compares the rows of a file of ours with those of another file, which needs no more than a table of the same name with the same
/// public columns: a consumer's copy is enough. Tables of the entities beside it are compared where the other file has them.
/// Where `ignore_queries`, URLs that differ in their queries alone are the same.
pub(crate) fn compare(here: &Path, there: &Path, entity: &'static Entity, ignore_queries: bool) -> Result<Vec<Compared>, ReportError> {
    let other = open_any(there, entity)?;
    let other = other.unchecked_transaction().map_err(Error::from)?;
    read(here, |connection| {
        let has = |beside: &&Entity| std::ptr::eq(*beside, entity) || columns_of(&other, beside).is_ok_and(|columns| !columns.is_empty());
        let compare = |entity| Compare { here: connection, there: &other, sql: RowSql::new(entity), ignore_queries }.run();
        let compared: Vec<_> = entity.all().filter(has).map(compare).collect::<rusqlite::Result<_>>()?;
        Ok(compared.into_iter().flatten().collect())
    })
}

fn open_any(path: &Path, entity: &Entity) -> Result<Connection, ReportError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|error| unusable(path, error))?;
    let found = columns_of(&connection, entity).map_err(|error| unusable(path, error))?;
    let needed = entity.fields.iter().map(|field| field.column).chain(["extra", "deleted_at"]);
    let missing: Vec<&str> = needed.filter(|column| !found.iter().any(|found| found == column)).collect();
    match (found.is_empty(), missing.first()) {
        (true, _) => Err(unusable(path, format!("it has no table {}", entity.table)).into()),
        (false, Some(column)) => {
            Err(unusable(path, format!("its table {} lacks {} columns that are compared, {column} first", entity.table, missing.len()))
                .into())
        }
        (false, None) => Ok(connection),
    }
}

fn columns_of(connection: &Connection, entity: &Entity) -> rusqlite::Result<Vec<String>> {
    rows(connection, "SELECT name FROM pragma_table_info(?1)", [entity.table], |row| row.get(0))
}

struct Compare<'a> {
    here: &'a Connection,
    there: &'a Connection,
    sql: RowSql,
    ignore_queries: bool,
}

impl Compare<'_> {
    fn run(&self) -> rusqlite::Result<Vec<Compared>> {
        let sql = self.in_order();
        let (mut here, mut there) = (self.here.prepare(&sql)?, self.there.prepare(&sql)?);
        let (mut here, mut there) = (here.query([])?, there.query([])?);
        let (mut last_here, mut last_there) = Default::default();
        let (mut left, mut right) = (self.next(&mut here, &mut last_here)?, self.next(&mut there, &mut last_there)?);
        let mut feeds: BTreeMap<String, Compared> = BTreeMap::new();
        loop {
            let order = match (&left, &right) {
                (Some(left), Some(right)) => (&left.feed, &left.id).cmp(&(&right.feed, &right.id)),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => break,
            };
            let mine = if order.is_le() { left.take() } else { None };
            let theirs = if order.is_ge() { right.take() } else { None };
            self.judge(&mut feeds, mine.as_ref(), theirs.as_ref())?;
            if mine.is_some() {
                left = self.next(&mut here, &mut last_here)?;
            }
            if theirs.is_some() {
                right = self.next(&mut there, &mut last_there)?;
            }
        }
        Ok(feeds.into_values().collect())
    }

    fn in_order(&self) -> String {
        let (entity, [feed, id]) = (self.sql.entity, key_columns(self.sql.entity));
        let (columns, table) = (hashed_columns(entity), entity.table);
        format!("SELECT {columns}, deleted_at IS NOT NULL FROM {table} ORDER BY {feed}, {id}")
    }

    /// The next row of a file. A key that is null, as only a consumer's may be, is an empty one.
    fn next(&self, rows: &mut Rows, last: &mut (String, String)) -> rusqlite::Result<Option<Passing>> {
        let columns = self.sql.entity.fields.len() + 1;
        let Some(row) = rows.next()? else { return Ok(None) };
        let text = |index| row.get_ref(index).map(|value| key_text(value).unwrap_or_default().into_owned());
        let (feed, id) = (text(0)?, text(1)?);
        let repeated = (&feed, &id) == (&last.0, &last.1);
        *last = (feed.clone(), id.clone());
        Ok(Some(Passing { hash: hash_of(row, columns)?, feed, id, deleted: row.get(columns)?, repeated }))
    }

    fn judge(&self, feeds: &mut BTreeMap<String, Compared>, here: Option<&Passing>, there: Option<&Passing>) -> rusqlite::Result<()> {
        let Some(row) = here.or(there) else { return Ok(()) };
        let feed = feeds.entry(row.feed.clone()).or_insert_with(|| Compared {
            feed_id: row.feed.clone(),
            entity: self.sql.entity.name,
            ..Compared::default()
        });
        let is_live = |row: Option<&Passing>| row.is_some_and(|row| !row.deleted);
        let what = match (is_live(here), is_live(there)) {
            _ if here.is_some_and(|row| row.repeated) => What::Repeated(Side::Here),
            _ if there.is_some_and(|row| row.repeated) => What::Repeated(Side::There),
            (true, false) => What::LiveOnly(Side::Here),
            (false, true) => What::LiveOnly(Side::There),
            (false, false) => {
                *if here.is_some() && there.is_some() { &mut feed.equal } else { &mut feed.deleted_in_one } += 1;
                return Ok(());
            }
            (true, true) if here.map(|row| row.hash) == there.map(|row| row.hash) => {
                feed.equal += 1;
                return Ok(());
            }
            (true, true) if self.ignore_queries && self.is_signed_anew(row)? => {
                feed.signed_anew += 1;
                return Ok(());
            }
            (true, true) => What::Columns(self.columns(row)?),
        };
        feed.differing_count += 1;
        if feed.differing.len() < MOST_NAMED {
            feed.differing.push(Difference { id: row.id.clone(), what });
        }
        Ok(())
    }

    fn is_signed_anew(&self, row: &Passing) -> rusqlite::Result<bool> {
        let key = ListingKey { feed: FeedId(row.feed.clone()), listing: ListingId(row.id.clone()) };
        // A value that no record can have is a difference.
        let content = |connection| self.sql.cells(connection, &key).ok().flatten();
        Ok(content(self.here).zip(content(self.there)).is_some_and(|(here, there)| (self.sql.entity.same_but_for_queries)(&here, &there)))
    }

    /// The columns in which a row differs.
    fn columns(&self, row: &Passing) -> rusqlite::Result<Vec<String>> {
        let (entity, [feed, id]) = (self.sql.entity, key_columns(self.sql.entity));
        let differs = |column: &str| -> rusqlite::Result<bool> {
            let sql = format!("SELECT {column} FROM {} WHERE {feed} = ?1 AND {id} = ?2", entity.table);
            let key = [&row.feed, &row.id];
            Ok(value::<Value>(self.here, &sql, key)? != value::<Value>(self.there, &sql, key)?)
        };
        let columns = entity.fields.iter().map(|field| field.column).chain(["extra"]);
        let differing = columns.map(|column| Ok(differs(column)?.then(|| column.to_owned())));
        differing.filter_map(rusqlite::Result::transpose).collect()
    }
}
