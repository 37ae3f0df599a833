//! The five searches: which listings a request lets through.

use super::answer::{Answer, Envelope};
use super::filters::{Conditions, Keys};
use super::view::View;
use super::{place, render};
use crate::record::{Field, Kind, Stamp};
use crate::vendor::constellation1::fields::binding::Bound;
use crate::vendor::constellation1::fields::entities::LISTING_SUMMARY;
use crate::vendor::constellation1::fields::filters::sold_days;
use crate::vendor::constellation1::fields::services::Service;
use chrono::Utc;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};
use std::time::Duration;

/// The most listings of an answer without `Page`, which is an array, as the document has it.
const LARGEST_ANSWER: usize = 5000;
/// The most listings of a page. With `Page`, the answer is an envelope, whatever matches.
const LARGEST_PAGE: usize = 1000;

/// Answers one of them. What is wrong with the request is told in `bound`.
pub(super) fn answer(connection: &Connection, view: &View, service: &Service, bound: &mut Bound) -> rusqlite::Result<Answer> {
    let search = search(connection, view, service, bound)?;
    if bound.is_refused() {
        // The caller tells what is wrong.
        return Ok(Answer::json(String::new()));
    }
    found(connection, view, search, bound)
}

/// What is searched for.
struct Search {
    conditions: Conditions,
    order: String,
}

/// By another order than that of the keys, their query is one condition among the others.
fn search(connection: &Connection, view: &View, service: &Service, bound: &mut Bound) -> rusqlite::Result<Search> {
    let (mut conditions, is_few) = conditions(connection, view, service, bound)?;
    let order = order(view, is_few, bound);
    if bound.get("SortBy").is_some() {
        conditions.fold_near();
    }
    Ok(Search { conditions, order })
}

/// What must hold of a listing; with it, whether few listings may match.
fn conditions(connection: &Connection, view: &View, service: &Service, bound: &mut Bound) -> rusqlite::Result<(Conditions, bool)> {
    let mut conditions = Conditions::default();
    let is_few = add_few(connection, view, bound, &mut conditions)?;
    let is_of_sales = service.parameter("SoldDateRange").is_some();
    // Sales are asked for around a place. Without a table of places, their index finds them, which begins with the feed.
    let is_few = is_few && (!is_of_sales || place::has_tree(connection)?);
    add_feeds(view, is_few, &mut conditions);
    // Around an address, its city and its ZIP code are where to look from, and no filters.
    let is_by_address = service.parameter("Address").is_some();
    conditions.filter(view, bound, |name| !is_by_address || !["City", "Zip"].contains(&name));
    let mut in_tree = compared(bound);
    in_tree.filter(view, bound, |name| name == "StatusList");
    if is_of_sales {
        in_tree.add(IS_SOLD, []);
        add_sale(bound, &mut conditions);
    }
    place::add(connection, view, bound, in_tree, &mut conditions)?;
    Ok((conditions, is_few))
}

/// Parameters by which an index finds the few listings that match: first those whose index begins with the feed.
const FIND_IN_FEED: [&str; 3] = ["AgentId", "OfficeId", "MlsUpdateDate"];
const FIND: [&str; 4] = ["City", "Zip", "WktLocation", "Address"];
/// Parameters whose columns stand in the index `listings_type` and in the R*Tree under the same names.
const COMPARED: [(&str, &str); 3] = [("MinPrice", "price >= ?"), ("MaxPrice", "price <= ?"), ("Beds", "beds >= ?")];
/// Steps in the index `listings_type` from one status and type of each feed to the next, and within each to the prices that are asked
/// for. The last word of each list is NULL, for the listings that have none.
const IN_INDEX_OF_TYPES: &str = "WITH RECURSIVE status (feed_id, word) AS (
        SELECT value, (SELECT min(listing_status_search) FROM listings WHERE feed_id = value AND deleted_at IS NULL) FROM json_each(?)
        UNION ALL
        SELECT feed_id, (SELECT min(listing_status_search) FROM listings
            WHERE listings.feed_id = status.feed_id AND listing_status_search > word AND deleted_at IS NULL)
        FROM status WHERE word IS NOT NULL
    ), type (feed_id, status, word) AS (
        SELECT feed_id, word, (SELECT min(property_type_search) FROM listings
            WHERE listings.feed_id = status.feed_id AND listing_status_search IS word AND deleted_at IS NULL)
        FROM status
        UNION ALL
        SELECT feed_id, status, (SELECT min(property_type_search) FROM listings WHERE listings.feed_id = type.feed_id
            AND listing_status_search IS status AND property_type_search > word AND deleted_at IS NULL)
        FROM type WHERE word IS NOT NULL
    )
    SELECT listings.feed_id, listing_id FROM type CROSS JOIN listings INDEXED BY listings_type
    WHERE listings.feed_id = type.feed_id AND listing_status_search IS status AND property_type_search IS word AND deleted_at IS NULL";
