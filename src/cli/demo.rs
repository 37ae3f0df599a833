//! `mls-sync demo`: the whole job against an embedded sandbox, and the proof that it was done.

mod account;
mod compare;
mod played;

use super::exit::{reached_end, refuse};
use super::print::grouped;
use super::run::stop_on_signals;
use super::sandbox::Vendor;
use super::show;
use crate::config::Config;
use crate::daemon::{Daemon, RunOptions};
use crate::plan::merge::ActionKind;
use crate::sandbox::verify::{self, Verdict};
use crate::sandbox::{Options, Sandbox};
use crate::sync::progress::{FeedProgress, Progress};
use anyhow::Context;
use played::Played;
use secrecy::SecretString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Listings in each feed, where nobody says otherwise.
const LISTINGS: usize = 4000;
/// How long the sandbox goes on changing after the load.
const LIVELY: Duration = Duration::from_secs(8);
/// Changes in the whole sandbox.
const CHANGES_PER_SECOND: f64 = 25.0;
/// After the last change, the mirror must catch up within this.
const CATCH_UP: Duration = Duration::from_secs(15);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 the file equals the vendor's truth, 1 it differs, or the demo was stopped, 2 the file exists already, or an option is another vendor's.")]
pub(super) struct Arguments {
    /// The file to write; it must not exist yet. By default a new one in the directory for temporary files
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    /// The vendor to play
    #[arg(long, value_enum, default_value_t = Vendor::Constellation1)]
    vendor: Vendor,
    /// Of constellation1: listings in each of the three feeds [default: 4000]
    #[arg(long)]
    listings: Option<usize>,
    /// Of spark: identities [default: 200]; of spotahome: listing processes [default: 500]
    #[arg(long, conflicts_with = "listings", value_parser = clap::value_parser!(u16).range(20..=5000))]
    records: Option<u16>,
}

pub(super) async fn demo(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let stop = stop_on_signals()?;
    let database = arguments.database.unwrap_or_else(fresh_path);
    if database.exists() {
        return refuse(format!("{} exists already; name a file that does not, with --database", database.display()));
    }
    let is_first = arguments.vendor == Vendor::Constellation1;
    if is_first && arguments.records.is_some() || !is_first && arguments.listings.is_some() {
        return refuse("--listings is an option of --vendor constellation1, and --records one of the others");
    }
    let played = Played::start(arguments.vendor, arguments.records.map(usize::from)).await.context("cannot start the sandbox")?;
    if let Some(played) = played {
        return account::demo(played, &database, stop).await;
    }
    let listings = arguments.listings.unwrap_or(LISTINGS);
    let options = Options { listings, deleted: listings / 20, all_includes_deleted: true, ..Options::default() };
    let sandbox = Sandbox::start(options.clone(), ([127, 0, 0, 1], 0).into()).await.context("cannot start the sandbox")?;
    let config = config(&sandbox, &database, &options);

    println!("1. Loading three feeds of {} listings from a vendor in memory, at {}", grouped(listings as u64), sandbox.url());
    let load = RunOptions { once: true, backfill: true, ..RunOptions::default() };
    let key = SecretString::from(options.key.0.as_str());
    let loaded = timed(Daemon::new(config.clone(), Some(key.clone()), load, stop.child_token()).await?).await?;
    let requests = grouped(loaded.sum(|counters| counters.requests));
    println!("   {} listings in {:.1} s, {requests} requests", loaded.count(&[ActionKind::Insert]), loaded.seconds);
    if stop.is_cancelled() {
        return Ok(reached_end(false));
    }

    println!("2. Polling while the vendor adds, edits, deletes and revives listings");
    let enough = stop.child_token();
    let settle = config.poll.settle.0;
    let daemon = Daemon::new(config, Some(key), RunOptions::default(), enough.clone()).await?;
    let followed = follow(daemon, &sandbox, settle, enough).await?;
    println!(
        "   {} new, {} changed, {} deleted, {} revived, {} rounds of polls",
        followed.count(&[ActionKind::Insert]),
        followed.count(&[ActionKind::Update]),
        followed.count(&[ActionKind::Tombstone, ActionKind::InsertTombstone]),
        followed.count(&[ActionKind::Revive]),
        grouped(followed.sum(|counters| counters.rounds)),
    );

    println!("3. Comparing the file with the vendor's truth, listing by listing, field by field");
    let truths = sandbox.with_world(|world| world.truths());
    let verdict = verify::compare(&database, &truths, &options).context("cannot compare the file")?;
    sandbox.stop().await;
    print_verdict(&verdict, &database);
    Ok(reached_end(verdict.agrees() && !stop.is_cancelled()))
}

fn fresh_path() -> PathBuf {
    std::env::temp_dir().join(format!("mls-sync-demo-{}.db", std::process::id()))
}

fn config(sandbox: &Sandbox, database: &std::path::Path, options: &Options) -> Config {
    let mut config = Config { database: database.to_owned(), ..Config::default() };
    (config.constellation1.base_url, config.constellation1.client) = (sandbox.url(), options.client.clone());
    config.poll.interval.0 = Duration::from_secs(1);
    (config.rate.requests_per_second, config.rate.max_in_flight) = (50.0, 2);
    config
}

/// What a run did, and how long it took.
struct Done {
    progress: Progress,
    seconds: f64,
}

impl Done {
    fn sum(&self, of: impl Fn(&FeedProgress) -> u64) -> u64 {
        self.progress.snapshot().values().map(of).sum()
    }

    fn count(&self, kinds: &[ActionKind]) -> String {
        grouped(self.sum(|counters| counters.count(kinds)))
    }
}

async fn timed(daemon: Daemon) -> anyhow::Result<Done> {
    let progress = daemon.progress();
    let started = Instant::now();
    let shown = show::start(progress.clone());
    daemon.run().await?;
    drop(shown);
    Ok(Done { progress, seconds: started.elapsed().as_secs_f64() })
}

/// Polls while the sandbox changes, and on until a whole round of polls began after the last change.
async fn follow(daemon: Daemon, sandbox: &Sandbox, settle: Duration, enough: CancellationToken) -> anyhow::Result<Done> {
    let progress = daemon.progress();
    let director = async {
        sandbox.reconfigure(|options| options.churn_per_second = CHANGES_PER_SECOND);
        tokio::time::sleep(LIVELY).await;
        sandbox.reconfigure(|options| options.churn_per_second = 0.0);
        // What was stamped last becomes old enough to be read; then two whole rounds for every feed.
        tokio::time::sleep(settle).await;
        let before = progress.snapshot();
        let caught_up = || progress.snapshot().iter().all(|(feed, now)| now.rounds >= before.get(feed).map_or(0, |then| then.rounds) + 2);
        let deadline = Instant::now() + CATCH_UP;
        while !caught_up() && Instant::now() < deadline && !enough.is_cancelled() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        enough.cancel();
    };
    let (done, ()) = tokio::join!(timed(daemon), director);
    done
}

fn print_verdict(verdict: &Verdict, database: &std::path::Path) {
    let file = database.display();
    println!("   {verdict}\n\nThe file:     {file}");
    println!("Try:          sqlite3 {file} \"SELECT city, count(*), avg(price) FROM live_listings GROUP BY city\"");
}
