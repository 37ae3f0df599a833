//! The endpoints for people and other programs, which no vendor has: what is true, what was asked, more change.

use super::answer::Answer;
use super::query::Query;
use super::shared_state::{SharedState, VendorState};
use serde_json::{Value, json};

/// The most changes that one request may ask for.
const MOST_CHANGES: u64 = 1_000_000;

/// Answers what is under `/sandbox/`; the rest is the vendor's.
pub(super) fn answer(shared: &SharedState, method: &str, path: &str, query: &Query) -> Option<Answer> {
    let path = path.strip_prefix("/sandbox/")?;
    let mut vendor = shared.lock();
    Some(match (method, path) {
        ("GET", "truth") => Answer::lines(vendor.world.processes.values().map(|process| process.truth().to_string())),
        ("GET", "requests") => Answer::json(200, requests(&vendor).to_string()),
        ("POST", "churn") => {
            let wanted = query.one("n").and_then(|count| count.parse().ok()).unwrap_or(1).min(MOST_CHANGES);
            (0..wanted).for_each(|_| vendor.world.random_change());
            Answer::json(200, json!({ "changes": wanted }).to_string())
        }
        ("POST", "quiet") => {
            vendor.world.quiet();
            Answer::json(200, json!({ "churn": 0 }).to_string())
        }
        (_, "truth" | "requests" | "churn" | "quiet") => Answer::bare(405),
        _ => Answer::bare(404),
    })
}

fn requests(vendor: &VendorState) -> Value {
    vendor.log.iter().map(|asked| json!({ "method": asked.method, "path": asked.path, "status": asked.status })).collect()
}
