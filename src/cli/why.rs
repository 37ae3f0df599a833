//! `mls-sync why`: what is known of one listing, identity or process.

mod entry;
mod sides;

use super::exit::reached_end;
use super::print::print_json;
use super::run::stop_on_signals;
use super::{privacy, rejects};
use crate::config::Config;
use crate::daemon::question;
use crate::plan::merge::TWO_READINGS;
use crate::record::{FeedId, ListingId, ListingKey, printable};
use crate::store::why::{self, RowReport, WhyReport};
use sides::{VALUE, print_asked, shown};
use std::path::Path;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
  mls-sync why GAMLS 7300001    a listing of a feed
  mls-sync why identity 5       a developer identity of Spark
  mls-sync why process 111      a listing process of Spotahome

Exit codes: 0 shown, 1 it was never stored, or the vendor did not answer, 2 something is missing or wrong, 3 with --ask: another command than `mls-sync run` mirrors into the file.")]
pub(super) struct Arguments {
    /// The feed of a listing; or `identity` or `process`, of the account that the configuration names
    feed: String,
    /// The MLS number, or the id of the identity or the process
    listing: String,
    /// The first word is a feed, although that is called `identity` or `process`
    #[arg(long = "feed")]
    is_feed: bool,
    /// For programs: one JSON object
    #[arg(long)]
    json: bool,
    /// Also ask the vendor what it says now, and show both side by side (one request; needs the key, unless `mls-sync run` is at work, which then asks)
    #[arg(long)]
    ask: bool,
}

pub(super) async fn why(path: &Path, arguments: Arguments) -> anyhow::Result<ExitCode> {
    if let Some(entity) = entry::kind(&arguments.feed).filter(|_| !arguments.is_feed) {
        return entry::why(path, (entity, &arguments.listing), arguments.ask, arguments.json).await;
    }
    let config = if arguments.ask { Config::read(path)? } else { Config::read_for_reading(path)? };
    if arguments.ask {
        privacy::warn_of_open_files(path, &config);
    }
    let key = ListingKey { feed: FeedId(arguments.feed), listing: ListingId(arguments.listing) };
    let report = why::why(&config.database, &key)?;
    let asked = if arguments.ask { Some(question::ask_vendor(&config, &key, stop_on_signals()?).await?) } else { None };
    if arguments.json {
        let mut json = serde_json::to_value(&report)?;
        json["asked"] = serde_json::to_value(&asked)?;
        print_json(&json)?;
    } else {
        print(&report);
        asked.iter().for_each(print_asked);
    }
    Ok(reached_end(report.row.is_some()))
}

fn print(report: &WhyReport) {
    println!("{} {}: {}", report.feed_id, printable(&report.listing_id, VALUE), report.row.as_ref().map_or_else(|| never(report), state));
    if let Some(row) = &report.row {
        println!("  first seen {}, last changed {} (change {})", row.first_seen_at, row.changed_at, row.change_seq);
        println!("  dated {} by the vendor, status {}", shown(row.mls_update_date.as_deref()), shown(row.listing_status.as_deref()));
    }
    if let Some(contested) = &report.contested {
        let what = if contested.deleted { "that it is deleted" } else { "it as live" };
        println!(
            "  the vendor says {what}, dated {}, since {}, and the row is newer. That is taken over if the vendor says so again {} \
             after that or later, or by a reconcile",
            shown(contested.stamp.as_deref()),
            contested.first_seen_at,
            humantime::format_duration(TWO_READINGS),
        );
    }
    for change in &report.changes {
        let back = if change.cause == "taken_back" { ": the vendor went back to an older version" } else { "" };
        println!("  change {} {} at {}{back}", change.seq, change.kind, change.at);
    }
    for window in &report.windows {
        let when = window.closed_at.as_ref().unwrap_or(&window.opened_at);
        println!(
            "  read by {} {} Status={} {} .. {} at {when}: {}",
            window.purpose, window.window_id, window.status, window.from, window.to, window.state
        );
    }
    for late in &report.late {
        println!("  came late: stamped {}, found by {} {:.0} s later, at {}", late.stamp, late.found_by, late.late_s, late.found_at);
    }
    for absence in &report.absences {
        let applied = if absence.applied { ", deleted" } else { "" };
        let twin = absence.twin_id.as_ref().map_or(String::new(), |twin| format!(", seems to be {} now", printable(twin, VALUE)));
        println!(
            "  absent in reconcile run {} of {} ({}): {}{applied}{twin}",
            absence.run_id, absence.started_at, absence.state, absence.verdict
        );
    }
    for reject in &report.rejects {
        println!("  rejected: {}", rejects::line(reject).trim_start());
    }
}

fn state(row: &RowReport) -> String {
    match (&row.deleted_at, &row.deleted_cause) {
        (Some(at), Some(cause)) => format!("deleted, learnt at {at}: {}", cause_in_words(cause)),
        (Some(_) | None, _) => "live".to_owned(),
    }
}

fn cause_in_words(cause: &str) -> &str {
    match cause {
        "vendor" => "the vendor said so",
        "absent" => "absent from a whole reading (reconcile)",
        "feed_removed" => "its feed was removed by a person",
        other => other,
    }
}

/// Why a listing may never have been stored.
fn never(report: &WhyReport) -> String {
    let feed = &report.feed_id;
    let why = match &report.feed {
        None => format!("the feed {feed} is not in this file; `mls-sync feeds` lists those that are"),
        Some(known) if known.removed_at.is_some() => format!("the feed {feed} was removed; nothing new is stored of it"),
        Some(known) => match &known.complete_until {
            Some(until) => {
                format!("everything of {feed} that is dated from {} to {until} was read whole, and it was not there", known.since)
            }
            None => format!("the feed {feed} is still being loaded, so it may yet come"),
        },
    };
    format!("never stored. {why}")
}
