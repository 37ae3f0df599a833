//! The outside world, out: the SQLite file that consumers read.

mod checkpoint;
mod commit;
mod notice;
mod reconcile_run;
pub mod report;
mod row;
mod sqlite;
mod writer;

pub use commit::{Committed, Incoming, PageCommit};
pub use reconcile_run::{Confirmation, Judgement, RunReport};
pub use sqlite::OpenError;
pub use writer::{FeedNote, Notice, Store};

/// A failure of the database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite refused.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A value in the mirror's own tables is not what this program writes.
    #[error("the database holds {0}, which this program never writes")]
    Strange(String),
    /// The writer is gone.
    #[error("the database is closed")]
    Closed,
}
