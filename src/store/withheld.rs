//! Deletions of an account's rows that wait for a person: each waits as a withheld reconcile run.

use super::census::{self, Census};
use super::changes;
use super::database::Database;
use super::error::Error;
use super::handle::Store;
use super::incoming::{Hearing, Incoming};
use super::query::{rows, value};
use super::reconcile_absent;
use super::reconcile_run::{Approved, numbered};
use super::row::apply;
use crate::entity::{Confirmed, Deletions, Entity};
use crate::plan::merge::News;
use crate::record::{FeedId, ListingId, ListingKey, Stamp};
use rusqlite::{Connection, OptionalExtension, params};

/// What a whole reading found that is withheld.
#[derive(Clone, Debug)]
pub(crate) struct Withheld {
    pub read: u64,
    pub expected: u64,
    pub absent: u64,
    /// Why, for a person.
    pub why: String,
}

impl Store {
    /// Writes down deletions that need a person's approval; tells the number of the run to approve.
    pub(crate) async fn withhold(&self, census: Census, withheld: Withheld) -> Result<i64, Error> {
        self.write(move |db| withhold(db, &census, &withheld)).await
    }

    /// Ends the withheld run of an account: nothing needs an approval any more.
    pub(crate) async fn settle_withheld(&self, census: Census) -> Result<(), Error> {
        self.write(move |db| settle(db, &census)).await
    }

    /// Applies the deletions of a withheld run, or tells a person why not.
    pub(crate) async fn approve(&self, run: i64, at: String) -> Result<Result<Approved, String>, Error> {
        self.write(move |db| approve(db, run, &at)).await
    }
}

/// Writes down what is withheld, and tells the number of the run by which a person approves it. While the same
/// rows are absent, the number stays.
fn withhold(database: &mut Database, census: &Census, withheld: &Withheld) -> Result<i64, Error> {
    let Withheld { read, expected, absent, why } = withheld;
    let (entity, feed, at) = (census.entity.name, &census.feed, &census.at);
    let (tx, _) = database.begin()?;
    let waiting = "SELECT max(run_id) FROM reconcile_runs WHERE feed_id = ?1 AND state = 'withheld'";
    let waiting: Option<i64> = value(&tx, waiting, [feed])?;
    let differs = "SELECT EXISTS (SELECT key FROM census_absent WHERE entity = ?1 AND feed_id = ?2
             EXCEPT SELECT listing_id FROM reconcile_absent WHERE run_id = ?3)
         OR EXISTS (SELECT listing_id FROM reconcile_absent WHERE run_id = ?3
             EXCEPT SELECT key FROM census_absent WHERE entity = ?1 AND feed_id = ?2)";
    let same = waiting.map(|run| value(&tx, differs, params![entity, feed, run]).map(|differs: bool| (run, differs))).transpose()?;
    let run = match same {
        Some((run, false)) => run,
        _ => {
            let over = "UPDATE reconcile_runs SET state = 'failed', note = 'other rows are absent now', ended_at = ?2
                 WHERE feed_id = ?1 AND state = 'withheld'";
            tx.execute(over, params![feed, at])?;
            let begin = "INSERT INTO reconcile_runs (feed_id, state, dry_run, from_date, to_date, started_at) VALUES (?1, 'withheld', 0, ?2, ?3, ?4)";
            tx.execute(begin, params![feed, Stamp::FIRST, Stamp::NO_END, at])?;
            let run = tx.last_insert_rowid();
            let keep = "INSERT INTO reconcile_absent (run_id, listing_id, verdict)
                 SELECT ?3, key, 'unasked' FROM census_absent WHERE entity = ?1 AND feed_id = ?2";
            tx.execute(keep, params![entity, feed, run])?;
            run
        }
    };
    tx.execute(
        "UPDATE reconcile_runs SET ended_at = ?2, read = ?3, live_before = ?4, absent = ?5, note = ?6 WHERE run_id = ?1",
        params![run, census.at, read, expected, absent, why],
    )?;
    tx.commit()?;
    Ok(run)
}

/// Nothing waits any more: the vendor returns what was missing.
fn settle(database: &mut Database, census: &Census) -> Result<(), Error> {
    let sql = "UPDATE reconcile_runs SET state = 'done', ended_at = ?2, note = 'no deletion is withheld any more'
         WHERE feed_id = ?1 AND state = 'withheld'";
    Ok(database.connection.execute(sql, params![census.feed, census.at]).map(drop)?)
}

/// The kind of thing whose rows an account has; `None` where it is a feed.
fn entity_of(connection: &Connection, account: &FeedId, entities: &[&'static Entity]) -> rusqlite::Result<Option<&'static Entity>> {
    let sql = "SELECT entity FROM censuses WHERE feed_id = ?1 AND NOT EXISTS (SELECT 1 FROM feeds WHERE feeds.feed_id = ?1)";
    let name: Option<String> = connection.query_row(sql, [account], |row| row.get(0)).optional()?;
    let is_account = |entity: &&&Entity| entity.deletions == Deletions::Absence(Confirmed::Both);
    Ok(entities.iter().filter(is_account).find(|entity| name.as_deref() == Some(entity.name)).copied())
}

/// Deletes what a withheld run found absent: a person has looked. Or tells that person why not.
fn approve(database: &mut Database, number: i64, at: &str) -> Result<Result<Approved, String>, Error> {
    let waiting = numbered(&database.connection, number)?.filter(|run| run.state == "withheld");
    let entities = database.entities();
    if let Some(run) = waiting
        && let Some(entity) = entity_of(&database.connection, &run.feed, &entities)?
    {
        return Ok(Ok(approve_account(database, run.id, (entity, run.feed), at)?));
    }
    reconcile_absent::approve(database, number, at)
}

/// Deletes what is withheld of an account.
fn approve_account(database: &mut Database, run: i64, (entity, account): (&'static Entity, FeedId), at: &str) -> Result<Approved, Error> {
    let (tx, sql) = database.begin_on(entity)?;
    // What came back since then is not absent any more.
    let absent = "SELECT key FROM census_absent JOIN reconcile_absent ON run_id = ?3 AND listing_id = key
         WHERE entity = ?1 AND feed_id = ?2";
    let absent: Vec<ListingId> = rows(&tx, absent, params![entity.name, account, run], |row| row.get(0))?;
    let before = changes::newest(&tx)?;
    let mut deleted = 0;
    for id in &absent {
        let key = ListingKey { feed: account.clone(), listing: id.clone() };
        deleted += u64::from(apply(&tx, sql, Incoming::without_record(&key, News::Absent), Hearing::at(at))?.kind.is_change());
        census::forget_absence(&tx, entity, &account, id)?;
    }
    changes::mark_bulk(&tx, entity, before)?;
    tx.execute("UPDATE reconcile_runs SET state = 'approved', ended_at = ?2, deleted = ?3 WHERE run_id = ?1", params![run, at, deleted])?;
    // The next reading stores the user of the present credential.
    let sql = "UPDATE censuses SET credential = NULL, absent = 0, problem = NULL WHERE feed_id = ?1 AND entity = ?2";
    tx.execute(sql, params![account, entity.name])?;
    tx.commit()?;
    Ok(Approved { feed: account, deleted, kept: absent.len() as u64 - deleted })
}
