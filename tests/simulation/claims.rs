//! What the file claims, set against the world at every step: each window that is proven, and all that was proven before.

use super::oracle::{Oracle, Version};
use super::scenario::{FEED, Scenario};
use mls_sync::plan::checkpoint::{Checkpoint, WindowState};
use mls_sync::plan::options::Purpose;
use mls_sync::plan::window::{PAD, Task};
use mls_sync::record::{Page, PageRequest, Presence, Stamp, Stream, Window};
use mls_sync::sandbox::FromMode;
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// When a request was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) request: u64,
    pub(super) at: Stamp,
}

/// The reading of a window.
#[derive(Clone, Copy, Debug)]
struct Opened {
    first: Moment,
    /// The last request.
    last: Moment,
    /// The last answer held all that it counted.
    whole: bool,
    /// The answers that were falsely empty, in a row.
    emptied: u32,
}

/// What is in the file of a listing.
#[derive(Clone, Copy, Debug)]
struct Row {
    stamp: Option<Stamp>,
    deleted: bool,
}

/// What was claimed so far.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// The windows that are being read.
    opened: BTreeMap<(Purpose, Stream, Window), Opened>,
    /// What was proven, by stream; the oldest first.
    proven: BTreeMap<Stream, Vec<Window>>,
    /// The rows as they were last seen, and the newest change then.
    rows: (i64, BTreeMap<String, Row>),
    /// Versions that a proven window promised. While the vendor shows them, they are in the file.
    promised: BTreeMap<(Stream, String), Version>,
}

impl Claims {
    /// The world is about to answer.
    pub(super) fn asked(&mut self, purpose: Purpose, request: &PageRequest, now: Moment) {
        let key = (purpose, request.stream, request.window);
        if request.page == 1 {
            self.opened.entry(key).or_insert(Opened { first: now, last: now, whole: false, emptied: 0 });
        }
        // The first answer of a first load was asked for without an end.
        let without_end = (purpose, request.stream, Window { to: Stamp::NO_END, ..request.window });
        if !self.opened.contains_key(&key)
            && let Some(opened) = self.opened.remove(&without_end)
        {
            self.opened.insert(key, opened);
        }
        self.opened.entry(key).and_modify(|opened| (opened.last, opened.whole) = (now, false));
    }

    /// What was answered, and whether that was falsely empty.
    pub(super) fn answered(&mut self, purpose: Purpose, request: &PageRequest, page: &Page, emptied: bool) {
        let keys: BTreeSet<&str> = page.records.iter().map(|record| record.key.listing.0.as_str()).collect();
        let whole = request.page == 1 && page.next_page.is_none() && keys.len() as u64 >= page.total;
        self.opened.entry((purpose, request.stream, request.window)).and_modify(|opened| {
            opened.whole = whole;
            opened.emptied = if emptied { opened.emptied + 1 } else { 0 };
        });
    }
}

impl Oracle {
    /// A page was stored, and perhaps a window was proven with it.
    pub(super) fn claimed(&mut self, file: &Connection, scenario: &Scenario, checkpoint: &Checkpoint) -> Result<(), String> {
        let ended = checkpoint.window.as_ref().filter(|window| window.state != WindowState::Open);
        if ended.is_some() || self.claims.rows.0 < self.last_seq {
            self.claims.rows = (self.last_seq, rows(file).map_err(|error| error.to_string())?);
        }
        if let Some(window) = ended {
            let task = window.task;
            let opened = self.claims.opened.remove(&(checkpoint.purpose, task.stream, task.asked));
            match (window.state, opened) {
                (WindowState::Complete, Some(opened)) => self.proves(file, scenario, checkpoint.purpose, task, opened)?,
                (WindowState::Complete, None) => return Err(format!("a window was proven that was never asked for: {task:?}")),
                (WindowState::Suspect | WindowState::Cut | WindowState::Open, _) => {}
            }
        }
        self.keeps_promises()
    }

    /// A window that is claimed whole holds every version that could be seen since before it was read.
    ///
    /// A listing that is never shown is missing from all that one answer did not show whole, as one that leaves hides it.
    ///
    /// What one answer showed whole, it showed at one moment: nothing can hide from it. Where pages were read one after another, a
    /// version that enters the window while another leaves it may hide one more, as Total stays; two readings that must agree hide
    /// one only where that happens twice. Where the order is not stable, and Total may lag, any change is enough.
    fn proves(&mut self, file: &Connection, scenario: &Scenario, purpose: Purpose, task: Task, opened: Opened) -> Result<(), String> {
        if matches!(purpose, Purpose::Poll | Purpose::Fill) {
            let proven = self.claims.proven.entry(task.stream).or_default();
            let place = proven.partition_point(|window| window.from <= task.claim.from);
            proven.insert(place, task.claim);
            self.covered(file).map_err(|error| error.to_string())??;
        }
        let begun = if opened.whole { opened.last } else { opened.first };
        let since = begun.at.minus(scenario.wild.staleness());
        if opened.emptied >= doubts(scenario, purpose, task)
            || !opened.whole && self.may_hide(scenario, purpose, task, opened.first.request, since)
        {
            return Ok(());
        }
        self.proofs += 1;
        let rows = &self.claims.rows.1;
        for (listing, version) in &self.visible {
            let inside = task.claim.from <= version.stamp && version.stamp <= task.claim.to && in_stream(scenario, task.stream, version);
            if !inside || version.since > begun.request || version.seen_at > since || self.put_back.get(listing) == Some(&version.stamp) {
                continue;
            }
            let is_hidden = self.hidden.as_ref().is_some_and(|hidden| hidden.0 == *listing);
            if is_hidden || !opened.whole && self.phantom.as_ref() == Some(listing) {
                continue;
            }
            if !is_right(rows.get(listing), task.stream, version) {
                return Err(format!(
                    "a window was claimed whole, but {listing} ({version:?}, of {} requests, window read as {opened:?}) is {:?} in the file: {purpose:?} {task:?}",
                    self.requests,
                    rows.get(listing)
                ));
            }
            self.claims.promised.insert((task.stream, listing.clone()), *version);
        }
        Ok(())
    }

