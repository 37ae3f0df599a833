//! What whole readings lack of the rows that were there before them.

use super::census::{Census, forget_absence};
use super::changes;
use super::database::Database;
use super::error::Error;
use super::feeds::check_mirrored;
use super::handle::Store;
use super::incoming::{Hearing, Incoming};
use super::query::rows;
use super::rejects;
use super::row::apply;
use super::row_sql::key_columns;
use crate::entity::Entity;
use crate::plan::census::{Absence, Found};
use crate::plan::merge::News;
use crate::record::{ListingId, ListingKey, Stamp};
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, BTreeSet};

/// Rows that become tombstones in one transaction.
const BATCH: usize = 1000;

/// The clock of Hawaii, where a start that has no zone comes last. Elsewhere it may have passed up to so long ago.
const WESTERNMOST: &str = "-10 hours";

/// When a whole reading began, and what it read.
type ReadKeys = (String, BTreeSet<ListingId>);

impl Store {
    /// Sets a whole reading, which began then, against the rows.
    pub(crate) async fn absences(&self, census: Census, began: String, read: BTreeSet<ListingId>) -> Result<Found, Error> {
        self.write(move |db| absences(db, &census, &began, &read)).await
    }

    /// What the second of two whole readings lacks; the file is not changed.
    pub(crate) async fn lacking(&self, census: Census, first: ReadKeys, second: ReadKeys) -> Result<Found, Error> {
        self.write(move |db| lacking_twice(&db.connection, &census, &first, &second)).await
    }

    /// Makes rows that are gone tombstones.
    pub(crate) async fn delete_absent(&self, census: Census, ids: Vec<ListingId>) -> Result<(), Error> {
        self.write(move |db| delete(db, &census, &ids)).await
    }
}

/// Sets a whole reading against the rows that were there before it began, and remembers what it lacks.
fn absences(database: &mut Database, census: &Census, began: &str, read: &BTreeSet<ListingId>) -> Result<Found, Error> {
    let Census { entity, feed, .. } = census;
    let (tx, _) = database.begin_on(entity)?;
    check_mirrored(&tx, feed)?;
    let (found, known) = lacking(&tx, census, began, read)?;
    let absent: BTreeSet<&ListingId> = found.absent.iter().map(|absence| &absence.id).collect();
    for id in known.iter().filter(|id| !absent.contains(id)) {
        forget_absence(&tx, entity, feed, id)?;
    }
    for id in absent.iter().filter(|id| !known.contains(**id)) {
        let sql = "INSERT INTO census_absent (entity, feed_id, key, since, not_before)
             VALUES (?1, ?2, ?3, ?4, (SELECT complete_at FROM censuses WHERE entity = ?1 AND feed_id = ?2))";
        tx.prepare_cached(sql)?.execute(params![entity.name, feed, id, began])?;
    }
    // Every record of a whole reading could be read.
    rejects::forget(&tx, entity, feed)?;
    tx.commit()?;
    Ok(found)
}

/// What a whole reading lacks, and the rows that were known to be absent before.
fn lacking(
    connection: &Connection,
    census: &Census,
    began: &str,
    read: &BTreeSet<ListingId>,
) -> Result<(Found, BTreeSet<ListingId>), Error> {
    let Census { entity, feed, .. } = census;
    let now = Stamp::parse(began).ok_or_else(|| Error::Strange(format!("{began} is no time")))?;
    let expected = expected(connection, census, began)?;
    let lost = lost(entity, &expected, read);
    let sql = "SELECT key, since FROM census_absent WHERE entity = ?1 AND feed_id = ?2";
    let known: Vec<(ListingId, Stamp)> = rows(connection, sql, params![entity.name, feed], |row| row.try_into())?;
    let known: BTreeMap<ListingId, Stamp> = known.into_iter().collect();
    let absent = expected.iter().map(|(id, _)| id).filter(|id| !read.contains(id));
    let absent = absent.map(|id| Absence { id: id.clone(), since: known.get(id).copied().unwrap_or(now) }).collect();
    Ok((Found { read: read.len() as u64, expected: expected.len() as u64, absent, lost }, known.into_keys().collect()))
}

/// What the second of two whole readings lacks, without a change of the file: each is when it began, and what it read.
fn lacking_twice(connection: &Connection, census: &Census, first: &ReadKeys, (began, read): &ReadKeys) -> Result<Found, Error> {
    let (mut found, known) = lacking(connection, census, began, read)?;
    let earlier = Stamp::parse(&first.0).ok_or_else(|| Error::Strange(format!("{} is no time", first.0)))?;
    for absence in found.absent.iter_mut().filter(|absence| !known.contains(&absence.id) && !first.1.contains(&absence.id)) {
        absence.since = earlier;
    }
    Ok(found)
}

/// The live rows that a whole reading must hold: those that were there before, and whose time is not over in any zone. With each,
/// what it belongs to.
fn expected(tx: &Connection, census: &Census, began: &str) -> rusqlite::Result<Vec<(ListingId, Option<String>)>> {
    let (entity, [feed, id]) = (census.entity, key_columns(census.entity));
    let lapses = entity
        .lapses
        .map(|date| format!("AND ({date} IS NULL OR {date} > strftime('%Y-%m-%dT%H:%M:%S', ?2, '{WESTERNMOST}'))"))
        .unwrap_or_default();
    let listed = entity.unlisted.map(|(column, value)| format!("AND {column} IS NOT '{value}'")).unwrap_or_default();
    let (table, scope) = (entity.table, entity.scope.map_or("NULL", |(column, _)| column));
    let sql = format!("SELECT {id}, {scope} FROM {table} WHERE {feed} = ?1 AND deleted_at IS NULL AND changed_at < ?2 {lapses} {listed}");
    rows(tx, &sql, params![census.feed, began], |row| row.try_into())
}

/// The groups of rows of which a reading holds nothing.
fn lost(entity: &Entity, expected: &[(ListingId, Option<String>)], read: &BTreeSet<ListingId>) -> Vec<String> {
    let Some((_, name)) = entity.scope else { return Vec::new() };
    let of = |all: bool| expected.iter().filter(|(id, _)| all || read.contains(id)).filter_map(|(_, scope)| scope.as_ref()).collect();
    let (there, all): (BTreeSet<&String>, BTreeSet<&String>) = (of(false), of(true));
    all.difference(&there).map(|scope| format!("{name} {scope}")).collect()
}

/// Makes rows tombstones.
fn delete(database: &mut Database, census: &Census, ids: &[ListingId]) -> Result<(), Error> {
    let Census { entity, feed, at } = census;
    for batch in ids.chunks(BATCH) {
        let (tx, sql) = database.begin_on(entity)?;
        check_mirrored(&tx, feed)?;
        let before = changes::newest(&tx)?;
        for id in batch {
            let key = ListingKey { feed: feed.clone(), listing: id.clone() };
            apply(&tx, sql, Incoming::without_record(&key, News::Absent), Hearing::at(at))?;
            forget_absence(&tx, entity, feed, id)?;
        }
        changes::mark_bulk(&tx, entity, before)?;
        tx.commit()?;
    }
    Ok(())
}
