//! `mls-sync feeds`: which feeds are mirrored, and the removal of one.

use super::exit::refuse;
use super::print::{grouped, print_json};
use crate::config::Config;
use crate::daemon;
use crate::record::FeedId;
use crate::store::report::{self, FeedEntry};
use crate::sync::clock::mirror_time;
use std::process::ExitCode;

const EXIT_CODES: &str = "Exit codes: 0 done, 1 the database could not be written, 2 something is missing or wrong before it begins.";

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, after_help = EXIT_CODES)]
pub(super) struct Arguments {
    /// For programs: one JSON array, one object per feed
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Say that a feed is gone: its live listings become tombstones (cause feed_removed), their rows stay
    #[command(after_help = "\
A feed that the credential can still see is found and loaded again by the next `mls-sync run`. To keep it out, name the
feeds that you want in constellation1.feeds.")]
    Remove {
        /// The feed
        #[arg(value_name = "ID")]
        feed: String,
    },
}

pub(super) async fn feeds(config: &Config, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let entries = report::feed_list(&config.database)?;
    if let Some(Action::Remove { feed }) = arguments.action {
        return remove(config, FeedId(feed)).await;
    }
    if arguments.json {
        return print_json(&entries);
    }
    if entries.is_empty() {
        println!("No feed yet: `mls-sync run` finds and loads them.");
    }
    entries.iter().for_each(|entry| println!("{}", line(entry)));
    Ok(ExitCode::SUCCESS)
}

fn line(entry: &FeedEntry) -> String {
    let FeedEntry { feed_id, added_at, since, live, deleted, removed_at } = entry;
    let removed = removed_at.as_ref().map_or(String::new(), |at| format!("  removed {at}"));
    let (feed, live, deleted) = (feed_id.to_string(), grouped(*live), grouped(*deleted));
    format!("{feed:<10}  {live:>9} live  {deleted:>7} deleted  added {added_at}  since {since}{removed}")
}

async fn remove(config: &Config, feed: FeedId) -> anyhow::Result<ExitCode> {
    let removed = daemon::on_file(config, async |store| store.remove_feed(&feed, mirror_time()).await).await?;
    let Some(count) = removed else {
        return refuse(format!("there is no feed {feed} in the file; `mls-sync feeds` lists them"));
    };
    println!("{feed}: removed; {} live listings are tombstones now", grouped(count));
    Ok(ExitCode::SUCCESS)
}
