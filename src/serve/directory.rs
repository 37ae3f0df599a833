//! The services that list other things than listings: agents, offices, open houses.

use super::answer::{Answer, Envelope};
use super::render;
use super::sync_listings::Asked;
use super::view::View;
use crate::record::{Field, Stamp};
use crate::vendor::constellation1::fields::binding::Bound;
use crate::vendor::constellation1::fields::entities::{AGENT, LISTING_OPEN_HOUSE, OFFICE};
use axum::http::StatusCode;
use chrono::Utc;
use rusqlite::{Connection, params};
use std::time::Duration;

/// Agents or offices on a page.
const LARGEST_PAGE: i64 = 1000;
/// Open houses of one answer.
const MOST_HOUSES: usize = 10_000;

/// Agents or offices.
pub(super) struct Members {
    entity: &'static str,
    table: &'static str,
    fields: &'static [Field],
    /// Those that a request asks for, besides the feed and the dates: `?4` is its AgentId and `?5` its OfficeId.
    asked: &'static str,
}

/// The record of an agent does not tell the office: that is known of those who have listings.
pub(super) static AGENTS: Members = Members {
    entity: "agent",
    table: "agents",
    fields: &AGENT,
    asked: "(?4 IS NULL OR agent_id = ?4) AND (?5 IS NULL OR agent_id IN (
        SELECT listing_agent_id FROM listings WHERE feed_id = ?1 AND listing_office_id = ?5 AND deleted_at IS NULL))",
};
pub(super) static OFFICES: Members =
    Members { entity: "office", table: "offices", fields: &OFFICE, asked: "?4 IS NULL AND (?5 IS NULL OR office_id = ?5)" };

/// Answers GetAgents or GetOffices. Its dates are compared with those of the mirror, as in SyncListings.
pub(super) fn members(connection: &Connection, view: &View, bound: &Bound, members: &Members) -> rusqlite::Result<Answer> {
    let Members { entity, table, fields, asked } = members;
    if view.is_public() {
        return Ok(Answer::without(StatusCode::NOT_FOUND, &format!("This client is not shown {table}.")));
    }
    let feed = view.feeds.first().map(String::as_str).unwrap_or_default();
    if !is_mirrored(connection, entity, feed)? {
        return Ok(Answer::without(StatusCode::NOT_FOUND, &format!("The mirror holds no {table} of this feed.")));
    }
    let Asked { from, to, .. } = Asked::of(bound);
    let matches = format!(
        "FROM {table} WHERE feed_id = ?1 AND deleted_at IS NULL AND purged_at IS NULL AND changed_at BETWEEN ?2 AND ?3 AND {asked}"
    );
    let (agent, office) = (bound.text("AgentId"), bound.text("OfficeId"));
    let count = format!("SELECT count(*) {matches}");
    let total: u64 = connection.prepare_cached(&count)?.query_row(params![feed, from, to, agent, office], |row| row.get(0))?;
    let columns: Vec<&str> = fields.iter().map(|field| field.column).collect();
    let sql = format!("SELECT {}, extra {matches} ORDER BY changed_at, change_seq LIMIT ?6 OFFSET ?7", columns.join(", "));
    let (page, mut statement) = (bound.page(), connection.prepare_cached(&sql)?);
    let skipped = i64::from(page - 1) * LARGEST_PAGE;
    let mut rows = statement.query(params![feed, from, to, agent, office, LARGEST_PAGE, skipped])?;
    let (results, count) = render::all(&mut rows, fields)?;
    let more = i64::try_from(total).is_ok_and(|total| i64::from(page) * LARGEST_PAGE < total);
    let next_page = more.then_some(page + 1);
    Ok(Answer::json(Envelope { results, count, total, next_page, changed_at: None }.json()))
}

/// Whether the mirror has read these whole at least once.
fn is_mirrored(connection: &Connection, entity: &str, feed: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) FROM censuses WHERE feed_id = ?1 AND entity = ?2 AND proven_at IS NOT NULL";
    connection.prepare_cached(sql)?.query_row([feed, entity], |row| row.get(0))
}

