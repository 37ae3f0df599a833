//! Reconcile runs: what a whole reading saw, which rows it lacks, and what becomes of them.

use super::commit::{Committed, PageCommit, change, tombstone};
use super::{Error, checkpoint};
use crate::plan::brake::{BrakeLimits, Finding, Ruling, rule};
use crate::plan::merge::Action;
use crate::record::{FeedId, ListingId, ListingKey, Window};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use serde::Serialize;

/// What follows from a run's reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The run.
    pub run: i64,
    /// What is to be done about the rows that it lacks.
    pub ruling: Ruling,
    /// The rows to ask the vendor about.
    pub to_confirm: Vec<ListingId>,
}

/// What GetListingDetail said of an absent row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// 404.
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

/// A listing that vanished, and the one that seems to be the same under another key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pair {
    /// The key that is absent.
    pub absent: ListingId,
    /// The key that appeared.
    pub twin: ListingId,
}

/// A run, as `status` and `reconcile` show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunReport {
    /// Its number, for `--approve`.
    pub run_id: i64,
    /// The feed.
    pub feed_id: FeedId,
    /// One of the words of the column `reconcile_runs.state`.
    pub state: String,
    /// Whether it changed nothing.
    pub dry_run: bool,
    /// When it began.
    pub started_at: String,
    /// When it ended; null while it runs.
    pub ended_at: Option<String>,
    /// Live records read, repetitions included.
    pub read: u64,
    /// Listings that the file lacked.
    pub missing: u64,
    /// Listings that the file had an older version of.
    pub stale: u64,
    /// Live rows that were there before it began.
    pub live_before: u64,
    /// Of those, rows that the reading lacks.
    pub absent: u64,
    /// Of those, rows that became tombstones.
    pub deleted: u64,
    /// Why it failed or was withheld.
    pub note: Option<String>,
    /// Absent listings that have a twin with the same address, price and place: at most 1000.
    pub pairs: Vec<Pair>,
}

/// Begins a run; tells its number.
pub(super) fn begin(connection: &Connection, feed: &FeedId, range: Window, dry_run: bool, at: &str) -> Result<i64, Error> {
    abandon(connection, feed, at)?;
    let mut statement = connection.prepare_cached(
        "INSERT INTO reconcile_runs (feed_id, state, dry_run, from_date, to_date, started_at) VALUES (?1, 'scanning', ?2, ?3, ?4, ?5)",
    )?;
    Ok(statement.insert(params![feed.0, dry_run, range.from.to_string(), range.to.to_string(), at])?)
}

/// The run of a feed that is under way.
pub(super) fn under_way(connection: &Connection, feed: &FeedId) -> Result<i64, Error> {
    let sql = "SELECT max(run_id) FROM reconcile_runs WHERE feed_id = ?1 AND state IN ('scanning', 'confirming')";
    let run: Option<i64> = connection.prepare_cached(sql)?.query_row([&feed.0], |row| row.get(0))?;
    run.ok_or_else(|| Error::Strange(format!("no reconcile run under way for the feed {feed}")))
}

/// Takes note of a page of live listings that a run has read.
pub(super) fn count(tx: &Connection, page: &PageCommit, committed: &Committed) -> Result<(), Error> {
    let run = under_way(tx, &page.checkpoint.feed)?;
    let mut seen = tx.prepare_cached("INSERT OR IGNORE INTO reconcile_seen (run_id, listing_id) VALUES (?1, ?2)")?;
    for record in &page.records {
        seen.execute(params![run, record.key.listing.0])?;
    }
    let of = |actions: &[Action]| actions.iter().filter_map(|action| committed.counts.get(action)).sum::<u64>() as i64;
    tx.prepare_cached("UPDATE reconcile_runs SET read = read + ?2, missing = missing + ?3, stale = stale + ?4 WHERE run_id = ?1")?
        .execute(params![run, page.records.len() as i64, of(&[Action::Insert]), of(&[Action::Update, Action::Revive])])?;
    Ok(())
}

