//! THE TRANSACTION: what a page changes, and the checkpoint that says that it was read, together or not at all.

use super::row::{ListingSql, Mirror};
use super::{Error, checkpoint, feeds, reconcile_run, rejects};
use crate::plan::checkpoint::Checkpoint;
use crate::plan::merge::{self, Action, Known, merge};
use crate::plan::options::Purpose;
use crate::record::{Content, Hash, ListingKey, Presence, Reject, Stamp};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use std::collections::BTreeMap;

/// A record on its way into the file.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Its key.
    pub key: ListingKey,
    /// Its stamp.
    pub stamp: Option<Stamp>,
    /// What the stream says of it.
    pub presence: Presence,
    /// Hash of the record as sent.
    pub raw_hash: Hash,
    /// Its content; `None` if the stored row was made of a record with the same hash.
    pub content: Option<Content>,
}

/// One page on its way into the file.
#[derive(Clone, Debug)]
pub struct PageCommit {
    /// Records of the feed that was asked for.
    pub records: Vec<Incoming>,
    /// Records that could not become rows.
    pub rejects: Vec<Reject>,
    /// Where the reading stands after this page.
    pub checkpoint: Checkpoint,
    /// The vendor's clock: how late a late record is.
    pub vendor_now: Stamp,
    /// The mirror's clock: UTC, RFC 3339.
    pub at: String,
}

/// What a page did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// How many records met each fate.
    pub counts: BTreeMap<Action, u64>,
    /// Rejects that were not kept already.
    pub new_rejects: Vec<Reject>,
}

/// Late listings that are kept, over all feeds.
const KEPT_LATE: i64 = 100_000;
/// The longest `extra` that is kept, in bytes: unknown fields must not flood the file.
const LONGEST_EXTRA: usize = 256 * 1024;

struct Stored {
    known: Known,
    raw_hash: Hash,
    content_hash: Hash,
}

/// Stores a page.
pub(super) fn commit(connection: &mut Connection, sql: &ListingSql, page: &PageCommit) -> Result<Committed, Error> {
    let mut tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    feeds::check_mirrored(&tx, &page.checkpoint.feed)?;
    let mut committed = Committed::default();
    // Beside the reading that it is about, a dry run leaves no trace.
    if page.checkpoint.dry_run && page.checkpoint.purpose != Purpose::Scan {
        return Ok(committed);
    }
    let mut records = tx.savepoint()?;
    for record in &page.records {
        let (action, known) = apply(&records, sql, record, &page.at)?;
        if is_late(record, known, action, &page.checkpoint) {
            note_late(&records, record, page)?;
        }
        *committed.counts.entry(action).or_default() += 1;
    }
    // A dry run sees what it would do, and takes it back.
    if page.checkpoint.dry_run {
        records.rollback()?;
    }
    records.commit()?;
    for reject in &page.rejects {
        if rejects::keep(&tx, page, reject)? {
            committed.new_rejects.push(reject.clone());
        }
    }
    if page.checkpoint.purpose == Purpose::Scan && page.checkpoint.stream.presence() == Presence::Live {
        reconcile_run::count(&tx, page, &committed)?;
    }
    checkpoint::save(&tx, &page.checkpoint, &page.at)?;
    tx.commit()?;
    Ok(committed)
}

/// Stores a record; tells what was done and what was known before.
pub(super) fn apply(tx: &Connection, sql: &ListingSql, record: &Incoming, at: &str) -> Result<(Action, Option<Known>), Error> {
    let stored = find(tx, &record.key)?;
    let mut content = record.content.clone();
    let cut = content.as_mut().is_some_and(cut_extra);
    let same = match (&stored, &mut content) {
        (Some(stored), _) if stored.raw_hash == record.raw_hash => true,
        (Some(stored), Some(content)) => {
            take_over_absent(tx, sql, record, stored, content)?;
            content.hash() == stored.content_hash
        }
        (Some(_), None) | (None, _) => false,
    };
    let known = stored.as_ref().map(|stored| stored.known);
    let action = merge(known, merge::Incoming { stamp: record.stamp, presence: record.presence, same });
    let newest = record.stamp.max(known.and_then(|known| known.stamp));
    let stamp = newest.map(|stamp| stamp.to_string());
    match action {
        Action::Unchanged | Action::Stale => {}
        Action::Restamp => restamp(tx, &record.key, stamp)?,
        Action::Tombstone => {
            let seq = change(tx, &record.key, "tombstone", at)?;
            tombstone(tx, &record.key, "vendor", stamp, (at, seq))?;
        }
        Action::Insert | Action::InsertTombstone | Action::Update | Action::Revive => {
            let Some(content) = content else {
                return Err(Error::Strange(format!("a row of {} that vanished while its page was read", record.key.listing)));
            };
            write(tx, sql, record, &content, (action, stamp), at)?;
            if cut {
                feeds::count_extra_cut(tx, &record.key.feed)?;
            }
        }
    }
    Ok((action, known))
}

/// Puts a note in the place of an `extra` that is too long; tells whether it was.
fn cut_extra(content: &mut Content) -> bool {
    let bytes = content.extra.as_ref().map_or(0, String::len);
    if bytes <= LONGEST_EXTRA {
        return false;
    }
    content.extra = Some(format!("{{\"_cut\":{bytes}}}"));
    true
}

/// A change that comes from a stretch that had been read whole was published after it was stamped. A change that
/// brings no new stamp says nothing of that.
fn is_late(record: &Incoming, known: Option<Known>, action: Action, checkpoint: &Checkpoint) -> bool {
    let changed = match action {
        Action::Insert | Action::Update | Action::Tombstone | Action::Revive | Action::InsertTombstone => true,
        Action::Restamp | Action::Unchanged | Action::Stale => false,
    };
    let newer = record.stamp > known.and_then(|known| known.stamp);
    changed && newer && record.stamp.is_some_and(|stamp| checkpoint.read_before.contains(stamp))
}

