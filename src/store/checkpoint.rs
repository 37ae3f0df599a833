//! Cursors and coverage: where the reading of a feed stands, saved and loaded.

use super::query::{rows, value};
use super::{known_gaps, lateness, load, reconcile_run, windows};
use crate::plan::checkpoint::{Checkpoint, LookbackTimes, Saved, SavedScan};
use crate::plan::coverage::Coverage;
use crate::plan::window::{FromRule, StreamState};
use crate::record::{FeedId, Stamp, Stream, Window};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;

/// Saves a checkpoint.
pub(super) fn save(tx: &Connection, checkpoint: &Checkpoint, at: &str) -> rusqlite::Result<()> {
    let feed = &checkpoint.feed;
    if let Some(state) = &checkpoint.state {
        save_state(tx, feed, checkpoint.stream, state)?;
    }
    for (name, times) in &checkpoint.lookbacks {
        tx.prepare_cached(
            "INSERT INTO lookbacks (feed_id, name, begun_at, done_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (feed_id, name) DO UPDATE SET begun_at = ?3, done_at = ?4 WHERE (begun_at, done_at) IS NOT (?3, ?4)",
        )?
        .execute(params![feed, name, times.begun, times.done])?;
    }
    if checkpoint.round_proven {
        tx.prepare_cached("UPDATE feeds SET polled_at = ?2 WHERE feed_id = ?1")?.execute(params![feed, at])?;
    }
    if let Some(cost) = &checkpoint.load {
        load::count(tx, feed, cost, at)?;
    }
    if let Some(window) = &checkpoint.window {
        windows::save(tx, checkpoint, window, at)?;
    }
    Ok(())
}

fn save_state(tx: &Connection, feed: &FeedId, stream: Stream, state: &StreamState) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO cursors (feed_id, status, cursor, newest, aligned, from_rule) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (feed_id, status) DO UPDATE SET cursor = ?3, newest = ?4, aligned = ?5, from_rule = ?6
             WHERE (cursor, newest, aligned, from_rule) IS NOT (?3, ?4, ?5, ?6)",
    )?
    .execute(params![feed, stream, state.cursor, state.newest, state.aligned, state.from_rule])?;
    if load_coverage(tx, feed, stream)? != state.coverage {
        save_coverage(tx, feed, stream, &state.coverage)?;
    }
    Ok(())
}

/// Marks the streams that are polled. One of which nothing was read yet counts, too: its feed is not complete.
pub(super) fn poll(connection: &Connection, feed: &FeedId, streams: &[Stream]) -> rusqlite::Result<()> {
    let begin = "INSERT INTO cursors (feed_id, status, aligned, from_rule) VALUES (?1, ?2, FALSE, ?3) ON CONFLICT DO NOTHING";
    let mut begin = connection.prepare_cached(begin)?;
    for stream in streams {
        begin.execute(params![feed, stream, FromRule::default()])?;
    }
    let mut statement = connection.prepare_cached("UPDATE cursors SET polled = ?3 WHERE feed_id = ?1 AND status = ?2 AND polled <> ?3")?;
    for stream in [Stream::All, Stream::Active, Stream::Sold, Stream::Deleted] {
        statement.execute(params![feed, stream, streams.contains(&stream)])?;
    }
    Ok(())
}

fn save_coverage(tx: &Connection, feed: &FeedId, stream: Stream, coverage: &Coverage) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM covered WHERE feed_id = ?1 AND status = ?2")?.execute(params![feed, stream])?;
    let mut insert = tx.prepare_cached("INSERT INTO covered (feed_id, status, from_date, to_date) VALUES (?1, ?2, ?3, ?4)")?;
    for window in coverage.windows() {
        insert.execute(params![feed, stream, window.from, window.to])?;
    }
    Ok(())
}

