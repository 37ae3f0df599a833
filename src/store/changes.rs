//! The table `changes`, as it is written: each change of a row, and which of them are a mass update.

use super::diff::Diff;
use super::query::{rows, value};

use crate::entity::Entity;
use crate::plan::licence::Licence;
use crate::record::{ListingKey, Stamp};
use rusqlite::{Connection, params};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// As many changes of one kind and of the same columns in one transaction are a mass update.
const BULK: i64 = 50;

/// A change of a row.
pub(super) struct Change<'a> {
    /// added, changed, deleted, restored.
    pub(super) kind: &'a str,
    /// What made it.
    pub(super) cause: &'a str,
    /// Of what was said.
    pub(super) stamp: Option<Stamp>,
    /// The mirror's clock.
    pub(super) at: &'a str,
    /// What it changes; `None` for the first change of a key, which brings everything. That is not kept twice: the row and the
    /// later diffs tell it.
    pub(super) diff: Option<Diff>,
}

/// The start of the last whole reading that may have shown the state before. One that is absent was not in the last of them.
const NOT_BEFORE: &str = "SELECT iif(absent.key IS NULL, complete_at, absent.not_before)
     FROM censuses LEFT JOIN census_absent AS absent ON (absent.entity, absent.feed_id, absent.key) = (?1, ?2, ?3)
     WHERE (censuses.entity, censuses.feed_id) = (?1, ?2)";

/// Adds a change; tells its number, and when it was made: by the mirror's clock, and not before the one that was stored last, so that
/// whoever follows by time misses none when that clock is set back. Where that lies more than a day ahead, the clock was wrong when it
/// was stored, and the times of later changes do not follow it.
pub(super) fn add(tx: &Connection, entity: &Entity, key: &ListingKey, change: Change) -> rusqlite::Result<(i64, String)> {
    let Change { kind, cause, stamp, at, diff } = change;
    let not_before = if entity.stamp.is_none() { NOT_BEFORE } else { "NULL" };
    let not_earlier = "SELECT max(?1, coalesce((
        SELECT at FROM (SELECT at FROM changes ORDER BY seq DESC LIMIT 1) WHERE at < strftime('%Y-%m-%dT%H:%M:%fZ', ?1, '+1 day')), ''))";
    let at: String = value(tx, not_earlier, [at])?;
    let sql = format!(
        "INSERT INTO changes (entity, feed_id, key, kind, cause, stamp, at, diff, not_before) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ({not_before}))"
    );
    let diff = diff.map(|diff| diff.to_json());
    // It returns nothing: SQLite would then keep a copy of each page that the statement changes, to take it back by itself.
    tx.prepare_cached(&sql)?.execute(params![entity.name, key.feed, key.listing, kind, cause, stamp, at, diff])?;
    Ok((tx.last_insert_rowid(), at))
}

/// Forgets what the changes of a key were: the agreement with the MLS does not let it be kept. That they were made stays.
pub(super) fn forget_values(tx: &Connection, entity: &Entity, key: &ListingKey) -> rusqlite::Result<()> {
    let sql = "UPDATE changes SET diff = NULL WHERE entity = ?1 AND feed_id = ?2 AND key = ?3 AND kind <> 'deleted'";
    tx.prepare_cached(sql)?.execute(params![entity.name, key.feed, key.listing]).map(drop)
}

/// Forgets what the changes of a key were in the fields that are never stored, and in `extra` where that has held one of them.
pub(super) fn forget_fields(tx: &Connection, entity: &Entity, key: &ListingKey, licence: &Licence) -> rusqlite::Result<()> {
    let sql = "SELECT seq, diff FROM changes WHERE entity = ?1 AND feed_id = ?2 AND key = ?3 AND diff <> '{}'";
    let changes: Vec<(i64, String)> = rows(tx, sql, params![entity.name, key.feed, key.listing], |row| row.try_into())?;
    for (seq, diff) in changes {
        if let Some(left) = without_fields(entity, licence, &diff) {
            tx.prepare_cached("UPDATE changes SET diff = ?2 WHERE seq = ?1")?.execute(params![seq, left])?;
        }
    }
    Ok(())
}

