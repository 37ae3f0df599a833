//! The reading of agents, offices and open houses: one request at a time, each kind of each feed when it is due.

use super::clock::mirror_time;
use super::tools::Tools;
use crate::plan::brake::BrakeLimits;
use crate::plan::census::{ATTEMPTS, Next, Progress, Reading, Rhythm, after_doubt, after_failure, longest_wait, next_reading};
use crate::record::{Failure, FeedId, ListingId, Page, Stamp, Window};
use crate::store::{Census, Error as StoreError};
use crate::sync::heartbeat::Beat;
use crate::vendor::{Directory, Error};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::sleep;

/// A kind of which the vendor does not answer is left for so long, so that not every feed's reading fails.
const OUTAGE: Duration = Duration::from_secs(60);
/// The longest sleep: a feed may be added meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// The same while there is no feed.
const SOON: Duration = Duration::from_secs(1);
/// How often a page is asked for that does not come, and the pause before the next time.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_secs(2);
/// A kind that is refused before any feed was answered is left for so long.
const REFUSED: Duration = Duration::from_secs(3600);

/// A kind of thing that is read, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub directory: &'static Directory,
    pub rhythm: Rhythm,
    pub limits: BrakeLimits,
}

/// How a reading ended.
enum Outcome {
    Proven { began: String, keys: BTreeSet<ListingId>, unreadable: u64, changed: u64 },
    Doubtful(String),
    Failed(Error),
}

/// Reads what is due, until the process is stopped.
pub(crate) async fn work(tools: Tools, kinds: Vec<Kind>) {
    let mut round = Round::new(&tools, false);
    let mut is_told = false;
    while !tools.stop.is_cancelled() {
        let wait = match round.next(&kinds, None).await {
            Ok(wait) => {
                is_told = false;
                wait
            }
            // Whoever mirrors the listings ends the process where it lasts.
            Err(error) => {
                if !is_told {
                    tracing::warn!(%error, "agents, offices and open houses cannot be stored; tried again every minute");
                }
                is_told = true;
                OUTAGE
            }
        };
        let until = tools.clock.now().monotonic.saturating_add(wait);
        tools.progress.census_beat(Beat::Waiting { until });
        let _stopped = tools.stop.run_until_cancelled(sleep(wait)).await;
    }
    tools.progress.census_beat(Beat::Absent);
}

/// Reads once what is due of these feeds. What is not well is logged, and stands in the file.
pub(crate) async fn once(tools: &Tools, kinds: &[Kind], feeds: &BTreeSet<FeedId>) -> Result<(), StoreError> {
    Round::new(tools, true).next(kinds, Some(feeds)).await.map(drop)
}

pub(super) struct Round<'a> {
    pub(super) tools: &'a Tools,
    /// Nothing is read later, so only a refusal spares other feeds.
    is_single: bool,
    /// What was last told to be wrong, so that it is told once.
    told: BTreeMap<(FeedId, &'static str), String>,
    /// Kinds that are left alone, and until when.
    resting: BTreeMap<&'static str, Stamp>,
    /// Kinds of which a feed was answered: a refusal is that of one feed.
    answered: BTreeSet<&'static str>,
}

