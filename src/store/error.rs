//! What can go wrong with a database that is open.

use crate::record::FeedId;
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
    /// The file does not hold what this program wrote: another program, or another command, has changed it meanwhile.
    #[error("the database is not as this process left it: {0}")]
    Strange(String),
    /// A person removed the feed while it was being mirrored.
    #[error("the feed {0} was removed (`mls-sync feeds remove`); nothing more is stored of it")]
    Removed(FeedId),
    /// The writer is gone.
    #[error("the database is closed")]
    Closed,
}

impl Error {
    /// Whether the same may succeed later, without a restart and without a person's decision.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Error::Sqlite(_) | Error::Strange(_) => true,
            Error::Gone(_) | Error::Removed(_) | Error::Closed => false,
        }
    }
}

/// Its message is part of ours, so it is no source: it would be printed twice.
impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        match error {
            rusqlite::Error::FromSqlConversionFailure(_, _, why) => Error::Strange(why.to_string()),
            error => Error::Sqlite(error),
        }
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
