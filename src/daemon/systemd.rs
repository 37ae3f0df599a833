//! What systemd is told of the process.

use sd_notify::NotifyState;

/// Outside systemd this does nothing; there is nobody to tell when it fails.
pub(super) fn notify(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not told");
    }
}