/// As many listings are not few.
const MANY: i64 = 20_000;

fn has_any(bound: &Bound, names: &[&str]) -> bool {
    names.iter().any(|name| bound.get(name).is_some())
}

/// The conditions of these parameters. StatusList is none of them: the index lacks `listing_status`, at which it looks as well.
fn compared(bound: &Bound) -> Conditions {
    let mut compared = Conditions::default();
    for (name, sql) in COMPARED {
        if let Some(number) = bound.integer(name) {
            compared.add(sql, [Sql::Integer(number)]);
        }
    }
    compared
}

/// Tells whether few listings may match, because an index finds them. Prices and beds are looked up in an index; where they let few
/// through, only those are looked at. Of many, enough are found soon in any order.
fn add_few(connection: &Connection, view: &View, bound: &Bound, conditions: &mut Conditions) -> rusqlite::Result<bool> {
    let compared = compared(bound);
    if compared.sql.is_empty() || has_any(bound, &FIND) || has_any(bound, &FIND_IN_FEED) {
        return Ok(has_any(bound, &FIND));
    }
    let matches = format!("{IN_INDEX_OF_TYPES} AND {}", compared.sql.join(" AND "));
    let values: Vec<Sql> = std::iter::once(Sql::Text(view.feeds_json())).chain(compared.values).collect();
    let count = format!("SELECT count(*) FROM ({matches} LIMIT {MANY})");
    let is_few = connection.prepare_cached(&count)?.query_row(params_from_iter(&values), |row| row.get::<_, i64>(0))? < MANY;
    if is_few {
        conditions.add(format!("(feed_id, listing_id) IN ({matches})"), values);
    }
    Ok(is_few)
}

/// The feeds. Where another condition finds the few that may match, the plus leaves the choice of the index to that.
fn add_feeds(view: &View, is_few: bool, conditions: &mut Conditions) {
    let (of_feeds, feeds) = view.of_feeds("?");
    conditions.add(if is_few { format!("+{of_feeds}") } else { of_feeds }, [Sql::Text(feeds)]);
}

/// In the words of the index `listings_sold`.
const IS_SOLD: &str = "lower(listing_status_search) IN ('sold', 'closed')";
const SOLD_SINCE: &str = "coalesce(sale_date, last_listing_status_change_date, mls_update_date) >= ?";

/// Days are counted back from this one.
fn add_sale(bound: &mut Bound, conditions: &mut Conditions) {
    match sold_days(bound.text("SoldDateRange")) {
        Ok(days) => {
            let today = Stamp::from_utc(Utc::now()).midnight();
            let since = days.map_or(Stamp::FIRST, |days| today.minus(Duration::from_secs(days.saturating_mul(86_400))));
            conditions.add(IS_SOLD, []);
            conditions.add(SOLD_SINCE, [Sql::Text(since.to_string())]);
        }
        Err(why) => bound.refuse("SoldDateRange", why),
    }
}

/// The order that is asked for, by a field of the summary; equals, and everything else, by feed and number.
fn order(view: &View, is_few: bool, bound: &mut Bound) -> String {
    // The plus leaves the choice of the index to the conditions. Without one that finds few, the rows are read in the order of their
    // keys, until there are enough.
    let usual = if is_few || has_any(bound, &FIND_IN_FEED) { "+feed_id, +listing_id" } else { "feed_id, listing_id" };
    let Some(asked) = bound.text("SortBy") else { return usual.to_owned() };
    let asked = if asked.eq_ignore_ascii_case("Baths") { "BathsTotal" } else { asked };
    let field =
        LISTING_SUMMARY.iter().find(|field| field.wire.eq_ignore_ascii_case(asked) && field.kind != Kind::Json && view.shows(field.column));
    match field.map(|field| field.column) {
        Some("square_feet") => format!("square_feet_number, {usual}"),
        Some("status") => format!("listing_status, {usual}"),
        Some(column) => format!("+{column}, {usual}"),
        None => {
            bound.refuse("SortBy", "The field SortBy is not a value of its lookup.".to_owned());
            String::new()
        }
    }
}

