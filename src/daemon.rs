//! The process that mirrors: how it starts, runs and stops in order.

mod censuses;
mod control;
pub(crate) mod delegate;
mod dispatcher;
mod first_load;
mod housekeeper;
mod key_watch;
pub(crate) mod question;
mod run;
mod search;
mod seed;
mod session_options;
mod socket;
mod store_options;
mod supervisor;
mod watchdog;

use crate::config::{Config, ConfigError};
use crate::record::Source;
use crate::store::{Error as StoreError, Instance, Intent, OpenError, Store, Taken, report};
use crate::sync::clock::{Clock, mirror_time};
use crate::sync::progress::Progress;
use crate::sync::tools::Tools;
use crate::sync::trouble_log::TroubleLog;
use crate::vendor::constellation1::{Client, LISTINGS};
use crate::vendor::{Limiter, Vendor};
use housekeeper::Housekeeper;
pub(crate) use run::{RunOptions, RunOutcome};
use sd_notify::NotifyState;
use secrecy::SecretString;
use std::sync::Arc;
use std::thread::JoinHandle;
use store_options::store_options;
use supervisor::Supervisor;
use tokio_util::sync::CancellationToken;
use watchdog::notify;

/// Why nothing was begun.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Database(#[from] OpenError),
    /// What was asked for cannot be done as it was asked: what a person is to know.
    #[error("{0}")]
    Refused(String),
}

/// A process that is ready to run.
pub(crate) struct Daemon {
    supervisor: Supervisor,
    key: SecretString,
    writer: JoinHandle<()>,
}

impl Daemon {
    /// Checks everything that a start needs, the database last.
    ///
    /// # Errors
    /// When something is missing or wrong; nothing has been created then.
    pub(crate) async fn new(config: Config, key: SecretString, options: RunOptions, stop: CancellationToken) -> anyhow::Result<Daemon> {
        let named = &config.constellation1.feeds;
        let strange = options.feeds.iter().find(|feed| !named.is_empty() && !named.iter().any(|name| name.eq_ignore_ascii_case(&feed.0)));
        if let Some(feed) = strange {
            return Err(StartError::Refused(format!("the feed {feed} is not among constellation1.feeds of the configuration")).into());
        }
        let (vendor, store, writer) = open(&config, key.clone(), &options).await?;
        let clock = Arc::new(Clock::new(config.constellation1.timestamp_zone));
        let troubles = TroubleLog::new(vendor.host());
        let tools = Tools { entity: &LISTINGS, vendor, store, clock, progress: Progress::default(), troubles, shared: None, stop };
        Ok(Daemon { supervisor: Supervisor::new(config, options, tools), key, writer })
    }

    /// The counters of the run.
    pub(crate) fn progress(&self) -> Progress {
        self.supervisor.tools.progress.clone()
    }

    /// Runs until it is stopped, or until a one-shot run is over. The file is closed then.
    ///
    /// # Errors
    /// When the database cannot be written any more, or a task panicked.
    pub(crate) async fn run(self) -> anyhow::Result<RunOutcome> {
        notify(&[NotifyState::Ready, NotifyState::Status("mirroring")]);
        let Daemon { mut supervisor, key, writer } = self;
        let Tools { vendor, store, troubles, .. } = supervisor.tools.clone();
        store.configure(store_options(&supervisor.config)).await?;
        store.save_reso(supervisor.config.reso.rows()).await?;
        search::switch(&supervisor.config, &store, &supervisor.tools.stop).await?;
        let (account, once) = (supervisor.config.account(), supervisor.options.once);
        let (stop, keeper) = (supervisor.tools.stop.clone(), store.clone());
        let mut housekeeper = Housekeeper::begin(vendor, store, troubles, account, once).await?;
        let outcome = tokio::select! {
            outcome = supervisor.work(key) => outcome,
            error = housekeeper.failed() => Err(error),
        };
        // The housekeeper of a run that ends has no time for it.
        while once && outcome.is_ok() && !stop.is_cancelled() && keeper.purge(mirror_time()).await? {}
        drop(keeper);
        notify(&[NotifyState::Stopping]);
        supervisor.stop().await;
        housekeeper.end().await;
        close(writer)?;
        outcome
    }
}

/// The vendor, and the file, which this command holds from now on. The file comes last: where anything is wrong, nothing is
/// created.
async fn open(config: &Config, key: SecretString, options: &RunOptions) -> anyhow::Result<(Arc<Vendor>, Store, JoinHandle<()>)> {
    let client = config.client_options(key).and_then(Client::new).map_err(|why| {
        let (base_url, client) = (&config.constellation1.base_url, &config.constellation1.client);
        StartError::Refused(format!("the configuration is wrong: constellation1.base_url = \"{base_url}\", client = \"{client}\": {why}"))
    })?;
    let vendor = Arc::new(Vendor::new(client, Limiter::new(config.limiter_options())));
    let instance = Instance::take(&config.database, options.command).map_err(StartError::Database)?;
    let (store, writer) = Store::open_held(instance, &LISTINGS).map_err(StartError::Database)?;
    let intent = Intent { source: config.source(), since: config.backfill.since.0, adopt: options.adopt, at: mirror_time() };
    match store.take(intent).await? {
        Taken::Ours | Taken::Emptied => {}
        Taken::Adopted(other) => tracing::warn!(
            "the file mirrored {other} and is taken over for {}: everything is read again, and then a reconcile compares the rows",
            config.source()
        ),
        Taken::Refused(other) => {
            drop(store);
            close(writer)?;
            return Err(mixed(config, &other).into());
        }
    }
    Ok((vendor, store, writer))
}

/// Refuses a configuration whose source is not the one that the file mirrors.
///
/// # Errors
/// When it is another, or the file cannot be read.
pub(crate) fn check_source(config: &Config) -> anyhow::Result<()> {
    match report::source(&config.database)?.filter(|known| *known != config.source()) {
        Some(other) => Err(mixed(config, &other).into()),
        None => Ok(()),
    }
}

fn mixed(config: &Config, other: &Source) -> StartError {
    let (file, ours) = (config.database.display(), config.source());
    StartError::Refused(format!(
        "{file} mirrors {other}, and the configuration names {ours}; nothing was changed. Listings of two systems must not be mixed: \
         name another file in `database`, or run `mls-sync run --adopt`, which takes this file over and reads everything again"
    ))
}

/// Opens the file for a command that changes it itself, does its work, and closes it again. A file that is not there is not
/// created: there would be nothing in it to work on.
///
/// # Errors
/// When there is no file, or it cannot be written.
pub(crate) async fn on_file<T>(config: &Config, work: impl AsyncFnOnce(Store) -> Result<T, StoreError>) -> anyhow::Result<T> {
    report::last_run(&config.database)?;
    let (store, writer) = Store::open(&config.database, &LISTINGS).map_err(StartError::Database)?;
    let done = match store.configure(store_options(config)).await {
        Ok(()) => work(store).await,
        Err(error) => Err(error),
    };
    close(writer)?;
    Ok(done?)
}

/// Waits until the file is closed. No [`Store`] may be left.
fn close(writer: JoinHandle<()>) -> anyhow::Result<()> {
    writer.join().map_err(|_| anyhow::anyhow!("the database's writer panicked"))
}
