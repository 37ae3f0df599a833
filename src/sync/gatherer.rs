//! Gathers what several feeds ask for at the same moment into one request, and gives each its part of the answer.
//!
//! What is asked together, and what an answer is worth, [`plan::sharing`](crate::plan::sharing) decides.

use super::shared::{Ask, Waiting};
use super::tools::Tools;
use crate::plan::gathering::{Gathering, Outcome};
use crate::plan::sharing::{Reach, Sharing, one_list};
use crate::record::{Failure, FeedId, ListingId, Page, PageRequest, Presence, Stamp, Stream, Window, spoken};
use crate::vendor::{Error as VendorError, Priority};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

/// A round begins when no feed has asked for this long, and at the latest after [`LONGEST_GATHER`].
const QUIET: Duration = Duration::from_millis(40);
const LONGEST_GATHER: Duration = Duration::from_millis(500);
/// One feed that is asked to find out whether it causes a trouble is given up after this; it then asks alone.
const PATIENCE: Duration = Duration::from_secs(10);
/// Whether the vendor answers for a list of feeds is found out again after this, where it was not.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);
/// So many of a feed's listings are looked for: some may have changed just now.
const SAMPLES: usize = 5;

/// Serves until it is stopped; polls and look-backs each for themselves.
pub(crate) async fn serve(tools: Tools, Waiting(ways): Waiting) {
    let mut tasks = tokio::task::JoinSet::new();
    for (priority, asks) in ways {
        let service = Service { tools: tools.clone(), priority, rules: BTreeMap::new(), lists_work: None };
        tasks.spawn(service.work(asks));
    }
    while let Some(ended) = tasks.join_next().await {
        // A panic must end the process, as that of any other task does.
        ended.expect("a service of shared requests does not panic");
    }
}

/// What can be asked in one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Alike {
    reach: Reach,
    stream: Stream,
}

struct Service {
    tools: Tools,
    priority: Priority,
    /// What was learned of each kind of request.
    rules: BTreeMap<Alike, Sharing>,
    /// Whether the vendor answers for each feed of a list, and when that was found.
    lists_work: Option<(bool, Instant)>,
}

impl Service {
    async fn work(mut self, mut asks: mpsc::Receiver<Ask>) {
        let stop = self.tools.stop.clone();
        while let Some(Some(first)) = stop.run_until_cancelled(asks.recv()).await {
            let mut rounds: BTreeMap<Alike, Vec<Ask>> = BTreeMap::new();
            let latest = Instant::now() + LONGEST_GATHER;
            let mut next = Some(first);
            while let Some(ask) = next {
                let (stream, reach) = (ask.stream, ask.question.reach());
                rounds.entry(Alike { reach, stream }).or_default().push(ask);
                next = timeout_at(latest.min(Instant::now() + QUIET), asks.recv()).await.ok().flatten();
            }
            for (alike, asks) in rounds {
                // Whoever is not told asks alone.
                if asks.len() > 1 && self.may_list(&asks).await {
                    self.round(alike, asks).await;
                }
            }
        }
    }

    async fn round(&mut self, key: Alike, asks: Vec<Ask>) {
        let questions = asks.iter().map(|ask| ask.question.clone()).collect();
        let mut replies: BTreeMap<FeedId, _> = asks.into_iter().map(|ask| (ask.question.feed, ask.reply)).collect();
        let mut sharing = self.rules.remove(&key).unwrap_or_default();
        let mut gathering = Gathering::begin(&mut sharing, key.stream, questions);
        while let Some(request) = gathering.next(&sharing) {
            let Some(answer) = ask(&self.tools, self.priority, &request).await else { return };
            let told = match &answer {
                Ok(page) => gathering.answered(&mut sharing, page.clone()),
                Err(error) => {
                    tracing::debug!(feeds = request.feeds.len(), "a shared request failed: {}", error.message);
                    gathering.failed(&error.failure)
                }
            };
            for (feed, outcome) in told {
                let Some(reply) = replies.remove(&feed) else { continue };
                match (outcome, &answer) {
                    (Outcome::Page(page), _) => drop(reply.send(Ok(page))),
                    (Outcome::Failed, Err(error)) => drop(reply.send(Err(error.clone()))),
                    (Outcome::Failed, Ok(_)) | (Outcome::Alone, _) => drop(reply),
                }
            }
            if let (Ok(page), Presence::Deleted) = (&answer, key.stream.presence()) {
                let deleted = page.records.iter().map(|record| record.key.clone()).collect();
                self.rules.values_mut().for_each(|sharing| sharing.forget(&deleted));
            }
        }
        // Whoever is left is not told, and asks alone.
        gathering.end(&mut sharing);
        self.rules.insert(key, sharing);
    }

