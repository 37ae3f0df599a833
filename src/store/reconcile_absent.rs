//! The rows that a run's reading lacks: found, confirmed and deleted.

use super::database::Database;
use super::error::Error;
use super::reconcile_run::{self, Occasion, Run, numbered, under_way};
use super::row::{Incoming, apply};
use super::row_sql::{RowSql, key_columns};
use crate::entity::Entity;
use crate::plan::brake::{BrakeLimits, Finding, Ruling, rule};
use crate::plan::merge::News;
use crate::record::{FeedId, ListingId, ListingKey};
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

/// What the vendor said of an absent row, asked for it by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// It does not have it.
    Gone,
    /// A record that looks deleted.
    Deleted,
    /// A live record: the row stays.
    Present,
    /// No usable answer: the row stays.
    Unclear,
}

/// What became of an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approval {
    /// The run's absent rows are tombstones now, as far as they had not changed.
    Applied {
        /// The feed.
        feed: FeedId,
        /// How many.
        deleted: u64,
        /// Absent rows that changed since the run began, and stay.
        kept: u64,
    },
    /// The run does not wait for an approval: what it is instead, if it exists.
    NotWithheld(Option<String>),
    /// A later run has read the feed since, and says more.
    Superseded(i64),
}

/// Sets the reading of the run under way against the rows, and rules.
pub(super) fn judge(database: &mut Database, occasion: Occasion, proven: bool, limits: BrakeLimits) -> Result<Judgement, Error> {
    let (tx, sql) = database.begin()?;
    let run = under_way(&tx, occasion.feed)?;
    let finding = find(&tx, sql.entity, &run, proven)?;
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
        params![run.id, state, note, ended_at, finding.live_before as i64, finding.absent as i64],
    )?;
    tx.execute("DELETE FROM reconcile_seen WHERE run_id = ?1", [run.id])?;
    let mut to_confirm = if state == "confirming" { reconcile_run::unasked(&tx, run.id)? } else { Vec::new() };
    to_confirm.truncate(usize::try_from(limits.budget).unwrap_or(usize::MAX));
    tx.commit()?;
    Ok(Judgement { run: run.id, ruling, to_confirm })
}

/// Notes the rows that a run's reading lacks; tells how many of which kind there are.
fn find(tx: &Connection, entity: &Entity, run: &Run, proven: bool) -> Result<Finding, Error> {
    let (table, [feed, id]) = (entity.table, key_columns(entity));
    // Live rows that were there, and stood still, since before the run began.
    let stood = format!(
        "reconcile_runs AS run JOIN {table} AS stored ON stored.{feed} = run.feed_id AND stored.deleted_at IS NULL
             AND stored.first_seen_at < run.started_at AND (stored.stamp IS NULL OR stored.stamp BETWEEN run.from_date AND run.to_date)"
    );
    let number = |sql: &str| tx.query_row(sql, [run.id], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs);
    tx.execute(
        &format!(
            "INSERT OR IGNORE INTO reconcile_absent (run_id, listing_id, verdict)
             SELECT run.run_id, stored.{id}, 'unasked' FROM {stood} AND stored.changed_at < run.started_at
             WHERE run.run_id = ?1 AND NOT EXISTS
                 (SELECT 1 FROM reconcile_seen AS seen WHERE seen.run_id = run.run_id AND seen.listing_id = stored.{id})"
        ),
        [run.id],
    )?;
    pair_twins(tx, entity, run)?;
    Ok(Finding {
        proven,
        read: number("SELECT read FROM reconcile_runs WHERE run_id = ?1")?,
        live_before: number(&format!("SELECT count(*) FROM {stood} WHERE run.run_id = ?1"))?,
        absent: number("SELECT count(*) FROM reconcile_absent WHERE run_id = ?1")?,
        twins: number("SELECT count(*) FROM reconcile_absent WHERE run_id = ?1 AND twin_id IS NOT NULL")?,
    })
}

