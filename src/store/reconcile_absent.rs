//! The rows that a run's reading lacks: found, confirmed and deleted.

use super::database::Database;
use super::error::Error;
use super::incoming::{Hearing, Incoming};
use super::query::{rows, value};
use super::reconcile_run::{self, Approved, Confirmation, Occasion, Run, numbered, under_way};
use super::row::apply;
use super::row_sql::{RowSql, key_columns};
use super::{changes, contested, take_back};
use crate::entity::Entity;
use crate::plan::brake::{BrakeLimits, Finding, Ruling, rule};
use crate::plan::merge::News;
use crate::record::{FeedId, ListingId, ListingKey, Window};
use rusqlite::{Connection, params};

/// What follows from a run's reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The run's number, for people.
    pub run: i64,
    /// What is to be done about the rows that it lacks.
    pub ruling: Ruling,
    /// The rows to ask the vendor about.
    pub to_confirm: Vec<ListingId>,
}

/// Sets the reading of the run under way against the rows, and rules.
pub(super) fn judge(database: &mut Database, occasion: Occasion, unread: &[Window], limits: BrakeLimits) -> Result<Judgement, Error> {
    let (tx, sql) = database.begin()?;
    let run = under_way(&tx, occasion.feed)?;
    let finding = find(&tx, sql.entity, &run, unread)?;
    let ruling = rule(finding, limits);
    let (state, note) = match &ruling {
        Ruling::Confirm if run.dry_run => ("done", None),
        Ruling::Confirm => ("confirming", None),
        Ruling::Withhold(why) => ("withheld", Some(why)),
        Ruling::Fail(why) => ("failed", Some(why)),
    };
    let ended_at = (state != "confirming").then_some(occasion.at);
    tx.execute(
        "UPDATE reconcile_runs SET state = ?2, note = ?3, ended_at = ?4, live_before = ?5, absent = ?6 WHERE run_id = ?1",
        params![run.id, state, note, ended_at, finding.live_before, finding.absent],
    )?;
    let before = changes::newest(&tx)?;
    match state {
        _ if run.dry_run => count_doubtful(&tx, &run)?,
        "confirming" | "withheld" => take_back::settle(&tx, sql, &run, (state == "confirming", occasion.at))?,
        _ => {}
    }
    changes::mark_bulk(&tx, sql.entity, before)?;
    tx.execute("DELETE FROM reconcile_seen WHERE run_id = ?1", [run.id])?;
    let mut to_confirm = if state == "confirming" { reconcile_run::unasked(&tx, run.id)? } else { Vec::new() };
    to_confirm.truncate(usize::try_from(limits.budget).unwrap_or(usize::MAX));
    tx.commit()?;
    Ok(Judgement { run: run.id, ruling, to_confirm })
}

