//! The command line: words become calls, results become prints and exit codes.

mod ask;
mod changes;
#[cfg(feature = "sandbox")]
mod demo;
mod exit;
mod export;
mod feeds;
mod history;
mod identities;
mod logging;
mod lookups;
mod print;
mod privacy;
mod processes;
mod reconcile;
mod refetch;
mod rejects;
mod run;
#[cfg(feature = "sandbox")]
mod sandbox;
mod serve;
mod show;
mod snapshot;
mod status;
mod verify;
mod wait;
mod whole_file;
mod why;

use crate::config::{Config, ConfigError};
use crate::daemon::StartError;
use crate::store::report::ReportError;
use crate::store::{Lost, OpenError};
use clap::{Args, Parser, Subcommand};
use exit::{EXIT_FAILED, EXIT_IN_USE, EXIT_LOST, EXIT_USAGE};
use logging::LogFormat;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Keeps a local SQLite file true to a real-estate vendor's listings API.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, after_help = after_help())]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const DEMO_HELP: &str = "  mls-sync demo                 see all of it happen in memory; needs nothing\n";

const AFTER_HELP: &str = "\x20 mls-sync run --backfill       load everything once
  mls-sync run                  load everything, then follow every change
  mls-sync status               how true the file is
  mls-sync reconcile            prove it: read everything again and set it against the file

Exit codes: 0 done, 1 the work did not reach its end, 2 something is missing or wrong before it begins, 3 another process mirrors into the file, 4 changes are missing. The help of each command says which of them it has.";

fn after_help() -> String {
    let demo = if cfg!(feature = "sandbox") { DEMO_HELP } else { "" };
    format!("Begin with:\n{demo}{AFTER_HELP}")
}

#[derive(Debug, Args)]
struct Global {
    /// The configuration; config/example.toml explains each key
    #[arg(long, global = true, value_name = "FILE", env = "MLS_SYNC_CONFIG", default_value = "/etc/mls-sync/config.toml")]
    config: PathBuf,
    /// How log lines look
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Pretty)]
    log_format: LogFormat,
    /// Say more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Mirror the vendor: load what is missing, then poll for ever
    Run(run::Arguments),
    /// Show how true the file is, feed by feed
    Status(status::Arguments),
    /// Read everything again and set it against the file: repair what it lacks, delete what the vendor no longer has
    Reconcile(reconcile::Arguments),
    /// List the vendor's records that could not be stored, or try them again
    Rejects(rejects::Arguments),
    /// List the feeds, or remove one
    Feeds(feeds::Arguments),
    /// List the values of the vendor's lookups, as far as the mirror has seen them
    Lookups(lookups::Arguments),
    /// List the developer identities of Spark
    Identities(identities::Arguments),
    /// List the listing processes of Spotahome
    Processes(processes::Arguments),
    /// Tell what is known of a listing
    Why(why::Arguments),
    /// Ask the vendor for single listings, and store what it answers
    Refetch(refetch::Arguments),
    /// Call any service of the vendor, and print its answer
    Ask(ask::Arguments),
    /// Print each change of the listings as a line of JSON, and follow them
    Changes(changes::Arguments),
    /// Show how a listing changed, or what it was
    History(history::Arguments),
    /// Prove that the rows are what was stored, or that two files hold the same
    Verify(verify::Arguments),
    /// Wait until the file is complete up to a moment
    Wait(wait::Arguments),
    /// Write a consistent copy of the file, or of what may be displayed
    Snapshot(snapshot::Arguments),
    #[cfg_attr(not(feature = "parquet"), doc = "Write the listings as CSV or JSON lines")]
    #[cfg_attr(feature = "parquet", doc = "Write the listings as CSV, JSON lines or Parquet")]
    Export(export::Arguments),
    /// Answer the partner API from the file, read-only
    Serve(serve::Arguments),
    /// Play a vendor in memory, over real HTTP
    #[cfg(feature = "sandbox")]
    Sandbox(Box<sandbox::Arguments>),
    /// Show the whole job against an embedded sandbox, then compare the file with the sandbox's truth
    #[cfg(feature = "sandbox")]
    Demo(demo::Arguments),
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.global.log_format, cli.global.verbose);
    privacy::protect_memory();
    end_quietly_without_readers();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&anyhow::Error::new(error).context("cannot start the runtime")),
    };
    let result = runtime.block_on(dispatch(cli));
    // What is still running waits for nobody: every task that matters has been joined.
    runtime.shutdown_background();
    result.unwrap_or_else(|error| report(&error))
}

/// In `mls-sync status | head -1`, nobody reads the second line: printing it ends the program without a backtrace.
fn end_quietly_without_readers() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let words = panic.payload().downcast_ref::<String>();
        if words.is_some_and(|words| words.starts_with("failed printing to stdout")) {
            std::process::exit(EXIT_FAILED.into());
        }
        usual(panic);
    }));
}

