//! `mls-sync identities`: the developer identities of Spark, from the file; and changes of them.

mod change;

use super::print::print_json;
use crate::config::Config;
use crate::record::printable;
use crate::store::scanned_rows::{self, Identities};
use serde_json::{Map, Value};
use std::path::Path;
use std::process::ExitCode;

/// Characters of a name that fit a line.
const NAME: usize = 30;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Each change is compared with what the vendor has, shown, confirmed, written down (`mls-sync intents`) and sent once.

Exit codes: 0 printed, or done, 1 not done, refused, or it may have happened, 2 something is missing or wrong, and nothing was sent, 3 another command than `mls-sync run` mirrors into the file.")]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<change::Command>,
    /// Show only deleted identities; without this, only those that are not deleted
    #[arg(long)]
    deleted: bool,
    /// Only of this MLS, by its Id of 26 digits
    #[arg(long, value_name = "ID")]
    mls: Option<String>,
    /// For programs: one JSON array, an object per identity with the columns of the table `identities`
    #[arg(long)]
    json: bool,
}

pub(super) async fn identities(path: &Path, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { command, deleted, mls, json } = arguments;
    if let Some(command) = command {
        return change::change(path, command).await;
    }
    let config = Config::read_for_reading(path)?;
    let found = scanned_rows::identities(&config.database, &Identities { deleted, mls })?;
    if json {
        return print_json(&found);
    }
    if found.is_empty() {
        println!("The file holds no such identity.");
    }
    for identity in &found {
        println!("{}", line(identity));
    }
    Ok(ExitCode::SUCCESS)
}

fn line(identity: &Map<String, Value>) -> String {
    let text = |column: &str| identity[column].as_str().unwrap_or_default();
    let name = format!("{} {}", text("first_name"), text("last_name"));
    let [name, company] = [name.trim(), text("company")].map(|shown| printable(shown, NAME));
    let last = match identity["deleted_at"].as_str() {
        Some(at) => format!("deleted {at} ({})", text("deleted_cause")),
        None => identity["last_active"].as_str().map_or("never active".to_owned(), |at| format!("last active {}", printable(at, NAME))),
    };
    format!("{:>8}  {name:<24}  {company:<24}  {last}", identity["identity_id"].to_string())
}
