//! The schema's versions: how the newest is created, and how an older file gets there.

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
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    STEPS.iter().try_for_each(|(from, sql)| step(connection, *from, sql))
}

/// Takes a step whole or not at all; nothing where the file has it already.
fn step(connection: &mut Connection, from: u32, sql: &str) -> rusqlite::Result<()> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if tx.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0))? == from {
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "user_version", from + 1)?;
    }
    tx.commit()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::types::Value;

    /// The schema, the version and every row of every table but `listings`, which no step touches.
    fn dump(connection: &Connection) -> Vec<Vec<Value>> {
        let rows = |sql: &str| -> Vec<Vec<Value>> {
            let mut statement = connection.prepare(sql).expect("a query");
            let width = statement.column_count();
            let rows = statement.query_map([], |row| (0..width).map(|column| row.get(column)).collect()).expect("rows");
            rows.collect::<rusqlite::Result<_>>().expect("rows")
        };
        let tables = rows("SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'listings' ORDER BY name");
        let names = tables.into_iter().flatten().map(|name| match name {
            Value::Text(name) => name,
            other => panic!("a table named {other:?}"),
        });
        let whole = names.flat_map(|name| rows(&format!("SELECT '{name}', * FROM {name}")));
        [rows("SELECT * FROM sqlite_schema"), rows("PRAGMA user_version"), whole.collect()].concat()
    }

    #[test]
    fn a_step_that_fails_at_any_statement_leaves_the_file_as_it_was() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("mls.db");
        std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/v1.sqlite"), &path).expect("a copy");
        let mut connection = Connection::open(&path).expect("it opens");
        let before = dump(&connection);
        let (from, sql) = STEPS[0];
        let statements: Vec<&str> = sql.split_inclusive(";\n").collect();
        assert!(statements.len() > 20, "{}", statements.len());
        for done in 0..statements.len() {
            let broken = format!("{} SELECT no_such_function();", statements[..done].concat());
            step(&mut connection, from, &broken).expect_err("it fails");
            assert_eq!(dump(&connection), before, "after {done} statements");
        }
        migrate(&mut connection).expect("it goes well at last");
        assert_ne!(dump(&connection), before);
        migrate(&mut connection).expect("there is nothing left to do");
    }
}
