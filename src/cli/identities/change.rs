//! `mls-sync identities create|update|delete`.

use crate::cli::exit::refuse;
use crate::cli::run::stop_on_signals;
use crate::cli::writing::{Sending, config_with, entity, expected, read_object, row, text};
use crate::daemon::jobs;
use crate::plan::settle::Columns;
use crate::record::printable;
use crate::vendor::{identity_change, identity_creation, identity_deletion};
use serde_json::{Map, Value, json};
use std::path::Path;
use std::process::ExitCode;

/// The vendor in whose section the account stands.
const VENDOR: &str = "spark";
/// Characters of a value that fit a line.
const VALUE: usize = 80;

#[derive(Debug, clap::Args)]
pub(super) struct Fields {
    /// First name
    #[arg(long, value_name = "TEXT")]
    first: Option<String>,
    /// Last name
    #[arg(long, value_name = "TEXT")]
    last: Option<String>,
    /// Company
    #[arg(long, value_name = "TEXT")]
    company: Option<String>,
    /// E-mail address
    #[arg(long, value_name = "TEXT")]
    email: Option<String>,
    /// Phone number
    #[arg(long, value_name = "TEXT")]
    phone: Option<String>,
    /// Web site
    #[arg(long, value_name = "URL")]
    website: Option<String>,
    /// Comments
    #[arg(long, value_name = "TEXT")]
    comments: Option<String>,
    /// The user that it belongs to, by the Id of 26 digits
    #[arg(long, value_name = "ID", conflicts_with = "login")]
    user: Option<String>,
    /// The user that it belongs to, by the login name
    #[arg(long, value_name = "NAME")]
    login: Option<String>,
    /// Another contact as "NAME;TYPE;EMAIL;PHONE", where TYPE is Billing or Technical and the phone may be left out; may be given several times. Whether the vendor replaces the contacts that an identity has is not documented
    #[arg(long, value_name = "CONTACT", value_parser = contact)]
    contact: Vec<Value>,
    /// A file with fields as a JSON object, by the vendor's names, or - for standard input; other options win
    #[arg(long, value_name = "FILE")]
    from: Option<String>,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make an identity
    Create {
        #[command(flatten)]
        fields: Fields,
        #[command(flatten)]
        sending: Sending,
    },
    /// Change fields of an identity
    Update {
        /// The identity
        id: i64,
        #[command(flatten)]
        fields: Fields,
        /// Empty this field: Email, Phone, Website or Comments; may be given several times. Whether the vendor does that is not documented
        #[arg(long, value_name = "FIELD", value_parser = ["Email", "Phone", "Website", "Comments"])]
        clear: Vec<String>,
        /// Compare the time of the vendor's last change with this one (modification_timestamp), instead of every value with the file
        #[arg(long, value_name = "TIME")]
        if_modified: Option<String>,
        #[command(flatten)]
        sending: Sending,
    },
    /// Delete an identity; its API keys end with it
    Delete {
        /// The identity
        id: i64,
        /// As with update
        #[arg(long, value_name = "TIME")]
        if_modified: Option<String>,
        #[command(flatten)]
        sending: Sending,
    },
}

/// Carries out a command.
pub(super) async fn change(path: &Path, command: Command) -> anyhow::Result<ExitCode> {
    let config = config_with(path, VENDOR)?;
    let (account, entity) = (config.spark.account.clone(), entity("identity"));
    let (write, expected, sending, word, done) = match command {
        Command::Create { fields, sending } => {
            let write = identity_creation(fields.read(&[])?).or_else(refuse)?;
            eprintln!("A new identity at {}:\n{}", config.spark.base_url, shown(&write.fields.0));
            (write, Columns::new(), sending, "yes".to_owned(), "created")
        }
        Command::Update { id, fields, clear, if_modified, sending } => {
            let write = identity_change(id, fields.read(&clear)?).or_else(refuse)?;
            let row = row(&config, entity, (&account, id))?;
            eprintln!("{}, to be changed to:\n{}", line(id, &row), shown(&write.fields.0));
            (write, expectation(&row, if_modified), sending, "yes".to_owned(), "updated")
        }
        Command::Delete { id, if_modified, sending } => {
            let row = row(&config, entity, (&account, id))?;
            eprintln!("{}, to be deleted. Its API keys end, and this program cannot take that back.", line(id, &row));
            (identity_deletion(id), expectation(&row, if_modified), sending, id.to_string(), "deleted")
        }
    };
    if !sending.is_meant(&word)? {
        return Ok(if sending.dry_run { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let written = jobs::write(&config, VENDOR, (write, expected), stop_on_signals()?).await?;
    let what = written.target.as_ref().map_or("identity".to_owned(), |id| format!("identity {id}"));
    sending.tell(&written, (&what, done))
}

fn expectation(row: &Map<String, Value>, if_modified: Option<String>) -> Columns {
    match if_modified {
        Some(stamp) => [("modification_timestamp".to_owned(), Some(stamp))].into_iter().collect(),
        None => expected(entity("identity"), row, &[]),
    }
}

fn line(id: i64, row: &Map<String, Value>) -> String {
    let text = |column: &str| printable(&text(&row[column]).unwrap_or_default(), VALUE);
    format!("Identity {id}, {} {}, {}", text("first_name"), text("last_name"), text("company"))
}

fn shown(fields: &Map<String, Value>) -> String {
    let lines =
        fields.iter().map(|(name, value)| format!("  {name:<20} {}", printable(&text(value).unwrap_or("nothing".to_owned()), VALUE)));
    lines.collect::<Vec<_>>().join("\n")
}

impl Fields {
    /// The fields by the vendor's names, those of the file first.
    fn read(self, clear: &[String]) -> anyhow::Result<Map<String, Value>> {
        let mut fields = match &self.from {
            Some(file) => read_object(file)?,
            None => Map::new(),
        };
        let user = self.user.map(|id| json!({ "Id": id })).or(self.login.map(|name| json!({ "LoginName": name })));
        let named = [
            ("FirstName", self.first),
            ("LastName", self.last),
            ("Company", self.company),
            ("Email", self.email),
            ("Phone", self.phone),
            ("Website", self.website),
            ("Comments", self.comments),
        ];
        fields.extend(named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))));
        fields.extend(user.map(|user| ("User".to_owned(), user)));
        if !self.contact.is_empty() {
            fields.insert("AdditionalContacts".to_owned(), self.contact.into());
        }
        fields.extend(clear.iter().map(|name| (name.clone(), Value::Null)));
        Ok(fields)
    }
}

fn contact(text: &str) -> Result<Value, String> {
    match text.split(';').map(str::trim).collect::<Vec<_>>()[..] {
        [name, kind, email] => Ok(json!({ "Name": name, "Type": kind, "Email": email })),
        [name, kind, email, phone] => Ok(json!({ "Name": name, "Type": kind, "Email": email, "Phone": phone })),
        _ => Err("write it as \"NAME;TYPE;EMAIL;PHONE\"".to_owned()),
    }
}
