//! A vendor in memory that has one account: its world, and how a mirror reads it.

use super::compare::FileRows;
use crate::cli::sandbox::Vendor;
use crate::config::Config;
use crate::sandbox::TrueRows;
use crate::sandbox::spark::{self, SparkSandbox};
use crate::sandbox::spotahome::{self, SpotahomeSandbox};
use crate::store::report::ReportError;
use crate::store::scanned_rows::{self, Identities, Processes};
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// From one reading to the next.
const EVERY: Duration = Duration::from_millis(500);
/// The vendor is in this process.
const REQUESTS_PER_SECOND: f64 = 200.0;
/// Changes in a second.
const CHANGES: f64 = 10.0;
/// Processes that vanish in a second: so few that no person is asked whether they may be deleted.
const VANISHING: f64 = 1.0;
/// Deleted identities at the start.
const DELETED: usize = 20;

/// A vendor in memory.
pub(super) enum Played {
    Spark(SparkSandbox),
    Spotahome(SpotahomeSandbox),
}

impl Played {
    /// Plays this vendor with so many live records; `None` for the vendor of the listings, which has no accounts.
    pub(super) async fn start(vendor: Vendor, records: Option<usize>) -> io::Result<Option<Played>> {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Ok(match vendor {
            Vendor::Constellation1 => None,
            Vendor::Spark => {
                let usual = spark::Options::default();
                let identities = records.unwrap_or(usual.identities);
                let options = spark::Options { identities, deleted_identities: DELETED, ..usual };
                Some(Played::Spark(SparkSandbox::start(options, anywhere).await?))
            }
            Vendor::Spotahome => {
                let usual = spotahome::Options::default();
                let options = spotahome::Options { processes: records.unwrap_or(usual.processes), ..usual };
                Some(Played::Spotahome(SpotahomeSandbox::start(options, anywhere).await?))
            }
        })
    }

    pub(super) fn url(&self) -> String {
        match self {
            Played::Spark(sandbox) => sandbox.url(),
            Played::Spotahome(sandbox) => sandbox.url(),
        }
    }

    /// The token that it takes.
    pub(super) fn token(&self) -> String {
        match self {
            Played::Spark(sandbox) => sandbox.with_world(|world| world.options.token.0.clone()),
            Played::Spotahome(_) => spotahome::Options::default().token.0,
        }
    }

    /// What several of its records are called.
    pub(super) fn plural(&self) -> &'static str {
        match self {
            Played::Spark(_) => "identities",
            Played::Spotahome(_) => "listing processes",
        }
    }

    /// A query that a person may try on the file.
    pub(super) fn query(&self) -> &'static str {
        match self {
            Played::Spark(_) => "SELECT identity_id, first_name, last_name, company, last_active FROM live_identities LIMIT 10",
            Played::Spotahome(_) => "SELECT state, count(*) FROM open_processes GROUP BY state",
        }
    }

    /// A configuration that mirrors it alone.
    pub(super) fn config(&self, database: &Path, token_file: &Path) -> Config {
        let mut config = Config { database: database.to_owned(), ..Config::default() };
        let (url, token_file) = (self.url(), Some(token_file.to_owned()));
        let (vendor, every, rate) = match self {
            Played::Spark(_) => {
                (config.spark.base_url, config.spark.access_token_file) = (url, token_file);
                ("spark", &mut config.spark.every, &mut config.spark.rate)
            }
            Played::Spotahome(_) => {
                (config.spotahome.base_url, config.spotahome.token_file) = (url, token_file);
                ("spotahome", &mut config.spotahome.every, &mut config.spotahome.rate)
            }
        };
        (every.0, rate.requests_per_second, rate.max_in_flight) = (EVERY, REQUESTS_PER_SECOND, 2);
        config.vendors = BTreeSet::from([vendor]);
        config
    }

    /// Begins or ends what happens to its records.
    pub(super) fn change(&self, is_lively: bool) {
        let [changes, vanishing] = if is_lively { [CHANGES, VANISHING] } else { [0.0; 2] };
        match self {
            Played::Spark(sandbox) => sandbox.with_world(|world| world.options.churn_per_second = changes),
            Played::Spotahome(sandbox) => {
                sandbox.reconfigure(|options| (options.churn_per_second, options.vanish_per_second) = (changes, vanishing));
            }
        }
    }

    /// How many requests it has answered.
    pub(super) fn requests(&self) -> u64 {
        match self {
            Played::Spark(sandbox) => sandbox.with_world(|world| world.asked().len() as u64),
            Played::Spotahome(sandbox) => sandbox.requests().len() as u64,
        }
    }

    pub(super) fn truth(&self) -> TrueRows {
        match self {
            Played::Spark(sandbox) => sandbox.with_world(|world| world.truth()),
            Played::Spotahome(sandbox) => sandbox.with_world(|world| world.truth()),
        }
    }

    /// The rows of the file, deleted ones included.
    pub(super) fn rows(&self, database: &Path) -> Result<FileRows, ReportError> {
        let mut all = FileRows::new();
        for deleted in [false, true] {
            let (id, rows) = match self {
                Played::Spark(_) => ("identity_id", scanned_rows::identities(database, &Identities { deleted, mls: None })?),
                Played::Spotahome(_) => ("process_id", scanned_rows::processes(database, &Processes { deleted, ..Processes::default() })?),
            };
            all.extend(rows.into_iter().filter_map(|row| Some((row[id].as_i64()?, row))));
        }
        Ok(all)
    }
}