/// A diff without the fields that are never stored; `None` where it has none of them. What stays keeps its spelling.
fn without_fields(entity: &Entity, licence: &Licence, diff: &str) -> Option<String> {
    let before: BTreeMap<String, Box<RawValue>> = serde_json::from_str(diff).ok()?;
    let mut members = before.clone();
    let is_omitted = |column: &str| entity.fields.iter().any(|field| field.column == column && licence.omit.contains(&field.wire));
    members.retain(|column, _| !is_omitted(column));
    if let Some(values) = members.remove("extra") {
        let sides: [Option<String>; 2] = serde_json::from_str(values.get()).ok()?;
        let left = sides.map(|side| side.and_then(|extra| licence.without(&extra)).filter(|extra| extra != "{}"));
        if left[0] != left[1] {
            members.insert("extra".to_owned(), serde_json::value::to_raw_value(&left).ok()?);
        }
    }
    let same = |column: &String| before.get(column).map(|raw| raw.get()) == members.get(column).map(|raw| raw.get());
    let changed = !before.keys().all(same);
    changed.then(|| serde_json::to_string(&members).ok()).flatten()
}

/// The number of the newest change, even if it was cut; 0 where there was none.
pub(super) fn newest(connection: &Connection) -> rusqlite::Result<i64> {
    value(connection, "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'changes'", [])
}

