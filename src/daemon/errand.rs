//! One errand of a person: the file is opened, something is done to it, and it is closed again.

use super::StartError;
use super::housekeeper::Housekeeper;
use crate::config::{Config, ConfigError};
use crate::record::{FeedId, ListingKey};
use crate::store::{Approval, ErrandKind, ErrandResult, Error as StoreError, Holder, Instance, OpenError, Store, instance, report, why};
use crate::sync::clock::mirror_time;
use crate::sync::{ask, replay};
use crate::vendor::constellation1::LISTINGS;
use anyhow::Context;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub use crate::sync::ask::{Asked, Side};
pub use crate::sync::replay::ReplayCount as Replay;

/// The command that takes errands.
pub const DAEMON: &str = "run";
/// How often it is looked how far an errand is.
const LOOK_EVERY: Duration = Duration::from_millis(300);
const LOST: &str = "the errand is not in the file any more";
const ENDED: &str = "the process that was to do it has ended";

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
    on_file(config, async |store| replay::replay(&LISTINGS, &store).await).await
}

/// Removes a feed; tells how many listings became tombstones, `None` if there is no such feed.
///
/// # Errors
/// When there is no file, or it cannot be written.
pub async fn remove_feed(config: &Config, feed: &FeedId) -> anyhow::Result<Option<u64>> {
    on_file(config, async |store| store.remove_feed(feed, mirror_time()).await).await
}

/// Who mirrors into the file at this moment and takes errands.
///
/// # Errors
/// When somebody does who takes none.
pub fn daemon(config: &Config) -> Result<Option<Holder>, StartError> {
    let path = &config.database;
    let holder = instance::holder(path).unwrap_or_default();
    match holder {
        Some(holder) if holder.command != DAEMON => Err(StartError::Database(OpenError::Held { path: path.clone(), holder: Some(holder) })),
        holder => Ok(holder),
    }
}

/// Lets the running daemon reconcile these feeds, and waits for it; tells the runs, and for each feed why there is none.
/// Stopped, it takes back what was not begun.
///
/// # Errors
/// When the file cannot be used, or the daemon ends before.
pub async fn reconcile(config: &Config, feeds: &[FeedId], dry_run: bool, stop: &CancellationToken) -> anyhow::Result<Delegated> {
    let mut waiting = BTreeMap::new();
    for feed in feeds {
        waiting.insert(leave(config, ErrandKind::Reconcile { feed: feed.clone(), dry_run }).await?, feed.clone());
    }
    let mut done = Delegated::default();
    while !waiting.is_empty() {
        if stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_none() {
            done.stopped = true;
            for errand in waiting.into_keys() {
                on_file(config, async |store| store.withdraw_errand(errand, mirror_time()).await).await?;
            }
            return Ok(done);
        }
        let runs = daemon(config)?.is_some();
        for (errand, feed) in waiting.clone() {
            let Some(state) = report::errand(&config.database, errand)? else {
                done.failed.insert(feed, LOST.to_owned());
                waiting.remove(&errand);
                continue;
            };
            done.runs.extend(state.run);
            match state.result {
                Some(ErrandResult::Failed(why)) => drop(done.failed.insert(feed, why)),
                Some(ErrandResult::Done | ErrandResult::Answer(_)) => {}
                None if !runs => drop(done.failed.insert(feed, ENDED.to_owned())),
                None => continue,
            }
            waiting.remove(&errand);
        }
    }
    Ok(done)
}

/// What a daemon did for another command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delegated {
    /// The runs.
    pub runs: BTreeSet<i64>,
    /// Why there is none, or none that came to its end.
    pub failed: BTreeMap<FeedId, String>,
    /// Whether it was stopped before.
    pub stopped: bool,
}

/// Asks the vendor about one listing and sets the answer beside its row. Where a daemon runs, that asks.
///
/// # Errors
/// When the credential or the file cannot be used, or the vendor does not answer.
pub async fn ask_vendor(config: &Config, key: &ListingKey, stop: CancellationToken) -> anyhow::Result<Asked> {
    let row = why::content(&config.database, key, &LISTINGS)?;
    let answer = match daemon(config)? {
        Some(_) => ask_daemon(config, key, &stop).await?,
        None => ask_alone(config, key, &stop).await?,
    };
    ask::beside(&LISTINGS, answer, row.as_ref()).map_err(|why| anyhow::anyhow!("the vendor did not tell: {why}"))
}

async fn ask_daemon(config: &Config, key: &ListingKey, stop: &CancellationToken) -> anyhow::Result<ErrandResult> {
    let errand = leave(config, ErrandKind::Ask(key.clone())).await?;
    loop {
        let ended = stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_none();
        let runs = daemon(config)?.is_some();
        let state = report::errand(&config.database, errand)?.context(LOST)?;
        if let Some(result) = state.result {
            return Ok(result);
        }
        if ended || !runs {
            on_file(config, async |store| store.withdraw_errand(errand, mirror_time()).await).await?;
            anyhow::bail!("{}", if ended { "stopped before the vendor answered" } else { ENDED });
        }
    }
}

/// One request, within the budget all the same.
async fn ask_alone(config: &Config, key: &ListingKey, stop: &CancellationToken) -> anyhow::Result<ErrandResult> {
    let vendor = Arc::new(super::vendor(config, config.key().map_err(ConfigError::from)?)?);
    let instance = Instance::take(&config.database, "why --ask").map_err(StartError::Database)?;
    let (store, writer) = Store::open_held(instance, &LISTINGS).map_err(StartError::Database)?;
    let mut housekeeper = Housekeeper::begin(Arc::clone(&vendor), store, config.account(), true).await?;
    let answer = tokio::select! {
        answer = ask::ask(&vendor, key, stop) => answer.context("stopped before the vendor answered"),
        error = housekeeper.failed() => Err(error),
    };
    housekeeper.end().await;
    writer.join().map_err(|_| anyhow::anyhow!("the database's writer panicked"))?;
    answer
}

async fn leave(config: &Config, kind: ErrandKind) -> anyhow::Result<i64> {
    on_file(config, async |store| store.leave_errand(kind, mirror_time()).await).await
}

/// A file that is not there is not created: there would be nothing in it to work on.
async fn on_file<T>(config: &Config, errand: impl AsyncFnOnce(Store) -> Result<T, StoreError>) -> anyhow::Result<T> {
    report::last_run(&config.database)?;
    let (store, writer) = Store::open(&config.database, &LISTINGS).map_err(StartError::Database)?;
    let done = errand(store).await;
    writer.join().map_err(|_| anyhow::anyhow!("the database's writer panicked"))?;
    Ok(done?)
}
