//! The load of an empty file: the indexes and tables that only queries need are built once, after all listings are stored.
//!
//! Where an index is filled row by row, two rows of a page seldom fall on the same page of a large index, so most rows cost the write
//! of a whole page of it. The tables for searches are left out, too; the module `search` builds them.

use super::database::Database;
use super::notice::{self, Notice};
use super::query::value;
use super::{schema, search, sqlite};
use rusqlite::{Connection, ErrorCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The indexes that are built at the end. No statement of a load uses them. The others are used meanwhile: `listings_deleted` and
/// `listings_sold` by purges, and `listings_changed` by `serve`, which names it in its query.
const DEFERRED_INDEXES: &str = "type = 'index' AND tbl_name = 'listings' AND sql IS NOT NULL
    AND name NOT IN ('listings_changed', 'listings_deleted', 'listings_sold')";
/// The notice that stands as long as a bulk load has not ended.
const NOTICE_KIND: &str = "bulk_load";
const NOTICE: &str = "most indexes of listings and the tables for searches are missing: `run --backfill` builds them at its end, any other \
    `mls-sync run` at its start";
/// After how many instructions of SQLite it asks whether to stop.
const STOP_INTERVAL: i32 = 1_000_000;

/// Drops what is built at the end, if the file has no listing or if an earlier bulk load has not ended; tells whether it did.
pub(super) fn begin(database: &mut Database, at: &str) -> rusqlite::Result<bool> {
    let (tx, _) = database.begin()?;
    if value(&tx, "SELECT EXISTS (SELECT 1 FROM listings)", [])? && !is_under_way(&tx)? {
        return Ok(false);
    }
    schema::definitions(DEFERRED_INDEXES)?.iter().try_for_each(|(name, _)| tx.execute_batch(&format!("DROP INDEX IF EXISTS {name}")))?;
    search::TABLES.iter().try_for_each(|(table, _)| search::drop_table(&tx, table))?;
    set_notice(&tx, Some(NOTICE), at)?;
    tx.commit()?;
    Ok(true)
}

/// Builds the indexes that a bulk load has left out, if there was one. `keep_alive` is called regularly meanwhile. A stop ends it, and
/// the next time goes on from there.
pub(super) fn end(database: &mut Database, keep_alive: fn(), stop: &Arc<AtomicBool>) -> rusqlite::Result<()> {
    let connection = &mut database.connection;
    if !is_under_way(connection)? {
        return Ok(());
    }
    tracing::info!("the indexes of listings are being built, with temporary files in $SQLITE_TMPDIR, $TMPDIR, /var/tmp or /tmp");
    sqlite::begin_to_sort(connection)?;
    let stopped = Arc::clone(stop);
    let should_stop = move || {
        keep_alive();
        stopped.load(Ordering::Relaxed)
    };
    let built = connection.progress_handler(STOP_INTERVAL, Some(should_stop)).and_then(|()| build_indexes(connection, stop));
    connection.progress_handler(0, None::<fn() -> bool>)?;
    sqlite::end_sorting(connection)?;
    match built {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            tracing::info!("stopped before the indexes of listings were built; a later start builds them");
            Ok(())
        }
        built => built.inspect(|()| tracing::info!("the indexes of listings are built")),
    }
}

/// Each index is a transaction of its own, because the WAL of all together would take long to be copied into the file.
fn build_indexes(connection: &Connection, stop: &AtomicBool) -> rusqlite::Result<()> {
    for (_, sql) in schema::definitions(DEFERRED_INDEXES)? {
        // A short statement ends before it asks whether to stop.
        if stop.load(Ordering::Relaxed) {
            return Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_INTERRUPT), None));
        }
        connection.execute_batch(&sql.replacen("CREATE INDEX", "CREATE INDEX IF NOT EXISTS", 1))?;
    }
    set_notice(connection, None, "")
}

fn is_under_way(connection: &Connection) -> rusqlite::Result<bool> {
    value(connection, "SELECT EXISTS (SELECT 1 FROM notices WHERE feed_id = '' AND kind = ?1)", [NOTICE_KIND])
}

fn set_notice(connection: &Connection, note: Option<&str>, at: &str) -> rusqlite::Result<()> {
    notice::save(connection, &Notice { feed: None, kind: NOTICE_KIND, note: note.map(str::to_owned), at: at.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::super::idle::Idle;
    use super::super::row_sql::RowSql;
    use super::*;
    use crate::vendor::LISTINGS;
    use std::sync::atomic::AtomicU32;

    fn number(database: &Database, sql: &str) -> i64 {
        value(&database.connection, sql, []).expect("a number")
    }

    /// The indexes of listings that have a statement, and the notices.
    fn indexes_and_notices(database: &Database) -> (i64, i64) {
        let indexes = "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'listings' AND sql IS NOT NULL";
        (number(database, indexes), number(database, "SELECT count(*) FROM notices"))
    }

    static KEPT_ALIVE: AtomicU32 = AtomicU32::new(0);

    fn keep_alive() {
        KEPT_ALIVE.fetch_add(1, Ordering::Relaxed);
    }

    #[test]
    fn a_stop_ends_the_building_of_indexes_and_the_next_time_builds_them() {
        let connection = Connection::open_in_memory().expect("SQLite opens");
        connection.execute_batch(include_str!("../../schema.sql")).expect("schema.sql is valid");
        let mut database = Database { connection, sql: RowSql::new(&LISTINGS), beside: Vec::new(), idle: Idle::default() };
        let whole = indexes_and_notices(&database);
        assert!(begin(&mut database, "2026-11-27T00:00:00Z").expect("begun"), "the file has no listing");
        assert_eq!(indexes_and_notices(&database), (3, 1));
        let rows = "WITH RECURSIVE count (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < 100000)
            INSERT INTO listings (feed_id, listing_id, first_seen_at, changed_at, change_seq, raw_hash, content_hash)
            SELECT 'A', n, '', '', n, x'00', x'00' FROM count";
        database.connection.execute_batch(rows).expect("rows");
        let stop = Arc::new(AtomicBool::new(true));
        end(&mut database, keep_alive, &stop).expect("given up");
        assert_eq!(indexes_and_notices(&database), (3, 1), "a stop before the first");
        assert!(begin(&mut database, "2026-11-27T00:00:00Z").expect("goes on"), "the load has not ended");
        stop.store(false, Ordering::Relaxed);
        end(&mut database, keep_alive, &stop).expect("built");
        assert_eq!(indexes_and_notices(&database), whole);
        assert!(KEPT_ALIVE.load(Ordering::Relaxed) > 0, "also within a statement");
        assert_eq!(number(&database, "PRAGMA temp_store"), 2, "statements are kept in memory again");
        assert!(!begin(&mut database, "2026-11-27T00:00:00Z").expect("nothing to do"), "the file has listings");
        assert_eq!(indexes_and_notices(&database), whole);
    }
}
