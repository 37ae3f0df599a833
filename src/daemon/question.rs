//! One question about a listing to the vendor, asked by the running process where there is one.

use super::housekeeper::Housekeeper;
use super::{RunOptions, delegate};
use crate::config::Config;
use crate::record::ListingKey;
use crate::store::why;
use crate::sync::ask;
use crate::sync::control::Reply;
use crate::sync::trouble_log::TroubleLog;
use crate::vendor::constellation1::LISTINGS;
use anyhow::Context;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub(crate) use crate::sync::ask::{Asked, Side};

/// Asks the vendor about one listing and compares the answer with its row.
///
/// # Errors
/// When the credential or the file cannot be used, or the vendor does not answer.
pub(crate) async fn ask_vendor(config: &Config, key: &ListingKey, stop: CancellationToken) -> anyhow::Result<Asked> {
    super::check_source(config)?;
    let row = why::content(&config.database, key, &LISTINGS)?;
    let reply = match delegate::daemon(config)? {
        Some(_) => delegate::ask(config, key, &stop).await?,
        None => ask_alone(config, key, &stop).await?,
    };
    let asked = match reply.context("stopped before the vendor answered")? {
        Reply::Record(record) => ask::compare_with_row(&LISTINGS, record.as_deref(), row.as_ref()),
        Reply::Failed(why) => Err(why),
        Reply::Begun { .. } | Reply::Done => Err("the running process answered something else".to_owned()),
    };
    asked.map_err(|why| anyhow::anyhow!("the vendor did not tell: {why}"))
}

/// One request, within the budget all the same; `None` when stopped.
async fn ask_alone(config: &Config, key: &ListingKey, stop: &CancellationToken) -> anyhow::Result<Option<Reply>> {
    let options = RunOptions { command: "why --ask", ..RunOptions::default() };
    let (vendor, store, writer) = super::open(config, config.key()?, &options).await?;
    let troubles = TroubleLog::new(vendor.host());
    let mut housekeeper = Housekeeper::begin(Arc::clone(&vendor), store, troubles, config.account(), true).await?;
    let reply = tokio::select! {
        reply = ask::ask(&vendor, key, stop) => Ok(reply),
        error = housekeeper.failed() => Err(error),
    };
    housekeeper.end().await;
    super::close(writer)?;
    reply
}