/// The shape of the answer follows from the request, and not from what matches.
fn found(connection: &Connection, view: &View, search: Search, bound: &mut Bound) -> rusqlite::Result<Answer> {
    let page = bound.get("Page").map(|_| bound.page());
    let (results, total) = read(connection, view, &search, page)?;
    let Some(page) = page else {
        if total > LARGEST_ANSWER {
            bound.refuse("Page", format!("More than {LARGEST_ANSWER} listings match. Narrow the search, or give Page."));
        }
        return Ok(Answer::array(results));
    };
    let count = total.saturating_sub(skipped(page)).min(LARGEST_PAGE);
    let next_page = (skipped(page) + count != total && count > 0).then_some(page + 1);
    Ok(Answer::json(Envelope { results, count, total: total as u64, next_page, changed_at: None }.json()))
}

fn skipped(page: u32) -> usize {
    (page as usize - 1) * LARGEST_PAGE
}

/// The listings of a page, or of an answer without one; with them, how many match in all. Without a page, no more are counted than
/// show that these are too many.
fn read(connection: &Connection, view: &View, search: &Search, page: Option<u32>) -> rusqlite::Result<(String, usize)> {
    match &search.conditions.near {
        Some(keys) => walk(connection, view, (keys, &search.conditions), page),
        None => look_up(connection, view, search, page),
    }
}

/// Each row that may match is read once, in the order of the keys: to find a row is what takes the time.
fn walk(
    connection: &Connection,
    view: &View,
    (keys, conditions): (&Keys, &Conditions),
    page: Option<u32>,
) -> rusqlite::Result<(String, usize)> {
    let fields = view.fields(&LISTING_SUMMARY);
    // SQLite takes a negative number for no limit.
    let (written, most) = match page {
        Some(page) => (skipped(page)..skipped(page) + LARGEST_PAGE, -1),
        None => (0..LARGEST_ANSWER, LARGEST_ANSWER as i64 + 1),
    };
    let most = [Sql::Integer(most)];
    let mut statement = connection.prepare_cached(&walk_sql(view, &fields, (keys, conditions)))?;
    let values = keys.values.iter().chain(&conditions.values).chain(&most);
    render::some(&mut statement.query(params_from_iter(values))?, &fields, written)
}

fn look_up(
    connection: &Connection,
    view: &View,
    Search { conditions, order }: &Search,
    page: Option<u32>,
) -> rusqlite::Result<(String, usize)> {
    let fields = view.fields(&LISTING_SUMMARY);
    let (most, skipped) = page.map_or((LARGEST_ANSWER + 1, 0), |page| (LARGEST_PAGE, skipped(page)));
    let asked = [most, skipped].map(|number| Sql::Integer(number as i64));
    let mut statement = connection.prepare_cached(&sql(view, &fields, conditions, order))?;
    let (results, count) = render::all(&mut statement.query(params_from_iter(conditions.values.iter().chain(&asked)))?, &fields)?;
    let total = if page.is_some() { total(connection, view, conditions)? } else { count };
    Ok((results, total))
}

fn total(connection: &Connection, view: &View, conditions: &Conditions) -> rusqlite::Result<usize> {
    let sql = format!("SELECT count(*) FROM {} WHERE {}", view.source(), conditions.sql.join(" AND "));
    connection.prepare_cached(&sql)?.query_row(params_from_iter(&conditions.values), |row| row.get(0))
}

/// The columns that are read of a listing.
fn output(view: &View, fields: &[Field]) -> String {
    let column = |field: &Field| if field.wire == "Status" { "listing_status" } else { field.column };
    let columns: Vec<String> = fields.iter().map(|field| view.output(column(field))).collect();
    format!("{}, {}", columns.join(", "), view.column("extra"))
}

/// The keys come in order, and SQLite sorts no rows for the order that is asked for.
fn walk_sql(view: &View, fields: &[Field], (keys, conditions): (&Keys, &Conditions)) -> String {
    let (output, source) = (output(view, fields), view.source());
    format!(
        "WITH near AS MATERIALIZED ({} ORDER BY ids.feed_id, ids.listing_id)
         SELECT {output} FROM near CROSS JOIN {source} AS shown USING (feed_id, listing_id) WHERE {}
         ORDER BY near.feed_id, near.listing_id LIMIT ?",
        keys.sql,
        conditions.sql.join(" AND ")
    )
}

