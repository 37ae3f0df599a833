//! The key watch: it uses a key or a token that is changed while the process runs.

use crate::config::ConfigError;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often the file is looked at: it is one short line.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A secret that is watched.
pub(super) struct Watched {
    /// What it is, for a person.
    pub(super) name: &'static str,
    /// Reads it again.
    pub(super) read: Box<dyn Fn() -> Result<SecretString, ConfigError> + Send>,
    /// Uses another one from the next request on; the error says what is wrong with it.
    pub(super) set: Box<dyn Fn(SecretString) -> Result<(), String> + Send>,
}

/// Looks whether the secret's file holds another one, and uses that from the next request on. While the file is away, empty or
/// half written, the old one stays.
pub(super) async fn watch(watched: Watched, first: SecretString, stop: CancellationToken) {
    let Watched { name, read, set } = watched;
    let (mut seen, mut complaint) = (first, None);
    while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
        let found = match read() {
            Ok(secret) if secret.expose_secret() == seen.expose_secret() => Ok(()),
            Ok(secret) => {
                seen = secret.clone();
                set(secret).inspect(|()| tracing::info!("the {name} has changed; the new one is used from now on"))
            }
            Err(error) => Err(error.to_string()),
        };
        let told = found.err();
        if let Some(why) = told.as_ref().filter(|_| told != complaint) {
            tracing::warn!("the {name} cannot be read again, so the one in use stays: {why}");
        }
        complaint = told;
    }
}
