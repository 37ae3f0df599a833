//! One question to the vendor, asked by the running process where there is one.

use super::housekeeper::{Budget, Housekeeper};
use super::socket::{Parameters, Request};
use super::store_options::store_options;
use super::{RunOptions, delegate};
use crate::config::Config;
use crate::entity::Entity;
use crate::record::{Content, ListingKey};
use crate::store::{Error as StoreError, Store, why};
use crate::sync::ask;
use crate::sync::control::{Refetched, Reply};
use crate::sync::trouble_log::TroubleLog;
use crate::vendor::LISTINGS;
use crate::vendor::{Call, Vendor};
use anyhow::Context;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub(crate) use crate::sync::ask::{Asked, Side};

/// A person is told after this why there is no answer.
const SILENCE: Duration = Duration::from_secs(5);
pub(super) const STOPPED: &str = "stopped before the vendor answered";

/// Asks the vendor about one listing and compares the answer with its row.
///
/// # Errors
/// When the credential or the file cannot be used, or the vendor does not answer.
pub(crate) async fn ask_vendor(config: &Config, key: &ListingKey, stop: CancellationToken) -> anyhow::Result<Asked> {
    super::check_source(config)?;
    let row = why::content(&config.database, key, &LISTINGS)?;
    let request = Request::Ask { feed: key.feed.clone(), listing: key.listing.clone() };
    let reply = match delegate::daemon(config)? {
        Some(_) => delegate::ask(config, &request, &stop).await?,
        None => alone(config, "why --ask", async |vendor, _| Ok(ask::ask(vendor, key, &stop).await)).await?,
    };
    compared(&LISTINGS, reply.context(STOPPED)?, row.as_ref())
}

/// The record of a reply against the row.
pub(super) fn compared(entity: &Entity, reply: Reply, row: Option<&Content>) -> anyhow::Result<Asked> {
    let asked = match reply {
        Reply::Record(record) => ask::compare_with_row(entity, record.as_deref(), row),
        other => Err(other.why_not()),
    };
    asked.map_err(|why| anyhow::anyhow!("the vendor did not tell: {why}"))
}

/// Asks the vendor for a listing and stores it.
///
/// # Errors
/// When the credential or the file cannot be used, the feed is not mirrored, or the vendor does not answer.
pub(crate) async fn refetch(config: &Config, key: ListingKey, stop: CancellationToken) -> anyhow::Result<Refetched> {
    super::check_source(config)?;
    let request = Request::Refetch { feed: key.feed.clone(), listing: key.listing.clone() };
    let reply = async {
        match delegate::daemon(config)? {
            Some(_) => Ok(delegate::ask(config, &request, &stop).await?),
            None => {
                let key = key.clone();
                alone(config, "refetch", async |vendor, store| ask::refetch((vendor, store, &LISTINGS), key, &stop).await).await
            }
        }
    };
    match told_of_waiting(reply).await?.context(STOPPED)? {
        Reply::Refetched(refetched) => Ok(refetched),
        other => Err(anyhow::anyhow!("{} {}: {}", key.feed, key.listing, other.why_not())),
    }
}

/// Calls a service of the vendor; its answer as JSON.
///
/// # Errors
/// When the credential or the file cannot be used, or the vendor refuses or does not answer.
pub(crate) async fn call_service(config: &Config, call: &Call, stop: CancellationToken) -> anyhow::Result<String> {
    let request = Request::Call { service: call.service().to_owned(), parameters: Parameters(call.parameters().clone()) };
    let reply = async {
        match delegate::daemon(config)? {
            Some(_) => {
                super::check_source(config)?;
                Ok(delegate::ask(config, &request, &stop).await?)
            }
            None => alone(config, "ask", async |vendor, _| Ok(ask::call(vendor, call, &stop).await)).await,
        }
    };
    match told_of_waiting(reply).await?.context(STOPPED)? {
        Reply::Answer(answer) => Ok(answer),
        other => Err(anyhow::anyhow!("{}: {}", call.service(), other.why_not())),
    }
}

/// What waits for longer than a person would says so once.
pub(super) async fn told_of_waiting<T>(answer: impl Future<Output = T>) -> T {
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => return answer,
        () = tokio::time::sleep(SILENCE) => {}
    }
    tracing::warn!(
        "still waiting for a turn or for the answer; `mls-sync status` tells whether the vendor takes no requests, or a budget is spent"
    );
    answer.await
}

/// One request of this process to the vendor of the listings; `None` when stopped.
async fn alone(
    config: &Config,
    command: &'static str,
    ask: impl AsyncFnOnce(&Vendor, &Store) -> Result<Option<Reply>, StoreError>,
) -> anyhow::Result<Option<Reply>> {
    let options = RunOptions { command, ..RunOptions::default() };
    let (vendor, store, writer) = super::open(config, config.key()?, &options).await?;
    let asked = (vendor.host(), super::budget(config, &vendor));
    within_budget(config, (store, writer), asked, async |store| ask(&vendor, store).await).await
}

/// Lets this process ask, which holds the file: its requests are counted like those of any other.
pub(super) async fn within_budget<T>(
    config: &Config,
    (store, writer): (Store, JoinHandle<()>),
    (who, budget): (&str, Budget),
    ask: impl AsyncFnOnce(&Store) -> Result<T, StoreError>,
) -> anyhow::Result<T> {
    store.configure(store_options(config)).await?;
    let mut housekeeper = Housekeeper::begin(store.clone(), TroubleLog::new(who), vec![budget], true).await?;
    let answer = tokio::select! {
        answer = ask(&store) => answer.map_err(anyhow::Error::from),
        error = housekeeper.failed() => Err(error),
    };
    drop(store);
    housekeeper.end().await;
    super::close(writer)?;
    answer
}
