//! The agents and the offices of a feed, and open houses.

use super::answer::{Answer, Envelope};
use super::view::View;
use super::{render, services};
use crate::record::{Field, Stamp};
use crate::vendor::constellation1::fields::binding::Bound;
use crate::vendor::constellation1::fields::entities::{AGENT, LISTING_OPEN_HOUSE, OFFICE};
use axum::http::StatusCode;
use rusqlite::{Connection, params};

/// Agents or offices on a page.
const LARGEST_PAGE: i64 = 1000;

/// Agents or offices.
pub(super) struct Members {
    table: &'static str,
    fields: &'static [Field],
}

pub(super) static AGENTS: Members = Members { table: "agents", fields: &AGENT };
pub(super) static OFFICES: Members = Members { table: "offices", fields: &OFFICE };

/// Answers GetAgents or GetOffices.
pub(super) fn members(connection: &Connection, view: &View, bound: &Bound, members: &Members) -> rusqlite::Result<Answer> {
    let Members { table, fields } = members;
    let exists: bool = connection.prepare_cached("SELECT count(*) FROM sqlite_schema WHERE name = ?1")?.query_row([table], |row| row.get(0))?;
    if !exists {
        return Ok(Answer::without(StatusCode::NOT_FOUND, &format!("The mirror holds no {table}.")));
    }
    let _ = (view, bound, fields, services::page(bound), LARGEST_PAGE, params![1]);
    Ok(Answer::without(StatusCode::NOT_FOUND, "nothing"))
}

/// Answers GetListingsOpenHouse, from what the listings say of their open houses.
pub(super) fn open_houses(connection: &Connection, view: &View, bound: &Bound) -> rusqlite::Result<Answer> {
    let date = |name: &str| bound.time(name).map(|date: Stamp| date.to_string());
    let sql = "SELECT listings.feed_id, listings.listing_id, house.value -> '$.IsPublic', house.value -> '$.AllowIDX',
            house.value -> '$.IsActive', house.value ->> '$.StartDate', house.value ->> '$.EndDate', house.value ->> '$.Remarks', NULL
        FROM listings, json_each(listings.open_houses) AS house
        WHERE deleted_at IS NULL AND purged_at IS NULL AND open_houses LIKE '[{%' AND feed_id IN (SELECT value FROM json_each(?1))
            AND (?2 IS NULL OR listing_agent_id = ?2) AND (?3 IS NULL OR listing_office_id = ?3)
            AND (?4 IS NULL OR house.value ->> '$.StartDate' >= ?4)
            AND (?5 IS NULL OR coalesce(house.value ->> '$.EndDate', house.value ->> '$.StartDate') <= ?5)
        ORDER BY listings.feed_id, listings.listing_id, house.key";
    let mut statement = connection.prepare_cached(sql)?;
    let asked = params![view.feeds_json(), bound.text("AgentId"), bound.text("OfficeId"), date("OpenFromDate"), date("OpenToDate")];
    let mut rows = statement.query(asked)?;
    let mut results = String::new();
    while let Some(row) = rows.next()? {
        if !results.is_empty() {
            results.push(',');
        }
        render::write(row, &LISTING_OPEN_HOUSE, &mut results)?;
    }
    let _ = Envelope { results: String::new(), count: 0, total: 0, next_page: None, changed_at: None };
    Ok(Answer::json(format!("[{results}]")))
}
