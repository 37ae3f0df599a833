//! The endpoints of the Spark sandbox for people and tests: what is true, what was asked, more change.

use super::envelope::Answer;
use super::routes::Asking;
use super::world::World;
use serde_json::{Value, json};

/// Answers what is under `/sandbox/`; the rest is the vendor's.
pub(super) fn answer(world: &mut World, asking: &Asking) -> Option<Answer> {
    let path = asking.path.strip_prefix("/sandbox/")?;
    let body = match (asking.method.as_str(), path) {
        ("GET", "truth") => truth(world),
        ("GET", "requests") => {
            let rows = world.asked().into_iter().map(|asked| json!({ "method": asked.method, "path": asked.path, "status": asked.status }));
            rows.collect()
        }
        ("POST", "churn") => {
            let changes = asking.parameter("n").and_then(|n| n.parse().ok()).unwrap_or(1);
            json!({ "changes": world.churn(changes) })
        }
        ("POST", "quiet") => {
            world.options.churn_per_second = 0.0;
            json!({ "churn": 0 })
        }
        (_, "truth" | "requests" | "churn" | "quiet") => return Some(Answer::plain(405, String::new())),
        _ => return Some(Answer::plain(404, String::new())),
    };
    Some(Answer::plain(200, body.to_string()))
}

fn truth(world: &mut World) -> Value {
    let records = |world: &mut World, ids: Vec<i64>| ids.into_iter().filter_map(|id| world.record(id)).collect::<Vec<Value>>();
    let (live, deleted) = (world.live(), world.deleted());
    let used = world.tickets.values().filter(|ticket| ticket.is_used).count();
    json!({
        "live": records(world, live), "deleted": records(world, deleted), "tickets_issued": world.tickets.len(), "tickets_used": used,
        "writes": world.writes(),
    })
}
