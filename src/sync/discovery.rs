//! Asks the vendor what [`plan::discover`](crate::plan::discover) wants to know.

use super::clock::mirror_time;
use super::tools::Tools;
use super::trouble_log::{Kind, log_failure};
use crate::plan::discover::{Discovery, DiscoveryRequest, Tries, range};
use crate::record::{FeedId, PageRequest, Stamp, Stream, spoken};
use crate::store::Notice;
use crate::vendor::{Error as VendorError, Priority};
use std::collections::BTreeSet;
use std::time::Duration;

/// What is looked for, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope {
    /// The stream in which feeds are looked for.
    pub stream: Stream,
    /// The oldest stamp at which feeds are looked for.
    pub since: Stamp,
    /// How far the end stays behind the vendor's clock.
    pub settle: Duration,
    /// Spreads clients that failed together.
    pub seed: u64,
}

/// Finds the feeds that the credential can see, `known` among them; `None` when stopped.
///
/// # Errors
/// The last failure, after several tries.
pub(crate) async fn discover(tools: &Tools, scope: Scope, known: BTreeSet<FeedId>) -> Option<Result<BTreeSet<FeedId>, VendorError>> {
    let mut discovery = Discovery::new(known, range(scope.since, tools.clock.now().vendor, scope.settle));
    while let Some(question) = discovery.next() {
        match ask(tools, scope, question, true).await? {
            Ok((seen, total, more)) => discovery.on_answer(&seen, total, more),
            Err(error) => return Some(Err(error)),
        }
    }
    for name in discovery.respelled() {
        tracing::info!(feed = %name, "the vendor writes this feed's name in two ways; upper and lower case do not matter");
    }
    Some(Ok(discovery.known().clone()))
}

/// Whether the vendor still has anything of a feed; `None` when stopped.
///
/// # Errors
/// The last failure, after several tries.
pub(crate) async fn is_there(tools: &Tools, scope: Scope, feed: &FeedId) -> Option<Result<bool, VendorError>> {
    let window = range(scope.since, tools.clock.now().vendor, scope.settle);
    let question = DiscoveryRequest { feeds: vec![feed.clone()], window, page: 1 };
    // For a feed that the credential cannot see, the vendor answers with nothing, or with other feeds.
    Some(ask(tools, scope, question, false).await?.map(|(seen, _, _)| seen.contains(feed)))
}

/// The feeds of an answer's records, its total, and whether it names a next page.
type Found = (BTreeSet<FeedId>, u64, bool);

/// Sends one request of a search, again after failures that may pass; `None` when stopped. With `notices`, a failure puts up a
/// notice at once, because the tries may take long.
async fn ask(tools: &Tools, scope: Scope, question: DiscoveryRequest, notices: bool) -> Option<Result<Found, VendorError>> {
    let request = PageRequest { feeds: question.feeds, stream: scope.stream, window: question.window, page: question.page };
    let mut tries = Tries::new(scope.seed);
    loop {
        let error = match tools.vendor.sync_listings(&request, Priority::Poll, &tools.stop).await? {
            Ok(page) => {
                page.vendor_now.inspect(|now| tools.clock.hear(*now));
                tools.troubles.answered(None);
                let seen = page.records.iter().map(|record| record.key.feed.clone()).collect();
                return Some(Ok((seen, page.total, page.next_page.is_some())));
            }
            Err(error) => error,
        };
        error.vendor_now.inspect(|now| tools.clock.hear(*now));
        if notices {
            let note = Some(format!("the feeds of this credential are not known: {}", error.message));
            let told = tools.store.notice(Notice { feed: None, kind: "feeds", note, at: mirror_time() }).await;
            told.unwrap_or_else(|error| tracing::debug!(%error, "the notice could not be written"));
        }
        let Some(wait) = tries.failed(&error.failure) else { return Some(Err(error)) };
        let begins = tools.troubles.failed(Kind::of(&error.failure), None, &error.message);
        let host = tools.vendor.host();
        log_failure!(begins, host, retry_in = spoken(wait), "the search for feeds failed and will be tried again: {}", error.message);
        tools.stop.run_until_cancelled(tokio::time::sleep(wait)).await?;
    }
}
