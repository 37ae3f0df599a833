//! Cursors and coverage: where the reading of a feed stands, saved and loaded.

use super::error::Error;
use super::text::{needed, rule_name, rule_of, stamp_at, stamp_of, stream_of, text};
use super::{reconcile_run, windows};
use crate::plan::checkpoint::{Checkpoint, LookbackTimes, Saved, SavedScan};
use crate::plan::coverage::Coverage;
use crate::plan::window::StreamState;
use crate::record::{FeedId, Stamp, Stream, Window};
use rusqlite::{Connection, params};
use std::collections::BTreeMap;

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
        windows::save(tx, checkpoint, window, at)?;
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

/// Loads what the file remembers of a feed.
pub(super) fn load(connection: &Connection, feed: &FeedId) -> Result<Saved, Error> {
    Ok(Saved {
        streams: load_streams(connection, feed)?,
        open: windows::load_open(connection, feed)?,
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
    let to_confirm = confirming.then(|| reconcile_run::unasked(connection, run)).transpose()?;
    let asked = "SELECT count(*) FROM reconcile_absent WHERE run_id = ?1 AND verdict <> 'unasked'";
    let asked = connection.query_row(asked, [run], |row| row.get::<_, i64>(0))?.unsigned_abs();
    Ok(Some(SavedScan { range, coverage, doubtful, to_confirm, asked }))
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
