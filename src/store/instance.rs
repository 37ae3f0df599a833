//! One process a file: the lock beside the database, and what its holder says of itself.
//!
//! The lock is the kernel's, so it ends with its process, however that ends. It lies on a file of its own, because closing
//! any descriptor of the database would drop SQLite's own locks. What is written into it keeps its length: it can be
//! told on a full disk too.

use super::OpenError;
use super::sqlite::{check_place, unusable};
use chrono::{SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Read;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Readable by the owner's group, as the database is.
const FILE_MODE: u32 = 0o640;
/// Bytes that are always written.
const LENGTH: usize = 4096;
/// Characters of a trouble that are told.
const TROUBLE: usize = 1000;
/// Who only looks holds the lock for a moment.
const PATIENCE: Duration = Duration::from_millis(500);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

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
}

/// The right to mirror into a file, until it is dropped.
#[derive(Debug)]
pub struct Instance {
    database: PathBuf,
    file: File,
    holder: Holder,
}

impl Instance {
    /// Takes the lock. The database itself is only looked at.
    ///
    /// # Errors
    /// `Held` when another process has it; and where the file is not ours or its directory cannot be used.
    pub fn take(database: &Path, command: &str) -> Result<Instance, OpenError> {
        check_place(database)?;
        let path = lock_path(database);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE).open(&path);
        let file = file.map_err(|error| unusable(database, format!("{error}. The directory and the file must be writable")))?;
        let patience = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < patience => std::thread::sleep(LOOK_AGAIN),
                Err(TryLockError::WouldBlock) => return Err(OpenError::Held { path: database.to_owned(), holder: read(&file) }),
                Err(TryLockError::Error(error)) => return Err(unusable(database, format!("its lock {}: {error}", path.display()))),
            }
        }
        let since = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let holder = Holder { pid: std::process::id(), command: command.to_owned(), since, trouble: None };
        let instance = Instance { database: database.to_owned(), file, holder };
        instance.write();
        Ok(instance)
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> &Path {
        &self.database
    }

    /// Tells why the database cannot be written, or that it can again. Nothing is written where nothing changes.
    pub(super) fn tell(&mut self, trouble: Option<&str>) {
        let trouble = trouble.map(|trouble| trouble.chars().take(TROUBLE).collect::<String>());
        if trouble == self.holder.trouble {
            return;
        }
        if trouble.is_none() {
            tracing::info!("the database can be written again");
        }
        self.holder.trouble = trouble;
        self.write();
    }

    /// What cannot be written here is in the log all the same.
    fn write(&self) {
        let mut text = serde_json::to_vec(&self.holder).expect("a holder is plain data");
        text.resize(LENGTH.max(text.len()), b' ');
        if let Err(error) = self.file.write_all_at(&text, 0) {
            tracing::debug!(%error, "the lock file could not be written");
        }
    }
}

/// Who mirrors into a database at this moment; `None` if nobody does.
///
/// # Errors
/// When the lock file is there and cannot be read.
pub fn holder(database: &Path) -> std::io::Result<Option<Holder>> {
    let file = match File::open(lock_path(database)) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(read(&file)),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Beside the file that a link leads to: two ways to one database lead to one lock.
fn lock_path(database: &Path) -> PathBuf {
    let whole = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
    let mut path = whole.into_os_string();
    path.push(".lock");
    PathBuf::from(path)
}

/// `None` while it is being written for the first time.
fn read(file: &File) -> Option<Holder> {
    let mut text = String::new();
    file.take(2 * LENGTH as u64).read_to_string(&mut text).ok()?;
    serde_json::from_str(text.trim_end()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_refused_and_told_who_holds_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("mls.db");
        assert_eq!(holder(&path).expect("readable"), None);
        let first = Instance::take(&path, "run").expect("free");
        let refused = Instance::take(&path, "run --backfill").expect_err("held").to_string();
        assert!(refused.contains(&format!("PID {}", std::process::id())) && refused.contains("mls-sync run"), "{refused}");
        assert_eq!(holder(&path).expect("readable").as_ref(), Some(&first.holder));
        drop(first);
        assert_eq!(holder(&path).expect("readable"), None);
        Instance::take(&path, "run").expect("free again");
    }

    #[test]
    fn a_link_leads_to_the_same_lock() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, link) = (dir.path().join("mls.db"), dir.path().join("link.db"));
        File::create(&path).expect("a file");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        let _first = Instance::take(&path, "run").expect("free");
        assert!(matches!(Instance::take(&link, "run"), Err(OpenError::Held { .. })));
    }

    #[test]
    fn troubles_come_and_go_without_a_byte_more() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("mls.db");
        let mut instance = Instance::take(&path, "run").expect("free");
        for trouble in [Some("a disk that is full \u{1F4BE}"), None, Some("locked")] {
            instance.tell(trouble);
            let told = holder(&path).expect("readable").expect("held");
            assert_eq!(told.trouble.as_deref(), trouble);
            assert_eq!(instance.file.metadata().expect("a file").len(), LENGTH as u64);
        }
    }
}