/// Live rows that were there, and stood still, since before the run began.
const STOOD: &str = "listings.feed_id = run.feed_id AND listings.deleted_at IS NULL AND listings.first_seen_at < run.started_at
    AND (listings.stamp IS NULL OR listings.stamp BETWEEN run.from_date AND run.to_date)";

/// Sets a run's reading against the rows, and rules.
pub(super) fn judge(connection: &mut Connection, feed: &FeedId, proven: bool, limits: BrakeLimits, at: &str) -> Result<Judgement, Error> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let run = under_way(&tx, feed)?;
    let number = |sql: &str| tx.query_row(sql, [run], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs);
    let live_before = number(&format!("SELECT count(*) FROM reconcile_runs AS run JOIN listings ON {STOOD} WHERE run.run_id = ?1"))?;
    tx.execute(
        &format!(
            "INSERT OR IGNORE INTO reconcile_absent (run_id, listing_id, verdict)
             SELECT run.run_id, listings.listing_id, 'unasked'
             FROM reconcile_runs AS run JOIN listings ON {STOOD} AND listings.changed_at < run.started_at
             WHERE run.run_id = ?1 AND NOT EXISTS
                 (SELECT 1 FROM reconcile_seen AS seen WHERE seen.run_id = run.run_id AND seen.listing_id = listings.listing_id)"
        ),
        [run],
    )?;
    tx.execute(TWINS, [run])?;
    let finding = Finding {
        proven,
        read: number("SELECT read FROM reconcile_runs WHERE run_id = ?1")?,
        live_before,
        absent: number("SELECT count(*) FROM reconcile_absent WHERE run_id = ?1")?,
        twins: number("SELECT count(*) FROM reconcile_absent WHERE run_id = ?1 AND twin_id IS NOT NULL")?,
    };
    let ruling = rule(finding, limits);
    let dry_run: bool = tx.query_row("SELECT dry_run FROM reconcile_runs WHERE run_id = ?1", [run], |row| row.get(0))?;
    let (state, note) = match &ruling {
        Ruling::Confirm if dry_run => ("done", None),
        Ruling::Confirm => ("confirming", None),
        Ruling::Withhold(why) => ("withheld", Some(why)),
        Ruling::Fail(why) => ("failed", Some(why)),
    };
    let ended_at = (state != "confirming").then_some(at);
    tx.execute(
        "UPDATE reconcile_runs SET state = ?2, note = ?3, ended_at = ?4, live_before = ?5, absent = ?6 WHERE run_id = ?1",
        params![run, state, note, ended_at, finding.live_before as i64, finding.absent as i64],
    )?;
    tx.execute("DELETE FROM reconcile_seen WHERE run_id = ?1", [run])?;
    let mut to_confirm = if state == "confirming" { checkpoint::unasked(&tx, run)? } else { Vec::new() };
    to_confirm.truncate(usize::try_from(limits.budget).unwrap_or(usize::MAX));
    tx.commit()?;
    Ok(Judgement { run, ruling, to_confirm })
}

/// A listing that came after an absent one, with the same address, price and place. The feed is scanned once; what is
/// absent is looked up by its address.
const TWINS: &str = "WITH gone AS MATERIALIZED (
        SELECT listings.feed_id, listings.listing_id, address, price, latitude, longitude, first_seen_at
        FROM reconcile_runs AS run
        JOIN reconcile_absent AS absent ON absent.run_id = run.run_id
        JOIN listings ON listings.feed_id = run.feed_id AND listings.listing_id = absent.listing_id
        WHERE run.run_id = ?1)
    UPDATE reconcile_absent SET twin_id = pair.twin FROM (
        SELECT gone.listing_id AS absent, min(twin.listing_id) AS twin
        FROM reconcile_runs AS run
        CROSS JOIN listings AS twin ON twin.feed_id = run.feed_id AND twin.deleted_at IS NULL
        CROSS JOIN gone ON gone.address = twin.address AND twin.price IS gone.price AND twin.latitude IS gone.latitude
            AND twin.longitude IS gone.longitude AND twin.first_seen_at > gone.first_seen_at AND twin.listing_id <> gone.listing_id
        WHERE run.run_id = ?1
            AND EXISTS (SELECT 1 FROM reconcile_seen AS seen WHERE seen.run_id = run.run_id AND seen.listing_id = twin.listing_id)
        GROUP BY gone.listing_id) AS pair
    WHERE reconcile_absent.run_id = ?1 AND reconcile_absent.listing_id = pair.absent";

