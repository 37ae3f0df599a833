//! The supervisor: it finds out which feeds there are, and starts one worker for each.

use super::control::Control;
use super::dispatcher::Dispatcher;
use super::run::{ReconcileMode, RunOptions, RunOutcome};
use super::watchdog;
use crate::config::Config;
use crate::plan::brake::BrakeLimits;
use crate::plan::burst::BurstLimits;
use crate::plan::discover::search_again_after;
use crate::plan::options::{LookbackRule, Options};
use crate::record::{FeedId, Presence, Stamp, Stream};
use crate::store::{Error as StoreError, Notice};
use crate::sync::clock::mirror_time;
use crate::sync::discovery::{Scope, discover, is_there};
use crate::sync::heartbeat::Beat;
use crate::sync::session::SessionOptions;
use crate::sync::tools::Tools;
use crate::sync::worker::{Ended, Worker};
use crate::vendor::Error as VendorError;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// What the database refused is tried again after this.
const STORE_AGAIN: Duration = Duration::from_secs(2);

/// The supervisor.
pub(super) struct Supervisor {
    config: Config,
    options: RunOptions,
    pub(super) tools: Tools,
    pub(super) tasks: JoinSet<(FeedId, Result<Ended, StoreError>)>,
    /// What the process does beside mirroring: control requests, the watchdog.
    pub(super) services: JoinSet<()>,
    /// Feeds that have had a worker since the start.
    mirrored: BTreeSet<FeedId>,
    /// Feeds that have no worker yet, because the database could not be used.
    pending: BTreeSet<FeedId>,
    discovering: bool,
    looked: bool,
    dispatcher: Dispatcher,
    /// Notified when the key has changed.
    new_key: Arc<Notify>,
}

impl Supervisor {
    pub(super) fn new(config: Config, options: RunOptions, tools: Tools, new_key: Arc<Notify>) -> Supervisor {
        Supervisor {
            config,
            options,
            tools,
            tasks: JoinSet::new(),
            services: JoinSet::new(),
            mirrored: BTreeSet::new(),
            pending: BTreeSet::new(),
            discovering: false,
            looked: false,
            dispatcher: Dispatcher::default(),
            new_key,
        }
    }

    /// Works until it is stopped, or until a one-shot run is over.
    pub(super) async fn work(&mut self) -> anyhow::Result<RunOutcome> {
        let control = if self.options.once { None } else { Control::listen(&self.config.database) };
        let mut outcome = RunOutcome::default();
        let named: BTreeSet<FeedId> = match self.options.feeds.is_empty() {
            true => self.config.constellation1.feeds.iter().cloned().map(FeedId).collect(),
            false => self.options.feeds.iter().cloned().collect(),
        };
        self.discovering = named.is_empty();
        let first = if self.discovering { self.tools.store.feeds().await?.into_iter().collect() } else { named };
        self.services.spawn(watchdog::watch(self.tools.clone()));
        self.start(first).await?;
        // Requests that came before wait until the known feeds have their workers.
        if let Some(control) = control {
            self.services.spawn(control.serve(self.tools.clone(), self.dispatcher.clone()));
        }
        // What is named needs no discovery; whether it is still there is asked later.
        let first_look = if self.discovering { Duration::ZERO } else { self.config.poll.discover.0 };
        let mut next_look = tokio::time::Instant::now() + first_look;
        let mut next_start = tokio::time::Instant::now() + STORE_AGAIN;
        loop {
            let looking = if self.options.once { self.discovering && !self.looked } else { true };
            if self.tools.stop.is_cancelled() {
                outcome.stopped = true;
                return Ok(outcome);
            }
            if looking && tokio::time::Instant::now() >= next_look {
                let wait = match self.look(&mut outcome).await {
                    Err(error) if self.is_tolerable(&error) => {
                        tracing::debug!(%error, "the database cannot be used at present");
                        Some(STORE_AGAIN)
                    }
                    looked => looked?,
                };
                next_look = tokio::time::Instant::now() + wait.unwrap_or_default();
                continue;
            }
            if self.tasks.is_empty() && self.pending.is_empty() && !looking {
                return Ok(outcome);
            }
            tokio::select! {
                Some(ended) = self.tasks.join_next() => self.ended(ended, &mut outcome)?,
                () = tokio::time::sleep_until(next_look), if looking => {}
                () = tokio::time::sleep_until(next_start), if !self.pending.is_empty() => {
                    self.start_pending().await?;
                    next_start = tokio::time::Instant::now() + STORE_AGAIN;
                }
                Some(ended) = self.services.join_next() => ended.map_err(|error| anyhow::anyhow!("a task did not end as it should: {error}"))?,
                () = self.new_key.notified() => {
                    self.dispatcher.try_again();
                    next_look = if self.looked { next_look } else { tokio::time::Instant::now() };
                }
                () = self.tools.stop.cancelled() => {}
            }
        }
    }

