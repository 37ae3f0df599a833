//! What the licences do not let the file keep is taken out, a few rows at a time.

use super::changes;
use super::contested;
use super::database::Database;
use super::error::Error;
use super::query::{rows, value};
use super::rejects;
use super::row;
use super::row_sql::{RowSql, key_columns};
use crate::entity::Entity;
use crate::plan::licence::{Licence, Rule};
use crate::record::{FeedId, ListingId, ListingKey, Stamp};
use rusqlite::{Connection, params};

/// Rows that are looked at in one transaction: it must not be in the way of a page for long.
const BATCH: usize = 1000;

/// A feed whose rows are gone through because the fields that are never stored have changed.
#[derive(Debug)]
pub(super) struct Walk {
    feed: FeedId,
    /// Which of the file's entities is gone through.
    place: usize,
    after: ListingId,
    /// The rejects up to this one were gone through, too.
    reject: i64,
}

/// Takes the next step, if there is one; tells whether there may be more.
pub(super) fn step(database: &mut Database, walk: &mut Option<Walk>, at: &str) -> Result<bool, Error> {
    let Some(now) = Stamp::parse(at) else { return Ok(false) };
    let feeds: Vec<(FeedId, String)> = rows(&database.connection, "SELECT feed_id, omitted FROM feeds", [], |row| row.try_into())?;
    for (feed, omitted) in feeds {
        let licence = database.sql.licences.of(&feed).clone();
        let names = licence.omit.join(",");
        if omitted != names {
            return leave_out(database, (&feed, &names), walk, at).map(|()| true);
        }
        for entity in database.entities() {
            if over(database, entity, (&feed, &licence, now), at)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Goes on through a feed's rows, and writes down at the end that it is done. A restart begins anew, which finds little to do.
fn leave_out(database: &mut Database, (feed, names): (&FeedId, &str), walk: &mut Option<Walk>, at: &str) -> Result<(), Error> {
    let walked = walk.take().filter(|walk| walk.feed == *feed);
    let begins = walked.is_none();
    let first = |place, reject| Walk { feed: feed.clone(), place, after: ListingId(String::new()), reject };
    let Walk { place, after, reject, .. } = walked.unwrap_or_else(|| first(0, 0));
    let entities = database.entities();
    let Some(entity) = entities.get(place) else { return Ok(()) };
    let (tx, sql) = database.begin_on(entity)?;
    if begins {
        // The text holds every field. Without it, a note counts when the same is heard again.
        tx.execute("UPDATE contested SET raw = NULL WHERE feed_id = ?1", [feed])?;
    }
    let last_reject = rejects::leave_out(&tx, feed, sql.licences.of(feed), reject)?;
    let (table, [feed_column, id]) = (sql.entity.table, key_columns(sql.entity));
    let batch = format!("SELECT {id} FROM {table} WHERE {feed_column} = ?1 AND {id} > ?2 ORDER BY {id} LIMIT {BATCH}");
    let batch: Vec<ListingId> = rows(&tx, &batch, params![feed, after], |row| row.get(0))?;
    let last = batch.last().cloned();
    let purged = purge(&tx, sql, feed, (batch, Rule::Omit), at)?;
    let next = match last {
        None if last_reject.is_none() => first(place + 1, reject),
        last => Walk { feed: feed.clone(), place, after: last.unwrap_or(after), reject: last_reject.unwrap_or(reject) },
    };
    let done = next.place >= entities.len();
    if done {
        tx.execute("UPDATE feeds SET omitted = ?2 WHERE feed_id = ?1", [&feed.0, names])?;
    }
    tx.commit()?;
    log_purged(feed, Rule::Omit, purged);
    *walk = (!done).then_some(next);
    Ok(())
}

/// Takes out the contents of rows whose time is over; tells whether there were any.
fn over(database: &mut Database, entity: &Entity, (feed, licence, now): (&FeedId, &Licence, Stamp), at: &str) -> Result<bool, Error> {
    if let Some(before) = licence.keep_unread().map(|keep| now.minus(keep)) {
        rejects::empty_before(&database.connection, feed, before)?;
    }
    let rules = [(Rule::KeepDeleted, licence.keep_deleted), (Rule::KeepSold, licence.keep_sold)];
    for (rule, keep) in rules {
        let Some((before, due)) = keep.map(|keep| now.minus(keep)).zip(due(entity, rule)) else { continue };
        let batch: Vec<ListingId> = rows(&database.connection, &due, params![feed, before], |row| row.get(0))?;
        if batch.is_empty() {
            continue;
        }
        let (tx, sql) = database.begin_on(entity)?;
        let purged = purge(&tx, sql, feed, (batch, rule), at)?;
        tx.commit()?;
        log_purged(feed, rule, purged);
        return Ok(true);
    }
    Ok(false)
}

/// The rows whose time is over, where the rule concerns them at all. The conditions are those of the indexes on deleted rows and of
/// listings_sold.
fn due(entity: &Entity, rule: Rule) -> Option<String> {
    let [feed, id] = key_columns(entity);
    let due = match rule {
        Rule::Omit | Rule::KeepDeleted => "deleted_at IS NOT NULL AND deleted_at < ?2".to_owned(),
        Rule::KeepSold => {
            let sold = entity.sold?;
            let values: Vec<String> = sold.values.iter().map(|value| format!("'{}'", value.to_lowercase())).collect();
            let date = format!("coalesce({})", sold.dates.join(", "));
            format!("lower({}) IN ({}) AND {date} < ?2", sold.status, values.join(", "))
        }
    };
    Some(format!("SELECT {id} FROM {} WHERE {feed} = ?1 AND {due} AND purged_at IS NULL LIMIT {BATCH}", entity.table))
}

fn purge(tx: &Connection, sql: &RowSql, feed: &FeedId, (batch, rule): (Vec<ListingId>, Rule), at: &str) -> Result<usize, Error> {
    let before = changes::newest(tx)?;
    let mut purged = 0;
    for listing in batch {
        let key = ListingKey { feed: feed.clone(), listing };
        // A record that came after the row last changed, and could not be read, may be of a listing that is back.
        let last_changed = changed_at(tx, sql, &key)?;
        purged += usize::from(row::purge(tx, sql, &key, rule, at)?);
        if rule != Rule::Omit && sql.entity.stamp.is_some() {
            contested::forget(tx, &key)?;
            rejects::empty_of(tx, &key, &last_changed)?;
        }
    }
    changes::mark_bulk(tx, sql.entity, before)?;
    Ok(purged)
}

fn changed_at(tx: &Connection, sql: &RowSql, key: &ListingKey) -> rusqlite::Result<String> {
    let [feed, id] = key_columns(sql.entity);
    value(tx, &format!("SELECT changed_at FROM {} WHERE {feed} = ?1 AND {id} = ?2", sql.entity.table), params![key.feed, key.listing])
}

fn log_purged(feed: &FeedId, rule: Rule, listings: usize) {
    if listings > 0 {
        tracing::info!(%feed, rule = rule.word(), listings, "contents that may not be kept were taken out");
    }
}
