//! What a file lacks of what somebody waits for.

use super::change_reader::{self, FollowError};
use super::changes;
use super::files::{Identity, identity};
use super::query::rows;
use super::report::ReportError;
use super::sqlite;
use crate::record::{FeedId, Stamp};
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    late_s: Option<f64>,
    /// Whether the configuration no longer names it.
    dropped: bool,
    /// Why its dates cannot be set against a clock.
    zone: Option<String>,
}

impl Reach {
    /// How far it is complete, and why no further, if it is not complete up to a moment.
    fn lacks(&self, until: Stamp) -> Option<(Option<String>, Vec<String>)> {
        // Listings that were stamped by clocks which are ahead of the zone that is set lie behind what was read.
        if let Some(note) = self.zone.as_ref().filter(|note| note.contains(" ahead of ")) {
            return Some((None, vec![note.clone()]));
        }
        let gaps = if self.known_gaps > 0 { ", where a known gap begins or earlier" } else { "" };
        let reached = match self.complete_until {
            Some(complete) if complete >= until => return None,
            Some(complete) => format!("{} is complete until {complete}{gaps}", self.feed),
            None => format!("{} is not complete yet from its beginning on", self.feed),
        };
        let late = self.late_s.map(|late_s| {
            format!(
                "listings come up to {} late, so completeness is told up to that long ago",
                humantime::format_duration(Duration::from_secs(late_s.ceil() as u64))
            )
        });
        Some((Some(reached), self.zone.iter().cloned().chain(late).collect()))
    }
}

/// Each feed that is not complete, and then each reason once, with its feeds.
fn told(reaches: &[Reach], until: Stamp) -> Vec<String> {
    let (mut missing, mut reasons) = (Vec::new(), BTreeMap::<String, Vec<String>>::new());
    for reach in reaches {
        let Some((reached, why)) = reach.lacks(until) else { continue };
        missing.extend(reached);
        for reason in why {
            reasons.entry(reason).or_default().push(reach.feed.to_string());
        }
    }
    missing.extend(reasons.into_iter().map(|(reason, feeds)| format!("{}: {reason}", feeds.join(", "))));
    missing
}

fn feeds(connection: &Connection, until: Stamp, named: &[FeedId]) -> rusqlite::Result<Vec<String>> {
    let mut reaches = reaches(connection)?;
    reaches.retain(|reach| !reach.dropped);
    let unknown = named.iter().filter(|named| !reaches.iter().any(|reach| reach.feed.is(named)));
    let mut missing = unknown.map(|feed| absent(connection, feed)).collect::<rusqlite::Result<Vec<String>>>()?;
    if reaches.is_empty() && missing.is_empty() {
        missing.push("no feed is known yet".to_owned());
    }
    missing.extend(told(&reaches, until));
    Ok(missing)
}

fn one_feed(connection: &Connection, until: Stamp, feed: &FeedId) -> rusqlite::Result<Vec<String>> {
    let mut reaches = reaches(connection)?;
    reaches.retain(|reach| reach.feed.is(feed));
    if reaches.is_empty() { Ok(vec![absent(connection, feed)?]) } else { Ok(told(&reaches, until)) }
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
        "SELECT feed_id, complete_until, known_gaps, late_s, {notice} = 'dropped') IS NOT NULL, {notice} = 'zone')
         FROM coverage ORDER BY feed_id"
    );
    rows(connection, &sql, [], |row| {
        let (feed, complete_until, known_gaps, late_s, dropped, zone) = row.try_into()?;
        Ok(Reach { feed, complete_until, known_gaps, late_s, dropped, zone })
    })
}

fn change(connection: &Connection, seq: i64) -> Result<Vec<String>, FollowError> {
    let last = changes::newest(connection)?;
    if last < seq {
        return Ok(vec![format!("the last change is {last}")]);
    }
    change_reader::check_known(connection, seq)?;
    Ok(Vec::new())
}
