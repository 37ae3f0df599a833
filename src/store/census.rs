//! What readings of a kind of thing that the vendor does not date leave in the file.

use super::changes;
use super::database::Database;
use super::error::Error;
use super::feeds::check_mirrored;
use super::handle::Store;
use super::incoming::{Hearing, Incoming};
use super::query::{rows, value};
use super::quiet::{says_deleted, write_quietly};
use super::rejects::{self, Origin};
use super::row::apply;
use crate::entity::{Confirmed, Deletions, Entity};
use crate::plan::census::Progress;
use crate::plan::merge::ActionKind;
use crate::record::{FeedId, ListingId, Page, Presence, Stamp, Stream};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use std::collections::BTreeMap;

/// Which rows are meant, and the mirror's clock.
#[derive(Clone, Debug)]
pub(crate) struct Census {
    pub entity: &'static Entity,
    pub feed: FeedId,
    pub at: String,
}

/// One row of `censuses`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CensusReport {
    /// The kind of thing: `agent`, `office`, `open_house`.
    pub entity: String,
    /// Live rows.
    pub live: u64,
    /// When the last reading began that was proven whole.
    pub proven_at: Option<String>,
    /// How many it held.
    pub proven_rows: Option<u64>,
    /// Live rows that it lacks.
    pub absent: u64,
    /// When the next reading is due.
    pub due_at: Option<String>,
    /// What is wrong.
    pub problem: Option<String>,
    /// Listings, not counting deleted ones, that name one which is not there.
    pub dangling: u64,
}

impl Store {
    /// Stores a page of a reading; tells which rows changed. Or tells which would, and changes none.
    pub(crate) async fn store_census(
        &self,
        census: Census,
        (presence, page): (Presence, Page),
        is_dry: bool,
    ) -> Result<BTreeMap<ListingId, ActionKind>, Error> {
        self.write(move |db| store(db, &census, (presence, &page), is_dry)).await
    }

    /// Takes note that one which a reading lacked is there.
    pub(crate) async fn not_absent(&self, census: Census, id: ListingId) -> Result<(), Error> {
        self.write(move |db| found(db, &census, &id)).await
    }

    /// Tells which kinds of the feeds are read from now on.
    pub(crate) async fn read_only(&self, entities: Vec<&'static str>) -> Result<(), Error> {
        self.write(move |db| read_only(db, &entities)).await
    }

    /// Where the readings of a kind stand.
    pub(crate) async fn census(&self, census: Census) -> Result<Progress, Error> {
        self.read(move |db| progress(&db.connection, &census)).await
    }

    /// Writes down when the next reading is due.
    pub(crate) async fn save_due(&self, census: Census, due: Option<Stamp>) -> Result<(), Error> {
        self.write(move |db| save_due(db, &census, due)).await
    }

    /// Writes down where they stand; `rows` is how many a whole reading held.
    pub(crate) async fn save_census(
        &self,
        census: Census,
        progress: Progress,
        rows: Option<u64>,
        problem: Option<String>,
    ) -> Result<(), Error> {
        self.write(move |db| save(db, &census, &progress, rows, problem.as_deref())).await
    }
}

/// Stores what was read; tells which rows changed. All of it is rolled back where nothing is to change.
fn store(
    database: &mut Database,
    census: &Census,
    (presence, page): (Presence, &Page),
    is_dry: bool,
) -> Result<BTreeMap<ListingId, ActionKind>, Error> {
    let Census { entity, feed, at } = census;
    let (tx, sql) = database.begin_on(entity)?;
    check_mirrored(&tx, feed)?;
    let before = changes::newest(&tx)?;
    let mut changed = BTreeMap::new();
    for record in &page.records {
        let presence = if says_deleted(entity, record) { Presence::Deleted } else { presence };
        let kind = apply(&tx, sql, Incoming::of(record, presence), Hearing::at(at))?.kind;
        if kind.is_change() {
            changed.insert(record.key.listing.clone(), kind);
        }
        if presence == Presence::Live {
            forget_absence(&tx, entity, feed, &record.key.listing)?;
        }
        if let Some(quiet) = entity.quiet.filter(|_| kind != ActionKind::Superseded) {
            write_quietly(&tx, entity, quiet, record)?;
        }
    }
    changes::mark_bulk(&tx, entity, before)?;
    let origin = Origin { feed, entity, stream: Stream::All, at, licence: sql.licences.of(feed) };
    page.rejects.iter().try_for_each(|reject| rejects::keep(&tx, origin, reject).map(drop))?;
    if is_dry {
        tx.rollback()?
    } else {
        tx.commit()?
    }
    Ok(changed)
}

/// One that was missing is there after all.
fn found(database: &mut Database, census: &Census, id: &ListingId) -> Result<(), Error> {
    Ok(forget_absence(&database.connection, census.entity, &census.feed, id)?)
}

