//! Where a secret comes from: the key or the token of a credential.

use secrecy::SecretString;
use std::path::{Path, PathBuf};

/// One secret, and the places that may hold it besides a file that the configuration names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Secret {
    /// What it is, for a person.
    name: &'static str,
    /// The key of the configuration that names its file.
    setting: &'static str,
    /// The name of the credential that systemd may hand over.
    credential: &'static str,
    /// The environment variable that may hold it.
    variable: &'static str,
}

/// Constellation1's.
pub(super) const SYSTEM_ACCESS_KEY: Secret = Secret {
    name: "system access key",
    setting: "constellation1.system_access_key_file",
    credential: "system-access-key",
    variable: "MLS_SYNC_SYSTEM_ACCESS_KEY",
};
/// Spark's: the access token, or the API secret of a session.
pub(super) const SPARK_ACCESS_TOKEN: Secret = Secret {
    name: "access token of Spark",
    setting: "spark.access_token_file",
    credential: "spark-access-token",
    variable: "MLS_SYNC_SPARK_ACCESS_TOKEN",
};
/// Spotahome's.
pub(super) const SPOTAHOME_TOKEN: Secret = Secret {
    name: "token of Spotahome",
    setting: "spotahome.token_file",
    credential: "spotahome-token",
    variable: "MLS_SYNC_SPOTAHOME_TOKEN",
};

impl Secret {
    /// Looks in the file that the configuration names; else for systemd's credential; else in the environment. The error says why
    /// there is none.
    pub(super) fn find(&self, named: Option<&Path>) -> Result<SecretString, String> {
        if let Some(path) = self.file(named) {
            return self.read(&path);
        }
        let Secret { name, setting, credential, variable } = self;
        let secret = std::env::var(variable).unwrap_or_default();
        let missing =
            format!("there is no {name}. Set {setting}, or load the credential \"{credential}\" in the systemd unit, or set {variable}");
        if secret.trim().is_empty() { Err(missing) } else { Ok(SecretString::from(secret.trim())) }
    }

    /// The file that is looked into, if there is one.
    pub(super) fn file(&self, named: Option<&Path>) -> Option<PathBuf> {
        let credential = || std::env::var_os("CREDENTIALS_DIRECTORY").map(|directory| Path::new(&directory).join(self.credential));
        named.map(Path::to_owned).or_else(|| credential().filter(|path| path.exists()))
    }

    pub(super) fn read(&self, path: &Path) -> Result<SecretString, String> {
        let failed = |why: String| {
            let (name, path) = (self.name, path.display());
            let alone = name.split(' ').next_back().filter(|word| *word == "key").unwrap_or("token");
            format!("cannot read the {name} from {path}: {why}. It must hold the {alone} alone, on one line")
        };
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        let secret = text.trim();
        if secret.is_empty() { Err(failed("the file is empty".to_owned())) } else { Ok(SecretString::from(secret)) }
    }
}
