//! How a run ends whose rows were asked about, and what follows where the vendor has a listing that no stream returns.

use super::database::Database;
use super::error::Error;
use super::notice::{self, Notice};
use super::query::rows;
use super::reconcile_absent::delete;
use super::reconcile_run::{Occasion, Run, unasked, under_way};
use crate::record::{ListingId, printable};
use rusqlite::{Connection, params};

/// Listings that a notice names.
const NAMED: usize = 5;
/// Characters of a listing's number.
const NUMBER: usize = 40;

/// Ends the run under way, whose rows were asked about as far as the budget went. What two runs in a row have found by its key
/// alone is deleted, or told.
pub(super) fn end(database: &mut Database, occasion: Occasion, delete_detail_only: bool) -> Result<(), Error> {
    let (tx, sql) = database.begin()?;
    let (feed, at) = (occasion.feed, occasion.at);
    let run = under_way(&tx, feed)?;
    let mut detail_only = detail_only(&tx, &run)?;
    if delete_detail_only {
        for listing in detail_only.drain(..) {
            delete(&tx, sql, (&run, &listing), at)?;
        }
    }
    notice::save(&tx, &Notice { feed: Some(feed.clone()), kind: "detail_only", note: note(&detail_only), at: at.to_owned() })?;
    let left = unasked(&tx, run.id)?.len();
    let note = (left > 0).then(|| {
        format!(
            "{left} rows were not asked about: reconcile.confirm_budget was used up, or the vendor did not answer; the next run goes on"
        )
    });
    tx.execute("UPDATE reconcile_runs SET state = 'done', note = ?2, ended_at = ?3 WHERE run_id = ?1", params![run.id, note, at])?;
    Ok(tx.commit()?)
}

/// The rows that this run and the one before lack, and that the vendor has by their key.
fn detail_only(tx: &Connection, run: &Run) -> rusqlite::Result<Vec<ListingId>> {
    let sql = "SELECT listing_id FROM reconcile_absent AS absent JOIN reconcile_absent AS before USING (listing_id)
         WHERE absent.run_id = ?1 AND absent.verdict = 'present' AND before.verdict = 'present' AND before.run_id =
             (SELECT max(run_id) FROM reconcile_runs WHERE feed_id = ?2 AND run_id < ?1 AND state = 'done' AND NOT dry_run)
         ORDER BY listing_id";
    rows(tx, sql, params![run.id, run.feed], |row| row.get(0))
}

/// The notice of them; `None` where there are none.
fn note(listings: &[ListingId]) -> Option<String> {
    let named: Vec<String> = listings.iter().take(NAMED).map(|listing| printable(&listing.0, NUMBER)).collect();
    let more = if listings.len() > NAMED { ", ..." } else { "" };
    (!listings.is_empty()).then(|| {
        format!(
            "live listings that two whole readings in a row did not return, and that GetListingDetail still answers: {} ({}{more}). They \
             are kept; reconcile.detail_only = \"delete\" makes them tombstones",
            listings.len(),
            named.join(", "),
        )
    })
}
