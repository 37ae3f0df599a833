//! What a record says besides its content.

use super::row_sql::key_columns;
use crate::entity::{Confirmed, Deletions, Entity, Quiet};
use crate::record::Record;
use rusqlite::{Connection, ToSql, params_from_iter};

/// Whether a record itself says that the thing is deleted, in whichever list it comes.
pub(super) fn says_deleted(entity: &Entity, record: &Record) -> bool {
    entity.deletions == Deletions::Absence(Confirmed::Both) && (entity.looks_deleted)(&(entity.decode)(record))
}

/// Writes what moves without being a change.
pub(super) fn write_quietly(tx: &Connection, entity: &Entity, quiet: Quiet, record: &Record) -> rusqlite::Result<()> {
    let [feed, id] = key_columns(entity);
    let marks = |from: usize| (from..from + quiet.columns.len()).map(|number| format!("?{number}")).collect::<Vec<_>>().join(", ");
    let (table, columns, values) = (entity.table, quiet.columns.join(", "), marks(3));
    let sql = format!("UPDATE {table} SET ({columns}) = ({values}) WHERE {feed} = ?1 AND {id} = ?2 AND ({columns}) IS NOT ({values})");
    let cells = (quiet.read)(record);
    let key: [&dyn ToSql; 2] = [&record.key.feed, &record.key.listing];
    tx.prepare_cached(&sql)?.execute(params_from_iter(key.into_iter().chain(cells.iter().map(|cell| cell as &dyn ToSql)))).map(drop)
}
