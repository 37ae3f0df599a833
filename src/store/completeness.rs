//! What a file lacks of what somebody waits for.

use super::change_reader::{self, FollowError};
use super::files::{Identity, identity};
use super::query::rows;
use super::report::ReportError;
use super::sqlite;
use crate::record::{FeedId, Stamp};
use rusqlite::{Connection, OptionalExtension};
use std::path::{Path, PathBuf};

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// That every feed is complete up to a moment of the vendor's clock, those among them that are named here.
    Feeds { until: Stamp, named: Vec<FeedId> },
    /// That one feed is.
    Feed { until: Stamp, feed: FeedId },
    /// That this change has been stored.
    Change(i64),
}

/// A file that is looked at again and again; it need not exist yet.
pub(crate) struct Lookout {
    path: PathBuf,
    opened: Option<(Connection, Option<Identity>)>,
    /// SQLite's count of the commits of others at the last look.
    seen: Option<i64>,
}

impl Lookout {
    pub(crate) fn new(path: &Path) -> Lookout {
        Lookout { path: path.to_owned(), opened: None, seen: None }
    }

    /// What is missing, for a person, each with its feed: nothing once all is there. `None` where nothing was stored since the
    /// last look, which costs some microseconds.
    pub(crate) fn look(&mut self, awaited: &Awaited) -> Result<Option<Vec<String>>, FollowError> {
        if let Ok(false) = self.path.try_exists() {
            return Ok(Some(vec![format!("{} does not exist yet", self.path.display())]));
        }
        let file = identity(&self.path);
        if self.opened.as_ref().is_none_or(|(_, known)| *known != file) {
            (self.opened, self.seen) = (None, None);
        }
        let (connection, _) = match &mut self.opened {
            Some(opened) => opened,
            none => none.insert((sqlite::open_read_only(&self.path).map_err(ReportError::from)?, file)),
        };
        let version = connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
        if self.seen == Some(version) {
            return Ok(None);
        }
        let tx = connection.unchecked_transaction()?;
        let missing = match awaited {
            Awaited::Feeds { until, named } => feeds(&tx, *until, named)?,
            Awaited::Feed { until, feed } => one_feed(&tx, *until, feed)?,
            Awaited::Change(seq) => change(&tx, *seq)?,
        };
        self.seen = Some(version);
        Ok(Some(missing))
    }
}

/// A feed that is mirrored, and what tells how far it is complete.
struct Reach {
    feed: FeedId,
    complete_until: Option<Stamp>,
    known_gaps: u64,
    /// Whether the configuration no longer names it.
    dropped: bool,
    /// Why its dates cannot be set against a clock.
    ahead: Option<String>,
}

impl Reach {
    /// What it lacks up to a moment.
    fn lacks(&self, until: Stamp) -> Option<String> {
        let feed = &self.feed;
        // Listings that were stamped by clocks which are ahead of the zone that is set lie behind what was read.
        if let Some(note) = &self.ahead {
            return Some(format!("{feed}: {note}"));
        }
        let gaps = if self.known_gaps > 0 { ", where a known gap begins or earlier" } else { "" };
        match self.complete_until {
            Some(complete) if complete >= until => None,
            Some(complete) => Some(format!("{feed} is complete until {complete}{gaps}")),
            None => Some(format!("{feed} is not complete yet from its beginning on")),
        }
    }
}

fn feeds(connection: &Connection, until: Stamp, named: &[FeedId]) -> rusqlite::Result<Vec<String>> {
    let mut reaches = reaches(connection)?;
    reaches.retain(|reach| !reach.dropped);
    let unknown = named.iter().filter(|named| !reaches.iter().any(|reach| reach.feed.is(named)));
    let mut missing = unknown.map(|feed| absent(connection, feed)).collect::<rusqlite::Result<Vec<String>>>()?;
    if reaches.is_empty() && missing.is_empty() {
        missing.push("no feed is known yet".to_owned());
    }
    missing.extend(reaches.iter().filter_map(|reach| reach.lacks(until)));
    Ok(missing)
}

fn one_feed(connection: &Connection, until: Stamp, feed: &FeedId) -> rusqlite::Result<Vec<String>> {
    match reaches(connection)?.iter().find(|reach| reach.feed.is(feed)) {
        Some(reach) => Ok(reach.lacks(until).into_iter().collect()),
        None => Ok(vec![absent(connection, feed)?]),
    }
}

/// Why a feed is not among those that are mirrored.
fn absent(connection: &Connection, feed: &FeedId) -> rusqlite::Result<String> {
    let sql = "SELECT removed_at FROM feeds WHERE feed_id = ?1 COLLATE NOCASE";
    let removed: Option<String> = connection.query_row(sql, [feed], |row| row.get(0)).optional()?.flatten();
    Ok(removed.map_or_else(|| format!("{feed} is not in the file yet"), |at| format!("{feed} was removed at {at}")))
}

fn reaches(connection: &Connection) -> rusqlite::Result<Vec<Reach>> {
    let notice = "(SELECT note FROM notices WHERE notices.feed_id = coverage.feed_id AND kind";
    let sql = format!(
        "SELECT feed_id, complete_until, known_gaps, {notice} = 'dropped') IS NOT NULL, {notice} = 'zone' AND note LIKE '% ahead of %')
         FROM coverage ORDER BY feed_id"
    );
    rows(connection, &sql, [], |row| {
        let (feed, complete_until, known_gaps, dropped, ahead) = row.try_into()?;
        Ok(Reach { feed, complete_until, known_gaps, dropped, ahead })
    })
}

fn change(connection: &Connection, seq: i64) -> Result<Vec<String>, FollowError> {
    let last = change_reader::last(connection)?;
    if last < seq {
        return Ok(vec![format!("the last change is {last}")]);
    }
    change_reader::check_known(connection, seq)?;
    Ok(Vec::new())
}
