//! `mls-sync processes`: the listing processes of Spotahome, from the file.

mod states;

use super::print::print_json;
use crate::config::Config;
use crate::record::printable;
use crate::store::scanned_rows::{self, Processes};
use serde_json::{Map, Value};
use std::path::Path;
use std::process::ExitCode;

/// Characters of a value that fit a line.
const VALUE: usize = 40;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Exit codes: 0 printed, 2 there is no database yet, or it cannot be read.")]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    filter: Filter,
    /// For programs: one JSON array, an object per process with the columns of the table `listing_processes`
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Filter {
    /// Only in this state, such as waitingContent
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// Only of this agent
    #[arg(long, value_name = "ID", conflicts_with = "unassigned")]
    agent: Option<String>,
    /// Only those without an agent
    #[arg(long)]
    unassigned: bool,
    /// Only processes of this landlord (account_id)
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// Only of this property
    #[arg(long, value_name = "ID")]
    property: Option<String>,
    /// Show only deleted processes; without this, only those that are not deleted
    #[arg(long)]
    deleted: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the states, and how many processes are in each, in the file and at the vendor
    States(states::Arguments),
}

pub(super) async fn processes(config: &Path, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { command, filter, json } = arguments;
    if let Some(Command::States(arguments)) = command {
        return states::states(config, arguments).await;
    }
    let config = Config::read_for_reading(config)?;
    let Filter { state, agent, unassigned, account, property, deleted } = filter;
    let which = Processes { deleted, state, agent, unassigned, account_id: account, property_id: property };
    let found = scanned_rows::processes(&config.database, &which)?;
    if json {
        return print_json(&found);
    }
    if found.is_empty() {
        println!("The file holds no such process.");
    }
    for process in &found {
        println!("{}", line(process));
    }
    Ok(ExitCode::SUCCESS)
}

fn line(process: &Map<String, Value>) -> String {
    let text = |column: &str, none: &str| printable(process[column].as_str().unwrap_or(none), VALUE);
    let [locator, state] = [text("locator", ""), text("state", "(none)")];
    let agent = process["agent_id"].as_str().map_or("unassigned".to_owned(), |id| format!("agent {}", printable(id, VALUE)));
    format!("{:>8}  {locator:<14}  {state:<18}  {agent}", process["process_id"].to_string())
}
