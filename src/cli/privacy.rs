//! What keeps the key to this process: no core dump, no look inside, and a word about files that everybody can read.

use crate::config::Config;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The bit that lets every user of the machine read a file.
const OTHERS_READ: u32 = 0o004;

/// Nobody is to find the key in a core dump, or in this process's memory and environment.
pub(super) fn protect_memory() {
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Core, none) {
        tracing::debug!(%error, "core dumps could not be switched off");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable) {
        tracing::debug!(%error, "the process's memory could not be closed to others");
    }
}

/// Warns of a configuration or a key that every user of the machine can read.
pub(super) fn warn_of_open_files(path: &Path, config: &Config) {
    for path in std::iter::once(path.to_owned()).chain(config.secret_files()) {
        if std::fs::metadata(&path).is_ok_and(|found| found.permissions().mode() & OTHERS_READ != 0) {
            tracing::warn!("every user of this machine can read {path}: chmod o= {path}", path = path.display());
        }
    }
}
