//! The two functions through which every row changes: `apply` what was heard (page, reconcile, replay of rejects, removal of a
//! feed), and `purge` what may not be kept.

use super::changes::{self, Change};
use super::checksums::{self, Sum};
use super::contested::{self, Contested};
use super::diff::{self, Diff};
use super::error::Error;
use super::feeds;
use super::incoming::{Hearing, Incoming};
use super::row_sql::{NewRow, RowSql, Stored};
use crate::entity::Entity;
use crate::plan::licence::{self, Rule};
use crate::plan::merge::{Action, ActionKind, News, merge};
use crate::record::{Content, Hash, ListingKey, Stamp};
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
pub(super) fn apply(tx: &Connection, sql: &RowSql, heard: Incoming, hearing: Hearing) -> Result<Applied, Error> {
    let (at, key, raw_hash) = (hearing.at, heard.key, heard.raw_hash);
    let stored = sql.find(tx, key)?;
    // What has no stamp is never older than its row.
    let may_be = stored.as_ref().filter(|_| sql.entity.stamp.is_some());
    let contested = may_be.map(|_| contested::find(tx, key)).transpose()?.flatten();
    let taken_back = stored.as_ref().map_or(Ok(false), |stored| is_taken_back(tx, (stored, contested.as_ref()), &heard, hearing))?;
    let mut content = content(tx, sql, (stored.as_ref(), taken_back), &heard)?;
    let extra_cut = content.as_mut().is_some_and(cut_extra);
    let complete = |stored| completed(tx, sql, stored, (&heard, content.as_mut()));
    let earlier_content = stored.as_ref().map_or(Ok(None), complete)?;
    let now = Stamp::parse(at).ok_or_else(|| Error::Strange(format!("{at} is no time")))?;
    let restrict = |content| sql.licences.of(&key.feed).restrict(sql.entity, content, heard.news == News::Deleted, now);
    let rule = content.as_mut().and_then(restrict);
    // What is there no more may come back, and must be looked at then.
    let raw_hash = if rule.is_some() { Hash::default() } else { raw_hash };
    let compare = |stored| likeness(tx, sql, stored, (&heard, content.as_ref(), earlier_content.as_ref()));
    let (likeness, diff) = stored.as_ref().map_or(Ok((Likeness::Other, Diff::default())), compare)?;
    let signed_anew = likeness == Likeness::SignedAnew;
    let same = likeness == Likeness::Same || signed_anew && sql.ignores_queries;
    let known = stored.as_ref().map(|stored| stored.known(same, taken_back));
    let earlier = known.and_then(|known| known.stamp);
    let content = content.as_ref().map(|content| (content, content.hash()));
    // The URL of before may not work any more.
    let fresh = content.filter(|_| signed_anew && same);
    let lacking = || Error::Strange(format!("what was heard of {} comes without its content", key.listing));
    let action = merge(known, heard.news, heard.stamp, content).ok_or_else(lacking)?;
    let kind = action.kind();
    let stamp = if taken_back { heard.stamp } else { heard.stamp.max(earlier) };
    let cause = if taken_back { "taken_back" } else { heard.cause() };
    let change = |kind, cause, diff| Change { kind, cause, stamp: heard.stamp, at, diff };
    let mut told = change_of(kind, diff).map(|(kind, diff)| change(kind, cause, diff));
    let takes_out = rule.filter(|_| told.is_some() && stored.as_ref().is_some_and(|stored| !stored.purged));
    if takes_out.is_some() {
        changes::forget_values(tx, sql.entity, key)?;
        told = told.and_then(|change| dates_alone(sql.entity, change));
    }
    let mut added = told.map(|change| changes::add(tx, sql.entity, key, change)).transpose()?;
    if let Some(rule) = takes_out {
        added = Some(changes::add(tx, sql.entity, key, change("purged", rule.word(), None))?);
    }
    let purged = rule.is_some();
    let seq = added.as_ref().map(|(seq, _)| *seq);
    let (change_seq, at) = added.as_ref().map_or((0, at), |(seq, at)| (*seq, at.as_str()));
    let new = |(content, content_hash)| NewRow { key, content, content_hash, raw_hash, stamp, at, change_seq, deleted: false, purged };
    match action {
        Action::Insert(content) => sql.insert(tx, &new(content))?,
        Action::InsertTombstone(content) => sql.insert(tx, &NewRow { deleted: true, ..new(content) })?,
        Action::Update(content) | Action::Revive(content) => sql.update(tx, &new(content))?,
        Action::Tombstone => sql.tombstone(tx, key, (heard.cause(), stamp), (at, change_seq))?,
        Action::Restamp => sql.restamp(tx, key, stamp)?,
        // The file was taken over for another source, which has the same: from now on older answers of it are old.
        Action::Unchanged if earlier.is_none() && stamp.is_some() => sql.stamp(tx, key, (stamp, raw_hash))?,
        Action::Unchanged | Action::Superseded => {}
    }
    if !hearing.of_many && matches!(kind, ActionKind::Insert | ActionKind::InsertTombstone) {
        sql.number(tx, change_seq - 1)?;
    }
    if let Some(fresh) = fresh {
        sql.refresh(tx, &new(fresh))?;
    }
    let before = stored.as_ref().map(|stored| part(key, stored.content_hash, stored.is_deleted()));
    let after = match (kind, content) {
        (ActionKind::Insert | ActionKind::Update | ActionKind::Revive, Some((_, hash))) => Some(part(key, hash, false)),
        (ActionKind::InsertTombstone | ActionKind::Tombstone, _) => Some(part(key, raw_hash, true)),
        _ => fresh.filter(|_| !stored.as_ref().is_some_and(Stored::is_deleted)).map(|(_, hash)| part(key, hash, false)),
    };
    if let Some(after) = after {
        checksums::moved(tx, sql.entity, key, (before, after), seq)?;
    }
    let writes = matches!(kind, ActionKind::Insert | ActionKind::InsertTombstone | ActionKind::Update | ActionKind::Revive);
    if extra_cut && writes {
        feeds::count_extra_cut(tx, &key.feed)?;
    }
    match (kind, &stored) {
        (ActionKind::Superseded, Some(stored)) if sql.entity.stamp.is_some() => {
            contested::note(tx, sql, (&heard, content.map(|(content, _)| content)), stored, hearing)?
        }
        _ if contested.is_some() => contested::forget(tx, key)?,
        _ => {}
    }
    Ok(Applied { kind, earlier, signed_anew })
}

