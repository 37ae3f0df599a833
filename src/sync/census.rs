//! The reading of kinds of things whole: one request at a time, each kind of each feed or account when it is due.

use super::clock::mirror_time;
use super::tools::CensusTools;
use crate::plan::brake::BrakeLimits;
use crate::plan::census::{Progress, Rhythm, after_doubt, after_failure, longest_wait, next_reading};
use crate::plan::merge::ActionKind;
use crate::record::{Failure, FeedId, ListingId, Page, Presence, Stamp};
use crate::store::{Census, Error as StoreError};
use crate::sync::heartbeat::Beat;
use crate::vendor::Error;
use crate::vendor::catalogue::Catalogue;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::sleep;

/// The pause for a kind after the vendor did not answer, so that the readings of other feeds do not fail as well.
const OUTAGE: Duration = Duration::from_secs(60);
/// The longest sleep, so that a feed that is added meanwhile is noticed.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// The sleep while there is no feed.
const SOON: Duration = Duration::from_secs(1);
/// The pause for a kind whose credential was refused before any feed was answered.
const REFUSED: Duration = Duration::from_secs(3600);

/// A kind of thing that is read, and how.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    pub catalogue: Catalogue,
    /// Whose it is; `None` where each feed has some.
    pub account: Option<FeedId>,
    pub rhythm: Rhythm,
    pub limits: BrakeLimits,
}

/// How a reading ended.
pub(super) enum Outcome {
    Proven {
        began: String,
        keys: BTreeSet<ListingId>,
        live: u64,
        credential: Option<String>,
        unreadable: u64,
        changed: BTreeMap<ListingId, ActionKind>,
    },
    Doubtful(String),
    Failed(Error),
}

/// Reads what is due, until the process is stopped.
pub(crate) async fn work(tools: CensusTools, kinds: Vec<Kind>) {
    let mut round = Round::new(&tools, Occasion::Repeated);
    let mut is_told = false;
    while !tools.stop.is_cancelled() {
        let wait = match round.next(&kinds, None).await {
            Ok(wait) => {
                is_told = false;
                wait
            }
            // Where the database stays unusable, the workers of the listings end the process.
            Err(error) => {
                if !is_told {
                    tracing::warn!(%error, vendor = tools.vendor, "what is read whole cannot be stored; tried again every minute");
                }
                is_told = true;
                OUTAGE
            }
        };
        let until = tools.clock.now().monotonic.saturating_add(wait);
        tools.beat(Beat::Waiting { until });
        round.occasion = tokio::select! {
            () = tools.again.notified() => Occasion::Now,
            _stopped = tools.stop.run_until_cancelled(sleep(wait)) => Occasion::Repeated,
        };
    }
    tools.beat(Beat::Absent);
}

/// Reads once what is due of these feeds. What is not well is logged, and stands in the file.
pub(crate) async fn once(tools: &CensusTools, kinds: &[Kind], feeds: &BTreeSet<FeedId>) -> Result<(), StoreError> {
    let done = Round::new(tools, Occasion::Single).next(kinds, Some(feeds)).await;
    tools.beat(Beat::Absent);
    done.map(drop)
}

/// Reads everything of an account, due or not.
pub(crate) async fn now(tools: &CensusTools, kind: &Kind) -> Result<(), StoreError> {
    let done = Round::new(tools, Occasion::Now).next(std::slice::from_ref(kind), Some(&BTreeSet::new())).await;
    tools.beat(Beat::Absent);
    done.map(drop)
}

/// Why a round of readings is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Occasion {
    /// It is one of many.
    Repeated,
    /// One round, and then the process ends. Only a refused credential makes it pass over other feeds.
    Single,
    /// As `Single`, and what is not due is read, too, because a person asked for it.
    Now,
}

pub(super) struct Round<'a> {
    pub(super) tools: &'a CensusTools,
    occasion: Occasion,
    /// Rows are not changed.
    is_dry: bool,
    /// What was last told to be wrong, so that it is told once.
    told: BTreeMap<(FeedId, &'static str), String>,
    /// Kinds that are left alone, and until when.
    resting: BTreeMap<&'static str, Stamp>,
    /// Kinds of which a feed was answered: a refusal is that of one feed.
    answered: BTreeSet<&'static str>,
}

