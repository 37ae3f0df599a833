//! `mls-sync rejects`: the vendor's records that could not be stored.

use super::exit::refuse;
use super::print::{grouped, print_json};
use crate::config::Config;
use crate::daemon;
use crate::record::{FeedId, printable};
use crate::store::{RejectReport, report};
use crate::sync::replay::{ReplayCount, replay};
use crate::vendor::LISTINGS;
use std::process::ExitCode;

/// Characters of a reason that fit a line.
const REASON: usize = 200;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The records themselves are in the table rejects, column raw, as the vendor sent them.

Exit codes: 0 done, 1 the database could not be written, 2 something is missing or wrong before it begins.")]
pub(super) struct Arguments {
    /// Only this feed
    #[arg(long, value_name = "ID", conflicts_with = "retry")]
    feed: Option<String>,
    /// For programs: one JSON array; with --retry, an object
    #[arg(long)]
    json: bool,
    /// Decode all of them again, as after an upgrade, and store those that now fit; the vendor is not asked
    #[arg(long)]
    retry: bool,
}

pub(super) async fn rejects(config: &Config, arguments: Arguments) -> anyhow::Result<ExitCode> {
    if arguments.retry {
        return retry(config, arguments.json).await;
    }
    let feed = arguments.feed.map(FeedId);
    if let Some(feed) = &feed
        && !report::feed_list(&config.database)?.iter().any(|entry| entry.feed_id == *feed)
    {
        return refuse(format!("there is no feed {feed} in the file; `mls-sync feeds` lists them"));
    }
    let rejects = report::rejects(&config.database, feed.as_ref())?;
    if arguments.json {
        return print_json(&rejects);
    }
    if rejects.is_empty() {
        println!("No rejects: every record could be stored.");
    }
    rejects.iter().for_each(|reject| println!("{}", line(reject)));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn line(reject: &RejectReport) -> String {
    let listing = reject.listing_id.as_ref().map_or("(no number)".to_owned(), ToString::to_string);
    let reason = printable(&reject.reason, REASON);
    format!(
        "{:>6}  {}  Status={}  {listing}  {} bytes  {}  {reason}",
        reject.reject_id, reject.feed_id, reject.status, reject.bytes, reject.rejected_at
    )
}

async fn retry(config: &Config, json: bool) -> anyhow::Result<ExitCode> {
    let kept = report::rejects(&config.database, None)?.len() as u64;
    let ReplayCount { tried, stored } = daemon::on_file(config, async |store| replay(&LISTINGS, &store).await).await?;
    let left = kept.saturating_sub(stored);
    if json {
        println!("{}", serde_json::json!({ "tried": tried, "stored": stored, "left": left }));
    } else {
        println!("{} of {} rejects were stored; {} stay", grouped(stored), grouped(kept), grouped(left));
    }
    Ok(ExitCode::SUCCESS)
}
