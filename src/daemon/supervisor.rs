//! The supervisor: it finds out which feeds there are, and starts one worker for each.

use super::control::Control;
use super::dispatcher::Dispatcher;
use super::key_watch::{self, Watched};
use super::run::{RunOptions, RunOutcome};
use super::seed::seed;
use super::{censuses, first_load};
use crate::config::Config;
use crate::plan::discover::search_again_after;
use crate::record::{FeedId, Presence, Stream, spoken};
use crate::store::{Error as StoreError, Notice};
use crate::sync::census;
use crate::sync::clock::mirror_time;
use crate::sync::discovery::{Scope, discover, is_there};
use crate::sync::gatherer;
use crate::sync::heartbeat::Beat;
use crate::sync::shared::Shared;
use crate::sync::tools::Tools;
use crate::sync::worker::{Ended, Worker};
use anyhow::Context;
use secrecy::SecretString;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What the database refused is tried again after this.
const STORE_AGAIN: Duration = Duration::from_secs(2);

pub(super) struct Supervisor {
    pub(super) config: Config,
    pub(super) options: RunOptions,
    pub(super) tools: Tools,
    workers: JoinSet<(FeedId, Result<Ended, StoreError>)>,
    /// What the process does beside mirroring: control requests, the watchdog, the watch of the key.
    services: JoinSet<()>,
    /// Feeds that have had a worker since the start.
    mirrored: BTreeSet<FeedId>,
    /// Feeds that have no worker yet, because the database could not be used.
    pending: BTreeSet<FeedId>,
    discovering: bool,
    looked: bool,
    dispatcher: Dispatcher,
    outcome: RunOutcome,
}

impl Supervisor {
    pub(super) fn new(config: Config, options: RunOptions, tools: Tools) -> Supervisor {
        Supervisor {
            discovering: options.feeds.is_empty() && config.constellation1.feeds.is_empty(),
            config,
            options,
            tools,
            workers: JoinSet::new(),
            services: JoinSet::new(),
            mirrored: BTreeSet::new(),
            pending: BTreeSet::new(),
            looked: false,
            dispatcher: Dispatcher::default(),
            outcome: RunOutcome::default(),
        }
    }

