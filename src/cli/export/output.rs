//! Where an export goes.

use anyhow::anyhow;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// What is written, and what ends that early.
pub(super) struct Output<'a> {
    pub(super) target: PathBuf,
    pub(super) database: &'a Path,
    pub(super) stop: &'a CancellationToken,
}

impl Output<'_> {
    pub(super) fn check_stop(&self) -> anyhow::Result<()> {
        if self.stop.is_cancelled() { Err(anyhow!("stopped; nothing was written to {}", self.target.display())) } else { Ok(()) }
    }

    /// What could not be done.
    pub(super) fn told(&self) -> String {
        format!("cannot write {}", self.target.display())
    }
}