impl<'a> Round<'a> {
    fn new(tools: &'a CensusTools, occasion: Occasion) -> Round<'a> {
        Round { tools, occasion, is_dry: false, told: BTreeMap::new(), resting: BTreeMap::new(), answered: BTreeSet::new() }
    }

    /// One that changes no row.
    pub(super) fn dry(tools: &'a CensusTools) -> Round<'a> {
        Round { is_dry: true, ..Round::new(tools, Occasion::Now) }
    }

    /// Reads what is due, or what is due of these feeds; tells how long nothing will be due.
    async fn next(&mut self, kinds: &[Kind], these: Option<&BTreeSet<FeedId>>) -> Result<Duration, StoreError> {
        // Those that have a worker: rows of other feeds are not looked after.
        let feeds = these.cloned().unwrap_or_else(|| self.tools.progress.snapshot().into_keys().collect());
        let owners = kinds.iter().flat_map(|kind| match &kind.account {
            Some(account) => vec![(account.clone(), kind)],
            None => feeds.iter().map(|feed| (feed.clone(), kind)).collect(),
        });
        let mut pairs = Vec::new();
        for (feed, kind) in owners {
            pairs.push((self.tools.store.census(census(kind, &feed)).await?, feed, kind));
        }
        let mut wait = if pairs.is_empty() { SOON } else { LOOK_EVERY };
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
        let (tools, began) = (self.tools, utc());
        let (window, is_whole) = next_reading(&progress, kind.rhythm, began);
        // Written down before the first request: a database that refuses causes none.
        progress.due = Some(began.plus(OUTAGE.min(kind.rhythm.every)));
        tools.store.save_due(census(kind, feed), progress.due).await?;
        let Some(outcome) = self.attempts(kind, feed, window).await? else { return Ok(()) };
        progress.due = Some(began.plus(kind.rhythm.every));
        let (mut rows, mut problem) = (None, None);
        match outcome {
            Outcome::Proven { began, keys, live, credential, unreadable, changed } => {
                self.answered.insert(kind.catalogue.entity().name);
                progress.read = Stamp::parse(&began);
                tracing::debug!(%feed, service = kind.catalogue.service(), read = keys.len(), changed = changed.len(), is_whole, "read");
                if unreadable > 0 {
                    problem = Some(format!("{unreadable} records could not be read (`mls-sync rejects`), so nothing is deleted"));
                }
                // A vendor that has none yet is asked for all of them again.
                let is_whole = is_whole && (!keys.is_empty() || progress.whole.is_some() || !kind.rhythm.has_updates);
                if is_whole {
                    if progress.whole.is_none() {
                        tracing::info!(%feed, service = kind.catalogue.service(), read = keys.len(), "read whole for the first time");
                    }
                    (progress.whole, rows) = (progress.read, Some(live));
                }
                if is_whole && unreadable == 0 {
                    progress.complete = progress.read;
                    let is_other = progress.credential.is_some() && progress.credential != credential;
                    problem = match self.sweep(kind, feed, &began, (keys, live, is_other)).await? {
                        Some(withheld) => withheld,
                        None => return Ok(()),
                    };
                    if problem.is_none() {
                        progress.credential = credential;
                    }
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
        tools.store.save_census(census(kind, feed), progress, rows, problem).await
    }

    /// How long a kind of a feed is not due. A single run reads what was never read.
    fn left(&self, kind: &Kind, progress: &Progress) -> Duration {
        if self.occasion == Occasion::Now {
            return Duration::ZERO;
        }
        let rests = self.resting.get(kind.catalogue.entity().name).map_or(Duration::ZERO, |until| until.since(utc()));
        let due = progress
            .due
            .filter(|_| self.occasion == Occasion::Repeated || progress.read.is_some())
            .map(|due| due.min(utc().plus(longest_wait(kind.rhythm))));
        due.map_or(Duration::ZERO, |due| due.since(utc())).max(rests)
    }

    /// Leaves a kind alone for a while, where the failure is likely to be that of the next feed, too.
    fn rest(&mut self, kind: &Kind, failure: &Failure) {
        let name = kind.catalogue.entity().name;
        let wait = match failure {
            Failure::Unavailable | Failure::Throttled { .. } if self.occasion == Occasion::Repeated => OUTAGE,
            Failure::Unauthorized if !self.answered.contains(name) => REFUSED,
            _ => return,
        };
        self.resting.insert(name, utc().plus(wait));
    }

    /// Stores a page, or only tells which rows it changes.
    pub(super) async fn store(
        &self,
        kind: &Kind,
        feed: &FeedId,
        (presence, page): (Presence, Page),
    ) -> Result<BTreeMap<ListingId, ActionKind>, StoreError> {
        self.tools.beat(Beat::Working { since: self.tools.clock.now().monotonic });
        self.tools.store.store_census(census(kind, feed), (presence, page), self.is_dry).await
    }

    /// Logs a trouble once, and its end.
    fn tell(&mut self, kind: &Kind, feed: &FeedId, problem: Option<&String>) {
        let (name, service) = (kind.catalogue.entity().name, kind.catalogue.service());
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

/// The rows of a kind that a feed or an account has.
pub(super) fn census(kind: &Kind, feed: &FeedId) -> Census {
    Census { entity: kind.catalogue.entity(), feed: feed.clone(), at: mirror_time() }
}

fn utc() -> Stamp {
    Stamp::from_utc(chrono::Utc::now())
}
