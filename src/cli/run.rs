//! `mls-sync run`: the daemon, one cycle, or one load.

use super::exit::reached_end;
use super::print::grouped;
use super::status::scanned;
use super::{privacy, show};
use crate::config::Config;
use crate::daemon::{Daemon, RunOptions, RunOutcome, StartError, delegate};
use crate::plan::merge::ActionKind;
use crate::record::{DayTime, FeedId, Stamp};
use crate::store::report::{self, FeedReport};
use crate::sync::progress::{FeedProgress, Progress};
use anyhow::Context;
use chrono::Utc;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without --once or --backfill it runs until it is stopped (SIGTERM or Ctrl-C), which takes less than 5 seconds.

Exit codes: 0 stopped, or every feed and account is complete, 1 a feed or an account is not complete, or the database cannot be used any more, 2 something is missing or wrong, and nothing was begun, 3 another process mirrors into the file.")]
pub(super) struct Arguments {
    /// One cycle over all feeds and accounts: read what changed and whatever else is missing, then exit
    #[arg(long, conflicts_with = "backfill")]
    once: bool,
    /// Load everything, going on where an interrupted load stopped; print a summary; exit 0 if every feed is complete
    #[arg(long)]
    backfill: bool,
    /// With --backfill: load only what was updated since then (2024-01-31 or 2024-01-31T08:30:00)
    #[arg(long, value_name = "DATE", requires = "backfill", value_parser = DayTime::from_str)]
    since: Option<DayTime>,
    /// Take over a file that mirrors another base_url or client: read everything again, then reconcile. Deletions wait for you if they are many
    #[arg(long)]
    adopt: bool,
    /// Only this feed; may be given several times
    #[arg(long, value_name = "ID")]
    feed: Vec<String>,
    /// Mirror only this vendor of the configuration: constellation1, spark or spotahome
    #[arg(long, value_name = "NAME")]
    vendor: Option<String>,
}

pub(super) async fn run(path: &Path, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut config = Config::read(path)?;
    if let Some(vendor) = &arguments.vendor {
        config.narrow(vendor).map_err(StartError::Refused)?;
    }
    let of_listings = [("--feed", !arguments.feed.is_empty()), ("--adopt", arguments.adopt), ("--since", arguments.since.is_some())];
    if let Some((option, _)) = of_listings.iter().find(|(_, is_set)| *is_set && !config.mirrors_listings()) {
        return Err(
            StartError::Refused(format!("{option} is about listings, and their vendor is not among those that are mirrored")).into()
        );
    }
    if let Some(since) = arguments.since.filter(|since| since.0 > Stamp::from_utc(Utc::now())) {
        return Err(StartError::Refused(format!("--since {} lies in the future, so nothing would be loaded", since.0)).into());
    }
    let stop = stop_on_signals()?;
    let one_shot = arguments.once || arguments.backfill;
    // A backfill sets the oldest stamp that the mirror is to hold; one cycle leaves it as it is.
    let whole = arguments.backfill.then_some(config.backfill.since.0);
    let command = match (arguments.once, arguments.backfill) {
        (true, _) => "run --once",
        (_, true) => "run --backfill",
        (false, false) => delegate::DAEMON,
    };
    let options = RunOptions {
        command,
        once: one_shot,
        backfill: arguments.backfill,
        adopt: arguments.adopt,
        since: arguments.since.map(|since| since.0).or(whole),
        feeds: arguments.feed.into_iter().map(FeedId).collect(),
        ..RunOptions::default()
    };
    privacy::warn_of_open_files(path, &config);
    let key = config.mirrors_listings().then(|| config.key()).transpose()?;
    let (database, vendors) = (config.database.clone(), config.vendors.clone());
    let daemon = Daemon::new(config, key, options, stop).await?;
    let progress = daemon.progress();
    let shown = one_shot.then(|| show::start(progress.clone()));
    let outcome = daemon.run().await?;
    drop(shown);
    if !one_shot {
        return Ok(ExitCode::SUCCESS);
    }
    let complete = print_summary(&outcome, &progress, &database)? & print_scanned(&database, &vendors)?;
    Ok(reached_end(complete && !outcome.stopped && outcome.no_feeds.is_none()))
}

