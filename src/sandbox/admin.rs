//! The endpoints for people and other programs, which no vendor has: what is true, what was asked, more change.

use super::answer::Answer;
use super::service_options::Happened;
use super::shared_state::{SharedState, VendorState};
use axum::extract::Query;
use axum::http::{Method, Uri};
use serde_json::{Value, json};

/// The most changes that one request may ask for.
const MOST_CHANGES: u64 = 1_000_000;

/// Answers what is under `/sandbox/`; the rest is the vendor's.
pub(super) fn answer(shared: &SharedState, method: &Method, uri: &Uri) -> Option<Answer> {
    let path = uri.path().strip_prefix("/sandbox/")?;
    let mut vendor = shared.lock();
    Some(match (method.as_str(), path) {
        ("GET", "truth") => Answer::bare(200).with("content-type", "application/x-ndjson".to_owned()).body(&truth(&vendor)),
        ("GET", "requests") => Answer::json(200, requests(&vendor).to_string()),
        ("POST", "churn") => {
            let changes = (0..count(uri).min(MOST_CHANGES)).filter_map(|_| vendor.world.random_change()).count();
            Answer::json(200, json!({ "changes": changes }).to_string())
        }
        ("POST", "directory") => happen(&mut vendor, uri),
        ("POST", "quiet") => {
            vendor.world.options.churn = 0.0;
            vendor.world.options.churn_per_second = 0.0;
            Answer::json(200, json!({ "churn": 0 }).to_string())
        }
        (_, "truth" | "requests" | "churn" | "quiet" | "directory") => Answer::bare(405),
        _ => Answer::bare(404),
    })
}

fn count(uri: &Uri) -> u64 {
    parameter(uri, "n").and_then(|value| value.parse().ok()).unwrap_or(1)
}

fn parameter(uri: &Uri, wanted: &str) -> Option<String> {
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri).map(|query| query.0).unwrap_or_default();
    pairs.into_iter().find(|(name, _)| name == wanted).map(|(_, value)| value)
}

/// Edits an agent or an office, removes it or the open houses of a listing, or brings them back: `feed`, `id`, and `do` with edit, remove or
/// restore.
fn happen(vendor: &mut VendorState, uri: &Uri) -> Answer {
    let [feed, id, what] = ["feed", "id", "do"].map(|name| parameter(uri, name).unwrap_or_default());
    let at = vendor.world.zoned(vendor.world.utc());
    let happened = vendor.world.options.services.happened.entry((feed, id)).or_insert(Happened { gone: false, edits: 0, at });
    *happened = match what.as_str() {
        "edit" => Happened { edits: happened.edits + 1, at, ..*happened },
        "remove" => Happened { gone: true, at, ..*happened },
        "restore" => Happened { gone: false, at, ..*happened },
        _ => return Answer::bare(400),
    };
    Answer::bare(200)
}

/// One line per listing.
fn truth(vendor: &VendorState) -> String {
    let mut lines = String::new();
    for (feed, listings) in vendor.world.truths() {
        for (listing, truth) in listings {
            let head = json!({ "feed": feed.0, "listing": listing.0, "deleted": truth.deleted, "stamp": truth.stamp.to_string() });
            let head = head.to_string();
            lines.push_str(&head[..head.len() - 1]);
            lines.push_str(",\"record\":");
            lines.push_str(&truth.json());
            lines.push_str("}\n");
        }
    }
    lines
}

fn requests(vendor: &VendorState) -> Value {
    let rows = vendor.log.iter().map(|asked| {
        json!({
            "endpoint": asked.endpoint, "feeds": asked.feeds, "status": asked.status, "from": asked.from, "to": asked.to,
            "page": asked.page, "answered": asked.answered, "at_ms": u64::try_from(asked.at.as_millis()).unwrap_or(u64::MAX),
            "total": asked.total,
        })
    });
    rows.collect()
}
