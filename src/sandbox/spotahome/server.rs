//! The HTTP side: each request gets its answer, normal or faulty.

use super::access::admitted;
use super::answer::Answer;
use super::forms::GetContentType;
use super::list::List;
use super::query::Query;
use super::search::search;
use super::shared_state::{Asked, Fault, SharedState, VendorState};
use super::{admin, writes};
use crate::sandbox::connection::DeliveryControl;
use crate::vendor::spotahome::fields::{ASSIGNATION, PATH, PROCESSES_MEMBER, STATES, STATES_MEMBER, STATES_PATH};
use axum::body::to_bytes;
use axum::extract::{ConnectInfo, Query as Pairs, Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;

/// The longest body of a request that is read.
const LONGEST_BODY: usize = 1 << 16;
/// The document's example of the list of processes.
const PRINTED_PROCESSES: &str = r#"{"count":2,"total":2,"_links":{"self":{"href":"/listing-processes?page=1"},"first":{"href":"/listing-processes?page=1"},"last":{"href":"/listing-processes?page=2"},"next":{"href":"/listing-processes?page=1"},"previous":{"href":"/listing-processes?page=2"}},"_embedded":{"sah:listing-processes":[{"id":111,"locator":"ABC123-01","accountId":"aaaaa-bbbbb-ccccc","propertyId":"bbbbb-aaaaa-bbbbb","agentId":"bbbbb-aaaaa-ccccc","state":{"state":"cancelled"}}]}}"#;
/// The document's example of the list of states.
const PRINTED_STATES: &str = r#"{"count":1,"total":5,"_links":{"self":{"href":"/listing-processes/states?page=1"},"first":{"href":"/listing-processes/states?page=1"},"last":{"href":"/listing-processes/states?page=5"},"next":{"href":"/listing-processes/states?page=2"},"previous":{"href":"/listing-processes/states?page=1"}},"_embedded":{"sah:listing-process:states":[{"state":"cancelled"}]}}"#;

/// A request of the vendor's, taken apart.
struct Call<'a> {
    method: &'a str,
    /// Without the slashes around it.
    path: &'a str,
    query: &'a Query,
    headers: &'a HeaderMap,
    body: &'a [u8],
}

/// Answers any request.
pub(super) async fn serve(
    State(shared): State<SharedState>,
    ConnectInfo(control): ConnectInfo<DeliveryControl>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let (method, path) = (head.method.as_str(), head.uri.path());
    let query = Query(Pairs::try_from_uri(&head.uri).map(|Pairs(pairs)| pairs).unwrap_or_default());
    let body = to_bytes(body, LONGEST_BODY).await;
    let answer = match (admin::answer(&shared, method, path, &query), body) {
        (Some(answer), _) => answer,
        (None, Err(_)) => Answer::problem(400),
        (None, Ok(body)) => {
            let mut vendor = shared.lock();
            let call = Call { method, path: path.trim_matches('/'), query: &query, headers: &head.headers, body: &body };
            let answer = answered(&mut vendor, &call);
            let query = head.uri.query().unwrap_or_default().to_owned();
            vendor.remember(Asked { method: method.to_owned(), path: path.to_owned(), query, status: answer.status });
            answer
        }
    };
    let now = shared.lock().world.now();
    answer.send(&control, now)
}

fn answered(vendor: &mut VendorState, call: &Call) -> Answer {
    let account = match admitted(vendor, call.header("authorization")) {
        Ok(account) => account,
        Err(refusal) => return refusal,
    };
    vendor.world.churn();
    match fault_due(vendor, call.method != "GET") {
        None => call.answer(vendor, account.as_deref()),
        Some(Fault::Problem(status)) => Answer::problem(status),
        Some(Fault::Html(status)) => Answer::html(status),
        Some(Fault::Text(text)) => Answer::json(200, text),
        Some(Fault::Cut) => call.answer(vendor, account.as_deref()).cut(),
        Some(Fault::LostAnswer) => {
            call.answer(vendor, account.as_deref());
            Answer::lost()
        }
        Some(Fault::LostRequest) => Answer::lost(),
    }
}

fn fault_due(vendor: &mut VendorState, is_write: bool) -> Option<Fault> {
    if let Some(fault) = vendor.next.pop_front() {
        return Some(fault);
    }
    let (random, options) = (&mut vendor.world.answer_random, &vendor.world.options);
    if is_write && random.chance(options.lose_requests) {
        return Some(Fault::LostRequest);
    }
    if is_write && random.chance(options.lose_answers) {
        return Some(Fault::LostAnswer);
    }
    if !random.chance(options.fault_rate) {
        return None;
    }
    // A write that is answered with a 200 was done, so this is a fault of reads alone.
    let text = (!is_write).then(|| Fault::Text("{\"count\":1}".to_owned()));
    let others = [Fault::Problem(500), Fault::Html(502), Fault::Html(504), Fault::Cut, Fault::LostAnswer, Fault::LostRequest];
    let faults: Vec<Fault> = others.into_iter().chain(text).collect();
    faults.get(random.index(faults.len())).cloned()
}

impl Call<'_> {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn answer(&self, vendor: &mut VendorState, account: Option<&str>) -> Answer {
        let world = &mut vendor.world;
        let below = self.path.strip_prefix(PATH).and_then(|rest| rest.strip_prefix('/'));
        let (id, rest) = below.map_or(("", ""), |below| below.split_once('/').unwrap_or((below, "")));
        match (self.method, self.path, id.parse::<i64>(), rest) {
            ("GET", PATH, _, _) => self.processes(vendor, account),
            ("GET", STATES_PATH, _, _) => self.states(vendor),
            (_, PATH | STATES_PATH, _, _) => Answer::problem(405),
            ("DELETE", _, Ok(id), "") => writes::cancel(world, id, account),
            ("PUT", _, Ok(id), ASSIGNATION) => writes::assign(world, id, account, self.body),
            ("DELETE", _, Ok(id), ASSIGNATION) => writes::unassign(world, id, account),
            (_, _, Ok(_), "" | ASSIGNATION) => Answer::problem(405),
            _ => Answer::problem(404),
        }
    }

    fn processes(&self, vendor: &mut VendorState, account: Option<&str>) -> Answer {
        let world = &mut vendor.world;
        if world.options.get_content_type == GetContentType::Required && !self.header("content-type").starts_with("application/json") {
            return Answer::problem(400);
        }
        if world.options.as_printed {
            return Answer::json(200, PRINTED_PROCESSES.to_owned());
        }
        let answer = match search(world, self.query, account) {
            Ok(items) => List { path: "/listing-processes", member: PROCESSES_MEMBER, items }.answer(self.query, &world.options),
            Err(refusal) => refusal,
        };
        if world.options.insert_while_paging {
            world.add();
        }
        if world.options.remove_while_paging {
            world.vanish_any();
        }
        answer
    }

    fn states(&self, vendor: &VendorState) -> Answer {
        let options = &vendor.world.options;
        if options.as_printed {
            return Answer::json(200, PRINTED_STATES.to_owned());
        }
        let words = STATES.into_iter().chain(options.extra_state.as_deref());
        let items = words.map(|state| json!({ "state": state })).collect();
        List { path: "/listing-processes/states", member: STATES_MEMBER, items }.answer(self.query, options)
    }
}
