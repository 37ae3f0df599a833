//! Asks the vendor what [`plan::discover`](crate::plan::discover) wants to know.

use super::clock::mirror_time;
use super::tools::Tools;
use crate::plan::discover::{Discovery, DiscoveryRequest, Tries, range};
use crate::record::{FeedId, PageRequest, Stamp, Stream};
use crate::store::Notice;
use crate::vendor::{Error as VendorError, Priority};
use std::collections::BTreeSet;
use std::time::Duration;

/// What is looked for, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope {
    /// The stream in which feeds are looked for.
    pub stream: Stream,
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
    while let Some(ask) = discovery.next() {
        match answer(tools, scope, ask, Some("feeds")).await? {
            Ok((seen, total, more)) => discovery.on_answer(&seen, total, more),
            Err(error) => return Some(Err(error)),
        }
    }
    Some(Ok(discovery.known().clone()))
}

/// Whether the vendor still has anything of a feed; `None` when stopped.
///
/// # Errors
/// The last failure, after several tries.
pub(crate) async fn is_there(tools: &Tools, scope: Scope, feed: &FeedId) -> Option<Result<bool, VendorError>> {
    let window = range(scope.since, tools.clock.now().vendor, scope.settle);
    let ask = DiscoveryRequest { feeds: vec![feed.clone()], window, page: 1 };
    // A feed that is out of sight is answered empty, or with other feeds.
    Some(answer(tools, scope, ask, None).await?.map(|(seen, _, _)| seen.contains(feed)))
}

type Found = (BTreeSet<FeedId>, u64, bool);

/// A failure is worth a notice of this kind at once: the tries may take long.
async fn answer(tools: &Tools, scope: Scope, ask: DiscoveryRequest, kind: Option<&'static str>) -> Option<Result<Found, VendorError>> {
    let request = PageRequest { feeds: ask.feeds, stream: scope.stream, window: ask.window, page: ask.page };
    let mut tries = Tries::new(scope.seed);
    loop {
        let error = match tools.vendor.sync_listings(&request, Priority::Poll, &tools.stop).await? {
            Ok(page) => {
                page.vendor_now.inspect(|now| tools.clock.hear(*now));
                let seen = page.records.iter().map(|record| record.key.feed.clone()).collect();
                return Some(Ok((seen, page.total, page.next_page.is_some())));
            }
            Err(error) => error,
        };
        error.vendor_now.inspect(|now| tools.clock.hear(*now));
        if let Some(kind) = kind {
            let note = Some(format!("the feeds of this credential are not known: {}", error.message));
            let told = tools.store.notice(Notice { feed: None, kind, note, at: mirror_time() }).await;
            told.unwrap_or_else(|error| tracing::debug!(%error, "the notice could not be written"));
        }
        let Some(wait) = tries.failed(&error.failure) else { return Some(Err(error)) };
        tracing::warn!(retry_in = ?wait, "looking for feeds: {}", error.message);
        tools.stop.run_until_cancelled(tokio::time::sleep(wait)).await?;
    }
}
