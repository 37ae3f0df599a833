//! The five searches: which listings a request lets through.

use super::answer::{Answer, Envelope};
use super::filters::{Conditions, Keys, is_asked};
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
    /// Columns by which to sort first, each with a comma behind it.
    sort: String,
    /// Whether the rows are read in the order of their keys, until there are enough, because no index finds few.
    is_in_order: bool,
}

impl Search {
    /// The plus leaves the choice of the index to the conditions.
    fn order(&self) -> String {
        format!("{}{}", self.sort, if self.is_in_order { "feed_id, listing_id" } else { "+feed_id, +listing_id" })
    }
}

/// By another order than that of the keys, their query is one condition among the others.
fn search(connection: &Connection, view: &View, service: &Service, bound: &mut Bound) -> rusqlite::Result<Search> {
    let (mut conditions, is_few) = conditions(connection, view, service, bound)?;
    let sort = sort(view, bound);
    if bound.get("SortBy").is_some() {
        conditions.fold_keys();
    }
    Ok(Search { conditions, sort, is_in_order: !is_few && !has_any(bound, &FIND_IN_FEED) })
}

/// What must hold of a listing; with it, whether few listings may match, because an index finds them.
fn conditions(connection: &Connection, view: &View, service: &Service, bound: &mut Bound) -> rusqlite::Result<(Conditions, bool)> {
    let mut conditions = Conditions::default();
    let finds = has_any(bound, &FIND);
    if !finds && !has_any(bound, &FIND_IN_FEED) {
        find_in_index(connection, view, bound, &mut conditions)?;
    }
    let is_of_sales = service.parameter("SoldDateRange").is_some();
    // Sales are asked for around a place. Without a table of places, their index finds them, which begins with the feed.
    let is_few = conditions.keys.is_some() || finds && (!is_of_sales || place::has_tree(connection)?);
    add_feeds(view, is_few, &mut conditions);
    // Around an address, its city and its ZIP code are where to look from, and no filters.
    let is_by_address = service.parameter("Address").is_some();
    conditions.filter(view, bound, |name| !is_by_address || !["City", "Zip"].contains(&name));
    let mut in_tree = Conditions::default();
    in_tree.filter(view, bound, |name| IN_TREE.contains(&name));
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
/// Filters whose columns the R*Tree holds.
const IN_TREE: [&str; 4] = ["MinPrice", "MaxPrice", "Beds", "StatusList"];
/// Filters whose columns neither those indexes nor `listings_type` hold: with them, it does not tell alone what matches.
const NOT_IN_INDEX: [&str; 10] = [
    "ViewList",
    "StyleList",
    "SchoolDistrict",
    "Remarks",
    "Subdivision",
    "LandTenure",
    "DaysOnMarket",
    "MlsInsertDate",
    "HasOpenHouse",
    "Neighborhood",
];
/// Steps in the index `listings_type` from one status and type of each feed to the next. Conditions on its other columns follow; within
/// each status and type it steps to the prices that are asked for. The last word of each list is NULL, for the listings that have none.
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
    SELECT of.feed_id, of.listing_id FROM type CROSS JOIN numeric_listings AS of
    WHERE of.feed_id = type.feed_id AND listing_status_search IS status AND property_type_search IS word AND purged_at IS NULL";
/// As many listings are not few.
const MANY: usize = 20_000;

fn has_any(bound: &Bound, names: &[&str]) -> bool {
    names.iter().any(|name| is_asked(bound, name))
}

/// Counts the listings that match by the index alone, and finds them there if they are few. Many are found soon by reading the listings
/// in the order of their keys. All of many are only counted for a page, and if no other filter is asked for.
fn find_in_index(connection: &Connection, view: &View, bound: &mut Bound, conditions: &mut Conditions) -> rusqlite::Result<()> {
    let mut held = Conditions::default();
    held.filter(view, bound, |name| !NOT_IN_INDEX.contains(&name));
    let is_all = !has_any(bound, &NOT_IN_INDEX);
    let sql = format!("{IN_INDEX_OF_TYPES}{}", held.sql.iter().map(|sql| format!(" AND {sql}")).collect::<String>());
    let values: Vec<Sql> = std::iter::once(Sql::Text(view.feeds_json())).chain(held.values).collect();
    let most = if is_all && bound.get("Page").is_some() { -1 } else { MANY as i64 };
    let count = format!("SELECT count(*) FROM ({sql} LIMIT {most})");
    let count: usize = connection.prepare_cached(&count)?.query_row(params_from_iter(&values), |row| row.get(0))?;
    conditions.matches = is_all.then_some(count);
    conditions.keys = (count < MANY).then_some(Keys { sql, values });
    Ok(())
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

/// The field of the summary by which to sort; equals, and everything else, come by feed and number.
fn sort(view: &View, bound: &mut Bound) -> String {
    let Some(asked) = bound.text("SortBy") else { return String::new() };
    let asked = if asked.eq_ignore_ascii_case("Baths") { "BathsTotal" } else { asked };
    let field =
        LISTING_SUMMARY.iter().find(|field| field.wire.eq_ignore_ascii_case(asked) && field.kind != Kind::Json && view.shows(field.column));
    match field.map(|field| field.column) {
        Some("square_feet") => "square_feet_number, ".to_owned(),
        Some("status") => "listing_status, ".to_owned(),
        Some(column) => format!("+{column}, "),
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
    let Conditions { keys, matches, .. } = &search.conditions;
    match (keys, matches) {
        (_, Some(count)) if page.is_none() && *count > LARGEST_ANSWER => Ok((String::new(), *count)),
        (Some(keys), _) => walk(connection, view, (keys, &search.conditions), page),
        (None, _) => look_up(connection, view, search, page),
    }
}

/// Each row that may match is read once, in the order of the keys: to find a row is what takes the time. Where the keys are known to
/// match, only the rows that are shown are read.
fn walk(
    connection: &Connection,
    view: &View,
    (keys, conditions): (&Keys, &Conditions),
    page: Option<u32>,
) -> rusqlite::Result<(String, usize)> {
    let fields = view.fields(&LISTING_SUMMARY);
    // How many keys, behind how many others; how many rows. SQLite takes a negative number for no limit.
    let (limits, written) = match (conditions.matches, page) {
        (Some(_), Some(page)) => ([LARGEST_PAGE as i64, skipped(page) as i64, -1], 0..usize::MAX),
        (Some(_), None) => ([LARGEST_ANSWER as i64, 0, -1], 0..usize::MAX),
        (None, Some(page)) => ([-1, 0, -1], skipped(page)..skipped(page) + LARGEST_PAGE),
        (None, None) => ([-1, 0, LARGEST_ANSWER as i64 + 1], 0..LARGEST_ANSWER),
    };
    let limits = limits.map(Sql::Integer);
    let mut statement = connection.prepare_cached(&walk_sql(view, &fields, (keys, conditions)))?;
    let values = keys.values.iter().chain(&limits[..2]).chain(&conditions.values).chain(&limits[2..]);
    let (results, count) = render::some(&mut statement.query(params_from_iter(values))?, &fields, written)?;
    Ok((results, conditions.matches.unwrap_or(count)))
}

fn look_up(connection: &Connection, view: &View, search: &Search, page: Option<u32>) -> rusqlite::Result<(String, usize)> {
    let (fields, conditions) = (view.fields(&LISTING_SUMMARY), &search.conditions);
    let (most, skipped) = page.map_or((LARGEST_ANSWER + 1, 0), |page| (LARGEST_PAGE, skipped(page)));
    let asked = [most, skipped].map(|number| Sql::Integer(number as i64));
    let mut statement = connection.prepare_cached(&sql(view, &fields, search))?;
    let (results, count) = render::all(&mut statement.query(params_from_iter(conditions.values.iter().chain(&asked)))?, &fields)?;
    let total = match (page, conditions.matches) {
        (None, _) => count,
        (Some(_), Some(matches)) => matches,
        (Some(_), None) => total(connection, view, search)?,
    };
    Ok((results, total))
}

/// Rows that are all looked at are read in the order of their keys, as they lie in the file, and not in that of some index.
fn total(connection: &Connection, view: &View, search: &Search) -> rusqlite::Result<usize> {
    let (source, all_hold) = (view.source(), search.conditions.sql.join(" AND "));
    let order = if search.is_in_order { "ORDER BY feed_id, listing_id" } else { "" };
    // Without its limit, SQLite would leave out the order.
    let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {source} WHERE {all_hold} {order} LIMIT -1)");
    connection.prepare_cached(&sql)?.query_row(params_from_iter(&search.conditions.values), |row| row.get(0))
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
        "WITH key AS MATERIALIZED ({} ORDER BY 1, 2 LIMIT ? OFFSET ?)
         SELECT {output} FROM key CROSS JOIN {source} AS shown USING (feed_id, listing_id) WHERE {}
         ORDER BY key.feed_id, key.listing_id LIMIT ?",
        keys.sql,
        conditions.sql.join(" AND ")
    )
}

/// First the keys of the page are found, so that what is shown of a listing is not read of every one that matches.
fn sql(view: &View, fields: &[Field], search: &Search) -> String {
    let (output, source, all_hold, order) = (output(view, fields), view.source(), search.conditions.sql.join(" AND "), search.order());
    format!(
        "WITH page AS MATERIALIZED (SELECT feed_id, listing_id FROM {source} WHERE {all_hold} ORDER BY {order} LIMIT ? OFFSET ?)
         SELECT {output} FROM page CROSS JOIN {source} AS shown USING (feed_id, listing_id) ORDER BY {order}"
    )
}

#[cfg(test)]
mod tests {
    use super::super::accounts::Account;
    use super::*;
    use crate::vendor::constellation1::fields::filters::FILTERS;
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
        let (fields, conditions) = (view.fields(&LISTING_SUMMARY), &search.conditions);
        let (sql, values) = match &conditions.keys {
            Some(keys) => {
                let limits = [Sql::Integer(1), Sql::Integer(0)];
                (walk_sql(&view, &fields, (keys, conditions)), [&keys.values[..], &limits, &conditions.values, &limits[..1]].concat())
            }
            None => (sql(&view, &fields, &search), [&conditions.values[..], &[Sql::Integer(1), Sql::Integer(0)]].concat()),
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
            check(&GET_LISTINGS_BY_LOCATION, public, near, "USE TEMP B-TREE FOR ORDER BY\nSCAN key");
        }
    }
    /// A file of 24,000 listings, of which every third has three bedrooms.
    fn many() -> Connection {
        let file = Connection::open_in_memory().expect("SQLite opens");
        file.execute_batch(include_str!("../../schema.sql")).expect("schema.sql is valid");
        super::super::functions::register(&file).expect("functions");
        let rows = "WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < 23999)
            INSERT INTO listings (feed_id, listing_id, beds, price, remarks, stamp, first_seen_at, changed_at, change_seq, raw_hash, content_hash)
            SELECT 'A', format('%06d', n), 1 + n % 3, 100000 - n, iif(n % 7, 'plain', 'a pool'), '2026-01-01T00:00:00', '2026-01-01T00:00:00.000Z',
                '2026-01-01T00:00:00.000Z', n + 1, x'00', x'00' FROM number";
        file.execute_batch(rows).expect("rows");
        file
    }

    #[test]
    fn many_and_few_are_counted_and_paged_alike() {
        let file = many();
        let account = Account { client: "C".to_owned(), key: "k".into(), feeds: None, public: false };
        let mut view = View::of(&file, &account, &[]).expect("a view");
        view.feeds.push("A".to_owned());
        // How many listings match, and the numbers of the first and the last that are shown.
        let found = |members: serde_json::Value| {
            let mut bound = Bound::from_body(&GET_LISTINGS, members.to_string().as_bytes());
            let search = search(&file, &view, &GET_LISTINGS, &mut bound).expect("a search");
            let (results, total) = read(&file, &view, &search, bound.get("Page").map(|_| bound.page())).expect("an answer");
            let shown: Vec<serde_json::Value> = serde_json::from_str(&format!("[{results}]")).expect("JSON");
            let number = |listing: Option<&serde_json::Value>| listing.map(|of| of["ListingId"].as_str().expect("a number").to_owned());
            (total, shown.len(), number(shown.first()), number(shown.last()))
        };
        let expected = |total, shown, first: &str, last: &str| (total, shown, Some(first.to_owned()), Some(last.to_owned()));
        assert_eq!(found(json!({ "Page": 24 })), expected(24_000, 1000, "023000", "023999"));
        assert_eq!(found(json!({ "Beds": 1, "Page": 2 })), expected(24_000, 1000, "001000", "001999"));
        assert_eq!(found(json!({ "Beds": 1, "Page": 25 })), (24_000, 0, None, None));
        assert_eq!(found(json!({ "MaxPrice": 99_000, "Page": 23 })), expected(23_000, 1000, "023000", "023999"));
        assert_eq!(found(json!({ "MaxPrice": 99_000, "Page": 23, "SortBy": "Price" })), expected(23_000, 1000, "001999", "001000"));
        assert_eq!(found(json!({ "MaxPrice": 99_000, "HasOpenHouse": false, "Page": 2 })), expected(23_000, 1000, "002000", "002999"));
        let counted = |wanted: bool| {
            let mut bound = Bound::from_body(&GET_LISTINGS, json!({ "HasOpenHouse": wanted, "Page": 1 }).to_string().as_bytes());
            search(&file, &view, &GET_LISTINGS, &mut bound).expect("a search").conditions.matches
        };
        assert_eq!((counted(false), counted(true)), (Some(24_000), None), "false asks for nothing, so the index tells it all");
        assert_eq!(found(json!({ "MaxPrice": 99_000, "Page": 1 })), expected(23_000, 1000, "001000", "001999"));
        assert_eq!(found(json!({ "MaxPrice": 99_000, "Page": 1, "SortBy": "Price" })), expected(23_000, 1000, "023999", "023000"));
        assert_eq!(found(json!({ "MaxPrice": 99_000, "Remarks": "POOL", "Page": 4 })), expected(3286, 286, "022001", "023996"));
        assert_eq!(found(json!({ "Beds": 3, "Page": 8 })), expected(8000, 1000, "021002", "023999"));
        assert_eq!(found(json!({ "Beds": 3, "Page": 8, "SortBy": "Price" })), expected(8000, 1000, "002999", "000002"));
        assert_eq!(found(json!({ "Beds": 3, "Remarks": "pool", "Page": 2 })), expected(1143, 143, "021014", "023996"));
        assert_eq!(found(json!({ "MinPrice": 99_990 })), expected(11, 11, "000000", "000010"));
        assert!(found(json!({ "Beds": 3 })).0 > LARGEST_ANSWER && found(json!({})).0 > LARGEST_ANSWER);
    }
    #[test]
    fn the_index_holds_every_filter_that_it_is_asked_about() {
        let file = many();
        let account = Account { client: "C".to_owned(), key: "k".into(), feeds: None, public: false };
        let view = View::of(&file, &account, &[]).expect("a view");
        let elsewhere = [&NOT_IN_INDEX[..], &FIND, &FIND_IN_FEED].concat();
        let asked = |name: &str| match name {
            _ if name.ends_with("List") => json!(["a", "b"]),
            _ if name.starts_with("Has") => json!(true),
            _ => json!(1),
        };
        for name in FILTERS.iter().map(|(name, ..)| *name).filter(|name| !elsewhere.contains(name)) {
            let mut bound = Bound::from_body(&GET_LISTINGS, json!({ name: asked(name) }).to_string().as_bytes());
            let mut conditions = Conditions::default();
            find_in_index(&file, &view, &mut bound, &mut conditions).expect("a count");
            let Keys { sql, values } = conditions.keys.expect("no feed, so few");
            let mut statement = file.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("valid");
            let steps = statement.query_map(params_from_iter(values), |row| row.get::<_, String>("detail")).expect("a plan");
            let plan = steps.map(|step| step.expect("a step")).collect::<Vec<_>>().join("\n");
            let found =
                "SEARCH listings USING COVERING INDEX listings_type (feed_id=? AND listing_status_search=? AND property_type_search=?";
            assert!(plan.contains(found), "{name} is not held by the index:\n{plan}");
        }
    }
}