/// Takes note of what the vendor said of an absent row, and deletes it if that was confirmed.
pub(super) fn confirm(connection: &mut Connection, feed: &FeedId, listing: &ListingId, said: Confirmation, at: &str) -> Result<(), Error> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let run = under_way(&tx, feed)?;
    let (verdict, gone) = match said {
        Confirmation::Gone => ("gone", true),
        Confirmation::Deleted => ("deleted", true),
        Confirmation::Present => ("present", false),
        Confirmation::Unclear => ("unclear", false),
    };
    tx.execute("UPDATE reconcile_absent SET verdict = ?3 WHERE run_id = ?1 AND listing_id = ?2", params![run, listing.0, verdict])?;
    if gone {
        delete(&tx, run, listing, at)?;
    }
    tx.commit()?;
    Ok(())
}

/// Deletes an absent row, if it is still live and has not changed since the run began.
fn delete(tx: &Connection, run: i64, listing: &ListingId, at: &str) -> Result<(), Error> {
    let row: Option<(String, Option<String>)> = tx
        .prepare_cached(
            "SELECT run.feed_id, listings.stamp FROM reconcile_runs AS run
             JOIN listings ON listings.feed_id = run.feed_id AND listings.listing_id = ?2
             WHERE run.run_id = ?1 AND listings.deleted_at IS NULL AND listings.changed_at < run.started_at",
        )?
        .query_row(params![run, listing.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((feed, stamp)) = row else { return Ok(()) };
    let key = ListingKey { feed: FeedId(feed), listing: listing.clone() };
    let seq = change(tx, &key, "tombstone", at)?;
    tombstone(tx, &key, "absent", stamp, (at, seq))?;
    tx.prepare_cached("UPDATE reconcile_absent SET applied = 1 WHERE run_id = ?1 AND listing_id = ?2")?.execute(params![run, listing.0])?;
    tx.prepare_cached("UPDATE reconcile_runs SET deleted = deleted + 1 WHERE run_id = ?1")?.execute([run])?;
    Ok(())
}

/// Ends a run whose absent rows were asked about, as far as the budget went.
pub(super) fn end(connection: &Connection, feed: &FeedId, at: &str) -> Result<(), Error> {
    let run = under_way(connection, feed)?;
    let left = "SELECT count(*) FROM reconcile_absent WHERE run_id = ?1 AND verdict = 'unasked'";
    let left: i64 = connection.query_row(left, [run], |row| row.get(0))?;
    let note =
        (left > 0).then(|| format!("{left} absent rows were not asked about: the budget of requests was spent; the next run goes on"));
    connection.execute("UPDATE reconcile_runs SET state = 'done', note = ?2, ended_at = ?3 WHERE run_id = ?1", params![run, note, at])?;
    Ok(())
}

/// Ends the runs that are under way because their process is not there to go on with them, or asks for another. What
/// they have read counts for nothing: another run must not go on with their windows.
pub(super) fn abandon(connection: &Connection, feed: &FeedId, at: &str) -> Result<(), Error> {
    const UNDER_WAY: &str = "SELECT run_id FROM reconcile_runs WHERE feed_id = ?1 AND state IN ('scanning', 'confirming')";
    connection.execute(&format!("DELETE FROM reconcile_seen WHERE run_id IN ({UNDER_WAY})"), [&feed.0])?;
    connection.execute(
        &format!("UPDATE windows SET state = 'cut', closed_at = ?2 WHERE state = 'open' AND run_id IN ({UNDER_WAY})"),
        params![feed.0, at],
    )?;
    connection.execute(
        "UPDATE reconcile_runs SET state = 'failed', note = 'it was broken off', ended_at = ?2
         WHERE feed_id = ?1 AND state IN ('scanning', 'confirming')",
        params![feed.0, at],
    )?;
    Ok(())
}

/// Deletes what a withheld run found absent: a person has looked.
pub(super) fn approve(connection: &mut Connection, run: i64, at: &str) -> Result<Approval, Error> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = tx
        .query_row("SELECT feed_id, iif(dry_run, 'a dry run', state) FROM reconcile_runs WHERE run_id = ?1", [run], |row| {
            Ok((FeedId(row.get(0)?), row.get::<_, String>(1)?))
        })
        .optional()?;
    let feed = match found {
        Some((feed, state)) if state == "withheld" => feed,
        other => return Ok(Approval::NotWithheld(other.map(|(_, state)| state))),
    };
    let later = "SELECT max(run_id) FROM reconcile_runs
         WHERE feed_id = ?1 AND run_id > ?2 AND NOT dry_run AND state IN ('confirming', 'done', 'withheld', 'approved')";
    if let Some(later) = tx.query_row(later, params![feed.0, run], |row| row.get::<_, Option<i64>>(0))? {
        return Ok(Approval::Superseded(later));
    }
    let absent = checkpoint::unasked(&tx, run)?;
    for listing in &absent {
        delete(&tx, run, listing, at)?;
    }
    tx.execute("UPDATE reconcile_runs SET state = 'approved', ended_at = ?2 WHERE run_id = ?1", params![run, at])?;
    tx.execute("DELETE FROM notices WHERE feed_id = ?1 AND kind = 'withheld'", [&feed.0])?;
    let deleted: i64 = tx.query_row("SELECT deleted FROM reconcile_runs WHERE run_id = ?1", [run], |row| row.get(0))?;
    tx.commit()?;
    let deleted = deleted.unsigned_abs();
    Ok(Approval::Applied { feed, deleted, kept: (absent.len() as u64).saturating_sub(deleted) })
}

const RUN: &str = "run_id, feed_id, state, dry_run, started_at, ended_at, read, missing, stale, live_before, absent, deleted, note";
/// Pairs that are told of a run.
const PAIRS: u32 = 1000;

/// The last run of a feed.
pub(super) fn last(connection: &Connection, feed: &FeedId) -> Result<Option<RunReport>, Error> {
    let sql = format!("SELECT {RUN} FROM reconcile_runs WHERE feed_id = ?1 ORDER BY run_id DESC LIMIT 1");
    let run = connection.prepare_cached(&sql)?.query_row([&feed.0], run_report).optional()?;
    run.map(|run| with_pairs(connection, run)).transpose()
}

/// The runs after this one, oldest first.
pub(super) fn after(connection: &Connection, run: i64) -> Result<Vec<RunReport>, Error> {
    let sql = format!("SELECT {RUN} FROM reconcile_runs WHERE run_id > ?1 ORDER BY run_id");
    let mut statement = connection.prepare_cached(&sql)?;
    let runs: Vec<RunReport> = statement.query_map([run], run_report)?.collect::<rusqlite::Result<_>>()?;
    runs.into_iter().map(|run| with_pairs(connection, run)).collect()
}

fn with_pairs(connection: &Connection, mut run: RunReport) -> Result<RunReport, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT listing_id, twin_id FROM reconcile_absent WHERE run_id = ?1 AND twin_id IS NOT NULL ORDER BY listing_id LIMIT ?2",
    )?;
    let pair = |row: &Row| Ok(Pair { absent: ListingId(row.get(0)?), twin: ListingId(row.get(1)?) });
    run.pairs = statement.query_map(params![run.run_id, PAIRS], pair)?.collect::<rusqlite::Result<_>>()?;
    Ok(run)
}

fn run_report(row: &Row) -> rusqlite::Result<RunReport> {
    let number = |index: usize| row.get::<_, i64>(index).map(i64::unsigned_abs);
    Ok(RunReport {
        run_id: row.get(0)?,
        feed_id: FeedId(row.get(1)?),
        state: row.get(2)?,
        dry_run: row.get(3)?,
        started_at: row.get(4)?,
        ended_at: row.get(5)?,
        read: number(6)?,
        missing: number(7)?,
        stale: number(8)?,
        live_before: number(9)?,
        absent: number(10)?,
        deleted: number(11)?,
        note: row.get(12)?,
        pairs: Vec::new(),
    })
}