/// Notes for each absent row the one that came after it and is like it, as the entity's `likeness` has it. The first column of
/// the likeness must be known: by it an absent row is looked up, while the feed is read once.
fn pair_twins(tx: &Connection, entity: &Entity, run: &Run) -> Result<(), Error> {
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
                    AND EXISTS (SELECT 1 FROM reconcile_seen AS seen WHERE seen.run_id = ?1 AND seen.listing_id = twin.{id})
                GROUP BY gone.id) AS pair
            WHERE reconcile_absent.run_id = ?1 AND reconcile_absent.listing_id = pair.absent",
            columns = likeness.join(", "),
        ),
        params![run.id, run.feed.0],
    )?;
    Ok(())
}

/// Takes note of what the vendor said of a row that the run under way lacks, and deletes it if that was confirmed.
pub(super) fn confirm(database: &mut Database, occasion: Occasion, listing: &ListingId, said: Confirmation) -> Result<(), Error> {
    let (tx, sql) = database.begin()?;
    let run = under_way(&tx, occasion.feed)?;
    let (verdict, gone) = match said {
        Confirmation::Gone => ("gone", true),
        Confirmation::Deleted => ("deleted", true),
        Confirmation::Present => ("present", false),
        Confirmation::Unclear => ("unclear", false),
    };
    tx.execute("UPDATE reconcile_absent SET verdict = ?3 WHERE run_id = ?1 AND listing_id = ?2", params![run.id, listing.0, verdict])?;
    if gone {
        delete(&tx, sql, (&run, listing), occasion.at)?;
    }
    tx.commit()?;
    Ok(())
}

/// Deletes an absent row, if it is still live and has not changed since the run began.
fn delete(tx: &Connection, sql: &RowSql, absent: (&Run, &ListingId), at: &str) -> Result<(), Error> {
    let ((run, listing), table, [feed, id]) = (absent, sql.entity.table, key_columns(sql.entity));
    let stands = format!("SELECT count(*) FROM {table} WHERE {feed} = ?1 AND {id} = ?2 AND deleted_at IS NULL AND changed_at < ?3");
    let about = params![run.feed.0, listing.0, run.started_at];
    if !tx.prepare_cached(&stands)?.query_row(about, |row| row.get::<_, bool>(0))? {
        return Ok(());
    }
    apply(tx, sql, Incoming::gone(ListingKey { feed: run.feed.clone(), listing: listing.clone() }, News::Absent), at)?;
    tx.prepare_cached("UPDATE reconcile_absent SET applied = 1 WHERE run_id = ?1 AND listing_id = ?2")?
        .execute(params![run.id, listing.0])?;
    tx.prepare_cached("UPDATE reconcile_runs SET deleted = deleted + 1 WHERE run_id = ?1")?.execute([run.id])?;
    Ok(())
}

/// Deletes what a withheld run found absent: a person has looked.
pub(super) fn approve(database: &mut Database, run: i64, at: &str) -> Result<Approval, Error> {
    let (tx, sql) = database.begin()?;
    let run = match numbered(&tx, run)? {
        Some(run) if run.state == "withheld" && !run.dry_run => run,
        Some(run) if run.dry_run => return Ok(Approval::NotWithheld(Some("a dry run".to_owned()))),
        other => return Ok(Approval::NotWithheld(other.map(|run| run.state))),
    };
    let later = "SELECT max(run_id) FROM reconcile_runs
         WHERE feed_id = ?1 AND run_id > ?2 AND NOT dry_run AND state IN ('confirming', 'done', 'withheld', 'approved')";
    if let Some(later) = tx.query_row(later, params![run.feed.0, run.id], |row| row.get::<_, Option<i64>>(0))? {
        return Ok(Approval::Superseded(later));
    }
    let absent = reconcile_run::unasked(&tx, run.id)?;
    for listing in &absent {
        delete(&tx, sql, (&run, listing), at)?;
    }
    tx.execute("UPDATE reconcile_runs SET state = 'approved', ended_at = ?2 WHERE run_id = ?1", params![run.id, at])?;
    tx.execute("DELETE FROM notices WHERE feed_id = ?1 AND kind = 'withheld'", [&run.feed.0])?;
    let deleted: i64 = tx.query_row("SELECT deleted FROM reconcile_runs WHERE run_id = ?1", [run.id], |row| row.get(0))?;
    tx.commit()?;
    let deleted = deleted.unsigned_abs();
    Ok(Approval::Applied { feed: run.feed, deleted, kept: (absent.len() as u64).saturating_sub(deleted) })
}
