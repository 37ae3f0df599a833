//! `mls-sync refetch`: asks the vendor for single listings, and stores what it answers.

use super::exit::reached_end;
use super::privacy;
use super::run::stop_on_signals;
use crate::config::Config;
use crate::daemon::question;
use crate::record::{FeedId, ListingId, ListingKey, printable};
use crate::sync::control::Refetched;
use std::path::Path;
use std::process::ExitCode;

/// Characters of a listing's number that are shown.
const NUMBER: usize = 60;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
One request per listing. A single answer is no proof that a listing is gone, so nothing is deleted: `mls-sync reconcile` does that.

Exit codes: 0 the vendor has all of them, and the file holds what it answered, 1 it does not have one, answered with an older version, or did not answer, 2 something is missing or wrong before it begins, 3 another command than `mls-sync run` mirrors into the file.")]
pub(super) struct Arguments {
    /// The feed
    feed: String,
    /// The MLS numbers
    #[arg(required = true, value_name = "LISTING")]
    listings: Vec<String>,
}

pub(super) async fn refetch(path: &Path, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let config = Config::read(path)?;
    privacy::warn_of_open_files(path, &config);
    let (feed, stop) = (FeedId(arguments.feed), stop_on_signals()?);
    let mut holds_all = true;
    for listing in arguments.listings {
        let key = ListingKey { feed: feed.clone(), listing: ListingId(listing.clone()) };
        let refetched = question::refetch(&config, key, stop.clone()).await?;
        println!("{feed} {}: {}", printable(&listing, NUMBER), in_words(refetched));
        holds_all &= !matches!(refetched, Refetched::Older | Refetched::LooksDeleted | Refetched::Missing);
    }
    Ok(reached_end(holds_all))
}

fn in_words(refetched: Refetched) -> &'static str {
    match refetched {
        Refetched::Added => "added: the file lacked it",
        Refetched::Changed => "changed: the file had another version",
        Refetched::Restored => "restored: the file had it as deleted",
        Refetched::Unchanged => "unchanged",
        Refetched::Older => "the answer is older than the row, which stays; `mls-sync why` shows what is noted",
        Refetched::LooksDeleted => "the vendor's record looks deleted; nothing was stored, a poll or `mls-sync reconcile` decides",
        Refetched::Missing => "the vendor does not have it; nothing was stored, a poll or `mls-sync reconcile` decides",
    }
}
