//! `mls-sync lookups`: which values the vendor's lookups have, as far as the mirror has seen them.

use super::print::{grouped, print_json};
use crate::config::Config;
use crate::record::printable;
use crate::store::lookups::{self, Lookup};
use std::process::ExitCode;

/// Characters of a value that fit a line.
const VALUE: usize = 60;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The vendor has no service for its lookups. These are the values that occur in listings that are not deleted, of the standardised columns where there is one; the view `lookups` holds the same. It reads every listing, which may take some seconds.

Exit codes: 0 printed, 2 something is missing or wrong.")]
pub(super) struct Arguments {
    /// Only of this feed
    #[arg(long, value_name = "ID")]
    feed: Option<String>,
    /// Only this lookup, in any case of letters: PropertyType, ListingStatus, Air, HeatingDelivery, HeatingSource, StylesStories, Roof, Construction, Flooring, View, SaleType
    #[arg(long = "type", value_name = "TYPE")]
    lookup: Option<String>,
    /// For programs: one JSON array
    #[arg(long)]
    json: bool,
}

pub(super) fn lookups(config: &Config, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let found = lookups::lookups(&config.database, arguments.feed.as_deref(), arguments.lookup.as_deref())?;
    if arguments.json {
        return print_json(&found);
    }
    if found.is_empty() {
        println!("No listing has a value of such a lookup.");
    }
    for Lookup { feed_id, lookup, value, listings } in &found {
        println!("{:<10}  {lookup:<15}  {:>9}  {}", feed_id.to_string(), grouped(*listings), printable(value, VALUE));
    }
    Ok(ExitCode::SUCCESS)
}
