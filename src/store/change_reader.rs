//! The table `changes`, as it is followed: batch by batch behind a number, and never past a gap.

use super::error::Error;
use super::files::{Identity, identity};
use super::history::ChangeLine;
use super::query::{rows, value};
use super::report::ReportError;
use super::sqlite;
use crate::entity::Entity;
use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};

/// Changes that are read at once.
const BATCH: usize = 1000;

/// Which changes are wanted; empty lists want everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub feed: Option<String>,
    pub entity: Option<String>,
    /// Of changed rows, those in which one of these columns differs; nothing else is told of any row.
    pub columns: Vec<String>,
}

/// Why the changes behind a number cannot be told: what a person is to know.
#[derive(Debug, thiserror::Error)]
#[error("{0}. Read the tables anew, and go on behind the largest change_seq that you then have")]
pub(crate) struct Lost(String);

/// Why there are no more changes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowError {
    #[error(transparent)]
    Lost(#[from] Lost),
    #[error(transparent)]
    Report(#[from] ReportError),
}

impl From<rusqlite::Error> for FollowError {
    fn from(error: rusqlite::Error) -> FollowError {
        FollowError::Report(Error::from(error).into())
    }
}

/// A reader who is behind some change of a file.
pub(crate) struct ChangeReader {
    path: PathBuf,
    file: Option<Identity>,
    connection: Connection,
    entity: &'static Entity,
    wanted: Wanted,
    /// The last change that was read; `None` to begin with the oldest that is kept.
    last: Option<i64>,
    /// The epoch of that; `None` if nobody knows.
    epoch: Option<String>,
    /// SQLite's count of the commits of others, when everything had been read.
    seen: Option<i64>,
}

impl ChangeReader {
    pub(crate) fn open(
        path: &Path,
        entity: &'static Entity,
        wanted: Wanted,
        (last, epoch): (Option<i64>, Option<String>),
    ) -> Result<ChangeReader, ReportError> {
        let (file, connection) = (identity(path), sqlite::open_read_only(path)?);
        Ok(ChangeReader { path: path.to_owned(), file, connection, entity, wanted, last, epoch, seen: None })
    }

    /// The next changes in their order; empty once all were read. It costs next to nothing where nothing was committed since.
    pub(crate) fn next(&mut self) -> Result<Vec<ChangeLine>, FollowError> {
        let file = identity(&self.path);
        if file != self.file && file.is_some() {
            // Another file stands in its place.
            (self.connection, self.file, self.seen) = (sqlite::open_read_only(&self.path).map_err(ReportError::from)?, file, None);
        }
        loop {
            let version = self.connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
            if self.seen == Some(version) {
                return Ok(Vec::new());
            }
            let (lines, more) = self.read()?;
            if !more {
                self.seen = Some(version);
            }
            if !lines.is_empty() || !more {
                return Ok(lines);
            }
        }
    }

    /// A batch of one moment of the file, and whether there may be more.
    fn read(&mut self) -> Result<(Vec<ChangeLine>, bool), FollowError> {
        let tx = self.connection.unchecked_transaction()?;
        let life = Life::read(&tx)?;
        let last = self.last.unwrap_or(life.cut);
        life.check(&tx, last, self.epoch.as_deref())?;
        let sql = format!("SELECT {} FROM changes WHERE seq > ?1 ORDER BY seq LIMIT ?2", ChangeLine::SELECTED);
        let read: Vec<ChangeLine> = rows(&tx, &sql, params![last, BATCH as i64], ChangeLine::read)?;
        let (count, newest) = (read.len(), read.last().map(|line| line.seq));
        let mut lines = Vec::new();
        for mut line in read.into_iter().filter(|line| self.wanted.takes(line)) {
            if let Some(entity) = self.entity.all().find(|entity| entity.name == line.entity) {
                line.complete(&tx, entity)?;
            }
            lines.extend(self.wanted.part(line));
        }
        (self.last, self.epoch) = (Some(newest.unwrap_or(last)), Some(life.epoch));
        Ok((lines, count == BATCH))
    }
}

impl Wanted {
    fn takes(&self, line: &ChangeLine) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        is(&self.entity, &line.entity) && self.feed.as_ref().is_none_or(|feed| feed.eq_ignore_ascii_case(&line.feed_id))
    }

    /// A line with the columns that are wanted; nothing if it only changes others.
    fn part(&self, mut line: ChangeLine) -> Option<ChangeLine> {
        if !self.columns.is_empty()
            && let Some(diff) = &mut line.diff
        {
            diff.retain(|column, _| self.columns.contains(column));
            if diff.is_empty() && line.kind == "changed" {
                return None;
            }
        }
        Some(line)
    }
}

/// What a file says of its numbers.
struct Life {
    epoch: String,
    /// The changes up to here were cut.
    cut: i64,
}

impl Life {
    fn read(connection: &Connection) -> rusqlite::Result<Life> {
        let read = |row: &rusqlite::Row| Ok(Life { epoch: row.get(0)?, cut: row.get(1)? });
        connection.prepare_cached("SELECT epoch, cut_seq FROM schema_meta")?.query_row([], read)
    }

    /// Refuses a number if not every change behind it is there.
    fn check(&self, connection: &Connection, last: i64, epoch: Option<&str>) -> Result<(), FollowError> {
        let lost = |why: String| Err(Lost(why).into());
        if let Some(other) = epoch.filter(|epoch| *epoch != self.epoch) {
            return lost(format!(
                "change {last} is of the epoch {other}, and since an older copy was put back, this file has {}",
                self.epoch
            ));
        }
        if last < self.cut {
            return lost(format!("the changes up to {} were cut (history.keep), and change {last} is before that", self.cut));
        }
        check_known(connection, last)
    }
}

/// Refuses a number that this file never gave, in its present life or in that of the copy that it was made of. No number is left
/// out, so that one which is not there was given in another life.
pub(super) fn check_known(connection: &Connection, seq: i64) -> Result<(), FollowError> {
    let known = "SELECT ?1 <= cut_seq OR EXISTS (SELECT 1 FROM changes WHERE seq = ?1) FROM schema_meta";
    if value(connection, known, [seq])? {
        return Ok(());
    }
    Err(Lost(format!("this file has no change {seq}: an older copy was put back, or it is another file")).into())
}
