//! The one function through which every row changes: page, reconcile, replay of rejects, removal of a feed.

use super::changes::{self, Change};
use super::contested::{self, Contested};
use super::diff::{self, Diff};
use super::error::Error;
use super::feeds;
use super::incoming::{Hearing, Incoming};
use super::row_sql::{NewRow, RowSql, Stored};
use crate::plan::merge::{Action, ActionKind, merge};
use crate::record::{Content, Stamp};
use rusqlite::Connection;

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
pub(super) fn apply(tx: &Connection, sql: &RowSql, mut heard: Incoming, hearing: Hearing) -> Result<Applied, Error> {
    let at = hearing.at;
    let stored = sql.find(tx, &heard.key)?;
    let contested = stored.as_ref().map(|_| contested::find(tx, &heard.key)).transpose()?.flatten();
    let taken_back = is_taken_back(tx, sql, (stored.as_ref(), contested.as_ref()), &mut heard, at)?;
    let extra_cut = heard.content.as_mut().is_some_and(cut_extra);
    let (likeness, diff) =
        stored.as_ref().map_or(Ok((Likeness::Other, Diff::default())), |stored| likeness(tx, sql, stored, &mut heard))?;
    let signed_anew = likeness == Likeness::SignedAnew;
    let same = likeness == Likeness::Same || signed_anew && sql.ignores_queries;
    let known = stored.as_ref().map(|stored| stored.known(same, taken_back));
    let earlier = known.and_then(|known| known.stamp);
    let (key, raw_hash, content) = (&heard.key, heard.raw_hash, heard.content.as_ref());
    // The URL of before may not work any more.
    let fresh = content.filter(|_| signed_anew && same);
    // Another process may have changed the row since the hashes were asked for.
    let changed = || Error::Strange(format!("the row of {} changed while its page was read", key.listing));
    let action = merge(known, heard.news, heard.stamp, content).ok_or_else(changed)?;
    let kind = action.kind();
    let stamp = if taken_back { heard.stamp } else { heard.stamp.max(earlier) };
    let new = |content, change_seq| NewRow { key, content, raw_hash, stamp, at, change_seq, deleted: false };
    let cause = if taken_back { "taken_back" } else { heard.cause() };
    let change = |kind, diff| changes::add(tx, sql.entity, key, Change { kind, cause, stamp: heard.stamp, at, diff });
    match action {
        Action::Insert(content) => sql.insert(tx, &new(content, change("added", None)?))?,
        Action::InsertTombstone(content) => sql.insert(tx, &NewRow { deleted: true, ..new(content, change("deleted", None)?) })?,
        Action::Update(content) => sql.update(tx, &new(content, change("changed", Some(diff))?))?,
        Action::Revive(content) => sql.update(tx, &new(content, change("restored", Some(diff))?))?,
        Action::Tombstone => sql.tombstone(tx, key, (heard.cause(), stamp), (at, change("deleted", Some(Diff::default()))?))?,
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
        (ActionKind::Superseded, Some(stored)) => contested::note(tx, sql, &heard, stored, hearing)?,
        _ if contested.is_some() => contested::forget(tx, key)?,
        _ => {}
    }
    Ok(Applied { kind, earlier, signed_anew })
}

/// Whether the vendor is known not to have any more what the row holds, but this. Its content is then given.
fn is_taken_back(
    tx: &Connection,
    sql: &RowSql,
    (stored, contested): (Option<&Stored>, Option<&Contested>),
    heard: &mut Incoming,
    at: &str,
) -> Result<bool, Error> {
    let Some(stored) = stored else { return Ok(false) };
    let again = |contested: &Contested| contested.is_seen_twice(tx, heard, stored, at);
    let taken_back = heard.proven || contested.map_or(Ok(false), again)?;
    if taken_back && heard.content.is_none() && stored.raw_hash == heard.raw_hash {
        heard.content = sql.cells(tx, &heard.key)?;
    }
    Ok(taken_back)
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

/// Whether the row holds what was heard, and where it differs.
///
/// The same version of a listing may be sent in the shape of the document's table or of its class; each lacks fields of
/// the other. What this answer leaves out is taken over, so that the shapes do not look like changes.
fn likeness(tx: &Connection, sql: &RowSql, stored: &Stored, heard: &mut Incoming) -> Result<(Likeness, Diff), Error> {
    let same_record = stored.raw_hash == heard.raw_hash;
    // The row of a deleted listing may have been made of the same record by another version of this program.
    if same_record && !stored.is_deleted() {
        return Ok((Likeness::Same, Diff::default()));
    }
    let Some(content) = &mut heard.content else {
        return Ok((if same_record { Likeness::Same } else { Likeness::Other }, Diff::default()));
    };
    let mut signed_anew = false;
    if heard.stamp.is_some()
        && heard.stamp == stored.stamp
        && let Some(earlier) = sql.cells(tx, &heard.key)?
    {
        content.fill_absent_from(&earlier, sql.entity.fields);
        signed_anew = (sql.entity.same_but_for_queries)(&earlier, content);
    }
    let same_content = content.hash() == stored.content_hash;
    let diff = if same_content { Diff::default() } else { diff::of(tx, sql, &heard.key, content)? };
    let likeness = match same_record || diff.is_empty() {
        true => Likeness::Same,
        false if signed_anew => Likeness::SignedAnew,
        false => Likeness::Other,
    };
    Ok((likeness, diff))
}
