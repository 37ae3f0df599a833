//! One answer, until it is an HTTP response.

use crate::record::Stamp;
use crate::sandbox::answer::http_date;
use crate::sandbox::connection::{Delivery, DeliveryControl};
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

/// The `type` of every problem but the broken one.
const PROBLEM_TYPE: &str = "http://www.w3.org/Protocols/rfc2616/rfc2616-sec10.html";
const JSON: &str = "application/json";

#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    /// 0: the connection is reset instead.
    pub(super) status: u16,
    body: String,
    headers: Vec<(&'static str, String)>,
    is_cut: bool,
}

impl Answer {
    pub(super) fn bare(status: u16) -> Answer {
        Answer { status, ..Answer::default() }
    }

    pub(super) fn json(status: u16, body: String) -> Answer {
        Answer { body, ..Answer::bare(status) }.with("content-type", JSON.to_owned())
    }

    /// One JSON object in each line.
    pub(super) fn lines(lines: impl Iterator<Item = String>) -> Answer {
        let body = lines.map(|line| line + "\n").collect();
        Answer { body, ..Answer::bare(200) }.with("content-type", "application/x-ndjson".to_owned())
    }

    /// A page of a proxy.
    pub(super) fn html(status: u16) -> Answer {
        let body = format!("<html><body><h1>{status}</h1></body></html>");
        Answer { body, ..Answer::bare(status) }.with("content-type", "text/html".to_owned())
    }

    /// The problem of this status, in the document's words where it has some.
    pub(super) fn problem(status: u16) -> Answer {
        Answer::json(status, problem(status, PROBLEM_TYPE).to_string())
    }

    /// 204 is no problem.
    pub(super) fn problem_or_done(status: u16) -> Answer {
        if status == 204 { Answer::bare(204) } else { Answer::problem(status) }
    }

    /// 422 for one field, with the rule that it breaks; `is_printed` breaks its type as the document does.
    pub(super) fn invalid(field: &str, rule: &str, message: &str, is_printed: bool) -> Answer {
        let kind = if is_printed { "`http://www.w3.org/Protocols/rfc2616/rfc2616" } else { PROBLEM_TYPE };
        let mut body = problem(422, kind);
        body["validationMessages"] = json!({ field: { rule: message } });
        Answer::json(422, body.to_string())
    }

    /// The connection is reset.
    pub(super) fn lost() -> Answer {
        Answer::bare(0)
    }

    /// The connection closes half way through the body.
    pub(super) fn cut(self) -> Answer {
        Answer { is_cut: true, ..self }
    }

    pub(super) fn with(mut self, name: &'static str, value: String) -> Answer {
        self.headers.push((name, value));
        self
    }

    pub(super) fn send(self, control: &DeliveryControl, now: Stamp) -> Response {
        let cut = self.is_cut.then_some(self.body.len() / 2);
        control.set(Delivery { cut, reset: self.status == 0, ..Delivery::default() });
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        for (name, value) in self.headers.into_iter().chain([("date", http_date(now))]) {
            // A test may ask for a header that HTTP cannot carry; then it is left out.
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

fn problem(status: u16, kind: &str) -> Value {
    let (title, detail) = words(status);
    json!({ "detail": detail, "status": status, "title": title, "type": kind })
}

fn words(status: u16) -> (&'static str, &'static str) {
    match status {
        400 => ("Bad Request", "The request could not be understood by the server due to malformed syntax"),
        401 => ("Unauthorized", "Unauthorized user"),
        403 => ("Forbidden", "Forbidden"),
        404 => ("Not Found", "The resource was not found"),
        405 => ("Method Not Allowed", "Method Not Allowed"),
        409 => ("Conflict", "The request could not be completed due to a conflict with the current state of the resource"),
        422 => ("Unprocessable Entity", "The request was well formed but was unable to be followed due to semantic errors"),
        429 => ("Too Many Requests", "Too Many Requests"),
        503 => ("Service Unavailable", "Service Unavailable"),
        _ => ("Internal Server Error", "Internal Server Error"),
    }
}
