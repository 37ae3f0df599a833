//! The accounts of vendors that are read whole, beside the listings: what a process needs to read each.

use super::housekeeper::Budget;
use super::key_watch::{self, Watched};
use super::run::RunOptions;
use crate::config::{Config, ConfigError, Scanned, SignIn};
use crate::plan::brake::BrakeLimits;
use crate::plan::census::Rhythm;
use crate::record::FeedId;
use crate::store::Error as StoreError;
use crate::sync::account::{Account as OneByOne, InFlight};
use crate::sync::census::{self, Kind};
use crate::sync::dry_run::{self, DryRun};
use crate::sync::heartbeat::Beat;
use crate::sync::tools::CensusTools;
use crate::sync::totals::{self, Totals};
use crate::vendor::catalogue::Catalogue;
use crate::vendor::spark::{Client as SparkClient, ClientOptions as SparkOptions};
use crate::vendor::spotahome::{Client as SpotahomeClient, ClientOptions as SpotahomeOptions};
use crate::vendor::{Limiter, Spark, SparkAuth, Spotahome};
use secrecy::SecretString;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// What the vendors' logs call this program.
const USER_AGENT: &str = concat!("mls-sync/", env!("CARGO_PKG_VERSION"));

/// One account.
pub(super) struct Account {
    /// The name of its vendor.
    pub(super) vendor: &'static str,
    kind: Kind,
    budget: Budget,
    read_lag: Duration,
    /// Begins a reading before it is due.
    again: Arc<Notify>,
    sending: InFlight,
    /// What the vendor counts, where it does.
    totals: Option<Totals>,
    /// The token, where it comes from a file, with the one in use.
    token: Option<(Watched, SecretString)>,
}

impl Account {
    pub(super) fn budget(&self) -> Budget {
        self.budget.clone()
    }

    /// Reads it again and again, and watches its token.
    pub(super) fn follow(&mut self, tools: &CensusTools, tasks: &mut JoinSet<()>) {
        let tools = self.tools(tools, true).tools;
        tasks.spawn(census::work(tools.clone(), vec![self.kind.clone()]));
        if let Some(totals) = &self.totals {
            tasks.spawn(totals::work(tools.clone(), totals.clone()));
        }
        if let Some((mut watched, first)) = self.token.take() {
            let (set, again) = (watched.set, Arc::clone(&tools.again));
            watched.set = Box::new(move |token| set(token).inspect(|()| again.notify_one()));
            tasks.spawn(key_watch::watch(watched, first, tools.stop.clone()));
        }
    }

    /// Reads it once; to reconcile, twice: what both readings lack may be deleted. Or reads what the vendor counts alone.
    pub(super) async fn once(&self, tools: &CensusTools, options: &RunOptions) -> Result<(), StoreError> {
        let tools = self.tools(tools, false).tools;
        if options.reconcile {
            census::now(&tools, &self.kind).await?;
            census::now(&tools, &self.kind).await?;
        } else if !options.totals {
            census::once(&tools, std::slice::from_ref(&self.kind), &BTreeSet::new()).await?;
        }
        match &self.totals {
            Some(totals) if options.reconcile || options.totals => totals::read(&tools, totals).await.map(drop),
            Some(totals) => totals::if_due(&tools, totals).await.map(drop),
            None => Ok(()),
        }
    }

    /// Reads it twice, and tells what a reconcile would do. `None` when stopped.
    pub(super) async fn dry_run(&self, tools: &CensusTools) -> Result<Option<DryRun>, StoreError> {
        let account = self.kind.account.clone().expect("the rows of an account are its own");
        let done = dry_run::dry_run(&self.tools(tools, false).tools, &self.kind, &account).await;
        tools.progress.census_beat(self.vendor, Beat::Absent);
        done
    }

    /// What is needed to ask for one of its things, and to change it. `is_followed`: this process reads it again and again.
    pub(super) fn tools(&self, tools: &CensusTools, is_followed: bool) -> OneByOne {
        let tools = CensusTools { vendor: self.vendor, again: Arc::clone(&self.again), ..tools.clone() };
        OneByOne { kind: self.kind.clone(), tools, read_lag: self.read_lag, is_followed, sending: self.sending.clone() }
    }
}

