//! Spending a ticket: one file goes to the place that the ticket names.

use super::client::judge;
use super::envelope::{Granted, Reply};
use super::multipart::{Form, form};
use super::outcome::WriteOutcome;
use super::service::outcome;
use super::ticket::Ticket;
use crate::record::Failure;
use crate::vendor::error::{Error, Unanswered};
use crate::vendor::http::{Http, HttpOptions, check_url};
use reqwest::Method;
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// The vendor's longest caption, in characters.
const LONGEST_CAPTION: usize = 1000;
/// The largest file that is sent, in bytes.
const LARGEST_FILE: usize = 64 << 20;

/// A file for a ticket.
#[derive(Clone, Copy, Debug)]
pub struct Upload<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its content, at most 64 MiB.
    pub bytes: &'a [u8],
    /// Its caption, at most 1,000 characters.
    pub caption: Option<&'a str>,
    /// Whether it becomes the first photo.
    pub primary: bool,
}

/// Spends a ticket on a file, at the place that the ticket names, if that is one of `hosts` or below one: the id of the file, where the
/// vendor tells it. The ticket is all the authority that the request carries, and no redirect is followed; of `http`, the base URL does
/// not matter. `None` where `stop` was cancelled before anything left.
///
/// # Errors
/// Nothing has left: the place is none of `hosts`, the file or its caption is too long, or there is no connection.
pub async fn upload(
    http: HttpOptions,
    (ticket, upload): (&Ticket, Upload<'_>),
    hosts: &[String],
    stop: &CancellationToken,
) -> Option<Result<WriteOutcome<Option<String>>, Error>> {
    if stop.is_cancelled() {
        return None;
    }
    let checked = check_place(&ticket.uri, hosts).and_then(|()| check_size(&upload)).and_then(|()| Http::new(http));
    let http = match checked {
        Ok(http) => http,
        Err(why) => return Some(Err(Error::new(Failure::Refused, &format!("nothing was uploaded: {why}")))),
    };
    Some(match stop.run_until_cancelled(send(&http, ticket, upload)).await {
        None => Ok(WriteOutcome::Unknown("it was stopped while the request was under way".to_owned())),
        Some(Err(Unanswered::Unsent(error))) => Err(error),
        Some(answered) => Ok(outcome(answered.map_err(Error::from)).and_then(|granted| Some(uploaded(&granted)))),
    })
}

async fn send(http: &Http, ticket: &Ticket, upload: Upload<'_>) -> Result<Reply, Unanswered> {
    let (token, primary) = (ticket.token.expose_secret(), upload.primary.then_some("true"));
    let fields = [("Token", Some(token)), ("Name", Some(upload.name)), ("Caption", upload.caption), ("Primary", primary)];
    let (kind, body) = form(&Form { fields: &fields, file: ("File", upload.name, upload.bytes) });
    let request = http.request(Method::POST, ticket.uri.clone()).header(CONTENT_TYPE, kind).body(body);
    judge(&http.send(request, None).await?, &[token])
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
}
