//! SyncListings: what changed in the mirror from one moment to another.
//!
//! It selects and orders by the mirror's own clock (`changed_at`) and not by `MlsUpdateDate`: while the mirror loads, or finds what was
//! published late, rows come whose `MlsUpdateDate` is long past, and a program that follows would never see them. Each record keeps the
//! vendor's date. `MirrorChangedAt` of the envelope tells when each was stored, so that another mirror knows by what it was selected.

use super::answer::{Answer, Envelope, LARGEST_PAGE};
use super::render;
use super::view::View;
use crate::record::{Field, Stamp};
use crate::vendor::constellation1::fields::LISTING_DETAILS;
use crate::vendor::constellation1::fields::binding::Bound;
use chrono::Utc;
use rusqlite::{Connection, Row, params};

/// The status of a listing: the vendor's standardised value, or the MLS's words where there is none.
const STATUS: &str = "lower(coalesce(nullif(listing_status_search, ''), listing_status))";

/// Refuses what is out of bounds.
pub(super) fn check(bound: &mut Bound) {
    for (name, most) in [("Status", 3), ("PageSize", LARGEST_PAGE)] {
        if bound.integer(name).is_some_and(|number| !(0..=most).contains(&number)) {
            bound.refuse(name, format!("The field {name} must be between 0 and {most}."));
        }
    }
}

/// A request as it is understood.
pub(super) struct Asked {
    pub(super) from: String,
    pub(super) to: String,
    status: i64,
    page: u32,
    size: i64,
}

impl Asked {
    pub(super) fn of(bound: &Bound) -> Asked {
        let today = Stamp::from_utc(Utc::now()).midnight();
        let written = |stamp: Stamp| format!("{}Z", stamp.to_wire());
        Asked {
            from: written(bound.time("FromUpdatedDate").unwrap_or(today)),
            // Rows that were stored while the clock was ahead are not hidden.
            to: written(bound.time("ToUpdatedDate").unwrap_or(Stamp::NO_END)),
            status: bound.integer("Status").unwrap_or(0),
            page: bound.page(),
            size: bound.integer("PageSize").filter(|size| *size > 0).unwrap_or(LARGEST_PAGE),
        }
    }

    /// Which rows belong to the status. A deleted row is in none but 3, because a record does not tell that it is deleted.
    fn condition(&self) -> String {
        match self.status {
            0 => "deleted_at IS NULL".to_owned(),
            1 => format!("deleted_at IS NULL AND {STATUS} IN ('active', 'active under contract', 'contingent', 'pending')"),
            2 => format!("deleted_at IS NULL AND {STATUS} IN ('sold', 'closed')"),
            _ => "deleted_at IS NOT NULL".to_owned(),
        }
    }

    /// The rows that it asks for.
    fn window(&self, of_feeds: &str) -> String {
        let status = self.condition();
        format!("FROM listings INDEXED BY listings_changed WHERE {of_feeds} AND changed_at BETWEEN ?2 AND ?3 AND {status}")
    }
}

/// Answers a request of a client that is shown everything, or only what may be displayed.
pub(super) fn answer(connection: &Connection, view: &View, bound: &Bound) -> rusqlite::Result<Answer> {
    let asked = Asked::of(bound);
    let (of_feeds, feeds) = view.of_feeds("?1");
    let window = asked.window(&of_feeds);
    let total: u64 = connection
        .prepare_cached(&format!("SELECT count(*) {window}"))?
        .query_row(params![feeds, asked.from, asked.to], |row| row.get(0))?;
    let fields = view.fields(&LISTING_DETAILS);
    let mut statement = connection.prepare_cached(&sql(view, &fields, &window))?;
    let skipped = i64::from(asked.page - 1) * asked.size;
    let mut rows = statement.query(params![feeds, asked.from, asked.to, asked.size, skipped])?;
    let (mut results, mut changed_at) = (String::new(), Vec::new());
    while let Some(row) = rows.next()? {
        if !changed_at.is_empty() {
            results.push(',');
        }
        render::write(row, &fields, &mut results)?;
        changed_at.push(changed(row, fields.len() + 1)?);
    }
    let more = i64::try_from(total).is_ok_and(|total| i64::from(asked.page) * asked.size < total);
    let (count, next_page) = (changed_at.len(), more.then_some(asked.page + 1));
    Ok(Answer::json(Envelope { results, count, total, next_page, changed_at: Some(changed_at) }.json()))
}

