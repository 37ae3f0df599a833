//! Applies the vendor's filters to a search.

use super::columns::{Matches, OPEN_UNTIL, VALUES};
use super::values::{Number, Value as Held};
use super::view::View;
use crate::record::Stamp;
use crate::vendor::constellation1::fields::LISTING_DETAILS;
use crate::vendor::constellation1::fields::binding::Bound;
use crate::vendor::constellation1::fields::filters::{FILTERS, Test};
use chrono::{TimeDelta, Utc};
use serde_json::Value;

/// In the view `open_houses_upcoming`, an open house stays so long after its end.
const ENDED: TimeDelta = TimeDelta::days(1);

/// Keeps what passes the filters that a request has and `wanted` names, but for words in texts, which are not in memory.
pub(super) fn keep(matches: &mut Matches, view: &View, bound: &mut Bound, wanted: impl Fn(&str) -> bool) {
    for &(name, wires, test) in FILTERS.iter().filter(|(name, ..)| wanted(name)) {
        // False often asks for nothing.
        let Some(asked) = bound.get(name).filter(|asked| **asked != false || test == Test::Exactly) else { continue };
        let columns: Vec<&str> = wires.iter().map(|wire| column(wire)).collect();
        if test == Test::Ahead || columns.iter().all(|column| view.shows(column)) {
            match test {
                Test::Holds => {}
                Test::After => {
                    let since = bound.time(name).unwrap_or(Stamp::FIRST);
                    matches.keep_by_date(columns[0], |date| date > since);
                }
                Test::Ahead => {
                    let since = (Utc::now() - ENDED).format("%Y-%m-%dT%H:%M:%S").to_string();
                    matches.keep(&[OPEN_UNTIL], |until| matches!(until, Held::Text(until) if **until > *since));
                }
                _ => keep_by_value(matches, test, &columns, asked),
            }
        } else if *asked != false {
            // Programs that send every filter send false where they ask for nothing.
            bound.refuse(name, format!("The field {name} is not shown to this client."));
        }
    }
}

/// The column of a field. The vendor's date of insertion is in no record: it is when the mirror first stored the listing.
fn column(wire: &str) -> &'static str {
    LISTING_DETAILS.iter().find(|field| field.wire == wire).map_or("first_seen_at", |field| field.column)
}

