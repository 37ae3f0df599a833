//! What must hold at every moment, told by somebody who sees the world and the file and nothing between them.

use super::claims::{Claims, Moment};
use super::scenario::{FEED, Scenario};
use mls_sync::plan::checkpoint::{Checkpoint, WindowState};
use mls_sync::plan::options::Purpose;
use mls_sync::record::{ListingId, PageRequest, Stamp, Window};
use mls_sync::sandbox::World;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A version of a listing that requests can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) stamp: Stamp,
    pub(super) deleted: bool,
    /// The first request that could see it, and when that was.
    pub(super) since: u64,
    pub(super) seen_at: Stamp,
}

/// At a request, a listing's version went and another came.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) request: u64,
    pub(super) at: Stamp,
    pub(super) gone: Option<Version>,
    pub(super) came: Option<Version>,
}

/// What a consumer knows of a listing who reads `changes` alone.
#[derive(Clone, Debug, Default)]
struct View {
    live: bool,
    seq: i64,
    revived: u64,
    /// Its columns, to which each diff was applied.
    columns: Map<String, Value>,
}

#[derive(Debug, Default)]
pub(super) struct Oracle {
    pub(super) requests: u64,
    pub(super) visible: BTreeMap<String, Version>,
    pub(super) events: Vec<Event>,
    pub(super) claims: Claims,
    views: BTreeMap<String, View>,
    pub(super) last_seq: i64,
    /// How often the world revived a listing.
    pub(super) revivals: BTreeMap<String, u64>,
    /// The listing that is counted and never shown.
    pub(super) phantom: Option<String>,
    /// The listing that the vendor does not tell of, and does not count.
    pub(super) hidden: Option<ListingId>,
    /// Windows whose proof was checked against the world.
    pub(super) proofs: u64,
    /// Listings that were put back to what they had been before, with the stamp of that.
    pub(super) put_back: BTreeMap<String, Stamp>,
}

pub(super) fn look(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the file can be read while it is written")
}

impl Oracle {
    /// The world is about to answer; `own` is what the feed that is mirrored asks with this request.
    pub(super) fn asked(&mut self, world: &World, own: Option<(Purpose, &PageRequest)>, world_moved: bool) {
        self.requests += 1;
        if world_moved {
            self.follow(world);
        }
        if let Some((purpose, request)) = own {
            self.claims.asked(purpose, request, Moment { request: self.requests, at: world.utc() });
        }
    }

    fn follow(&mut self, world: &World) {
        let now = world.utc();
        let mut left = std::mem::take(&mut self.visible);
        for (listing, stamp, deleted) in world.visible(FEED) {
            let before = left.remove(&listing.0);
            let same = before.filter(|before| (before.stamp, before.deleted) == (stamp, deleted));
            let version = same.unwrap_or(Version { stamp, deleted, since: self.requests, seen_at: now });
            if same.is_none() {
                self.events.push(Event { request: self.requests, at: now, gone: before, came: Some(version) });
            }
            self.visible.insert(listing.0, version);
        }
        self.events.extend(left.into_values().map(|gone| Event { request: self.requests, at: now, gone: Some(gone), came: None }));
    }

    /// A page was stored.
    pub(super) fn stored(&mut self, file: &Connection, scenario: &Scenario, checkpoint: &Checkpoint) -> Result<(), String> {
        self.changes(file)?;
        self.cursor(scenario, checkpoint)?;
        self.claimed(file, scenario, checkpoint)
    }

