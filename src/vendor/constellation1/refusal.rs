//! What an answer other than a page means.

use super::json::text;
use super::members::Members;
use crate::record::{Failure, Stamp, spoken};
use crate::vendor::answer::{Answer, ERROR_BODY};
use crate::vendor::error::Error;
use crate::vendor::throttle;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;
use std::time::Duration;

/// A larger difference of clocks is worth telling a person whose signature is refused.
const NOTABLE_SKEW: TimeDelta = TimeDelta::seconds(60);

/// Whether an answer refuses what was asked: its status is not 200, or it is a 429 that a proxy sends on as a 200.
pub(super) fn refused(answer: &Answer) -> Result<(), Error> {
    let is_throttled = answer.status == StatusCode::OK && answer.body.len() <= ERROR_BODY && says_too_many(&answer.body);
    if answer.status == StatusCode::OK && !is_throttled {
        return Ok(());
    }
    let refusal = Refusal {
        status: if is_throttled { StatusCode::TOO_MANY_REQUESTS } else { answer.status },
        retry_after: answer.header(RETRY_AFTER),
        target: answer.target.as_deref(),
        body: &answer.body,
        vendor_now: answer.vendor_now(),
        now: Utc::now(),
    };
    Err(refusal.error())
}

/// An answer whose status is not 200.
struct Refusal<'a> {
    status: StatusCode,
    retry_after: Option<&'a str>,
    /// The host to which a redirect points.
    target: Option<&'a str>,
    body: &'a [u8],
    /// The vendor's clock, from the answer's `Date`.
    vendor_now: Option<DateTime<Utc>>,
    /// Ours.
    now: DateTime<Utc>,
}

impl Refusal<'_> {
    /// What the program should make of it, with the vendor's words for a person.
    fn error(&self) -> Error {
        let words = Words::read(self.body);
        let failure = self.failure(words.message.as_deref());
        let mut message = format!("the vendor answered HTTP {}", self.status.as_u16());
        if let Some(reason) = self.status.canonical_reason() {
            message = format!("{message} {reason}");
        }
        if let Some(said) = words.said() {
            message = format!("{message}: {said}");
        }
        if let Some(hint) = self.hint(&failure) {
            message = format!("{message}; {hint}");
        }
        Error { status: Some(self.status.as_u16()), ..Error::new(failure, &message).at(self.vendor_now.map(Stamp::from_utc)) }
    }

    fn failure(&self, message: Option<&str>) -> Failure {
        match self.status.as_u16() {
            429 => Failure::Throttled { wait: self.wait(message) },
            // Under maintenance the vendor names a time, too. Without one it is an outage like any other.
            503 if throttle::is_told(self.retry_after, self.clock()) => Failure::Throttled { wait: self.wait(message) },
            401 | 403 => Failure::Unauthorized,
            408 | 300..=399 | 500..=599 => Failure::Unavailable,
            400..=499 => Failure::Refused,
            _ => Failure::Malformed,
        }
    }

    fn wait(&self, message: Option<&str>) -> Duration {
        throttle::wait(self.retry_after, message, self.clock())
    }

    /// An HTTP date in `Retry-After` is of the vendor's clock, so it is read against that.
    fn clock(&self) -> DateTime<Utc> {
        self.vendor_now.unwrap_or(self.now)
    }

    fn hint(&self, failure: &Failure) -> Option<String> {
        match failure {
            Failure::Unauthorized => Some(format!("check the client name and the system access key{}", self.skew())),
            Failure::Throttled { wait } => Some(format!("waiting {}", spoken(*wait))),
            Failure::Unavailable if self.status.is_redirection() => {
                let host = self.target.unwrap_or("an unreadable place");
                Some(format!("it points to {host}, and redirects are not followed, for they would carry the key there"))
            }
            Failure::Unavailable | Failure::Refused | Failure::Malformed => None,
        }
    }

    fn skew(&self) -> String {
        let ahead = self.vendor_now.map_or(TimeDelta::zero(), |vendor| self.now - vendor);
        if ahead.abs() < NOTABLE_SKEW {
            return String::new();
        }
        let way = if ahead > TimeDelta::zero() { "ahead of" } else { "behind" };
        format!(", and this machine's clock, which is {} s {way} the vendor's", ahead.num_seconds().abs())
    }
}

/// Whether a body of whatever status is the document's TooManyRequests.
fn says_too_many(body: &[u8]) -> bool {
    let words = Words::read(body);
    let says = |text: &str| text.to_ascii_lowercase().replace(' ', "").starts_with("toomanyrequests");
    !words.has_results && words.kind.iter().chain(&words.message).any(|text| says(text))
}

/// What the vendor wrote in `{Message, Data: {Errors: {field: text}}}`; anything else is silence.
#[derive(Default)]
struct Words {
    kind: Option<String>,
    has_results: bool,
    message: Option<String>,
    errors: Vec<String>,
}

impl Words {
    fn read(body: &[u8]) -> Words {
        let body = String::from_utf8_lossy(body);
        let body = body.strip_prefix('\u{feff}').unwrap_or(&body);
        // The document prints its samples with typographic quotes; such a body is read as if they were straight.
        let straight = body.replace(['\u{201c}', '\u{201d}'], "\"");
        let Some(members) = Members::read(body).or_else(|| Members::read(&straight)) else { return Words::default() };
        let said = |name| members.get(name).and_then(text).map(|said| said.trim().to_owned()).filter(|said| !said.is_empty());
        Words {
            kind: said("ExceptionType"),
            has_results: members.get("Results").is_some(),
            message: said("Message"),
            errors: errors(&members),
        }
    }

    fn said(&self) -> Option<String> {
        let words: Vec<&str> = self.message.iter().chain(&self.errors).map(String::as_str).collect();
        (!words.is_empty()).then(|| words.join(" | "))
    }
}

