//! What became of a request that changes something at the vendor.

use super::decode::PROCESSES;
use super::fields::{AGENT, CANCELLED, STATE};
use super::refusal::{SpotahomeRefusal, refused};
use crate::record::{Failure, Fields, Verb, Write};
use crate::vendor::answer::Answer;
use crate::vendor::error::Error;
use reqwest::StatusCode;
use serde_json::Value;

/// What is known of a write after it was sent once: done is 204 or 200, and accepted is 202, which the document does not list. The API
/// has no lock and no request id, so only reading tells what became of one whose answer was lost.
pub type WriteOutcome = crate::vendor::WriteOutcome<(), SpotahomeRefusal>;

/// What an answer says of a write.
pub(super) fn outcome(answer: &Answer) -> WriteOutcome {
    let http = answer.status.as_u16();
    match answer.status {
        StatusCode::NO_CONTENT => WriteOutcome::Done(()),
        StatusCode::ACCEPTED => WriteOutcome::Accepted,
        // A page of HTML with a 200 is a proxy's, or a login.
        StatusCode::OK if is_empty_or_json(&answer.body) => WriteOutcome::Done(()),
        status if status.is_success() => WriteOutcome::Unknown(format!("the vendor answered HTTP {http} with a body that is no JSON")),
        // Authentication comes before anything else, so nothing was done, whoever wrote the body.
        StatusCode::UNAUTHORIZED => WriteOutcome::Refused(problem(answer).unwrap_or_else(unauthorized)),
        status if status.is_client_error() => {
            problem(answer).map_or_else(|| WriteOutcome::Unknown(refused(answer).message), WriteOutcome::Refused)
        }
        _ => WriteOutcome::Unknown(refused(answer).message),
    }
}

/// The error that closes the gate for everybody, where the answer asks to wait.
pub(super) fn throttled(answer: &Answer) -> Option<Error> {
    (!answer.status.is_success()).then(|| refused(answer)).filter(|error| matches!(error.failure, Failure::Throttled { .. }))
}

/// A cancellation, which nothing in this API takes back.
#[must_use]
pub fn cancellation(id: i64) -> Write {
    to_be(Verb::Cancel, id, STATE, CANCELLED.into())
}

/// The assignation of a process to an agent.
#[must_use]
pub fn assignation(id: i64, agent: &str) -> Write {
    to_be(Verb::Assign, id, AGENT, agent.into())
}

/// The end of an assignation.
#[must_use]
pub fn unassignation(id: i64) -> Write {
    to_be(Verb::Unassign, id, AGENT, Value::Null)
}

fn to_be(verb: Verb, id: i64, member: &str, value: Value) -> Write {
    let fields = Fields([(member.to_owned(), value)].into_iter().collect());
    Write { entity: PROCESSES.name.to_owned(), verb, target: Some(id.to_string()), fields }
}

fn problem(answer: &Answer) -> Option<SpotahomeRefusal> {
    SpotahomeRefusal::read(answer.status.as_u16(), &answer.body)
}

fn unauthorized() -> SpotahomeRefusal {
    let http = StatusCode::UNAUTHORIZED.as_u16();
    SpotahomeRefusal { http, title: "Unauthorized".to_owned(), detail: String::new(), messages: Vec::new() }
}

fn is_empty_or_json(body: &[u8]) -> bool {
    body.trim_ascii().is_empty() || serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}