/// The column with the number of a text, if searches compare it.
pub(super) fn numeric(column: &'static str) -> &'static str {
    VALUES.into_iter().find(|held| held.strip_suffix("_number") == Some(column)).unwrap_or(column)
}

fn keep_by_value(matches: &mut Matches, test: Test, columns: &[&'static str], asked: &Value) {
    let text = asked.as_str().unwrap_or_default();
    let listed: Vec<&str> = asked.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let is_listed = |part: &str| listed.iter().any(|asked| asked.eq_ignore_ascii_case(part));
    let number = Number::new(asked.as_f64().unwrap_or(f64::NAN));
    let flag = Number::new(f64::from(u8::from(*asked == true)));
    let columns: Vec<&str> = match test {
        Test::AtLeast | Test::AtMost | Test::Below => columns.iter().map(|column| numeric(column)).collect(),
        _ => columns.to_vec(),
    };
    matches.keep(&columns, |held| match (test, held) {
        (Test::OneOf, Held::Text(held)) => is_listed(held),
        (Test::PartOneOf, Held::Text(held)) => held.split(',').any(|part| is_listed(part.trim())),
        (Test::Is, Held::Text(held)) => held.eq_ignore_ascii_case(text),
        (Test::Same, Held::Text(held)) => **held == *text,
        (Test::AtLeast, Held::Number(held)) => *held >= number,
        (Test::AtMost, Held::Number(held)) => *held <= number,
        (Test::Below, Held::Number(held)) => *held < number,
        (Test::Wanted | Test::Exactly, Held::Number(held)) => *held == flag,
        _ => false,
    });
}

#[cfg(test)]
mod tests {
    use super::super::accounts::Account;
    use super::super::columns::Columns;
    use super::*;
    use crate::vendor::constellation1::fields::services::{GET_LISTINGS, GET_LISTINGS_BY_GEOGRAPHY};
    use rusqlite::Connection;
    use serde_json::json;

    /// Rows that hold these values in a column, numbered from 0, and the numbers of those that a filter finds.
    fn check(name: &str, asked: Value, column: &str, values: &[&str], expected: &[usize]) {
        let file = Connection::open_in_memory().expect("SQLite opens");
        file.execute_batch(include_str!("../../schema.sql")).expect("schema.sql is valid");
        for (number, value) in values.iter().enumerate() {
            let born = if column == "first_seen_at" { "" } else { ", first_seen_at" };
            let at = if born.is_empty() { "" } else { ", '2026-01-01T00:00:00.000Z'" };
            let sql = format!(
                "INSERT INTO listings (feed_id, listing_id, {column}, stamp{born}, changed_at, change_seq, raw_hash, content_hash)
                 VALUES ('A', '{number}', {value}, '2026-01-01T00:00:00'{at}, '2026-01-01T00:00:00.000Z', {number} + 1, x'00', x'00')"
            );
            file.execute_batch(&sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        let account = Account { client: "C".to_owned(), key: "k".into(), feeds: None, public: false };
        let view = View::of(&file, &account, &[]).expect("a view");
        let service = if GET_LISTINGS.parameter(name).is_some() { &GET_LISTINGS } else { &GET_LISTINGS_BY_GEOGRAPHY };
        let mut bound = Bound::from_body(service, json!({ name: asked }).to_string().as_bytes());
        let mut columns = Columns::default();
        columns.follow(&file).expect("the columns");
        let mut matches = columns.of_feeds(&["A".to_owned()]);
        keep(&mut matches, &view, &mut bound, |_| true);
        assert!(!bound.is_refused(), "{name}: {:?}", bound.errors);
        let mut found: Vec<usize> = matches.keys(0..values.len()).iter().map(|(_, number)| number.parse().expect("a number")).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{name} {asked} of {column} {values:?}");
    }

    /// An open house that begins and ends so many hours from now.
    fn house(begins: i64, ends: Option<i64>, active: &str) -> String {
        let at = |hours: i64| Stamp::from_utc(chrono::Utc::now() + chrono::TimeDelta::hours(hours)).to_string();
        let ends = ends.map(|ends| format!(",\"EndDate\":\"{}\"", at(ends))).unwrap_or_default();
        format!("'[{{\"StartDate\":\"{}\"{ends}{active}}}]'", at(begins))
    }

    #[test]
    fn each_filter_finds_what_the_document_says() {
        check("PropertyTypeList", json!(["land", "Condo"]), "property_type", &["'Land'", "'House'", "NULL", "'CONDO'"], &[0, 3]);
        check("PropertyTypeList", json!(["land"]), "property_type_search", &["'Land'", "'Lands'"], &[0]);
        check("StatusList", json!(["ACTIVE", "Sold"]), "listing_status", &["'Active'", "'Inactive'", "NULL", "'SOLD'"], &[0, 3]);
        check("StatusList", json!(["ACTIVE"]), "listing_status", &["'Active'", "'Inactive'", "NULL"], &[0]);
        check("StatusList", json!(["Pending"]), "listing_status_search", &["'Active'", "'pending'"], &[1]);
        check("SaleTypeList", json!(["Auction"]), "sale_type", &["'auction'", "'Lease'", "NULL"], &[0]);
        check("ViewList", json!(["Lake", "Sea"]), "view_search", &["'City, lake'", "'Lakes'", "NULL", "'Sea'"], &[0, 3]);
        check("StyleList", json!(["Ranch"]), "style_search", &["'Ranch,Loft'", "'Ranch Loft'", "NULL"], &[0]);
        for (name, column) in [("AgentId", "listing_agent_id"), ("OfficeId", "listing_office_id"), ("Zip", "zip")] {
            check(name, json!("a7"), column, &["'a7'", "'A7'", "'a70'", "NULL"], &[0]);
        }
        let texts = [("SchoolDistrict", "school_district"), ("Subdivision", "subdivision"), ("LandTenure", "land_tenure")];
        for (name, column) in [&texts[..], &[("Neighborhood", "neighborhood"), ("City", "city")]].concat() {
            check(name, json!("OLD town"), column, &["'Old Town'", "'Old Town North'", "NULL", "''"], &[0]);
        }
        for (name, column) in [("MinPrice", "price"), ("Beds", "beds"), ("MinAcres", "acre_search"), ("BathsTotal", "baths_total")] {
            check(name, json!(3), column, &["2", "3", "4", "NULL"], &[1, 2]);
        }
        for (name, column) in [("MaxPrice", "price"), ("MaxAcres", "acre_search")] {
            check(name, json!(3), column, &["2", "3", "4", "NULL"], &[0, 1]);
        }
        for (name, column) in [("MinSquareFeet", "square_feet"), ("MinYearBuilt", "year_built")] {
            check(name, json!(2000), column, &["'1999'", "'2000'", "'2001'", "NULL", "'none'"], &[1, 2]);
        }
        for (name, column) in [("MaxSquareFeet", "square_feet"), ("MaxYearBuilt", "year_built")] {
            check(name, json!(2000), column, &["'1999'", "'2000'", "'2001'", "NULL", "'none'"], &[0, 1]);
        }
        check("DaysOnMarket", json!(3), "days_on_market", &["2", "3", "4", "NULL"], &[0]);
        let dates = ["'2026-05-01T11:59:59'", "'2026-05-01T12:00:00'", "'2026-05-01T12:00:01'"];
        check("MlsUpdateDate", json!("2026-05-01T12:00:00"), "mls_update_date", &dates, &[2]);
        check("MlsUpdateDate", json!("2026-05-01"), "mls_update_date", &["NULL", "'soon'", "'2026-06-01'"], &[2]);
        check("MlsInsertDate", json!("2026-05-01T12:00:00"), "first_seen_at", &dates, &[2]);
        for (name, column) in [("HasView", "has_view"), ("HasAc", "has_ac")] {
            check(name, json!(true), column, &["1", "0", "NULL"], &[0]);
            check(name, json!(false), column, &["1", "0", "NULL"], &[0, 1, 2]);
        }
        let exact = [
            ("HasAgeRestrictions", "has_age_restrictions"),
            ("HasBarn", "has_barn"),
            ("HasBasement", "has_basement"),
            ("HasFireplace", "has_fireplace"),
            ("HasGarage", "has_garage"),
            ("HasHandicapFeatures", "has_handicap_features"),
            ("HasMasterOnMain", "has_master_on_main"),
            ("HasPool", "has_pool"),
            ("HasWaterFront", "has_waterfront"),
        ];
        for (name, column) in exact {
            check(name, json!(true), column, &["1", "0", "NULL"], &[0]);
            check(name, json!(false), column, &["1", "0", "NULL"], &[1]);
        }
        let houses = [
            house(2, Some(4), ""),
            house(-30, Some(-23), ",\"IsActive\":true"),
            house(-30, Some(-25), ""),
            house(2, Some(4), ",\"IsActive\":false"),
            house(-5, None, ""),
            format!("'[{{\"StartDate\":\"2026-01-01T00:00:00\"}},{}", house(2, Some(4), "").trim_start_matches("'[")),
            format!(
                "'[{{\"StartDate\":\"9026-01-01T00:00:00\",\"IsActive\":false}},{}",
                house(-30, Some(-25), "").trim_start_matches("'[")
            ),
        ];
        // What is no date is taken as the view takes it: texts are compared, and a number is no text.
        let odd = [
            "NULL",
            "'[]'",
            r#"'[{"EndDate":1796000000000}]'"#,
            r#"'[{"EndDate":true}]'"#,
            r#"'[{"EndDate":"TBD"}]'"#,
            r#"'[{"EndDate":{"a":1}},{"EndDate":"9026-01-01"}]'"#,
            r#"'[{"EndDate":"9026-01-01 10:00"}]'"#,
            r#"'[ {"EndDate":"9026-01-01"}]'"#,
            r#"'[{"EndDate":"/Date(4070908800000)/"}]'"#,
        ];
        let houses: Vec<&str> = houses.iter().map(String::as_str).chain(odd).collect();
        check("HasOpenHouse", json!(true), "open_houses", &houses, &[0, 1, 4, 5, 11, 12, 13]);
        check("HasOpenHouse", json!(false), "open_houses", &houses, &(0..16).collect::<Vec<_>>());
    }
}
