//! Copies of the file: whole, or what may be displayed of it.

use super::error::Error;
use super::report::{ReportError, read};
use super::sqlite;
use rusqlite::Connection;
use rusqlite::types::ToSqlOutput;
use std::path::Path;

/// What may be displayed: the views that become tables, and what a table has besides its columns.
const PUBLIC: [(&str, &str); 5] = [
    ("public_listings", ", PRIMARY KEY (feed_id, listing_id)"),
    ("listing_photos", ""),
    ("open_houses_upcoming", ""),
    ("lookups", ""),
    ("sync_status", ""),
];
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
        for (view, more) in PUBLIC {
            let rows = shown_of(source, view)?;
            copy.execute_batch(&table_like(source, view, &rows, more)?)?;
            insert(source, &copy, &rows, view)?;
        }
        copy.execute_batch(INDEXES)?;
        copy.execute_batch(ABOUT_TABLE)?;
        insert(source, &copy, ABOUT, "snapshot")?;
        copy.execute_batch("COMMIT")
    })
}

/// The query of what a view shows to the public.
fn shown_of(source: &Connection, view: &str) -> rusqlite::Result<String> {
    Ok(match view {
        "listing_photos" | "open_houses_upcoming" => format!(
            "SELECT * FROM {view} AS copied WHERE EXISTS (SELECT 1 FROM public_listings AS of
             WHERE of.feed_id = copied.feed_id AND of.listing_id = copied.listing_id)"
        ),
        // The query of the view, of public listings alone.
        "lookups" => {
            let sql = "SELECT substr(sql, instr(sql, 'SELECT')) FROM sqlite_schema WHERE name = 'lookups'";
            let query: String = source.query_row(sql, [], |row| row.get(0))?;
            format!("WITH listings AS (SELECT *, NULL AS deleted_at FROM public_listings) {query}")
        }
        // Notes are for whoever runs the mirror.
        "sync_status" => "SELECT feed_id, complete_until, last_success_at, age_s, state FROM sync_status".to_owned(),
        whole => format!("SELECT * FROM {whole}"),
    })
}

/// A table with the columns of a query. A column has the type of the table `listings`, where it is one of it, and otherwise takes
/// every value as it is.
fn table_like(source: &Connection, table: &str, query: &str, more: &str) -> rusqlite::Result<String> {
    let sql = "SELECT format('\"%w\" %s', ?1, coalesce((SELECT type FROM pragma_table_info('listings') WHERE name = ?1), 'ANY'))";
    let query = source.prepare(query)?;
    let column = |name: &str| source.query_row(sql, [name], |row| row.get::<_, String>(0));
    let columns: Vec<String> = query.column_names().map(column).collect::<rusqlite::Result<_>>()?;
    Ok(format!("CREATE TABLE {table} ({}{more}) STRICT", columns.join(", ")))
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