fn note_late(tx: &Connection, record: &Incoming, page: &PageCommit) -> rusqlite::Result<()> {
    let Some(stamp) = record.stamp else { return Ok(()) };
    let late = page.vendor_now.since(stamp).as_secs_f64();
    let mut statement = tx.prepare_cached(
        "INSERT INTO late_listings (feed_id, listing_id, stamp, late_s, found_by, found_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let id = statement.insert(params![
        record.key.feed.0,
        record.key.listing.0,
        stamp.to_string(),
        late,
        page.checkpoint.purpose.word(),
        page.at
    ])?;
    // The oldest give way: what is kept is enough to see how late listings come.
    if id > KEPT_LATE {
        tx.prepare_cached("DELETE FROM late_listings WHERE late_id <= ?1")?.execute([id - KEPT_LATE])?;
    }
    Ok(())
}

fn write(
    tx: &Connection,
    sql: &ListingSql,
    record: &Incoming,
    content: &Content,
    fate: (Action, Option<String>),
    at: &str,
) -> Result<(), Error> {
    let (action, stamp) = fate;
    let kind = match action {
        Action::Insert => "insert",
        Action::InsertTombstone => "tombstone",
        Action::Revive => "revive",
        Action::Update | Action::Tombstone | Action::Restamp | Action::Unchanged | Action::Stale => "update",
    };
    let mirror = Mirror {
        stamp,
        raw_hash: record.raw_hash,
        content_hash: content.hash(),
        at,
        deleted: action == Action::InsertTombstone,
        change_seq: change(tx, &record.key, kind, at)?,
    };
    match action {
        Action::Insert | Action::InsertTombstone => sql.insert(tx, &record.key, content, &mirror)?,
        Action::Update | Action::Revive | Action::Tombstone | Action::Restamp | Action::Unchanged | Action::Stale => {
            sql.update(tx, &record.key, content, &mirror)?;
        }
    }
    Ok(())
}

/// The same version of a listing may be sent in the shape of the document's table or of its class; each lacks fields
/// of the other. What this answer leaves out is taken over, so that the shapes do not look like changes.
fn take_over_absent(tx: &Connection, sql: &ListingSql, record: &Incoming, stored: &Stored, content: &mut Content) -> Result<(), Error> {
    if record.stamp.is_none() || record.stamp != stored.known.stamp {
        return Ok(());
    }
    if let Some(earlier) = sql.load(tx, &record.key)? {
        content.fill_absent_from(&earlier, sql.fields);
    }
    Ok(())
}

fn find(tx: &Connection, key: &ListingKey) -> Result<Option<Stored>, Error> {
    let mut statement =
        tx.prepare_cached("SELECT stamp, deleted_cause, raw_hash, content_hash FROM listings WHERE feed_id = ?1 AND listing_id = ?2")?;
    let row = |row: &rusqlite::Row| Ok((row.get::<_, Option<String>>(0)?, row.get::<_, Option<String>>(1)?, row.get(2)?, row.get(3)?));
    let Some((stamp, cause, raw_hash, content_hash)) = statement.query_row(params![key.feed.0, key.listing.0], row).optional()? else {
        return Ok(None);
    };
    let stamp = stamp.map(|text| checkpoint::stamp_of(&text)).transpose()?;
    let known = Known { stamp, deleted: cause.is_some(), inferred: cause.is_some_and(|cause| cause != "vendor") };
    Ok(Some(Stored { known, raw_hash, content_hash }))
}

/// Adds a change; tells its number.
pub(super) fn change(tx: &Connection, key: &ListingKey, kind: &str, at: &str) -> rusqlite::Result<i64> {
    let mut statement = tx.prepare_cached("INSERT INTO changes (feed_id, listing_id, kind, changed_at) VALUES (?1, ?2, ?3, ?4)")?;
    statement.insert(params![key.feed.0, key.listing.0, kind, at])
}

/// Turns a live row into a tombstone; `fate` is the mirror's clock and the change.
pub(super) fn tombstone(tx: &Connection, key: &ListingKey, cause: &str, stamp: Option<String>, fate: (&str, i64)) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(
        "UPDATE listings SET deleted_at = ?3, deleted_cause = ?6, changed_at = ?3, change_seq = ?4, stamp = ?5
         WHERE feed_id = ?1 AND listing_id = ?2",
    )?;
    statement.execute(params![key.feed.0, key.listing.0, fate.0, fate.1, stamp, cause]).map(drop)
}

fn restamp(tx: &Connection, key: &ListingKey, stamp: Option<String>) -> rusqlite::Result<()> {
    let mut statement =
        tx.prepare_cached("UPDATE listings SET stamp = ?3, deleted_cause = 'vendor' WHERE feed_id = ?1 AND listing_id = ?2")?;
    statement.execute(params![key.feed.0, key.listing.0, stamp]).map(drop)
}

/// The hashes of the records that the stored rows were made of. A row whose deletion was only inferred has none to tell:
/// the same record again brings it back to life, for which it must be decoded.
pub(super) fn hashes(connection: &Connection, keys: &[ListingKey]) -> Result<BTreeMap<ListingKey, Hash>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT raw_hash FROM listings WHERE feed_id = ?1 AND listing_id = ?2 AND (deleted_cause IS NULL OR deleted_cause = 'vendor')",
    )?;
    let mut found = BTreeMap::new();
    for key in keys {
        if let Some(hash) = statement.query_row(params![key.feed.0, key.listing.0], |row| row.get(0)).optional()? {
            found.insert(key.clone(), hash);
        }
    }
    Ok(found)
}
