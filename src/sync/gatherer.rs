//! Gathers what several feeds ask for at the same moment into one request, and gives each its part of the answer.
//!
//! What is asked together, and what an answer is worth, [`plan::sharing`](crate::plan::sharing) decides.

use super::shared::{Ask, Waiting};
use super::tools::Tools;
use crate::plan::gathering::{Gathering, Outcome};
use crate::plan::sharing::{Alike, Learned, one_list};
use crate::record::{Failure, FeedId, ListingId, Page, PageRequest, Stamp, Stream, Window};
use crate::vendor::{Error as VendorError, Priority};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// A round of polls begins when no feed has asked for this long, and at the latest after the second time.
const GATHER_POLLS: (Duration, Duration) = (Duration::from_millis(40), Duration::from_millis(500));
/// The same for look-backs, which are not urgent: while many feeds are loaded, they come one after another.
const GATHER_LOOKBACKS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3));
/// A round ends after this; feeds that were not answered by then ask alone.
const LONGEST_ROUND: Duration = Duration::from_secs(30);
/// Whether the vendor answers for each feed of a list is found out again after this, or when a list is longer.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);
/// The same where it could not be found out.
const TRY_AGAIN: Duration = Duration::from_secs(60);
/// So many of a feed's listings are looked for: some may have changed just now.
const SAMPLES: usize = 5;

/// Serves until it is stopped; polls and look-backs each for themselves.
pub(crate) async fn serve(tools: Tools, Waiting(ways): Waiting) {
    let mut tasks = tokio::task::JoinSet::new();
    for (priority, asks) in ways {
        let service = Service { tools: tools.clone(), priority, learned: Learned::default(), lists: None };
        tasks.spawn(service.work(asks));
    }
    while let Some(ended) = tasks.join_next().await {
        // A panic must end the process, as that of any other task does.
        ended.expect("a service of shared requests does not panic");
    }
}

struct Service {
    tools: Tools,
    priority: Priority,
    learned: Learned,
    lists: Option<Lists>,
}

/// What was found of lists of feeds.
struct Lists {
    /// The vendor answers for each feed of a list.
    work: bool,
    /// So many feeds were on it.
    longest: usize,
    /// It is found out again then.
    until: Instant,
}

impl Service {
    async fn work(mut self, mut asks: mpsc::Receiver<Ask>) {
        let stop = self.tools.stop.clone();
        let (quiet, longest) = match self.priority {
            Priority::Poll => GATHER_POLLS,
            Priority::Fill => GATHER_LOOKBACKS,
        };
        while let Some(Some(first)) = stop.run_until_cancelled(asks.recv()).await {
            let mut rounds: BTreeMap<Alike, Vec<Ask>> = BTreeMap::new();
            let latest = Instant::now() + longest;
            let mut next = Some(first);
            while let Some(ask) = next {
                let (stream, reach) = (ask.stream, ask.question.reach());
                rounds.entry(Alike { reach, stream }).or_default().push(ask);
                let until = latest.min(Instant::now() + quiet);
                next = stop.run_until_cancelled(timeout_at(until, asks.recv())).await.and_then(Result::ok).flatten();
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
        let mut sharing = self.learned.take(key);
        let mut gathering = Gathering::begin(&mut sharing, key.stream, questions);
        let latest = Instant::now() + LONGEST_ROUND;
        while Instant::now() < latest
            && let Some(request) = gathering.next(&sharing)
        {
            let Some(answer) = ask(&self.tools, self.priority, &request).await else { return };
            let (told, failed) = match answer {
                Ok(page) => {
                    self.learned.answered(key.stream, &page);
                    (gathering.answered(&mut sharing, page), None)
                }
                Err(error) => {
                    tracing::debug!(feeds = request.feeds.len(), "a shared request failed: {}", error.message);
                    (gathering.failed(&error.failure), Some(error))
                }
            };
            for (feed, outcome) in told {
                let Some(reply) = replies.remove(&feed) else { continue };
                match (outcome, &failed) {
                    (Outcome::Page(page), _) => drop(reply.send(Ok(page))),
                    (Outcome::Failed, Some(error)) => drop(reply.send(Err(error.clone()))),
                    (Outcome::Failed, None) | (Outcome::Alone, _) => drop(reply),
                }
            }
        }
        // Whoever was not told asks alone.
        gathering.end(&mut sharing);
        self.learned.put(key, sharing);
    }

    /// Whether the vendor answers for each feed of a list, as its document says: found out once, with listings that are known, of two
    /// feeds at the ends of the list. A vendor that heeds only one feed of it would be silent about all others.
    async fn may_list(&mut self, asks: &[Ask]) -> bool {
        let feeds: Vec<FeedId> = one_list(asks.iter().map(|ask| ask.question.feed.clone()));
        let known = self.lists.as_ref().filter(|lists| Instant::now() < lists.until && (!lists.work || feeds.len() <= lists.longest));
        if let Some(lists) = known {
            return lists.work;
        }
        // Where nothing is known yet that could be looked for, the next round tries again.
        let Some(ends) = self.ends(&feeds).await else { return false };
        let found = self.lists(&feeds, ends).await;
        if found == Some(false) {
            tracing::warn!("the vendor does not answer for each feed of a list, so each feed is asked by itself");
        }
        let until = Instant::now() + if found.is_some() { LOOK_AGAIN } else { TRY_AGAIN };
        self.lists = Some(Lists { work: found == Some(true), longest: feeds.len(), until });
        found == Some(true)
    }

    /// Known listings of two feeds, as far apart on the list as may be.
    async fn ends<'a>(&self, feeds: &'a [FeedId]) -> Option<Vec<(&'a FeedId, Vec<(ListingId, Stamp)>)>> {
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
        (first != last).then_some(ends)
    }

    /// `None` where no answer came.
    async fn lists(&self, feeds: &[FeedId], ends: Vec<(&FeedId, Vec<(ListingId, Stamp)>)>) -> Option<bool> {
        for (feed, samples) in ends {
            if !self.shows_one(feeds, feed, samples).await? {
                return Some(false);
            }
        }
        Some(true)
    }

    /// Whether a request for all these feeds shows one of these listings; `None` where no answer tells.
    async fn shows_one(&self, feeds: &[FeedId], feed: &FeedId, samples: Vec<(ListingId, Stamp)>) -> Option<bool> {
        let mut tells = None;
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
            // Where very many listings have the same stamp, it may be on another page.
            if page.records.len() as u64 >= page.total {
                tells = Some(false);
            }
        }
        tells
    }
}

/// Sends one request; `None` when stopped.
async fn ask(tools: &Tools, priority: Priority, request: &PageRequest) -> Option<Result<Page, VendorError>> {
    let answer = tools.vendor.sync_feeds(request, priority, &tools.stop).await?;
    let vendor_now = answer.as_ref().map_or_else(|error| error.vendor_now, |page| page.vendor_now);
    vendor_now.inspect(|utc| tools.clock.hear(*utc));
    Some(answer)
}
