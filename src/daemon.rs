//! The process that mirrors: how it starts, runs and stops in order.

mod accounts;
mod censuses;
mod control;
pub(crate) mod delegate;
mod dispatcher;
mod first_load;
mod housekeeper;
pub(crate) mod jobs;
mod key_watch;
mod perform;
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
use crate::store::{Error as StoreError, Instance, OpenError, Store, Taken, Takeover, report};
use crate::sync::clock::{Clock, mirror_time};
use crate::sync::progress::Progress;
use crate::sync::tools::{CensusTools, Tools};
use crate::sync::trouble_log::TroubleLog;
use crate::vendor::LISTINGS;
use crate::vendor::constellation1::Client;
use crate::vendor::{Limiter, Vendor};
use accounts::Account;
use control::Control;
use housekeeper::{Budget, Housekeeper};
use indicatif::ProgressBar;
pub(crate) use run::{RunOptions, RunOutcome};
use sd_notify::NotifyState;
use secrecy::SecretString;
use std::sync::Arc;
use std::thread::JoinHandle;
use store_options::store_options;
use supervisor::{Supervisor, join};
use tokio::task::JoinSet;
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
    config: Config,
    options: RunOptions,
    /// Who mirrors the listings, with the key, where the configuration names their vendor.
    listings: Option<(Supervisor, SecretString)>,
    /// The other accounts.
    accounts: Vec<Account>,
    /// What all share, under the name of none.
    tools: CensusTools,
    troubles: TroubleLog,
    writer: JoinHandle<()>,
}

impl Daemon {
    /// Checks everything that a start needs, the database last. `key` is that of the vendor of the listings.
    ///
    /// # Errors
    /// When something is missing or wrong; nothing has been created then.
    pub(crate) async fn new(
        config: Config,
        key: Option<SecretString>,
        options: RunOptions,
        stop: CancellationToken,
    ) -> anyhow::Result<Daemon> {
        let named = &config.constellation1.feeds;
        let strange = options.feeds.iter().find(|feed| !named.is_empty() && !named.iter().any(|name| name.eq_ignore_ascii_case(&feed.0)));
        if let Some(feed) = strange {
            return Err(StartError::Refused(format!("the feed {feed} is not among constellation1.feeds of the configuration")).into());
        }
        // A reconcile is of one vendor, and feeds are of the first one.
        let accounts = if !options.feeds.is_empty() || options.reconcile && key.is_some() {
            Vec::new()
        } else {
            accounts::of(&config).map_err(StartError::Config)?
        };
        let (vendor, store, writer) = match &key {
            Some(key) => open(&config, key.clone(), &options).await.map(|(vendor, store, writer)| (Some(vendor), store, writer))?,
            None => {
                let (store, writer) = hold(&config, &options)?;
                (None, store, writer)
            }
        };
        let (clock, progress) = (Arc::new(Clock::new(config.constellation1.timestamp_zone)), Progress::default());
        let hosts = vendor.iter().map(|vendor| vendor.host().to_owned());
        let troubles = TroubleLog::new(&hosts.chain(accounts.iter().map(|account| account.vendor.to_owned())).next().unwrap_or_default());
        let tools = CensusTools {
            vendor: "",
            store: store.clone(),
            clock: Arc::clone(&clock),
            progress: progress.clone(),
            again: Arc::default(),
            stop: stop.clone(),
        };
        let listings = vendor.zip(key).map(|(vendor, key)| {
            let tools = Tools { entity: &LISTINGS, vendor, store, clock, progress, troubles: troubles.clone(), shared: None, stop };
            (Supervisor::new(config.clone(), options.clone(), tools), key)
        });
        Ok(Daemon { config, options, listings, accounts, tools, troubles, writer })
    }

    /// The counters of the run.
    pub(crate) fn progress(&self) -> Progress {
        self.tools.progress.clone()
    }

