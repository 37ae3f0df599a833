//! `mls-sync listings validate`: what the rules of Spark say of a listing, before anybody enters it.

use super::exit::reached_end;
use super::print::print_json;
use super::run::stop_on_signals;
use super::writing::{config_with, read_object};
use crate::daemon::jobs;
use crate::record::printable;
use crate::sync::control::{Finding, Findings};
use crate::vendor::SparkListing;
use std::path::Path;
use std::process::ExitCode;

/// The vendor in whose section the account stands.
const VENDOR: &str = "spark";
/// Characters of a text that fit a line.
const LINE: usize = 300;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The file holds a JSON object with the vendor's names: standard fields, and CustomFields as {\"GROUP\": {\"FIELD\": VALUE}}. With --listing it holds the fields that are to change.

Exit codes: 0 nothing fatal was found, 1 something fatal was found, or the vendor did not answer, 2 something is missing or wrong, and nothing was asked, 3 another command than `mls-sync run` mirrors into the file.")]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Ask the vendor's rules about a listing; the vendor stores nothing
    Validate {
        /// The file; - for standard input
        file: String,
        /// The listing that is to be changed, by its Id in Spark (26 digits); without this, a new listing is validated
        #[arg(long, value_name = "ID")]
        listing: Option<SparkListing>,
        /// For programs: one JSON object with the arrays `fatal` and `warnings`
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn listings(path: &Path, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Command::Validate { file, listing, json } = arguments.command;
    let body = read_object(&file)?;
    let config = config_with(path, VENDOR)?;
    let findings = jobs::validate(&config, listing.as_ref(), body, stop_on_signals()?).await?;
    if json {
        print_json(&findings)?;
    } else {
        print(&findings);
    }
    Ok(reached_end(findings.fatal.is_empty()))
}

fn print(findings: &Findings) {
    let Findings { fatal, warnings } = findings;
    fatal.iter().for_each(|finding| println!("{}", line("fatal", finding)));
    warnings.iter().for_each(|finding| println!("{}", line("warning", finding)));
    let told =
        if fatal.is_empty() { "The vendor's rules would take this listing." } else { "The vendor's rules would refuse this listing." };
    println!("fatal: {}, warnings: {}. {told}", fatal.len(), warnings.len());
}

fn line(kind: &str, finding: &Finding) -> String {
    let Finding { field, message, rule } = finding;
    let [field, rule] = [field, rule].map(|text| printable(text.as_deref().unwrap_or("-"), LINE));
    // Where the vendor has no words, the rule stands for them.
    let message = if *message == rule { String::new() } else { format!(" {}", printable(message, LINE)) };
    format!("{kind:<8} {field:<24} {rule:<20}{message}")
}