    /// Whether the database may be usable again later; a one-shot run does not wait for that.
    fn is_tolerable(&self, error: &StoreError) -> bool {
        error.is_passing() && !self.options.once
    }

    /// Looks for feeds that are new and for feeds that are gone; tells when to look again, `None` when stopped.
    async fn look(&mut self, outcome: &mut RunOutcome) -> Result<Option<Duration>, StoreError> {
        if self.discovering {
            let mut found = self.mirrored.clone();
            // A feed may have records in one stream alone.
            for stream in self.config.constellation1.streams.clone() {
                match discover(&self.tools, self.scope(stream), found).await {
                    None => return Ok(None),
                    Some(Err(error)) => return Ok(Some(self.not_found(&error, outcome))),
                    Some(Ok(more)) => found = more,
                }
            }
            self.found(found, outcome).await?;
        }
        // The workers that begin with the process see for themselves at first.
        if self.looked && !self.options.once && self.look_for_vanished().await?.is_none() {
            return Ok(None);
        }
        self.looked = true;
        Ok(Some(self.config.poll.discover.0))
    }

    async fn found(&mut self, found: BTreeSet<FeedId>, outcome: &mut RunOutcome) -> Result<(), StoreError> {
        if found.is_empty() {
            let reason = "the credential can see no feed that has a listing";
            tracing::warn!("{reason}");
            outcome.no_feeds = Some(reason.to_owned());
        }
        let fresh: BTreeSet<FeedId> = found.difference(&self.mirrored).cloned().collect();
        self.start(fresh).await
    }

    /// A feed that was taken from the credential is answered like a feed without listings. Its rows are kept until a
    /// person decides.
    async fn look_for_vanished(&self) -> Result<Option<()>, StoreError> {
        let counters = self.tools.progress.snapshot();
        // A feed whose requests fail has its own, rarer tries.
        let healthy = |feed: &&FeedId| counters.get(*feed).is_none_or(|counters| !counters.in_trouble);
        for feed in self.mirrored.iter().filter(healthy) {
            let Some(there) = is_there(&self.tools, self.scope(self.live_stream()), feed).await else { return Ok(None) };
            let Ok(there) =
                there.inspect_err(|error| tracing::debug!(%feed, "whether the vendor still has this feed is not known: {}", error.message))
            else {
                continue;
            };
            let gone = !there && self.tools.store.live(feed).await? > 0;
            let note = gone.then(|| {
                format!(
                    "the vendor has nothing of this feed any more; its rows are kept. If it is gone for good: mls-sync feeds remove {feed}"
                )
            });
            if let Some(note) = &note {
                tracing::warn!(%feed, "{note}");
            }
            self.tools.store.notice(Notice { feed: Some(feed.clone()), kind: "vanished", note, at: mirror_time() }).await?;
        }
        Ok(Some(()))
    }

    fn scope(&self, stream: Stream) -> Scope {
        Scope { stream, since: self.config.backfill.since.0, settle: self.config.poll.settle.0, seed: seed() }
    }

    /// A stream that every feed with listings answers.
    fn live_stream(&self) -> Stream {
        let streams = &self.config.constellation1.streams;
        let live = streams.iter().copied().filter(|stream| stream.presence() == Presence::Live).min();
        live.expect("the configuration has a live stream")
    }

    fn not_found(&mut self, error: &VendorError, outcome: &mut RunOutcome) -> Duration {
        let wait = search_again_after(&error.failure);
        tracing::error!(retry_in = ?(!self.options.once).then_some(wait), "the feeds of this credential are not known: {}", error.message);
        outcome.no_feeds = Some(error.message.clone());
        self.looked |= self.options.once;
        wait
    }

