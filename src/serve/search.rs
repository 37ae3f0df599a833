//! The five searches: which listings a request lets through.

use super::answer::{Answer, Envelope};
use super::columns::{Columns, Key, Matches, SOLD_AT};
use super::values::Value;
use super::view::{View, column_of};
use super::{filters, place, render};
use crate::record::{Kind, Stamp};
use crate::vendor::constellation1::fields::binding::Bound;
use crate::vendor::constellation1::fields::entities::LISTING_SUMMARY;
use crate::vendor::constellation1::fields::filters::sold_days;
use crate::vendor::constellation1::fields::services::Service;
use chrono::Utc;
use rusqlite::{Connection, Error, Row};
use std::ops::{DerefMut, Range};
use std::time::Duration;

/// The most listings of an answer without `Page`, which is an array, as the document has it.
const LARGEST_ANSWER: usize = 5000;
/// The most listings of a page. With `Page`, the answer is an envelope, whatever matches.
const LARGEST_PAGE: usize = 1000;

/// Answers one of them. What is wrong with the request is told in `bound`, and is then the answer.
pub(super) fn answer(
    connection: &Connection,
    columns: impl DerefMut<Target = Columns>,
    view: &View,
    service: &Service,
    bound: &mut Bound,
) -> rusqlite::Result<Option<Answer>> {
    // The shape of the answer follows from the request, and not from what matches.
    let page = bound.get("Page").map(|_| bound.page());
    let Some((total, keys)) = find(connection, columns, view, service, page, bound)? else { return Ok(None) };
    let results = read(connection, view, &keys)?;
    Ok(Some(match page {
        None => Answer::array(results),
        Some(page) => {
            let next_page = (shown(page).end < total).then_some(page + 1);
            Answer::json(Envelope { results, count: keys.len(), total: total as u64, next_page, changed_at: None }.json())
        }
    }))
}

/// How many listings match, and those of them that are shown. The columns are free for other searches while the file is read.
fn find(
    connection: &Connection,
    mut columns: impl DerefMut<Target = Columns>,
    view: &View,
    service: &Service,
    page: Option<u32>,
    bound: &mut Bound,
) -> rusqlite::Result<Option<(usize, Vec<Key>)>> {
    columns.follow(connection)?;
    let mut matches = columns.of_feeds(&view.feeds);
    place::keep(&mut matches, connection, view, bound)?;
    if service.parameter("SoldDateRange").is_some() {
        keep_sold(&mut matches, bound);
    }
    // With an address, its city and its ZIP code belong to it, and are no filters.
    let is_by_address = service.parameter("Address").is_some();
    filters::keep(&mut matches, view, bound, |name| !is_by_address || !["City", "Zip"].contains(&name));
    let column = sort_column(view, bound);
    if bound.is_refused() {
        return Ok(None);
    }
    let column = column.filter(|column| !matches.sort_by(column));
    let words = bound.text("Remarks").map(str::to_lowercase);
    let is_read = words.is_some() || column.is_some();
    let range = |total: usize| page.map_or(0..total, shown);
    let (mut total, mut keys) = (matches.len(), matches.keys(if is_read { 0..matches.len() } else { range(matches.len()) }));
    drop(columns);
    if let Some(words) = words {
        keep_holding(&mut keys, &words, connection, view)?;
    }
    if is_read {
        total = keys.len();
        let range = range(total);
        if let Some(column) = column {
            keys = sorted(keys, column, connection, view)?;
        }
        keys = keys.into_iter().skip(range.start).take(range.len()).collect();
    }
    if page.is_none() && total > LARGEST_ANSWER {
        bound.refuse("Page", format!("More than {LARGEST_ANSWER} listings match. Narrow the search, or give Page."));
        return Ok(None);
    }
    Ok(Some((total, keys)))
}

/// Which of those that match are on a page.
fn shown(page: u32) -> Range<usize> {
    let skipped = (page as usize - 1).saturating_mul(LARGEST_PAGE);
    skipped..skipped.saturating_add(LARGEST_PAGE)
}

/// Days are counted back from today.
fn keep_sold(matches: &mut Matches, bound: &mut Bound) {
    match sold_days(bound.text("SoldDateRange")) {
        Ok(days) => {
            let is_sold = |status: &str| ["sold", "closed"].iter().any(|sold| status.eq_ignore_ascii_case(sold));
            matches.keep(&["listing_status_search"], |value| matches!(value, Value::Text(status) if is_sold(status)));
            if let Some(days) = days {
                let since = Stamp::from_utc(Utc::now()).midnight().minus(Duration::from_secs(days.saturating_mul(86_400)));
                matches.keep_by_date(SOLD_AT, |sold_at| sold_at >= since);
            }
        }
        Err(why) => bound.refuse("SoldDateRange", why),
    }
}

