//! The table `reso_lookup`: what RESO calls the vendor's standardised values, as the configuration has it.

use super::database::Database;
use super::query::rows;
use rusqlite::{Row, params_from_iter};

/// The lookup, the vendor's value and RESO's value.
pub(crate) type LookupRow = [String; 3];

/// Makes the table hold these rows, which are sorted. Mostly there is nothing to write: another program that writes at this moment
/// is no reason not to start.
pub(super) fn save(database: &mut Database, wanted: &[LookupRow]) -> rusqlite::Result<()> {
    let sql = "SELECT lookup, vendor_value, reso_value FROM reso_lookup ORDER BY lookup, vendor_value";
    let read = |row: &Row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]);
    if rows::<LookupRow, Vec<_>>(&database.connection, sql, [], read)? == wanted {
        return Ok(());
    }
    let (tx, _) = database.begin()?;
    tx.execute("DELETE FROM reso_lookup", [])?;
    for row in wanted {
        tx.execute("INSERT INTO reso_lookup (lookup, vendor_value, reso_value) VALUES (?1, ?2, ?3)", params_from_iter(row))?;
    }
    tx.commit()
}