/// Marks those of a transaction's changes that are a mass update: many of one kind, of the same columns. The column of the stamp
/// does not count, because it goes along with any change. `before` is the newest number before the transaction.
pub(super) fn mark_bulk(tx: &Connection, entity: &Entity, before: i64) -> rusqlite::Result<()> {
    if newest(tx)? - before < BULK {
        return Ok(());
    }
    let stamp = entity.fields.iter().find(|field| Some(field.wire) == entity.stamp).map(|field| field.column);
    tx.prepare_cached(
        "UPDATE changes SET bulk = 1 WHERE seq IN (
             SELECT seq FROM (SELECT seq, count(*) OVER (PARTITION BY feed_id, kind, columns) AS alike FROM (
                 SELECT seq, feed_id, kind, (SELECT group_concat(key) FROM json_each(diff) WHERE key IS NOT ?3) AS columns
                 FROM changes WHERE seq > ?1))
             WHERE alike >= ?2)",
    )?
    .execute(params![before, BULK, stamp])
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::LISTINGS;

    fn key(feed: &str, id: &str) -> ListingKey {
        ListingKey { feed: crate::record::FeedId(feed.to_owned()), listing: crate::record::ListingId(id.to_owned()) }
    }

    /// How many of these changes of one transaction are a mass update; each is how many, their kind and their diff.
    fn bulk(groups: &[(u32, &str, &str)]) -> i64 {
        let file = Connection::open_in_memory().expect("SQLite opens");
        file.execute_batch(include_str!("../../schema.sql")).expect("schema.sql is valid");
        let sql = "INSERT INTO changes (entity, feed_id, key, kind, cause, at, diff) VALUES ('listing', 'A', '1', ?1, 'vendor', '', ?2)";
        let add = |kind: &str, diff: &str| file.execute(sql, [kind, diff]).expect("a change");
        add("changed", r#"{"price":[0,1]}"#);
        let before = newest(&file).expect("its number");
        for (count, kind, diff) in groups {
            assert_eq!((0..*count).map(|_| add(kind, diff)).sum::<usize>(), *count as usize);
        }
        mark_bulk(&file, &LISTINGS, before).expect("marked");
        value(&file, "SELECT count(*) FROM changes WHERE bulk", []).expect("a count")
    }

    /// What a change of a row of this kind and with this key has as its lower bound.
    fn not_before(entity: &Entity, name: &str) -> Option<String> {
        let file = Connection::open_in_memory().expect("SQLite opens");
        file.execute_batch(include_str!("../../schema.sql")).expect("schema.sql is valid");
        file.execute_batch(
            "INSERT INTO censuses (feed_id, entity, proven_at, complete_at) VALUES ('A', 'process', '4', '3'), ('A', 'listing', '4', '3');
             INSERT INTO census_absent (entity, feed_id, key, since, not_before)
             VALUES ('process', 'A', 'absent', '2', '1'), ('process', 'A', 'always absent', '2', NULL)",
        )
        .expect("readings");
        let (feed, id) = name.split_once(' ').expect("a feed and an id");
        let at = "2026-05-01T12:00:00.000Z";
        add(&file, entity, &key(feed, id), Change { kind: "changed", cause: "vendor", stamp: None, at, diff: None }).expect("added");
        value(&file, "SELECT not_before FROM changes", []).expect("one change")
    }

    #[test]
    fn what_has_no_date_changed_after_the_last_reading_that_may_have_shown_it() {
        let process = LISTINGS.all().find(|entity| entity.name == "process").expect("a kind");
        assert_eq!(not_before(process, "A 5").as_deref(), Some("3"));
        assert_eq!(not_before(process, "A absent").as_deref(), Some("1"), "the last reading lacked it");
        assert_eq!(not_before(process, "A always absent"), None);
        assert_eq!(not_before(process, "B 5"), None, "never read whole");
        assert_eq!(not_before(&LISTINGS, "A 5"), None, "the vendor dates it");
    }

    #[test]
    fn omitted_fields_are_taken_out_of_a_diff_and_out_of_extra() {
        let licence = Licence { omit: vec!["Price"], ..Licence::default() };
        let left = |diff| without_fields(&LISTINGS, &licence, diff);
        assert_eq!(left(r#"{"price":[1,2],"acre_search":[1.50,1e2]}"#).as_deref(), Some(r#"{"acre_search":[1.50,1e2]}"#));
        assert_eq!(left(r#"{"beds":[1,2],"acres":["Price","x"]}"#), None);
        let extra = r#"{"extra":["{\"Price\":\"SECRET\",\"Foo\":1}","{\"price\":\"SECRET\"}"]}"#;
        assert_eq!(left(extra).as_deref(), Some(r#"{"extra":["{\"Foo\":1}",null]}"#));
        assert_eq!(left(r#"{"extra":["{\"Price\":\"SECRET\"}",null]}"#).as_deref(), Some("{}"));
    }

    #[test]
    fn fifty_changes_of_one_kind_and_of_the_same_columns_are_a_mass_update() {
        let (price, dated, other) =
            (r#"{"price":[1,2]}"#, r#"{"mls_update_date":["a","b"],"price":[3,4]}"#, r#"{"price":[1,2],"beds":[1,2]}"#);
        assert_eq!(bulk(&[(49, "changed", price)]), 0);
        assert_eq!(bulk(&[(50, "changed", price)]), 50);
        assert_eq!(bulk(&[(25, "changed", price), (25, "changed", dated), (49, "changed", other)]), 50, "the date goes along");
        assert_eq!(bulk(&[(49, "changed", price), (1, "restored", price)]), 0);
        assert_eq!(bulk(&[(60, "deleted", "{}"), (3, "changed", price)]), 60);
    }

    #[test]
    fn the_times_of_changes_do_not_fall_unless_one_lies_far_ahead() {
        let (noon, next) = ("2026-05-01T12:00:00.000Z", "2026-05-02T12:00:00.000Z");
        let after = |last: Option<&str>| {
            let file = Connection::open_in_memory().expect("SQLite opens");
            file.execute_batch(include_str!("../../schema.sql")).expect("schema.sql is valid");
            let sql = "INSERT INTO changes (entity, feed_id, key, kind, cause, at) VALUES ('listing', 'A', '1', 'deleted', 'vendor', ?1)";
            last.map(|last| file.execute(sql, [last]).expect("a change"));
            let change = Change { kind: "changed", cause: "vendor", stamp: None, at: noon, diff: None };
            add(&file, &LISTINGS, &key("A", "1"), change).expect("added").1
        };
        assert_eq!(after(None), noon);
        assert_eq!(after(Some("2026-05-01T11:59:59.999Z")), noon);
        assert_eq!(after(Some("2026-05-02T11:59:59.999Z")), "2026-05-02T11:59:59.999Z", "the clock was set back");
        assert_eq!(after(Some(next)), noon, "the clock was wrong");
        assert_eq!(after(Some("never")), noon);
    }
}
