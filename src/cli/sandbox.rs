//! `mls-sync sandbox`: the vendor in memory, served until it is stopped.

use super::exit::refuse;
use super::run;
use crate::sandbox::{Options, Sandbox};
use anyhow::Context;
use std::net::SocketAddr;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Other paths: GET /sandbox/truth, GET /sandbox/requests, POST /sandbox/churn?n=100, POST /sandbox/quiet, POST /sandbox/directory?feed=F&id=20003&do=edit (or remove, restore)

Exit codes: 0 stopped, 1 the server failed, 2 it cannot listen there.")]
pub(super) struct Arguments {
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8440")]
    listen: SocketAddr,
    #[command(flatten)]
    options: Options,
}

pub(super) async fn sandbox(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.options.client.clone();
    let sandbox = match Sandbox::start(arguments.options, arguments.listen).await {
        Ok(sandbox) => sandbox,
        Err(error) => return refuse(format!("cannot listen on {}: {error}", arguments.listen)),
    };
    println!("The sandbox listens on {}, client \"{client}\". Stop it with Ctrl-C.", sandbox.url());
    let stop = run::stop_on_signals()?;
    tokio::select! {
        ended = sandbox.run() => ended.map(|()| ExitCode::SUCCESS).context("the sandbox ended"),
        () = stop.cancelled() => Ok(ExitCode::SUCCESS),
    }
}
