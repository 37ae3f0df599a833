//! The process that mirrors: how it starts, runs and stops in order.

mod control;
pub(crate) mod delegate;
mod dispatcher;
mod housekeeper;
mod key_watch;
pub(crate) mod maintenance;
pub(crate) mod question;
mod run;
mod socket;
mod supervisor;
mod systemd;
mod watchdog;

use crate::config::{Config, ConfigError};
use crate::record::FeedId;
use crate::store::{Instance, OpenError, Store};
use crate::sync::clock::Clock;
use crate::sync::progress::Progress;
use crate::sync::tools::Tools;
use crate::vendor::constellation1::{Client, LISTINGS};
use crate::vendor::{Limiter, Vendor};
use housekeeper::Housekeeper;
pub(crate) use run::{ReconcileMode, RunOptions, RunOutcome};
use sd_notify::NotifyState;
use secrecy::SecretString;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use supervisor::Supervisor;
use systemd::notify;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Why the process did not start; nothing was created.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address, the client name or the key.
    #[error("the configuration is wrong: constellation1.base_url = \"{base_url}\", client = \"{client}\": {why}")]
    Client {
        /// Where the API should be.
        base_url: String,
        /// The client's name.
        client: String,
        /// What is wrong.
        why: String,
    },
    /// `--feed` names a feed that the configuration leaves out.
    #[error("the feed {0} is not among constellation1.feeds of the configuration")]
    StrangeFeed(FeedId),
    /// The database.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The process that mirrors into the file takes no control request from here.
    #[error("cannot reach the running `mls-sync run` through {path}: {why}")]
    Unreachable {
        /// Its control socket.
        path: PathBuf,
        /// What stands in the way, and what to do.
        why: String,
    },
}

/// A process that is ready to run.
#[derive(Debug)]
pub(crate) struct Daemon {
    config: Config,
    options: RunOptions,
    tools: Tools,
    key: SecretString,
    writer: JoinHandle<()>,
}

impl Daemon {
    /// Checks everything that a start needs, the database last.
    ///
    /// # Errors
    /// When something is missing or wrong; nothing has been created then.
    pub(crate) fn new(config: Config, key: SecretString, options: RunOptions, stop: CancellationToken) -> Result<Daemon, StartError> {
        let named = &config.constellation1.feeds;
        let strange = options.feeds.iter().find(|feed| !named.is_empty() && !named.contains(&feed.0));
        if let Some(feed) = strange {
            return Err(StartError::StrangeFeed(feed.clone()));
        }
        let vendor = vendor(&config, key.clone())?;
        let instance = Instance::take(&config.database, options.command)?;
        let (store, writer) = Store::open_held(instance, &LISTINGS)?;
        let tools = Tools {
            entity: &LISTINGS,
            vendor: Arc::new(vendor),
            store,
            clock: Arc::new(Clock::new(config.constellation1.timestamp_zone)),
            progress: Progress::default(),
            stop,
        };
        Ok(Daemon { config, options, tools, key, writer })
    }

    /// The counters of the run.
    #[must_use]
    pub(crate) fn progress(&self) -> Progress {
        self.tools.progress.clone()
    }

    /// The file.
    #[must_use]
    pub(crate) fn database(&self) -> PathBuf {
        self.config.database.clone()
    }

    /// Runs until it is stopped, or until a one-shot run is over. The file is closed then.
    ///
    /// # Errors
    /// When the database cannot be written any more, or a task panicked.
    pub(crate) async fn run(self) -> anyhow::Result<RunOutcome> {
        notify(&[NotifyState::Ready, NotifyState::Status("mirroring")]);
        let stop = self.tools.stop.clone();
        let mut housekeeper =
            Housekeeper::begin(Arc::clone(&self.tools.vendor), self.tools.store.clone(), self.config.account(), self.options.once).await?;
        let new_key = Arc::new(Notify::new());
        let vendor = Arc::clone(&self.tools.vendor);
        let rotation = tokio::spawn(key_watch::watch(self.config.clone(), vendor, self.key, Arc::clone(&new_key), stop.clone()));
        let mut supervisor = Supervisor::new(self.config, self.options, self.tools, new_key);
        let outcome = tokio::select! {
            outcome = supervisor.work() => outcome,
            error = housekeeper.failed() => Err(error),
        };
        notify(&[NotifyState::Stopping]);
        stop.cancel();
        supervisor.tools.store.hurry();
        while let Some(ended) = supervisor.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a task did not end as it should");
            }
        }
        while let Some(ended) = supervisor.services.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a task did not end as it should");
            }
        }
        drop(supervisor);
        if let Err(error) = rotation.await {
            tracing::error!(%error, "the watch of the key did not end as it should");
        }
        housekeeper.end().await;
        self.writer.join().map_err(|_| anyhow::anyhow!("the database's writer panicked"))?;
        outcome
    }
}

/// The vendor, as the configuration says where and who.
fn vendor(config: &Config, key: SecretString) -> Result<Vendor, StartError> {
    let client = config.client_options(key).and_then(Client::new).map_err(|why| {
        let vendor = &config.constellation1;
        StartError::Client { base_url: vendor.base_url.clone(), client: vendor.client.clone(), why }
    })?;
    Ok(Vendor::new(client, Limiter::new(config.limiter_options())))
}