async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Run(arguments) => run::run(&cli.global.config, arguments).await,
        Command::Status(arguments) => status::status(&Config::read_for_reading(&cli.global.config)?, &arguments),
        Command::Reconcile(arguments) => reconcile::reconcile(&cli.global.config, arguments).await,
        Command::Rejects(arguments) => rejects::rejects(&Config::read_for_reading(&cli.global.config)?, arguments).await,
        Command::Feeds(arguments) => feeds::feeds(&Config::read_for_reading(&cli.global.config)?, arguments).await,
        Command::Lookups(arguments) => lookups::lookups(&Config::read_for_reading(&cli.global.config)?, &arguments),
        Command::Identities(arguments) => identities::identities(&Config::read_for_reading(&cli.global.config)?, arguments),
        Command::Processes(arguments) => processes::processes(&cli.global.config, arguments).await,
        Command::Why(arguments) => why::why(&cli.global.config, arguments).await,
        Command::Refetch(arguments) => refetch::refetch(&cli.global.config, arguments).await,
        Command::Ask(arguments) => ask::ask(&cli.global.config, arguments).await,
        Command::Changes(arguments) => changes::changes(&Config::read_for_reading(&cli.global.config)?, arguments),
        Command::History(arguments) => history::history(&Config::read_for_reading(&cli.global.config)?, arguments),
        Command::Verify(arguments) => verify::verify(&cli.global.config, arguments),
        Command::Snapshot(arguments) => snapshot::snapshot(&cli.global.config, arguments).await,
        Command::Export(arguments) => export::export(&cli.global.config, arguments).await,
        Command::Serve(arguments) => serve::serve(&cli.global.config, arguments).await,
        Command::Wait(arguments) => wait::wait(&Config::read_for_reading(&cli.global.config)?, arguments),
        #[cfg(feature = "sandbox")]
        Command::Sandbox(arguments) => sandbox::sandbox(*arguments).await,
        #[cfg(feature = "sandbox")]
        Command::Demo(arguments) => demo::demo(arguments).await,
    }
}

/// Prints an error as one message and chooses the exit code.
fn report(error: &anyhow::Error) -> ExitCode {
    // Where nobody reads it any more, the exit code still tells.
    writeln!(std::io::stderr(), "mls-sync: {error:#}").ok();
    if let Some(StartError::Database(OpenError::Held { .. })) = error.downcast_ref() {
        return ExitCode::from(EXIT_IN_USE);
    }
    if error.is::<Lost>() {
        return ExitCode::from(EXIT_LOST);
    }
    let before_the_work = error.is::<ConfigError>() || error.is::<StartError>() || error.is::<ReportError>();
    ExitCode::from(if before_the_work { EXIT_USAGE } else { EXIT_FAILED })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// The codes that a help text names behind "Exit codes:".
    fn named(command: &clap::Command) -> Vec<u8> {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let codes = help.split("Exit codes:").nth(1).unwrap_or_default();
        codes.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    }

    #[test]
    fn the_help_of_each_command_names_its_exit_codes_and_the_global_help_all_of_them() {
        let program = Cli::command();
        let commands: Vec<(&str, Vec<u8>)> = program.get_subcommands().map(|command| (command.get_name(), named(command))).collect();
        let mut expected: Vec<(&str, &[u8])> = vec![
            ("run", &[0, EXIT_FAILED, EXIT_USAGE, EXIT_IN_USE]),
            ("status", &[0, EXIT_USAGE]),
            ("reconcile", &[0, EXIT_FAILED, EXIT_USAGE, EXIT_IN_USE]),
            ("rejects", &[0, EXIT_FAILED, EXIT_USAGE]),
            ("feeds", &[0, EXIT_FAILED, EXIT_USAGE]),
            ("lookups", &[0, EXIT_USAGE]),
            ("identities", &[0, EXIT_USAGE]),
            ("processes", &[0, EXIT_USAGE]),
            ("why", &[0, EXIT_FAILED, EXIT_USAGE, EXIT_IN_USE]),
            ("refetch", &[0, EXIT_FAILED, EXIT_USAGE, EXIT_IN_USE]),
            ("ask", &[0, EXIT_FAILED, EXIT_USAGE, EXIT_IN_USE]),
            ("changes", &[0, EXIT_FAILED, EXIT_USAGE, EXIT_LOST]),
            ("history", &[0, EXIT_FAILED, EXIT_USAGE]),
            ("verify", &[0, EXIT_FAILED, EXIT_USAGE]),
            ("wait", &[0, EXIT_FAILED, EXIT_USAGE, EXIT_LOST]),
            ("snapshot", &[0, EXIT_FAILED, EXIT_USAGE]),
            ("export", &[0, EXIT_FAILED, EXIT_USAGE, EXIT_LOST]),
            ("serve", &[0, EXIT_USAGE]),
        ];
        if cfg!(feature = "sandbox") {
            expected.extend([("sandbox", &[0, EXIT_FAILED, EXIT_USAGE] as &[u8]), ("demo", &[0, EXIT_FAILED, EXIT_USAGE])]);
        }
        let expected: Vec<(&str, Vec<u8>)> = expected.into_iter().map(|(name, codes)| (name, codes.to_vec())).collect();
        assert_eq!(commands, expected);
        let all: std::collections::BTreeSet<u8> = commands.into_iter().flat_map(|(_, codes)| codes).collect();
        assert_eq!(named(&program), Vec::from_iter(all));
    }

    #[test]
    fn the_sandbox_the_demo_and_parquet_exist_only_with_their_feature() {
        let help = Cli::command().render_help().to_string();
        for word in ["sandbox", "demo"] {
            assert_eq!(help.contains(word), cfg!(feature = "sandbox"), "{word} in\n{help}");
        }
        let export = Cli::command().find_subcommand_mut("export").map(|export| export.render_help().to_string());
        assert_eq!(export.map(|help| help.contains("--parquet")), Some(cfg!(feature = "parquet")));
    }
}
