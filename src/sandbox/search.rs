//! The searches: which listings a request's filters and its place let through.

use super::attributes::Attributes;
use super::listing_state::ListingState;
use super::options::{FarDistance, PointForm};
use super::render::field_value;
use super::select::feeds_named;
use super::world::World;
use crate::record::{Location, Position, Stamp};
use crate::vendor::constellation1::fields::LISTING_DETAILS;
use crate::vendor::constellation1::fields::binding::Bound;
use crate::vendor::constellation1::fields::filters::{BORN, DEFAULT_MILES, FILTERS, MOST_MILES, Test, sold_days};
use crate::vendor::constellation1::fields::services::Service;
use serde_json::Value;
use std::cmp::Ordering;
use std::time::Duration;

/// Where a sale stands, and its date: the first of these fields that is there.
const SOLD: (&str, [&str; 2]) = ("ListingStatusSearch", ["Sold", "Closed"]);
const SALE_DATES: [&str; 3] = ["SaleDate", "LastListingStatusChangeDate", "MlsUpdateDate"];

/// One listing that may match.
struct Candidate {
    state: ListingState,
    attributes: Attributes,
}

/// The listings that match, in the order asked for; otherwise by feed and number. A filter that cannot be met is told in `bound`.
pub(super) fn search(world: &World, service: &Service, bound: &mut Bound) -> Vec<ListingState> {
    let all = candidates(world, bound);
    let area = area(world, bound, &all);
    let sold_since = if service.name.contains("Sold") { Some(sold_since(world, bound)) } else { None };
    let is_by_address = bound.get("Address").is_some();
    let filters = FILTERS.iter().filter(|(name, _, _)| !is_by_address || world.options.services.address_filters || !is_place(name));
    let filters: Vec<_> = filters.filter_map(|(name, wires, test)| Some((bound.get(name)?, *wires, *test))).collect();
    let held = |candidate: &Candidate, wire: &str| held(world, candidate, wire);
    let matches = |candidate: &Candidate| {
        filters.iter().all(|(asked, wires, test)| wires.iter().any(|wire| passes(world, *test, asked, &held(candidate, wire))))
            && area.as_ref().is_none_or(|(location, miles)| location.holds(position(candidate), *miles))
            && sold_since.is_none_or(|since| sold_at(world, candidate).is_some_and(|sold| sold >= since))
    };
    let mut found: Vec<Candidate> = all.into_iter().filter(matches).collect();
    if let Some(field) = bound.text("SortBy") {
        let key = |candidate: &Candidate| number(&held(candidate, field));
        found.sort_by(|a, b| key(a).partial_cmp(&key(b)).unwrap_or(Ordering::Equal));
    }
    found.into_iter().map(|candidate| candidate.state).collect()
}

/// When a listing was sold, if it is.
fn sold_at(world: &World, candidate: &Candidate) -> Option<Stamp> {
    let status = held(world, candidate, SOLD.0);
    let is_sold = SOLD.1.iter().any(|sold| status.as_str().is_some_and(|status| status.eq_ignore_ascii_case(sold)));
    SALE_DATES.iter().filter(|_| is_sold).find_map(|wire| time(&held(world, candidate, wire)))
}

fn is_place(parameter: &str) -> bool {
    matches!(parameter, "City" | "Zip")
}

/// What requests see of the feeds that are named, without what is deleted.
pub(super) fn live(world: &World, feeds: &[String]) -> Vec<ListingState> {
    let utc = world.utc();
    let mut live = Vec::new();
    for feed in feeds_named(world, feeds) {
        let seen = feed.listings().iter().filter_map(|listing| Some(feed.state(listing, *listing.visible(utc)?)));
        live.extend(seen.filter(|state| !state.version.deleted));
    }
    live.sort_by(|a, b| (&a.feed, &a.listing).cmp(&(&b.feed, &b.listing)));
    live
}

fn candidates(world: &World, bound: &Bound) -> Vec<Candidate> {
    let candidate = |state| Candidate { attributes: Attributes::of(&state), state };
    live(world, &bound.list("FeedIdList")).into_iter().map(candidate).collect()
}

fn held(world: &World, candidate: &Candidate, wire: &str) -> Value {
    let Some(index) = LISTING_DETAILS.iter().position(|field| field.wire == wire) else {
        return if wire == BORN { candidate.state.born.to_string().into() } else { Value::Null };
    };
    field_value(&candidate.state, &candidate.attributes, world.content_options(), index)
}

fn position(candidate: &Candidate) -> Position {
    Position { longitude: candidate.attributes.longitude, latitude: candidate.attributes.latitude }
}