    /// The change sequence rises, tells a story that makes sense, and agrees with the rows.
    pub(super) fn changes(&mut self, file: &Connection) -> Result<(), String> {
        let failed = |error: rusqlite::Error| error.to_string();
        let mut statement = file
            .prepare_cached(
                "SELECT seq, key, kind, change_seq, deleted_at IS NULL, diff
                 FROM changes LEFT JOIN listings ON listings.feed_id = changes.feed_id AND listing_id = key
                 WHERE entity = 'listing' AND seq > ?1 ORDER BY seq",
            )
            .map_err(failed)?;
        let mut rows = statement.query([self.last_seq]).map_err(failed)?;
        let mut touched = BTreeMap::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let (seq, listing, kind): (i64, String, String) =
                (row.get(0).map_err(failed)?, row.get(1).map_err(failed)?, row.get(2).map_err(failed)?);
            let of_row: (Option<i64>, bool) = (row.get(3).map_err(failed)?, row.get(4).map_err(failed)?);
            // A kill goes on in a copy of the file, which begins an epoch.
            let begins_epoch = seq > self.last_seq && seq % EPOCH == 1;
            if seq != self.last_seq + 1 && !begins_epoch {
                return Err(format!("change {seq} follows {}", self.last_seq));
            }
            self.last_seq = seq;
            let known = self.views.get(&listing);
            let live = match (known.map(|view| view.live), kind.as_str()) {
                (None, "added") | (Some(true), "changed") | (Some(false), "restored") => true,
                (None | Some(true), "deleted") => false,
                (state, kind) => return Err(format!("{listing}: change {seq} is {kind}, for a listing whose live is {state:?}")),
            };
            let revived = known.map_or(0, |view| view.revived) + u64::from(kind == "restored");
            if revived > self.revivals.get(&listing).copied().unwrap_or(0) {
                return Err(format!("{listing}: a consumer saw it come back {revived} times, oftener than the vendor brought it back"));
            }
            let diff: Option<String> = row.get(5).map_err(failed)?;
            let columns =
                follow(known.map(|view| &view.columns), diff.as_deref()).map_err(|why| format!("{listing}: change {seq}: {why}"))?;
            self.views.insert(listing.clone(), View { live, seq, revived, columns });
            touched.insert(listing, of_row);
        }
        for (listing, of_row) in touched {
            let row = columns(file, &listing).map_err(failed)?;
            let view = self.views.get_mut(&listing).expect("it was touched");
            // The first change brought everything that no later one of these has.
            if view.columns.contains_key(FRESH) {
                view.columns = row.clone();
            }
            if of_row != (Some(view.seq), view.live) {
                return Err(format!("{listing}: the row says {of_row:?}, its changes {} and live {}", view.seq, view.live));
            }
            if let Some((column, value)) = row.iter().find(|(column, value)| view.columns.get(*column) != Some(*value)) {
                return Err(format!("{listing}: {column} is {value}, and its changes say {:?}", view.columns.get(column)));
            }
        }
        Ok(())
    }

    /// Every row has its changes, every number is used once.
    pub(super) fn sequence(&mut self, file: &Connection) -> Result<(), String> {
        self.changes(file)?;
        let mut statement =
            file.prepare("SELECT listing_id, change_seq, deleted_at IS NULL FROM listings").map_err(|error| error.to_string())?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, bool>(2)?)));
        let rows: Vec<_> = rows.and_then(Iterator::collect).map_err(|error| error.to_string())?;
        // The stamps of this world only rise, but for those of a backup.
        let mut statement = file.prepare("SELECT key FROM changes WHERE cause = 'taken_back'").map_err(|error| error.to_string())?;
        let taken_back: rusqlite::Result<Vec<String>> = statement.query_map([], |row| row.get(0)).and_then(Iterator::collect);
        let mut taken_back = taken_back.map_err(|error| error.to_string())?;
        // One that is gone without a word may be taken for what an old answer told of it.
        taken_back.retain(|listing| self.visible.contains_key(listing));
        if !taken_back.is_empty() && self.put_back.is_empty() {
            return Err(format!("what the vendor has was taken back: {taken_back:?}"));
        }
        if rows.len() != self.views.len() {
            return Err(format!("{} rows, {} listings in changes", rows.len(), self.views.len()));
        }
        for (listing, seq, live) in rows {
            let view = self.views.get(&listing).cloned().unwrap_or_default();
            if (view.seq, view.live) != (seq, live) {
                return Err(format!("{listing}: change_seq {seq} and live {live} in its row, {} and {} in changes", view.seq, view.live));
            }
        }
        Ok(())
    }

    /// After a poll, the cursor lies in what was read: what is behind it is covered or a gap, and no gap is out of sight.
    /// While our clock is behind, a poll ends before the cursor, or before it begins, and proves nothing; the next one that does
    /// not shows the gap.
    fn cursor(&self, scenario: &Scenario, checkpoint: &Checkpoint) -> Result<(), String> {
        let polled = checkpoint.window.as_ref().is_some_and(|window| {
            (checkpoint.purpose, window.state) == (Purpose::Poll, WindowState::Complete) && window.task.claim.from <= window.task.claim.to
        });
        let Some(state) = checkpoint.state.as_ref().filter(|_| polled && scenario.clock_step.is_zero()) else { return Ok(()) };
        match state.cursor {
            Some(cursor) if Some(cursor) > state.coverage.end() => {
                Err(format!("the cursor {cursor} lies behind the end of what was read: {checkpoint:?}"))
            }
            _ => Ok(()),
        }
    }

    /// Rows and world are the same, as far as stamps tell.
    pub(super) fn same_stamps(&mut self, file: &Connection, world: &World, excused: &BTreeSet<ListingId>) -> Result<(), String> {
        self.follow(world);
        let mut statement = file.prepare("SELECT listing_id, stamp FROM live_listings").map_err(|error| error.to_string())?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?)));
        let rows: BTreeMap<String, Option<String>> = rows.and_then(Iterator::collect).map_err(|error| error.to_string())?;
        let world: BTreeMap<String, Option<String>> = self
            .visible
            .iter()
            .filter(|(_, version)| !version.deleted)
            .map(|(listing, version)| (listing.clone(), Some(version.stamp.to_string())))
            .collect();
        let is_excused = |listing: &String| excused.contains(&ListingId(listing.clone()));
        let differs: Vec<_> = rows
            .iter()
            .filter(|(listing, stamp)| world.get(*listing) != Some(stamp) && !is_excused(listing))
            .map(|(listing, stamp)| format!("{listing}: {stamp:?} in the file, {:?} at the vendor", world.get(listing)))
            .chain(
                world
                    .keys()
                    .filter(|listing| !rows.contains_key(*listing) && !is_excused(listing))
                    .map(|listing| format!("{listing}: {:?} is missing", world[listing])),
            )
            .collect();
        if differs.is_empty() { Ok(()) } else { Err(differs.join("\n")) }
    }
}

