//! The open file, as those who write into it need it.

use super::idle::Idle;
use super::row_sql::RowSql;
use rusqlite::{Connection, Transaction, TransactionBehavior};

/// The connection that writes, and the statements on the rows.
pub(super) struct Database {
    pub(super) connection: Connection,
    pub(super) sql: RowSql,
    pub(super) idle: Idle,
}

impl Database {
    /// Begins a transaction that holds the write lock from the start, so that what it reads stays true until its end.
    pub(super) fn begin(&mut self) -> rusqlite::Result<(Transaction<'_>, &RowSql)> {
        Ok((self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?, &self.sql))
    }
}