/// First the keys of the page are found, so that what is shown of a listing is not read of every one that matches.
fn sql(view: &View, fields: &[Field], conditions: &Conditions, order: &str) -> String {
    let (output, source, all_hold) = (output(view, fields), view.source(), conditions.sql.join(" AND "));
    format!(
        "WITH page AS MATERIALIZED (SELECT feed_id, listing_id FROM {source} WHERE {all_hold} ORDER BY {order} LIMIT ? OFFSET ?)
         SELECT {output} FROM page CROSS JOIN {source} AS shown USING (feed_id, listing_id) ORDER BY {order}"
    )
}

#[cfg(test)]
mod tests {
    use super::super::accounts::Account;
    use super::*;
    use crate::vendor::constellation1::fields::services::{
        GET_LISTINGS, GET_LISTINGS_BY_GEOGRAPHY, GET_LISTINGS_BY_LOCATION, GET_SOLD_LISTINGS_BY_LOCATION,
    };
    use serde_json::json;

    /// How the keys of a page are found: `expected` is in the plan, and no table is read whole.
    fn check(service: &Service, public: bool, members: serde_json::Value, expected: &str) {
        let file = Connection::open_in_memory().expect("SQLite opens");
        file.execute_batch(include_str!("../../schema.sql")).expect("schema.sql is valid");
        super::super::functions::register(&file).expect("functions");
        let account = Account { client: "C".to_owned(), key: "k".into(), feeds: None, public };
        let mut view = View::of(&file, &account, &[]).expect("a view");
        view.feeds.push("A".to_owned());
        let mut bound = Bound::from_body(service, members.to_string().as_bytes());
        let search = search(&file, &view, service, &mut bound).expect("a search");
        assert!(!bound.is_refused(), "{:?}", bound.errors);
        let (fields, Search { conditions, order }) = (view.fields(&LISTING_SUMMARY), &search);
        let (sql, values) = match &conditions.near {
            Some(keys) => {
                (walk_sql(&view, &fields, (keys, conditions)), [&keys.values[..], &conditions.values, &[Sql::Integer(1)]].concat())
            }
            None => (sql(&view, &fields, conditions, order), [&conditions.values[..], &[Sql::Integer(1), Sql::Integer(0)]].concat()),
        };
        let mut statement = file.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let steps = statement.query_map(params_from_iter(values), |row| row.get::<_, String>("detail")).expect("a plan");
        let plan = steps.map(|step| step.expect("a step")).collect::<Vec<_>>().join("\n");
        assert!(plan.contains(expected), "{members} does not use {expected}:\n{plan}");
        assert!(!plan.contains("SCAN listings"), "{members} reads a whole table:\n{plan}");
    }

    #[test]
    fn searches_use_the_indexes_of_the_file() {
        for public in [false, true] {
            check(&GET_LISTINGS, public, json!({ "AgentId": "1" }), "listings_agent (feed_id=? AND listing_agent_id=?");
            check(&GET_LISTINGS, public, json!({ "OfficeId": "1" }), "listings_office (feed_id=? AND listing_office_id=?");
            check(&GET_LISTINGS, public, json!({ "MlsUpdateDate": "2026-05-01" }), "listings_updated (feed_id=? AND mls_update_date>?)");
            check(&GET_LISTINGS_BY_GEOGRAPHY, public, json!({ "City": "Fargo", "MinPrice": 5 }), "listings_city (city=?");
            check(&GET_LISTINGS_BY_GEOGRAPHY, public, json!({ "Zip": "30303" }), "listings_zip (zip=?");
            check(&GET_LISTINGS, public, json!({ "MinPrice": 5, "Beds": 3 }), "listings_type (feed_id=?");
            check(&GET_LISTINGS, public, json!({ "HasAc": true, "StatusList": ["Active"] }), "sqlite_autoindex_listings_2 (feed_id=?");
            check(&GET_LISTINGS, public, json!({ "HasOpenHouse": true }), "listings_open_houses");
            let near = json!({ "WktLocation": "POINT (-77 38)", "Distance": 5, "MinPrice": 5, "MaxPrice": 9, "Beds": 3 });
            check(&GET_SOLD_LISTINGS_BY_LOCATION, public, near.clone(), "place VIRTUAL TABLE INDEX");
            check(&GET_LISTINGS_BY_LOCATION, public, near.clone(), "place VIRTUAL TABLE INDEX");
            let sorted = json!({ "WktLocation": "POINT (-77 38)", "SortBy": "Price" });
            check(&GET_LISTINGS_BY_LOCATION, public, sorted, "place VIRTUAL TABLE INDEX");
            // The one sort is that of the keys.
            check(&GET_LISTINGS_BY_LOCATION, public, near, "USE TEMP B-TREE FOR ORDER BY\nSCAN near");
        }
    }
}
