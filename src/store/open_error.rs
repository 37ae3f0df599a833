//! Why a file cannot be used.

use super::holder::Holder;
use std::path::{Path, PathBuf};

/// Why a file cannot be used. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be created or opened, holds something else, or has a schema that this program does not know.
    #[error("{0}")]
    Unusable(String),
    /// Another process mirrors into the file.
    #[error(
        "{path} is in use by `mls-sync {}` (PID {}, since {}). One process keeps one file: stop that one, or let it do the work",
        .holder.command, .holder.pid, .holder.since
    )]
    Held {
        /// The file.
        path: PathBuf,
        /// Which, as far as it says.
        holder: Holder,
    },
}

/// Something stands in the way of opening it.
pub(super) fn unusable(path: &Path, why: impl std::fmt::Display) -> OpenError {
    OpenError::Unusable(format!("cannot open the database {}: {why}", path.display()))
}