    /// Works until it is stopped, or until a one-shot run is over.
    pub(super) async fn work(&mut self, key: SecretString, control: Option<Control>) -> anyhow::Result<RunOutcome> {
        let first = match (self.discovering, self.options.feeds.is_empty()) {
            (true, _) => self.tools.store.feeds().await?,
            (false, true) => self.config.constellation1.feeds.iter().cloned().map(FeedId).collect(),
            (false, false) => self.options.feeds.clone(),
        };
        if !self.options.once && self.config.poll.shared && (self.discovering || first.len() > 1) {
            let (shared, waiting) = Shared::new();
            self.tools.shared = Some(shared);
            self.services.spawn(gatherer::serve(self.tools.clone(), waiting));
        }
        if !self.options.once {
            self.services.spawn(first_load::watch(self.tools.clone(), self.tools.store.loads().await?));
        }
        let kinds = censuses::kinds(&self.config, &self.tools.vendor);
        // Where the database cannot be written yet, the next start tells it.
        match self.tools.store.read_only(kinds.iter().map(|kind| kind.catalogue.entity().name).collect()).await {
            Err(error) if !self.is_tolerable(&error) => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        if !self.options.once && !kinds.is_empty() {
            self.services.spawn(census::work(self.tools.for_census(), kinds.clone()));
        }
        let new_key = Arc::new(Notify::new());
        if self.config.key_file().is_some() {
            self.services.spawn(key_watch::watch(self.watched_key(&new_key), key, self.tools.stop.clone()));
        }
        self.start(first).await?;
        // Requests that came before wait until the known feeds have their workers.
        if let Some(control) = control {
            self.services.spawn(control.serve(Some((self.tools.clone(), self.dispatcher.clone()))));
        }
        // What is named needs no discovery; whether it is still there is asked later.
        let first_look = if self.discovering { Duration::ZERO } else { self.config.poll.discover.0 };
        let mut next_look = Instant::now() + first_look;
        let mut next_start = Instant::now() + STORE_AGAIN;
        loop {
            let looking = !self.options.once || (self.discovering && !self.looked);
            let over = self.workers.is_empty() && self.pending.is_empty() && !looking;
            if over && self.options.once && !self.options.reconcile {
                // What is not well of them is no reason to call the listings incomplete.
                census::once(&self.tools.for_census(), &kinds, &self.mirrored).await?;
            }
            if self.tools.stop.is_cancelled() || over {
                self.outcome.stopped |= self.tools.stop.is_cancelled();
                return Ok(std::mem::take(&mut self.outcome));
            }
            if looking && Instant::now() >= next_look {
                let wait = match self.look().await {
                    Err(error) if self.is_tolerable(&error) => {
                        tracing::debug!(%error, "the database cannot be used at present");
                        STORE_AGAIN
                    }
                    looked => looked?,
                };
                next_look = Instant::now() + wait;
                continue;
            }
            tokio::select! {
                Some(ended) = self.workers.join_next() => {
                    let (feed, ended) = ended.context("a worker did not end as it should")?;
                    match ended.with_context(|| format!("the database cannot be used any more (feed {feed})"))? {
                        Ended::Stopped => self.outcome.stopped = true,
                        Ended::Finished { missing } => drop(self.outcome.feeds.insert(feed, missing)),
                    }
                }
                () = tokio::time::sleep_until(next_look), if looking => {}
                () = tokio::time::sleep_until(next_start), if !self.pending.is_empty() => {
                    self.start([]).await?;
                    next_start = Instant::now() + STORE_AGAIN;
                }
                Some(ended) = self.services.join_next() => ended.context("a task did not end as it should")?,
                () = new_key.notified() => {
                    self.dispatcher.try_again();
                    next_look = if self.looked { next_look } else { Instant::now() };
                }
                () = self.tools.stop.cancelled() => {}
            }
        }
    }

    /// Ends every task, and lets go of the file.
    pub(super) async fn stop(self) {
        self.tools.stop.cancel();
        self.tools.store.hurry();
        join(self.workers).await;
        join(self.services).await;
    }

    /// Whether the database may be usable again later; a one-shot run does not wait for that.
    fn is_tolerable(&self, error: &StoreError) -> bool {
        error.is_passing() && !self.options.once
    }

    /// Looks for feeds that are new and for feeds that are gone; tells when to look again. A stop ends it early.
    async fn look(&mut self) -> Result<Duration, StoreError> {
        if self.discovering {
            let mut found = self.mirrored.clone();
            // A feed may have records in one stream alone.
            for stream in self.config.constellation1.streams.clone() {
                match discover(&self.tools, self.scope(stream), found).await {
                    None => return Ok(Duration::ZERO),
                    Some(Ok(more)) => found = more,
                    Some(Err(error)) => {
                        let wait = search_again_after(&error.failure);
                        let retry_in = (!self.options.once).then(|| spoken(wait));
                        tracing::error!(retry_in, "the feeds of this credential are not known: {}", error.message);
                        self.outcome.no_feeds = Some(error.message);
                        self.looked |= self.options.once;
                        return Ok(wait);
                    }
                }
            }
            let none = found.is_empty().then(|| "the credential can see no feed that has a listing".to_owned());
            if let Some(reason) = &none {
                tracing::warn!("{reason}");
                self.outcome.no_feeds = Some(reason.clone());
            }
            self.tools.store.notice(Notice { feed: None, kind: "feeds", note: none, at: mirror_time() }).await?;
            self.start(&found - &self.mirrored).await?;
        }
        // The workers that begin with the process see for themselves at first.
        if self.looked && !self.options.once {
            self.look_for_vanished().await?;
        }
        self.looked = true;
        Ok(self.config.poll.discover.0)
    }

    /// A feed that was taken from the credential is answered like a feed without listings. Its rows are kept until a
    /// person decides.
    async fn look_for_vanished(&self) -> Result<(), StoreError> {
        let streams = self.config.constellation1.streams.iter().copied();
        // Every feed with listings has some in a live stream.
        let live = streams.filter(|stream| stream.presence() == Presence::Live).min().expect("the configuration has a live stream");
        let counters = self.tools.progress.snapshot();
        // A feed whose requests fail has its own, rarer tries.
        let healthy = |feed: &&FeedId| counters.get(*feed).is_none_or(|counters| !counters.in_trouble);
        for feed in self.mirrored.iter().filter(healthy) {
            let there = match is_there(&self.tools, self.scope(live), feed).await {
                None => return Ok(()),
                Some(Ok(there)) => there,
                Some(Err(error)) => {
                    tracing::debug!(%feed, "whether the vendor still has this feed is not known: {}", error.message);
                    continue;
                }
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
        Ok(())
    }

    /// The system access key: who waits for it hears of a new one.
    fn watched_key(&self, changed: &Arc<Notify>) -> Watched {
        let (config, vendor, changed) = (self.config.clone(), Arc::clone(&self.tools.vendor), Arc::clone(changed));
        Watched {
            name: "system access key",
            read: Box::new(move || config.key()),
            set: Box::new(move |key| vendor.set_key(key).inspect(|()| changed.notify_one())),
        }
    }

    fn scope(&self, stream: Stream) -> Scope {
        Scope { stream, since: self.config.backfill.since.0, settle: self.config.poll.settle.0, seed: seed() }
    }

    /// Starts workers for these feeds, and for those that had to wait.
    async fn start(&mut self, feeds: impl IntoIterator<Item = FeedId>) -> Result<(), StoreError> {
        self.pending.extend(feeds);
        for feed in self.pending.clone() {
            match self.start_one(&feed).await {
                Ok(()) => drop(self.pending.remove(&feed)),
                Err(error) if self.is_tolerable(&error) => {
                    tracing::error!(%feed, %error, retry_in = spoken(STORE_AGAIN), "the database cannot be used, so the feed is not mirrored yet");
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        match self.tools.store.tell_of_dropped(self.config.constellation1.feeds.clone(), mirror_time()).await {
            Err(error) if self.is_tolerable(&error) => Ok(()),
            told => told,
        }
    }

    async fn start_one(&mut self, feed: &FeedId) -> Result<(), StoreError> {
        let insist = self.options.since.is_some();
        let since = self.options.since.unwrap_or(self.config.backfill.since.0);
        let named = self.tools.store.named(feed).await?;
        if named != *feed {
            tracing::warn!(%feed, "the file knows this feed as {named}; upper and lower case do not matter");
        }
        let feed = &named;
        if self.mirrored.contains(feed) {
            return Ok(());
        }
        let since = self.tools.store.adopt(feed, since, insist, mirror_time()).await?;
        self.tools.store.poll(feed, self.config.constellation1.streams.clone()).await?;
        if self.options.reconcile {
            self.tools.store.abandon_runs(feed, mirror_time()).await?;
        }
        let scan_now = self.options.reconcile || self.tools.store.owes_reconcile(feed).await?;
        let orders = self.dispatcher.register(feed);
        let worker = Worker::resume(self.tools.clone(), feed.clone(), self.session_options(since, scan_now, feed), orders).await?;
        tracing::info!(%feed, "mirroring");
        self.mirrored.insert(feed.clone());
        let (feed, progress) = (feed.clone(), self.tools.progress.clone());
        self.workers.spawn(async move {
            let ended = worker.run().await;
            progress.beat(&feed, Beat::Absent);
            (feed, ended)
        });
        Ok(())
    }
}

pub(super) async fn join<T: 'static>(mut tasks: JoinSet<T>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a task did not end as it should");
        }
    }
}