/// Takes out of a row what may not be kept of it, and of its history; tells whether there was anything.
pub(super) fn purge(tx: &Connection, sql: &RowSql, key: &ListingKey, rule: Rule, at: &str) -> Result<bool, Error> {
    let (Some(stored), Some(mut content)) = (sql.find(tx, key)?, sql.cells(tx, key)?) else { return Ok(false) };
    let licence = sql.licences.of(&key.feed);
    match rule {
        Rule::Omit => {
            licence.leave_out(sql.entity, &mut content);
            changes::forget_fields(tx, sql.entity, key, licence)?;
        }
        Rule::KeepDeleted | Rule::KeepSold => {
            licence::purge(sql.entity, &mut content);
            changes::forget_values(tx, sql.entity, key)?;
        }
    }
    let diff = diff::of(tx, sql, key, &content)?;
    if rule == Rule::Omit && diff.is_empty() {
        sql.stamp(tx, key, (stored.stamp, Hash::default()))?;
        return Ok(false);
    }
    let diff = (rule == Rule::Omit).then(|| diff.without_before());
    let (change_seq, at) = changes::add(tx, sql.entity, key, Change { kind: "purged", cause: rule.word(), stamp: None, at, diff })?;
    let (content_hash, deleted) = (content.hash(), stored.is_deleted());
    // What is there no more may come back, so it must be looked at then.
    let raw_hash = Hash::default();
    let purged = rule != Rule::Omit;
    let stamp = stored.stamp;
    sql.purge(tx, &NewRow { key, content: &content, content_hash, raw_hash, stamp, at: &at, change_seq, deleted, purged })?;
    let parts = (Some(part(key, stored.content_hash, deleted)), part(key, content_hash, deleted));
    checksums::moved(tx, sql.entity, key, parts, Some(change_seq))?;
    Ok(true)
}

