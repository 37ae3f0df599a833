//! The HTTP side of the Spark sandbox: each request gets its answer, or loses it.

use super::envelope::Answer;
use super::routes::{Asking, Endpoint};
use super::world::{Asked, World};
use super::{access, admin, identities, tickets, validation};
use crate::sandbox::connection::{Delivery, DeliveryControl};
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The longest body of a request that is read.
const LONGEST_BODY: usize = 80 << 20;

/// The world, shared by all connections.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub(super) fn new(world: World) -> Shared {
        Shared(Arc::new(Mutex::new(world)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers any request.
pub(super) async fn serve(State(shared): State<Shared>, ConnectInfo(control): ConnectInfo<DeliveryControl>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let answer = match to_bytes(body, LONGEST_BODY).await {
        Ok(body) => answer(&mut shared.lock(), &Asking::new(head, body)),
        Err(_) => Answer::plain(413, String::new()),
    };
    control.set(Delivery { reset: answer.is_lost, ..Delivery::default() });
    let mut response = Response::builder().status(StatusCode::from_u16(answer.status).unwrap_or_default());
    response = response.header("content-type", "application/json; charset=utf-8");
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(answer.body)).expect("status and headers are valid")
}

fn answer(world: &mut World, asking: &Asking) -> Answer {
    if let Some(answer) = admin::answer(world, asking) {
        return answer;
    }
    world.churn_due();
    let mut answer = vendor(world, asking);
    if world.options.records.refuse_with_200 && (400..500).contains(&answer.status) && answer.body.contains("\"Success\":false") {
        answer.status = 200;
    }
    let status = if answer.is_lost { 0 } else { answer.status };
    world.remember(Asked { method: asking.method.to_string(), path: asking.path.clone(), status });
    answer
}

/// The vendor's answer, with the losses and faults that are due.
fn vendor(world: &mut World, asking: &Asking) -> Answer {
    let lost = Answer { is_lost: true, ..Answer::plain(200, String::new()) };
    let is_write = asking.method != "GET";
    if is_write && world.random.chance(world.options.lose_requests) {
        return lost;
    }
    if world.random.chance(world.options.fault_rate) {
        return Answer::plain(500, "<html>out of order</html>".to_owned());
    }
    let (writes, answer) = (world.writes, endpoint(world, asking));
    if is_write && world.random.chance(world.options.lose_answers) {
        return lost;
    }
    let is_written = world.writes > writes;
    if is_written && world.random.chance(world.options.accepted) { Answer::success(202, serde_json::json!({})) } else { answer }
}

fn endpoint(world: &mut World, asking: &Asking) -> Answer {
    let Some(endpoint) = Endpoint::at(&asking.path) else { return Answer::not_found() };
    let granted = if endpoint == Endpoint::Upload { Ok(()) } else { access::admitted(world, asking) };
    if let Err(refusal) = granted {
        return refusal;
    }
    if !endpoint.methods().contains(&asking.method.as_str()) {
        return Answer::refusal(405, 405, "Method Not Allowed");
    }
    let answered = match endpoint {
        Endpoint::Session => Ok(access::sign_in(world, asking)),
        Endpoint::Identities if asking.method == "POST" => identities::create(world, asking),
        Endpoint::Identities => Ok(identities::list(world, asking, false)),
        Endpoint::Deleted => Ok(identities::list(world, asking, true)),
        Endpoint::Identity(id) => match asking.method.as_str() {
            "PUT" => identities::update(world, asking, id),
            "DELETE" => identities::delete(world, id),
            _ => Ok(identities::one(world, id)),
        },
        Endpoint::History(id) => Ok(identities::history(world, id)),
        Endpoint::Tickets(listing) => tickets::create(world, asking, &listing),
        Endpoint::CreationValidation => validation::validate(world, asking, false),
        Endpoint::UpdateValidation(listing) => tickets::listing(world, &listing).and_then(|()| validation::validate(world, asking, true)),
        Endpoint::Upload => Ok(tickets::upload(world, asking)),
    };
    answered.unwrap_or_else(|refusal| refusal)
}
