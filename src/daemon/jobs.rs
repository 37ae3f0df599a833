//! What a person asks of an account of Spark or Spotahome: the running process does it where there is one.

use super::delegate::ENDED;
use super::perform::perform;
use super::question::{Asked, STOPPED, compared, told_of_waiting, within_budget};
use super::socket::{Job, Request};
use super::{RunOptions, StartError, accounts, delegate};
use crate::config::Config;
use crate::entity::Entity;
use crate::plan::settle::Columns;
use crate::record::{FeedId, ListingKey, Write};
use crate::store::why;
use crate::sync::clock::Clock;
use crate::sync::control::{Findings, MadeTicket, Reply, Written};
use crate::sync::progress::Progress;
use crate::sync::tickets;
use crate::sync::tools::CensusTools;
use crate::vendor::{SparkListing, TicketPath, Upload};
use anyhow::Context;
use serde_json::{Map, Value};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What a person must know of a change whose sender is gone.
const PERHAPS: &str = "it may have happened; run `mls-sync intents`";

/// Makes a change at a vendor, if the thing is as expected.
///
/// # Errors
/// When the credential or the file cannot be used, or nothing was sent because of what the vendor has.
pub(crate) async fn write(
    config: &Config,
    vendor: &'static str,
    (write, expected): (Write, Columns),
    stop: CancellationToken,
) -> anyhow::Result<Written> {
    let job = Job::Write { write, expected: super::socket::Expected(expected) };
    match perhaps_sent(order(config, (vendor, "write"), job, stop).await)? {
        Reply::Written(written) => Ok(written),
        other => Err(anyhow::anyhow!(other.why_not())),
    }
}

/// Finds out by reading what became of a change.
///
/// # Errors
/// As [`write()`].
pub(crate) async fn settle(config: &Config, vendor: &'static str, intent: i64, stop: CancellationToken) -> anyhow::Result<Written> {
    match order(config, (vendor, "intents settle"), Job::Settle { intent }, stop).await?.context(STOPPED)? {
        Reply::Written(written) => Ok(written),
        other => Err(anyhow::anyhow!(other.why_not())),
    }
}

/// Makes a ticket; where it was not made, what became of it.
///
/// # Errors
/// As [`write()`].
pub(crate) async fn ticket(
    config: &Config,
    (listing, path): (&SparkListing, TicketPath),
    service: &str,
    stop: CancellationToken,
) -> anyhow::Result<Result<MadeTicket, Written>> {
    let job = Job::Ticket { listing: listing.to_string(), path, service: service.to_owned() };
    match perhaps_sent(order(config, ("spark", "tickets"), job, stop).await)? {
        Reply::Ticket(ticket) => Ok(Ok(ticket)),
        Reply::Written(written) => Ok(Err(written)),
        other => Err(anyhow::anyhow!(other.why_not())),
    }
}

/// Uploads a file with a ticket. The ticket is all the authority that this needs, so it is no business of the running process.
///
/// # Errors
/// When the file of the mirror cannot be used.
pub(crate) async fn upload(
    config: &Config,
    (listing, ticket): (&SparkListing, MadeTicket),
    file: Upload<'_>,
    stop: CancellationToken,
) -> anyhow::Result<Written> {
    let mut http = config.spark.scanned().http(&config.spark.user_agent).map_err(StartError::Refused)?;
    http.timeout = tickets::UPLOADING;
    let (account, hosts) = (FeedId(config.spark.account.clone()), &config.spark.upload_hosts);
    super::on_file(config, async |store| tickets::spend((&store, account), (listing, ticket), (file, hosts, http), &stop).await).await
}

/// Has a listing validated; nothing is stored by it.
///
/// # Errors
/// As [`write()`].
pub(crate) async fn validate(
    config: &Config,
    listing: Option<&SparkListing>,
    body: Map<String, Value>,
    stop: CancellationToken,
) -> anyhow::Result<Findings> {
    let job = Job::Validate { listing: listing.map(ToString::to_string), body: super::socket::Parameters(body) };
    match order(config, ("spark", "listings validate"), job, stop).await?.context(STOPPED)? {
        Reply::Findings(findings) => Ok(findings),
        other => Err(anyhow::anyhow!(other.why_not())),
    }
}

/// What a vendor told of one identity or process.
#[derive(Debug)]
pub(crate) struct EntryAsked {
    pub(crate) asked: Asked,
    /// Its history as JSON, or why the vendor did not tell it; `None` where there is no such service, or no such thing.
    pub(crate) history: Option<Result<String, String>>,
}

/// Asks an account about one of its things, and compares the answer with its row.
///
/// # Errors
/// When the credential or the file cannot be used, or the vendor does not answer.
pub(crate) async fn ask(
    config: &Config,
    vendor: &'static str,
    (entity, key): (&'static Entity, &ListingKey),
    stop: CancellationToken,
) -> anyhow::Result<EntryAsked> {
    let row = why::content(&config.database, key, entity)?;
    let id = || key.listing.clone();
    let reply = order(config, (vendor, "why --ask"), Job::Entry { id: id() }, stop.clone()).await?.context(STOPPED)?;
    let is_there = matches!(reply, Reply::Record(Some(_)));
    let asked = compared(entity, reply, row.as_ref())?;
    let history = match is_there {
        true => Some(order(config, (vendor, "why --ask"), Job::History { id: id() }, stop).await?.context(STOPPED)?),
        false => None,
    };
    let history = match history {
        Some(Reply::Answer(history)) => Some(Ok(history)),
        None | Some(Reply::Record(None)) => None,
        Some(other) => Some(Err(other.why_not())),
    };
    Ok(EntryAsked { asked, history })
}

/// Whoever was to send it has ended, or this command was stopped: it may have left.
fn perhaps_sent(reply: anyhow::Result<Option<Reply>>) -> anyhow::Result<Reply> {
    match reply? {
        None => Err(anyhow::anyhow!("stopped: {PERHAPS}")),
        Some(Reply::Failed(why)) if why == ENDED => Err(anyhow::anyhow!("{why}: {PERHAPS}")),
        Some(reply) => Ok(reply),
    }
}

/// Has a job done by the running process, or by this one.
async fn order(
    config: &Config,
    (vendor, command): (&'static str, &'static str),
    job: Job,
    stop: CancellationToken,
) -> anyhow::Result<Option<Reply>> {
    let mut of_vendor = config.clone();
    of_vendor.narrow(vendor).map_err(StartError::Refused)?;
    let reply = async {
        match delegate::daemon(config)? {
            Some(_) => Ok(delegate::ask(config, &Request::Account { vendor: vendor.to_owned(), job }, &stop).await?),
            None => alone(&of_vendor, command, job, stop).await,
        }
    };
    told_of_waiting(reply).await
}

/// By this process, within the budget all the same; `None` when stopped.
async fn alone(config: &Config, command: &'static str, job: Job, stop: CancellationToken) -> anyhow::Result<Option<Reply>> {
    let account = accounts::of(config).map_err(StartError::Config)?.pop().context("the vendor has no account")?;
    let held = super::hold(config, &RunOptions { command, ..RunOptions::default() })?;
    let clock = Arc::new(Clock::new(config.constellation1.timestamp_zone));
    within_budget(config, held, (account.vendor, account.budget()), async |store| {
        let (progress, again) = (Progress::default(), Arc::default());
        let tools = CensusTools { vendor: account.vendor, store: store.clone(), clock, progress, again, stop };
        perform(&account.tools(&tools, false), job).await
    })
    .await
}
