//! Checks the bounds that all services share, and calls the part that answers.

use super::accounts::Account;
use super::answer::Answer;
use super::columns::Columns;
use super::render;
use super::view::View;
use super::{directory, search, sync_listings};
use crate::vendor::constellation1::fields::LISTING_DETAILS;
use crate::vendor::constellation1::fields::binding::Bound;
use crate::vendor::constellation1::fields::services::Service;
use axum::http::StatusCode;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;
use tokio::sync::OwnedMutexGuard;

/// The longest list and the longest text of a request. The text of a place may be longer: its positions are counted.
const LONGEST_LIST: usize = 200;
const LONGEST_TEXT: usize = 1000;
/// The last page that may be asked for.
const LAST_PAGE: i64 = 1_000_000;

/// Refuses what is missing or out of bounds.
pub(super) fn checked(service: &Service, bound: Bound) -> Bound {
    let is_sync = service.name == "SyncListings";
    // The document requires two parameters of SyncListings, and has a default for each.
    let mut bound = if is_sync { bound } else { bound.requiring(service) };
    let is_long = |value: &Value| value.as_str().is_some_and(|text| text.chars().count() > LONGEST_TEXT);
    let too_long = |name: &str, value: &Value| match value {
        Value::Array(list) => list.len() > LONGEST_LIST || list.iter().any(is_long),
        text => name != "WktLocation" && is_long(text),
    };
    let long: Vec<&'static str> = bound.values().iter().filter(|(name, value)| too_long(name, value)).map(|(name, _)| *name).collect();
    for name in long {
        let most = format!("The field {name} holds at most {LONGEST_LIST} values of {LONGEST_TEXT} characters.");
        bound.refuse(name, most);
    }
    if bound.integer("Page").is_some_and(|page| page > LAST_PAGE) {
        bound.refuse("Page", format!("The field Page must be between 1 and {LAST_PAGE}."));
    }
    if is_sync {
        sync_listings::check(&mut bound);
    }
    bound
}

/// Whether a service searches, and needs the columns for it.
pub(super) fn searches(service: &Service) -> bool {
    service.parameter("SortBy").is_some()
}

/// Answers a request that was bound. What the file shows to be wrong with it is told in `bound`, and is then the answer.
pub(super) fn answer(connection: &Connection, account: &Account, service: &'static Service, mut bound: Bound) -> rusqlite::Result<Answer> {
    let view = view(connection, account, &bound)?;
    let answer = match service.name {
        "SyncListings" => sync_listings::answer(connection, &view, &bound)?,
        "GetListingDetail" => detail(connection, &view, &bound)?,
        "GetAgents" => directory::members(connection, &view, &bound, &directory::AGENTS)?,
        "GetOffices" => directory::members(connection, &view, &bound, &directory::OFFICES)?,
        _ => directory::open_houses(connection, &view, &mut bound)?,
    };
    Ok(if bound.is_refused() { Answer::invalid(service, &bound, &account.client) } else { answer })
}

/// The same for a search.
pub(super) fn search(
    connection: &Connection,
    columns: OwnedMutexGuard<Columns>,
    account: &Account,
    service: &'static Service,
    mut bound: Bound,
) -> rusqlite::Result<Answer> {
    let view = view(connection, account, &bound)?;
    let answer = search::answer(connection, columns, &view, service, &mut bound)?;
    Ok(answer.unwrap_or_else(|| Answer::invalid(service, &bound, &account.client)))
}

fn view(connection: &Connection, account: &Account, bound: &Bound) -> rusqlite::Result<View> {
    let named = bound.text("FeedId").map_or_else(|| bound.list("FeedIdList"), |feed| vec![feed.to_owned()]);
    View::of(connection, account, &named)
}

/// GetListingDetail: a listing that is deleted is as one that never was.
fn detail(connection: &Connection, view: &View, bound: &Bound) -> rusqlite::Result<Answer> {
    let fields = view.fields(&LISTING_DETAILS);
    let key = (view.feeds.first(), bound.text("ListingId"));
    let written = |row: &rusqlite::Row| {
        let mut object = String::new();
        render::write(row, &fields, &mut object).map(|()| object)
    };
    let found = connection.prepare_cached(&view.listing(&fields))?.query_row(key, written).optional()?;
    match found {
        Some(object) => Ok(Answer::json(object)),
        None => missing(connection, key),
    }
}

/// A listing that is not there: while its feed is loading, 404 could make a client delete a listing that exists; 503 says to try later.
fn missing(connection: &Connection, key: (Option<&String>, Option<&str>)) -> rusqlite::Result<Answer> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM feeds) OR EXISTS (SELECT 1 FROM feeds WHERE feed_id = ?1 AND loaded_at IS NULL)
               AND NOT EXISTS (SELECT 1 FROM listings WHERE feed_id = ?1 AND listing_id = ?2)";
    let is_unknown: bool = connection.prepare_cached(sql)?.query_row(key, |row| row.get(0))?;
    let why = "The mirror has not read this feed once yet, so it does not know whether the listing exists.";
    Ok(if is_unknown { Answer::without(StatusCode::SERVICE_UNAVAILABLE, why) } else { Answer::bare(StatusCode::NOT_FOUND) })
}

/// The lookups of the document with the values that occur; `/lookups` is a path of the mirror's own.
pub(super) fn lookups(connection: &Connection, account: &Account, named: &[String], lookup: Option<&str>) -> rusqlite::Result<Answer> {
    let view = View::of(connection, account, named)?;
    let sql = "SELECT json_group_array(json_object('FeedId', feed_id, 'Type', lookup, 'Value', value, 'Listings', listings)) FROM lookups
               WHERE feed_id IN (SELECT value FROM json_each(?1)) AND (?2 IS NULL OR lookup = ?2 COLLATE NOCASE)";
    connection.prepare_cached(sql)?.query_row(params![view.feeds_json(), lookup], |row| row.get(0)).map(Answer::json)
}
