//! Tickets: a short-lived secret that lets one file be uploaded to a listing.

use super::body::enveloped;
use super::client::Call;
use super::envelope::Granted;
use super::outcome::WriteOutcome;
use super::service::Spark;
use crate::vendor::error::Error;
use reqwest::{Method, Url};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A listing's id has 26 digits.
const LONGEST_ID: usize = 40;

/// A listing as Spark names it: its Id of 26 digits, which is not its MLS number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SparkListing(String);

impl FromStr for SparkListing {
    type Err = String;

    fn from_str(text: &str) -> Result<SparkListing, String> {
        let is_id = !text.is_empty() && text.len() <= LONGEST_ID && text.bytes().all(|byte| byte.is_ascii_digit());
        is_id
            .then(|| SparkListing(text.to_owned()))
            .ok_or_else(|| "a listing's Id in Spark is a number of 26 digits, no MLS number".to_owned())
    }
}

impl fmt::Display for SparkListing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a ticket is asked for. How the three paths differ is not documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketPath {
    /// `/listings/ID/tickets`.
    Listing,
    /// `/listings/ID/photos/tickets`.
    Photos,
    /// `/listings/ID/documents/tickets`.
    Documents,
}

impl TicketPath {
    /// The part of the path that tells it from the others.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            TicketPath::Listing => "tickets",
            TicketPath::Photos => "photos",
            TicketPath::Documents => "documents",
        }
    }
}

/// A ticket. It can neither be listed nor taken back; it ends with its first use or its time.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// Where it is taken.
    pub uri: Url,
    /// The secret.
    pub token: SecretString,
    /// How long it lives from now on, where the vendor says so.
    pub expires_in: Option<Duration>,
    /// What it is for: `PhotoUploads`.
    pub service: Option<String>,
}

#[derive(Deserialize)]
struct Made {
    #[serde(rename = "Results")]
    results: Vec<Sent>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sent {
    uri: String,
    token: String,
    #[serde(default)]
    expires_in: Value,
    #[serde(default)]
    service: Value,
}

impl Spark {
    /// Makes a ticket. Sent again, it would make another live secret: a lost one lives for about an hour. `None` where `stop`
    /// was cancelled before the request left.
    ///
    /// # Errors
    /// The request has certainly not left.
    pub async fn create_ticket(
        &self,
        (listing, path): (&SparkListing, TicketPath),
        service: &str,
        stop: &CancellationToken,
    ) -> Option<Result<WriteOutcome<Ticket>, Error>> {
        let path = match path {
            TicketPath::Listing => format!("listings/{listing}/tickets"),
            TicketPath::Photos => format!("listings/{listing}/photos/tickets"),
            TicketPath::Documents => format!("listings/{listing}/documents/tickets"),
        };
        let call = Call::new(Method::POST, path).with_body(enveloped(&json!({ "Service": service })));
        Some(self.write(&call, stop).await?.map(|outcome| outcome.and_then(|granted| made(&granted))))
    }
}

fn made(granted: &Granted) -> Option<Ticket> {
    let Made { results } = serde_json::from_str(&granted.d).ok()?;
    let Sent { uri, token, expires_in, service } = results.into_iter().next()?;
    // A ticket is too dear to be lost for the spelling of what is only told.
    let seconds = expires_in.as_str().map_or(expires_in.as_f64(), |text| text.parse().ok());
    let expires_in = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Some(Ticket { uri: uri.parse().ok()?, token: token.into(), expires_in, service: service.as_str().map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ticket_of_the_document_is_read_once_its_comma_is_there_and_shows_no_secret() {
        let d = |comma: &str| {
            format!(
                r#"{{"Success":true,"Results":[{{"Token":"ae788854e77d2f6c87d79c47b90c54ea","ExpiresIn":3600,"Service":"PhotoUploads"{comma}"Uri":"https:\/\/sparkplatform.com\/uploads\/photos"}}]}}"#
            )
        };
        let read = |d: String| made(&Granted { d, is_accepted: false, vendor_now: None });
        let ticket = read(d(",")).expect("a ticket");
        assert_eq!((ticket.uri.as_str(), ticket.expires_in), ("https://sparkplatform.com/uploads/photos", Some(Duration::from_secs(3600))));
        assert!(!format!("{ticket:?}").contains("ae788854"));
        assert!(read(d("")).is_none(), "as it is printed, it is no JSON");
    }

    #[test]
    fn a_listing_is_named_by_digits() {
        assert!("20080917142739989238000000".parse::<SparkListing>().is_ok());
        for bad in ["", "1/2", "..", "A1", &"1".repeat(41)] {
            assert!(bad.parse::<SparkListing>().is_err(), "{bad}");
        }
    }
}