/// Loads what the file remembers of a feed.
pub(super) fn load(connection: &Connection, feed: &FeedId) -> rusqlite::Result<Saved> {
    Ok(Saved {
        streams: load_streams(connection, feed)?,
        open: windows::load_open(connection, feed)?,
        known_gaps: known_gaps::load(connection, feed)?,
        lookbacks: load_lookbacks(connection, feed)?,
        late: lateness::latest(connection, feed)?,
        scan: load_scan(connection, feed)?,
        last_scan: load_last_scan(connection, feed)?,
        loaded: value(connection, "SELECT count(*) FROM feeds WHERE feed_id = ?1 AND loaded_at IS NOT NULL", [feed])?,
    })
}

/// Loads where the streams of a feed stand.
pub(super) fn load_streams(connection: &Connection, feed: &FeedId) -> rusqlite::Result<BTreeMap<Stream, StreamState>> {
    rows(connection, "SELECT status, cursor, newest, aligned, from_rule FROM cursors WHERE feed_id = ?1", [feed], |row| {
        let (stream, cursor, newest, aligned, from_rule) = row.try_into()?;
        Ok((stream, StreamState { cursor, newest, aligned, from_rule, coverage: load_coverage(connection, feed, stream)? }))
    })
}

fn load_lookbacks(connection: &Connection, feed: &FeedId) -> rusqlite::Result<BTreeMap<String, LookbackTimes>> {
    rows(connection, "SELECT name, begun_at, done_at FROM lookbacks WHERE feed_id = ?1", [feed], |row| {
        Ok((row.get(0)?, LookbackTimes { begun: row.get(1)?, done: row.get(2)? }))
    })
}

/// When the last reconcile began; where there was none, when the feed was adopted.
fn load_last_scan(connection: &Connection, feed: &FeedId) -> rusqlite::Result<Option<Stamp>> {
    let sql = "SELECT max(at) FROM (SELECT started_at AS at FROM reconcile_runs WHERE feed_id = ?1 AND NOT dry_run
             UNION ALL SELECT added_at FROM feeds WHERE feed_id = ?1)";
    value(connection, sql, [feed])
}

/// The run that is under way: what it has read is what its proven windows claim.
fn load_scan(connection: &Connection, feed: &FeedId) -> rusqlite::Result<Option<SavedScan>> {
    let sql = "SELECT run_id, from_date, to_date, state = 'confirming' FROM reconcile_runs
         WHERE feed_id = ?1 AND state IN ('scanning', 'confirming') AND NOT dry_run";
    let under_way: Option<(i64, Stamp, Stamp, bool)> = connection.query_row(sql, [feed], |row| row.try_into()).optional()?;
    let Some((run, from, to, confirming)) = under_way else { return Ok(None) };
    let sql = "SELECT status, claim_from, claim_to, state = 'suspect' FROM windows WHERE run_id = ?1 AND state IN ('complete', 'suspect')";
    let windows: Vec<(Stream, Stamp, Stamp, bool)> = rows(connection, sql, [run], |row| row.try_into())?;
    let mut unproven: BTreeMap<Stream, Coverage> = BTreeMap::new();
    let mut coverage = BTreeMap::from([(Stream::All, Coverage::default())]);
    if value(connection, "SELECT count(*) FROM cursors WHERE feed_id = ?1 AND status = 3 AND polled", [feed])? {
        coverage.insert(Stream::Deleted, Coverage::default());
    }
    for (stream, from, to, suspect) in windows {
        coverage.entry(stream).or_default().insert(Window { from, to });
        if suspect {
            unproven.entry(stream).or_default().insert(Window { from, to });
        }
    }
    let to_confirm = confirming.then(|| reconcile_run::unasked(connection, run)).transpose()?;
    let asked = value(connection, "SELECT count(*) FROM reconcile_absent WHERE run_id = ?1 AND verdict <> 'unasked'", [run])?;
    Ok(Some(SavedScan { range: Window { from, to }, coverage, unproven, to_confirm, asked }))
}

fn load_coverage(connection: &Connection, feed: &FeedId, stream: Stream) -> rusqlite::Result<Coverage> {
    let sql = "SELECT from_date, to_date FROM covered WHERE feed_id = ?1 AND status = ?2 ORDER BY from_date";
    let windows: Vec<_> = rows(connection, sql, params![feed, stream], |row| Ok(Window { from: row.get(0)?, to: row.get(1)? }))?;
    Ok(Coverage::new(windows))
}
