//! The open file, as those who write into it need it.

use super::idle::Idle;
use super::row_sql::RowSql;
use crate::entity::Entity;
use rusqlite::{Connection, Transaction, TransactionBehavior};

/// The connection that writes, and the statements on the rows.
pub(super) struct Database {
    pub(super) connection: Connection,
    /// Of the entity that has pages, windows and checkpoints.
    pub(super) sql: RowSql,
    /// Of the others.
    pub(super) beside: Vec<RowSql>,
    pub(super) idle: Idle,
}

impl Database {
    /// Begins a transaction that holds the write lock from the start, so that what it reads stays true until its end.
    pub(super) fn begin(&mut self) -> rusqlite::Result<(Transaction<'_>, &RowSql)> {
        Ok((self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?, &self.sql))
    }

    /// The same for any entity of the file.
    pub(super) fn begin_on(&mut self, entity: &Entity) -> rusqlite::Result<(Transaction<'_>, &RowSql)> {
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let sql = self.beside.iter().find(|sql| sql.entity.name == entity.name).unwrap_or(&self.sql);
        Ok((tx, sql))
    }

    /// Every entity of the file.
    pub(super) fn entities(&self) -> Vec<&'static Entity> {
        self.sql.entity.all().collect()
    }
}
