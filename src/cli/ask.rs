//! `mls-sync ask`: calls any service of the vendor and prints its answer.

use super::exit::refuse;
use super::print::plain;
use super::privacy;
use super::run::stop_on_signals;
use crate::config::Config;
use crate::daemon::question;
use crate::vendor::Call;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;

/// The longest body: it must fit a control request.
const LONGEST_BODY: u64 = 512 << 10;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Services: GetListings, GetListingsByAddress, GetListingsByGeography, GetListingsByLocation, GetSoldListingsByLocation, GetListingDetail, GetAgents, GetOffices, GetListingsOpenHouse, SyncListings. A wrong parameter is told with those that the service takes.

  mls-sync ask GetAgents --param FeedId=GAMLS --param FromUpdatedDate=2026-05-01T00:00:00
  echo '{\"FeedIdList\": [\"GAMLS\"], \"Beds\": 3}' | mls-sync ask GetListings --body -

While `mls-sync run` is at work, it makes the call, within its limits. Otherwise this command holds the database meanwhile, where its requests are counted; a database that does not exist is created.

Exit codes: 0 answered, 1 the vendor refused or did not answer, 2 something is missing or wrong, and nothing was asked, 3 another command than `mls-sync run` mirrors into the file.")]
pub(super) struct Arguments {
    /// The service, in any case of letters
    service: String,
    /// A parameter; a list is given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    param: Vec<(String, String)>,
    /// A file with parameters as a JSON object; - for standard input
    #[arg(long, value_name = "FILE")]
    body: Option<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}

pub(super) async fn ask(path: &Path, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let body = arguments.body.as_deref().map(|file| read(file).or_else(|error| refuse(format!("cannot read the body {file}: {error}"))));
    let body = body.transpose()?;
    let call = Call::from_words(&arguments.service, &arguments.param, body.as_deref()).or_else(refuse)?;
    let config = Config::read(path)?;
    privacy::warn_of_open_files(path, &config);
    let answer = question::call_service(&config, &call, stop_on_signals()?).await?;
    // JSON has these between its values alone.
    println!("{}", plain(&answer.replace(['\r', '\t'], " ")));
    Ok(ExitCode::SUCCESS)
}

fn read(file: &str) -> io::Result<String> {
    let reader: Box<dyn Read> = if file == "-" { Box::new(io::stdin()) } else { Box::new(File::open(file)?) };
    let mut body = String::new();
    reader.take(LONGEST_BODY + 1).read_to_string(&mut body)?;
    if body.len() as u64 > LONGEST_BODY {
        return Err(io::Error::other(format!("it is longer than {LONGEST_BODY} bytes")));
    }
    Ok(body)
}
