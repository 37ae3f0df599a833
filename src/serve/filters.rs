//! The conditions of a search, made from the table of filters.

use super::view::View;
use crate::record::{Field, Kind, Stamp};
use crate::vendor::constellation1::fields::LISTING_DETAILS;
use crate::vendor::constellation1::fields::binding::Bound;
use crate::vendor::constellation1::fields::filters::{BORN, FILTERS, Test};
use rusqlite::types::Value as Sql;
use serde_json::Value;

/// The spellings of a city that occur, each found by one step in the index `listings_city`.
const SPELLINGS: &str = "(WITH RECURSIVE spelling (city) AS (
    SELECT min(city) FROM listings WHERE deleted_at IS NULL
    UNION ALL
    SELECT (SELECT min(city) FROM listings WHERE deleted_at IS NULL AND listings.city > spelling.city) FROM spelling WHERE city IS NOT NULL
) SELECT city FROM spelling WHERE city = ? COLLATE NOCASE)";

/// A query of keys, with the values of its parameters. All listings that match are among these. There are no others where
/// `Conditions::matches` is known.
pub(super) struct Keys {
    pub(super) sql: String,
    pub(super) values: Vec<Sql>,
}

/// Conditions that all must hold, each with the values of its parameters.
#[derive(Default)]
pub(super) struct Conditions {
    pub(super) sql: Vec<String>,
    pub(super) values: Vec<Sql>,
    pub(super) keys: Option<Keys>,
    /// How many match, where that is known before they are read.
    pub(super) matches: Option<usize>,
}

impl Conditions {
    pub(super) fn add(&mut self, sql: impl Into<String>, values: impl IntoIterator<Item = Sql>) {
        self.sql.push(sql.into());
        self.values.extend(values);
    }

    /// The keys become a condition like the others.
    pub(super) fn fold_keys(&mut self) {
        if let Some(Keys { sql, values }) = self.keys.take() {
            self.add(format!("(feed_id, listing_id) IN ({sql})"), values);
        }
    }

    /// Adds those of the filters that a request has and `wanted` names.
    pub(super) fn filter(&mut self, view: &View, bound: &mut Bound, wanted: impl Fn(&str) -> bool) {
        for (name, wires, test) in FILTERS.iter().filter(|(name, ..)| wanted(name)) {
            let Some(asked) = bound.get(name).filter(|_| is_asked(bound, name)) else { continue };
            let columns: Vec<_> = wires.iter().map(|wire| columns(wire)).collect();
            if *test == Test::Ahead || columns.iter().all(|(column, _)| view.shows(column)) {
                let (words, values): (Vec<_>, Vec<_>) =
                    columns.iter().map(|(column, compared)| condition(*test, column, compared, asked)).unzip();
                self.add(format!("({})", words.join(" OR ")), values.into_iter().flatten());
            } else if *asked != false {
                bound.refuse(name, format!("The field {name} is not shown to this client."));
            }
        }
    }
}

/// Whether a request filters by a parameter: false often asks for nothing.
pub(super) fn is_asked(bound: &Bound, name: &str) -> bool {
    let by_false = || FILTERS.iter().any(|(filter, _, test)| *filter == name && *test == Test::Exactly);
    bound.get(name).is_some_and(|asked| *asked != false || by_false())
}

/// The column of a field, and what numbers are compared with.
fn columns(wire: &str) -> (&'static str, String) {
    // The vendor's date of insertion is in no record: it is when the mirror first stored the listing.
    let field = LISTING_DETAILS.iter().find(|field| field.wire == wire && wire != BORN);
    let Some(Field { column, kind, .. }) = field else { return ("first_seen_at", String::new()) };
    (column, if *kind == Kind::Text { format!("{column}_number") } else { (*column).to_owned() })
}

fn condition(test: Test, column: &str, compared: &str, asked: &Value) -> (String, Option<Sql>) {
    let text = || Sql::Text(asked.as_str().map_or_else(|| asked.to_string(), str::to_owned));
    let number = || asked.as_i64().map(Sql::Integer).or_else(|| asked.as_f64().map(Sql::Real)).unwrap_or(Sql::Null);
    let date = || Sql::Text(asked.as_str().and_then(Stamp::parse).unwrap_or(Stamp::FIRST).to_string());
    let (sql, value) = match test {
        Test::OneOf => match asked.as_array().map(Vec::as_slice) {
            // This takes less time, and is what most requests ask for.
            Some([one]) => (format!("{column} = ? COLLATE NOCASE"), Sql::Text(one.as_str().unwrap_or_default().to_owned())),
            _ => (format!("{column} COLLATE NOCASE IN (SELECT value FROM json_each(?))"), text()),
        },
        Test::PartOneOf => (format!("has_part({column}, ?)"), text()),
        Test::Is if column == "city" => (format!("city IN {SPELLINGS}"), text()),
        Test::Is => (format!("{column} = ? COLLATE NOCASE"), text()),
        Test::Same => (format!("{column} = ?"), text()),
        Test::Holds => (format!("holds_words({column}, ?)"), text()),
        Test::AtLeast => (format!("{compared} >= ?"), number()),
        Test::AtMost => (format!("{compared} <= ?"), number()),
        Test::Below => (format!("{compared} < ?"), number()),
        Test::After => (format!("{column} > ?"), date()),
        Test::Wanted | Test::Exactly => (format!("{column} = ?"), Sql::Integer(i64::from(*asked == true))),
        Test::Ahead => return ("(feed_id, listing_id) IN (SELECT feed_id, listing_id FROM open_houses_upcoming)".to_owned(), None),
    };
    (sql, Some(value))
}

#[cfg(test)]
mod tests {
    use super::super::accounts::Account;
    use super::super::functions;
    use super::*;
    use crate::vendor::constellation1::fields::services::{GET_LISTINGS, GET_LISTINGS_BY_GEOGRAPHY};
    use rusqlite::{Connection, params_from_iter};
    use serde_json::json;

    /// Rows that hold these values in a column, numbered from 0, and the numbers of those that a filter finds.
    fn check(name: &str, asked: Value, column: &str, values: &[&str], expected: &[usize]) {
        let file = Connection::open_in_memory().expect("SQLite opens");
        file.execute_batch(include_str!("../../schema.sql")).expect("schema.sql is valid");
        functions::register(&file).expect("functions");
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
        let mut conditions = Conditions::default();
        conditions.filter(&view, &mut bound, |_| true);
        assert!(!bound.is_refused(), "{name}: {:?}", bound.errors);
        let all = if conditions.sql.is_empty() { "1" } else { &conditions.sql.join(" AND ") };
        let sql = format!("SELECT CAST(listing_id AS INTEGER) FROM {} WHERE {all} ORDER BY 1", view.source());
        let mut statement = file.prepare(&sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let found = statement.query_map(params_from_iter(conditions.values), |row| row.get::<_, i64>(0)).expect("an answer");
        let found: Vec<usize> = found.map(|number| number.expect("a number") as usize).collect();
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
        check("Remarks", json!("BIG home"), "remarks", &["'A big home.'", "'home big'", "NULL"], &[0]);
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
        ];
        let houses: Vec<&str> = houses.iter().map(String::as_str).chain(["NULL", "'[]'"]).collect();
        check("HasOpenHouse", json!(true), "open_houses", &houses, &[0, 1, 4]);
        check("HasOpenHouse", json!(false), "open_houses", &houses, &[0, 1, 2, 3, 4, 5, 6]);
    }
}
