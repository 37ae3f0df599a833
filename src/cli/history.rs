//! `mls-sync history`: how a listing, or another thing of the file, changed, and what it was at a time.

use super::exit::reached_end;
use super::print::{grouped, print_json};
use crate::config::Config;
use crate::entity::Entity;
use crate::record::{DayTime, FeedId, Kind, ListingId, ListingKey, Stamp, printable};
use crate::store::history::{self, AsOf, ChangeLine, Unknown};
use crate::vendor::LISTINGS;
use serde_json::Value;
use std::process::ExitCode;

/// Characters of a value that fit a line with the one before it.
const HALF: usize = 21;
/// Characters of a value that fit a line alone.
const WHOLE: usize = 50;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 shown, 1 the listing was never stored, or not yet, or what it was then is not kept, 2 something is missing or wrong."
)]
pub(super) struct Arguments {
    /// The feed
    feed: String,
    /// The MLS number, or the id of another kind of thing
    listing: String,
    /// The kind of thing: listing, agent, office, open_house
    #[arg(long, default_value = "listing", value_parser = entity)]
    entity: &'static Entity,
    /// For programs: one JSON object
    #[arg(long)]
    json: bool,
    /// What the listing was at this time, UTC, by the mirror's clock: 2024-01-31 or 2024-01-31T08:30:00
    #[arg(long, value_name = "TIME")]
    at: Option<DayTime>,
}

fn entity(name: &str) -> Result<&'static Entity, String> {
    let names = || LISTINGS.all().map(|known| known.name).collect::<Vec<_>>().join(", ");
    LISTINGS.all().find(|known| known.name == name).ok_or_else(|| format!("write {}", names()))
}

pub(super) fn history(config: &Config, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let key = ListingKey { feed: FeedId(arguments.feed), listing: ListingId(arguments.listing) };
    let (entity, json) = (arguments.entity, arguments.json);
    match arguments.at {
        Some(DayTime(time)) => as_of(config, (entity, &key), time, json),
        None => through_time(config, (entity, &key), json),
    }
}

fn through_time(config: &Config, (entity, key): (&Entity, &ListingKey), json: bool) -> anyhow::Result<ExitCode> {
    let Some(history) = history::history(&config.database, entity, key)? else { return never(key) };
    if json {
        return print_json(&history);
    }
    let count = match history.changes.len() {
        1 => "1 change".to_owned(),
        count => format!("{} changes", grouped(count as u64)),
    };
    println!("{} {}: {count}", key.feed, printable(&key.listing.0, WHOLE));
    if history.cut {
        println!("what was before is not kept (history.keep)");
    }
    history.changes.iter().flat_map(|change| lines(entity, change)).for_each(|line| println!("{line}"));
    Ok(ExitCode::SUCCESS)
}

/// A change as a person reads it: when and what, and a line for each column.
fn lines(entity: &Entity, change: &ChangeLine) -> Vec<String> {
    let cause = if change.cause == "vendor" { String::new() } else { format!(" ({})", change.cause) };
    let second = change.stamp.as_ref().and_then(|stamp| stamp.split('.').next());
    let stamp = second.map_or(String::new(), |second| format!(", dated {}", printable(second, HALF)));
    let mut lines = vec![format!("{}  {}{cause}{stamp}", change.at, change.kind)];
    if change.kind == "purged" {
        lines.push("  what may not be kept of it was taken out (licence)".to_owned());
        return lines;
    }
    let Some(diff) = &change.diff else {
        lines.push("  what it changed is not known".to_owned());
        return lines;
    };
    let begins = change.kind == "added";
    let mut columns: Vec<_> = diff.iter().filter(|(column, _)| !begins || entity.headline.contains(&column.as_str())).collect();
    columns.sort_by_key(|(column, _)| !entity.headline.contains(&column.as_str()));
    lines.extend(columns.into_iter().map(|(column, (before, after))| {
        let said = |value| shown(entity, column, value, if begins { WHOLE } else { HALF });
        if begins { format!("  {column:<26}{}", said(after)) } else { format!("  {column:<26}{:<HALF$} -> {}", said(before), said(after)) }
    }));
    lines
}

/// A value that fits its line. Of JSON, the length says more than its beginning.
fn shown(entity: &Entity, column: &str, value: &Value, limit: usize) -> String {
    let is_json = column == "extra" || entity.fields.iter().any(|field| field.column == column && field.kind == Kind::Json);
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if is_json => format!("JSON, {} bytes", grouped(text.len() as u64)),
        Value::String(text) => printable(text, limit - 1),
        other => printable(&other.to_string(), limit - 1),
    }
}

fn as_of(config: &Config, (entity, key): (&Entity, &ListingKey), time: Stamp, json: bool) -> anyhow::Result<ExitCode> {
    match history::as_of(&config.database, entity, key, time)? {
        Ok(as_of) if json => print_json(&as_of),
        Ok(as_of) => {
            print_as_of(entity, &as_of);
            Ok(ExitCode::SUCCESS)
        }
        Err(Unknown::Never) => never(key),
        Err(Unknown::NotYet) => untold(key, "was not stored yet then"),
        Err(Unknown::NotKept) => untold(key, "was stored then, and what it was is not kept"),
    }
}

fn print_as_of(entity: &Entity, as_of: &AsOf) {
    let state = if as_of.live { "live" } else { "deleted" };
    println!("{} {} at {}: {state}", printable(&as_of.feed_id, WHOLE), printable(&as_of.key, WHOLE), as_of.time);
    for (column, value) in as_of.row.iter().filter(|(_, value)| !value.is_null()) {
        println!("  {column:<26}{}", shown(entity, column, value, WHOLE));
    }
}

fn never(key: &ListingKey) -> anyhow::Result<ExitCode> {
    untold(key, "was never stored; `mls-sync why` says what is known of it")
}

fn untold(key: &ListingKey, why: &str) -> anyhow::Result<ExitCode> {
    println!("{} {} {why}", key.feed, printable(&key.listing.0, WHOLE));
    Ok(reached_end(false))
}
