//! What all commands that change something at a vendor have in common: they show it, ask, and tell what became of it.

use super::exit::{reached_end, refuse};
use super::print::print_json;
use super::privacy;
use crate::config::Config;
use crate::daemon::StartError;
use crate::entity::Entity;
use crate::plan::settle::Columns;
use crate::record::{WriteState, printable};
use crate::store::scanned_rows;
pub(super) use crate::store::scanned_rows::text;
use crate::sync::control::Written;
use crate::vendor::LISTINGS;
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;

/// Characters of a text that fit a line.
const LINE: usize = 300;
/// The longest file, in bytes: it must fit a control request.
const LONGEST: u64 = 512 << 10;
/// The longest answer to a question, in bytes.
const ANSWER: u64 = 1000;

/// How a change is sent.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Sending {
    /// Do not ask for confirmation; required where standard input is no terminal
    #[arg(long)]
    yes: bool,
    /// Show what would be sent, and send nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// For programs: what became of it, as a JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// The configuration, which must name this vendor.
pub(super) fn config_with(path: &Path, vendor: &str) -> anyhow::Result<Config> {
    let config = Config::read(path)?;
    config.clone().narrow(vendor).map_err(StartError::Refused)?;
    privacy::warn_of_open_files(path, &config);
    Ok(config)
}

/// The kind of thing of this name.
pub(super) fn entity(name: &str) -> &'static Entity {
    LISTINGS.all().find(|entity| entity.name == name).expect("every kind of thing stands beside the listings")
}

/// The live row of what is to be changed.
pub(super) fn row(config: &Config, entity: &Entity, (account, id): (&str, i64)) -> anyhow::Result<Map<String, Value>> {
    match scanned_rows::live(&config.database, entity, (account, id))? {
        Some(row) => Ok(row),
        None => refuse(format!("the file holds no {} {id} of the account {account} that is not deleted", entity.name)),
    }
}

/// What the row says in the columns of the vendor, or in some of them: the vendor must still have the same.
pub(super) fn expected(entity: &Entity, row: &Map<String, Value>, only: &[&str]) -> Columns {
    let columns = entity.fields.iter().skip(2).map(|field| field.column).filter(|column| only.is_empty() || only.contains(column));
    columns.map(|column| (column.to_owned(), text(&row[column]))).collect()
}

/// Reads a JSON object from a file, or with `-` from standard input: bare, or in Spark's envelope `D`.
pub(super) fn read_object(file: &str) -> anyhow::Result<Map<String, Value>> {
    read(file).or_else(|why| refuse(format!("cannot use {file}: {why}")))
}

fn read(file: &str) -> Result<Map<String, Value>, String> {
    let mut text = String::new();
    let source: io::Result<Box<dyn Read>> =
        if file == "-" { Ok(Box::new(io::stdin())) } else { File::open(file).map(|file| Box::new(file) as Box<dyn Read>) };
    source.and_then(|source| source.take(LONGEST + 1).read_to_string(&mut text)).map_err(|error| error.to_string())?;
    if text.len() as u64 > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    let mut object: Map<String, Value> = serde_json::from_str(&text).map_err(|error| format!("it is no JSON object: {error}"))?;
    match object.remove("D") {
        Some(Value::Object(inner)) if object.is_empty() => Ok(inner),
        Some(_) => Err("D stands beside other members, or is no object".to_owned()),
        None => Ok(object),
    }
}

impl Sending {
    /// Whether to go on: not where nothing is to be sent, and only if a person types the word.
    pub(super) fn is_meant(self, word: &str) -> anyhow::Result<bool> {
        if self.dry_run {
            eprintln!("Nothing was sent (--dry-run).");
            return Ok(false);
        }
        if self.yes {
            return Ok(true);
        }
        if !io::stdin().is_terminal() {
            return refuse("nothing was sent: standard input is no terminal, so nobody can confirm it; use --yes");
        }
        eprint!("Type {word} to send it: ");
        io::stderr().flush().ok();
        let mut answer = String::new();
        io::stdin().lock().take(ANSWER).read_line(&mut answer)?;
        let is_meant = answer.trim() == word;
        if !is_meant {
            eprintln!("Nothing was sent.");
        }
        Ok(is_meant)
    }

    /// Tells what became of it. `what` is the thing, and `done` what was done to it.
    pub(super) fn tell(self, written: &Written, (what, done): (&str, &str)) -> anyhow::Result<ExitCode> {
        if self.json {
            print_json(&json!({ "intent": written.intent, "state": written.state, "target": written.target, "note": written.note }))?;
        } else {
            println!("{}", sentence(written, (what, done)));
        }
        Ok(reached_end(written.state == WriteState::Done))
    }
}

/// What became of a change, as a sentence.
pub(super) fn sentence(written: &Written, (what, done): (&str, &str)) -> String {
    let number = written.intent.map(|intent| format!(" (intent {intent})")).unwrap_or_default();
    let note = written.note.as_ref().map(|note| printable(note, LINE));
    let because = note.clone().map(|note| format!(": {note}")).unwrap_or_default();
    match (written.state, written.intent) {
        (WriteState::Done, Some(_)) => format!("{what}: {done}{number}{}", note.map(|note| format!(". Note: {note}")).unwrap_or_default()),
        (WriteState::Done, None) => format!("{what}{because}"),
        (WriteState::Refused, _) => format!("{what}: refused{number}{because}"),
        (WriteState::NotDone, _) => format!("{what}: not {done}{number}{because}"),
        (WriteState::Forgotten, _) => format!("{what}: given up{number}{because}"),
        (WriteState::Sent | WriteState::Unknown, _) => {
            format!("{what}: it may have happened{number}{because}. It is not sent again; run `mls-sync intents`")
        }
    }
}
