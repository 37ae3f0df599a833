//! `mls-sync intents`: the changes that were sent to vendors, and what became of them.

use super::exit::{reached_end, refuse};
use super::print::print_json;
use super::run::stop_on_signals;
use super::writing::{config_with, sentence};
use crate::config::Config;
use crate::daemon::{self, jobs};
use crate::record::printable;
use crate::store::{IntentReport, instance, intent_report};
use crate::sync::clock::mirror_time;
use crate::sync::control::Written;
use std::path::Path;
use std::process::ExitCode;

/// Characters of a note that fit a line.
const NOTE: usize = 200;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Each change is written down before it is sent. It is never sent twice: if its answer was lost, only reading tells what became of it.

Exit codes: 0 printed, or the outcome is known, 1 the outcome is still not known, 2 something is missing or wrong, 3 another command than `mls-sync run` mirrors into the file.")]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Also those whose outcome is known
    #[arg(long)]
    all: bool,
    /// For programs: one JSON array, an object per intent
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Find out by reading what became of a change
    Settle {
        /// Its number
        intent: i64,
        /// For programs: one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Give a change up whose outcome nobody needs to know any more; another one of the same thing may be sent then
    Forget {
        /// Its number
        intent: i64,
    },
}

pub(super) async fn intents(path: &Path, arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Some(Command::Settle { intent, json }) => settle(path, intent, json).await,
        Some(Command::Forget { intent }) => forget(&Config::read_for_reading(path)?, intent).await,
        None => list(&Config::read_for_reading(path)?, (arguments.all, arguments.json)),
    }
}

fn list(config: &Config, (all, json): (bool, bool)) -> anyhow::Result<ExitCode> {
    let found = intent_report::intents(&config.database, all)?;
    if json {
        return print_json(&found);
    }
    if found.is_empty() {
        println!("{}", if all { "Nothing was ever sent." } else { "The outcome of every change is known." });
    }
    found.iter().for_each(|intent| println!("{}", line(intent)));
    Ok(ExitCode::SUCCESS)
}

fn line(intent: &IntentReport) -> String {
    let IntentReport { intent_id, verb, entity, target, state, sent_at, note, .. } = intent;
    let target = target.as_deref().unwrap_or("");
    let note = note.as_ref().map(|note| format!("\n{:>9}{}", "", printable(note, NOTE))).unwrap_or_default();
    format!("{intent_id:>7}  {sent_at}  {state:<9}  {verb} {entity} {}{note}", printable(target, NOTE))
}

fn known(config: &Config, number: i64) -> anyhow::Result<IntentReport> {
    let found = intent_report::intents(&config.database, true)?.into_iter().find(|intent| intent.intent_id == number);
    found.map_or_else(|| refuse(format!("there is no intent {number}; `mls-sync intents --all` lists them")), Ok)
}

async fn settle(path: &Path, number: i64, json: bool) -> anyhow::Result<ExitCode> {
    let intent = known(&Config::read_for_reading(path)?, number)?;
    let Some(vendor) = crate::config::VENDORS.into_iter().find(|vendor| *vendor == intent.vendor) else {
        return refuse(format!("the vendor {} is not known", printable(&intent.vendor, NOTE)));
    };
    let config = config_with(path, vendor)?;
    let written: Written = jobs::settle(&config, vendor, number, stop_on_signals()?).await?;
    if json {
        print_json(&written)?;
    } else {
        println!("{}", sentence(&written, (&format!("{} {}", intent.verb, intent.entity), "done")));
    }
    Ok(reached_end(!written.state.is_open()))
}

async fn forget(config: &Config, number: i64) -> anyhow::Result<ExitCode> {
    known(config, number)?;
    let is_idle = instance::holder(&config.database)?.is_none();
    let is_forgotten = daemon::on_file(config, async |store| store.forget_intent(number, is_idle, mirror_time()).await).await?;
    if !is_forgotten {
        return refuse(format!("the outcome of intent {number} is known, or it is being sent at this moment: nothing to give up"));
    }
    println!("Intent {number} is given up. What became of it stays unknown.");
    Ok(ExitCode::SUCCESS)
}
