//! The process: tasks, signals, systemd, and an ordered stop.

pub mod errand;

use crate::clock::{Clock, mirror_time};
use crate::config::{Config, ConfigError};
use crate::discovery::{Scope, discover};
use crate::plan::brake::Limits;
use crate::plan::command::{Options, Rung};
use crate::progress::Progress;
use crate::provider::constellation1::{Client, fields::LISTING_DETAILS};
use crate::provider::{Error as VendorError, Limiter, Vendor};
use crate::record::{Failure, FeedId, Said, Stamp};
use crate::store::{Error as StoreError, OpenError, Store};
use crate::worker::{Ended, Tools, Watch, Worker};
use sd_notify::NotifyState;
use secrecy::SecretString;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A vendor that refuses to tell its feeds is asked again after this.
const DISCOVER_AGAIN: Duration = Duration::from_secs(60);
/// The same, when it does not accept the credential.
const DISCOVER_REPROBE: Duration = Duration::from_secs(15 * 60);

/// Why the process did not start; nothing was created.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address, the client name or the key.
    #[error("the configuration is wrong: {0}")]
    Client(String),
    /// `--feed` names a feed that the configuration leaves out.
    #[error("the feed {0} is not among constellation1.feeds of the configuration")]
    StrangeFeed(FeedId),
    /// The database.
    #[error(transparent)]
    Database(#[from] OpenError),
}

/// What a run is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// Stop when everything is read.
    pub once: bool,
    /// Replaces what earlier runs set as the oldest stamp to hold.
    pub since: Option<Stamp>,
    /// Only these feeds; empty for all.
    pub feeds: Vec<FeedId>,
    /// Set a whole reading against the file.
    pub reconcile: Option<ReconcileMode>,
}

/// What a reconcile may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReconcileMode {
    /// Repair and delete.
    Apply,
    /// Only tell.
    DryRun,
}

/// How a one-shot run ended: what each feed lacks, if anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it was stopped before its end.
    pub stopped: bool,
    /// What each feed lacks.
    pub feeds: BTreeMap<FeedId, Vec<String>>,
    /// Why no feed could be found.
    pub no_feeds: Option<String>,
}

/// A process that is ready to run.
#[derive(Debug)]
pub struct Daemon {
    config: Config,
    options: RunOptions,
    tools: Tools,
    writer: JoinHandle<()>,
}

impl Daemon {
    /// Checks everything that a start needs, the database last.
    ///
    /// # Errors
    /// When something is missing or wrong; nothing has been created then.
    pub fn new(config: Config, key: SecretString, options: RunOptions, stop: CancellationToken) -> Result<Daemon, StartError> {
        let named = &config.constellation1.feeds;
        let strange = options.feeds.iter().find(|feed| !named.is_empty() && !named.contains(&feed.0));
        if let Some(feed) = strange {
            return Err(StartError::StrangeFeed(feed.clone()));
        }
        let client = Client::new(config.client_options(key)?).map_err(StartError::Client)?;
        let vendor = Vendor::new(client, Limiter::new(config.limiter_options()));
        let (store, writer) = Store::open(&config.database, &LISTING_DETAILS)?;
        let tools = Tools {
            vendor: Arc::new(vendor),
            store,
            clock: Arc::new(Clock::new(config.constellation1.timestamp_zone)),
            progress: Progress::default(),
            stop,
        };
        Ok(Daemon { config, options, tools, writer })
    }

    /// The counters of the run.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.tools.progress.clone()
    }

    /// The file.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.config.database.clone()
    }

    /// Runs until it is stopped, or until a one-shot run is over. The file is closed then.
    ///
    /// # Errors
    /// When the database cannot be written any more, or a task panicked.
    pub async fn run(self) -> anyhow::Result<Outcome> {
        notify(&[NotifyState::Ready, NotifyState::Status("mirroring")]);
        let stop = self.tools.stop.clone();
        let mut crew = Crew { config: self.config, options: self.options, tools: self.tools, tasks: JoinSet::new(), busy: BTreeSet::new() };
        let outcome = crew.work().await;
        notify(&[NotifyState::Stopping]);
        stop.cancel();
        while let Some(ended) = crew.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a task did not end as it should");
            }
        }
        drop(crew);
        self.writer.join().map_err(|_| anyhow::anyhow!("the database's writer panicked"))?;
        outcome
    }
}

/// Outside systemd this does nothing; there is nobody to tell when it fails.
fn notify(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not told");
    }
}

/// The workers at work.
struct Crew {
    config: Config,
    options: RunOptions,
    tools: Tools,
    tasks: JoinSet<(FeedId, Result<Ended, StoreError>)>,
    busy: BTreeSet<FeedId>,
}