    async fn start(&mut self, feeds: BTreeSet<FeedId>) -> Result<(), StoreError> {
        self.pending.extend(feeds);
        self.start_pending().await
    }

    async fn start_pending(&mut self) -> Result<(), StoreError> {
        for feed in self.pending.clone() {
            match self.start_one(&feed).await {
                Ok(()) => drop(self.pending.remove(&feed)),
                Err(error) if self.is_tolerable(&error) => {
                    tracing::error!(%feed, %error, retry_in = ?STORE_AGAIN, "the database cannot be used, so the feed is not mirrored yet");
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn start_one(&mut self, feed: &FeedId) -> Result<(), StoreError> {
        let insist = self.options.since.is_some();
        let since = self.options.since.unwrap_or(self.config.backfill.since.0);
        let since = self.tools.store.adopt(feed, since, insist, mirror_time()).await?;
        self.tools.store.poll(feed, self.config.constellation1.streams.clone()).await?;
        if self.options.reconcile.is_some() {
            self.tools.store.abandon_runs(feed, mirror_time()).await?;
        }
        let orders = self.dispatcher.register(feed);
        let worker = Worker::resume(self.tools.clone(), feed.clone(), self.session_options(since, feed), orders).await?;
        tracing::info!(%feed, "mirroring");
        self.mirrored.insert(feed.clone());
        let (feed, progress) = (feed.clone(), self.tools.progress.clone());
        self.tasks.spawn(async move {
            let ended = worker.run().await;
            progress.beat(&feed, Beat::Absent);
            (feed, ended)
        });
        Ok(())
    }

    fn plan_options(&self, since: Stamp, feed: &FeedId) -> Options {
        let poll = &self.config.poll;
        Options {
            streams: self.config.constellation1.streams.clone(),
            deletions: self.tools.entity.deletions,
            interval: poll.interval.0,
            overlap: poll.overlap.0,
            settle: poll.settle.0,
            since,
            window_pages: self.config.backfill.window_pages,
            lookbacks: self.config.lookback.ladder.iter().map(|rung| LookbackRule { every: rung.every.0, reach: rung.reach.0 }).collect(),
            ahead_every: Some(self.config.lookback.ahead.0).filter(|every| !every.is_zero()),
            scan_every: Some(self.config.reconcile.every.0).filter(|every| !every.is_zero()),
            scan_now: self.options.reconcile.is_some(),
            dry_run: self.options.reconcile == Some(ReconcileMode::DryRun),
            confirm_budget: self.config.reconcile.confirm_budget,
            once: self.options.once,
            seed: seed() ^ crate::record::raw_hash(feed.0.as_bytes()).iter().fold(0, |seed, byte| (seed << 4) ^ u64::from(*byte)),
        }
    }

    fn session_options(&self, since: Stamp, feed: &FeedId) -> SessionOptions {
        let reconcile = &self.config.reconcile;
        SessionOptions {
            plan: self.plan_options(since, feed),
            zone: self.config.constellation1.timestamp_zone,
            brake: BrakeLimits { count: reconcile.brake_count, share: reconcile.brake_share, budget: reconcile.confirm_budget },
            burst: BurstLimits { count: reconcile.burst_count, share: reconcile.burst_share },
        }
    }

    fn ended(
        &self,
        ended: Result<(FeedId, Result<Ended, StoreError>), tokio::task::JoinError>,
        outcome: &mut RunOutcome,
    ) -> anyhow::Result<()> {
        let (feed, ended) = ended.map_err(|error| anyhow::anyhow!("a worker did not end as it should: {error}"))?;
        match ended {
            Ok(Ended::Stopped) => outcome.stopped = true,
            Ok(Ended::Finished { missing }) => {
                outcome.feeds.insert(feed, missing);
            }
            Err(error) => return Err(anyhow::Error::new(error).context(format!("the database cannot be used any more (feed {feed})"))),
        }
        Ok(())
    }
}

/// Differs from process to process, so that clients that failed together come back apart.
fn seed() -> u64 {
    u64::from(std::process::id()) << 20 ^ chrono::Utc::now().timestamp_subsec_nanos() as u64
}
