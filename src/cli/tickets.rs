//! `mls-sync tickets`: tickets of Spark, each of which lets one file be uploaded to a listing.

use super::exit::{reached_end, refuse};
use super::print::print_json;
use super::run::stop_on_signals;
use super::writing::{config_with, sentence};
use crate::config::Config;
use crate::daemon::jobs;
use crate::record::{WriteState, printable};
use crate::store::{IntentReport, intent_report};
use crate::sync::control::MadeTicket;
use crate::vendor::{SparkListing, TicketPath, Upload};
use chrono::{SecondsFormat, TimeDelta, Utc};
use serde_json::json;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The vendor in whose section the account stands.
const VENDOR: &str = "spark";
/// The only service that the vendor's document names.
const PHOTOS: &str = "PhotoUploads";
/// The largest file, in bytes.
const LARGEST: u64 = 64 << 20;
/// The vendor's longest caption, in characters.
const LONGEST_CAPTION: usize = 1000;
/// Characters of a text that fit a line.
const LINE: usize = 300;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A ticket is a secret: whoever has it may upload one file to the listing. It can neither be listed nor taken back; it ends with its first use or after about an hour. LISTING is the listing's Id in Spark, a number of 26 digits, not the MLS number.

Exit codes: 0 done, 1 refused, not made, or it may have happened, 2 something is missing or wrong, and nothing was sent, 3 another command than `mls-sync run` mirrors into the file.")]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a ticket, and print it to standard output
    Create {
        #[command(flatten)]
        wanted: WantedTicket,
        /// Print it also to a terminal
        #[arg(long)]
        show: bool,
        /// For programs: one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Make a ticket, and upload a file with it
    Upload {
        #[command(flatten)]
        wanted: WantedTicket,
        /// The file, of at most 64 MiB
        file: PathBuf,
        /// The name under which it is uploaded; without this, that of the file
        #[arg(long)]
        name: Option<String>,
        /// The caption, of at most 1,000 characters
        #[arg(long)]
        caption: Option<String>,
        /// Make it the first photo
        #[arg(long)]
        primary: bool,
    },
}

#[derive(Debug, clap::Args)]
struct WantedTicket {
    /// The listing's Id in Spark
    listing: SparkListing,
    /// What for: PhotoUploads, which is the default except with --path documents
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
    /// Which of the vendor's three services is asked; how they differ is not documented
    #[arg(long, value_enum, default_value_t = At::Photos)]
    path: At,
}

/// The vendor's services for tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum At {
    Tickets,
    Photos,
    Documents,
}

impl WantedTicket {
    fn at(&self) -> anyhow::Result<((&SparkListing, TicketPath), &str)> {
        let path = match self.path {
            At::Tickets => TicketPath::Listing,
            At::Photos => TicketPath::Photos,
            At::Documents => TicketPath::Documents,
        };
        match &self.service {
            Some(service) => Ok(((&self.listing, path), service)),
            None if path == TicketPath::Documents => refuse("the service for documents is not documented: name it with --service"),
            None => Ok(((&self.listing, path), PHOTOS)),
        }
    }
}

pub(super) async fn tickets(path: &Path, arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Create { wanted, show, json } => {
            if io::stdout().is_terminal() && !show {
                return refuse("a ticket is a secret: redirect it into a file or a program, or use --show");
            }
            let config = config_with(path, VENDOR)?;
            match make(&config, &wanted).await? {
                Ok(ticket) => print(&ticket, json),
                Err(told) => Ok(told),
            }
        }
        Command::Upload { wanted, file, name, caption, primary } => {
            let config = config_with(path, VENDOR)?;
            let bytes = read(&file).or_else(|error| refuse(format!("cannot read {}: {error}", file.display())))?;
            check(&config, &wanted.listing, caption.as_deref())?;
            let name = name.or_else(|| file.file_name().map(|name| name.to_string_lossy().into_owned())).unwrap_or_default();
            let ticket = match make(&config, &wanted).await? {
                Ok(ticket) => ticket,
                Err(told) => return Ok(told),
            };
            let file = Upload { name: &name, bytes: &bytes, caption: caption.as_deref(), primary };
            let written = jobs::upload(&config, (&wanted.listing, ticket), file, stop_on_signals()?).await?;
            println!("{}", sentence(&written, (&format!("{} of listing {}", printable(&name, LINE), wanted.listing), "uploaded")));
            Ok(reached_end(written.state == WriteState::Done))
        }
    }
}

/// What would be refused later is refused before there is a ticket, which nobody could take back.
fn check(config: &Config, listing: &SparkListing, caption: Option<&str>) -> anyhow::Result<()> {
    if caption.is_some_and(|caption| caption.chars().count() > LONGEST_CAPTION) {
        return refuse(format!("the caption is longer than {LONGEST_CAPTION} characters"));
    }
    let open = intent_report::intents(&config.database, false).unwrap_or_default();
    let open = open.iter().find(|intent| intent.entity == "upload" && intent.target.as_deref() == Some(&listing.to_string()));
    open.map_or(Ok(()), |IntentReport { intent_id, .. }| {
        refuse(format!(
            "the outcome of intent {intent_id}, an upload to this listing, is not known: look at the listing's photos, then give it up with \
             `mls-sync intents forget {intent_id}`"
        ))
    })
}

async fn make(config: &Config, wanted: &WantedTicket) -> anyhow::Result<Result<MadeTicket, ExitCode>> {
    let (at, service) = wanted.at()?;
    Ok(match jobs::ticket(config, at, service, stop_on_signals()?).await? {
        Ok(ticket) => Ok(ticket),
        Err(written) => {
            println!("{}", sentence(&written, (&format!("ticket of listing {}", wanted.listing), "made")));
            Err(reached_end(false))
        }
    })
}

fn print(ticket: &MadeTicket, json: bool) -> anyhow::Result<ExitCode> {
    let MadeTicket { intent, uri, token, expires_in, service } = ticket;
    let ends = expires_in.and_then(|left| Utc::now().checked_add_signed(TimeDelta::try_seconds(left.try_into().ok()?)?));
    let ends = ends.map(|ends| ends.to_rfc3339_opts(SecondsFormat::Secs, true));
    if json {
        return print_json(&json!({ "intent": intent, "uri": uri, "token": token, "ends_at": ends, "service": service }));
    }
    let ends = ends.unwrap_or("unknown".to_owned());
    println!("uri      {}\ntoken    {}\nends at  {ends}", printable(uri, LINE), printable(&token.0, LINE));
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other(format!("it is longer than {LARGEST} bytes")));
    }
    Ok(bytes)
}