impl<'a> Round<'a> {
    fn new(tools: &'a Tools, is_single: bool) -> Round<'a> {
        Round { tools, is_single, told: BTreeMap::new(), resting: BTreeMap::new(), answered: BTreeSet::new() }
    }

    /// Reads what is due, or what is due of these feeds; tells how long nothing will be due.
    async fn next(&mut self, kinds: &[Kind], these: Option<&BTreeSet<FeedId>>) -> Result<Duration, StoreError> {
        // Those that have a worker: rows of other feeds are not looked after.
        let feeds = these.cloned().unwrap_or_else(|| self.tools.progress.snapshot().into_keys().collect());
        let mut wait = if feeds.is_empty() { SOON } else { LOOK_EVERY };
        let mut pairs = Vec::new();
        for feed in feeds {
            for kind in kinds {
                let census = Census { entity: kind.directory.entity, feed: feed.clone(), at: mirror_time() };
                pairs.push((self.tools.store.census(census).await?, feed.clone(), kind));
            }
        }
        // One that fails is due later than before, so it stands in nobody's way.
        pairs.sort_by_key(|(progress, ..)| progress.due);
        for (progress, feed, kind) in pairs {
            let left = self.left(kind, &progress);
            if !left.is_zero() || self.tools.stop.is_cancelled() {
                wait = wait.min(left);
                continue;
            }
            wait = wait.min(kind.rhythm.every);
            match self.read(kind, &feed, progress).await {
                // It was removed meanwhile.
                Err(StoreError::Removed(_)) => {}
                read => read?,
            }
        }
        Ok(wait)
    }

    /// Reads a kind of a feed, and writes down where that stands.
    async fn read(&mut self, kind: &Kind, feed: &FeedId, mut progress: Progress) -> Result<(), StoreError> {
        let (tools, began) = (self.tools, now());
        let (window, is_whole) = next_reading(&progress, kind.rhythm, began);
        // Written down before the first request: a database that refuses causes none.
        progress.due = Some(began.plus(OUTAGE.min(kind.rhythm.every)));
        let census = Census { entity: kind.directory.entity, feed: feed.clone(), at: mirror_time() };
        tools.store.save_due(census, progress.due).await?;
        let Some(outcome) = self.attempts(kind, feed, window).await? else { return Ok(()) };
        progress.due = Some(began.plus(kind.rhythm.every));
        let (mut rows, mut problem) = (None, None);
        match outcome {
            Outcome::Proven { began, keys, unreadable, changed } => {
                self.answered.insert(kind.directory.entity.name);
                progress.read = Stamp::parse(&began);
                tracing::debug!(%feed, service = kind.directory.service(), read = keys.len(), changed, is_whole, "read");
                if unreadable > 0 {
                    problem = Some(format!("{unreadable} records could not be read (`mls-sync rejects`), so nothing is deleted"));
                }
                // A vendor that has none yet is asked for all of them again.
                let is_whole = is_whole && (!keys.is_empty() || progress.whole.is_some() || !kind.rhythm.has_updates);
                if is_whole {
                    if progress.whole.is_none() {
                        tracing::info!(%feed, service = kind.directory.service(), read = keys.len(), "read whole for the first time");
                    }
                    (progress.whole, rows) = (progress.read, Some(keys.len() as u64));
                }
                if is_whole && unreadable == 0 {
                    problem = match self.sweep(kind, feed, &began, keys).await? {
                        Some(withheld) => withheld,
                        None => return Ok(()),
                    };
                }
            }
            Outcome::Doubtful(why) => {
                progress.due = Some(began.plus(after_doubt(kind.rhythm)));
                problem = Some(format!("no whole reading: {why}"));
            }
            Outcome::Failed(error) => {
                progress.due = Some(began.plus(after_failure(kind.rhythm, &error.failure)));
                self.rest(kind, &error.failure);
                problem = Some(error.message);
            }
        }
        self.tell(kind, feed, problem.as_ref());
        let census = Census { entity: kind.directory.entity, feed: feed.clone(), at: mirror_time() };
        tools.store.save_census(census, progress, rows, problem).await
    }

    /// How long a kind of a feed is not due. A single run reads what was never read.
    fn left(&self, kind: &Kind, progress: &Progress) -> Duration {
        let rests = self.resting.get(kind.directory.entity.name).map_or(Duration::ZERO, |until| until.since(now()));
        let due =
            progress.due.filter(|_| !self.is_single || progress.read.is_some()).map(|due| due.min(now().plus(longest_wait(kind.rhythm))));
        due.map_or(Duration::ZERO, |due| due.since(now())).max(rests)
    }

    /// Leaves a kind alone for a while, where the failure is likely to be that of the next feed, too.
    fn rest(&mut self, kind: &Kind, failure: &Failure) {
        let name = kind.directory.entity.name;
        let wait = match failure {
            Failure::Unavailable | Failure::Throttled { .. } if !self.is_single => OUTAGE,
            Failure::Unauthorized if !self.answered.contains(name) => REFUSED,
            _ => return,
        };
        self.resting.insert(name, now().plus(wait));
    }

    /// Reads until a reading is proven, a few times at most; `None` when stopped.
    async fn attempts(&self, kind: &Kind, feed: &FeedId, window: Window) -> Result<Option<Outcome>, StoreError> {
        let mut doubt = String::new();
        for _ in 0..ATTEMPTS {
            match self.attempt(kind, feed, window).await? {
                Some(Outcome::Doubtful(why)) => doubt = why,
                ended => return Ok(ended),
            }
        }
        Ok(Some(Outcome::Doubtful(doubt)))
    }

    async fn attempt(&self, kind: &Kind, feed: &FeedId, window: Window) -> Result<Option<Outcome>, StoreError> {
        let (began, mut reading, mut changed, mut number) = (mirror_time(), Reading::default(), 0, 1);
        loop {
            let page = match self.page(kind, feed, (window, number)).await {
                None => return Ok(None),
                Some(Err(error)) => return Ok(Some(Outcome::Failed(error))),
                Some(Ok(page)) => page,
            };
            let next = reading.on_page(&page);
            changed += self.store(kind, feed, page).await?;
            match next {
                Next::Page(next) => number = next,
                Next::Proven => {
                    let unreadable = reading.unreadable();
                    return Ok(Some(Outcome::Proven { began, keys: reading.into_keys(), unreadable, changed }));
                }
                Next::Doubtful(why) => return Ok(Some(Outcome::Doubtful(why))),
            }
        }
    }

    /// Asks for a page; a few times where the vendor wants a pause, or does not answer. `None` when stopped.
    async fn page(&self, kind: &Kind, feed: &FeedId, (window, number): (Window, u32)) -> Option<Result<Page, Error>> {
        let tools = self.tools;
        for _ in 1..TRIES {
            tools.progress.census_beat(Beat::Queued);
            match tools.vendor.directory(kind.directory, (feed, window, number), &tools.stop).await? {
                // The next request waits for as long as the vendor said.
                Err(Error { failure: Failure::Throttled { .. }, .. }) => {}
                Err(Error { failure: Failure::Unavailable, .. }) => tools.stop.run_until_cancelled(sleep(PAUSE)).await?,
                answer => return Some(answer),
            }
        }
        tools.vendor.directory(kind.directory, (feed, window, number), &tools.stop).await
    }

    pub(super) async fn store(&self, kind: &Kind, feed: &FeedId, page: Page) -> Result<u64, StoreError> {
        self.tools.progress.census_beat(Beat::Working { since: self.tools.clock.now().monotonic });
        let census = Census { entity: kind.directory.entity, feed: feed.clone(), at: mirror_time() };
        self.tools.store.store_census(census, page).await
    }

    /// Logs a trouble once, and its end.
    fn tell(&mut self, kind: &Kind, feed: &FeedId, problem: Option<&String>) {
        let (name, service) = (kind.directory.entity.name, kind.directory.service());
        let key = (feed.clone(), name);
        match problem {
            Some(problem) => {
                if self.told.insert(key, problem.clone()).is_none() {
                    tracing::warn!(%feed, service, "{problem}");
                }
            }
            None => {
                if self.told.remove(&key).is_some() {
                    tracing::info!(%feed, service, "all is well again");
                }
            }
        }
    }
}

fn now() -> Stamp {
    Stamp::from_utc(chrono::Utc::now())
}
