//! The normal answers of the vendor's endpoints, made from the world.

use super::answer::Answer;
use super::fault::validation;
use super::options::{DeletedDetail, NextPage, PagePastEnd, Shape};
use super::parameters::Parameters;
use super::render::{DocumentHalf, Presentation, record};
use super::select::{MatchedPage, page};
use super::world::World;
use serde_json::json;
use std::sync::Arc;

const SYNC: &str = "/services/partner/SyncListings";
const DETAIL: &str = "/services/partner/GetListingDetail";

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Sync,
    Detail,
}

impl Endpoint {
    /// The endpoint at a path; a server that is not strict ignores the case of letters.
    pub(super) fn at(path: &str, strict: bool) -> Option<Endpoint> {
        let is = |known: &str| if strict { path == known } else { path.eq_ignore_ascii_case(known) };
        if is(SYNC) {
            return Some(Endpoint::Sync);
        }
        is(DETAIL).then_some(Endpoint::Detail)
    }

    /// Its name in the document.
    pub(super) fn name(self) -> &'static str {
        match self {
            Endpoint::Sync => "SyncListings",
            Endpoint::Detail => "GetListingDetail",
        }
    }

    pub(super) fn answer(self, world: &mut World, parameters: &Parameters) -> Answer {
        match self {
            Endpoint::Sync => sync(world, parameters),
            Endpoint::Detail => detail(world, parameters),
        }
    }
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
    Answer::json(200, envelope(&records, &page, absent)).counting(page.total as u64)
}

fn envelope(records: &[Arc<str>], page: &MatchedPage, absent: bool) -> String {
    let next = match page.next {
        Some(page) => format!(",\"NextPage\":{page}"),
        None if absent => String::new(),
        None => ",\"NextPage\":null".to_owned(),
    };
    format!("{{\"Results\":[{}],\"Total\":{},\"Count\":{}{next}}}", records.join(","), page.total, records.len())
}

fn presentation(world: &mut World) -> Presentation {
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
            Answer::json(200, record(&state, world.content_options(), presentation))
        }
        _ => Answer::bare(404),
    }
}

/// The 400 for parameters that did not bind.
pub(super) fn refused(world: &World, parameters: &Parameters, errors: &serde_json::Value) -> Answer {
    let body = validation(&parameters.echo(world.options.page_size), &world.options.client, errors);
    Answer::json(400, body)
}
