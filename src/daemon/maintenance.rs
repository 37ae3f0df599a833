//! The commands of a person that change the file themselves: each opens it, does its work, and closes it again.
//!
//! Each fails when there is no file, or it cannot be written.

use super::StartError;
use crate::config::Config;
use crate::record::FeedId;
use crate::store::{Approved, Error as StoreError, Store, report};
use crate::sync::clock::mirror_time;
use crate::sync::replay;
use crate::vendor::constellation1::LISTINGS;

pub(crate) use crate::sync::replay::ReplayCount as Replay;

/// Applies the deletions that a reconcile run withheld.
pub(crate) async fn approve(config: &Config, run: i64) -> anyhow::Result<Approved> {
    let approved = on_file(config, async |store| store.approve(run, mirror_time()).await).await?;
    Ok(approved.map_err(StartError::Refused)?)
}

/// Decodes every kept reject again and stores those that fit.
pub(crate) async fn retry_rejects(config: &Config) -> anyhow::Result<Replay> {
    on_file(config, async |store| replay::replay(&LISTINGS, &store).await).await
}

/// Removes a feed; tells how many listings became tombstones, `None` if there is no such feed.
pub(crate) async fn remove_feed(config: &Config, feed: &FeedId) -> anyhow::Result<Option<u64>> {
    on_file(config, async |store| store.remove_feed(feed, mirror_time()).await).await
}

/// A file that is not there is not created: there would be nothing in it to work on.
async fn on_file<T>(config: &Config, work: impl AsyncFnOnce(Store) -> Result<T, StoreError>) -> anyhow::Result<T> {
    report::last_run(&config.database)?;
    let (store, writer) = Store::open(&config.database, &LISTINGS).map_err(StartError::Database)?;
    let done = work(store).await;
    super::close(writer)?;
    Ok(done?)
}
