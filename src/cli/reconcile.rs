//! `mls-sync reconcile`: a whole reading set against the file.

use super::exit::{reached_end, refuse};
use super::print::{grouped, print_json};
use super::run::{print_scanned, stop_on_signals};
use super::status::scanned;
use super::{privacy, show};
use crate::config::Config;
use crate::daemon::{self, Daemon, RunOptions, RunOutcome, StartError, delegate};
use crate::record::{FeedId, printable};
use crate::store::{Approved, RunReport, ScannedReport, report};
use crate::sync::clock::mirror_time;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

/// Characters of a note that fit a line.
const NOTE: usize = 300;
/// Pairs that a person is shown; --json has more.
const PAIRS: usize = 10;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
What the reading lacks is deleted only if the vendor confirms it, listing by listing. If suspiciously much is absent,
nothing is deleted: the run is withheld until you have looked and said --approve. An empty answer deletes nothing.
Rows that are newer than what the vendor has now are taken back to that: it may have restored a backup.
Where `mls-sync run` is at work on the file, that does it, within its own share of requests; this command then waits for it. Not so with
--vendor spark or spotahome: a running `mls-sync run` reads the account anyway.

Exit codes: 0 every run is done, 1 a run was withheld, failed or did not reach its end, 2 nothing was begun, 3 another command than `mls-sync run` mirrors into the file, or with --vendor spark or spotahome any process.")]
pub(super) struct Arguments {
    /// Only this feed; may be given several times
    #[arg(long, value_name = "ID")]
    feed: Vec<String>,
    /// Instead of feeds: read the account of this vendor (spark or spotahome) twice. A row that both readings lack is deleted if the vendor confirms it; too many are withheld, as with feeds
    #[arg(long, value_name = "NAME", conflicts_with = "feed")]
    vendor: Option<String>,
    /// Change nothing; tell what would be done
    #[arg(long)]
    dry_run: bool,
    /// Apply the deletions that this run withheld; asks the vendor nothing
    #[arg(long, value_name = "RUN", conflicts_with_all = ["feed", "dry_run"])]
    approve: Option<i64>,
    /// For programs: one JSON array, one object per run; with --approve or --vendor, an object
    #[arg(long)]
    json: bool,
}

pub(super) async fn reconcile(config: &Path, arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.approve {
        Some(run) => approve(&Config::read_for_reading(config)?, run, arguments.json).await,
        None => {
            let mut read = Config::read(config)?;
            privacy::warn_of_open_files(config, &read);
            match &arguments.vendor {
                Some(vendor) => {
                    read.narrow(vendor).map_err(StartError::Refused)?;
                    if read.mirrors_listings() { scan(read, arguments).await } else { scan_account(read, &arguments).await }
                }
                None => scan(read, arguments).await,
            }
        }
    }
}

async fn scan(config: Config, arguments: Arguments) -> anyhow::Result<ExitCode> {
    if !config.mirrors_listings() {
        return refuse("the configuration has no section [constellation1]; name the vendor of the account with --vendor");
    }
    daemon::check_source(&config)?;
    let feeds = chosen(&config, arguments.feed)?;
    let stop = stop_on_signals()?;
    let database = config.database.clone();
    let before = report::last_run(&database)?;
    // One process asks the vendor: where a daemon runs, it does the work, and this waits for it.
    let (begun, outcome) = match delegate::daemon(&config)? {
        Some(holder) => {
            tracing::info!("the running `mls-sync run` (PID {}) does it between its polls; this waits for it", holder.pid);
            let (begun, outcome) = delegate::reconcile(&config, &feeds, arguments.dry_run, &stop).await?;
            (Some(begun), outcome)
        }
        None => (None, alone(config, &feeds, arguments.dry_run, stop).await?),
    };
    let mut runs = report::runs_after(&database, before)?;
    // The daemon's regular runs are none of ours.
    runs.retain(|run| begun.as_ref().is_none_or(|begun| begun.contains(&run.run_id)));
    if arguments.json {
        print_json(&runs)?;
    } else {
        print(&feeds, &runs, &outcome);
    }
    let done = |feed: &FeedId| runs.iter().rfind(|run| run.feed_id == *feed).is_some_and(|run| run.state == "done");
    Ok(reached_end(feeds.iter().all(done) && !outcome.stopped))
}

/// Reads an account twice. A running daemon reads it anyway, so this is for a file that nobody mirrors into.
async fn scan_account(config: Config, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let stop = stop_on_signals()?;
    let (database, vendors) = (config.database.clone(), config.vendors.clone());
    let options = RunOptions { command: "reconcile", once: true, reconcile: true, dry_run: arguments.dry_run, ..RunOptions::default() };
    let outcome = Daemon::new(config, None, options, stop).await?.run().await?;
    if arguments.dry_run {
        return print_dry(&outcome, arguments.json);
    }
    let is_whole = if arguments.json { print_account(&database, &vendors)? } else { print_scanned(&database, &vendors)? };
    Ok(reached_end(is_whole && !outcome.stopped))
}

/// Prints where an account stands as a JSON object; tells whether it has a whole reading and no problem.
fn print_account(database: &Path, vendors: &BTreeSet<&'static str>) -> anyhow::Result<bool> {
    let accounts = report::scanned(database)?;
    let account = accounts.iter().find(|report| vendors.contains(scanned::vendor(&report.entity)));
    print_json(&account)?;
    Ok(account.is_some_and(ScannedReport::is_whole))
}

