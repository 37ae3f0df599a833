//! Where an export goes.

use crate::cli::exit::refuse;
use crate::cli::whole_file::WholeFile;
use anyhow::bail;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// What is written, and what ends that early.
pub(super) struct Output<'a> {
    pub(super) target: PathBuf,
    pub(super) database: &'a Path,
    pub(super) stop: &'a CancellationToken,
}

impl Output<'_> {
    /// What is written into, with the file that this becomes where it becomes one: standard output, pipes and devices are no files
    /// that could be replaced.
    pub(super) fn open(&self) -> anyhow::Result<(File, Option<WholeFile>)> {
        let target = &self.target;
        let stream = if is_standard_output(target) {
            File::from(io::stdout().as_fd().try_clone_to_owned()?)
        } else if fs::metadata(target).is_ok_and(|found| !found.is_file()) {
            match OpenOptions::new().write(true).open(target) {
                Ok(stream) => stream,
                Err(error) => return refuse(format!("{}: {error}", self.told())),
            }
        } else {
            let whole = WholeFile::begin(target, self.database)?;
            return Ok((OpenOptions::new().write(true).open(whole.part())?, Some(whole)));
        };
        // What the vendor sends could steer the terminal.
        if stream.is_terminal() {
            return refuse("the output is a terminal: name a file, or pipe the output into a program");
        }
        Ok((stream, None))
    }

    pub(super) fn check_stop(&self) -> anyhow::Result<()> {
        if self.stop.is_cancelled() { bail!("stopped before everything was written") } else { Ok(()) }
    }

    /// What could not be done.
    pub(super) fn told(&self) -> String {
        format!("cannot write {}", self.target.display())
    }
}

pub(super) fn is_standard_output(target: &Path) -> bool {
    target == Path::new("-") || target == Path::new("/dev/stdout")
}