/// The word for what is done, and what it changes; `None` where readers see no change.
fn change_of(kind: ActionKind, diff: Diff) -> Option<(&'static str, Option<Diff>)> {
    match kind {
        ActionKind::Insert => Some(("added", None)),
        ActionKind::InsertTombstone => Some(("deleted", None)),
        ActionKind::Update => Some(("changed", Some(diff))),
        ActionKind::Revive => Some(("restored", Some(diff))),
        ActionKind::Tombstone => Some(("deleted", Some(Diff::default()))),
        ActionKind::Restamp | ActionKind::Unchanged | ActionKind::Superseded => None,
    }
}

/// A change of a row that is purged with it: its dates and its status can be told, and a change of nothing else is none.
fn dates_alone<'a>(entity: &Entity, change: Change<'a>) -> Option<Change<'a>> {
    let stays = |column: &str| entity.fields.iter().any(|field| field.column == column && licence::stays(entity, field));
    let diff = change.diff.map(|diff| diff.only(stays));
    let nothing = change.kind == "changed" && diff.as_ref().is_some_and(Diff::is_empty);
    (!nothing).then_some(Change { diff, ..change })
}

/// A row's part of the checksum.
fn part(key: &ListingKey, content_hash: Hash, deleted: bool) -> Sum {
    if deleted { Sum::of_deleted(&key.feed.0, &key.listing.0) } else { Sum::of(content_hash) }
}

/// Whether the vendor is known not to have any more what the row holds, but this.
fn is_taken_back(
    tx: &Connection,
    (stored, contested): (&Stored, Option<&Contested>),
    heard: &Incoming,
    hearing: Hearing,
) -> rusqlite::Result<bool> {
    let again = |contested: &Contested| contested.is_seen_twice(tx, (heard, hearing), stored);
    // What is not older is taken over anyway.
    let is_older = heard.stamp < stored.stamp || stored.is_deleted() && heard.news == News::Live && heard.stamp == stored.stamp;
    Ok(heard.proven && is_older || contested.map_or(Ok(false), again)?)
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

/// Takes over what this answer leaves out of the version of a listing that the row holds; tells what the row holds then.
///
/// The same version of a listing may be sent in the shape of the document's table or of its class; each lacks fields of
/// the other. What is left out is taken over, so that the shapes do not look like changes.
fn completed(
    tx: &Connection,
    sql: &RowSql,
    stored: &Stored,
    (heard, content): (&Incoming, Option<&mut Content>),
) -> rusqlite::Result<Option<Content<'static>>> {
    let same_version = heard.stamp.is_some() && heard.stamp == stored.stamp;
    let Some(content) = content.filter(|_| same_version) else { return Ok(None) };
    let earlier = sql.cells(tx, heard.key)?;
    earlier.iter().for_each(|earlier| content.fill_absent_from(earlier, sql.entity.fields));
    Ok(earlier)
}

/// Whether the row holds what was heard, and where it differs. `earlier` is what the row holds, where that is the same version.
fn likeness(
    tx: &Connection,
    sql: &RowSql,
    stored: &Stored,
    (heard, content, earlier): (&Incoming, Option<&Content>, Option<&Content>),
) -> rusqlite::Result<(Likeness, Diff)> {
    let same_record = stored.raw_hash == heard.raw_hash;
    // The row of a deleted listing may have been made of the same record by another version of this program.
    if same_record && !stored.is_deleted() {
        return Ok((Likeness::Same, Diff::default()));
    }
    let Some(content) = content else {
        return Ok((if same_record { Likeness::Same } else { Likeness::Other }, Diff::default()));
    };
    let signed_anew = earlier.is_some_and(|earlier| (sql.entity.same_but_for_queries)(earlier, content));
    let same_content = content.hash() == stored.content_hash;
    let diff = if same_content { Diff::default() } else { diff::of(tx, sql, heard.key, content)? };
    let likeness = match same_record || diff.is_empty() {
        true => Likeness::Same,
        false if signed_anew => Likeness::SignedAnew,
        false => Likeness::Other,
    };
    Ok((likeness, diff))
}
