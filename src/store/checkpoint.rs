//! Cursors, coverage and windows: where the reading of a feed stands, saved and loaded.

use super::error::Error;
use super::windows;
use crate::plan::checkpoint::{Checkpoint, LookbackTimes, Open, Saved, SavedScan, WindowSave, WindowState};
use crate::plan::coverage::Coverage;
use crate::plan::options::Purpose;
use crate::plan::page::Mark;
use crate::plan::paging::{Progress, Reading};
use crate::plan::window::{FromRule, StreamState, Task};
use crate::record::{FeedId, ListingId, Stamp, Stream, Window};
use rusqlite::{Connection, Row, params};
use std::collections::{BTreeMap, BTreeSet};

/// Saves a checkpoint.
pub(super) fn save(tx: &Connection, checkpoint: &Checkpoint, at: &str) -> Result<(), Error> {
    let feed = &checkpoint.feed;
    if let Some(state) = &checkpoint.state {
        save_state(tx, feed, checkpoint.stream, state)?;
    }
    for (name, times) in &checkpoint.lookbacks {
        tx.prepare_cached("INSERT OR REPLACE INTO lookbacks (feed_id, name, begun_at, done_at) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![feed.0, name, times.begun.to_string(), times.done.to_string()])?;
    }
    if checkpoint.round_proven {
        tx.prepare_cached("UPDATE feeds SET polled_at = ?2 WHERE feed_id = ?1")?.execute(params![feed.0, at])?;
    }
    if let Some(window) = &checkpoint.window {
        save_window(tx, checkpoint, window, at)?;
    }
    Ok(())
}

fn save_state(tx: &Connection, feed: &FeedId, stream: Stream, state: &StreamState) -> Result<(), Error> {
    tx.prepare_cached(
        "INSERT INTO cursors (feed_id, status, cursor, newest, aligned, from_rule) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (feed_id, status) DO UPDATE SET cursor = ?3, newest = ?4, aligned = ?5, from_rule = ?6",
    )?
    .execute(params![feed.0, stream.status(), text(state.cursor), text(state.newest), state.aligned, rule_name(state.from_rule)])?;
    if load_coverage(tx, feed, stream)? != state.coverage {
        save_coverage(tx, feed, stream, &state.coverage)?;
    }
    Ok(())
}

/// Marks the streams that are polled.
pub(super) fn poll(connection: &Connection, feed: &FeedId, streams: &[Stream]) -> Result<(), Error> {
    let mut statement = connection.prepare_cached("UPDATE cursors SET polled = ?3 WHERE feed_id = ?1 AND status = ?2 AND polled <> ?3")?;
    for stream in [Stream::All, Stream::Active, Stream::Sold, Stream::Deleted] {
        statement.execute(params![feed.0, stream.status(), streams.contains(&stream)])?;
    }
    Ok(())
}

fn save_coverage(tx: &Connection, feed: &FeedId, stream: Stream, coverage: &Coverage) -> Result<(), Error> {
    tx.prepare_cached("DELETE FROM covered WHERE feed_id = ?1 AND status = ?2")?.execute(params![feed.0, stream.status()])?;
    let mut insert = tx.prepare_cached("INSERT INTO covered (feed_id, status, from_date, to_date) VALUES (?1, ?2, ?3, ?4)")?;
    for window in coverage.windows() {
        insert.execute(params![feed.0, stream.status(), window.from.to_string(), window.to.to_string()])?;
    }
    Ok(())
}

/// A feed has at most one open window for each kind of work.
fn save_window(tx: &Connection, checkpoint: &Checkpoint, save: &WindowSave, at: &str) -> Result<(), Error> {
    let (feed, purpose) = (&checkpoint.feed, checkpoint.purpose);
    if save.begins {
        windows::cut_open(tx, feed, purpose, at)?;
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

/// Loads what the file remembers of a feed.
pub(super) fn load(connection: &Connection, feed: &FeedId) -> Result<Saved, Error> {
    Ok(Saved {
        streams: load_streams(connection, feed)?,
        open: load_open(connection, feed)?,
        lookbacks: load_lookbacks(connection, feed)?,
        scan: load_scan(connection, feed)?,
        last_scan: load_last_scan(connection, feed)?,
    })
}

/// Loads where the streams of a feed stand.
pub(super) fn load_streams(connection: &Connection, feed: &FeedId) -> Result<BTreeMap<Stream, StreamState>, Error> {
    let mut streams = BTreeMap::new();
    let mut statement =
        connection.prepare_cached("SELECT status, cursor, newest, aligned, from_rule FROM cursors WHERE feed_id = ?1 ORDER BY status")?;
    let mut rows = statement.query([&feed.0])?;
    while let Some(row) = rows.next()? {
        let stream = stream_of(row.get(0)?)?;
        let state = StreamState {
            cursor: stamp_at(row, 1)?,
            newest: stamp_at(row, 2)?,
            aligned: row.get(3)?,
            from_rule: rule_of(&row.get::<_, String>(4)?)?,
            coverage: load_coverage(connection, feed, stream)?,
        };
        streams.insert(stream, state);
    }
    Ok(streams)
}

fn load_lookbacks(connection: &Connection, feed: &FeedId) -> Result<BTreeMap<String, LookbackTimes>, Error> {
    let mut statement = connection.prepare_cached("SELECT name, begun_at, done_at FROM lookbacks WHERE feed_id = ?1")?;
    let mut rows = statement.query([&feed.0])?;
    let mut times = BTreeMap::new();
    while let Some(row) = rows.next()? {
        times.insert(row.get(0)?, LookbackTimes { begun: needed(row, 1)?, done: needed(row, 2)? });
    }
    Ok(times)
}

/// When the last reconcile began; where there was none, when the feed was adopted.
fn load_last_scan(connection: &Connection, feed: &FeedId) -> Result<Option<Stamp>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT max(at) FROM (SELECT started_at AS at FROM reconcile_runs WHERE feed_id = ?1 AND NOT dry_run
             UNION ALL SELECT added_at FROM feeds WHERE feed_id = ?1)",
    )?;
    statement.query_row([&feed.0], |row| row.get::<_, Option<String>>(0))?.map(|text| stamp_of(&text)).transpose()
}

/// The run that is under way: what it has read is what its proven windows claim.
fn load_scan(connection: &Connection, feed: &FeedId) -> Result<Option<SavedScan>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT run_id, from_date, to_date, state FROM reconcile_runs
         WHERE feed_id = ?1 AND state IN ('scanning', 'confirming') AND NOT dry_run",
    )?;
    let mut rows = statement.query([&feed.0])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let run: i64 = row.get(0)?;
    let range = Window { from: needed(row, 1)?, to: needed(row, 2)? };
    let confirming = row.get::<_, String>(3)? == "confirming";
    let mut coverage: BTreeMap<Stream, Coverage> = BTreeMap::from([(Stream::All, Coverage::default())]);
    let mut doubtful = false;
    let mut statement = connection
        .prepare_cached("SELECT status, claim_from, claim_to, state FROM windows WHERE run_id = ?1 AND state IN ('complete', 'suspect')")?;
    let mut rows = statement.query([run])?;
    while let Some(row) = rows.next()? {
        doubtful |= row.get::<_, String>(3)? == "suspect";
        coverage.entry(stream_of(row.get(0)?)?).or_default().insert(Window { from: needed(row, 1)?, to: needed(row, 2)? });
    }
    let polls_deletions = "SELECT count(*) FROM cursors WHERE feed_id = ?1 AND status = 3 AND polled";
    if connection.query_row(polls_deletions, [&feed.0], |row| row.get::<_, bool>(0))? {
        coverage.entry(Stream::Deleted).or_default();
    }
    let to_confirm = confirming.then(|| unasked(connection, run)).transpose()?;
    let asked = "SELECT count(*) FROM reconcile_absent WHERE run_id = ?1 AND verdict <> 'unasked'";
    let asked = connection.query_row(asked, [run], |row| row.get::<_, i64>(0))?.unsigned_abs();
    Ok(Some(SavedScan { range, coverage, doubtful, to_confirm, asked }))
}

