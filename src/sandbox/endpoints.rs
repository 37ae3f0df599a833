//! The normal answers of the vendor's endpoints, made from the world.

use super::answer::Answer;
use super::fault::validation;
use super::options::{DeletedDetail, NextPage, PagePastEnd, Shape};
use super::parameters::Parameters;
use super::render::{DocumentHalf, Presentation, record};
use super::select::page;
use super::world::World;
use crate::vendor::constellation1::fields::services::{SERVICES, Service};
use serde_json::json;
use std::sync::Arc;

/// The service at a path; a server that is not strict ignores the case of letters.
pub(super) fn at(path: &str, strict: bool) -> Option<&'static Service> {
    let is = |known: &str| if strict { path == known } else { path.eq_ignore_ascii_case(known) };
    SERVICES.iter().copied().find(|service| is(service.path))
}

/// Whether the parameters of a service are bound by [`Parameters::bind`], and not by their table.
pub(super) fn is_sync_or_detail(service: &Service) -> bool {
    matches!(service.name, "SyncListings" | "GetListingDetail")
}

pub(super) fn sync_or_detail(world: &mut World, service: &Service, parameters: &Parameters) -> Answer {
    if service.name == "SyncListings" { sync(world, parameters) } else { detail(world, parameters) }
}

/// Answers SyncListings; what is due of the random changes comes first.
pub(super) fn sync(world: &mut World, parameters: &Parameters) -> Answer {
    world.churn();
    if !parameters.errors.is_empty() {
        return refused(world, parameters, &json!(parameters.errors));
    }
    let page = page(world, parameters);
    if page.past_end && world.options.page_past_end == PagePastEnd::NotFound {
        return Answer::bare(404);
    }
    let absent = world.options.next_page == NextPage::Absent;
    let presentation = presentation(world);
    let records: Vec<Arc<str>> = page.states.iter().map(|state| world.rendered(state, presentation)).collect();
    Answer::json(200, envelope(&records, page.total, page.next, absent)).counting(page.total as u64)
}

/// The document's envelope of a page.
pub(super) fn envelope(records: &[Arc<str>], total: usize, next: Option<u32>, absent: bool) -> String {
    let next = match next {
        Some(page) => format!(",\"NextPage\":{page}"),
        None if absent => String::new(),
        None => ",\"NextPage\":null".to_owned(),
    };
    format!("{{\"Results\":[{}],\"Total\":{},\"Count\":{}{next}}}", records.join(","), total, records.len())
}

pub(super) fn presentation(world: &mut World) -> Presentation {
    let half = match world.options.shape {
        Shape::Class => DocumentHalf::Class,
        Shape::Table => DocumentHalf::Table,
        Shape::Union => DocumentHalf::Union,
        Shape::Mixed => [DocumentHalf::Class, DocumentHalf::Table][world.answer_random.index(2)],
    };
    Presentation { half, media_key: world.options.media_key, deletions: world.options.deletions }
}

/// Answers GetListingDetail.
pub(super) fn detail(world: &mut World, parameters: &Parameters) -> Answer {
    let presentation = presentation(world);
    let feed = world.feeds().into_iter().find(|feed| parameters.feeds.contains(&feed.0)).and_then(|feed| world.feeds.get(&feed.0));
    let listing = feed.zip(parameters.listing.as_ref()).and_then(|(feed, id)| Some((feed, feed.find(id)?)));
    let found = listing.and_then(|(feed, listing)| Some(feed.state(listing, *listing.visible(world.utc())?)));
    match found {
        Some(state) if !state.version.deleted || world.options.deleted_detail == DeletedDetail::Record => {
            let record = record(&state, world.content_options(), presentation);
            let body = if world.options.services.wrap_detail { format!("{{\"Results\":[{record}]}}") } else { record };
            Answer::json(200, body)
        }
        _ => Answer::bare(404),
    }
}

/// The 400 for parameters that did not bind.
pub(super) fn refused(world: &World, parameters: &Parameters, errors: &serde_json::Value) -> Answer {
    let body = validation(&parameters.echo(world.options.page_size), &world.options.client, errors);
    Answer::json(400, body)
}
