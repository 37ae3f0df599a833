//! The HTTP side: each request gets its answer, normal or faulty.

use super::admin;
use super::answer::Answer;
use super::connection::DeliveryControl;
use super::endpoints::{at, is_sync_or_detail};
use super::fault::Fault;
use super::faulty_answer::{answer, too_many};
use super::parameters::Parameters;
use super::shared_state::{Asked, SharedState};
use super::signature::signed;
use crate::vendor::constellation1::fields::binding::Bound;
use crate::vendor::constellation1::fields::services::{Method, Service};
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{self, HeaderMap, Uri};
use axum::response::Response;
use std::time::Duration;

/// The longest body of a request that is read.
const LONGEST_BODY: usize = 1 << 20;

/// Answers any request.
pub(super) async fn serve(
    State(shared): State<SharedState>,
    ConnectInfo(control): ConnectInfo<DeliveryControl>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let answer = match admin::answer(&shared, &head.method, &head.uri) {
        Some(answer) => answer,
        None => partner(&shared, &head, body).await,
    };
    answer.send(&shared, &control, &head.headers)
}

async fn partner(shared: &SharedState, head: &Parts, body: Body) -> Answer {
    let Some(service) = at(head.uri.path(), shared.lock().world.options.strict_paths) else {
        return Answer::bare(404);
    };
    let method = if service.method == Method::Get { http::Method::GET } else { http::Method::POST };
    if head.method != method {
        return Answer::bare(405);
    }
    let came = shared.lock().started.elapsed();
    let Ok(body) = to_bytes(body, LONGEST_BODY).await else {
        return Answer::bare(413);
    };
    let parameters = parameters(service, &head.uri, &body, shared.lock().world.options.zone_hours);
    let answer = match fault_due(shared, service, &parameters, &head.headers) {
        Ok(fault) => answer(shared, service, &parameters, fault).await,
        Err(refusal) => refusal,
    };
    log(shared, service, &parameters, &answer, came);
    answer
}

fn parameters(service: &Service, uri: &Uri, body: &[u8], zone_hours: i32) -> Parameters {
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri).map(|query| query.0).unwrap_or_default();
    match service.method {
        _ if is_sync_or_detail(service) => Parameters::bind(&pairs, zone_hours),
        Method::Get => Parameters::of(Bound::from_query(service, &pairs).requiring(service)),
        Method::Post => Parameters::of(Bound::from_body(service, body).requiring(service)),
    }
}

/// The fault that is due for a request, or the refusal of one that is not signed or comes too soon.
fn fault_due(shared: &SharedState, service: &Service, parameters: &Parameters, headers: &HeaderMap) -> Result<Option<Fault>, Answer> {
    let mut vendor = shared.lock();
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let options = vendor.world.options.clone();
    if !signed(&options, vendor.world.utc(), header("ml-auth"), header("x-ml-timestamp")) {
        return Err(Answer::bare(403));
    }
    if options.services.forbidden_services.iter().any(|name| name.eq_ignore_ascii_case(service.name)) {
        return Err(Answer::bare(403));
    }
    if let Some(rate) = options.rate
        && let Err(seconds) = vendor.bucket.take(rate, options.rate_burst)
    {
        return Err(too_many(&vendor, parameters, seconds));
    }
    let due = if service.name == "SyncListings" { vendor.next.pop_front() } else { None };
    let named = || parameters.feeds.iter().find_map(|feed| vendor.standing.get(&Some(feed.clone())));
    let fault = due.or_else(|| named().or_else(|| vendor.standing.get(&None)).cloned());
    if fault.is_none() && options.fault_rate > 0.0 && vendor.world.answer_random.chance(options.fault_rate) {
        return Ok(Some(Fault::random(&mut vendor.world.answer_random)));
    }
    Ok(fault)
}

fn log(shared: &SharedState, service: &Service, parameters: &Parameters, answer: &Answer, came: Duration) {
    let mut vendor = shared.lock();
    let asked = Asked {
        endpoint: service.name,
        feeds: parameters.feeds.clone(),
        status: parameters.status,
        from: parameters.from_text.clone(),
        to: parameters.to_text.clone(),
        page: parameters.page,
        answered: answer.status,
        came,
        at: vendor.started.elapsed(),
        wait: answer.wait,
        total: answer.total,
    };
    vendor.remember(asked);
}
