//! `mls-sync sandbox`: a vendor in memory, served until it is stopped.

use super::exit::refuse;
use super::run;
use crate::sandbox::spark::{self, SparkSandbox};
use crate::sandbox::spotahome::{self, SpotahomeSandbox};
use crate::sandbox::{Options, Sandbox};
use anyhow::Context;
use clap::{ArgMatches, Args, Command, FromArgMatches, ValueEnum};
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

const EXIT_CODES: &str = "Exit codes: 0 stopped, 1 the server failed, 2 it cannot listen there.";
const CONSTELLATION1_PATHS: &str = "Other paths: GET /sandbox/truth, GET /sandbox/requests, POST /sandbox/churn?n=100, POST /sandbox/quiet, POST /sandbox/directory?feed=F&id=20003&do=edit (or remove, restore)";
const OTHER_PATHS: &str = "Other paths: GET /sandbox/truth, GET /sandbox/requests, POST /sandbox/churn?n=100, POST /sandbox/quiet";

#[derive(Debug)]
pub(super) struct Arguments {
    listen: SocketAddr,
    options: VendorOptions,
}

/// The options of the vendor that is played.
#[derive(Debug)]
enum VendorOptions {
    Constellation1(Box<Options>),
    Spark(Box<spark::Options>),
    Spotahome(Box<spotahome::Options>),
}

#[derive(Debug, Args)]
struct Shared {
    /// The vendor to play. Each has its own options: `mls-sync sandbox --vendor NAME --help` lists them
    #[arg(long, value_enum, default_value_t = Vendor::Constellation1)]
    vendor: Vendor,
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8440")]
    listen: SocketAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Vendor {
    Constellation1,
    Spark,
    Spotahome,
}

impl Vendor {
    /// The vendor that a command line names: clap must know its options before it reads them.
    fn named(arguments: impl IntoIterator<Item = String>) -> Vendor {
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let name = if argument == "--vendor" { arguments.next() } else { argument.strip_prefix("--vendor=").map(str::to_owned) };
            if let Some(vendor) = name.and_then(|name| Vendor::from_str(&name, false).ok()) {
                return vendor;
            }
        }
        Vendor::Constellation1
    }
}

impl Args for Arguments {
    fn augment_args(command: Command) -> Command {
        let command = Shared::augment_args(command);
        let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
        let (command, paths) = match Vendor::named(arguments) {
            Vendor::Constellation1 => (Options::augment_args(command), CONSTELLATION1_PATHS),
            Vendor::Spark => (spark::Options::augment_args(command), OTHER_PATHS),
            Vendor::Spotahome => (spotahome::Options::augment_args(command), OTHER_PATHS),
        };
        command.after_help(format!("{paths}\n\n{EXIT_CODES}"))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Arguments::augment_args(command)
    }
}

impl FromArgMatches for Arguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Arguments, clap::Error> {
        let Shared { vendor, listen } = Shared::from_arg_matches(matches)?;
        let options = match vendor {
            Vendor::Constellation1 => VendorOptions::Constellation1(Box::new(Options::from_arg_matches(matches)?)),
            Vendor::Spark => VendorOptions::Spark(Box::new(spark::Options::from_arg_matches(matches)?)),
            Vendor::Spotahome => VendorOptions::Spotahome(Box::new(spotahome::Options::from_arg_matches(matches)?)),
        };
        Ok(Arguments { listen, options })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Arguments::from_arg_matches(matches)?;
        Ok(())
    }
}

pub(super) async fn sandbox(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let listen = arguments.listen;
    match arguments.options {
        VendorOptions::Constellation1(options) => {
            let client = format!("client \"{}\"", options.client);
            match Sandbox::start(*options, listen).await {
                Ok(sandbox) => until_stopped(&sandbox.url(), &client, sandbox.run()).await,
                Err(error) => cannot_listen(listen, &error),
            }
        }
        VendorOptions::Spark(options) => match SparkSandbox::start(*options, listen).await {
            Ok(sandbox) => until_stopped(&sandbox.url(), "the Spark API", sandbox.run()).await,
            Err(error) => cannot_listen(listen, &error),
        },
        VendorOptions::Spotahome(options) => match SpotahomeSandbox::start(*options, listen).await {
            Ok(sandbox) => until_stopped(&sandbox.url(), "the Spotahome API", sandbox.run()).await,
            Err(error) => cannot_listen(listen, &error),
        },
    }
}

fn cannot_listen(listen: SocketAddr, error: &io::Error) -> anyhow::Result<ExitCode> {
    refuse(format!("cannot listen on {listen}: {error}"))
}

async fn until_stopped(url: &str, who: &str, server: impl Future<Output = io::Result<()>>) -> anyhow::Result<ExitCode> {
    println!("The sandbox listens on {url}, {who}. Stop it with Ctrl-C.");
    let stop = run::stop_on_signals()?;
    tokio::select! {
        ended = server => ended.map(|()| ExitCode::SUCCESS).context("the sandbox ended"),
        () = stop.cancelled() => Ok(ExitCode::SUCCESS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendor_is_known_before_its_options_are_read() {
        let check = |line: &str, expected| assert_eq!(Vendor::named(line.split(' ').map(str::to_owned)), expected, "{line}");
        check("mls-sync sandbox", Vendor::Constellation1);
        check("mls-sync sandbox --vendor spark --help", Vendor::Spark);
        check("mls-sync sandbox --vendor=spark", Vendor::Spark);
        check("mls-sync sandbox --vendor", Vendor::Constellation1);
        check("mls-sync sandbox --vendor nobody", Vendor::Constellation1);
    }
}
