//! `mls-sync identities`: the developer identities of Spark, from the file.

use super::print::print_json;
use crate::config::Config;
use crate::record::printable;
use crate::store::scanned_rows::{self, Identities};
use serde_json::{Map, Value};
use std::process::ExitCode;

/// Characters of a name that fit a line.
const NAME: usize = 30;

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 printed, 2 there is no database yet, or it cannot be read.")]
pub(super) struct Arguments {
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

pub(super) fn identities(config: &Config, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { deleted, mls, json } = arguments;
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
