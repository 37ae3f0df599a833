//! What an answer other than a page means.

use super::token::redacted;
use crate::record::{Failure, Stamp, printable, spoken};
use crate::vendor::answer::Answer;
use crate::vendor::error::Error;
use crate::vendor::throttle;
use crate::vendor::value::{elements, members, text};
use chrono::{DateTime, Utc};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The longest text of a problem that is shown, in characters.
const WORDS: usize = 300;
/// The most messages of a validation that are shown.
const MESSAGES: usize = 20;

/// What the vendor says about a request that it did not follow: a problem body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpotahomeRefusal {
    /// The HTTP status.
    pub http: u16,
    /// The problem's title, printable; empty where the vendor says none.
    pub title: String,
    /// Its detail, printable; empty where the vendor says none.
    pub detail: String,
    /// What is wrong with each field, as `field: message`, printable.
    pub messages: Vec<String>,
}

impl SpotahomeRefusal {
    /// Reads a problem body; `None` where it is none. Its `type` distinguishes nothing: the document has the same one in all, and a
    /// broken one in 422.
    pub(super) fn read(http: u16, body: &[u8]) -> Option<SpotahomeRefusal> {
        let body = std::str::from_utf8(body).ok()?;
        let members = members(body.trim_start_matches('\u{feff}'))?;
        let said = |name: &str| members.get(name).and_then(|value| text(value.get())).map(|text| words(&text));
        let (title, detail) = (said("title"), said("detail"));
        if title.is_none() && detail.is_none() {
            return None;
        }
        let messages = members.get("validationMessages").map(|all| messages(all.get())).unwrap_or_default();
        Some(SpotahomeRefusal { http, title: title.unwrap_or_default(), detail: detail.unwrap_or_default(), messages })
    }
}

impl fmt::Display for SpotahomeRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.http)?;
        let texts = [&self.title, &self.detail].into_iter().chain(&self.messages).filter(|text| !text.is_empty());
        texts.enumerate().try_for_each(|(index, text)| write!(f, "{}{text}", if index == 0 { ": " } else { " | " }))
    }
}

/// The vendor's words, fit for a person.
fn words(text: &str) -> String {
    printable(&redacted(text.trim()), WORDS)
}

/// Each field's messages: an object of rules by the document, a text or a list by other habits.
fn messages(validation: &str) -> Vec<String> {
    let fields = members(validation).unwrap_or_default();
    let each = fields.iter().flat_map(|(field, rules)| {
        let rules = rules.get();
        let found = members(rules).map(BTreeMap::into_values).map(Vec::from_iter).or_else(|| elements(rules));
        let found: Vec<&str> = found.map_or_else(|| vec![rules], |found| found.into_iter().map(|message| message.get()).collect());
        found.into_iter().map(move |message| words(&format!("{field}: {}", text(message).unwrap_or_else(|| message.to_owned()))))
    });
    each.take(MESSAGES).collect()
}

/// What the program should make of an answer whose status is not the one that was hoped for, with the vendor's words for a person.
pub(super) fn refused(answer: &Answer) -> Error {
    let status = answer.status;
    let failure = failure(answer);
    let mut message = match SpotahomeRefusal::read(status.as_u16(), &answer.body) {
        Some(refusal) => format!("the vendor answered {refusal}"),
        None => format!("the vendor answered HTTP {}", reason(status)),
    };
    if let Some(hint) = hint(answer, &failure) {
        message = format!("{message}; {hint}");
    }
    Error { status: Some(status.as_u16()), ..Error::new(failure, &message).at(answer.vendor_now().map(Stamp::from_utc)) }
}

fn reason(status: StatusCode) -> String {
    status.canonical_reason().map_or_else(|| status.as_str().to_owned(), |reason| format!("{} {reason}", status.as_u16()))
}

