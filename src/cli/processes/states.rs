//! `mls-sync processes states`: how many processes are in each state, in the file and at the vendor.

use crate::cli::exit::{EXIT_IN_USE, reached_end};
use crate::cli::print::{grouped, print_json};
use crate::cli::run::stop_on_signals;
use crate::config::Config;
use crate::daemon::{Daemon, RunOptions, StartError, delegate};
use crate::record::printable;
use crate::store::ScannedReport;
use crate::store::scanned_rows::process_accounts;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

/// Characters of a state, and of a notice, that fit a line.
const STATE: usize = 40;
const NOTICE: usize = 200;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 printed, 1 with --ask the vendor did not answer: what it last said is printed, 2 there is no database yet, or it cannot be read, 3 with --ask \
another process mirrors into the file: what the vendor last said is printed.")]
pub(super) struct Arguments {
    /// First ask the vendor for its states and totals; without this, those that it last told are shown
    #[arg(long)]
    ask: bool,
    /// For programs: one JSON array, one object per account: {"account", "states": a number by each state, "vendor_totals": what the vendor last told}
    #[arg(long)]
    json: bool,
}

pub(super) async fn states(path: &Path, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { ask: asks, json } = arguments;
    let (database, ended) = match asks {
        true => {
            let mut config = Config::read(path)?;
            config.narrow("spotahome").map_err(StartError::Refused)?;
            (config.database.clone(), ask(config).await?)
        }
        false => (Config::read_for_reading(path)?.database, ExitCode::SUCCESS),
    };
    let accounts = process_accounts(&database)?;
    if json {
        let object = |account: &ScannedReport| json!({ "account": account.account, "states": account.states, "vendor_totals": account.vendor_totals });
        print_json(&accounts.iter().map(object).collect::<Vec<_>>())?;
        return Ok(ended);
    }
    if accounts.is_empty() {
        println!("The file holds no process.");
    }
    accounts.iter().flat_map(lines).for_each(|line| println!("{line}"));
    Ok(ended)
}

/// Lets the vendor count, where no other process asks it.
async fn ask(config: Config) -> anyhow::Result<ExitCode> {
    let database = config.database.clone();
    let told = || process_accounts(&database).map(|accounts| accounts.into_iter().map(|account| account.vendor_totals).collect::<Vec<_>>());
    let before = told()?;
    if let Some(holder) = delegate::daemon(&config)? {
        tracing::warn!("`mls-sync run` (PID {}) mirrors into the file, and reads the totals itself; here are the last ones", holder.pid);
        return Ok(ExitCode::from(EXIT_IN_USE));
    }
    let options = RunOptions { command: "processes states --ask", once: true, totals: true, ..RunOptions::default() };
    Daemon::new(config, None, options, stop_on_signals()?).await?.run().await?;
    Ok(reached_end(told()? != before))
}

fn lines(report: &ScannedReport) -> Vec<String> {
    let totals = report.vendor_totals.as_ref();
    let as_of = totals.map_or("the vendor was not asked yet".to_owned(), |totals| format!("the vendor as of {}", totals.checked_at));
    let mut lines = vec![format!("{}: {as_of}", printable(&report.account, STATE)), line("in file", "vendor", "state")];
    let known = totals.iter().flat_map(|totals| &totals.totals.states);
    let states: BTreeSet<&str> = known.clone().map(|state| &state.state).chain(report.states.keys()).map(String::as_str).collect();
    let number = |number: Option<u64>| number.map_or("-".to_owned(), grouped);
    for state in states {
        let total = known.clone().find(|known| known.state == state).and_then(|known| known.total);
        let rows = report.states.get(state).copied().unwrap_or_default();
        lines.push(line(&grouped(rows), &number(total), if state.is_empty() { "(none)" } else { state }));
    }
    if let Some(totals) = totals {
        lines.push(line(&grouped(report.live), &number(totals.totals.all), "(all)"));
        lines.push(line("", &number(totals.totals.unassigned), "(unassigned, in any state)"));
        lines.extend(totals.notices.iter().map(|notice| format!("! {}", printable(notice, NOTICE))));
    }
    lines
}

fn line(rows: &str, total: &str, state: &str) -> String {
    format!("{rows:>9}  {total:>9}  {}", printable(state, STATE))
}
