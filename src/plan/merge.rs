//! What a record does to the row that is stored under its key.

use crate::record::{Presence, Stamp};

/// The stored row, as far as a decision depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The stamp of the newest thing heard of this listing, live or deleted.
    pub stamp: Option<Stamp>,
    /// Whether the row is a tombstone.
    pub deleted: bool,
    /// Whether that was worked out, and not said by the vendor.
    pub inferred: bool,
}

/// The record that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Its stamp.
    pub stamp: Option<Stamp>,
    /// Whether the stream that returned it is of live listings or of deletions.
    pub presence: Presence,
    /// Whether its content equals what is stored.
    pub same: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// A live listing that is new.
    Insert,
    /// A deletion of a listing that was never stored: the row is born as a tombstone.
    InsertTombstone,
    /// New content for a live row.
    Update,
    /// A live row becomes a tombstone.
    Tombstone,
    /// A tombstone becomes live, with new content.
    Revive,
    /// A tombstone hears of a later deletion, or the vendor states what was only inferred: its stamp and its cause follow;
    /// consumers see nothing.
    Restamp,
    /// Nothing new.
    Unchanged,
    /// Older than what is stored.
    Stale,
}

/// The newest wins, whatever the order of arrival; at a tie a deletion stands, unless it was only inferred: a live copy
/// then shows that the inference was wrong.
///
/// A record without a readable stamp cannot be ordered. As a deletion it is believed, because the vendor says it now;
/// as a live copy it updates a live row but never wakes a tombstone.
#[must_use]
pub fn merge(known: Option<Known>, incoming: Incoming) -> Action {
    let Some(known) = known else {
        return match incoming.presence {
            Presence::Live => Action::Insert,
            Presence::Deleted => Action::InsertTombstone,
        };
    };
    let older = matches!((incoming.stamp, known.stamp), (Some(new), Some(old)) if new < old);
    let later = incoming.stamp > known.stamp;
    match (known.deleted, incoming.presence) {
        (_, _) if older => Action::Stale,
        (false, Presence::Live) if incoming.same => Action::Unchanged,
        (false, Presence::Live) => Action::Update,
        (false, Presence::Deleted) => Action::Tombstone,
        (true, Presence::Live) if later || known.inferred => Action::Revive,
        (true, Presence::Deleted) if later || known.inferred => Action::Restamp,
        (true, Presence::Live | Presence::Deleted) => Action::Unchanged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Action::{Insert, InsertTombstone, Restamp, Revive, Stale, Tombstone, Unchanged, Update};
    use Presence::{Deleted, Live};

    fn check(known: Option<(bool, i64)>, presence: Presence, stamp: i64, expected: Action) {
        let known = known.map(|(deleted, stamp)| Known { stamp: at(stamp), deleted, inferred: false });
        let incoming = Incoming { stamp: at(stamp), presence, same: false };
        assert_eq!(merge(known, incoming), expected, "{known:?} then {incoming:?}");
    }

    /// Zero stands for a stamp that is missing.
    fn at(stamp: i64) -> Option<Stamp> {
        (stamp != 0).then_some(Stamp(stamp))
    }

    #[test]
    fn a_listing_never_seen_is_stored_as_said() {
        check(None, Live, 5, Insert);
        check(None, Deleted, 5, InsertTombstone);
        check(None, Live, 0, Insert);
        check(None, Deleted, 0, InsertTombstone);
    }

    #[test]
    fn live_over_live_the_newest_wins() {
        check(Some((false, 5)), Live, 6, Update);
        check(Some((false, 5)), Live, 5, Update);
        check(Some((false, 5)), Live, 4, Stale);
        check(Some((false, 5)), Live, 0, Update);
        check(Some((false, 0)), Live, 4, Update);
    }

    #[test]
    fn a_deletion_wins_unless_it_is_older() {
        check(Some((false, 5)), Deleted, 6, Tombstone);
        check(Some((false, 5)), Deleted, 5, Tombstone);
        check(Some((false, 5)), Deleted, 4, Stale);
        check(Some((false, 5)), Deleted, 0, Tombstone);
    }

    #[test]
    fn only_a_later_live_copy_revives() {
        check(Some((true, 5)), Live, 6, Revive);
        check(Some((true, 5)), Live, 5, Unchanged);
        check(Some((true, 5)), Live, 4, Stale);
        check(Some((true, 5)), Live, 0, Unchanged);
        check(Some((true, 0)), Live, 1, Revive);
        check(Some((true, 0)), Live, 0, Unchanged);
    }

    #[test]
    fn a_tombstone_keeps_the_newest_deletion() {
        check(Some((true, 5)), Deleted, 6, Restamp);
        check(Some((true, 5)), Deleted, 5, Unchanged);
        check(Some((true, 5)), Deleted, 4, Stale);
    }

    #[test]
    fn an_inferred_tombstone_gives_way_to_any_live_copy_that_is_not_older() {
        let known = Known { stamp: at(5), deleted: true, inferred: true };
        let live = |stamp| merge(Some(known), Incoming { stamp: at(stamp), presence: Live, same: true });
        assert_eq!([live(4), live(5), live(6)], [Stale, Revive, Revive]);
    }

    #[test]
    fn an_inferred_tombstone_becomes_a_stated_one() {
        let known = Known { stamp: at(5), deleted: true, inferred: true };
        let stated = |stamp| merge(Some(known), Incoming { stamp: at(stamp), presence: Deleted, same: true });
        assert_eq!([stated(4), stated(5), stated(6)], [Stale, Restamp, Restamp]);
    }

    #[test]
    fn the_same_content_changes_nothing() {
        let known = Known { stamp: at(5), deleted: false, inferred: false };
        let incoming = Incoming { stamp: at(5), presence: Live, same: true };
        assert_eq!(merge(Some(known), incoming), Unchanged);
    }
}
