//! Copies of the file: whole, or what may be displayed of it.

use super::error::Error;
use super::query::rows;
use super::report::{ReportError, read};
use super::sqlite;
use rusqlite::Connection;
use rusqlite::types::ToSqlOutput;
use std::path::Path;

/// What may be displayed: the views that become tables, what a table has besides its columns, and which rows it takes.
const PUBLIC: [(&str, &str, &str); 5] = [
    ("public_listings", ", PRIMARY KEY (feed_id, listing_id)", ""),
    ("listing_photos", "", OF_PUBLIC_LISTINGS),
    ("open_houses_upcoming", "", OF_PUBLIC_LISTINGS),
    // They count the values of columns that public_listings has.
    ("lookups", "", ""),
    ("sync_status", "", ""),
];
const OF_PUBLIC_LISTINGS: &str =
    "WHERE EXISTS (SELECT 1 FROM public_listings AS of WHERE of.feed_id = copied.feed_id AND of.listing_id = copied.listing_id)";
const INDEXES: &str = "
    CREATE INDEX listing_photos_of ON listing_photos (feed_id, listing_id);
    CREATE INDEX open_houses_of ON open_houses_upcoming (feed_id, listing_id);";

/// What the copy is of, and of which moment.
const ABOUT: &str = "
    SELECT contract, file_id, epoch, (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'changes'),
        strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
    FROM schema_meta";
const ABOUT_TABLE: &str = "
    CREATE TABLE snapshot (
        contract  TEXT NOT NULL,     -- as in schema_meta
        file_id   TEXT NOT NULL,     -- as in schema_meta
        epoch     TEXT NOT NULL,     -- as in schema_meta
        seq       INTEGER NOT NULL,  -- the number of the newest change that it holds
        taken_at  TEXT NOT NULL      -- UTC
    ) STRICT;";

/// Copies the file as it is at one moment into an empty one.
///
/// `VACUUM INTO` reads in one transaction and needs no right to write the original. The backup API begins again whenever
/// somebody writes between two of its steps, and waits for a right to write where nobody has the file open.
pub(crate) fn whole(path: &Path, copy: &Path) -> Result<(), ReportError> {
    let connection = sqlite::open_read_only(path)?;
    let done = connection.execute("VACUUM INTO ?1", [&*copy.to_string_lossy()]);
    Ok(done.map(drop).map_err(Error::from)?)
}

/// Copies what may be displayed, as it is at one moment, into an empty file. Values are copied one by one into new pages, so
/// that nothing else can be in any of them.
pub(crate) fn public(path: &Path, copy: &Path) -> Result<(), ReportError> {
    read(path, |source| {
        let copy = Connection::open(copy)?;
        // What was not finished is removed, and the caller syncs.
        copy.execute_batch(
            "PRAGMA page_size = 16384; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA secure_delete = ON; BEGIN",
        )?;
        for (view, more, which) in PUBLIC {
            copy.execute_batch(&table_like(source, view, more)?)?;
            copy_rows(source, &copy, view, which)?;
        }
        copy.execute_batch(INDEXES)?;
        copy.execute_batch(ABOUT_TABLE)?;
        insert(source, &copy, ABOUT, "snapshot")?;
        copy.execute_batch("COMMIT")
    })
}

/// A table with the columns of a view. A column has the type of the table `listings`, where it is one of it, and otherwise takes
/// every value as it is.
fn table_like(source: &Connection, view: &str, more: &str) -> rusqlite::Result<String> {
    let sql = "SELECT format('\"%w\" %s', view.name, coalesce(listings.type, 'ANY'))
         FROM pragma_table_info(?1) AS view LEFT JOIN pragma_table_info('listings') AS listings USING (name) ORDER BY view.cid";
    let columns: Vec<String> = rows(source, sql, [view], |row| row.get(0))?;
    Ok(format!("CREATE TABLE {view} ({}{more}) STRICT", columns.join(", ")))
}

fn copy_rows(source: &Connection, copy: &Connection, view: &str, which: &str) -> rusqlite::Result<()> {
    insert(source, copy, &format!("SELECT * FROM {view} AS copied {which}"), view)
}

/// Inserts the rows of a query into a table.
fn insert(source: &Connection, copy: &Connection, query: &str, table: &str) -> rusqlite::Result<()> {
    let mut query = source.prepare(query)?;
    let count = query.column_count();
    let mut insert = copy.prepare(&format!("INSERT INTO {table} VALUES ({})", vec!["?"; count].join(", ")))?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        for index in 0..count {
            insert.raw_bind_parameter(index + 1, ToSqlOutput::Borrowed(row.get_ref(index)?))?;
        }
        insert.raw_execute()?;
    }
    Ok(())
}
