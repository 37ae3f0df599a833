//! The five searches: which listings the filters and the place of a request let through.

use super::answer::{Answer, Envelope};
use super::filters::Conditions;
use super::view::View;
use super::{place, render, services};
use crate::record::{Field, Kind, Stamp};
use crate::vendor::constellation1::fields::binding::Bound;
use crate::vendor::constellation1::fields::entities::LISTING_SUMMARY;
use crate::vendor::constellation1::fields::filters::sold_days;
use crate::vendor::constellation1::fields::services::Service;
use chrono::Utc;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};
use std::time::Duration;

/// The most listings of one answer. As many, or fewer, are an array, as the document has it; more come in pages.
const LARGEST_ANSWER: i64 = 1000;

/// Answers one of them. What is wrong with the request is told in `bound`.
pub(super) fn answer(connection: &Connection, view: &View, service: &Service, bound: &mut Bound) -> rusqlite::Result<Answer> {
    let mut conditions = Conditions::default();
    conditions.add("feed_id IN (SELECT value FROM json_each(?))", [Sql::Text(view.feeds_json())]);
    // Around an address, its city and its ZIP code are where to look from, and no filters.
    let is_by_address = service.parameter("Address").is_some();
    conditions.filter(view, bound, if is_by_address { &["City", "Zip"] } else { &[] });
    place::add(connection, view, bound, &mut conditions)?;
    if service.parameter("SoldDateRange").is_some() {
        add_sale(bound, &mut conditions);
    }
    let order = order(view, bound);
    if bound.is_refused() {
        // The caller tells what is wrong.
        return Ok(Answer::json(String::new()));
    }
    page(connection, view, (&conditions, &order), services::page(bound))
}

/// Days are counted back from this one.
fn add_sale(bound: &mut Bound, conditions: &mut Conditions) {
    match sold_days(bound.text("SoldDateRange")) {
        Ok(days) => {
            let today = Stamp::from_utc(Utc::now()).midnight();
            let since = days.map_or(Stamp::FIRST, |days| today.minus(Duration::from_secs(days.saturating_mul(86_400))));
            conditions.add("sale_date >= ?", [Sql::Text(since.to_string())]);
        }
        Err(why) => bound.refuse("SoldDateRange", why),
    }
}

/// The order that is asked for, by a field of the summary; equals, and everything else, by feed and number.
fn order(view: &View, bound: &mut Bound) -> String {
    // The plus leaves the choice of the index to the conditions.
    let usual = "+feed_id, +listing_id";
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

fn page(connection: &Connection, view: &View, (conditions, order): (&Conditions, &str), page: i64) -> rusqlite::Result<Answer> {
    let fields = view.fields(&LISTING_SUMMARY);
    let matches = format!("FROM {} WHERE {}", view.source(), conditions.sql.join(" AND "));
    let mut values = conditions.values.clone();
    values.extend([Sql::Integer(LARGEST_ANSWER + 1), Sql::Integer((page - 1).saturating_mul(LARGEST_ANSWER))]);
    let mut statement = connection.prepare_cached(&sql(view, &fields, &matches, order))?;
    let mut rows = statement.query(params_from_iter(values))?;
    let (mut results, mut count, mut more) = (String::new(), 0, false);
    while let Some(row) = rows.next()? {
        more = count as i64 == LARGEST_ANSWER;
        if more {
            break;
        }
        if count > 0 {
            results.push(',');
        }
        render::write(row, &fields, &mut results)?;
        count += 1;
    }
    if page == 1 && !more {
        return Ok(Answer::json(format!("[{results}]")));
    }
    let total = format!("SELECT count(*) {matches}");
    let total = connection.prepare_cached(&total)?.query_row(params_from_iter(&conditions.values), |row| row.get(0))?;
    let next_page = more.then_some(page + 1);
    Ok(Answer::json(Envelope { results, count, total, next_page, changed_at: None }.json()))
}

/// First the keys of the page are found, so that what is shown of a listing is not read of every one that matches.
fn sql(view: &View, fields: &[Field], matches: &str, order: &str) -> String {
    let column = |field: &Field| if field.wire == "Status" { "listing_status" } else { field.column };
    let columns: Vec<&str> = fields.iter().map(column).collect();
    let (columns, extra, source) = (columns.join(", "), view.column("extra"), view.source());
    format!(
        "WITH page AS MATERIALIZED (SELECT feed_id, listing_id {matches} ORDER BY {order} LIMIT ? OFFSET ?)
         SELECT {columns}, {extra} FROM page CROSS JOIN {source} USING (feed_id, listing_id) ORDER BY {order}"
    )
}
