//! The key watch: it uses a system access key that is changed while the process runs.

use crate::config::Config;
use crate::sync::tools::Tools;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How often the file is looked at: it is one short line.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Looks whether the key's file holds another key, and uses that from the next request on. While the file is away, empty or
/// half written, the old one stays.
pub(super) async fn watch(config: Config, first: SecretString, tools: Tools, changed: Arc<Notify>) {
    if config.key_file().is_none() {
        return;
    }
    let mut seen = first;
    let mut complaint = None;
    while tools.stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
        let found = match config.key() {
            Ok(key) if key.expose_secret() == seen.expose_secret() => Ok(()),
            Ok(key) => {
                seen = key.clone();
                tools.vendor.set_key(key).inspect(|()| {
                    tracing::info!("the system access key has changed; the new one is used from now on");
                    changed.notify_one();
                })
            }
            Err(error) => Err(error.to_string()),
        };
        let told = found.err();
        if let Some(why) = told.as_ref().filter(|_| told != complaint) {
            tracing::warn!("the system access key cannot be read again, so the one in use stays: {why}");
        }
        complaint = told;
    }
}
