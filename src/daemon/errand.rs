//! One errand of a person: the file is opened, something is done to it, and it is closed again.

use super::StartError;
use crate::clock::mirror_time;
use crate::config::{Config, ConfigError};
use crate::provider::constellation1::fields::LISTING_DETAILS;
use crate::record::{FeedId, ListingKey};
use crate::store::{Approval, Error as StoreError, Store, report, why};
use crate::worker::{ask, replay};
use anyhow::Context;
use tokio_util::sync::CancellationToken;

pub use crate::worker::ask::{Asked, Side};
pub use crate::worker::replay::Outcome as Replay;

/// Applies the deletions that a reconcile run withheld.
///
/// # Errors
/// When there is no file, or it cannot be written.
pub async fn approve(config: &Config, run: i64) -> anyhow::Result<Approval> {
    on_file(config, async |store| store.approve(run, mirror_time()).await).await
}

/// Decodes every kept reject again and stores those that fit.
///
/// # Errors
/// When there is no file, or it cannot be written.
pub async fn retry_rejects(config: &Config) -> anyhow::Result<Replay> {
    on_file(config, async |store| replay::replay(&store).await).await
}

/// Removes a feed; tells how many listings became tombstones, `None` if there is no such feed.
///
/// # Errors
/// When there is no file, or it cannot be written.
pub async fn remove_feed(config: &Config, feed: &FeedId) -> anyhow::Result<Option<u64>> {
    on_file(config, async |store| store.remove_feed(feed, mirror_time()).await).await
}

/// Asks the vendor about one listing and sets the answer beside its row.
///
/// # Errors
/// When the credential or the file cannot be used, or the vendor does not answer.
pub async fn ask_vendor(config: &Config, key: &ListingKey, stop: CancellationToken) -> anyhow::Result<Asked> {
    let secret = config.key().map_err(ConfigError::from)?;
    let vendor = super::vendor(config, secret)?;
    let row = why::content(&config.database, key, &LISTING_DETAILS)?;
    let asked = ask::ask(&vendor, key, row.as_ref(), &stop).await;
    asked.context("stopped before the vendor answered")?.context("the vendor did not tell")
}

/// A file that is not there is not created: there would be nothing in it to work on.
async fn on_file<T>(config: &Config, errand: impl AsyncFnOnce(Store) -> Result<T, StoreError>) -> anyhow::Result<T> {
    report::last_run(&config.database)?;
    let (store, writer) = Store::open(&config.database, &LISTING_DETAILS).map_err(StartError::Database)?;
    let done = errand(store).await;
    writer.join().map_err(|_| anyhow::anyhow!("the database's writer panicked"))?;
    Ok(done?)
}
