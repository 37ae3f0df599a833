//! The conditions of a search, made from the table of filters.

use super::view::View;
use crate::record::{Field, Kind, Stamp};
use crate::vendor::constellation1::fields::LISTING_DETAILS;
use crate::vendor::constellation1::fields::binding::Bound;
use crate::vendor::constellation1::fields::filters::{BORN, FILTERS, Test};
use chrono::Utc;
use rusqlite::types::Value as Sql;
use serde_json::Value;

/// The spellings of a city that occur, each found by one step in the index `listings_city`.
const SPELLINGS: &str = "(WITH RECURSIVE spelling (city) AS (
    SELECT min(city) FROM listings WHERE deleted_at IS NULL
    UNION ALL
    SELECT (SELECT min(city) FROM listings WHERE deleted_at IS NULL AND listings.city > spelling.city) FROM spelling WHERE city IS NOT NULL
) SELECT city FROM spelling WHERE city = ? COLLATE NOCASE)";

/// Conditions that all must hold, each with the values of its parameters.
#[derive(Default)]
pub(super) struct Conditions {
    pub(super) sql: Vec<String>,
    pub(super) values: Vec<Sql>,
}

impl Conditions {
    pub(super) fn add(&mut self, sql: impl Into<String>, values: impl IntoIterator<Item = Sql>) {
        self.sql.push(sql.into());
        self.values.extend(values);
    }

    /// Adds those of the filters that a request has. `but` names parameters that are none here.
    pub(super) fn filter(&mut self, view: &View, bound: &mut Bound, but: &[&str]) {
        for (name, wire, test) in FILTERS.iter().filter(|(name, ..)| !but.contains(name)) {
            let Some(asked) = bound.get(name).filter(|asked| **asked != false || *test == Test::Exactly) else { continue };
            let (column, compared) = columns(wire);
            if view.shows(column) {
                let (sql, value) = condition(*test, column, &compared, asked);
                self.add(sql, [value]);
            } else {
                bound.refuse(name, format!("The field {name} is not shown to this client."));
            }
        }
    }
}

/// The column of a field, and what numbers are compared with.
fn columns(wire: &str) -> (&'static str, String) {
    // The vendor's date of insertion is in no record: it is when the mirror first stored the listing.
    let field = LISTING_DETAILS.iter().find(|field| field.wire == wire && wire != BORN);
    let Some(Field { column, kind, .. }) = field else { return ("first_seen_at", String::new()) };
    (column, if *kind == Kind::Text { format!("{column}_number") } else { (*column).to_owned() })
}

fn condition(test: Test, column: &str, compared: &str, asked: &Value) -> (String, Sql) {
    let text = || Sql::Text(asked.as_str().map_or_else(|| asked.to_string(), str::to_owned));
    let number = || asked.as_i64().map(Sql::Integer).or_else(|| asked.as_f64().map(Sql::Real)).unwrap_or(Sql::Null);
    let date = || Sql::Text(asked.as_str().and_then(Stamp::parse).unwrap_or(Stamp::FIRST).to_string());
    match test {
        Test::OneOf => (format!("{column} COLLATE NOCASE IN (SELECT value FROM json_each(?))"), text()),
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
        Test::Ahead => (
            format!("EXISTS (SELECT 1 FROM json_each({column}) AS house WHERE house.value ->> '$.StartDate' > ?)"),
            Sql::Text(Stamp::from_utc(Utc::now()).to_string()),
        ),
    }
}
