//! Validation: what the vendor's rules would say of a listing. Nothing is stored by it.

use super::body::enveloped;
use super::client::Call;
use super::envelope::{Granted, Reply};
use super::problem::{SparkProblem, problems};
use super::refusal::SparkRefusal;
use super::service::Spark;
use super::ticket::SparkListing;
use crate::vendor::error::Error;
use reqwest::Method;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// Codes that speak of the record, and not of the request: missing, outside its bounds, refused by validation.
const OF_THE_RECORD: [i64; 3] = [1050, 1053, 1060];

/// What the vendor's rules say of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validation {
    /// With these it would be refused.
    pub fatal: Vec<SparkProblem>,
    /// With these alone it would be taken.
    pub warnings: Vec<SparkProblem>,
}

impl Spark {
    /// Validates the creation of a listing, or with its id an update. `body` is what lies in `D`: standard fields at the top,
    /// custom fields as `CustomFields: {group: {field: value}}`. Which form, code and status a failure has is not documented, so
    /// all forms become one list. `None` as soon as `stop` is cancelled.
    ///
    /// # Errors
    /// Every [`crate::record::Failure`]; what the rules find is none.
    pub async fn validate(
        &self,
        listing: Option<&SparkListing>,
        body: &Value,
        stop: &CancellationToken,
    ) -> Option<Result<Validation, Error>> {
        let call = match listing {
            Some(listing) => Call::new(Method::PUT, format!("listings/{listing}/validation")),
            None => Call::new(Method::POST, "listings/validation"),
        };
        Some(match self.ask(&call.with_body(enveloped(body)), stop).await? {
            Ok(Reply::Granted(granted)) => Ok(of_success(&granted)),
            Ok(Reply::Refused(refusal)) => of_refusal(refusal).map_err(|refusal| refusal.error()),
            Err(error) => Err(error),
        })
    }
}

/// Problems may come with success, as warnings.
fn of_success(granted: &Granted) -> Validation {
    let found = serde_json::from_str(&granted.d).map(|d| problems(&d)).unwrap_or_default();
    parted(found, true)
}

fn of_refusal(refusal: SparkRefusal) -> Result<Validation, SparkRefusal> {
    if !refusal.errors.is_empty() {
        return Ok(parted(refusal.errors, false));
    }
    if refusal.code.is_some_and(|code| OF_THE_RECORD.contains(&code)) {
        let problem = SparkProblem { field: None, message: refusal.message, rule: None, is_warning: None };
        return Ok(Validation { fatal: vec![problem], warnings: Vec::new() });
    }
    Err(refusal)
}

/// A problem that is marked neither as a warning nor as fatal is a warning where the answer is a success, and fatal otherwise.
fn parted(found: Vec<SparkProblem>, is_success: bool) -> Validation {
    let (warnings, fatal) = found.into_iter().partition(|problem| problem.is_warning.unwrap_or(is_success));
    Validation { fatal, warnings }
}
