//! The outside world, out: the SQLite file that consumers read.

mod checkpoint;
mod commit;
mod feeds;
mod files;
mod handle;
mod health;
pub mod instance;
mod ledger;
mod notice;
mod reconcile_run;
mod rejects;
pub mod report;
mod row;
mod snapshots;
mod sqlite;
pub mod why;
mod writer;

pub use commit::{Committed, Incoming, PageCommit};
pub use handle::Store;
pub use health::{Lateness, SuspectWindow};
pub use instance::{Holder, Instance};
pub use ledger::AccountReport;
pub use notice::NoticeReport;
pub use reconcile_run::{Approval, Confirmation, Judgement, Pair, RunReport};
pub use rejects::{KeptReject, RejectReport, Replayed};
pub use snapshots::Reader;
pub use sqlite::OpenError;
pub use writer::{FeedNote, Notice};

use rusqlite::ErrorCode;
use std::path::PathBuf;

/// A failure of the database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite refused.
    #[error("{0}{hint}", hint = hint(.0))]
    Sqlite(rusqlite::Error),
    /// The file was taken away while it was in use: what is written now, nobody would see.
    #[error("{} was removed, moved or replaced while it was in use; nothing more is written to it. Start mls-sync again", .0.display())]
    Gone(PathBuf),
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

/// Its words are in ours, so it is not a source that would be told again.
impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        Error::Sqlite(error)
    }
}

/// What a person may do about it.
fn hint(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => ": make room on its disk, and it goes on by itself",
        Some(ErrorCode::DatabaseBusy) => ": another program is writing to it; when that ends, it goes on by itself",
        Some(ErrorCode::ReadOnly) => ": make the file and its directory writable",
        Some(ErrorCode::SystemIoFailure) => ": is its disk full, or faulty?",
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            ": stop mls-sync, keep a copy, and look with `PRAGMA integrity_check`"
        }
        Some(_) | None => "",
    }
}
