//! A file that is there whole, or not at all.

use super::exit::refuse;
use crate::store::instance::{are_one, belongs_to, linked_file};
use crate::store::{Identity, identity};
use anyhow::{Context, bail};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
#[cfg(feature = "parquet")]
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A file that is being written under another name beside the one that it will have. Dropped before it is finished, it is removed.
pub(super) struct WholeFile {
    target: PathBuf,
    part: PathBuf,
    begun: Option<Identity>,
    /// The mode of a file that those may read who may read the database.
    mode: u32,
}

/// Refuses a target that is the database, a file that belongs to it, or the configuration.
pub(super) fn refuse_own_files(target: &Path, database: &Path, configuration: &Path) -> anyhow::Result<()> {
    if belongs_to(target, database) {
        return refuse(format!("{} is the database or belongs to it; name another file", target.display()));
    }
    if are_one(target, configuration) {
        return refuse(format!("{} is the configuration; name another file", target.display()));
    }
    Ok(())
}

impl WholeFile {
    /// Begins an empty file, which those may read who may read the database. Where the target is a link, the file that it leads to
    /// is meant.
    pub(super) fn begin(target: &Path, database: &Path) -> anyhow::Result<WholeFile> {
        if !target.file_name().is_some_and(|name| target.as_os_str().as_bytes().ends_with(name.as_bytes())) {
            return refuse(format!("{} names no file", target.display()));
        }
        let target = linked_file(target);
        let part = part_of(&target)?;
        // Nobody else may look into it before it has its mode.
        if let Err(error) = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part) {
            return refuse(format!("cannot write {}: {error}", part.display()));
        }
        let file = WholeFile::begun(target, part, database);
        file.give_mode(&file.part)?;
        Ok(file)
    }

    /// The same for a directory of files, which must not exist.
    #[cfg(feature = "parquet")]
    pub(super) fn begin_directory(target: &Path, database: &Path) -> anyhow::Result<WholeFile> {
        if target.symlink_metadata().is_ok() {
            return refuse(format!("{} exists; name a new directory", target.display()));
        }
        let part = part_of(target)?;
        if let Err(error) = fs::DirBuilder::new().mode(0o700).create(&part) {
            return refuse(format!("cannot write {}: {error}", part.display()));
        }
        let directory = WholeFile::begun(target.to_owned(), part, database);
        // Who may read a directory must be let in, too. Its owner writes the files.
        let mode = 0o700 | directory.mode | (directory.mode & 0o444) >> 2;
        fs::set_permissions(&directory.part, Permissions::from_mode(mode)).context("cannot set its mode")?;
        Ok(directory)
    }

    fn begun(target: PathBuf, part: PathBuf, database: &Path) -> WholeFile {
        let mode = fs::metadata(database).map_or(0o600, |found| found.permissions().mode() & 0o666);
        WholeFile { target, begun: identity(&part), part, mode }
    }

    /// Lets those read a file who may read the database, whatever the umask is.
    pub(super) fn give_mode(&self, file: &Path) -> anyhow::Result<()> {
        fs::set_permissions(file, Permissions::from_mode(self.mode)).context("cannot set its mode")
    }

    /// Where it is written.
    pub(super) fn part(&self) -> &Path {
        &self.part
    }

    /// Gives it its name. A file that has its name is replaced.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        self.sync()?;
        fs::rename(&self.part, &self.target).with_context(|| told(&self.target))?;
        self.sync_name()
    }

    /// Gives it its name, which nothing else may have got meanwhile.
    pub(super) fn finish_new(self) -> anyhow::Result<()> {
        self.sync()?;
        match fs::hard_link(&self.part, &self.target) {
            // Some file systems have no second names.
            Err(error) if error.kind() != ErrorKind::AlreadyExists && self.target.symlink_metadata().is_err() => {
                fs::rename(&self.part, &self.target)
            }
            linked => linked,
        }
        .with_context(|| told(&self.target))?;
        self.sync_name()
    }

    /// Waits until the disk has it.
    fn sync(&self) -> anyhow::Result<()> {
        if identity(&self.part) != self.begun {
            bail!("{} was removed or replaced while it was being written", self.part.display());
        }
        File::open(&self.part).and_then(|file| file.sync_all()).with_context(|| told(&self.part))
    }

    /// The new name must outlive a power cut, too.
    fn sync_name(&self) -> anyhow::Result<()> {
        let directory = self.target.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory).and_then(|directory| directory.sync_all()).with_context(|| told(&self.target))
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        // It is gone where it was renamed.
        #[cfg(feature = "parquet")]
        fs::remove_dir_all(&self.part).ok();
        fs::remove_file(&self.part).ok();
        // SQLite has it while it writes a copy.
        let mut journal = self.part.clone().into_os_string();
        journal.push("-journal");
        fs::remove_file(journal).ok();
    }
}

fn told(what: &Path) -> String {
    format!("cannot write {}", what.display())
}

/// A name that nobody has: processes of several containers may have the same number.
fn part_of(target: &Path) -> anyhow::Result<PathBuf> {
    let Some(name) = target.file_name() else { return refuse(format!("{} names no file", target.display())) };
    let mut part = OsString::from(".");
    part.push(name);
    part.push(format!(".{:016x}.part", RandomState::new().hash_one(0_u8)));
    Ok(target.with_file_name(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_new_files_of_one_name_the_first_one_stays_and_nothing_is_left_of_the_other() {
        let directory = tempfile::tempdir().expect("a directory");
        let target = directory.path().join("copy.db");
        let begin = |text: &str| {
            let file = WholeFile::begin(&target, Path::new("none")).expect("begun");
            fs::write(file.part(), text).expect("written");
            file
        };
        let (one, other) = (begin("one"), begin("other"));
        one.finish_new().expect("finished");
        let error = other.finish_new().expect_err("it exists");
        assert!(format!("{error:#}").contains("copy.db: File exists"), "{error:#}");
        assert_eq!(fs::read_to_string(&target).expect("read"), "one");
        assert_eq!(fs::read_dir(directory.path()).expect("read").count(), 1);
    }

    #[test]
    fn a_part_that_was_replaced_gets_no_name() {
        let directory = tempfile::tempdir().expect("a directory");
        let target = directory.path().join("copy.db");
        let file = WholeFile::begin(&target, Path::new("none")).expect("begun");
        fs::write(directory.path().join("else"), "else").expect("written");
        fs::rename(directory.path().join("else"), file.part()).expect("replaced");
        assert!(file.finish().is_err() && !target.exists());
    }
}
