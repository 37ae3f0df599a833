//! Why a file cannot be used.

use super::holder::Holder;
use super::schema::VERSION;
use std::path::{Path, PathBuf};

/// Why a file cannot be used. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory is missing, or the file cannot be created or opened.
    #[error("cannot open the database {path}: {why}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What stands in the way, and what to do.
        why: String,
    },
    /// The file holds something else.
    #[error("{path} is not a database of mls-sync; it was left untouched. Name another file in `database`")]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a newer program.
    #[error("{path} has schema version {found}, and this program knows up to {VERSION}; it was left untouched. Use a newer mls-sync")]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The file was written by an older program, and only a program that writes may change that.
    #[error(
        "{path} has the schema of an older mls-sync (version {found}; this one reads {VERSION}); it was left untouched. Start \
         `mls-sync run` once: it brings the file up to date"
    )]
    TooOld {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Another process mirrors into the file.
    #[error("{path} is in use by {}. One process keeps one file: stop that one, or let it do the work", held_by(.holder.as_ref()))]
    Held {
        /// The file.
        path: PathBuf,
        /// Which, as far as it says.
        holder: Option<Holder>,
    },
}

fn held_by(holder: Option<&Holder>) -> String {
    holder.map_or("another mls-sync".to_owned(), |holder| {
        format!("`mls-sync {}` (PID {}, since {})", holder.command, holder.pid, holder.since)
    })
}

pub(super) fn unusable(path: &Path, why: impl Into<String>) -> OpenError {
    OpenError::Unusable { path: path.to_owned(), why: why.into() }
}