/// Prints what a reconcile of an account would do.
fn print_dry(outcome: &RunOutcome, json: bool) -> anyhow::Result<ExitCode> {
    let Some(dry) = outcome.dry_runs.first() else {
        println!("stopped before the end");
        return Ok(reached_end(false));
    };
    let done = reached_end(dry.read.is_some() && dry.note.is_none());
    if json {
        print_json(dry)?;
        return Ok(done);
    }
    let account = printable(&dry.account, NOTE);
    match dry.read {
        None => println!("{account}: no two whole readings, so it is not known what would be done"),
        Some(read) => {
            let [read, added, changed, deleted, withheld] = [read, dry.added, dry.changed, dry.deleted, dry.withheld].map(grouped);
            println!(
                "{account} (dry run)  {read} read  {added} would be added  {changed} changed  {deleted} deleted  {withheld} absent and not deleted"
            );
        }
    }
    dry.note.iter().for_each(|note| println!("! {}", printable(note, NOTE)));
    Ok(done)
}

async fn alone(config: Config, feeds: &[FeedId], dry_run: bool, stop: CancellationToken) -> anyhow::Result<RunOutcome> {
    let key = config.key()?;
    let options = RunOptions { command: "reconcile", once: true, feeds: feeds.to_vec(), reconcile: true, dry_run, ..RunOptions::default() };
    let daemon = Daemon::new(config, Some(key), options, stop).await?;
    let _shown = show::start(daemon.progress());
    daemon.run().await
}

/// The feeds that the file has and that are asked for: a run must not begin to mirror what a person mistyped.
fn chosen(config: &Config, asked: Vec<String>) -> anyhow::Result<Vec<FeedId>> {
    let known: Vec<FeedId> = report::feeds(&config.database)?.into_iter().map(|report| report.feed_id).collect();
    if let Some(strange) = asked.iter().find(|asked| !known.iter().any(|known| known.0 == **asked)) {
        let strange = printable(strange, NOTE);
        return refuse(format!("the feed {strange} is not mirrored in this file; `mls-sync feeds` lists those that are"));
    }
    if !asked.is_empty() {
        return Ok(asked.into_iter().map(FeedId).collect());
    }
    let named = &config.constellation1.feeds;
    let chosen: Vec<FeedId> = known.into_iter().filter(|feed| named.is_empty() || named.contains(&feed.0)).collect();
    if chosen.is_empty() {
        return refuse("there is nothing to set a reading against yet: `mls-sync run` finds and loads the feeds");
    }
    Ok(chosen)
}

fn print(feeds: &[FeedId], runs: &[RunReport], outcome: &RunOutcome) {
    for feed in feeds {
        let of_feed: Vec<&RunReport> = runs.iter().filter(|run| run.feed_id == *feed).collect();
        of_feed.iter().for_each(|run| println!("{}", line(run)));
        if of_feed.is_empty() {
            println!("{feed}: not reconciled");
        }
        for missing in outcome.feeds.get(feed).into_iter().flatten() {
            println!("{:<10}  not complete: {}", "", printable(missing, NOTE));
        }
    }
    if outcome.stopped {
        println!("stopped before the end");
    }
}

/// One line for the run, and one for each of the first pairs.
fn line(run: &RunReport) -> String {
    let state = if matches!(run.state.as_str(), "scanning" | "confirming") { "incomplete" } else { &run.state };
    let (dry, would) = if run.dry_run { (" (dry run)", "would be ") } else { ("", "") };
    let [read, missing, stale, absent, before, deleted, back] =
        [run.read, run.missing, run.stale, run.absent, run.live_before, run.deleted, run.taken_back].map(grouped);
    let (feed, id) = (run.feed_id.to_string(), run.run_id);
    let mut line = format!(
        "{feed:<10}  run {id} {state}{dry}  {read} read  {missing} missing {would}repaired  {stale} stale {would}repaired  \
         {absent} of {before} absent  {deleted} deleted"
    );
    if run.taken_back > 0 {
        line.push_str(&format!("  {back} {would}taken back"));
    }
    if let Some(note) = &run.note {
        line.push_str(&format!("\n{:<10}  {}", "", printable(note, NOTE)));
    }
    if run.state == "withheld" && !run.dry_run {
        line.push_str(&format!("\n{:<10}  nothing was deleted. Look, then `mls-sync reconcile --approve {}`", "", run.run_id));
    }
    for pair in run.pairs.iter().take(PAIRS) {
        line.push_str(&format!("\n{:<10}  {} seems to be {} now", "", pair.absent, pair.twin));
    }
    if run.pairs.len() > PAIRS {
        line.push_str(&format!("\n{:<10}  and {} more such pairs (--json shows them)", "", run.pairs.len() - PAIRS));
    }
    line
}

async fn approve(config: &Config, run: i64, json: bool) -> anyhow::Result<ExitCode> {
    let approved = daemon::on_file(config, async |store| store.approve(run, mirror_time()).await).await?;
    let Approved { feed, deleted, kept } = approved.map_err(StartError::Refused)?;
    if json {
        return print_json(&serde_json::json!({ "run_id": run, "feed_id": feed, "deleted": deleted, "kept": kept }));
    }
    println!("{feed}: {} rows deleted; {} had changed since the run and stay", grouped(deleted), grouped(kept));
    Ok(ExitCode::SUCCESS)
}
