//! The tables for searches, which the configuration switches: each is there whole, as `schema.sql` has it, or not at all.
//!
//! Triggers of `schema.sql` keep them true. A table is built in one transaction, so whoever finds it finds every listing in it, and
//! one that was killed meanwhile has left nothing.

use super::database::Database;
use super::query::{rows, value};
use super::schema;
use rusqlite::Connection;
use std::sync::atomic::{AtomicBool, Ordering};

/// Each table, and the statement that puts the listings into it from one number to another.
pub(super) const TABLES: [(&str, &str); 2] = [
    (
        "listing_text",
        "INSERT INTO listing_text (
             rowid, listing_id, address, hidden_address, city, subdivision, grade_school, middle_school, high_school, remarks
         )
         SELECT * FROM listing_text_rows WHERE id BETWEEN ?1 AND ?2",
    ),
    ("listing_location", "INSERT INTO listing_location SELECT * FROM listing_location_rows WHERE id BETWEEN ?1 AND ?2"),
];
/// How many numbers of listings one statement covers. Until it ends, SQLite keeps in memory the former content of each page that it
/// changes, and in a large R*Tree nearly every listing changes another page.
const BATCH: i64 = 400;

/// While licences want anything taken out, FTS5 takes words out of its index at once, and not when it happens to merge its parts.
const SECURE: &str = "INSERT INTO listing_text (listing_text, rank) VALUES ('secure-delete', 1)";

/// Makes the tables that are wanted and not there, and removes those that are there and not wanted. An index that may hold words that
/// were taken out is made anew where licences want them out.
pub(super) fn switch(
    database: &mut Database,
    wanted: [bool; 2],
    mut told: impl FnMut(i64, i64),
    stop: &AtomicBool,
) -> rusqlite::Result<()> {
    for ((table, fill), wanted) in TABLES.into_iter().zip(wanted) {
        let mut exists = value(&database.connection, "SELECT count(*) FROM sqlite_schema WHERE name = ?1", [table])?;
        if exists && table == "listing_text" && database.sql.licences.restricts() && !is_secure(database)? {
            remove(database, table)?;
            exists = false;
        }
        match (exists, wanted) {
            (false, true) => build(database, (table, fill), &mut told, stop)?,
            (true, false) => remove(database, table)?,
            (true, true) | (false, false) => {}
        }
    }
    Ok(())
}

fn build(database: &mut Database, (table, fill): (&str, &str), told: &mut impl FnMut(i64, i64), stop: &AtomicBool) -> rusqlite::Result<()> {
    let (tx, sql) = database.begin()?;
    let all: i64 = value(&tx, "SELECT coalesce(max(id), 0) FROM listing_ids", [])?;
    tracing::info!(listings = all, "the table {table} for searches is being built");
    let own = format!("name = '{table}' OR type = 'trigger' AND name GLOB '{table}_*'");
    schema::definitions(&own)?.iter().try_for_each(|(_, sql)| tx.execute_batch(sql))?;
    if table == "listing_text" && sql.licences.restricts() {
        tx.execute_batch(SECURE)?;
    }
    for first in (1..=all).step_by(BATCH.unsigned_abs() as usize) {
        if stop.load(Ordering::Relaxed) {
            tracing::info!("the table {table} is not built: the next start begins again");
            return Ok(());
        }
        let last = (first + BATCH - 1).min(all);
        tx.execute(fill, [first, last])?;
        told(last, all);
    }
    tx.commit()?;
    tracing::info!("the table {table} for searches is built");
    Ok(())
}

fn remove(database: &mut Database, table: &str) -> rusqlite::Result<()> {
    let (tx, _) = database.begin()?;
    drop_table(&tx, table)?;
    tx.commit()?;
    tracing::info!("the table {table} for searches is removed, as the configuration says");
    Ok(())
}

/// Drops a table, if it is there, and its triggers.
pub(super) fn drop_table(tx: &Connection, table: &str) -> rusqlite::Result<()> {
    let triggers = "SELECT format('DROP TRIGGER \"%w\"', name) FROM sqlite_schema WHERE type = 'trigger' AND name GLOB ?1 || '_*'";
    let drops: Vec<String> = rows(tx, triggers, [table], |row| row.get(0))?;
    drops.iter().try_for_each(|sql| tx.execute_batch(sql))?;
    tx.execute_batch(&format!("DROP TABLE IF EXISTS {table}"))
}

fn is_secure(database: &Database) -> rusqlite::Result<bool> {
    value(&database.connection, "SELECT count(*) FROM listing_text_config WHERE k = 'secure-delete' AND v = 1", [])
}
