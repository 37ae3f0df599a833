//! What a fault makes of a normal answer.

use super::answer::{Answer, http_date};
use super::endpoints::{is_sync_or_detail, refused, sync, sync_or_detail};
use super::fault::{Fault, throttled};
use super::options::RetryAfter;
use super::parameters::{Layout, Parameters};
use super::services;
use super::shared_state::{SharedState, VendorState};
use crate::vendor::constellation1::fields::services::Service;
use serde_json::json;
use std::time::Duration;

/// The normal answer, and what a fault makes of it.
pub(super) async fn answer(shared: &SharedState, service: &Service, parameters: &Parameters, fault: Option<Fault>) -> Answer {
    let normal = || {
        let world = &mut shared.lock().world;
        if is_sync_or_detail(service) { sync_or_detail(world, service, parameters) } else { services::answer(world, service, parameters) }
    };
    match fault {
        None => normal(),
        Some(Fault::Hang(span)) => {
            tokio::time::sleep(span).await;
            normal()
        }
        Some(Fault::Cut) => normal().cut(),
        Some(Fault::Drip) => normal().drip(),
        Some(Fault::Bomb { blocks }) => Answer::bomb(blocks),
        Some(Fault::FirstPage) => sync(&mut shared.lock().world, &Parameters { layout: Layout::FirstPage, ..parameters.clone() }),
        Some(Fault::Uneven) => sync(&mut shared.lock().world, &Parameters { layout: Layout::Uneven, ..parameters.clone() }),
        Some(Fault::Date(text)) => normal().with("date", text),
        Some(Fault::WrongLength) => normal().half(),
        Some(Fault::EditRecords(edit)) => normal().edited(|body| edit.apply(body)),
        Some(Fault::EditText(edit)) => normal().edited(|body| edit.apply(body)),
        Some(Fault::StatusIf(status, test)) => {
            let (answer, page_size) = (normal(), shared.lock().world.options.page_size);
            if answer.passes(|body| test.is_passed(&parameters.echo(page_size), body)) { Answer::bare(status) } else { answer }
        }
        Some(Fault::NullResults) => {
            let total = normal().total.unwrap_or(0).max(1);
            Answer::json(200, json!({ "Results": null, "Total": total, "Count": 0, "NextPage": null }).to_string())
        }
        Some(Fault::Status(status, body)) => Answer::json(status, body),
        Some(Fault::Throttled { seconds }) => too_many(&shared.lock(), parameters, seconds),
        Some(Fault::ThrottledRaw { body, retry_after }) => {
            let answer = Answer::json(429, body);
            retry_after.map_or(answer.clone(), |after| answer.with("retry-after", after))
        }
        Some(Fault::Busy { retry_after }) => Answer::bare(503).with("retry-after", retry_after),
        Some(Fault::Html) => Answer::bare(200).with("content-type", "text/html".to_owned()).body("<html><h1>Sign in</h1></html>"),
        Some(Fault::Empty) => Answer::json(200, String::new()),
        Some(Fault::Reset) => Answer::reset(),
        Some(Fault::BadRequest) => {
            refused(&shared.lock().world, parameters, &json!({ "Page": "The field Page must be between 1 and 2147483647." }))
        }
        Some(Fault::Forbidden) => Answer::bare(403),
        Some(Fault::RawPage(body)) => Answer::json(200, body),
        Some(Fault::Redirect(to)) => Answer::bare(302).with("location", to),
    }
}

/// The 429 that asks to wait so long.
pub(super) fn too_many(vendor: &VendorState, parameters: &Parameters, seconds: f64) -> Answer {
    let options = &vendor.world.options;
    let body = throttled(&parameters.echo(options.page_size), seconds);
    let exact = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let answer = Answer::json(429, body).waiting(exact);
    let whole = Duration::from_secs(exact.as_secs_f64().ceil() as u64);
    match options.retry_after {
        RetryAfter::None => answer,
        RetryAfter::Seconds => answer.with("retry-after", whole.as_secs().to_string()),
        RetryAfter::Date => answer.with("retry-after", http_date(vendor.world.utc().plus(whole))),
    }
}
