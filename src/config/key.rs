//! Where the system access key comes from.

use secrecy::SecretString;
use std::path::{Path, PathBuf};

/// The name of the credential that systemd may hand over.
const CREDENTIAL: &str = "system-access-key";
/// The environment variable that may hold the key.
const VARIABLE: &str = "MLS_SYNC_SYSTEM_ACCESS_KEY";

/// Looks in the file that the configuration names; else for systemd's credential; else in the environment. The error says why
/// there is no key.
pub(super) fn find(named: Option<&Path>) -> Result<SecretString, String> {
    if let Some(path) = file(named) {
        return read(&path);
    }
    let key = std::env::var(VARIABLE).unwrap_or_default();
    let settings = format!("load the credential \"{CREDENTIAL}\" in the systemd unit, or set {VARIABLE}");
    let missing = format!("there is no system access key. Set constellation1.system_access_key_file, or {settings}");
    if key.trim().is_empty() { Err(missing) } else { Ok(SecretString::from(key.trim())) }
}

/// The file that is looked into, if there is one.
pub(super) fn file(named: Option<&Path>) -> Option<PathBuf> {
    let credential = || std::env::var_os("CREDENTIALS_DIRECTORY").map(|directory| Path::new(&directory).join(CREDENTIAL));
    named.map(Path::to_owned).or_else(|| credential().filter(|path| path.exists()))
}

pub(super) fn read(path: &Path) -> Result<SecretString, String> {
    let failed = |why: String| {
        let path = path.display();
        format!("cannot read the system access key from {path}: {why}. It must hold the key alone, on one line")
    };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let key = text.trim();
    if key.is_empty() { Err(failed("the file is empty".to_owned())) } else { Ok(SecretString::from(key)) }
}