impl Crew {
    async fn work(&mut self) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome::default();
        let named: BTreeSet<FeedId> = match self.options.feeds.is_empty() {
            true => self.config.constellation1.feeds.iter().cloned().map(FeedId).collect(),
            false => self.options.feeds.iter().cloned().collect(),
        };
        let discovering = named.is_empty();
        let first = if discovering { self.tools.store.feeds().await?.into_iter().collect() } else { named };
        self.start(first).await?;
        let mut next_look = tokio::time::Instant::now();
        loop {
            if self.tools.stop.is_cancelled() {
                outcome.stopped = true;
                return Ok(outcome);
            }
            let looking = discovering && !(self.options.once && outcome.no_feeds.is_some());
            if looking && tokio::time::Instant::now() >= next_look {
                let Some(wait) = self.look(&mut outcome).await? else { continue };
                next_look = tokio::time::Instant::now() + wait;
                continue;
            }
            let look_again = looking && !self.options.once;
            if self.tasks.is_empty() && !look_again {
                return Ok(outcome);
            }
            tokio::select! {
                Some(ended) = self.tasks.join_next() => self.ended(ended, &mut outcome)?,
                () = tokio::time::sleep_until(next_look), if look_again => {}
                () = self.tools.stop.cancelled() => {}
            }
        }
    }

    /// Looks for feeds and starts a worker for each that is new; tells when to look again, `None` when stopped.
    async fn look(&mut self, outcome: &mut Outcome) -> anyhow::Result<Option<Duration>> {
        let streams = &self.config.constellation1.streams;
        let live = streams.iter().copied().filter(|stream| stream.says() == Said::Live).min();
        let scope = Scope {
            stream: live.expect("the configuration has a live stream"),
            since: self.config.backfill.since.0,
            settle: self.config.poll.settle.0,
            seed: seed(),
        };
        let found = match discover(&self.tools, scope, self.busy.clone()).await {
            None => return Ok(None),
            Some(Err(error)) => return Ok(Some(self.not_found(&error, outcome))),
            Some(Ok(found)) => found,
        };
        if found.is_empty() {
            let reason = "the credential can see no feed that has a listing";
            tracing::warn!("{reason}");
            outcome.no_feeds = Some(reason.to_owned());
        }
        let fresh: BTreeSet<FeedId> = found.difference(&self.busy).cloned().collect();
        self.start(fresh).await?;
        Ok(Some(if self.options.once { Duration::from_secs(u64::from(u32::MAX)) } else { self.config.poll.discover.0 }))
    }

    fn not_found(&self, error: &VendorError, outcome: &mut Outcome) -> Duration {
        let wait = match error.failure {
            Failure::Unauthorized | Failure::Refused => DISCOVER_REPROBE,
            Failure::Throttled { .. } | Failure::Unavailable | Failure::Malformed => DISCOVER_AGAIN,
        };
        tracing::error!(retry_in = ?(!self.options.once).then_some(wait), "the feeds of this credential are not known: {}", error.message);
        outcome.no_feeds = Some(error.message.clone());
        wait
    }

    async fn start(&mut self, feeds: BTreeSet<FeedId>) -> anyhow::Result<()> {
        for feed in feeds {
            let since = self.options.since.unwrap_or(self.config.backfill.since.0);
            let insist = self.options.since.is_some();
            let since = self.tools.store.adopt(&feed, since, insist, mirror_time()).await?;
            if self.options.reconcile.is_some() {
                self.tools.store.abandon_runs(&feed, mirror_time()).await?;
            }
            let worker = Worker::resume(self.tools.clone(), feed.clone(), self.plan_options(since, &feed), self.watch()).await?;
            tracing::info!(%feed, "mirroring");
            self.busy.insert(feed.clone());
            self.tasks.spawn(async move { (feed, worker.run().await) });
        }
        Ok(())
    }

    fn plan_options(&self, since: Stamp, feed: &FeedId) -> Options {
        let poll = &self.config.poll;
        Options {
            streams: self.config.constellation1.streams.clone(),
            interval: poll.interval.0,
            overlap: poll.overlap.0,
            settle: poll.settle.0,
            since,
            window_pages: self.config.backfill.window_pages,
            lookbacks: self.config.lookback.ladder.iter().map(|rung| Rung { every: rung.every.0, reach: rung.reach.0 }).collect(),
            sweep_every: Some(self.config.reconcile.every.0).filter(|every| !every.is_zero()),
            sweep_now: self.options.reconcile.is_some(),
            dry_run: self.options.reconcile == Some(ReconcileMode::DryRun),
            once: self.options.once,
            seed: seed() ^ crate::record::raw_hash(feed.0.as_bytes()).iter().fold(0, |seed, byte| (seed << 4) ^ u64::from(*byte)),
        }
    }

    fn watch(&self) -> Watch {
        let reconcile = &self.config.reconcile;
        let budget = reconcile.confirm_budget;
        Watch {
            brake: Limits { count: reconcile.brake_count, share: reconcile.brake_share, budget },
            burst: Limits { count: reconcile.burst_count, share: reconcile.burst_share, budget },
        }
    }

    fn ended(
        &self,
        ended: Result<(FeedId, Result<Ended, StoreError>), tokio::task::JoinError>,
        outcome: &mut Outcome,
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
