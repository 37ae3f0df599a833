//! Where the system access key comes from.

use secrecy::SecretString;
use std::path::{Path, PathBuf};

/// The name of the credential that systemd may hand over.
const CREDENTIAL: &str = "system-access-key";
/// The environment variable that may hold the key.
const VARIABLE: &str = "MLS_SYNC_SYSTEM_ACCESS_KEY";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file that was named cannot be used.
    #[error("cannot read the system access key from {path}: {why}. It must hold the key alone, on one line")]
    File {
        /// The file.
        path: PathBuf,
        /// What stands in the way.
        why: String,
    },
    /// No place holds a key.
    #[error(
        "there is no system access key. Set constellation1.system_access_key_file, or load the credential \"{CREDENTIAL}\" in the systemd unit, or set {VARIABLE}"
    )]
    Missing,
}

/// Looks in the file that the configuration names; else for systemd's credential; else in the environment.
pub(super) fn find(named: Option<&Path>) -> Result<SecretString, KeyError> {
    if let Some(path) = file(named) {
        return read(&path);
    }
    match std::env::var(VARIABLE) {
        Ok(key) if !key.trim().is_empty() => Ok(SecretString::from(key.trim())),
        Ok(_) | Err(_) => Err(KeyError::Missing),
    }
}

/// The file that is looked into, if there is one.
pub(super) fn file(named: Option<&Path>) -> Option<PathBuf> {
    let credential = || std::env::var_os("CREDENTIALS_DIRECTORY").map(|directory| Path::new(&directory).join(CREDENTIAL));
    named.map(Path::to_owned).or_else(|| credential().filter(|path| path.exists()))
}

fn read(path: &Path) -> Result<SecretString, KeyError> {
    let failed = |why: String| KeyError::File { path: path.to_owned(), why };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let key = text.trim();
    if key.is_empty() {
        return Err(failed("the file is empty".to_owned()));
    }
    Ok(SecretString::from(key))
}
