//! Tickets of the Spark sandbox, and the place where they are spent.

use super::choices::TicketServices;
use super::envelope::Answer;
use super::identities::body;
use super::routes::Asking;
use super::world::{Ticket, World};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The first listing's Id; the others count on from it.
const FIRST_LISTING: u128 = 20_080_917_142_739_989_238_000_000;

/// Whether a listing exists; otherwise the answer to who asks for it.
pub(super) fn listing(world: &World, id: &str) -> Result<(), Answer> {
    let number = id.parse::<u128>().ok().and_then(|number| number.checked_sub(FIRST_LISTING));
    match number {
        Some(number) if number < u128::from(world.options.listings) => Ok(()),
        _ if world.options.records.foreign_listing_forbidden => Err(Answer::refusal(403, 1500, "Not yours")),
        _ => Err(Answer::not_found()),
    }
}

pub(super) fn create(world: &mut World, asking: &Asking, id: &str) -> Result<Answer, Answer> {
    listing(world, id)?;
    let sent = body(asking)?;
    let service = sent.get("Service").and_then(Value::as_str).unwrap_or_default();
    let is_known = match world.options.records.ticket_services {
        TicketServices::Photo => service == "PhotoUploads",
        TicketServices::PhotoDocument => matches!(service, "PhotoUploads" | "DocumentUploads"),
        TicketServices::Any => !service.is_empty(),
    };
    if !is_known {
        return Err(Answer::refusal(400, 1053, "The service is unknown"));
    }
    let token = format!("{:032x}", (u128::from(world.random.draw()) << 64) | u128::from(world.random.draw()));
    world.tickets.insert(token.clone(), Ticket { made: Instant::now(), is_used: false });
    world.writes += 1;
    let ticket = json!({
        "Token": token, "ExpiresIn": world.options.records.ticket_ttl_s, "Service": service,
        "Uri": format!("{}/uploads/photos", world.base_url),
    });
    Ok(Answer::success(200, json!({ "Results": [ticket] })))
}

/// Takes a form with `Token` and `File`. A ticket ends with its first success.
pub(super) fn upload(world: &mut World, asking: &Asking) -> Answer {
    let form = asking.header("content-type").and_then(|kind| kind.split_once("boundary=")).map(|(_, boundary)| boundary.to_owned());
    let body = String::from_utf8_lossy(&asking.body).into_owned();
    let part = |wanted: &str| {
        let boundary = format!("--{}", form.as_deref()?);
        body.split(&boundary).find(|part| part.contains(&format!(" name=\"{wanted}\""))).map(str::to_owned)
    };
    let token = part("Token").and_then(|part| Some(part.split_once("\r\n\r\n")?.1.trim_end().to_owned()));
    let life = Duration::from_secs(world.options.records.ticket_ttl_s);
    let number = world.tickets.len();
    match token.as_ref().and_then(|token| world.tickets.get_mut(token)) {
        Some(ticket) if !ticket.is_used && ticket.made.elapsed() < life => {
            if part("File").is_none() {
                return Answer::refusal(400, 1050, "File is missing");
            }
            ticket.is_used = true;
            world.writes += 1;
            Answer::success(200, json!({ "Results": [{ "Id": format!("2026010100000000000{number:07}") }] }))
        }
        _ => Answer::refusal(403, 1000, &format!("The ticket {} is unknown, used or has expired", token.unwrap_or_default())),
    }
}
