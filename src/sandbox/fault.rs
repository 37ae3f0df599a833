//! What can go wrong with one answer.

use super::random::Random;
use serde_json::{Value, json};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What happens to a request instead of its normal answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This HTTP status with this body.
    Status(u16, String),
    /// 429 as the document words it.
    Throttled {
        /// The wait that the message names.
        seconds: f64,
    },
    /// 429 with any body.
    ThrottledRaw {
        /// The body.
        body: String,
        /// The Retry-After header.
        retry_after: Option<String>,
    },
    /// 503 with this Retry-After header.
    Busy {
        /// The header.
        retry_after: String,
    },
    /// 200 with a page of HTML, as from a proxy or a login.
    Html,
    /// 200 without a body.
    Empty,
    /// The normal answer, its connection closed half way through the body.
    Cut,
    /// The connection is reset before a byte of the answer.
    Reset,
    /// The normal answer, only later.
    Hang(Duration),
    /// 200 with `Results` null, though `Total` counts records.
    NullResults,
    /// The 400 of the document, with an error of a field.
    BadRequest,
    /// 403.
    Forbidden,
    /// The normal answer with a Content-Length of half its body: a whole HTTP answer, half a JSON document.
    WrongLength,
    /// 200 with this body.
    RawPage(String),
    /// The normal answer, its JSON edited.
    EditRecords(Edit),
    /// The normal answer, its text edited.
    EditText(TextEdit),
    /// This HTTP status in place of each normal answer that passes the test, which sees the request and the answer.
    StatusIf(u16, Test),
    /// 302 to this place.
    Redirect(String),
    /// The normal answer, of which a byte comes ten times a second: it does not end while anybody lives.
    Drip,
    /// 200 with a little gzip that unfolds to very much.
    Bomb {
        /// How many times 16 MB it is then.
        blocks: usize,
    },
    /// The first page, whichever was asked for.
    FirstPage,
    /// Every second page holds only half of what it might; no record is lost by that.
    Uneven,
    /// The normal answer with this in its Date header.
    Date(String),
}

impl Fault {
    /// The normal answer, its JSON (the whole page, `Results` and all) edited.
    pub fn edit(edit: impl Fn(&mut Value) + Send + Sync + 'static) -> Fault {
        Fault::EditRecords(Edit(Arc::new(edit)))
    }

    /// This HTTP status where the request and its normal answer pass the test.
    pub fn status_if(status: u16, test: impl Fn(&Value, &Value) -> bool + Send + Sync + 'static) -> Fault {
        Fault::StatusIf(status, Test(Arc::new(test)))
    }

    /// The normal answer, its text edited: to what is no JSON, or not even text.
    pub fn edit_text(edit: impl Fn(String) -> Vec<u8> + Send + Sync + 'static) -> Fault {
        Fault::EditText(TextEdit(Arc::new(edit)))
    }

    /// One of the faults that a live service shows now and then.
    pub(super) fn random(random: &mut Random) -> Fault {
        match random.below(10) {
            0 => Fault::Status(500, "{\"Message\":\"An error has occurred.\"}".to_owned()),
            1 => Fault::Status(503, String::new()),
            2 => Fault::Html,
            3 => Fault::Empty,
            4 => Fault::Cut,
            5 => Fault::Reset,
            6 => Fault::WrongLength,
            7 | 8 => Fault::Throttled { seconds: 0.2 + 1.3 * random.share() },
            _ => Fault::NullResults,
        }
    }
}

/// An edit of a page's JSON.
#[derive(Clone)]
pub struct Edit(Arc<dyn Fn(&mut Value) + Send + Sync>);

impl Edit {
    /// The edited text; what is no JSON stays as it is.
    pub(super) fn apply(&self, body: &[u8]) -> Vec<u8> {
        let Ok(mut page) = serde_json::from_slice(body) else {
            return body.to_vec();
        };
        (self.0)(&mut page);
        page.to_string().into_bytes()
    }
}

impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Edit(..)")
    }
}

/// What a test looks at: the request, and its normal answer.
type Looks = dyn Fn(&Value, &Value) -> bool + Send + Sync;

/// A test of a request and of its normal answer.
#[derive(Clone)]
pub struct Test(Arc<Looks>);

impl Test {
    /// Whether it is passed; an answer that is no JSON never is.
    pub(super) fn is_passed(&self, request: &Value, body: &[u8]) -> bool {
        serde_json::from_slice(body).is_ok_and(|answer| (self.0)(request, &answer))
    }
}

impl fmt::Debug for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Test(..)")
    }
}

/// An edit of a page's text.
#[derive(Clone)]
pub struct TextEdit(Arc<dyn Fn(String) -> Vec<u8> + Send + Sync>);

impl TextEdit {
    pub(super) fn apply(&self, body: &[u8]) -> Vec<u8> {
        (self.0)(String::from_utf8_lossy(body).into_owned())
    }
}

impl fmt::Debug for TextEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TextEdit(..)")
    }
}

/// The body of a 400: what was bound, and what is wrong with it by parameter.
pub(super) fn validation(request: &Value, client: &str, errors: &Value) -> String {
    let body = json!({
        "ExceptionType": "Validation", "Message": "Invalid input parameters: ", "ErrorCode": 0,
        "ActionArguments": { "request": request, "client": client },
        "Data": { "Errors": errors },
    });
    body.to_string()
}

/// The body of a 429. The wait is only in its message, with seven decimals; unlike a 400 it does not name the client.
pub(super) fn throttled(request: &Value, seconds: f64) -> String {
    let body = json!({
        "ExceptionType": "TooManyRequests",
        "Message": format!("Too many requests. Api will be available in {seconds:.7} seconds"), "ErrorCode": 0,
        "ActionArguments": { "request": request },
        "Data": { "Errors": null },
    });
    body.to_string()
}
