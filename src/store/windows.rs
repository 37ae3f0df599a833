//! The windows of a feed: saved while they are read, loaded by another process, given up. One may be open for each kind
//! of work and stream.

use super::query::{rows, value};
use crate::plan::checkpoint::{Checkpoint, Open, WindowSave, WindowState};
use crate::plan::options::Purpose;
use crate::plan::paging::Reading;
use crate::plan::progress::Progress;
use crate::plan::window::Task;
use crate::record::{FeedId, Stream, Window};
use rusqlite::{Connection, params};

/// Saves a window with the checkpoint that it belongs to.
pub(super) fn save(tx: &Connection, checkpoint: &Checkpoint, save: &WindowSave, at: &str) -> rusqlite::Result<()> {
    let (feed, purpose) = (&checkpoint.feed, checkpoint.purpose);
    if save.begins {
        cut_open(tx, feed, (purpose, Some(save.task.stream)), at)?;
        insert_window(tx, checkpoint, save, at)?;
    }
    let open = "SELECT window_id FROM windows WHERE feed_id = ?1 AND purpose = ?2 AND status = ?3 AND state = 'open'";
    let id: i64 = value(tx, open, params![feed, purpose, save.task.stream])?;
    let progress = &save.progress;
    // What a vendor claims may be more than a column holds.
    let held = |total: u64| total.min(i64::MAX as u64);
    let closed_at = (save.state != WindowState::Open).then_some(at);
    tx.prepare_cached(
        "UPDATE windows SET state = ?2, next_page = ?3, page_size = ?4, total_first = ?5, total_last = ?6, keys_seen = ?7,
             passes = ?8, grew = ?9, strict = ?10, closed_at = ?11 WHERE window_id = ?1",
    )?
    .execute(params![
        id,
        save.state,
        progress.next_page,
        progress.page_size,
        held(progress.total_first),
        held(progress.total_last),
        progress.keys_seen,
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
fn prune_windows(tx: &Connection, feed: &FeedId, at: &str) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "DELETE FROM windows WHERE feed_id = ?1 AND state IN ('complete', 'cut') AND purpose IN ('poll', 'lookback')
             AND closed_at < strftime('%Y-%m-%dT%H:%M:%fZ', ?2, '-30 days')",
    )?
    .execute(params![feed, at])
    .map(drop)
}

fn insert_window(tx: &Connection, checkpoint: &Checkpoint, save: &WindowSave, at: &str) -> rusqlite::Result<()> {
    let task = &save.task;
    let mut statement = tx.prepare_cached(
        "INSERT INTO windows (feed_id, status, purpose, state, from_date, to_date, claim_from, claim_to, next_page, page_size,
             total_first, total_last, keys_seen, passes, grew, strict, opened, opened_at, run_id)
         VALUES (?1, ?2, ?3, 'open', ?4, ?5, ?6, ?7, 1, 0, 0, 0, 0, 0, 0, 0, ?8, ?9,
             iif(?3 = 'scan', (SELECT run_id FROM reconcile_runs WHERE feed_id = ?1 AND state = 'scanning'), NULL))",
    )?;
    let (feed, purpose, asked, claim) = (&checkpoint.feed, checkpoint.purpose, task.asked, task.claim);
    statement.execute(params![feed, task.stream, purpose, asked.from, asked.to, claim.from, claim.to, save.opened, at]).map(drop)
}

fn save_marks(tx: &Connection, id: i64, save: &WindowSave) -> rusqlite::Result<()> {
    if save.forget_marks {
        tx.prepare_cached("DELETE FROM window_marks WHERE window_id = ?1")?.execute([id])?;
    }
    let mut insert = tx.prepare_cached("INSERT OR IGNORE INTO window_marks (window_id, mark) VALUES (?1, ?2)")?;
    for mark in &save.marks {
        insert.execute(params![id, mark])?;
    }
    Ok(())
}

/// Gives up the windows that a feed has open for a purpose: that of one stream, or of all.
pub(super) fn cut_open(connection: &Connection, feed: &FeedId, work: (Purpose, Option<Stream>), at: &str) -> rusqlite::Result<()> {
    const OPEN: &str = "feed_id = ?1 AND purpose = ?2 AND status = ifnull(?3, status) AND state = 'open'";
    let (purpose, stream) = work;
    let marks = format!("DELETE FROM window_marks WHERE window_id IN (SELECT window_id FROM windows WHERE {OPEN})");
    connection.prepare_cached(&marks)?.execute(params![feed, purpose, stream])?;
    let cut = format!("UPDATE windows SET state = 'cut', closed_at = ?4 WHERE {OPEN}");
    connection.prepare_cached(&cut)?.execute(params![feed, purpose, stream, at]).map(drop)
}

/// Loads the windows that are being read.
pub(super) fn load_open(connection: &Connection, feed: &FeedId) -> rusqlite::Result<Vec<(Purpose, Open)>> {
    let sql = "SELECT window_id, purpose, opened, status, from_date, to_date, claim_from, claim_to, next_page, page_size,
             total_first, total_last, passes, grew, strict
         FROM windows WHERE feed_id = ?1 AND state = 'open' AND (run_id IS NULL OR run_id IN
             (SELECT run_id FROM reconcile_runs WHERE feed_id = ?1 AND state = 'scanning' AND NOT dry_run))
         ORDER BY window_id";
    rows(connection, sql, [feed], |row| {
        let task = Task {
            stream: row.get(3)?,
            asked: Window { from: row.get(4)?, to: row.get(5)? },
            claim: Window { from: row.get(6)?, to: row.get(7)? },
        };
        let progress = Progress {
            next_page: row.get(8)?,
            page_size: row.get(9)?,
            total_first: row.get(10)?,
            total_last: row.get(11)?,
            passes: row.get(12)?,
            grew: row.get(13)?,
            strict: row.get(14)?,
            keys_seen: 0,
        };
        let marks = rows(connection, "SELECT mark FROM window_marks WHERE window_id = ?1", [row.get::<_, i64>(0)?], |row| row.get(0))?;
        Ok((row.get(1)?, Open { task, reading: Reading::resume(progress, marks), opened: row.get(2)?, saved: true }))
    })
}
