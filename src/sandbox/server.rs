//! The HTTP side: each request gets its answer, normal or faulty.

use super::admin;
use super::answer::Answer;
use super::connection::DeliveryControl;
use super::endpoints::Endpoint;
use super::fault::Fault;
use super::faulty_answer::{answer, too_many};
use super::parameters::Parameters;
use super::shared_state::{Asked, SharedState};
use super::signature::signed;
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use std::time::Duration;

/// Answers any request.
pub(super) async fn serve(
    State(shared): State<SharedState>,
    ConnectInfo(control): ConnectInfo<DeliveryControl>,
    request: Request,
) -> Response {
    if let Some(answer) = admin::answer(&shared, request.method(), request.uri()) {
        return answer.send(&shared, &control, request.headers());
    }
    let answer = partner(&shared, request.method(), request.uri(), request.headers()).await;
    answer.send(&shared, &control, request.headers())
}

async fn partner(shared: &SharedState, method: &Method, uri: &Uri, headers: &HeaderMap) -> Answer {
    let Some(endpoint) = Endpoint::at(uri.path(), shared.lock().world.options.strict_paths) else {
        return Answer::bare(404);
    };
    if method != Method::GET {
        return Answer::bare(405);
    }
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri).map(|query| query.0).unwrap_or_default();
    let zone = shared.lock().world.options.zone_hours;
    let parameters = Parameters::bind(&pairs, zone);
    let came = shared.lock().started.elapsed();
    let answer = match fault_due(shared, endpoint, &parameters, headers) {
        Ok(fault) => answer(shared, endpoint, &parameters, fault).await,
        Err(refusal) => refusal,
    };
    log(shared, endpoint, &parameters, &answer, came);
    answer
}

/// The fault that is due for a request, or the refusal of one that is not signed or comes too soon.
fn fault_due(shared: &SharedState, endpoint: Endpoint, parameters: &Parameters, headers: &HeaderMap) -> Result<Option<Fault>, Answer> {
    let mut vendor = shared.lock();
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let options = vendor.world.options.clone();
    if !signed(&options, vendor.world.utc(), header("ml-auth"), header("x-ml-timestamp")) {
        return Err(Answer::bare(403));
    }
    if let Some(rate) = options.rate
        && let Err(seconds) = vendor.bucket.take(rate, options.rate_burst)
    {
        return Err(too_many(&vendor, parameters, seconds));
    }
    let due = if endpoint == Endpoint::Sync { vendor.next.pop_front() } else { None };
    let named = || parameters.feeds.iter().find_map(|feed| vendor.standing.get(&Some(feed.clone())));
    let fault = due.or_else(|| named().or_else(|| vendor.standing.get(&None)).cloned());
    if fault.is_none() && options.fault_rate > 0.0 && vendor.world.answer_random.chance(options.fault_rate) {
        return Ok(Some(Fault::random(&mut vendor.world.answer_random)));
    }
    Ok(fault)
}

fn log(shared: &SharedState, endpoint: Endpoint, parameters: &Parameters, answer: &Answer, came: Duration) {
    let mut vendor = shared.lock();
    let asked = Asked {
        endpoint: endpoint.name(),
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
