//! The outside world, out: the SQLite file that consumers read.

mod checkpoint;
mod commit;
mod feeds;
mod health;
mod notice;
mod reconcile_run;
mod rejects;
pub mod report;
mod row;
mod sqlite;
pub mod why;
mod writer;

pub use commit::{Committed, Incoming, PageCommit};
pub use health::{Lateness, SuspectWindow};
pub use notice::NoticeReport;
pub use reconcile_run::{Approval, Confirmation, Judgement, Pair, RunReport};
pub use rejects::{KeptReject, RejectReport, Replayed};
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
    /// A person removed the feed while it was being mirrored.
    #[error("the feed {0} was removed (`mls-sync feeds remove`); nothing more is stored of it")]
    Removed(crate::record::FeedId),
    /// The writer is gone.
    #[error("the database is closed")]
    Closed,
}
