//! The normal answers of the services besides SyncListings and GetListingDetail.

use super::answer::Answer;
use super::directory::{agent, agent_id, office, office_id};
use super::endpoints::{envelope, presentation, refused};
use super::feed::Feed;
use super::media;
use super::options::{ListForm, NextPage, PagePastEnd};
use super::parameters::Parameters;
use super::render::summary;
use super::search::{live, search, time};
use super::select::{asked_window, feeds_named, place, within};
use super::world::World;
use crate::record::Stamp;
use crate::vendor::constellation1::fields::binding::Bound;
use crate::vendor::constellation1::fields::services::Service;
use serde_json::{Value, json};
use std::sync::Arc;

/// Answers one of them.
pub(super) fn answer(world: &mut World, service: &Service, parameters: &Parameters) -> Answer {
    let mut bound = parameters.bound.clone();
    let results = match service.name {
        "GetAgents" | "GetOffices" => members(world, service, &bound),
        "GetListingsOpenHouse" => open_houses(world, &bound),
        _ => {
            let presentation = presentation(world);
            let found = search(world, service, &mut bound);
            found.iter().map(|state| summary(state, world.content_options(), presentation)).collect()
        }
    };
    if !bound.errors.is_empty() {
        return refused(world, parameters, &json!(bound.errors));
    }
    let options = &world.options;
    match (service.name, options.services.lists) {
        ("GetAgents" | "GetOffices", _) => directory_page(world, &results, parameters.page),
        (_, ListForm::Bare) => Answer::json(200, format!("[{}]", results.join(","))),
        (_, ListForm::Results) => Answer::json(200, format!("{{\"Results\":[{}]}}", results.join(","))),
        (_, ListForm::Paged) => paged(world, &results, parameters.page, options.page_size),
    }
}

fn directory_page(world: &World, results: &[Arc<str>], page: u32) -> Answer {
    let services = &world.options.services;
    let odd = Odd { excess: services.directory_total_excess, repeats: services.directory_repeats };
    page_of(world, results, (page, services.directory_page_size), odd)
}

fn paged(world: &World, results: &[Arc<str>], page: u32, size: usize) -> Answer {
    page_of(world, results, (page, size), Odd::default())
}

/// What is wrong with a page.
#[derive(Default)]
struct Odd {
    /// Its Total is too high by so many.
    excess: usize,
    /// It begins with the last record of the page before.
    repeats: bool,
}

fn page_of(world: &World, results: &[Arc<str>], (page, size): (u32, usize), odd: Odd) -> Answer {
    let place = place(results.len(), page, size.max(1), world.options.page_past_end);
    if place.past_end && world.options.page_past_end == PagePastEnd::NotFound {
        return Answer::bare(404);
    }
    let absent = world.options.next_page == NextPage::Absent;
    let begins = place.range.start.saturating_sub(usize::from(odd.repeats));
    let total = results.len() + odd.excess;
    Answer::json(200, envelope(&results[begins..place.range.end], total, place.next, absent)).counting(total as u64)
}

/// The agents or the offices of a feed that were updated in the time asked for. A feed out of sight has none.
fn members(world: &World, service: &Service, bound: &Bound) -> Vec<Arc<str>> {
    let directory = world.options.services.directory();
    let services = &world.options.services;
    let wanted = bound.text("FeedId").map(|feed| vec![feed.to_owned()]).unwrap_or_default();
    let sought = feeds_named(world, &wanted).into_iter().filter(|feed| wanted.contains(&feed.id().0));
    let (from, to) = asked_window(world, bound.time("FromUpdatedDate"), bound.time("ToUpdatedDate"));
    let is = |name: &str, id: &str| bound.text(name).is_none_or(|asked| asked == id);
    let mut found = Vec::new();
    for feed in sought {
        let is_there = |number: u64, id: &str| {
            let happened = services.happened(feed.name(), id);
            let updated = happened.map_or_else(|| updated(feed, number), |happened| happened.at);
            !happened.is_some_and(|happened| happened.gone) && within(world.options.bounds, updated, from, to)
        };
        let edited = |mut record: Value, id: &str, wire: &str| {
            if let Some(edits) = services.happened(feed.name(), id).map(|happened| happened.edits).filter(|edits| *edits > 0) {
                record[wire] = json!(format!("{} {edits}", record[wire].as_str().unwrap_or_default()));
            }
            record
        };
        if service.name == "GetOffices" {
            let ids = (0..directory.offices).map(|number| (number, office_id(number)));
            let ids = ids.filter(|(number, id)| is_there(*number, id) && is("OfficeId", id));
            found.extend(ids.map(|(number, id)| edited(office(feed.name(), number), &id, "Name")));
        } else {
            let is_at = |number: &u64| bound.text("OfficeId").is_none_or(|office| directory.is_at(*number, office));
            let ids = (0..directory.agents).filter(is_at).map(|number| (number, agent_id(number)));
            let ids = ids.filter(|(number, id)| is_there(*number, id) && is("AgentId", id));
            found.extend(ids.map(|(number, id)| edited(agent(feed.name(), number, directory), &id, "LastName")));
        }
    }
    found.iter().map(|record| Arc::from(record.to_string())).collect()
}

/// When an agent or an office was last updated: it is as old as one of the listings.
fn updated(feed: &Feed, number: u64) -> Stamp {
    let listings = feed.listings();
    let index = usize::try_from(number).unwrap_or(0) % listings.len().max(1);
    listings.get(index).map_or(Stamp(0), |listing| feed.state(listing, *listing.latest()).born)
}

fn open_houses(world: &World, bound: &Bound) -> Vec<Arc<str>> {
    let directory = world.options.services.directory();
    let (from, to) = (bound.time("OpenFromDate"), bound.time("OpenToDate"));
    let mut found = Vec::new();
    for state in live(world, &bound.list("FeedIdList")) {
        let is = |name: &str, wire: &str| {
            let held = directory.of_listing(&state, false, wire);
            bound.get(name).is_none_or(|asked| held.as_ref() == Some(asked))
        };
        let is_gone = world.options.services.is_gone(&state.feed, &state.listing);
        if is_gone || !is("AgentId", "ListingAgentId") || !is("OfficeId", "ListingOfficeId") {
            continue;
        }
        for mut house in media::open_houses(&state).as_array().cloned().unwrap_or_default() {
            if !is_open(&house, from, to, world.options.services.open_range_overlaps) {
                continue;
            }
            house["FeedId"] = json!(&*state.feed);
            house["ListingId"] = json!(&*state.listing);
            house["IsPublic"] = json!(state.identity.is_multiple_of(3));
            house["AllowIDX"] = json!(!state.identity.is_multiple_of(5));
            found.push(Arc::from(house.to_string()));
        }
    }
    found
}

/// Whether an open house lies within the asked range, or overlaps it where that suffices.
fn is_open(house: &Value, from: Option<Stamp>, to: Option<Stamp>, overlaps: bool) -> bool {
    let start = time(&house["StartDate"]);
    let end = time(&house["EndDate"]).or(start);
    let (first, last) = if overlaps { (end, start) } else { (start, end) };
    from.is_none_or(|from| first >= Some(from)) && to.is_none_or(|to| last <= Some(to))
}
