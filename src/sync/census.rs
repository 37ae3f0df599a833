//! The reading of agents, offices and open houses: one request at a time, each kind of each feed when it is due.

use super::clock::mirror_time;
use super::tools::Tools;
use crate::plan::brake::BrakeLimits;
use crate::plan::census::{ATTEMPTS, Next, Progress, Reading, Rhythm, after_doubt, after_failure, longest_wait, next_reading, rule};
use crate::record::{Failure, FeedId, ListingId, Page, Stamp, Window};
use crate::store::{Census, Error as StoreError};
use crate::sync::heartbeat::Beat;
use crate::vendor::{Directory, Error};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::sleep;

/// In an outage one request is made after each such time, and not one for each feed.
const OUTAGE: Duration = Duration::from_secs(60);
/// The longest sleep: a feed may be added meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// The same while there is no feed.
const SOON: Duration = Duration::from_secs(1);
/// How often a page is asked for that does not come, and the pause before the next time.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_secs(2);
/// After so many of which it cannot be learnt whether they are gone, no more is asked until the next reading.
const MOST_UNKNOWN: usize = 10;

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
    let mut round = Round { tools: &tools, told: BTreeMap::new() };
    while !tools.stop.is_cancelled() {
        let wait = match round.next(&kinds, None).await {
            Ok(wait) => wait,
            // Whoever mirrors the listings tells of it, and ends the process where it lasts.
            Err(error) => {
                tracing::debug!(%error, "the database cannot be used for agents, offices and open houses at present");
                OUTAGE
            }
        };
        let until = tools.clock.now().monotonic.saturating_add(wait);
        tools.progress.census_beat(Beat::Waiting { until });
        let _stopped = tools.stop.run_until_cancelled(sleep(wait)).await;
    }
    tools.progress.census_beat(Beat::Absent);
}

/// Reads each kind of these feeds once; tells what is not well, by feed.
pub(crate) async fn once(tools: &Tools, kinds: &[Kind], feeds: &BTreeSet<FeedId>) -> Result<BTreeMap<FeedId, Vec<String>>, StoreError> {
    let mut round = Round { tools, told: BTreeMap::new() };
    round.next(kinds, Some(feeds)).await?;
    let mut troubles: BTreeMap<FeedId, Vec<String>> = BTreeMap::new();
    for ((feed, name), problem) in round.told {
        troubles.entry(feed).or_default().push(format!("{name}: {problem}"));
    }
    Ok(troubles)
}

struct Round<'a> {
    tools: &'a Tools,
    /// What was last told to be wrong, so that it is told once.
    told: BTreeMap<(FeedId, &'static str), String>,
}

