//! What other processes ask of the one that mirrors: it alone asks the vendor, so it alone keeps to the budget.

use super::Error;
use crate::record::{FeedId, ListingId, ListingKey};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

/// Errands that are taken at a time.
const AT_ONCE: u32 = 8;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrandKind {
    /// Reconcile a feed.
    Reconcile {
        /// The feed.
        feed: FeedId,
        /// Change nothing.
        dry_run: bool,
    },
    /// Ask the vendor for a listing.
    Ask(ListingKey),
}

/// An errand that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errand {
    /// Its number.
    pub id: i64,
    /// What is asked.
    pub kind: ErrandKind,
}

/// How an errand ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrandResult {
    /// Its run is over, or the vendor does not have the listing.
    Done,
    /// The vendor's record, as sent.
    Answer(String),
    /// Why it could not be done.
    Failed(String),
}

/// How far an errand is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrandState {
    /// Its reconcile run, once it has begun.
    pub run: Option<i64>,
    /// How it ended; `None` while it has not.
    pub result: Option<ErrandResult>,
}

/// Leaves an errand; tells its number.
pub(super) fn leave(connection: &Connection, kind: &ErrandKind, at: &str) -> Result<i64, Error> {
    let (word, feed, listing) = match kind {
        ErrandKind::Reconcile { feed, dry_run: false } => ("reconcile", feed, None),
        ErrandKind::Reconcile { feed, dry_run: true } => ("dry_run", feed, None),
        ErrandKind::Ask(key) => ("ask", &key.feed, Some(&key.listing.0)),
    };
    let mut statement = connection.prepare_cached("INSERT INTO errands (kind, feed_id, listing_id, left_at) VALUES (?1, ?2, ?3, ?4)")?;
    Ok(statement.insert(params![word, feed.0, listing, at])?)
}

/// Takes the errands that nobody has taken yet; most of the time there is none, and nothing is written.
pub(super) fn take(connection: &mut Connection, at: &str) -> Result<Vec<Errand>, Error> {
    const WAITING: &str = "SELECT errand_id, kind, feed_id, listing_id FROM errands WHERE taken_at IS NULL ORDER BY errand_id LIMIT ?1";
    let tx = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
    let mut errands = Vec::new();
    {
        let mut statement = tx.prepare_cached(WAITING)?;
        let mut rows = statement.query([AT_ONCE])?;
        while let Some(row) = rows.next()? {
            let feed = FeedId(text(row, 2)?);
            let kind = match text(row, 1)?.as_str() {
                "ask" => ErrandKind::Ask(ListingKey { feed, listing: ListingId(text(row, 3)?) }),
                word => ErrandKind::Reconcile { feed, dry_run: word == "dry_run" },
            };
            errands.push(Errand { id: row.get(0)?, kind });
        }
    }
    for errand in &errands {
        tx.prepare_cached("UPDATE errands SET taken_at = ?2 WHERE errand_id = ?1")?.execute(params![errand.id, at])?;
    }
    tx.commit()?;
    Ok(errands)
}

/// Whatever another program has written: one odd row must not hold up the others.
fn text(row: &Row, column: usize) -> rusqlite::Result<String> {
    let value = row.get_ref(column)?;
    Ok(value.as_bytes_or_null().ok().flatten().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default())
}

/// Tells which run does an errand.
pub(super) fn begin(connection: &Connection, errand: i64, run: i64) -> Result<(), Error> {
    connection.execute("UPDATE errands SET run_id = ?2 WHERE errand_id = ?1", [errand, run])?;
    Ok(())
}

/// Tells how an errand ended.
pub(super) fn end(connection: &Connection, errand: i64, result: &ErrandResult, at: &str) -> Result<(), Error> {
    let (answer, note) = match result {
        ErrandResult::Done => (None, None),
        ErrandResult::Answer(record) => (Some(record), None),
        ErrandResult::Failed(why) => (None, Some(why)),
    };
    connection.execute(
        "UPDATE errands SET ended_at = ?2, answer = ?3, note = ?4 WHERE errand_id = ?1 AND ended_at IS NULL",
        params![errand, at, answer, note],
    )?;
    Ok(())
}

/// Forgets errands that ended, and ends those that an earlier process has left undone.
pub(super) fn clear(connection: &mut Connection, at: &str) -> Result<(), Error> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute("DELETE FROM errands WHERE ended_at IS NOT NULL", [])?;
    tx.execute(
        "UPDATE errands SET taken_at = coalesce(taken_at, ?1), ended_at = ?1, note = 'the process that was to do it has ended'
         WHERE taken_at IS NOT NULL",
        [at],
    )?;
    tx.commit()?;
    Ok(())
}

/// Takes an errand back, unless its run has begun.
pub(super) fn withdraw(connection: &Connection, errand: i64, at: &str) -> Result<(), Error> {
    connection.execute(
        "UPDATE errands SET taken_at = coalesce(taken_at, ?2), ended_at = ?2, note = 'withdrawn'
         WHERE errand_id = ?1 AND run_id IS NULL AND ended_at IS NULL",
        params![errand, at],
    )?;
    Ok(())
}

/// Whether somebody still waits for it.
pub(super) fn is_wanted(connection: &Connection, errand: i64) -> Result<bool, Error> {
    let mut statement = connection.prepare_cached("SELECT ended_at IS NULL FROM errands WHERE errand_id = ?1")?;
    Ok(statement.query_row([errand], |row| row.get(0)).optional()?.unwrap_or(false))
}

/// How far an errand is; `None` if it is not there.
pub(super) fn state(connection: &Connection, errand: i64) -> Result<Option<ErrandState>, Error> {
    let mut statement = connection.prepare_cached("SELECT run_id, ended_at, answer, note FROM errands WHERE errand_id = ?1")?;
    let state = statement.query_row([errand], |row| {
        let (ended, answer, note): (Option<String>, Option<String>, Option<String>) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let result = match (answer, note) {
            (_, Some(why)) => ErrandResult::Failed(why),
            (Some(record), None) => ErrandResult::Answer(record),
            (None, None) => ErrandResult::Done,
        };
        Ok(ErrandState { run: row.get(0)?, result: ended.map(|_| result) })
    });
    Ok(state.optional()?)
}
