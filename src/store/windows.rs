//! The windows of a feed: saved while they are read, loaded by another process, given up. One is open for each kind of work.

use super::error::Error;
use super::text::{needed, purpose_of, state_name, stream_of};
use crate::plan::checkpoint::{Checkpoint, Open, WindowSave, WindowState};
use crate::plan::options::Purpose;
use crate::plan::page::Mark;
use crate::plan::paging::{Progress, Reading};
use crate::plan::window::Task;
use crate::record::{FeedId, Window};
use rusqlite::{Connection, params};
use std::collections::BTreeSet;

/// Saves a window with the checkpoint that it belongs to.
pub(super) fn save(tx: &Connection, checkpoint: &Checkpoint, save: &WindowSave, at: &str) -> Result<(), Error> {
    let (feed, purpose) = (&checkpoint.feed, checkpoint.purpose);
    if save.begins {
        cut_open(tx, feed, purpose, at)?;
        insert_window(tx, checkpoint, save, at)?;
    }
    let id: i64 = tx
        .prepare_cached("SELECT window_id FROM windows WHERE feed_id = ?1 AND purpose = ?2 AND state = 'open'")?
        .query_row(params![feed.0, purpose.word()], |row| row.get(0))?;
    let progress = &save.progress;
    let closed_at = (save.state != WindowState::Open).then_some(at);
    tx.prepare_cached(
        "UPDATE windows SET state = ?2, next_page = ?3, page_size = ?4, total_first = ?5, total_last = ?6, keys_seen = ?7,
             passes = ?8, grew = ?9, strict = ?10, closed_at = ?11 WHERE window_id = ?1",
    )?
    .execute(params![
        id,
        state_name(save.state),
        progress.next_page,
        progress.page_size as i64,
        progress.total_first as i64,
        progress.total_last as i64,
        progress.keys_seen as i64,
        progress.passes,
        progress.grew,
        progress.strict,
        closed_at,
    ])?;
    save_marks(tx, id, save)?;
    if save.state != WindowState::Open && matches!(purpose, Purpose::Poll | Purpose::Lookback) {
        prune_windows(tx, feed, at)?;
    }
    Ok(())
}

/// Polls leave one row per minute: those that have nothing more to tell than the coverage does go after a month.
fn prune_windows(tx: &Connection, feed: &FeedId, at: &str) -> Result<(), Error> {
    tx.prepare_cached(
        "DELETE FROM windows WHERE feed_id = ?1 AND state IN ('complete', 'cut') AND purpose IN ('poll', 'lookback')
             AND closed_at < strftime('%Y-%m-%dT%H:%M:%fZ', ?2, '-30 days')",
    )?
    .execute(params![feed.0, at])?;
    Ok(())
}

fn insert_window(tx: &Connection, checkpoint: &Checkpoint, save: &WindowSave, at: &str) -> Result<(), Error> {
    let task = &save.task;
    let mut statement = tx.prepare_cached(
        "INSERT INTO windows (feed_id, status, purpose, state, from_date, to_date, claim_from, claim_to, next_page, page_size,
             total_first, total_last, keys_seen, passes, grew, strict, opened, opened_at, run_id)
         VALUES (?1, ?2, ?3, 'open', ?4, ?5, ?6, ?7, 1, 0, 0, 0, 0, 0, 0, 0, ?8, ?9,
             iif(?3 = 'scan', (SELECT run_id FROM reconcile_runs WHERE feed_id = ?1 AND state = 'scanning'), NULL))",
    )?;
    statement.insert(params![
        checkpoint.feed.0,
        task.stream.status(),
        checkpoint.purpose.word(),
        task.asked.from.to_string(),
        task.asked.to.to_string(),
        task.claim.from.to_string(),
        task.claim.to.to_string(),
        save.opened.to_string(),
        at,
    ])?;
    Ok(())
}

fn save_marks(tx: &Connection, id: i64, save: &WindowSave) -> Result<(), Error> {
    if save.forget_marks {
        tx.prepare_cached("DELETE FROM window_marks WHERE window_id = ?1")?.execute([id])?;
    }
    let mut insert = tx.prepare_cached("INSERT OR IGNORE INTO window_marks (window_id, mark) VALUES (?1, ?2)")?;
    for mark in &save.marks {
        insert.execute(params![id, &**mark])?;
    }
    Ok(())
}

/// Gives up the window that a feed has open for a purpose, if there is one: at most one may be open.
pub(super) fn cut_open(connection: &Connection, feed: &FeedId, purpose: Purpose, at: &str) -> rusqlite::Result<()> {
    const OPEN: &str = "feed_id = ?1 AND purpose = ?2 AND state = 'open'";
    let about = params![feed.0, purpose.word()];
    connection
        .prepare_cached(&format!("DELETE FROM window_marks WHERE window_id IN (SELECT window_id FROM windows WHERE {OPEN})"))?
        .execute(about)?;
    connection
        .prepare_cached(&format!("UPDATE windows SET state = 'cut', closed_at = ?3 WHERE {OPEN}"))?
        .execute(params![feed.0, purpose.word(), at])
        .map(drop)
}

/// Loads the windows that are being read.
pub(super) fn load_open(connection: &Connection, feed: &FeedId) -> Result<Vec<(Purpose, Open)>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT window_id, status, purpose, from_date, to_date, claim_from, claim_to, opened, next_page, page_size,
             total_first, total_last, passes, grew, strict
         FROM windows WHERE feed_id = ?1 AND state = 'open' AND (run_id IS NULL OR run_id IN
             (SELECT run_id FROM reconcile_runs WHERE feed_id = ?1 AND state = 'scanning' AND NOT dry_run))
         ORDER BY window_id",
    )?;
    let mut rows = statement.query([&feed.0])?;
    let mut open = Vec::new();
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let task = Task {
            stream: stream_of(row.get(1)?)?,
            asked: Window { from: needed(row, 3)?, to: needed(row, 4)? },
            claim: Window { from: needed(row, 5)?, to: needed(row, 6)? },
        };
        let progress = Progress {
            next_page: row.get(8)?,
            page_size: row.get::<_, i64>(9)?.unsigned_abs(),
            total_first: row.get::<_, i64>(10)?.unsigned_abs(),
            total_last: row.get::<_, i64>(11)?.unsigned_abs(),
            passes: row.get(12)?,
            grew: row.get(13)?,
            strict: row.get(14)?,
            keys_seen: 0,
        };
        let reading = Reading::resume(progress, load_marks(connection, id)?);
        let purpose = purpose_of(&row.get::<_, String>(2)?)?;
        open.push((purpose, Open { task, reading, opened: needed(row, 7)?, saved: true }));
    }
    Ok(open)
}

fn load_marks(connection: &Connection, id: i64) -> Result<BTreeSet<Mark>, Error> {
    let mut statement = connection.prepare_cached("SELECT mark FROM window_marks WHERE window_id = ?1")?;
    Ok(statement.query_map([id], |row| row.get(0).map(|mark: String| mark.into()))?.collect::<rusqlite::Result<_>>()?)
}
