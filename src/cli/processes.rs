//! `mls-sync processes`: the listing processes of Spotahome, from the file; and changes of them.

mod change;

mod states;

use super::print::print_json;
use super::writing::Sending;
use crate::config::Config;
use crate::record::printable;
use crate::store::scanned_rows::{self, Processes};
use crate::vendor::{assignation, cancellation, unassignation};
use serde_json::{Map, Value};
use std::path::Path;
use std::process::ExitCode;

/// Characters of a value that fit a line.
const VALUE: usize = 40;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Each change is compared with what the vendor has, shown, confirmed, written down (`mls-sync intents`) and sent once.

Exit codes: 0 printed, or done, 1 not done, refused, or it may have happened, 2 something is missing or wrong, and nothing was sent, 3 another command than `mls-sync run` mirrors into the file.")]
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
    /// Cancel a process. This API has no way to take that back
    Cancel {
        /// The process
        id: i64,
        #[command(flatten)]
        condition: change::Condition,
        #[command(flatten)]
        sending: Sending,
    },
    /// Give a process to an agent
    Assign {
        /// The process
        id: i64,
        /// The agent's id
        agent: String,
        #[command(flatten)]
        condition: change::Condition,
        #[command(flatten)]
        sending: Sending,
    },
    /// Take a process from its agent
    Unassign {
        /// The process
        id: i64,
        #[command(flatten)]
        condition: change::Condition,
        #[command(flatten)]
        sending: Sending,
    },
    /// List the states, and how many processes are in each, in the file and at the vendor
    States(states::Arguments),
}

pub(super) async fn processes(path: &Path, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { command, filter, json } = arguments;
    match command {
        None => list(&Config::read_for_reading(path)?, filter, json),
        Some(Command::States(arguments)) => states::states(path, arguments).await,
        Some(Command::Cancel { id, condition, sending }) => {
            change::change(
                path,
                (cancellation(id), id),
                (condition, sending),
                ("cancelled. This API has no way to take that back", "cancelled"),
            )
            .await
        }
        Some(Command::Assign { id, agent, condition, sending }) => {
            let done = format!("assigned to {}", printable(&agent, VALUE));
            change::change(path, (assignation(id, &agent), id), (condition, sending), (&done, &done)).await
        }
        Some(Command::Unassign { id, condition, sending }) => {
            change::change(path, (unassignation(id), id), (condition, sending), ("taken from its agent", "taken from its agent")).await
        }
    }
}

fn list(config: &Config, filter: Filter, json: bool) -> anyhow::Result<ExitCode> {
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
