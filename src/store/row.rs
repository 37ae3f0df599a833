//! The one function through which every row changes: page, reconcile, replay of rejects, removal of a feed.

use super::contested::{self, Contested};
use super::error::Error;
use super::feeds;
use super::incoming::{Hearing, Incoming};
use super::row_sql::{NewRow, RowSql, Stored};
use crate::plan::merge::{Action, ActionKind, merge};
use crate::record::{Content, ListingKey, Stamp};
use rusqlite::{Connection, params};

/// The longest `extra` that is kept, in bytes: unknown fields must not flood the file.
const LONGEST_EXTRA: usize = 256 * 1024;

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

/// Merges what was heard of a listing into its row, and adds the change where consumers see one. What is older than the row is
/// noted: heard again, or by a whole scan, it is the truth.
pub(super) fn apply(tx: &Connection, sql: &RowSql, heard: Incoming, hearing: Hearing) -> Result<Applied, Error> {
    let (at, key, raw_hash) = (hearing.at, heard.key, heard.raw_hash);
    let stored = sql.find(tx, key)?;
    let contested = stored.as_ref().map(|_| contested::find(tx, key)).transpose()?.flatten();
    let taken_back = stored.as_ref().map_or(Ok(false), |stored| is_taken_back(tx, (stored, contested.as_ref()), &heard, at))?;
    let mut content = content(tx, sql, (stored.as_ref(), taken_back), &heard)?;
    let extra_cut = content.as_mut().is_some_and(cut_extra);
    let likeness = stored.as_ref().map_or(Ok(Likeness::Other), |stored| likeness(tx, sql, stored, (&heard, content.as_mut())))?;
    let signed_anew = likeness == Likeness::SignedAnew;
    let same = likeness == Likeness::Same || signed_anew && sql.ignores_queries;
    let known = stored.as_ref().map(|stored| stored.known(same, taken_back));
    let earlier = known.and_then(|known| known.stamp);
    let content = content.as_ref();
    // The URL of before may not work any more.
    let fresh = content.filter(|_| signed_anew && same);
    let lacking = || Error::Strange(format!("what was heard of {} comes without its content", key.listing));
    let action = merge(known, heard.news, heard.stamp, content).ok_or_else(lacking)?;
    let kind = action.kind();
    let stamp = if taken_back { heard.stamp } else { heard.stamp.max(earlier) };
    let new = |content, change_seq| NewRow { key, content, raw_hash, stamp, at, change_seq, deleted: false };
    let change = |kind| change(tx, key, kind, (at, taken_back));
    match action {
        Action::Insert(content) => sql.insert(tx, &new(content, change("insert")?))?,
        Action::InsertTombstone(content) => sql.insert(tx, &NewRow { deleted: true, ..new(content, change("tombstone")?) })?,
        Action::Update(content) => sql.update(tx, &new(content, change("update")?))?,
        Action::Revive(content) => sql.update(tx, &new(content, change("revive")?))?,
        Action::Tombstone => sql.tombstone(tx, key, (heard.cause(), stamp), (at, change("tombstone")?))?,
        Action::Restamp => sql.restamp(tx, key, stamp)?,
        // The file was taken over for another source, which has the same: from now on older answers of it are old.
        Action::Unchanged if earlier.is_none() && stamp.is_some() => sql.stamp(tx, key, (stamp, raw_hash))?,
        Action::Unchanged | Action::Superseded => {}
    }
    if let Some(fresh) = fresh {
        sql.refresh(tx, &new(fresh, 0))?;
    }
    let writes = matches!(kind, ActionKind::Insert | ActionKind::InsertTombstone | ActionKind::Update | ActionKind::Revive);
    if extra_cut && writes {
        feeds::count_extra_cut(tx, &key.feed)?;
    }
    match (kind, &stored) {
        (ActionKind::Superseded, Some(stored)) => contested::note(tx, sql, (&heard, content), stored, hearing)?,
        _ if contested.is_some() => contested::forget(tx, key)?,
        _ => {}
    }
    Ok(Applied { kind, earlier, signed_anew })
}

/// Whether the vendor is known not to have any more what the row holds, but this.
fn is_taken_back(
    tx: &Connection,
    (stored, contested): (&Stored, Option<&Contested>),
    heard: &Incoming,
    at: &str,
) -> rusqlite::Result<bool> {
    let again = |contested: &Contested| contested.is_seen_twice(tx, heard, stored, at);
    Ok(heard.proven || contested.map_or(Ok(false), again)?)
}

/// The content that was heard, where it is not that of the row, or where the row is to be written with it anew.
fn content<'a>(
    tx: &Connection,
    sql: &RowSql,
    (stored, taken_back): (Option<&Stored>, bool),
    heard: &Incoming<'a>,
) -> rusqlite::Result<Option<Content<'a>>> {
    match heard.news_of(stored) {
        Some(record) => Ok(Some((sql.entity.decode)(record))),
        None if taken_back && stored.is_some_and(|stored| stored.raw_hash == heard.raw_hash) => sql.cells(tx, heard.key),
        None => Ok(None),
    }
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
fn likeness(
    tx: &Connection,
    sql: &RowSql,
    stored: &Stored,
    (heard, content): (&Incoming, Option<&mut Content>),
) -> rusqlite::Result<Likeness> {
    if stored.raw_hash == heard.raw_hash {
        return Ok(Likeness::Same);
    }
    let Some(content) = content else { return Ok(Likeness::Other) };
    let mut signed_anew = false;
    if heard.stamp.is_some()
        && heard.stamp == stored.stamp
        && let Some(earlier) = sql.cells(tx, heard.key)?
    {
        content.fill_absent_from(&earlier, sql.entity.fields);
        signed_anew = (sql.entity.same_but_for_queries)(&earlier, content);
    }
    Ok(match content.hash() == stored.content_hash {
        true => Likeness::Same,
        false if signed_anew => Likeness::SignedAnew,
        false => Likeness::Other,
    })
}

/// Adds a change, with the mirror's clock and whether the vendor has gone back to an older version; tells its number.
fn change(tx: &Connection, key: &ListingKey, kind: &str, (at, taken_back): (&str, bool)) -> rusqlite::Result<i64> {
    let mut statement =
        tx.prepare_cached("INSERT INTO changes (feed_id, listing_id, kind, changed_at, taken_back) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    statement.insert(params![key.feed, key.listing, kind, at, taken_back])
}
