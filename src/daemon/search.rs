//! The tables for searches, which are switched before anything is mirrored.

use super::watchdog::notify;
use crate::config::Config;
use crate::store::{Error as StoreError, Store};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

/// Switches them as the configuration says; a terminal shows a bar meanwhile. What the database refuses for the moment is left to
/// the next start, because a mirror without searches is better than none.
pub(super) async fn switch(config: &Config, store: &Store, stop: &CancellationToken) -> Result<(), StoreError> {
    let style = ProgressStyle::with_template("  search     {bar:30.cyan/black} {pos} of {len}").expect("the template is valid");
    let bar = ProgressBar::no_length().with_finish(ProgressFinish::AndClear).with_style(style.progress_chars("━━╌"));
    let told = move |done: i64, all: i64| {
        bar.set_length(all.unsigned_abs());
        bar.set_position(done.unsigned_abs());
        // It may take longer than systemd waits for a word, and it is nothing that is stuck.
        notify(&[NotifyState::Watchdog]);
    };
    let wanted = [config.search.text, config.search.location];
    match stop.run_until_cancelled(store.switch_search(wanted, told)).await {
        Some(Err(error)) if error.is_passing() => {
            tracing::warn!(%error, "the tables for searches are left as they are, and switched at the next start");
        }
        Some(switched) => switched?,
        None => store.hurry(),
    }
    Ok(())
}
