//! The answers of the Spark sandbox, in the vendor's envelope.

use serde_json::{Map, Value, json};

/// An answer, until it is an HTTP response.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
    pub(super) headers: Vec<(&'static str, String)>,
    /// The connection is reset in its place.
    pub(super) is_lost: bool,
}

impl Answer {
    pub(super) fn plain(status: u16, body: String) -> Answer {
        Answer { status, body, headers: Vec::new(), is_lost: false }
    }

    fn of(status: u16, d: Map<String, Value>) -> Answer {
        Answer::plain(status, json!({ "D": d }).to_string())
    }

    /// Success, with what goes into `D` beside it.
    pub(super) fn success(status: u16, more: Value) -> Answer {
        Answer::of(status, with(json!({ "Success": true }), more))
    }

    pub(super) fn refusal(status: u16, code: i64, message: &str) -> Answer {
        Answer::refusal_with(status, code, message, json!({}))
    }

    /// A refusal, with what goes into `D` beside its code.
    pub(super) fn refusal_with(status: u16, code: i64, message: &str, more: Value) -> Answer {
        Answer::of(status, with(json!({ "Success": false, "Code": code, "Message": message }), more))
    }

    pub(super) fn not_found() -> Answer {
        Answer::refusal(404, 404, "Not found")
    }
}

fn with(d: Value, more: Value) -> Map<String, Value> {
    [d, more].into_iter().filter_map(|value| if let Value::Object(members) = value { Some(members) } else { None }).flatten().collect()
}
