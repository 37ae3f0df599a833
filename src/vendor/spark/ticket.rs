//! Tickets: a short-lived secret that lets one file be uploaded to a listing.

use super::body::enveloped;
use super::client::Call;
use super::envelope::Granted;
use super::multipart::{Form, form};
use super::outcome::WriteOutcome;
use super::service::Spark;
use crate::record::Failure;
use crate::vendor::error::Error;
use crate::vendor::http::check_url;
use reqwest::{Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The vendor's longest caption, in characters.
const LONGEST_CAPTION: usize = 1000;
/// The largest file that is sent, in bytes.
const LARGEST_FILE: usize = 64 << 20;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketPath {
    /// `/listings/ID/tickets`.
    Listing,
    /// `/listings/ID/photos/tickets`.
    Photos,
    /// `/listings/ID/documents/tickets`.
    Documents,
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

/// A file for a ticket.
#[derive(Clone, Copy, Debug)]
pub struct Upload<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its content.
    pub bytes: &'a [u8],
    /// Its caption, at most 1,000 characters.
    pub caption: Option<&'a str>,
    /// Whether it becomes the first photo.
    pub primary: bool,
}

#[derive(Deserialize)]
struct Made {
    #[serde(rename = "Results")]
    results: [Sent; 1],
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sent {
    uri: String,
    token: String,
    #[serde(default)]
    expires_in: Option<u64>,
    #[serde(default)]
    service: Option<String>,
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

    /// Spends a ticket on a file, at the place that the ticket names, if that is one of `hosts` or below one: the id of the
    /// file, where the vendor tells it. No other credential goes with it, and no redirect is followed.
    ///
    /// # Errors
    /// Nothing has left: the place is none of `hosts`, the file or its caption is too long, or there is no connection.
    pub async fn upload(
        &self,
        ticket: &Ticket,
        upload: Upload<'_>,
        hosts: &[String],
        stop: &CancellationToken,
    ) -> Option<Result<WriteOutcome<Option<String>>, Error>> {
        if let Err(why) = check_place(&ticket.uri, hosts).and_then(|()| check_size(&upload)) {
            return Some(Err(Error::new(Failure::Refused, &format!("nothing was uploaded: {why}"))));
        }
        let primary = upload.primary.then_some("true");
        let fields =
            [("Token", Some(ticket.token.expose_secret())), ("Name", Some(upload.name)), ("Caption", upload.caption), ("Primary", primary)];
        let body = form(&Form { fields: &fields, file: ("File", upload.name, upload.bytes) });
        let request = self.client.send_bare(Method::POST, ticket.uri.clone(), body, &ticket.token);
        Some(self.once(request, stop).await?.map(|outcome| outcome.and_then(|granted| Some(uploaded(&granted)))))
    }
}

fn made(granted: &Granted) -> Option<Ticket> {
    let Made { results: [Sent { uri, token, expires_in, service }] } = serde_json::from_str(&granted.d).ok()?;
    Some(Ticket { uri: uri.parse().ok()?, token: token.into(), expires_in: expires_in.map(Duration::from_secs), service })
}

fn uploaded(granted: &Granted) -> Option<String> {
    let d: Value = serde_json::from_str(&granted.d).ok()?;
    d.get("Results")?.get(0)?.get("Id")?.as_str().map(str::to_owned)
}

/// The place comes from an answer, and the ticket's secret goes there.
fn check_place(place: &Url, hosts: &[String]) -> Result<(), String> {
    check_url(place).map_err(|_| "the ticket names a place that is not safe".to_owned())?;
    let host = place.host_str().unwrap_or_default();
    let is_at = |known: &String| {
        let known = known.to_ascii_lowercase();
        host == known || host.strip_suffix(&known).is_some_and(|below| !known.is_empty() && below.ends_with('.'))
    };
    let is_known = hosts.iter().any(is_at);
    is_known.then_some(()).ok_or_else(|| format!("the ticket names the host {host}, which upload_hosts does not allow"))
}

fn check_size(upload: &Upload<'_>) -> Result<(), String> {
    if upload.bytes.len() > LARGEST_FILE {
        return Err(format!("the file is larger than {LARGEST_FILE} bytes"));
    }
    let caption = upload.caption.map_or(0, |caption| caption.chars().count());
    if caption > LONGEST_CAPTION { Err(format!("the caption is longer than {LONGEST_CAPTION} characters")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(place: &str, host: &str, expected: bool) {
        assert_eq!(check_place(&place.parse().expect("a URL"), &[host.to_owned()]).is_ok(), expected, "{place} {host}");
    }

    #[test]
    fn a_ticket_goes_to_known_hosts_alone() {
        check("https://sparkplatform.com/uploads/photos", "sparkplatform.com", true);
        check("https://up.SparkPlatform.com/uploads", "SPARKPLATFORM.com", true);
        check("http://127.0.0.1:80/uploads", "127.0.0.1", true);
        check("http://sparkplatform.com/uploads", "sparkplatform.com", false);
        check("https://evilsparkplatform.com/", "sparkplatform.com", false);
        check("https://sparkplatform.com.evil.org/", "sparkplatform.com", false);
        check("https://user@sparkplatform.com/", "sparkplatform.com", false);
        check("https://a.com/", "", false);
    }

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
