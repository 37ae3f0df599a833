//! The lock beside the database, which lets one process mirror into it.
//!
//! The lock is the kernel's, so it ends with its process, however that ends. It lies on a file of its own, because closing
//! any descriptor of the database would drop SQLite's own locks. What is written into it keeps its length: it can be
//! told on a full disk too.

use super::files::{beside, identity};
use super::holder::Holder;
use super::life::Life;
use super::open_error::{OpenError, unusable};
use super::owner;
use super::sqlite::check_place;
use chrono::{SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Readable by the owner's group, as the database is.
const FILE_MODE: u32 = 0o640;
/// Bytes that are always written.
const LENGTH: usize = 4096;
/// Characters of a trouble that are told.
const TROUBLE: usize = 1000;
/// Links that are followed.
const LINKS: u32 = 16;
/// A process that only looks holds the lock for a moment.
const PATIENCE: Duration = Duration::from_millis(500);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The right to mirror into a file, until it is dropped.
#[derive(Debug)]
pub struct Instance {
    database: PathBuf,
    file: File,
    written: Written,
}

/// What stands in the lock file.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    #[serde(flatten)]
    holder: Holder,
    /// What was last written into the database. It stays when the process has ended.
    life: Option<Life>,
}

impl Instance {
    /// Takes the lock. The database itself is only looked at.
    ///
    /// # Errors
    /// `Held` when another process has it; and where the file is not ours, belongs to another user, or its directory cannot be used.
    pub fn take(database: &Path, command: &str) -> Result<Instance, OpenError> {
        check_place(database)?;
        owner::check(database)?;
        let path = lock_path(database);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE).open(&path);
        let file = file.map_err(|error| unusable(database, format!("{error}. The directory and the file must be writable")))?;
        let patience = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < patience => std::thread::sleep(LOOK_AGAIN),
                Err(TryLockError::WouldBlock) => return Err(OpenError::Held { path: database.to_owned(), holder: read(&file).holder }),
                Err(TryLockError::Error(error)) => return Err(unusable(database, format!("its lock {}: {error}", path.display()))),
            }
        }
        let since = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let holder = Holder { pid: std::process::id(), command: command.to_owned(), since, trouble: None, shm: None };
        let life = read(&file).life;
        // What it says of an earlier holder is over.
        file.set_len(0).map_err(|error| unusable(database, format!("its lock {}: {error}", path.display())))?;
        let instance = Instance { database: database.to_owned(), file, written: Written { holder, life } };
        instance.write();
        Ok(instance)
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> &Path {
        &self.database
    }

    /// The lock's own file.
    pub(super) fn path(&self) -> PathBuf {
        lock_path(&self.database)
    }

    /// The database is open.
    pub(super) fn opened(&mut self) {
        self.written.holder.shm = shm(&self.database);
        self.write();
    }

    /// Remembers what was last written into the database.
    pub(super) fn remember(&mut self, life: Life) {
        if self.written.life.as_ref() != Some(&life) {
            self.written.life = Some(life);
            self.write();
        }
    }

    /// Tells why the database cannot be written, or that it can again. Nothing is written where nothing changes.
    pub(super) fn tell(&mut self, trouble: Option<&str>) {
        let trouble = trouble.map(|trouble| trouble.chars().take(TROUBLE).collect::<String>());
        if trouble == self.written.holder.trouble {
            return;
        }
        if trouble.is_none() {
            tracing::info!("the database can be written again");
        }
        self.written.holder.trouble = trouble;
        self.write();
    }

    /// What cannot be written here is in the log all the same.
    fn write(&self) {
        let mut text = serde_json::to_vec(&self.written).expect("a holder is plain data");
        text.resize(LENGTH.max(text.len()), b' ');
        if let Err(error) = self.file.write_all_at(&text, 0) {
            tracing::debug!(%error, "the lock file could not be written");
        }
    }
}

/// Who mirrors into a database at this moment; `None` if nobody does. Fails when the lock file is there and cannot be read.
pub(crate) fn holder(database: &Path) -> std::io::Result<Option<Holder>> {
    let file = match File::open(lock_path(database)) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(read(&file).holder)),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// What was last written into a database by a process that held it; `None` where that cannot be told.
pub(super) fn remembered(database: &Path) -> Option<Life> {
    read(&File::open(lock_path(database)).ok()?).life
}

/// Refuses to write beside a process that uses another -shm file than the one that is there: it was removed meanwhile, and
/// two writers that do not see each other's locks destroy the database.
pub(super) fn check_shared(database: &Path) -> Result<(), OpenError> {
    let Some(holder) = holder(database).unwrap_or_default() else { return Ok(()) };
    if holder.shm.is_none() || holder.shm == shm(database) {
        return Ok(());
    }
    let why = format!("its -shm file was removed while `mls-sync {}` (PID {}) uses it. Restart that one first", holder.command, holder.pid);
    Err(unusable(database, why))
}

fn shm(database: &Path) -> Option<u64> {
    std::fs::metadata(beside(database, "-shm")).ok().map(|found| found.ino())
}

fn lock_path(database: &Path) -> PathBuf {
    beside(&linked_file(database), ".lock")
}

/// Where the process that mirrors into a database takes control requests.
pub(crate) fn socket_path(database: &Path) -> PathBuf {
    beside(&linked_file(database), ".sock")
}

/// Whether a path leads to the database or to a file that belongs to it; neither need exist.
pub(crate) fn belongs_to(path: &Path, database: &Path) -> bool {
    let database = linked_file(database);
    ["", "-wal", "-shm", "-journal", ".lock", ".sock"].iter().any(|suffix| are_one(path, &beside(&database, suffix)))
}

/// Whether two paths lead to one file, which need not exist.
pub(crate) fn are_one(one: &Path, other: &Path) -> bool {
    linked_file(one) == linked_file(other) || identity(one).is_some_and(|found| identity(other) == Some(found))
}

/// The file that a link leads to: two ways to one database lead to one lock and to one socket.
pub(crate) fn linked_file(database: &Path) -> PathBuf {
    let mut path = database.to_owned();
    // A link may lead to a file that does not exist yet.
    for _ in 0..LINKS {
        let Ok(target) = std::fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = std::fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
    directory.join(path.file_name().unwrap_or_default())
}

fn read(mut file: &File) -> Written {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(2 * LENGTH as u64).read_to_string(&mut text));
    let written = read.ok().and_then(|_| serde_json::from_str(text.trim_end()).ok());
    written.unwrap_or_else(|| Written { holder: Holder::unknown(), life: None })
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
        assert_eq!(holder(&path).expect("readable").as_ref(), Some(&first.written.holder));
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
        let first = Instance::take(&path, "run").expect("free");
        assert!(matches!(Instance::take(&link, "run"), Err(OpenError::Held { .. })));
        drop(first);
        std::fs::remove_file(&path).expect("removed");
        let _first = Instance::take(&link, "run").expect("free");
        assert!(matches!(Instance::take(&path, "run"), Err(OpenError::Held { .. })), "the target does not exist yet");
    }

    #[test]
    fn a_lock_file_that_says_nothing_readable_is_held_all_the_same() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("mls.db");
        std::fs::write(lock_path(&path), vec![b'x'; 3 * LENGTH]).expect("written");
        let first = Instance::take(&path, "run").expect("free");
        assert_eq!(holder(&path).expect("readable").as_ref(), Some(&first.written.holder));
        std::fs::write(lock_path(&path), "nonsense").expect("written");
        assert_eq!(holder(&path).expect("readable"), Some(Holder::unknown()));
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