/// A deleted row says when it was last heard of; the date that its values have is that of its last version. Where only what may be
/// displayed is shown, a deleted or purged row has its key and that date alone.
fn sql(view: &View, fields: &[Field], window: &str) -> String {
    let is_public = !view.shows("extra");
    let column = |column: &'static str| match column {
        "mls_update_date" => "iif(deleted_at IS NULL, listings.mls_update_date, stamp)".to_owned(),
        column if is_public && !["feed_id", "listing_id"].contains(&column) => view.output(column),
        column => format!("listings.{column}"),
    };
    let columns: Vec<String> = fields.iter().map(|field| column(field.column)).collect();
    let extra = if is_public { "NULL" } else { "iif(deleted_at IS NULL, extra, json_remove(extra, '$.MlsUpdateDate'))" };
    let shown = if is_public {
        "LEFT JOIN public_listings AS shown ON (shown.feed_id, shown.listing_id) = (listings.feed_id, listings.listing_id)"
    } else {
        ""
    };
    format!(
        "WITH page AS MATERIALIZED (SELECT rowid AS id {window} ORDER BY changed_at, change_seq LIMIT ?4 OFFSET ?5)
         SELECT {}, {extra}, listings.changed_at FROM page CROSS JOIN listings ON listings.rowid = page.id {shown}
         ORDER BY listings.changed_at, listings.change_seq",
        columns.join(", ")
    )
}

fn changed(row: &Row, index: usize) -> rusqlite::Result<Stamp> {
    Ok(Stamp::parse(&row.get::<_, String>(index)?).unwrap_or(Stamp::FIRST))
}

#[cfg(test)]
mod tests {
    use super::super::accounts::Account;
    use super::*;
    use crate::vendor::constellation1::fields::services::SYNC_LISTINGS;

    /// How the rows of a window are found.
    fn check(file: &Connection, view: &View, status: i64) {
        let bound = Bound::from_query(&SYNC_LISTINGS, &[("Status".to_owned(), status.to_string())]);
        let (of_feeds, feeds) = view.of_feeds("?1");
        let window = Asked::of(&bound).window(&of_feeds);
        let page = sql(view, &view.fields(&LISTING_DETAILS), &window);
        for (sql, rest) in [(format!("SELECT count(*) {window}"), 0), (page, 2)] {
            let mut statement = file.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("valid SQL");
            let values = [&feeds, "2026", "2027", "200", "0"];
            let steps = statement.query_map(rusqlite::params_from_iter(&values[..3 + rest]), |row| row.get::<_, String>("detail"));
            let plan = steps.expect("a plan").map(|step| step.expect("a step")).collect::<Vec<_>>().join("\n");
            let by_index = plan.contains("SEARCH listings USING INDEX listings_changed (feed_id=? AND changed_at>? AND changed_at<?)")
                || plan.contains("SEARCH listings USING COVERING INDEX listings_changed (feed_id=? AND changed_at>? AND changed_at<?)");
            assert!(by_index && !plan.contains("SCAN listings"), "Status {status}:\n{plan}");
        }
    }

    #[test]
    fn the_rows_of_a_window_are_found_by_the_index_of_changes() {
        let file = Connection::open_in_memory().expect("SQLite opens");
        file.execute_batch(include_str!("../../schema.sql")).expect("schema.sql is valid");
        for (public, feeds) in [(false, vec!["A"]), (true, vec!["A"]), (false, vec!["A", "B"]), (true, vec!["A", "B"])] {
            let account = Account { client: "C".to_owned(), key: "k".into(), feeds: None, public };
            let mut view = View::of(&file, &account, &[]).expect("a view");
            view.feeds = feeds.into_iter().map(str::to_owned).collect();
            (0..=3).for_each(|status| check(&file, &view, status));
        }
    }
}
