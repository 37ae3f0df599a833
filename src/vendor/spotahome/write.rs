//! What became of a request that changes something at the vendor.

use super::refusal::{SpotahomeRefusal, refused};
use crate::record::Failure;
use crate::vendor::answer::Answer;
use crate::vendor::error::Error;
use reqwest::StatusCode;

/// What is known of a write after it was sent once. The API has no lock and no request id, so only reading tells what became of one
/// whose answer was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// 204, or 200: the vendor did it.
    Done,
    /// 202, which the document does not list: the vendor took it, and may do it later.
    Accepted,
    /// The vendor says in readable words that it did not do it.
    Refused(SpotahomeRefusal),
    /// It may have happened: no answer, a part of one, an error of the server, or one of a proxy in front of it. Says what was seen.
    Unknown(String),
}

/// What an answer says of a write.
pub(super) fn outcome(answer: &Answer) -> WriteOutcome {
    let http = answer.status.as_u16();
    match answer.status {
        StatusCode::NO_CONTENT => WriteOutcome::Done,
        StatusCode::ACCEPTED => WriteOutcome::Accepted,
        // A page of HTML with a 200 is a proxy's, or a login.
        StatusCode::OK if is_empty_or_json(&answer.body) => WriteOutcome::Done,
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