/// The column of the field of the summary by which to sort; equals, and everything else, come by feed and number.
fn sort_column(view: &View, bound: &mut Bound) -> Option<&'static str> {
    let asked = bound.text("SortBy")?;
    let asked = if asked.eq_ignore_ascii_case("Baths") { "BathsTotal" } else { asked };
    let mut fields = LISTING_SUMMARY.iter().filter(|field| field.kind != Kind::Json && view.shows(column_of(field)));
    let field = fields.find(|field| field.wire.eq_ignore_ascii_case(asked));
    if field.is_none() {
        bound.refuse("SortBy", "The field SortBy is not a value of its lookup.".to_owned());
    }
    field.map(|field| filters::numeric(column_of(field)))
}

/// Keeps those with these words in their remarks. Remarks stay in the file: they would take many times the memory of all columns.
fn keep_holding(keys: &mut Vec<Key>, words: &str, connection: &Connection, view: &View) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT remarks FROM {} WHERE feed_id = ?1 AND listing_id = ?2", view.source()))?;
    let mut holding = Vec::new();
    for key in keys.drain(..) {
        let holds = |row: &Row| Ok(row.get_ref(0)?.as_str_or_null()?.is_some_and(|remarks| remarks.to_lowercase().contains(words)));
        if statement.query_row([&*key.0, &*key.1], holds)? {
            holding.push(key);
        }
    }
    *keys = holding;
    Ok(())
}

/// Sorts them by a column that is not in memory.
fn sorted(keys: Vec<Key>, column: &str, connection: &Connection, view: &View) -> rusqlite::Result<Vec<Key>> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {column} FROM {} WHERE feed_id = ?1 AND listing_id = ?2", view.source()))?;
    let value = |key: Key| Ok((statement.query_row([&*key.0, &*key.1], |row| row.get_ref(0).map(Value::from))?, key));
    let mut keyed = keys.into_iter().map(value).collect::<rusqlite::Result<Vec<_>>>()?;
    keyed.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(keyed.into_iter().map(|(_, key)| key).collect())
}