    fn may_hide(&self, scenario: &Scenario, purpose: Purpose, task: Task, request: u64, since: Stamp) -> bool {
        let inside = |version: &Version| in_stream(scenario, task.stream, version) && in_window(scenario, task.asked, version.stamp);
        let meanwhile = || self.events.iter().filter(|event| event.request > request || event.at > since);
        let came = meanwhile().filter(|event| event.came.as_ref().is_some_and(inside)).count();
        let went = meanwhile().filter(|event| event.gone.as_ref().is_some_and(inside)).count();
        // A window that lies ahead may grow at any time, and is read once.
        let is_agreed = purpose != Purpose::Fill && task.claim.to < Stamp::NO_END;
        if scenario.stable_order() { came.min(went) > usize::from(is_agreed) } else { came + went > 0 }
    }

    /// What was promised once is in the file for as long as the vendor shows it.
    fn keeps_promises(&mut self) -> Result<(), String> {
        let (visible, hidden) = (&self.visible, &self.hidden);
        let shows = |listing: &String| hidden.as_ref().is_none_or(|hidden| hidden.0 != *listing);
        let rows = &self.claims.rows.1;
        self.claims.promised.retain(|(_, listing), version| visible.get(listing) == Some(version) && shows(listing));
        match self.claims.promised.iter().find(|((stream, listing), version)| !is_right(rows.get(listing), *stream, version)) {
            Some(((stream, listing), version)) => {
                Err(format!("{listing} was in the file as {version:?} of {stream:?}, and now is {:?}", rows.get(listing)))
            }
            None => Ok(()),
        }
    }

    /// What the file says to be covered, and what `coverage` makes of it, was proven.
    fn covered(&self, file: &Connection) -> rusqlite::Result<Result<(), String>> {
        let mut statement = file.prepare_cached(
            "SELECT status, from_date, to_date FROM covered
             UNION ALL SELECT status, since, complete_until FROM coverage JOIN cursors USING (feed_id) WHERE polled AND complete_until > since",
        )?;
        let date = |row: &rusqlite::Row<'_>, column| row.get::<_, String>(column).map(|text| Stamp::parse(&text).expect("a date"));
        let claims = statement.query_map([], |row| Ok((row.get::<_, u8>(0)?, Window { from: date(row, 1)?, to: date(row, 2)? })))?;
        for claim in claims {
            let (status, window) = claim?;
            let stream = Stream::try_from(status).expect("a stream");
            let proven = self.claims.proven.get(&stream).into_iter().flatten();
            let reached = proven.fold(window.from, |reached, next| if next.from <= reached { reached.max(next.to) } else { reached });
            if reached < window.to {
                return Ok(Err(format!("{window} of {stream:?} is called complete, and was proven up to {reached} only")));
            }
        }
        Ok(Ok(()))
    }
}

fn rows(file: &Connection) -> rusqlite::Result<BTreeMap<String, Row>> {
    let mut statement = file.prepare_cached("SELECT listing_id, stamp, deleted_at IS NOT NULL FROM listings WHERE feed_id = ?1")?;
    let stamp = |text: Option<String>| text.as_deref().and_then(Stamp::parse);
    let rows = statement.query_map([FEED], |row| Ok((row.get(0)?, Row { stamp: stamp(row.get(1)?), deleted: row.get(2)? })))?;
    rows.collect()
}

/// Whether a row is not older than a version that a stream has shown.
fn is_right(row: Option<&Row>, stream: Stream, version: &Version) -> bool {
    row.is_some_and(|row| row.stamp >= Some(version.stamp) && (stream == Stream::All && version.deleted || row.deleted == version.deleted))
}

/// How often a window must be answered falsely with nothing before that may be believed. A short stretch may be empty, and one
/// of deletions.
fn doubts(scenario: &Scenario, purpose: Purpose, task: Task) -> u32 {
    let is_long = task.claim.to.since(task.claim.from) >= Duration::from_secs(24 * 3600);
    let is_live = task.stream.presence() == Presence::Live;
    let loads = purpose == Purpose::Poll && task.claim.from == scenario.plan.since;
    if (loads || matches!(purpose, Purpose::Fill | Purpose::Scan)) && is_long && is_live { 3 } else { 1 }
}

fn in_stream(scenario: &Scenario, stream: Stream, version: &Version) -> bool {
    match stream {
        Stream::Deleted => version.deleted,
        Stream::All | Stream::Active | Stream::Sold => !version.deleted || scenario.vendor.all_includes_deleted,
    }
}

/// Whether the vendor counts a stamp to what was asked for.
fn in_window(scenario: &Scenario, asked: Window, stamp: Stamp) -> bool {
    let from = match scenario.vendor.from_mode {
        FromMode::Exact => asked.from.minus(PAD),
        FromMode::FloorToMidnight => asked.from.midnight(),
        FromMode::Ignored => Stamp(i64::MIN),
    };
    from <= stamp && stamp <= asked.to
}