fn failure(answer: &Answer) -> Failure {
    let retry_after = answer.header(RETRY_AFTER);
    match answer.status.as_u16() {
        429 => Failure::Throttled { wait: wait(answer) },
        // The document lists neither; a proxy that names a time means it.
        503 if throttle::is_told(retry_after, clock(answer)) => Failure::Throttled { wait: wait(answer) },
        401 | 403 => Failure::Unauthorized,
        408 | 300..=399 | 500..=599 => Failure::Unavailable,
        // The vendor answers in JSON: this is a proxy in front of it.
        400..=499 if is_html(answer) => Failure::Unavailable,
        400..=499 => Failure::Refused,
        _ => Failure::Malformed,
    }
}

fn wait(answer: &Answer) -> Duration {
    throttle::wait(answer.header(RETRY_AFTER), None, clock(answer))
}

/// An HTTP date in `Retry-After` is of the vendor's clock, so it is read against that.
fn clock(answer: &Answer) -> DateTime<Utc> {
    answer.vendor_now().unwrap_or_else(Utc::now)
}

fn is_html(answer: &Answer) -> bool {
    answer.header(CONTENT_TYPE).is_some_and(|kind| kind.to_ascii_lowercase().contains("html"))
        || answer.body.trim_ascii_start().starts_with(b"<")
}

fn hint(answer: &Answer, failure: &Failure) -> Option<String> {
    match failure {
        Failure::Unauthorized => {
            Some("the token is wrong, has expired, or its account may not see processes: put a new one in its place".to_owned())
        }
        Failure::Throttled { wait } => Some(format!("waiting {}", spoken(*wait))),
        Failure::Unavailable if answer.status.is_redirection() => {
            let host = answer.target.as_deref().unwrap_or("an unreadable place");
            Some(format!("it points to {host}, and redirects are not followed, for they would carry the token there"))
        }
        Failure::Unavailable | Failure::Refused | Failure::Malformed => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: Option<&str>) {
        assert_eq!(SpotahomeRefusal::read(422, body.as_bytes()).map(|refusal| refusal.to_string()).as_deref(), expected, "{body}");
    }

    #[test]
    fn the_problems_of_the_document() {
        check(
            r#"{"detail":"The resource was not found","status":404,"title":"Not Found","type":"http://www.w3.org/Protocols/rfc2616/rfc2616-sec10.html"}"#,
            Some("HTTP 422: Not Found | The resource was not found"),
        );
        check(
            r#"{"detail":"semantic errors","status":422,"title":"Unprocessable Entity","type":"`http://www.w3.org/Protocols/rfc2616/rfc2616","validationMessages":{"field":{"stringLength":"The input is less than 6 characters long"}}}"#,
            Some("HTTP 422: Unprocessable Entity | semantic errors | field: The input is less than 6 characters long"),
        );
    }

    #[test]
    fn other_shapes_are_read_as_far_as_they_go() {
        check(r#"{"title":"T"}"#, Some("HTTP 422: T"));
        check(
            r#"{"detail":"D","validationMessages":{"a":"x","b":["y","z"],"c":{"r":{"n":1}}}}"#,
            Some("HTTP 422: D | a: x | b: y | b: z | c: {\"n\":1}"),
        );
        check(r#"{"detail":"D","validationMessages":[]}"#, Some("HTTP 422: D"));
        for body in ["", "{}", "[]", "<html>", "{\"title\":5}", "\"title\""] {
            check(body, None);
        }
    }

    #[test]
    fn a_problem_shows_no_token_and_steers_no_terminal() {
        check(
            r#"{"title":"bad token aa.bb.cc","detail":"\u001b[31mred","validationMessages":{"dd.ee.ff":{"r":"gg.hh.ii"}}}"#,
            Some("HTTP 422: bad token [hidden] | \\u{1b}[31mred | [hidden]: [hidden]"),
        );
        let many: Vec<String> = (0..100).map(|field| format!("\"f{field}\":\"x\"")).collect();
        let body = format!("{{\"title\":\"T\",\"validationMessages\":{{{}}}}}", many.join(","));
        assert_eq!(SpotahomeRefusal::read(422, body.as_bytes()).map(|refusal| refusal.messages.len()), Some(MESSAGES));
    }
}
