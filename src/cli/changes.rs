//! `mls-sync changes`: each change as a line of JSON, for programs that follow the listings.

use super::exit::refuse;
use super::print::plain;
use crate::config::Config;
use crate::entity::Entity;
use crate::store::{ChangeReader, FollowError, Wanted};
use crate::vendor::LISTINGS;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;
use std::time::Duration;

/// How often the file is looked at: that costs some microseconds.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// In place of an entity: every one.
const ALL: &str = "all";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each line is {\"seq\":..,\"entity\":..,\"feed_id\":..,\"key\":..,\"kind\":..,\"cause\":..,\"stamp\":..,\"at\":..,\"diff\":{column: [before, after]}}, \
and \"bulk\":true in a mass update, and \"not_before\" where the vendor does not date the change. The first change of a listing brings all its values. Keep the last seq that you have dealt with, and go on with --since.

Exit codes: 0 all were printed, or nobody reads them any more, 1 the file could not be read to the end, 2 something is missing or wrong, 4 changes behind SEQ are missing, because they were cut or an older copy of the file was put back: read the tables anew.")]
pub(super) struct Arguments {
    /// Begin behind this change [default: with the oldest that is kept]
    #[arg(long, value_name = "SEQ")]
    since: Option<i64>,
    /// The epoch in which SEQ was read, as schema_meta had it: the file must still have it
    #[arg(long, requires = "since")]
    epoch: Option<String>,
    /// Print what comes, too, until nobody reads it any more
    #[arg(long)]
    follow: bool,
    /// Only of this feed
    #[arg(long)]
    feed: Option<String>,
    /// Of this kind of thing: listing, agent, office, open_house; or all
    #[arg(long, default_value = "listing")]
    entity: String,
    /// Only changes of these columns, and of each change only these
    #[arg(long, value_delimiter = ',')]
    columns: Vec<String>,
}

pub(super) fn changes(config: &Config, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { since, epoch, follow, feed, entity, columns } = arguments;
    check_words(&entity, &columns)?;
    let entity = (entity != ALL).then_some(entity);
    let mut reader = ChangeReader::open(&config.database, &LISTINGS, Wanted { feed, entity, columns }, (since, epoch))?;
    match print(&mut reader, follow) {
        Err(error) if is_unread(&error) => Ok(ExitCode::SUCCESS),
        printed => printed.map(|()| ExitCode::SUCCESS),
    }
}

/// A name that does not exist would never be printed, and nobody would see why.
fn check_words(entity: &str, columns: &[String]) -> anyhow::Result<()> {
    let is_wanted = |known: &&'static Entity| entity == ALL || known.name == entity;
    if !LISTINGS.all().any(|known| is_wanted(&known)) {
        let names = LISTINGS.all().map(|known| known.name).collect::<Vec<_>>().join(", ");
        return refuse(format!("there is no entity {entity}; write {names} or {ALL}"));
    }
    let has = |column: &String| LISTINGS.all().filter(is_wanted).flat_map(|entity| entity.fields).any(|field| field.column == *column);
    let is_known = |column: &&String| *column == "extra" || has(column);
    match columns.iter().find(|column| !is_known(column)) {
        Some(strange) => refuse(format!("there is no column {strange}; schema.sql lists them")),
        None => Ok(()),
    }
}

fn print(reader: &mut ChangeReader, follow: bool) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    loop {
        let lines = reader.next().map_err(plainly)?;
        for line in &lines {
            writeln!(out, "{}", plain(&serde_json::to_string(line)?))?;
        }
        out.flush()?;
        match (lines.is_empty(), follow) {
            (true, false) => return Ok(()),
            (true, true) => std::thread::sleep(LOOK_EVERY),
            (false, _) => {}
        }
    }
}

/// The error by itself, by which the exit code is chosen.
fn plainly(error: FollowError) -> anyhow::Error {
    match error {
        FollowError::Lost(lost) => lost.into(),
        FollowError::Report(report) => report.into(),
    }
}

/// Whoever read the lines has gone.
fn is_unread(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