pub(super) fn forget_absence(connection: &Connection, entity: &Entity, feed: &FeedId, id: &ListingId) -> rusqlite::Result<()> {
    let sql = "DELETE FROM census_absent WHERE entity = ?1 AND feed_id = ?2 AND key = ?3";
    connection.prepare_cached(sql)?.execute(params![entity.name, feed, id]).map(drop)
}

/// Where the readings stand.
fn progress(connection: &Connection, census: &Census) -> rusqlite::Result<Progress> {
    let sql = "SELECT proven_at, complete_at, read_at, due_at, absent, credential FROM censuses WHERE feed_id = ?1 AND entity = ?2";
    let read = |row: &rusqlite::Row| {
        let (whole, complete, read, due, absent, credential) = row.try_into()?;
        Ok(Progress { whole, complete, read, due, absent, credential })
    };
    connection.query_row(sql, params![census.feed, census.entity.name], read).optional().map(Option::unwrap_or_default)
}

/// Writes down where the readings stand. `rows` is how many a whole reading held.
fn save(database: &mut Database, census: &Census, progress: &Progress, rows: Option<u64>, problem: Option<&str>) -> Result<(), Error> {
    let (tx, _) = database.begin()?;
    check_mirrored(&tx, &census.feed)?;
    let absent: u64 =
        value(&tx, "SELECT count(*) FROM census_absent WHERE entity = ?1 AND feed_id = ?2", params![census.entity.name, census.feed])?;
    tx.execute(
        "INSERT INTO censuses (feed_id, entity, proven_at, proven_rows, read_at, absent, due_at, problem, credential, complete_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (feed_id, entity) DO UPDATE SET proven_at = ?3, proven_rows = coalesce(?4, proven_rows), read_at = ?5, absent = ?6,
             due_at = ?7, problem = ?8, credential = ?9, complete_at = ?10",
        params![
            census.feed,
            census.entity.name,
            time(progress.whole),
            rows,
            time(progress.read),
            absent,
            time(progress.due),
            problem,
            progress.credential,
            time(progress.complete),
        ],
    )?;
    Ok(tx.commit()?)
}

fn save_due(database: &mut Database, census: &Census, due: Option<Stamp>) -> Result<(), Error> {
    let (tx, _) = database.begin()?;
    check_mirrored(&tx, &census.feed)?;
    tx.execute(
        "INSERT INTO censuses (feed_id, entity, due_at) VALUES (?1, ?2, ?3) ON CONFLICT (feed_id, entity) DO UPDATE SET due_at = ?3",
        params![census.feed, census.entity.name, time(due)],
    )?;
    Ok(tx.commit()?)
}

fn time(stamp: Option<Stamp>) -> Option<String> {
    stamp.map(|stamp| format!("{}Z", stamp.to_wire()))
}

/// Only these kinds are read from now on.
fn read_only(database: &mut Database, entities: &[&str]) -> Result<(), Error> {
    let all: Vec<String> =
        rows(&database.connection, "SELECT DISTINCT entity FROM censuses WHERE due_at IS NOT NULL", [], |row| row.get(0))?;
    let is_account = |name: &String| {
        database.entities().iter().any(|entity| entity.name == *name && entity.deletions == Deletions::Absence(Confirmed::Both))
    };
    for entity in all.iter().filter(|name| !is_account(name) && !entities.contains(&name.as_str())) {
        database.connection.execute("UPDATE censuses SET due_at = NULL, problem = NULL WHERE entity = ?1", [entity])?;
    }
    Ok(())
}

/// What the file says of a feed's readings.
pub(super) fn reports(connection: &Connection, feed: &FeedId) -> rusqlite::Result<Vec<CensusReport>> {
    let sql = "SELECT entity, proven_at, proven_rows, absent, due_at, problem,
             CASE entity
                 WHEN 'agent' THEN (SELECT count(*) FROM live_agents AS live WHERE live.feed_id = censuses.feed_id)
                 WHEN 'office' THEN (SELECT count(*) FROM live_offices AS live WHERE live.feed_id = censuses.feed_id)
                 ELSE (SELECT count(*) FROM open_houses AS live WHERE live.feed_id = censuses.feed_id AND deleted_at IS NULL)
             END
         FROM censuses WHERE feed_id = ?1 ORDER BY entity";
    // By itself, because it is many times as fast as for each row.
    let dangling = "SELECT entity, sum(listings) FROM dangling_ids WHERE feed_id = ?1 GROUP BY entity";
    let dangling: Vec<(String, u64)> = rows(connection, dangling, [feed], |row| row.try_into())?;
    let dangling: BTreeMap<String, u64> = dangling.into_iter().collect();
    rows(connection, sql, [feed], |row| {
        let (entity, proven_at, proven_rows, absent, due_at, problem, live) = row.try_into()?;
        let dangling = dangling.get(&entity).copied().unwrap_or_default();
        Ok(CensusReport { entity, live, proven_at, proven_rows, absent, due_at, problem, dangling })
    })
}