fn errors(members: &Members) -> Vec<String> {
    let data = members.known("Data").and_then(Members::read);
    let errors = data.as_ref().and_then(|data| data.known("Errors")).and_then(Members::read);
    let errors = errors.map(|errors| errors.in_order()).unwrap_or_default();
    // What is no text, such as a list of reasons, is shown as sent.
    errors.iter().map(|(field, what)| format!("{field}: {}", text(what).unwrap_or_else(|| what.to_string().into()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;

    fn error(status: u16, body: &str) -> Error {
        let now = Utc.with_ymd_and_hms(2026, 7, 1, 12, 0, 0).single().expect("a date");
        let status = StatusCode::from_u16(status).expect("a status");
        Refusal { status, retry_after: None, target: Some("elsewhere"), body: body.as_bytes(), vendor_now: None, now }.error()
    }

    fn check(status: u16, expected: Failure) {
        assert_eq!(error(status, "").failure, expected, "{status}");
    }

    #[test]
    fn each_status_is_a_failure() {
        check(429, Failure::Throttled { wait: Duration::from_secs(30) });
        check(401, Failure::Unauthorized);
        check(403, Failure::Unauthorized);
        for status in [301, 302, 304, 307, 308, 408, 500, 502, 503, 504, 599] {
            check(status, Failure::Unavailable);
        }
        for status in [400, 402, 404, 405, 410, 413, 414, 422, 451] {
            check(status, Failure::Refused);
        }
        for status in [201, 204, 206, 600] {
            check(status, Failure::Malformed);
        }
    }

    #[test]
    fn a_503_that_names_a_time_is_obeyed_like_a_429() {
        let now = Utc.with_ymd_and_hms(2026, 7, 1, 12, 0, 0).single().expect("a date");
        let failure = |retry_after| {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            Refusal { status, retry_after, target: None, body: b"", vendor_now: None, now }.error().failure
        };
        for (retry_after, seconds) in [("120", 120), ("Wed, 01 Jul 2026 12:00:45 GMT", 45)] {
            assert_eq!(failure(Some(retry_after)), Failure::Throttled { wait: Duration::from_secs(seconds) }, "{retry_after}");
        }
        for unreadable in [None, Some(""), Some("soon"), Some("-5")] {
            assert_eq!(failure(unreadable), Failure::Unavailable, "{unreadable:?}");
        }
    }

    #[test]
    fn the_vendors_words_are_shown() {
        let body = r#"{"ExceptionType":"Validation","Message":"Invalid input parameters: ","Data":{"Errors":{"PageSize":"The field\u0007 is bad."}}}"#;
        let shown = "the vendor answered HTTP 400 Bad Request: Invalid input parameters: | PageSize: The field\\u{7} is bad.";
        assert_eq!(error(400, body).message, shown);
        assert_eq!(error(400, r#"{"Message":"No","Data":{"Errors":null}}"#).message, "the vendor answered HTTP 400 Bad Request: No");
        assert_eq!(error(400, "{\u{201c}Message\u{201d}: \u{201c}No\u{201d}}").message, "the vendor answered HTTP 400 Bad Request: No");
        let list = r#"{"Message":"No","Data":{"Errors":{"Page":["bad","worse"]}}}"#;
        assert_eq!(error(400, list).message, r#"the vendor answered HTTP 400 Bad Request: No | Page: ["bad","worse"]"#);
        for silent in ["", "<html>secret</html>", "[]", r#"{"Message":5,"Data":[]}"#, r#"{"Message":""}"#] {
            assert_eq!(error(400, silent).message, "the vendor answered HTTP 400 Bad Request", "{silent}");
        }
        let long = format!(r#"{{"Message":"{}"}}"#, "x".repeat(5_000));
        assert_eq!(error(400, &long).message.chars().count(), 501);
    }

    #[test]
    fn a_throttled_wait_is_read_from_the_message() {
        let body = r#"{"Message":"Too many requests. Api will be available in 20.6250626 seconds","Data":{"Errors":null}}"#;
        let error = error(429, body);
        assert_eq!(error.failure, Failure::Throttled { wait: Duration::from_millis(20_626) });
        assert!(error.message.ends_with("waiting 21 s"));
    }

    #[test]
    fn the_documents_429_is_known_under_any_status() {
        for body in [
            r#"{"ExceptionType":"TooManyRequests","Message":"Api will be available in 20.0 seconds"}"#,
            r#"{"exceptionType":"tooManyRequests","message":null}"#,
            r#"{"Message":"Too many requests. Api will be available in 20.6250626 seconds"}"#,
            "{\u{201c}ExceptionType\u{201d}: \u{201c}TooManyRequests\u{201d}}",
        ] {
            assert!(says_too_many(body.as_bytes()), "{body}");
        }
        for body in ["", "null", r#"{"Results":[],"Total":0,"Message":"Too many requests"}"#, r#"{"ExceptionType":"Validation"}"#] {
            assert!(!says_too_many(body.as_bytes()), "{body}");
        }
    }

    #[test]
    fn a_refused_signature_tells_of_a_wrong_clock() {
        let now = Utc.with_ymd_and_hms(2026, 7, 1, 12, 0, 0).single().expect("a date");
        let vendor_now = Some(now + TimeDelta::minutes(5));
        let refusal = Refusal { status: StatusCode::FORBIDDEN, retry_after: None, target: None, body: b"", vendor_now, now };
        let error = refusal.error();
        assert!(error.message.ends_with("this machine's clock, which is 300 s behind the vendor's"), "{}", error.message);
        assert_eq!(error.vendor_now, vendor_now.map(Stamp::from_utc));
    }
}
