//! Whether the files that are written are still those that consumers find.

use super::error::Error;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Device and inode.
pub(crate) type Identity = (u64, u64);

/// The database and what belongs to it, as they were when they were opened. SQLite goes on with a file that was removed or
/// replaced, and nobody would ever see what it writes; without the same -shm, two writers would destroy the file.
#[derive(Debug)]
pub(super) struct Files {
    database: PathBuf,
    known: Vec<(PathBuf, Option<Identity>)>,
}

impl Files {
    pub(super) fn of(database: &Path) -> Files {
        // A relative path must not follow the process elsewhere.
        let path = std::path::absolute(database).unwrap_or_else(|_| database.to_owned());
        let all = [path.clone(), beside(&path, "-wal"), beside(&path, "-shm")];
        Files { database: path, known: all.into_iter().map(|path| (path.clone(), identity(&path))).collect() }
    }

    pub(super) fn database(&self) -> &Path {
        &self.database
    }

    /// Watches one more.
    pub(super) fn watch(&mut self, path: PathBuf) {
        let found = identity(&path);
        self.known.push((path, found));
    }

    /// Refuses files that are others, or gone.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        for (path, known) in &mut self.known {
            let found = identity(path);
            if known.is_some() && found != *known {
                return Err(Error::Gone(path.clone()));
            }
            // SQLite creates the -wal and the -shm when it first needs them.
            *known = found;
        }
        Ok(())
    }
}

/// A file beside the database.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    PathBuf::from(path)
}

/// Which file a path leads to.
pub(crate) fn identity(path: &Path) -> Option<Identity> {
    fs::metadata(path).ok().map(|metadata: Metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_removed_or_replaced_is_noticed() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, wal) = (dir.path().join("mls.db"), dir.path().join("mls.db-wal"));
        fs::write(&path, "1").expect("written");
        let mut files = Files::of(&path);
        assert!(files.check().is_ok());
        fs::write(&wal, "1").expect("written");
        assert!(files.check().is_ok(), "a WAL may come");
        fs::rename(&wal, dir.path().join("elsewhere")).expect("moved");
        assert!(files.check().is_err(), "a WAL must not go");
        fs::rename(dir.path().join("elsewhere"), &wal).expect("moved back");
        assert!(files.check().is_ok());
        fs::write(dir.path().join("backup"), "2").expect("written");
        fs::rename(dir.path().join("backup"), &path).expect("replaced");
        assert!(files.check().is_err(), "the database is another");
    }
}
