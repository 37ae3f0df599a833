//! A file that is there whole, or not at all.

use super::exit::refuse;
use anyhow::Context;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
#[cfg(feature = "parquet")]
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A file that is being written under another name beside the one that it will have. Dropped before it is finished, it is removed.
pub(super) struct WholeFile {
    target: PathBuf,
    part: PathBuf,
}

impl WholeFile {
    /// Begins an empty file, which those may read who may read the database.
    pub(super) fn begin(target: &Path, database: &Path) -> anyhow::Result<WholeFile> {
        let part = part_of(target)?;
        // Nobody else may look into it before it has its mode.
        if let Err(error) = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part) {
            return refuse(format!("cannot write {}: {error}", part.display()));
        }
        let file = WholeFile { target: target.to_owned(), part };
        if let Ok(found) = fs::metadata(database) {
            fs::set_permissions(&file.part, Permissions::from_mode(found.permissions().mode() & 0o666)).context("cannot set its mode")?;
        }
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
        let directory = WholeFile { target: target.to_owned(), part };
        if let Ok(found) = fs::metadata(database) {
            // Who may read a directory must be let in, too.
            let read = found.permissions().mode() & 0o666;
            fs::set_permissions(&directory.part, Permissions::from_mode(read | (read & 0o444) >> 2)).context("cannot set its mode")?;
        }
        Ok(directory)
    }

    /// Where it is written.
    pub(super) fn part(&self) -> &Path {
        &self.part
    }

    /// Gives it its name. What has its name is replaced.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let told = |what: &Path| format!("cannot write {}", what.display());
        File::open(&self.part).and_then(|file| file.sync_all()).with_context(|| told(&self.part))?;
        fs::rename(&self.part, &self.target).with_context(|| told(&self.target))?;
        // The new name must outlive a power cut, too.
        let directory = self.target.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory).and_then(|directory| directory.sync_all()).with_context(|| told(&self.target))
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        // It is gone where it was finished.
        #[cfg(feature = "parquet")]
        fs::remove_dir_all(&self.part).ok();
        fs::remove_file(&self.part).ok();
    }
}

fn part_of(target: &Path) -> anyhow::Result<PathBuf> {
    let Some(name) = target.file_name() else { return refuse(format!("{} names no file", target.display())) };
    let mut part = OsString::from(".");
    part.push(name);
    part.push(format!(".{}.part", std::process::id()));
    Ok(target.with_file_name(part))
}