/// Answers GetListingsOpenHouse from the table of open houses; of a feed whose open houses are not mirrored, from what the listings
/// say of theirs, which is not for whom they are. A public client gets those that may be displayed.
pub(super) fn open_houses(connection: &Connection, view: &View, bound: &mut Bound) -> rusqlite::Result<Answer> {
    let day_ago = Stamp::from_utc(Utc::now()).minus(Duration::from_secs(86_400));
    let (from, to) = (bound.time("OpenFromDate").unwrap_or(day_ago), bound.time("OpenToDate"));
    let asked = params![
        view.feeds_json(),
        bound.text("AgentId"),
        bound.text("OfficeId"),
        from.to_string(),
        to.map(|to| to.to_string()),
        view.is_public(),
        MOST_HOUSES + 1
    ];
    let (results, count) = render::all(&mut connection.prepare_cached(OPEN_HOUSES)?.query(asked)?, &LISTING_OPEN_HOUSE)?;
    if count > MOST_HOUSES {
        bound.refuse("FeedIdList", format!("More than {MOST_HOUSES} open houses match. Narrow the dates or the feeds."));
    }
    Ok(Answer::array(results))
}

/// `?6` is whether the client is public. Of a listing's own open houses it is then shown those of the view `open_houses_upcoming`.
const OPEN_HOUSES: &str = "
        WITH mirrored AS (SELECT feed_id FROM censuses WHERE entity = 'open_house' AND proven_at IS NOT NULL),
        house AS (
            SELECT feed_id, listing_id, is_public, allow_idx, is_active, start_date, end_date, remarks,
                iif(?6, NULL, extra) AS extra
            FROM open_houses
            WHERE deleted_at IS NULL AND purged_at IS NULL AND feed_id IN mirrored AND (NOT ?6 OR is_public AND allow_idx AND is_active)
            UNION ALL
            SELECT listings.feed_id, listings.listing_id, NULL, NULL, house.value ->> '$.IsActive', house.value ->> '$.StartDate',
                house.value ->> '$.EndDate', house.value ->> '$.Remarks', NULL
            FROM listings, json_each(listings.open_houses) AS house
            WHERE deleted_at IS NULL AND purged_at IS NULL AND open_houses LIKE '[{%' AND +feed_id NOT IN mirrored
                -- In the words of the index `listings_open_houses`: the last one does not end a day before the first that is asked for.
                AND CASE WHEN json_array_length(open_houses) > 4 THEN '9999' ELSE max(
                    coalesce(open_houses ->> '$[0].EndDate', open_houses ->> '$[0].StartDate', ''),
                    coalesce(open_houses ->> '$[1].EndDate', open_houses ->> '$[1].StartDate', ''),
                    coalesce(open_houses ->> '$[2].EndDate', open_houses ->> '$[2].StartDate', ''),
                    coalesce(open_houses ->> '$[3].EndDate', open_houses ->> '$[3].StartDate', '')) END >= strftime('%Y-%m-%dT%H:%M:%S', ?4, '-1 day')
                AND lower(house.type) = 'object' AND (NOT ?6 OR coalesce(house.value ->> '$.IsActive', 1)
                    AND coalesce(house.value ->> '$.EndDate', house.value ->> '$.StartDate') > strftime('%Y-%m-%dT%H:%M:%S', 'now', '-1 day'))
        )
        SELECT house.* FROM house
        WHERE +feed_id IN (SELECT value FROM json_each(?1))
            AND ((?2 IS NULL AND ?3 IS NULL) OR EXISTS (SELECT 1 FROM listings AS of
                WHERE of.feed_id = house.feed_id AND of.listing_id = house.listing_id AND of.deleted_at IS NULL
                    AND (?2 IS NULL OR of.listing_agent_id = ?2) AND (?3 IS NULL OR of.listing_office_id = ?3)))
            AND (NOT ?6 OR EXISTS (
                SELECT 1 FROM public_listings AS shown WHERE shown.feed_id = house.feed_id AND shown.listing_id = house.listing_id))
            AND start_date >= ?4 AND (?5 IS NULL OR coalesce(end_date, start_date) <= ?5)
        ORDER BY feed_id, listing_id, start_date
        LIMIT ?7";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_houses_in_listings_are_found_by_the_index_of_their_ends() {
        let file = Connection::open_in_memory().expect("SQLite opens");
        file.execute_batch(include_str!("../../schema.sql")).expect("schema.sql is valid");
        let mut statement = file.prepare(&format!("EXPLAIN QUERY PLAN {OPEN_HOUSES}")).expect("valid");
        let asked = params!["[]", None::<String>, None::<String>, "2026-05-01T00:00:00", None::<String>, false, 9];
        let steps = statement.query_map(asked, |row| row.get::<_, String>("detail")).expect("a plan");
        let plan = steps.map(|step| step.expect("a step")).collect::<Vec<_>>().join("\n");
        assert!(plan.contains("listings USING INDEX listings_open_houses (<expr>>?)"), "{plan}");
        assert!(!plan.contains("SCAN listings"), "{plan}");
    }
}
