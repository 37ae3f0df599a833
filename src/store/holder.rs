//! The process that holds a file, as it tells of itself.

use serde::{Deserialize, Serialize};

/// The process that mirrors into a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// The command, as typed: `run`, `run --backfill`.
    pub command: String,
    /// Since when it runs.
    pub since: String,
    /// Why it cannot write the database at present; null when it can.
    pub trouble: Option<String>,
    /// The inode of the -shm file that it uses; whoever else writes must use the same.
    pub shm: Option<u64>,
}

impl Holder {
    /// Somebody who has not said who it is, or whose word was overwritten.
    pub(super) fn unknown() -> Holder {
        Holder { pid: 0, command: "(unknown)".to_owned(), since: String::new(), trouble: None, shm: None }
    }
}
