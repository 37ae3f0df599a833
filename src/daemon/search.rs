//! What only queries need: the tables for searches, where the configuration wants them, and most indexes of listings.

use super::watchdog::notify;
use crate::config::Config;
use crate::store::{Error as StoreError, Store};
use crate::sync::clock::mirror_time;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use sd_notify::NotifyState;
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// After so long it is tried again to build what the database has refused.
const BUILD_AGAIN: Duration = Duration::from_secs(60);

/// Drops it for the load of an empty file; tells whether it did. If the database cannot be written for the moment, the load begins all
/// the same.
pub(super) async fn defer(store: &Store) -> Result<bool, StoreError> {
    match store.begin_bulk_load(mirror_time()).await {
        Err(error) if error.is_passing() => {
            tracing::info!(%error, "the indexes of listings could not be dropped before the load, so it updates them row by row");
            Ok(false)
        }
        begun => begun,
    }
}

/// Builds what is missing and removes what is not wanted; the bar, if it is visible, shows how far that is. A stop ends it.
pub(super) async fn build(config: &Config, store: &Store, bar: ProgressBar, stop: &CancellationToken) -> Result<(), StoreError> {
    let told = move |done: i64, all: i64| {
        bar.set_length(all.unsigned_abs());
        bar.set_position(done.unsigned_abs());
        keep_alive();
    };
    let wanted = [config.search.text, config.search.location];
    let building = async {
        store.switch_search(wanted, told).await?;
        store.end_bulk_load(keep_alive).await
    };
    let built = stop.run_until_cancelled(building).await;
    if built.is_none() {
        store.hurry();
    }
    built.unwrap_or(Ok(()))
}

/// Builds it before anything is mirrored; tells whether it did. If the database refuses it for the moment, nothing waits for it, because a
/// mirror without searches is better than none.
pub(super) async fn build_first(config: &Config, store: &Store, stop: &CancellationToken) -> Result<bool, StoreError> {
    match build(config, store, bar(), stop).await {
        Err(error) if error.is_passing() => {
            tracing::warn!(%error, "the indexes and tables for searches could not be built; this is tried again every minute, or at the next start");
            Ok(false)
        }
        built => built.map(|()| true),
    }
}

/// Tries it again until it succeeds.
pub(super) async fn build_later(config: Config, store: Store, stop: CancellationToken) {
    while stop.run_until_cancelled(sleep(BUILD_AGAIN)).await.is_some() {
        match build(&config, &store, ProgressBar::hidden(), &stop).await {
            Err(error) if error.is_passing() => tracing::debug!(%error, "the indexes and tables for searches could not be built"),
            // Whoever mirrors finds that the database cannot be used any more.
            Ok(()) | Err(_) => return,
        }
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("  search     {bar:30.cyan/black} {pos} of {len}").expect("the template is valid");
    ProgressBar::no_length().with_finish(ProgressFinish::AndClear).with_style(style.progress_chars("━━╌"))
}

/// It may take longer than systemd waits for a word, and it is nothing that is stuck.
fn keep_alive() {
    notify(&[NotifyState::Watchdog]);
}