/// Notes the rows that a run's reading lacks; tells how many of which kind there are. Rows of what was not read are not lacking.
fn find(tx: &Connection, entity: &Entity, run: &Run, unread: &[Window]) -> rusqlite::Result<Finding> {
    let (table, [feed, id]) = (entity.table, key_columns(entity));
    // Live rows that were there, and stood still, since before the run began.
    let stood = format!(
        "reconcile_runs AS run JOIN {table} AS stored ON stored.{feed} = run.feed_id AND stored.deleted_at IS NULL
             AND stored.first_seen_at < run.started_at AND (stored.stamp IS NULL OR stored.stamp BETWEEN run.from_date AND run.to_date)
             AND NOT EXISTS (SELECT 1 FROM json_each(?2) AS unread
                 WHERE stored.stamp BETWEEN unread.value ->> 0 AND unread.value ->> 1)"
    );
    let bounds: Vec<String> = unread.iter().map(|window| format!("[\"{}\",\"{}\"]", window.from, window.to)).collect();
    let bounds = format!("[{}]", bounds.join(","));
    let number = |sql: &str| value(tx, sql, params![run.id]);
    tx.execute(
        &format!(
            "INSERT OR IGNORE INTO reconcile_absent (run_id, listing_id, verdict)
             SELECT run.run_id, stored.{id}, 'unasked' FROM {stood} AND stored.changed_at < run.started_at
             WHERE run.run_id = ?1 AND NOT EXISTS
                 (SELECT 1 FROM reconcile_seen AS seen WHERE seen.run_id = run.run_id AND seen.listing_id = stored.{id} AND seen.live)"
        ),
        params![run.id, bounds],
    )?;
    // Wherever their stamps lie: the vendor says of these that they are deleted, though the stream of everything may show them.
    tx.execute(
        &format!(
            "INSERT OR IGNORE INTO reconcile_absent (run_id, listing_id, verdict)
             SELECT ?1, seen.listing_id, 'unasked' FROM contested JOIN reconcile_seen AS seen
                 ON seen.run_id = ?1 AND seen.listing_id = contested.listing_id AND NOT seen.present
             JOIN {table} AS stored ON stored.{feed} = ?2 AND stored.{id} = seen.listing_id AND stored.deleted_at IS NULL
             WHERE contested.feed_id = ?2 AND contested.deleted AND stored.changed_at < ?3"
        ),
        params![run.id, run.feed, run.started_at],
    )?;
    pair_twins(tx, entity, run)?;
    Ok(Finding {
        proven: value(
            tx,
            "SELECT NOT EXISTS (SELECT 1 FROM reconcile_runs AS run, json_each(?2) AS unread
                 WHERE run_id = ?1 AND unread.value ->> 0 <= from_date AND unread.value ->> 1 >= to_date)",
            params![run.id, bounds],
        )?,
        read: number("SELECT read FROM reconcile_runs WHERE run_id = ?1")?,
        live_before: value(tx, &format!("SELECT count(*) FROM {stood} WHERE run.run_id = ?1"), params![run.id, bounds])?,
        absent: number("SELECT count(*) FROM reconcile_absent WHERE run_id = ?1")?,
        twins: number("SELECT count(*) FROM reconcile_absent WHERE run_id = ?1 AND twin_id IS NOT NULL")?,
    })
}

/// Notes for each absent row the one that came after it and is like it, as the entity's `likeness` has it. The first column of
/// the likeness must be known: by it an absent row is looked up, while the feed is read once.
fn pair_twins(tx: &Connection, entity: &Entity, run: &Run) -> rusqlite::Result<()> {
    let (table, [feed, id], likeness) = (entity.table, key_columns(entity), entity.likeness);
    let [first, others @ ..] = likeness else { return Ok(()) };
    let others = others.iter().map(|column| format!("AND twin.{column} IS gone.{column}")).collect::<Vec<_>>().join(" ");
    tx.execute(
        &format!(
            "WITH gone AS MATERIALIZED (
                SELECT stored.{id} AS id, {columns}, first_seen_at
                FROM reconcile_absent AS absent JOIN {table} AS stored ON stored.{feed} = ?2 AND stored.{id} = absent.listing_id
                WHERE absent.run_id = ?1)
            UPDATE reconcile_absent SET twin_id = pair.twin FROM (
                SELECT gone.id AS absent, min(twin.{id}) AS twin
                FROM {table} AS twin
                CROSS JOIN gone ON gone.{first} = twin.{first} {others}
                    AND twin.first_seen_at > gone.first_seen_at AND twin.{id} <> gone.id
                WHERE twin.{feed} = ?2 AND twin.deleted_at IS NULL
                    AND EXISTS (SELECT 1 FROM reconcile_seen AS seen WHERE seen.run_id = ?1 AND seen.listing_id = twin.{id} AND seen.live)
                GROUP BY gone.id) AS pair
            WHERE reconcile_absent.run_id = ?1 AND reconcile_absent.listing_id = pair.absent",
            columns = likeness.join(", "),
        ),
        params![run.id, run.feed],
    )
    .map(drop)
}

/// Counts what a run would take back that changes nothing.
fn count_doubtful(tx: &Connection, run: &Run) -> rusqlite::Result<()> {
    let count = "UPDATE reconcile_runs SET taken_back =
         (SELECT count(*) FROM reconcile_seen AS seen WHERE seen.run_id = ?1 AND NOT seen.present) WHERE run_id = ?1";
    tx.execute(count, [run.id]).map(drop)
}

/// A few live listings that the run under way has read.
pub(super) fn just_read(connection: &Connection, feed: &FeedId, count: usize) -> rusqlite::Result<Vec<ListingId>> {
    let sql = "SELECT listing_id FROM live_listings
               WHERE feed_id = ?1 AND listing_id NOT IN (
                   SELECT listing_id FROM reconcile_runs JOIN reconcile_absent USING (run_id) WHERE feed_id = ?1 AND state = 'confirming'
               ) LIMIT ?2";
    rows(connection, sql, params![feed, count as u64], |row| row.get(0))
}

