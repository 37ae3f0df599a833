//! `mls-sync verify`: whether the rows are what was stored, and whether two files hold the same.

use super::exit::reached_end;
use super::print::{grouped, print_json};
use crate::config::Config;
use crate::entity::Entity;
use crate::record::printable;
use crate::store::compare::{self, Compared, Side, What};
use crate::store::verify::{self, Verified};
use crate::vendor::LISTINGS;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Rows that are named for a person.
const NAMED: usize = 20;
/// Characters of what is wrong with the file.
const DAMAGE: usize = 200;
/// Characters of an id.
const ID: usize = 50;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
SQLite checks the file, each row is read and hashed again, so that a changed byte is found, and the sum of each feed is compared with the table checksums. With --against, \
live listings are compared in every column, and deleted ones by being deleted.

Exit codes: 0 all agrees, 1 something differs, 2 something is missing or wrong.")]
pub(super) struct Arguments {
    /// A file of mls-sync, such as a snapshot or a backup [default: the database of the configuration]
    file: Option<PathBuf>,
    /// Compare it with this file, which may be a consumer's: it needs a table listings with the same public columns
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// URLs that differ in their queries alone are the same, as where the vendor signs them anew in each answer
    #[arg(long, requires = "against")]
    ignore_queries: bool,
    /// For programs: one JSON object
    #[arg(long)]
    json: bool,
}

/// What programs are told.
#[derive(Serialize)]
struct Told {
    agrees: bool,
    /// What SQLite's integrity check found.
    damages: Vec<String>,
    verified: Vec<Verified>,
    /// Only with --against.
    compared: Option<Vec<Compared>>,
}

pub(super) fn verify(config: &Path, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { file, against, ignore_queries, json } = arguments;
    let file = file.map_or_else(|| Config::read_for_reading(config).map(|config| config.database), Ok)?;
    let damages = verify::damages(&file)?;
    let verified = verify::verify(&file, &LISTINGS)?;
    let compare = |other| compare::compare(&file, other, &LISTINGS, ignore_queries);
    let compared = against.as_deref().map(compare).transpose()?;
    let same = compared.iter().flatten().all(|feed| feed.differing_count == 0);
    let agrees = damages.is_empty() && same && verified.iter().all(|feed| feed.agrees);
    if json {
        print_json(&Told { agrees, damages, verified, compared })?;
        return Ok(reached_end(agrees));
    }
    damages.iter().for_each(|damage| println!("the file is damaged: {}", printable(damage, DAMAGE)));
    if verified.is_empty() {
        println!("The file has no {}.", LISTINGS.plural());
    }
    verified.iter().flat_map(verified_lines).for_each(|line| println!("{line}"));
    if let (Some(compared), Some(other)) = (&compared, &against) {
        println!("against {}:", other.display());
        compared.iter().flat_map(compared_lines).for_each(|line| println!("{line}"));
    }
    Ok(reached_end(agrees))
}

fn verified_lines(feed: &Verified) -> Vec<String> {
    let (id, rows, entity) = (&feed.feed_id, counted(feed.rows, feed.entity), feed.entity);
    if feed.agrees {
        return vec![format!("{id}: {rows} as stored, checksum {} at change {}", feed.hash, feed.seq)];
    }
    let mut lines = Vec::new();
    if feed.changed_count > 0 {
        lines.push(format!("{id}: {} of {rows} not as stored: changed by another program, or damaged", grouped(feed.changed_count)));
        lines.extend(named(&feed.changed, feed.changed_count, |listing| printable(listing, ID)));
    }
    if let Some(stored) = feed.stored_rows.filter(|stored| *stored != feed.rows) {
        lines.push(format!("{id}: {rows}, and the checksum is of {}", counted(stored, entity)));
    } else if feed.stored_hash.as_ref() != Some(&feed.hash) {
        let stored = feed.stored_hash.as_deref().unwrap_or("not there");
        lines.push(format!("{id}: the rows come to {}, and the checksum is {stored}", feed.hash));
    }
    if !feed.misplaced.is_empty() {
        lines.push(format!("{id}: added, removed, deleted or restored by another program:"));
        lines.extend(named(&feed.misplaced, feed.misplaced.len() as u64, |listing| printable(listing, ID)));
    }
    lines
}

fn compared_lines(feed: &Compared) -> Vec<String> {
    let id = &feed.feed_id;
    // Listings are what is meant where nothing is said.
    let what = if feed.entity == LISTINGS.name { String::new() } else { format!(" {}", spoken(feed.entity, 2)) };
    let mut lines = vec![format!("{id}:{what} {} the same, {} different", grouped(feed.equal), grouped(feed.differing_count))];
    lines.extend(named(&feed.differing, feed.differing_count, |row| {
        let what = match &row.what {
            What::LiveOnly(Side::Here) => "live in this file only".to_owned(),
            What::LiveOnly(Side::There) => "live in the other file only".to_owned(),
            What::Repeated(Side::Here) => "more than once in this file".to_owned(),
            What::Repeated(Side::There) => "more than once in the other file".to_owned(),
            What::Columns(columns) => printable(&columns.join(", "), NAMED * ID),
        };
        format!("{}: {what}", printable(&row.id, ID))
    }));
    if feed.signed_anew > 0 {
        lines.push(format!("  {} more differ in the queries of URLs alone", grouped(feed.signed_anew)));
    }
    if feed.deleted_in_one > 0 {
        lines.push(format!("  {} are deleted in one file and not there in the other", grouped(feed.deleted_in_one)));
    }
    lines
}

fn counted(rows: u64, entity: &str) -> String {
    format!("{} {}", grouped(rows), spoken(entity, rows))
}

/// What so many of a kind of thing are called.
fn spoken(entity: &str, count: u64) -> String {
    let plural = LISTINGS.all().find(|known| known.name == entity).filter(|_| count != 1).map(Entity::plural);
    plural.unwrap_or_else(|| entity.replace('_', " "))
}

/// The first rows, one per line, and how many there are beyond.
fn named<T>(rows: &[T], count: u64, line: impl Fn(&T) -> String) -> Vec<String> {
    let mut lines: Vec<String> = rows.iter().take(NAMED).map(|row| format!("  {}", line(row))).collect();
    if count > lines.len() as u64 {
        lines.push(format!("  and {} more; --json names up to 1,000", grouped(count - lines.len() as u64)));
    }
    lines
}