fn passes(world: &World, test: Test, asked: &Value, held: &Value) -> bool {
    let is = |asked: &Value, held: &str| asked.as_str().is_some_and(|asked| asked.eq_ignore_ascii_case(held));
    let text = held.as_str().unwrap_or_default();
    let one_of = |held: &str| asked.as_array().is_some_and(|list| list.iter().any(|asked| is(asked, held)));
    let compare = |wanted: &[Ordering]| number(held).partial_cmp(&number(asked)).is_some_and(|found| wanted.contains(&found));
    match test {
        _ if *asked == false && (test != Test::Exactly || world.options.services.false_is_no_preference) => true,
        _ if held.is_null() => false,
        Test::OneOf => one_of(text),
        Test::PartOneOf => text.split(',').any(|part| one_of(part.trim())),
        Test::Is | Test::Same => is(asked, text),
        Test::Holds => text.to_lowercase().contains(&asked.as_str().unwrap_or_default().to_lowercase()),
        Test::AtLeast => compare(&[Ordering::Greater, Ordering::Equal]),
        Test::AtMost => compare(&[Ordering::Less, Ordering::Equal]),
        Test::Below => compare(&[Ordering::Less]),
        Test::After => time(held) > time(asked),
        Test::Wanted | Test::Exactly => held == asked,
        Test::Ahead => held.as_array().is_some_and(|houses| houses.iter().any(|house| is_ahead(world, house))),
    }
}

fn is_ahead(world: &World, house: &Value) -> bool {
    let day_ago = world.now().minus(Duration::from_secs(86_400));
    house["IsActive"] != false && time(&house["EndDate"]).or_else(|| time(&house["StartDate"])) > Some(day_ago)
}

/// A number, or a text that holds one; without either, less than any.
fn number(value: &Value) -> f64 {
    value.as_f64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(f64::NEG_INFINITY)
}

pub(super) fn time(value: &Value) -> Option<Stamp> {
    Stamp::parse(value.as_str()?)
}

/// Where the request looks, and how many miles around a point.
fn area(world: &World, bound: &mut Bound, all: &[Candidate]) -> Option<(Location, f64)> {
    let location = match (bound.text("WktLocation"), bound.text("Address")) {
        (Some(text), _) => located(world.options.services.point_form, text).map_err(|why| ("WktLocation", why)),
        (None, Some(_)) => addressed(bound, all).map_err(|why| ("Address", why)),
        (None, None) => return None,
    };
    let miles = bound.integer("Distance").unwrap_or(DEFAULT_MILES);
    if miles < 0 || miles > MOST_MILES && world.options.services.far_distance == FarDistance::Refuse {
        bound.refuse("Distance", format!("The field Distance must be between 0 and {MOST_MILES}."));
    }
    match location {
        Ok(location) => Some((location, miles.min(MOST_MILES) as f64)),
        Err((name, why)) => {
            bound.refuse(name, why);
            None
        }
    }
}

fn located(form: PointForm, text: &str) -> Result<Location, String> {
    let location: Location = text.parse().map_err(|why| format!("The field WktLocation is not valid: {why}."))?;
    let is_read = match (&location, form) {
        (Location::Polygon(_), _) | (_, PointForm::Any) => true,
        (Location::Point(_), PointForm::Plain) => !text.contains(','),
        (Location::Point(_), PointForm::Comma) => text.contains(','),
    };
    if is_read { Ok(location) } else { Err("The field WktLocation is not valid.".to_owned()) }
}

/// The sandbox knows the addresses of its listings alone.
fn addressed(bound: &Bound, all: &[Candidate]) -> Result<Location, String> {
    let is = |name: &str, held: &str| bound.text(name).is_some_and(|asked| asked.eq_ignore_ascii_case(held));
    let is_there = |candidate: &&Candidate| {
        let held = &candidate.attributes;
        is("Address", &held.address()) && is("City", held.place.0) && is("State", held.place.2) && is("Zip", &held.zip)
    };
    let found = all.iter().find(is_there).map(|candidate| Location::Point(position(candidate)));
    found.ok_or_else(|| "The field Address is not an address that is known.".to_owned())
}

/// The earliest day of sale of a range.
fn sold_since(world: &World, bound: &mut Bound) -> Stamp {
    if world.options.services.sold_range_required {
        bound.require("SoldDateRange");
    }
    let days = match sold_days(bound.text("SoldDateRange")) {
        Ok(None) => return Stamp::FIRST,
        Ok(Some(days)) => days,
        Err(why) => {
            bound.refuse("SoldDateRange", why);
            return Stamp::NO_END;
        }
    };
    world.now().midnight().minus(Duration::from_secs(days.saturating_mul(86_400)))
}