/// The listings of these keys, with commas between.
fn read(connection: &Connection, view: &View, keys: &[Key]) -> rusqlite::Result<String> {
    let fields = view.fields(&LISTING_SUMMARY);
    let mut statement = connection.prepare_cached(&view.listing(&fields))?;
    let mut results = String::new();
    for (feed, listing) in keys {
        if !results.is_empty() {
            results.push(',');
        }
        let mut rows = statement.query([&**feed, &**listing])?;
        render::write(rows.next()?.ok_or(Error::QueryReturnedNoRows)?, &fields, &mut results)?;
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::super::accounts::Account;
    use super::*;
    use crate::vendor::constellation1::fields::services::{GET_LISTINGS, GET_LISTINGS_BY_LOCATION, GET_SOLD_LISTINGS_BY_LOCATION};
    use serde_json::json;

    /// A file of 24,000 listings, of which every third has three bedrooms. They lie on a line to the east, and every fifth was sold.
    fn many() -> Connection {
        let file = Connection::open_in_memory().expect("SQLite opens");
        file.execute_batch(include_str!("../../schema.sql")).expect("schema.sql is valid");
        let rows = "WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < 23999)
            INSERT INTO listings (feed_id, listing_id, beds, price, address, remarks, longitude, latitude, show_address, show_on_map,
                listing_status_search, sale_date, stamp, first_seen_at, changed_at, change_seq, raw_hash, content_hash)
            SELECT 'A', format('%06d', n), 1 + n % 3, 100000 - n, format('%06d', 24000 - n), iif(n % 7, 'plain', 'a pool'), n / 1000.0, 40,
                n % 2, 1, iif(n % 5, 'Active', 'SOLD'), iif(n % 10, '2026-01-01T00:00:00', NULL), '2026-01-01T00:00:00',
                '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', n + 1, x'00', x'00' FROM number";
        file.execute_batch(rows).expect("rows");
        file
    }

    /// How many listings match, how many are shown, and the first and the last of these; or what is refused.
    fn found(file: &Connection, public: bool, service: &Service, members: serde_json::Value) -> Result<(usize, usize, String), String> {
        let account = Account { client: "C".to_owned(), key: "k".into(), feeds: None, public };
        let mut view = View::of(file, &account, &[]).expect("a view");
        view.feeds.push("A".to_owned());
        let mut bound = Bound::from_body(service, members.to_string().as_bytes());
        let page = bound.get("Page").map(|_| bound.page());
        let found = find(file, &mut Columns::default(), &view, service, page, &mut bound).expect("an answer");
        let Some((total, keys)) = found else { return Err(format!("{:?}", bound.errors)) };
        let written = read(file, &view, &keys).expect("rows");
        let shown: Vec<serde_json::Value> = serde_json::from_str(&format!("[{written}]")).expect("JSON");
        let numbers: Vec<&str> = shown.iter().map(|listing| listing["ListingId"].as_str().expect("a number")).collect();
        let ends = numbers.first().zip(numbers.last()).map(|(first, last)| format!("{first} {last}"));
        Ok((total, numbers.len(), ends.unwrap_or_default()))
    }

    /// What is refused, in words that hold these.
    fn check_refused(file: &Connection, public: bool, members: serde_json::Value, expected: &str) {
        let why = found(file, public, &GET_LISTINGS, members.clone()).expect_err("refused");
        assert!(why.contains(expected), "{members}: {why}");
    }

    #[test]
    fn what_matches_is_counted_sorted_and_paged() {
        let file = many();
        let check = |members: serde_json::Value, expected: (usize, usize, &str)| {
            let found = found(&file, false, &GET_LISTINGS, members.clone()).expect("a search");
            assert_eq!((found.0, found.1, found.2.as_str()), expected, "{members}");
        };
        check(json!({ "Page": 24 }), (24_000, 1000, "023000 023999"));
        check(json!({ "Beds": 1, "Page": 2 }), (24_000, 1000, "001000 001999"));
        check(json!({ "Beds": 1, "Page": 25 }), (24_000, 0, ""));
        check(json!({ "Page": 1_000_000 }), (24_000, 0, ""));
        check(json!({ "MaxPrice": 99_000, "Page": 23 }), (23_000, 1000, "023000 023999"));
        check(json!({ "MaxPrice": 99_000, "Page": 23, "SortBy": "Price" }), (23_000, 1000, "001999 001000"));
        check(json!({ "MaxPrice": 99_000, "HasOpenHouse": false, "Page": 2 }), (23_000, 1000, "002000 002999"));
        check(json!({ "HasOpenHouse": true, "Page": 1 }), (0, 0, ""));
        check(json!({ "MaxPrice": 99_000, "Page": 1, "SortBy": "Price" }), (23_000, 1000, "023999 023000"));
        check(json!({ "MaxPrice": 99_000, "Remarks": "POOL", "Page": 4 }), (3286, 286, "022001 023996"));
        check(json!({ "Beds": 3, "Page": 8, "SortBy": "Beds" }), (8000, 1000, "021002 023999"));
        check(json!({ "Beds": 3, "Page": 1, "SortBy": "address" }), (8000, 1000, "023999 021002"));
        check(json!({ "Beds": 3, "Remarks": "pool", "Page": 2 }), (1143, 143, "021014 023996"));
        check(json!({ "MinPrice": 99_990 }), (11, 11, "000000 000010"));
        check(json!({ "MaxPrice": 99_000, "Remarks": "pool", "Page": 1, "SortBy": "Price" }), (3286, 1000, "023996 017003"));
        check(json!({ "MinPrice": 99_990, "SortBy": "SaleDate" }), (11, 11, "000000 000009"));
        check(json!({ "Beds": 3, "Remarks": "Pool" }), (1143, 1143, "000014 023996"));
        check_refused(&file, false, json!({ "Beds": 3 }), "More than 5000 listings match");
        check_refused(&file, false, json!({ "Remarks": "p" }), "More than 5000 listings match");
        check_refused(&file, false, json!({ "SortBy": "Kitchen" }), "SortBy is not a value");
        check_refused(&file, true, json!({ "HasBarn": true }), "HasBarn is not shown");
    }

    #[test]
    fn the_public_finds_no_place_that_it_may_not_be_shown() {
        let file = many();
        let mut near = json!({ "WktLocation": "POINT (10 40)", "Distance": 5, "Page": 1 });
        // A degree of longitude has 53 miles there.
        let at = |service, public| found(&file, public, service, near.clone()).expect("a search");
        assert_eq!(at(&GET_LISTINGS_BY_LOCATION, false), (189, 189, "009906 010094".to_owned()));
        assert_eq!(at(&GET_LISTINGS_BY_LOCATION, true), (94, 94, "009907 010093".to_owned()));
        assert_eq!(at(&GET_SOLD_LISTINGS_BY_LOCATION, false), (37, 37, "009910 010090".to_owned()));
        // Of those without a date of any kind, nobody knows when they were sold.
        near["SoldDateRange"] = json!("Last 9000 days");
        let sold = found(&file, false, &GET_SOLD_LISTINGS_BY_LOCATION, near).expect("a search");
        assert_eq!(sold, (18, 18, "009915 010085".to_owned()));
    }

    #[test]
    fn a_listing_that_is_gone_without_a_change_is_no_row_of_an_answer() {
        let (file, account) = (many(), Account { client: "C".to_owned(), key: "k".into(), feeds: None, public: false });
        let mut columns = Columns::default();
        columns.follow(&file).expect("the columns");
        let keys = columns.of_feeds(&["A".to_owned()]).keys(0..1);
        file.execute_batch("DELETE FROM listings WHERE listing_id = '000000'").expect("it is deleted");
        let view = View::of(&file, &account, &[]).expect("a view");
        assert_eq!(read(&file, &view, &keys), Err(rusqlite::Error::QueryReturnedNoRows));
    }
}
