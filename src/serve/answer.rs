//! One answer, until it is an HTTP response.

use crate::record::Stamp;
use crate::vendor::constellation1::fields::binding::Bound;
use crate::vendor::constellation1::fields::services::Service;
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// A change is in the file at the latest so long after its time, as long as the disk keeps up. It is not told of the last seconds that
/// they are complete, unless a newer change is there: a later commit never has an earlier time.
const IN_FLIGHT: TimeDelta = TimeDelta::seconds(5);

/// Listings on a page of SyncListings, at most and unless the request says less.
pub(super) const LARGEST_PAGE: i64 = 200;

/// What a request gets.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    body: Option<String>,
    /// When the newest change was stored, up to which the file holds all of them; that may lie ahead, where the clock was set back.
    until: Option<DateTime<Utc>>,
    allow: Option<&'static str>,
}

impl Answer {
    pub(super) fn bare(status: StatusCode) -> Answer {
        Answer { status, body: None, until: None, allow: None }
    }

    pub(super) fn json(body: String) -> Answer {
        Answer { body: Some(body), ..Answer::bare(StatusCode::OK) }
    }

    /// An array of objects, which come with commas between.
    pub(super) fn array(objects: String) -> Answer {
        Answer::json(between("[", objects, "]"))
    }

    /// The document's body of an error.
    fn error(status: StatusCode, kind: &str, message: &str, rest: (Value, Value)) -> Answer {
        let (arguments, errors) = rest;
        let body = json!({
            "ExceptionType": kind, "Message": message, "ErrorCode": 0, "ActionArguments": arguments, "Data": { "Errors": errors },
        });
        Answer { body: Some(body.to_string()), ..Answer::bare(status) }
    }

    /// 400: what is wrong with each parameter.
    pub(super) fn invalid(service: &Service, bound: &Bound, client: &str) -> Answer {
        let arguments = json!({ "request": echo(service, bound), "client": client });
        Answer::error(StatusCode::BAD_REQUEST, "Validation", "Invalid input parameters: ", (arguments, json!(bound.errors)))
    }

    /// 429, with the words of the document; the wait has 7 digits behind its point.
    pub(super) fn too_many(service: &Service, bound: &Bound, wait: Duration) -> Answer {
        let message = format!("Too many requests. Api will be available in {:.7} seconds", wait.as_secs_f64());
        let arguments = json!({ "request": echo(service, bound) });
        Answer::error(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", &message, (arguments, Value::Null))
    }

    /// 404 or 503, with the reason.
    pub(super) fn without(status: StatusCode, why: &str) -> Answer {
        let kind = if status == StatusCode::NOT_FOUND { "NotFound" } else { "Unavailable" };
        Answer::error(status, kind, why, (Value::Null, Value::Null))
    }

    pub(super) fn wrong_method(allowed: &'static str) -> Answer {
        Answer { allow: Some(allowed), ..Answer::bare(StatusCode::METHOD_NOT_ALLOWED) }
    }

    /// Tells of which moment the answer is; `newest` is when the newest change was stored.
    pub(super) fn complete(self, newest: Option<&str>) -> Answer {
        let newest = newest.and_then(|at| DateTime::parse_from_rfc3339(at).ok()).map(|at| at.to_utc());
        Answer { until: newest, ..self }
    }

    /// The `Date` of the response is the moment up to which the answer holds every change. A mirror that follows this one reads up to
    /// there, so that a change which is stored a moment later is never behind it.
    pub(super) fn into_response(self, now: DateTime<Utc>) -> Response<Body> {
        let until = self.until.unwrap_or(DateTime::UNIX_EPOCH).max(now - IN_FLIGHT);
        let mut response = Response::new(self.body.map_or_else(Body::empty, Body::from));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let date = until.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        headers.insert(header::DATE, HeaderValue::try_from(date).expect("a date is ASCII"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        self.allow.map(|allowed| headers.insert(header::ALLOW, HeaderValue::from_static(allowed)));
        response
    }
}

/// The request as an error's body repeats it.
fn echo(service: &Service, bound: &Bound) -> Value {
    let usual = |name: &str| match name {
        "Status" => json!(0),
        "Page" => json!(1),
        "PageSize" => json!(LARGEST_PAGE),
        _ => Value::Null,
    };
    let members = service.parameters().map(|(name, _)| (name.to_owned(), bound.get(name).cloned().unwrap_or_else(|| usual(name))));
    Value::Object(members.collect::<Map<_, _>>())
}

/// The document's envelope of a page.
pub(super) struct Envelope {
    /// The JSON of each result, with commas between.
    pub(super) results: String,
    pub(super) count: usize,
    /// All matches, on every page.
    pub(super) total: u64,
    pub(super) next_page: Option<u32>,
    /// When the mirror stored each result, where the windows of the service select by that.
    pub(super) changed_at: Option<Vec<Stamp>>,
}

impl Envelope {
    pub(super) fn json(self) -> String {
        let Envelope { results, count, total, next_page, changed_at } = self;
        let next = next_page.map_or_else(|| "null".to_owned(), |page| page.to_string());
        let changed = changed_at.map(|dates| {
            let dates: Vec<String> = dates.iter().map(Stamp::to_string).collect();
            format!(",\"MirrorChangedAt\":{}", json!(dates))
        });
        let changed = changed.unwrap_or_default();
        between("{\"Results\":[", results, &format!("],\"Total\":{total},\"Count\":{count},\"NextPage\":{next}{changed}}}"))
    }
}

/// Where many listings match, a text has megabytes: no second one is made of it.
fn between(before: &str, mut text: String, after: &str) -> String {
    text.insert_str(0, before);
    text.push_str(after);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The Date of an answer at noon, for the newest change.
    fn check(newest: Option<&str>, expected: &str) {
        let noon = "2026-05-01T12:00:00Z".parse().expect("a date");
        let response = Answer::bare(StatusCode::OK).complete(newest).into_response(noon);
        assert_eq!(response.headers()[header::DATE], format!("Fri, 01 May 2026 {expected} GMT").as_str(), "{newest:?}");
    }

    #[test]
    fn an_answer_is_dated_by_the_moment_up_to_which_it_is_complete() {
        check(None, "11:59:55");
        check(Some("2026-05-01T10:00:00.000Z"), "11:59:55");
        check(Some("2026-05-01T11:59:58.900Z"), "11:59:58");
        check(Some("2026-05-01T12:00:07.000Z"), "12:00:07");
    }
}