/// Takes note of what the vendor said of a row that the run under way lacks or contests, and does what was confirmed.
pub(super) fn confirm(database: &mut Database, occasion: Occasion, listing: &ListingId, said: Confirmation) -> Result<(), Error> {
    let (tx, sql) = database.begin()?;
    let run = under_way(&tx, occasion.feed)?;
    let (verdict, gone) = match said {
        Confirmation::Gone => ("gone", true),
        Confirmation::Deleted => ("deleted", true),
        Confirmation::Present(_) => ("present", false),
        Confirmation::Unclear => ("unclear", false),
    };
    tx.execute("UPDATE reconcile_absent SET verdict = ?3 WHERE run_id = ?1 AND listing_id = ?2", params![run.id, listing, verdict])?;
    take_back::confirm(&tx, sql, (&run, listing), said, occasion.at)?;
    if gone {
        delete(&tx, sql, (&run, listing), occasion.at)?;
    }
    Ok(tx.commit()?)
}

/// Deletes an absent row, if it is still live and has not changed since the run began. Where the vendor has stated an older
/// deletion, that is it.
pub(super) fn delete(tx: &Connection, sql: &RowSql, absent: (&Run, &ListingId), at: &str) -> Result<(), Error> {
    let ((run, listing), table, [feed, id]) = (absent, sql.entity.table, key_columns(sql.entity));
    let stands = format!("SELECT count(*) FROM {table} WHERE {feed} = ?1 AND {id} = ?2 AND deleted_at IS NULL AND changed_at < ?3");
    if !value(tx, &stands, params![run.feed, listing, run.started_at])? {
        return Ok(());
    }
    let key = ListingKey { feed: run.feed.clone(), listing: listing.clone() };
    match contested::find(tx, &key)? {
        Some(contested) if contested.deleted => take_back::take_back(tx, sql, absent, at)?,
        _ => {
            apply(tx, sql, Incoming::without_record(&key, News::Absent), Hearing::at(at))?;
        }
    }
    tx.prepare_cached("UPDATE reconcile_absent SET applied = 1 WHERE run_id = ?1 AND listing_id = ?2")?
        .execute(params![run.id, listing])?;
    tx.prepare_cached("UPDATE reconcile_runs SET deleted = deleted + 1 WHERE run_id = ?1")?.execute([run.id])?;
    Ok(())
}

/// Deletes what a withheld run found absent: a person has looked. Or tells that person why not.
pub(super) fn approve(database: &mut Database, number: i64, at: &str) -> Result<Result<Approved, String>, Error> {
    let (tx, sql) = database.begin()?;
    let Some(run) = numbered(&tx, number)? else {
        return Ok(Err(format!("there is no run {number}; `mls-sync status` shows the last ones")));
    };
    if run.state != "withheld" || run.dry_run {
        let state = if run.dry_run { "a dry run" } else { &run.state };
        let why = format!("run {number} does not wait for an approval: it is {state}. `mls-sync status` shows the runs that do");
        return Ok(Err(why));
    }
    let later = "SELECT max(run_id) FROM reconcile_runs
         WHERE feed_id = ?1 AND run_id > ?2 AND NOT dry_run AND state IN ('confirming', 'done', 'withheld', 'approved')";
    if let Some(later) = value::<Option<i64>>(&tx, later, params![run.feed, run.id])? {
        return Ok(Err(format!(
            "run {later} has read the feed after run {number}, so {number} is out of date. Look at {later}, or run `mls-sync reconcile` again"
        )));
    }
    let absent = reconcile_run::unasked(&tx, run.id)?;
    let before = changes::newest(&tx)?;
    for listing in &absent {
        delete(&tx, sql, (&run, listing), at)?;
    }
    changes::mark_bulk(&tx, sql.entity, before)?;
    tx.execute("UPDATE reconcile_runs SET state = 'approved', ended_at = ?2 WHERE run_id = ?1", params![run.id, at])?;
    tx.execute("DELETE FROM notices WHERE feed_id = ?1 AND kind = 'withheld'", [&run.feed])?;
    let deleted = value(&tx, "SELECT deleted FROM reconcile_runs WHERE run_id = ?1", [run.id])?;
    tx.commit()?;
    Ok(Ok(Approved { feed: run.feed, deleted, kept: (absent.len() as u64).saturating_sub(deleted) }))
}
