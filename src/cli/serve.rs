//! `mls-sync serve`: the partner API over the file, until it is stopped.

use super::exit::refuse;
use super::privacy;
use super::run;
use crate::config::Config;
use crate::serve::{Account, Options, Server};
use crate::store::report;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
It reads the file and nothing else: it may run beside `mls-sync run`, and while that is stopped. Clients and their keys stand in [serve.clients] of the configuration. \
Other paths: GET /lookups?FeedId=&Type=, GET /openapi.json, GET /healthz

  mls-sync serve                                serve on 127.0.0.1:8441
  curl http://127.0.0.1:8441/healthz            whether the file can be read

Exit codes: 0 stopped, 2 it cannot listen there, or something is missing or wrong.")]
pub(super) struct Arguments {
    /// Where to listen [default: serve.listen of the configuration]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

pub(super) async fn serve(path: &Path, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let config = Config::read_for_serving(path)?;
    let listen = arguments.listen.unwrap_or(config.serve.listen);
    if let Some(why) = config.serve.refusal(listen) {
        return refuse(format!("cannot listen on {listen}: {why}"));
    }
    privacy::warn_of_open_files(path, &config);
    let accounts = accounts(&config)?;
    if accounts.is_empty() {
        return refuse("there is no client. Write a section [serve.clients.NAME] with key_file into the configuration");
    }
    // A file that is missing or of another version is told now, and not with the first request.
    report::feeds(&config.database)?;
    let (connections, requests_per_second) = (config.serve.connections, config.serve.requests_per_second);
    let options = Options { database: config.database.clone(), listen, connections, requests_per_second, accounts };
    let server = match Server::bind(options).await {
        Ok(server) => server,
        Err(error) => return refuse(format!("cannot listen on {listen}: {error}")),
    };
    let stop = run::stop_on_signals()?;
    println!("Serving {} on http://{}", config.database.display(), server.address()?);
    server.run(stop).await;
    Ok(ExitCode::SUCCESS)
}

fn accounts(config: &Config) -> anyhow::Result<Vec<Account>> {
    let mut accounts = Vec::new();
    for (name, client) in &config.serve.clients {
        let key = config.client_key(client)?;
        accounts.push(Account { client: name.clone(), key, feeds: client.feeds.clone(), public: client.public });
    }
    Ok(accounts)
}