    /// Whether the vendor answers for each feed of a list, as its document says: found out once, with listings that are known, of two
    /// feeds at the ends of the list. A vendor that heeds only one feed of it would be silent about all others.
    async fn may_list(&mut self, asks: &[Ask]) -> bool {
        match self.lists_work {
            Some((true, _)) => return true,
            Some((false, since)) if since.elapsed() < LOOK_AGAIN => return false,
            Some(_) | None => {}
        }
        let feeds: Vec<FeedId> = one_list(asks.iter().map(|ask| ask.question.feed.clone()));
        let Some(works) = self.lists(&feeds).await else { return false };
        if !works {
            tracing::warn!("the vendor does not answer for each feed of a list, so each feed is asked by itself");
        }
        self.lists_work = Some((works, Instant::now()));
        works
    }

    /// `None` where nothing is known yet that could be looked for, or no answer came.
    async fn lists(&self, feeds: &[FeedId]) -> Option<bool> {
        let mut ends = Vec::new();
        for side in [feeds.iter().collect::<Vec<_>>(), feeds.iter().rev().collect()] {
            for feed in side {
                let samples = self.tools.store.samples(feed, SAMPLES).await.ok()?;
                if !samples.is_empty() {
                    ends.push((feed, samples));
                    break;
                }
            }
        }
        let [(first, _), (last, _)] = ends.as_slice() else { return None };
        if first == last {
            return None;
        }
        for (feed, samples) in ends {
            if !self.shows_one(feeds, feed, samples).await? {
                return Some(false);
            }
        }
        Some(true)
    }

    /// Whether a request for all these feeds shows one of these listings.
    async fn shows_one(&self, feeds: &[FeedId], feed: &FeedId, samples: Vec<(ListingId, Stamp)>) -> Option<bool> {
        for (listing, stamp) in samples {
            let window = Window { from: stamp.minus(Duration::from_secs(2)), to: stamp.plus(Duration::from_secs(2)) };
            let request = PageRequest { feeds: feeds.to_vec(), stream: Stream::All, window, page: 1 };
            let page = match ask(&self.tools, self.priority, &request).await? {
                Ok(page) => page,
                // A vendor that is down says nothing of lists; one that refuses does.
                Err(error) => return (error.failure == Failure::Refused).then_some(false),
            };
            if page.records.iter().any(|record| record.key.feed == *feed && record.key.listing == listing) {
                return Some(true);
            }
        }
        Some(false)
    }
}

/// Sends one request; `None` when stopped.
async fn ask(tools: &Tools, priority: Priority, request: &PageRequest) -> Option<Result<Page, VendorError>> {
    let sent = tools.vendor.sync_listings(request, priority, &tools.stop);
    let answer = match request.feeds.len() {
        1 => timeout(PATIENCE, sent).await.unwrap_or_else(|_| Some(Err(late())))?,
        _ => sent.await?,
    };
    let vendor_now = answer.as_ref().map_or_else(|error| error.vendor_now, |page| page.vendor_now);
    vendor_now.inspect(|utc| tools.clock.hear(*utc));
    Some(answer)
}

fn late() -> VendorError {
    VendorError { failure: Failure::Unavailable, message: format!("no answer within {}", spoken(PATIENCE)), vendor_now: None }
}
