//! The schema's versions: how the newest is created, and how an older file gets there.

use super::checksums;
use super::query::rows;
use crate::entity::Entity;
use rusqlite::{Connection, TransactionBehavior};

/// "MLSS", in the header of every file of ours.
pub(super) const APPLICATION_ID: u32 = 0x4d4c_5353;
/// The version of `schema.sql`.
pub(super) const VERSION: u32 = 3;
const SCHEMA: &str = include_str!("../../schema.sql");
/// Each step leads from its version to the next one.
const STEPS: [(u32, &str); 2] = [(1, include_str!("schema/from_1.sql")), (2, include_str!("schema/from_2.sql"))];

/// Creates the schema before the file turns to WAL: whose it is must stand in the file itself, where a process that was
/// killed right away has left no WAL behind, or one that is not folded in.
pub(super) fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    // Rows of 317 columns: larger pages make a smaller file. It has an effect on an empty file only.
    connection.pragma_update(None, "page_size", 16384)?;
    let tables = |connection: &Connection| connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, u32>(0));
    // Another program that writes at this moment is no reason not to start.
    if tables(connection)? > 0 {
        return Ok(());
    }
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if tables(&tx)? == 0 {
        tx.execute_batch(SCHEMA)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", VERSION)?;
    }
    tx.commit()
}

/// Takes the steps that a file lacks.
pub(super) fn migrate(connection: &mut Connection, entity: &'static Entity) -> rusqlite::Result<()> {
    STEPS.iter().try_for_each(|step| take(connection, entity, *step))
}

/// Takes a step whole or not at all; nothing where the file has it already. The last step makes the views anew, as
/// `schema.sql` has them, and the checksums, so that no step has to.
fn take(connection: &mut Connection, entity: &'static Entity, (from, sql): (u32, &str)) -> rusqlite::Result<()> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if tx.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0))? == from {
        tx.execute_batch(sql)?;
        if from + 1 == VERSION {
            renew_views(&tx)?;
            checksums::build(&tx, entity)?;
        }
        tx.pragma_update(None, "user_version", from + 1)?;
    }
    tx.commit()
}

/// Name and statement of what `schema.sql` makes and meets a condition on `sqlite_schema`, in the order of the file.
pub(super) fn definitions(condition: &str) -> rusqlite::Result<Vec<(String, String)>> {
    let fresh = Connection::open_in_memory()?;
    fresh.execute_batch(SCHEMA)?;
    rows(&fresh, &format!("SELECT name, sql FROM sqlite_schema WHERE {condition} ORDER BY rowid"), [], |row| row.try_into())
}

fn renew_views(tx: &Connection) -> rusqlite::Result<()> {
    let drops: Vec<String> =
        rows(tx, "SELECT format('DROP VIEW \"%w\"', name) FROM sqlite_schema WHERE type = 'view'", [], |row| row.get(0))?;
    let views = definitions("type = 'view'")?;
    drops.iter().chain(views.iter().map(|(_, sql)| sql)).try_for_each(|sql| tx.execute_batch(sql))
}
