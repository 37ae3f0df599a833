//! The one function through which every row changes: page, reconcile, replay of rejects, removal of a feed.

use super::error::Error;
use super::feeds;
use super::row_sql::{NewRow, RowSql, Stored};
use crate::plan::merge::{Action, ActionKind, News, merge};
use crate::record::{Content, Hash, ListingKey, Stamp};
use rusqlite::{Connection, params};

/// The longest `extra` that is kept, in bytes: unknown fields must not flood the file.
const LONGEST_EXTRA: usize = 256 * 1024;

/// What was heard of a listing, on its way into the file.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    pub key: ListingKey,
    /// What was heard, and from whom.
    pub news: News,
    /// Its stamp; `None` where it has none that can be read.
    pub stamp: Option<Stamp>,
    /// Hash of the record as sent.
    pub raw_hash: Hash,
    /// Its content; `None` if the stored row was made of a record with the same hash, and for the deletion of a row.
    pub content: Option<Content>,
}

impl Incoming {
    /// The vendor says nothing of it any more.
    pub(super) fn gone(key: ListingKey, news: News) -> Incoming {
        Incoming { key, news, stamp: None, raw_hash: Hash::default(), content: None }
    }

    /// The word for it in `deleted_cause`.
    fn cause(&self) -> &'static str {
        match self.news {
            News::Live | News::Deleted => "vendor",
            News::Absent => "absent",
            News::FeedRemoved => "feed_removed",
        }
    }
}

/// What became of a row.
pub(super) struct Applied {
    pub(super) kind: ActionKind,
    /// The row's stamp before.
    pub(super) earlier: Option<Stamp>,
    /// It differs from the row in the queries of URLs alone.
    pub(super) signed_anew: bool,
}

/// How what was heard stands to the row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Likeness {
    Same,
    /// It differs in the queries of URLs alone.
    SignedAnew,
    Other,
}

/// Merges what was heard of a listing into its row, and adds the change where consumers see one.
pub(super) fn apply(tx: &Connection, sql: &RowSql, mut heard: Incoming, at: &str) -> Result<Applied, Error> {
    let stored = sql.find(tx, &heard.key)?;
    let extra_cut = heard.content.as_mut().is_some_and(cut_extra);
    let likeness = stored.as_ref().map_or(Ok(Likeness::Other), |stored| likeness(tx, sql, stored, &mut heard))?;
    let signed_anew = likeness == Likeness::SignedAnew;
    let same = likeness == Likeness::Same || signed_anew && sql.ignores_queries;
    let known = stored.map(|stored| stored.known(same));
    let earlier = known.and_then(|known| known.stamp);
    let cause = heard.cause();
    let Incoming { key, news, stamp, raw_hash, content } = heard;
    // The URL of before may not work any more.
    let fresh = (signed_anew && same).then(|| content.clone()).flatten();
    // Another process may have changed the row since the hashes were asked for.
    let changed = || Error::Strange(format!("the row of {} changed while its page was read", key.listing));
    let action = merge(known, news, stamp, content).ok_or_else(changed)?;
    let (kind, stamp) = (action.kind(), stamp.max(earlier));
    let new = |content, change_seq| NewRow { key: &key, content, raw_hash, stamp, at, change_seq, deleted: false };
    match &action {
        Action::Insert(content) => sql.insert(tx, &new(content, change(tx, &key, "insert", at)?))?,
        Action::InsertTombstone(content) => {
            sql.insert(tx, &NewRow { deleted: true, ..new(content, change(tx, &key, "tombstone", at)?) })?;
        }
        Action::Update(content) => sql.update(tx, &new(content, change(tx, &key, "update", at)?))?,
        Action::Revive(content) => sql.update(tx, &new(content, change(tx, &key, "revive", at)?))?,
        Action::Tombstone => sql.tombstone(tx, &key, (cause, stamp), (at, change(tx, &key, "tombstone", at)?))?,
        Action::Restamp => sql.restamp(tx, &key, stamp)?,
        // The file was taken over for another source, which has the same: from now on older answers of it are old.
        Action::Unchanged if earlier.is_none() && stamp.is_some() => sql.stamp(tx, &key, (stamp, raw_hash))?,
        Action::Unchanged | Action::Superseded => {}
    }
    if let Some(fresh) = &fresh {
        sql.refresh(tx, &new(fresh, 0))?;
    }
    let writes = matches!(kind, ActionKind::Insert | ActionKind::InsertTombstone | ActionKind::Update | ActionKind::Revive);
    if extra_cut && writes {
        feeds::count_extra_cut(tx, &key.feed)?;
    }
    Ok(Applied { kind, earlier, signed_anew })
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

/// Whether the row holds what was heard.
///
/// The same version of a listing may be sent in the shape of the document's table or of its class; each lacks fields of
/// the other. What this answer leaves out is taken over, so that the shapes do not look like changes.
fn likeness(tx: &Connection, sql: &RowSql, stored: &Stored, heard: &mut Incoming) -> Result<Likeness, Error> {
    if stored.raw_hash == heard.raw_hash {
        return Ok(Likeness::Same);
    }
    let Some(content) = &mut heard.content else { return Ok(Likeness::Other) };
    let mut signed_anew = false;
    if heard.stamp.is_some()
        && heard.stamp == stored.stamp
        && let Some(earlier) = sql.cells(tx, &heard.key)?
    {
        content.fill_absent_from(&earlier, sql.entity.fields);
        signed_anew = (sql.entity.differ_in_queries)(&earlier, content);
    }
    Ok(match content.hash() == stored.content_hash {
        true => Likeness::Same,
        false if signed_anew => Likeness::SignedAnew,
        false => Likeness::Other,
    })
}

/// Adds a change; tells its number.
fn change(tx: &Connection, key: &ListingKey, kind: &str, at: &str) -> rusqlite::Result<i64> {
    let mut statement = tx.prepare_cached("INSERT INTO changes (feed_id, listing_id, kind, changed_at) VALUES (?1, ?2, ?3, ?4)")?;
    statement.insert(params![key.feed, key.listing, kind, at])
}