/// The rows that a run's reading lacks and that were not asked about yet.
pub(super) fn unasked(connection: &Connection, run: i64) -> Result<Vec<ListingId>, Error> {
    let mut statement = connection
        .prepare_cached("SELECT listing_id FROM reconcile_absent WHERE run_id = ?1 AND verdict = 'unasked' ORDER BY listing_id")?;
    Ok(statement.query_map([run], |row| Ok(ListingId(row.get(0)?)))?.collect::<rusqlite::Result<_>>()?)
}

fn load_coverage(connection: &Connection, feed: &FeedId, stream: Stream) -> Result<Coverage, Error> {
    let mut statement =
        connection.prepare_cached("SELECT from_date, to_date FROM covered WHERE feed_id = ?1 AND status = ?2 ORDER BY from_date")?;
    let mut rows = statement.query(params![feed.0, stream.status()])?;
    let mut windows = Vec::new();
    while let Some(row) = rows.next()? {
        windows.push(Window { from: needed(row, 0)?, to: needed(row, 1)? });
    }
    Ok(Coverage::new(windows))
}

fn load_open(connection: &Connection, feed: &FeedId) -> Result<Vec<(Purpose, Open)>, Error> {
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

/// Reads a stamp that this program wrote.
pub(super) fn stamp_of(text: &str) -> Result<Stamp, Error> {
    Stamp::parse(text).ok_or_else(|| Error::Strange(format!("the date {text:?}")))
}

fn stamp_at(row: &Row, index: usize) -> Result<Option<Stamp>, Error> {
    row.get::<_, Option<String>>(index)?.map(|text| stamp_of(&text)).transpose()
}

fn needed(row: &Row, index: usize) -> Result<Stamp, Error> {
    stamp_of(&row.get::<_, String>(index)?)
}

fn text(stamp: Option<Stamp>) -> Option<String> {
    stamp.map(|stamp| stamp.to_string())
}

/// Reads a stream's number that this program wrote.
pub(super) fn stream_of(status: u8) -> Result<Stream, Error> {
    Stream::try_from(status).map_err(Error::Strange)
}

fn rule_name(rule: FromRule) -> &'static str {
    match rule {
        FromRule::Exact => "exact",
        FromRule::Midnight => "midnight",
        FromRule::Ignored => "ignored",
    }
}

fn rule_of(name: &str) -> Result<FromRule, Error> {
    let rules = [FromRule::Exact, FromRule::Midnight, FromRule::Ignored];
    rules.into_iter().find(|rule| rule_name(*rule) == name).ok_or_else(|| Error::Strange(format!("the rule {name:?}")))
}

fn purpose_of(name: &str) -> Result<Purpose, Error> {
    Purpose::ALL.into_iter().find(|purpose| purpose.word() == name).ok_or_else(|| Error::Strange(format!("the purpose {name:?}")))
}

fn state_name(state: WindowState) -> &'static str {
    match state {
        WindowState::Open => "open",
        WindowState::Complete => "complete",
        WindowState::Suspect => "suspect",
        WindowState::Cut => "cut",
    }
}
