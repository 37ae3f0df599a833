//! The vendor's envelope `D`: whether an answer grants what was asked for, and what it brings.

use super::problem::{problems, word};
use super::refusal::{OVER_THE_LIMIT, SparkRefusal, of_status};
use crate::record::{Failure, Stamp, spoken};
use crate::vendor::answer::Answer;
use crate::vendor::error::Error;
use crate::vendor::throttle;
use chrono::Utc;
use reqwest::header::RETRY_AFTER;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::time::Duration;

/// How long the gate closes where the vendor names no time: the limit counts over five minutes.
const UNTOLD_WAIT: Duration = Duration::from_secs(60);
/// HTTP's status for what is scheduled and not done.
const ACCEPTED: u16 = 202;

/// A readable answer.
pub(super) enum Reply {
    Granted(Granted),
    Refused(SparkRefusal),
}

/// What was granted.
pub(super) struct Granted {
    /// The `D` as sent.
    pub(super) d: String,
    /// It is scheduled, and not done.
    pub(super) is_accepted: bool,
    pub(super) vendor_now: Option<Stamp>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, rename = "D")]
    d: &'a RawValue,
}

/// Judges an answer. Granted is only what has a status of 2xx, `Success: true` and no SparkQLErrors: the vendor was seen to
/// answer 200 with `Success: false`, and a dropped term of a filter would bring all rows.
///
/// # Errors
/// What is no refusal in the vendor's words, or one after which nobody may ask, or one that says nothing of what was done:
/// over the limit, HTTP 5xx, a redirect, no readable `D`.
pub(super) fn read(answer: &Answer) -> Result<Reply, Error> {
    let http = answer.status.as_u16();
    let d = std::str::from_utf8(&answer.body).ok().and_then(|body| serde_json::from_str::<Body>(body).ok()).map(|body| body.d.get());
    let members: Option<Map<String, Value>> =
        d.and_then(|d| serde_json::from_str(d).ok()).filter(|members: &Map<_, _>| !members.is_empty());
    let is_success = members.as_ref().and_then(|members| members.get("Success")).and_then(Value::as_bool);
    let refusal = members.map(|members| refusal(http, &members));
    if is_over_the_limit(answer, refusal.as_ref()) {
        return Err(throttled(answer, refusal));
    }
    match (d, is_success, refusal) {
        (Some(d), Some(true), Some(refusal)) if answer.status.is_success() => granted(answer, d, refusal),
        (_, Some(false), Some(refusal)) if answer.status.is_success() || answer.status.is_client_error() => Ok(Reply::Refused(refusal)),
        (_, _, Some(refusal)) if !answer.status.is_success() => Err(refusal.error().at(answer.vendor_stamp())),
        _ if answer.status.is_success() => Err(answer.malformed("the answer has no D, or does not say whether it succeeded")),
        _ => Err(unworded(answer)),
    }
}

fn granted(answer: &Answer, d: &str, said: SparkRefusal) -> Result<Reply, Error> {
    let members: Map<String, Value> = serde_json::from_str(d).unwrap_or_default();
    if members.get("SparkQLErrors").and_then(Value::as_array).is_some_and(|errors| !errors.is_empty()) {
        let message = format!("{} (a term of the filter was dropped)", said.message);
        return Err(SparkRefusal { message, ..said }.error());
    }
    let is_accepted = answer.status.as_u16() == ACCEPTED;
    Ok(Reply::Granted(Granted { d: d.to_owned(), is_accepted, vendor_now: answer.vendor_stamp() }))
}

fn refusal(http: u16, d: &Map<String, Value>) -> SparkRefusal {
    let code = d.get("Code").and_then(|code| code.as_i64().or_else(|| code.as_str()?.parse().ok()));
    let mut message = word(d, "Message").unwrap_or_default();
    let dropped = d.get("SparkQLErrors").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
    for error in dropped.take(10) {
        let told: Vec<String> = ["Status", "Token", "Message"].into_iter().filter_map(|name| word(error, name)).collect();
        message = format!("{message} [{}]", told.join(" "));
    }
    SparkRefusal { http, code, message, errors: problems(d) }
}

