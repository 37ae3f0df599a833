//! What the machine can do with the same bytes: read every value of the JSON once, copy the rows, and store all that a load stores.

use crate::vendor::Vendor;
use rusqlite::Connection;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::error::Error;
use std::fmt;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long one thread takes to visit every value of the pages; text that holds no escape is borrowed.
pub(crate) fn scan(vendor: &Vendor) -> Result<Duration, Box<dyn Error>> {
    let mut time = Duration::ZERO;
    vendor.json_pages(|page| {
        let begun = Instant::now();
        let Values(values) = serde_json::from_slice(page)?;
        time += begun.elapsed();
        if values == 0 { Err("values are missing".into()) } else { Ok(()) }
    })?;
    Ok(time)
}

/// A JSON value of which nothing is kept but how many values it is made of.
struct Values(usize);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Values, D::Error> {
        from.deserialize_any(ValuesVisitor).map(Values)
    }
}

struct ValuesVisitor;

impl<'de> Visitor<'de> for ValuesVisitor {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<usize, E> {
        Ok(1)
    }

    fn visit_bool<E>(self, value: bool) -> Result<usize, E> {
        black_box(value);
        Ok(1)
    }

    fn visit_i64<E>(self, value: i64) -> Result<usize, E> {
        black_box(value);
        Ok(1)
    }

    fn visit_u64<E>(self, value: u64) -> Result<usize, E> {
        black_box(value);
        Ok(1)
    }

    fn visit_f64<E>(self, value: f64) -> Result<usize, E> {
        black_box(value);
        Ok(1)
    }

    fn visit_str<E>(self, value: &str) -> Result<usize, E> {
        black_box(value);
        Ok(1)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<usize, A::Error> {
        let mut values = 1;
        while let Some(Values(inner)) = seq.next_element()? {
            values += inner;
        }
        Ok(values)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<usize, A::Error> {
        let mut values = 1;
        while let Some((Values(name), Values(inner))) = map.next_entry()? {
            values += name + inner;
        }
        Ok(values)
    }
}

/// A copy of the rows alone.
pub(crate) struct Copy {
    pub(crate) time: Duration,
    pub(crate) bytes: u64,
}

/// Copies the table of listings into another file, in one transaction that is as durable as the program's own.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<Copy, Box<dyn Error>> {
    let mut connection = Connection::open(to)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.execute("ATTACH ?1 AS mirror", [from.to_string_lossy()])?;
    let table: String = connection.query_row("SELECT sql FROM mirror.sqlite_schema WHERE name = 'listings'", [], |row| row.get(0))?;
    connection.execute_batch(&table)?;
    let begun = Instant::now();
    let tx = connection.transaction()?;
    tx.execute("INSERT INTO main.listings SELECT * FROM mirror.listings", [])?;
    tx.commit()?;
    connection.query_row("PRAGMA main.wal_checkpoint(truncate)", [], |_| Ok(()))?;
    Ok(Copy { time: begun.elapsed(), bytes: std::fs::metadata(to)?.len() })
}

/// Stores by SQLite alone, in one transaction, what a load stored: the rows with their indexes, their changes, and the tables for
/// searches, which triggers fill.
pub(crate) fn store(from: &Path, to: &Path) -> Result<Duration, Box<dyn Error>> {
    let mut connection = Connection::open(to)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.execute("ATTACH ?1 AS mirror", [from.to_string_lossy()])?;
    // A virtual table makes its own tables, whose names begin with its name.
    let schema = "SELECT group_concat(sql, ';' ORDER BY rowid) FROM mirror.sqlite_schema AS made
        WHERE name NOT GLOB 'sqlite_*' AND NOT EXISTS (SELECT 1 FROM mirror.sqlite_schema AS virtual
            WHERE virtual.sql LIKE 'CREATE VIRTUAL TABLE%' AND made.type = 'table' AND made.name GLOB virtual.name || '_*')";
    let schema: String = connection.query_row(schema, [], |row| row.get(0))?;
    connection.execute_batch(&schema)?;
    let begun = Instant::now();
    let tx = connection.transaction()?;
    for table in ["listings", "changes", "listing_ids"] {
        tx.execute(&format!("INSERT INTO main.{table} SELECT * FROM mirror.{table}"), [])?;
    }
    tx.commit()?;
    connection.query_row("PRAGMA main.wal_checkpoint(truncate)", [], |_| Ok(()))?;
    Ok(begun.elapsed())
}
