//! `mls-sync feeds`: which feeds are mirrored, and the removal of one.

use super::exit::{reached_end, refuse};
use super::print::{grouped, print_json};
use crate::config::Config;
use crate::daemon;
use crate::record::FeedId;
use crate::store::instance;
use crate::store::report::{self, FeedEntry};
use crate::sync::clock::mirror_time;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

const EXIT_CODES: &str =
    "Exit codes: 0 done, 1 the database could not be written, or you said no, 2 something is missing or wrong before it begins.";

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
A feed that the configuration names, or that the running daemon mirrors, is removed only after you have said yes. A feed that the
credential can still see is found and loaded again by the next `mls-sync run`. To keep it out, name the feeds that you want in
constellation1.feeds.")]
    Remove {
        /// The feed
        #[arg(value_name = "ID")]
        feed: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

pub(super) async fn feeds(config: &Config, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let entries = report::feed_list(&config.database)?;
    if let Some(Action::Remove { feed, yes }) = arguments.action {
        let feed = FeedId(feed);
        let entry = entries.iter().find(|entry| entry.feed_id == feed);
        if !yes && !entry.map_or(Ok(true), |entry| is_agreed(config, entry))? {
            println!("nothing was changed");
            return Ok(reached_end(false));
        }
        return remove(config, feed).await;
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

/// Whether a person agrees to a removal that may be a mistake: of a feed that the configuration names, or that is mirrored now.
fn is_agreed(config: &Config, entry: &FeedEntry) -> anyhow::Result<bool> {
    let feeds = &config.constellation1.feeds;
    let named = feeds.contains(&entry.feed_id.0);
    let running = (named || feeds.is_empty()) && instance::holder(&config.database).unwrap_or_default().is_some();
    let why = match (named, running) {
        (false, false) => return Ok(true),
        (true, _) => "the configuration names this feed",
        (false, true) => "a running process mirrors this feed",
    };
    let (feed, live) = (&entry.feed_id, grouped(entry.live));
    let question = format!("{why}. If {feed} is removed, its {live} live listings become tombstones; {}", return_of(config, feed));
    if !std::io::stdin().is_terminal() {
        return refuse(format!("{question}. Nothing was changed; to remove it all the same, add --yes"));
    }
    print!("{question}.\nRemove it? Type yes: ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}

/// Whether a feed that is removed comes back.
fn return_of(config: &Config, feed: &FeedId) -> &'static str {
    let feeds = &config.constellation1.feeds;
    if feeds.contains(&feed.0) {
        "the next start of `mls-sync run` loads it again, unless you take it out of constellation1.feeds first"
    } else if feeds.is_empty() {
        "the next start of `mls-sync run` loads it again if the credential still sees it, unless constellation1.feeds names others"
    } else {
        "it does not come back, because constellation1.feeds does not name it"
    }
}

async fn remove(config: &Config, feed: FeedId) -> anyhow::Result<ExitCode> {
    let removed = daemon::on_file(config, async |store| store.remove_feed(&feed, mirror_time()).await).await?;
    let Some(count) = removed.map(grouped) else {
        return refuse(format!("there is no feed {feed} in the file; `mls-sync feeds` lists them"));
    };
    println!("{feed}: removed; {count} live listings are tombstones now; {}", return_of(config, &feed));
    Ok(ExitCode::SUCCESS)
}