/// By the code; without one, by HTTP's 429, or by a 503 that names a time.
fn is_over_the_limit(answer: &Answer, refusal: Option<&SparkRefusal>) -> bool {
    let code = refusal.and_then(|refusal| refusal.code);
    let is_told = || throttle::is_told(answer.header(RETRY_AFTER), answer.vendor_now().unwrap_or_else(Utc::now));
    code == Some(OVER_THE_LIMIT) || answer.status.as_u16() == 429 || answer.status.as_u16() == 503 && is_told()
}

fn throttled(answer: &Answer, refusal: Option<SparkRefusal>) -> Error {
    // An HTTP date is of the vendor's clock.
    let now = answer.vendor_now().unwrap_or_else(Utc::now);
    let retry_after = answer.header(RETRY_AFTER);
    let is_told = throttle::is_told(retry_after, now);
    let wait = if is_told { throttle::wait(retry_after, None, now) } else { UNTOLD_WAIT };
    let is_refused = refusal.as_ref().is_some_and(|refusal| refusal.code == Some(OVER_THE_LIMIT));
    let mut error = refusal.map_or_else(|| unworded(answer), |refusal| refusal.error());
    // The code means the same as HTTP's 429, whatever the status is: nothing was done. A 503 by itself does not say that.
    if is_refused {
        error.status = Some(429);
    }
    Error { failure: Failure::Throttled { wait }, ..error.and(&format!("waiting {}", spoken(wait))).at(answer.vendor_stamp()) }
}

/// An answer that the vendor's own program did not write: a proxy's page, a redirect.
fn unworded(answer: &Answer) -> Error {
    let http = answer.status.as_u16();
    let mut message = format!("the vendor answered HTTP {http} without a readable D");
    if let Some(target) = answer.target.as_deref().filter(|_| answer.status.is_redirection()) {
        message = format!("{message}; it points to {target}, and redirects are not followed, for they would carry the credential there");
    }
    Error { status: Some(http), ..Error::new(of_status(http), &message).at(answer.vendor_stamp()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(http: u16, body: &str, expected: &str) {
        let told = match read(&Answer::made(http, body)) {
            Ok(Reply::Granted(granted)) if granted.is_accepted => "accepted".to_owned(),
            Ok(Reply::Granted(_)) => "granted".to_owned(),
            Ok(Reply::Refused(refusal)) => format!("refused {:?}", refusal.code),
            Err(error) => format!("{:?}", error.failure),
        };
        assert_eq!(told, expected, "{http} {body}");
    }

    #[test]
    fn only_a_whole_success_is_granted() {
        check(200, r#"{"D":{"Success":true,"Results":[]}}"#, "granted");
        check(201, r#"{"D":{"Success":true}}"#, "granted");
        check(200, r#"{"D":{"Success":true,"SparkQLErrors":[]}}"#, "granted");
        check(202, r#"{"D":{"Success":true}}"#, "accepted");
        check(200, r#"{"D":{"Success":true,"SparkQLErrors":[{"Token":"x","Status":"Dropped"}]}}"#, "Refused");
        check(200, r#"{"D":{"Success":false,"Code":1053}}"#, "refused Some(1053)");
        check(200, r#"{"D":{"Success":false}}"#, "refused None");
        check(400, r#"{"D":{"Success":false,"Code":"1035"}}"#, "refused Some(1035)");
        for malformed in ["", "{}", r#"{"D":{}}"#, r#"{"D":{"Results":[]}}"#, r#"{"D":[]}"#, r#"{"D":{"Success":true"#] {
            check(200, malformed, "Malformed");
        }
    }

    #[test]
    fn what_says_nothing_of_what_was_done_is_no_refusal() {
        check(500, r#"{"D":{"Success":false,"Code":1026}}"#, "Unavailable");
        check(500, r#"{"D":{"Success":true}}"#, "Unavailable");
        check(400, "<html>", "Refused");
        check(403, "<html>", "Unauthorized");
        check(302, "", "Unavailable");
        let minute = format!("{:?}", Failure::Throttled { wait: UNTOLD_WAIT });
        check(429, "<html>", &minute);
        check(503, r#"{"D":{"Success":false,"Code":1550}}"#, &minute);
        check(200, r#"{"D":{"Success":false,"Code":1550}}"#, &minute);
        check(503, r#"{"D":{"Success":false,"Code":1510}}"#, "Unavailable");
    }
}