    /// Runs until it is stopped, or until a one-shot run is over. The file is closed then.
    ///
    /// # Errors
    /// When the database cannot be written any more, or a task panicked.
    pub(crate) async fn run(self) -> anyhow::Result<RunOutcome> {
        notify(&[NotifyState::Ready, NotifyState::Status("mirroring")]);
        let Daemon { config, options, mut listings, mut accounts, tools, troubles, writer } = self;
        let (store, once) = (tools.store.clone(), options.once);
        store.configure(store_options(&config)).await?;
        store.save_reso(config.reso.rows()).await?;
        let is_bulk_load = options.backfill && listings.is_some() && search::defer(&store).await?;
        let is_built = is_bulk_load || search::build_first(&config, &store, &tools.stop).await?;
        let of_listings = listings.iter().map(|(supervisor, _)| budget(&config, &supervisor.tools.vendor));
        let budgets: Vec<Budget> = of_listings.chain(accounts.iter().map(Account::budget)).collect();
        let mut services = JoinSet::new();
        if !is_built && !once {
            services.spawn(search::build_later(config.clone(), store.clone(), tools.stop.clone()));
        }
        services.spawn(watchdog::watch(tools.clone(), budgets.iter().map(|budget| Arc::clone(&budget.limiter)).collect()));
        let mut housekeeper = Housekeeper::begin(store.clone(), troubles, budgets, once).await?;
        if !once {
            accounts.iter_mut().for_each(|account| account.follow(&tools, &mut services));
        }
        // Whatever holds the store keeps the file open.
        let followed = || accounts.iter().map(|account| account.tools(&tools, true)).collect();
        let mut control = if once { None } else { Control::listen(&config.database, followed(), tools.stop.clone()) };
        if listings.is_none()
            && let Some(control) = control.take()
        {
            services.spawn(control.serve(None));
        }
        let mut outcome = tokio::select! {
            outcome = work((&mut listings, control), &accounts, &tools, &options) => outcome,
            error = housekeeper.failed() => Err(error),
            error = failed(&mut services) => Err(error),
        };
        if is_bulk_load && let Ok(loaded) = &mut outcome {
            // The watchdog would take the writer for stuck, and the terminal shows the feeds' bars.
            services.shutdown().await;
            let built = search::build(&config, &store, ProgressBar::hidden(), &tools.stop).await;
            loaded.stopped |= tools.stop.is_cancelled();
            outcome = built.map_err(Into::into).and(outcome);
        }
        // The housekeeper of a run that ends has no time for it.
        while once && !options.dry_run && outcome.is_ok() && !tools.stop.is_cancelled() && store.purge(mirror_time()).await? {}
        notify(&[NotifyState::Stopping]);
        tools.stop.cancel();
        store.hurry();
        if let Some((supervisor, _)) = listings {
            supervisor.stop().await;
        }
        join(services).await;
        housekeeper.end().await;
        drop((store, tools, accounts));
        close(writer)?;
        outcome
    }
}

/// Waits until a task fails; for ever, if none does.
async fn failed(tasks: &mut JoinSet<()>) -> anyhow::Error {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            return anyhow::anyhow!("a task did not end as it should: {error}");
        }
    }
    std::future::pending().await
}

/// Works until it is stopped, or until a one-shot run is over.
async fn work(
    (listings, control): (&mut Option<(Supervisor, SecretString)>, Option<Control>),
    accounts: &[Account],
    tools: &CensusTools,
    options: &RunOptions,
) -> anyhow::Result<RunOutcome> {
    let mut outcome = match listings {
        Some((supervisor, key)) => supervisor.work(key.clone(), control).await?,
        None if options.once => RunOutcome::default(),
        None => {
            tools.stop.cancelled().await;
            RunOutcome::default()
        }
    };
    for account in accounts.iter().filter(|_| options.once) {
        if options.reconcile && options.dry_run {
            outcome.dry_runs.extend(account.dry_run(tools).await?);
            continue;
        }
        account.once(tools, options).await?;
    }
    outcome.stopped |= tools.stop.is_cancelled();
    Ok(outcome)
}

/// The budget of the credential of the listings.
fn budget(config: &Config, vendor: &Vendor) -> Budget {
    Budget { name: config.account(), limiter: Arc::clone(vendor.limiter()) }
}

/// The file, which this command holds from now on.
fn hold(config: &Config, options: &RunOptions) -> anyhow::Result<(Store, JoinHandle<()>)> {
    let instance = Instance::take(&config.database, options.command).map_err(StartError::Database)?;
    Ok(Store::open_held(instance, &LISTINGS).map_err(StartError::Database)?)
}

/// The vendor, and the file, which this command holds from now on. The file comes last: where anything is wrong, nothing is
/// created.
async fn open(config: &Config, key: SecretString, options: &RunOptions) -> anyhow::Result<(Arc<Vendor>, Store, JoinHandle<()>)> {
    let client = config.client_options(key).and_then(Client::new).map_err(|why| {
        let (base_url, client) = (&config.constellation1.base_url, &config.constellation1.client);
        StartError::Refused(format!("the configuration is wrong: constellation1.base_url = \"{base_url}\", client = \"{client}\": {why}"))
    })?;
    let vendor = Arc::new(Vendor::new(client, Limiter::new(config.limiter_options())));
    let (store, writer) = hold(config, options)?;
    let takeover = Takeover { source: config.source(), since: config.backfill.since.0, adopt: options.adopt, at: mirror_time() };
    match store.take(takeover).await? {
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
