//! What the licences do not let the file keep is taken out, a few rows at a time.

use super::changes;
use super::contested;
use super::database::Database;
use super::error::Error;
use super::query::rows;
use super::row;
use super::row_sql::{RowSql, key_columns};
use crate::plan::licence::{Licence, Rule};
use crate::record::{FeedId, ListingId, ListingKey, Stamp};
use rusqlite::{Connection, params};

/// Rows that are looked at in one transaction: it must not be in the way of a page for long.
const BATCH: usize = 1000;

/// A feed whose rows are gone through because the fields that are never stored have changed.
#[derive(Debug)]
pub(super) struct Walk {
    feed: FeedId,
    after: ListingId,
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
        if over(database, &feed, (&licence, now), at)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Goes on through a feed's rows, and writes down at the end that it is done. A restart begins anew, which finds little to do.
fn leave_out(database: &mut Database, (feed, names): (&FeedId, &str), walk: &mut Option<Walk>, at: &str) -> Result<(), Error> {
    let begins = walk.as_ref().is_none_or(|walk| walk.feed != *feed);
    let after = walk.take().filter(|walk| walk.feed == *feed).map_or(ListingId(String::new()), |walk| walk.after);
    let (tx, sql) = database.begin()?;
    if begins {
        // What is kept of a record as it was sent holds every field.
        tx.execute("DELETE FROM contested WHERE feed_id = ?1", [feed])?;
        tx.execute("UPDATE rejects SET raw = '' WHERE feed_id = ?1", [feed])?;
    }
    let (table, [feed_column, id]) = (sql.entity.table, key_columns(sql.entity));
    let batch = format!("SELECT {id} FROM {table} WHERE {feed_column} = ?1 AND {id} > ?2 ORDER BY {id} LIMIT {BATCH}");
    let batch: Vec<ListingId> = rows(&tx, &batch, params![feed, after], |row| row.get(0))?;
    let last = batch.last().cloned();
    let purged = purge(&tx, sql, feed, (batch, Rule::Omit), at)?;
    if last.is_none() {
        tx.execute("UPDATE feeds SET omitted = ?2 WHERE feed_id = ?1", [&feed.0, names])?;
    }
    tx.commit()?;
    told(feed, Rule::Omit, purged);
    *walk = last.map(|after| Walk { feed: feed.clone(), after });
    Ok(())
}

/// Takes out the contents of listings whose time is over; tells whether there were any.
fn over(database: &mut Database, feed: &FeedId, (licence, now): (&Licence, Stamp), at: &str) -> Result<bool, Error> {
    let rules = [(Rule::KeepDeleted, licence.keep_deleted), (Rule::KeepSold, licence.keep_sold)];
    for (rule, keep) in rules {
        let Some(before) = keep.map(|keep| now.minus(keep)) else { continue };
        let batch: Vec<ListingId> = rows(&database.connection, &due(&database.sql, rule), params![feed, before], |row| row.get(0))?;
        if batch.is_empty() {
            continue;
        }
        let (tx, sql) = database.begin()?;
        let purged = purge(&tx, sql, feed, (batch, rule), at)?;
        tx.commit()?;
        told(feed, rule, purged);
        return Ok(true);
    }
    Ok(false)
}

/// The rows whose time is over. The conditions are those of the indexes listings_deleted and listings_sold.
fn due(sql: &RowSql, rule: Rule) -> String {
    let (entity, [feed, id]) = (sql.entity, key_columns(sql.entity));
    let due = match rule {
        Rule::Omit | Rule::KeepDeleted => "deleted_at IS NOT NULL AND deleted_at < ?2".to_owned(),
        Rule::KeepSold => {
            let sold = entity.sold;
            let values: Vec<String> = sold.values.iter().map(|value| format!("'{}'", value.to_lowercase())).collect();
            let date = format!("coalesce({})", sold.dates.join(", "));
            format!("lower({}) IN ({}) AND {date} < ?2 AND deleted_at IS NULL", sold.status, values.join(", "))
        }
    };
    format!("SELECT {id} FROM {} WHERE {feed} = ?1 AND {due} AND purged_at IS NULL LIMIT {BATCH}", entity.table)
}

fn purge(tx: &Connection, sql: &RowSql, feed: &FeedId, (batch, rule): (Vec<ListingId>, Rule), at: &str) -> Result<usize, Error> {
    let before = changes::newest(tx)?;
    let mut purged = 0;
    for listing in batch {
        let key = ListingKey { feed: feed.clone(), listing };
        purged += usize::from(row::purge(tx, sql, &key, rule, at)?);
        if rule != Rule::Omit {
            contested::forget(tx, &key)?;
            tx.prepare_cached("DELETE FROM rejects WHERE feed_id = ?1 AND listing_id = ?2")?.execute(params![key.feed, key.listing])?;
        }
    }
    changes::mark_bulk(tx, sql.entity, before)?;
    Ok(purged)
}

fn told(feed: &FeedId, rule: Rule, listings: usize) {
    if listings > 0 {
        tracing::info!(%feed, rule = rule.word(), listings, "contents that may not be kept were taken out");
    }
}