/// Tells whether every feed is complete.
fn print_summary(outcome: &RunOutcome, progress: &Progress, database: &Path) -> anyhow::Result<bool> {
    let reports = report::feeds(database)?;
    let counters = progress.snapshot();
    let mut complete = outcome.feeds.values().all(Vec::is_empty);
    for report in reports.iter().filter(|report| counters.contains_key(&report.feed_id)) {
        println!("{}", summary(report, &counters[&report.feed_id]));
        let mut missing = outcome.feeds.get(&report.feed_id).cloned().unwrap_or_default();
        if report.live + report.deleted == 0 {
            let rejects = report::rejects(database, Some(&report.feed_id))?;
            missing.extend(rejects.first().map(|reject| format!("all that came was rejected (`mls-sync rejects`): {}", reject.reason)));
        }
        if report.is_unknown() && missing.is_empty() {
            println!("{:<10}   nothing of this feed was ever seen: is its name right?", "");
        }
        for missing in &missing {
            println!("{:<10}   not complete: {missing}", "");
        }
        complete &= missing.is_empty();
    }
    if let Some(reason) = &outcome.no_feeds {
        println!("no feeds: {reason}");
    }
    if outcome.stopped {
        println!("stopped before the end; the same command goes on from here");
    }
    Ok(complete)
}

/// Prints a line for each account; tells whether each has a whole reading and no problem.
pub(super) fn print_scanned(database: &Path, vendors: &BTreeSet<&'static str>) -> anyhow::Result<bool> {
    let mut whole = true;
    for report in report::scanned(database)?.iter().filter(|report| vendors.contains(scanned::vendor(&report.entity))) {
        scanned::lines(report, |at| format!("as of {at}")).iter().for_each(|line| println!("{line}"));
        whole &= report.is_whole();
    }
    Ok(whole)
}

fn summary(report: &FeedReport, counters: &FeedProgress) -> String {
    let count = |kinds| grouped(counters.count(kinds));
    let mut parts = vec![
        format!("{} live, {} deleted", grouped(report.live), grouped(report.deleted)),
        format!("{} new", count(&[ActionKind::Insert])),
        format!("{} changed", count(&[ActionKind::Update, ActionKind::Revive])),
        format!("{} removed", count(&[ActionKind::Tombstone, ActionKind::InsertTombstone])),
        requests(report, counters),
    ];
    if counters.rejects > 0 {
        parts.push(format!("{} rejected", grouped(counters.rejects)));
    }
    // That nothing is missing of a feed of which nothing was ever seen is no news.
    if let Some(until) = report.complete_until.as_ref().filter(|_| !report.is_unknown()) {
        parts.push(format!("complete until {until}"));
    }
    format!("{:<10} {}", report.feed_id.to_string(), parts.join(" · "))
}

/// The first load of a feed is set against what it needed.
fn requests(report: &FeedReport, counters: &FeedProgress) -> String {
    let requests = format!("{} requests", grouped(counters.requests));
    let new = counters.count(&[ActionKind::Insert, ActionKind::InsertTombstone]);
    let first = report.first_load.as_ref().filter(|_| new > 0 && new == report.live + report.deleted);
    first.map_or(requests.clone(), |first| format!("{requests} for {} pages", grouped(first.pages)))
}

/// A token that SIGTERM, Ctrl-C and the end of the terminal cancel.
pub(super) fn stop_on_signals() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let mut hangup = if outlives_terminal() { None } else { Some(signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?) };
    let token = stop.clone();
    tokio::spawn(async move {
        let heard = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "Ctrl-C",
            _ = async { hangup.as_mut()?.recv().await }, if hangup.is_some() => "SIGHUP",
        };
        token.cancel();
        tracing::info!("{heard}: stopping");
    });
    Ok(stop)
}

/// Whether SIGHUP is ignored, as `nohup` asks it of the programs that it starts.
fn outlives_terminal() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    ignored.is_some_and(|signals| signals & 1 == 1)
}