/// The numbers of an epoch begin at a multiple of this.
const EPOCH: i64 = 1_000_000_000;

/// Marks the columns of a listing whose first change is among those that are being read.
const FRESH: &str = "(new)";

/// What a diff makes of a listing's columns; nothing is known of one that is new.
fn follow(columns: Option<&Map<String, Value>>, diff: Option<&str>) -> Result<Map<String, Value>, String> {
    let Some(columns) = columns else {
        return if diff.is_none() {
            Ok(Map::from_iter([(FRESH.to_owned(), Value::Null)]))
        } else {
            Err(format!("it begins with {diff:?}"))
        };
    };
    let mut columns = columns.clone();
    let diff: BTreeMap<String, (Value, Value)> = serde_json::from_str(diff.ok_or("it has no diff")?).map_err(|error| error.to_string())?;
    for (column, (before, after)) in diff {
        let known = columns.insert(column.clone(), after);
        if before == columns[&column] || known.as_ref().is_some_and(|known| *known != before) {
            return Err(format!("{column} was {known:?} and not {before}"));
        }
    }
    Ok(columns)
}

/// The columns of a row as a diff may name them.
fn columns(file: &Connection, listing: &str) -> rusqlite::Result<Map<String, Value>> {
    let mut statement = file.prepare_cached("SELECT * FROM listings WHERE listing_id = ?1")?;
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    statement.query_row([listing], |row| {
        let value = |index| {
            Ok::<_, rusqlite::Error>(match row.get_ref(index)? {
                ValueRef::Integer(number) => number.into(),
                ValueRef::Real(number) => number.into(),
                ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
                ValueRef::Null | ValueRef::Blob(_) => Value::Null,
            })
        };
        let vendors = names.iter().enumerate().skip(2).take_while(|(_, name)| *name != "first_seen_at");
        vendors.map(|(index, name)| Ok((name.clone(), value(index)?))).collect()
    })
}

/// Which rows the file has, with their stamps.
pub(super) fn stamps(file: &Connection) -> Vec<(ListingId, Option<Stamp>)> {
    let mut statement = file.prepare("SELECT listing_id, stamp FROM listings").expect("the table");
    let rows =
        statement.query_map([], |row| Ok((ListingId(row.get(0)?), row.get::<_, Option<String>>(1)?.as_deref().and_then(Stamp::parse))));
    rows.and_then(Iterator::collect).expect("the rows")
}

/// The known gaps of the file, and what its last scan could not prove.
pub(super) fn unread(file: &Connection) -> Vec<Window> {
    let mut statement = file
        .prepare(
            "SELECT from_date, to_date FROM known_gaps
             UNION SELECT claim_from, claim_to FROM windows WHERE state = 'suspect' AND run_id = (SELECT max(run_id) FROM reconcile_runs)",
        )
        .expect("the table");
    let stamp = |row: &rusqlite::Row<'_>, column| row.get::<_, String>(column).map(|text| Stamp::parse(&text).expect("a date"));
    let gaps = statement.query_map([], |row| Ok(Window { from: stamp(row, 0)?, to: stamp(row, 1)? }));
    gaps.and_then(Iterator::collect).expect("the known gaps")
}