impl Round<'_> {
    /// Reads what is due, or everything of these feeds; tells how long nothing will be due.
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
            let left = progress.due.map_or(Duration::ZERO, |due| due.min(now().plus(longest_wait(kind.rhythm))).since(now()));
            if !left.is_zero() && these.is_none() || self.tools.stop.is_cancelled() {
                wait = wait.min(left);
                continue;
            }
            wait = wait.min(kind.rhythm.every);
            match self.read(kind, &feed, progress).await {
                // It was removed meanwhile.
                Err(StoreError::Removed(_)) => {}
                Ok(false) => return Ok(OUTAGE),
                read => drop(read?),
            }
        }
        Ok(wait)
    }

    /// Reads a kind of a feed, and writes down where that stands; tells whether the vendor answers at all.
    async fn read(&mut self, kind: &Kind, feed: &FeedId, mut progress: Progress) -> Result<bool, StoreError> {
        let (tools, began) = (self.tools, now());
        let (window, is_whole) = next_reading(&progress, kind.rhythm, began);
        let Some(outcome) = self.attempts(kind, feed, window).await? else { return Ok(true) };
        let mut answers = true;
        progress.due = Some(began.plus(kind.rhythm.every));
        let (mut rows, mut problem) = (None, None);
        match outcome {
            Outcome::Proven { began, keys, unreadable, changed } => {
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
                        None => return Ok(true),
                    };
                }
            }
            Outcome::Doubtful(why) => {
                progress.due = Some(began.plus(after_doubt(kind.rhythm)));
                problem = Some(format!("no whole reading: {why}"));
            }
            Outcome::Failed(error) => {
                progress.due = Some(began.plus(after_failure(kind.rhythm, &error.failure)));
                answers = !matches!(error.failure, Failure::Unavailable | Failure::Throttled { .. });
                problem = Some(error.message);
            }
        }
        self.tell(kind, feed, problem.as_ref());
        let census = Census { entity: kind.directory.entity, feed: feed.clone(), at: mirror_time() };
        tools.store.save_census(census, progress, rows, problem).await?;
        Ok(answers)
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

    async fn store(&self, kind: &Kind, feed: &FeedId, page: Page) -> Result<u64, StoreError> {
        self.tools.progress.census_beat(Beat::Working { since: self.tools.clock.now().monotonic });
        let census = Census { entity: kind.directory.entity, feed: feed.clone(), at: mirror_time() };
        self.tools.store.store_census(census, page).await
    }

    /// Deletes what a whole reading lacks, as far as that may be; tells why the rest may not. The outer `None` when stopped.
    async fn sweep(
        &self,
        kind: &Kind,
        feed: &FeedId,
        began: &str,
        keys: BTreeSet<ListingId>,
    ) -> Result<Option<Option<String>>, StoreError> {
        let (tools, directory) = (self.tools, kind.directory);
        let census = || Census { entity: directory.entity, feed: feed.clone(), at: mirror_time() };
        let found = tools.store.absences(census(), began.to_owned(), keys).await?;
        let Some(time) = Stamp::parse(began) else { return Ok(Some(None)) };
        let ruling = rule(found, directory.has_ids(), kind.limits, time);
        let (mut gone, mut unknown) = (Vec::new(), Vec::new());
        for id in ruling.ripe {
            match self.is_gone(kind, feed, &id).await? {
                None => return Ok(None),
                Some(Ok(true)) => gone.push(id),
                Some(Ok(false)) => tools.store.not_absent(census(), id).await?,
                Some(Err(why)) => unknown.push(format!("whether {} {id} is gone could not be learnt: {why}", directory.entity.name)),
            }
            if unknown.len() >= MOST_UNKNOWN {
                break;
            }
        }
        if !gone.is_empty() {
            tracing::info!(%feed, service = directory.service(), deleted = gone.len(), "a whole reading lacks rows, so they are deleted");
            tools.store.delete_absent(census(), gone).await?;
        }
        Ok(Some(ruling.withheld.or_else(|| unknown.pop())))
    }

    /// Whether the vendor confirms that one is gone; the error says why that is not known. What it answers is stored.
    async fn is_gone(&self, kind: &Kind, feed: &FeedId, id: &ListingId) -> Result<Option<Result<bool, String>>, StoreError> {
        // Where it cannot be asked for, a second reading has confirmed it.
        if !kind.directory.has_ids() {
            return Ok(Some(Ok(true)));
        }
        self.tools.progress.census_beat(Beat::Queued);
        let page = match self.tools.vendor.directory_entry(kind.directory, (feed, id), &self.tools.stop).await {
            None => return Ok(None),
            Some(Err(error)) => return Ok(Some(Err(error.message))),
            Some(Ok(page)) => page,
        };
        let is_there = page.records.iter().any(|record| record.key.listing == *id);
        let is_empty = page.records.is_empty() && page.rejects.is_empty() && page.total == 0;
        if !is_empty {
            self.store(kind, feed, page).await?;
        }
        Ok(Some(if is_there || is_empty { Ok(is_empty) } else { Err("the vendor answers with others".to_owned()) }))
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