/// The accounts that the configuration names.
///
/// # Errors
/// When a token is missing, or an option is wrong.
pub(super) fn of(config: &Config) -> Result<Vec<Account>, ConfigError> {
    let mut accounts = Vec::new();
    if config.vendors.contains("spark") {
        accounts.push(of_spark(config)?);
    }
    if config.vendors.contains("spotahome") {
        accounts.push(of_spotahome(config)?);
    }
    Ok(accounts)
}

fn of_spark(config: &Config) -> Result<Account, ConfigError> {
    let (section, scanned, secret) = (&config.spark, config.spark.scanned(), config.secret("spark")?);
    let auth = match section.auth {
        SignIn::Bearer => SparkAuth::Bearer(secret.clone()),
        SignIn::OAuth => SparkAuth::OAuth(secret.clone()),
        SignIn::Session => SparkAuth::Session { key: section.api_key.as_str().into(), secret: secret.clone() },
    };
    let options = scanned.http(&section.user_agent).map(|http| SparkOptions {
        http,
        auth,
        api_user: Some(section.api_user.clone()).filter(|user| !user.is_empty()),
        account: section.account.clone(),
        page_size: section.page_size,
    });
    let client = options.and_then(SparkClient::new).map_err(|why| wrong("spark", &why))?;
    let vendor = Arc::new(Spark::new(client, Limiter::new(scanned.limiter_options())));
    let (catalogue, limiter) = (Catalogue::Identities(Arc::clone(&vendor)), Arc::clone(vendor.limiter()));
    let watched = watched(config, "spark", "access token of Spark", move |secret| vendor.set_secret(secret));
    Ok(account("spark", config, (scanned, catalogue, limiter), watched.map(|watched| (watched, secret))))
}

fn of_spotahome(config: &Config) -> Result<Account, ConfigError> {
    let (section, scanned, token) = (&config.spotahome, config.spotahome.scanned(), config.secret("spotahome")?);
    let options = scanned.http(USER_AGENT).map(|http| SpotahomeOptions {
        http,
        account: section.account.clone(),
        token: token.clone(),
        auth_scheme: section.auth_scheme.clone(),
    });
    let client = options.and_then(SpotahomeClient::new).map_err(|why| wrong("spotahome", &why))?;
    let vendor = Arc::new(Spotahome::new(client, Limiter::new(scanned.limiter_options())));
    let limiter = Arc::clone(vendor.limiter());
    let catalogue = Catalogue::Processes(Arc::clone(&vendor), section.items_per_page);
    let totals = Totals { vendor: Arc::clone(&vendor), account: FeedId(scanned.account.to_owned()), every: section.states_every.0 };
    let watched = watched(config, "spotahome", "token of Spotahome", move |token| vendor.set_token(token));
    let account = account("spotahome", config, (scanned, catalogue, limiter), watched.map(|watched| (watched, token)));
    Ok(Account { totals: Some(totals), ..account })
}

fn account(
    vendor: &'static str,
    config: &Config,
    (scanned, catalogue, limiter): (Scanned, Catalogue, Arc<Limiter>),
    token: Option<(Watched, SecretString)>,
) -> Account {
    let reconcile = &config.reconcile;
    let limits = BrakeLimits { count: reconcile.brake_count, share: reconcile.brake_share, budget: reconcile.confirm_budget };
    let rhythm = Rhythm { every: scanned.every.0, whole_every: Duration::ZERO, has_updates: false };
    let kind = Kind { catalogue, account: Some(FeedId(scanned.account.to_owned())), rhythm, limits };
    let budget = Budget { name: scanned.budget(), limiter };
    Account { vendor, kind, budget, read_lag: scanned.read_lag.0, again: Arc::default(), sending: InFlight::default(), totals: None, token }
}

/// A token that comes from a file, which may change.
fn watched(
    config: &Config,
    vendor: &'static str,
    name: &'static str,
    set: impl Fn(SecretString) -> Result<(), String> + Send + 'static,
) -> Option<Watched> {
    config.secret_file(vendor)?;
    let config = config.clone();
    Some(Watched { name, read: Box::new(move || config.secret(vendor)), set: Box::new(set) })
}

fn wrong(section: &str, why: &str) -> ConfigError {
    ConfigError::Unusable(format!("section [{section}]: {why}"))
}
