//! `mls-sync processes cancel|assign|unassign`.

use crate::cli::run::stop_on_signals;
use crate::cli::writing::{Sending, config_with, entity, expected, row, text};
use crate::daemon::jobs;
use crate::plan::settle::Columns;
use crate::record::{Write, printable};
use std::path::Path;
use std::process::ExitCode;

/// The vendor in whose section the account stands.
const VENDOR: &str = "spotahome";
/// Characters of a value that fit a line.
const VALUE: usize = 60;
/// How a person writes that a process has no agent.
const NONE: &str = "none";

/// What a process must still be like.
#[derive(Debug, clap::Args)]
pub(super) struct Condition {
    /// Only if it is in this state; without this, in the state that the file has
    #[arg(long, value_name = "STATE")]
    if_state: Option<String>,
    /// Only if this is its agent, or none; without this, the one that the file has
    #[arg(long, value_name = "AGENT|none")]
    if_agent: Option<String>,
}

/// Carries out a change of a process.
pub(super) async fn change(
    path: &Path,
    (write, id): (Write, i64),
    (condition, sending): (Condition, Sending),
    (action, done): (&str, &str),
) -> anyhow::Result<ExitCode> {
    let config = config_with(path, VENDOR)?;
    let entity = entity("process");
    let row = row(&config, entity, (&config.spotahome.account, id))?;
    let mut expected: Columns = expected(entity, &row, &["state", "agent_id"]);
    if let Some(state) = condition.if_state {
        expected.insert("state".to_owned(), Some(state));
    }
    if let Some(agent) = condition.if_agent {
        expected.insert("agent_id".to_owned(), Some(agent).filter(|agent| agent != NONE));
    }
    let shown = |column: &str, none: &str| printable(&text(&row[column]).unwrap_or(none.to_owned()), VALUE);
    let [locator, state, agent] = [shown("locator", ""), shown("state", "in no state"), shown("agent_id", NONE)];
    eprintln!("Listing process {id} ({locator}), state {state}, agent {agent}: to be {action}.");
    if !sending.is_meant("yes")? {
        return Ok(if sending.dry_run { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let written = jobs::write(&config, VENDOR, (write, expected), stop_on_signals()?).await?;
    sending.tell(&written, (&format!("process {id}"), done))
}
