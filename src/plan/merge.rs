//! What a record does to the row that is stored under its key.

use crate::record::{Presence, Stamp};
use std::time::Duration;

/// An answer that is older than its row is believed when the vendor gives it again after this long. A copy of the vendor's
/// database that lags, or a cache, gives old answers for seconds or a few minutes; none that is in use lags this much.
pub(crate) const TWO_READINGS: Duration = Duration::from_secs(600);

/// The stored row, as far as a decision depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// The stamp of the newest thing heard of this listing, live or deleted.
    pub stamp: Option<Stamp>,
    /// Whether the row is a tombstone.
    pub deleted: bool,
    /// Whether its deletion was inferred, and not stated by the vendor.
    pub inferred: bool,
    /// Whether it holds exactly what came in.
    pub same: bool,
    /// Whether the vendor was proven not to have this state any more: what came in holds, whatever its stamp.
    pub taken_back: bool,
}

/// What was learned of a listing: from a record of the vendor, from a scan, or from a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// The vendor returned the listing as live.
    Live,
    /// The vendor returned the listing as deleted.
    Deleted,
    /// A scan did not find the listing, and asking for it confirmed that it is gone.
    Absent,
    /// A person has removed the feed.
    FeedRemoved,
}

impl From<Presence> for News {
    fn from(presence: Presence) -> News {
        match presence {
            Presence::Live => News::Live,
            Presence::Deleted => News::Deleted,
        }
    }
}

/// What to do, with what is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action<C> {
    /// A live listing that is new.
    Insert(C),
    /// A deletion of a listing that was never stored: the row is born as a tombstone.
    InsertTombstone(C),
    /// New content for a live row.
    Update(C),
    /// A tombstone becomes live, with new content.
    Revive(C),
    /// A live row becomes a tombstone.
    Tombstone,
    /// A tombstone hears of a later deletion, or the vendor states what was only inferred: its stamp and its cause follow;
    /// consumers see nothing.
    Restamp,
    /// Nothing new.
    Unchanged,
    /// The record is older than the row, or no newer than a deletion that the vendor stated: the row stays as it is.
    Superseded,
}

/// The kind of an [`Action`], without what it writes: for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is the action of the same name")]
pub enum ActionKind {
    Insert,
    InsertTombstone,
    Update,
    Tombstone,
    Revive,
    Restamp,
    Unchanged,
    Superseded,
}

impl ActionKind {
    /// Whether readers see a change.
    #[must_use]
    pub(crate) fn is_change(self) -> bool {
        match self {
            ActionKind::Insert | ActionKind::InsertTombstone | ActionKind::Update | ActionKind::Tombstone | ActionKind::Revive => true,
            ActionKind::Restamp | ActionKind::Unchanged | ActionKind::Superseded => false,
        }
    }
}

impl<C> Action<C> {
    /// The action without what it writes.
    #[must_use]
    pub(crate) fn kind(&self) -> ActionKind {
        match self {
            Action::Insert(_) => ActionKind::Insert,
            Action::InsertTombstone(_) => ActionKind::InsertTombstone,
            Action::Update(_) => ActionKind::Update,
            Action::Revive(_) => ActionKind::Revive,
            Action::Tombstone => ActionKind::Tombstone,
            Action::Restamp => ActionKind::Restamp,
            Action::Unchanged => ActionKind::Unchanged,
            Action::Superseded => ActionKind::Superseded,
        }
    }
}

/// The newest wins, whatever the order of arrival; at a tie a deletion stands, unless it was only inferred: a live copy
/// then shows that the inference was wrong. `None` when the content is needed and was not given.
///
/// That is the rule between answers whose order is not certain. It is no reason to keep what the vendor has taken back: where
/// that is proven, what it says now wins.
///
/// News without a readable stamp cannot be ordered. A deletion is believed, because it is said now; a live copy updates a
/// live row but never wakes a tombstone that the vendor stated.
#[must_use]
pub(crate) fn merge<C>(known: Option<Known>, news: News, stamp: Option<Stamp>, content: Option<C>) -> Option<Action<C>> {
    let Some(known) = known else {
        return match news {
            News::Live => content.map(Action::Insert),
            News::Deleted => content.map(Action::InsertTombstone),
            News::Absent | News::FeedRemoved => Some(Action::Unchanged),
        };
    };
    let older = !known.taken_back && matches!((stamp, known.stamp), (Some(new), Some(old)) if new < old);
    let later = known.taken_back || stamp > known.stamp;
    match (known.deleted, news) {
        (_, _) if older => Some(Action::Superseded),
        (false, News::Live) if known.same => Some(Action::Unchanged),
        (false, News::Live) => content.map(Action::Update),
        (false, News::Deleted | News::Absent | News::FeedRemoved) => Some(Action::Tombstone),
        (true, News::Live) if later || known.inferred => content.map(Action::Revive),
        (true, News::Live) => Some(Action::Superseded),
        (true, News::Deleted) if later || known.inferred => Some(Action::Restamp),
        (true, News::Deleted | News::Absent | News::FeedRemoved) => Some(Action::Unchanged),
    }
}

/// Whether the same answer at these two times is no echo of an earlier state.
#[must_use]
pub(crate) fn are_two_readings(first: Stamp, second: Stamp) -> bool {
    second.since(first) >= TWO_READINGS
}

#[cfg(test)]
mod tests {
    use super::*;
    use ActionKind::{Insert, InsertTombstone, Restamp, Revive, Superseded, Tombstone, Unchanged, Update};
    use News::{Absent, Deleted, Live};

    /// A live row, a tombstone that the vendor stated, and one that was inferred, each with its stamp.
    const LIVE: fn(i64) -> Known = |stamp| Known { stamp: at(stamp), deleted: false, inferred: false, same: false, taken_back: false };
    const STATED: fn(i64) -> Known = |stamp| Known { deleted: true, ..LIVE(stamp) };
    const INFERRED: fn(i64) -> Known = |stamp| Known { inferred: true, ..STATED(stamp) };

    fn check(known: impl Into<Option<Known>>, news: News, stamp: i64, expected: ActionKind) {
        let known = known.into();
        let action = merge(known, news, at(stamp), Some(())).expect("the content is there");
        assert_eq!(action.kind(), expected, "{known:?} then {news:?} of {stamp}");
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
        check(LIVE(5), Live, 6, Update);
        check(LIVE(5), Live, 5, Update);
        check(LIVE(5), Live, 4, Superseded);
        check(LIVE(5), Live, 0, Update);
        check(LIVE(0), Live, 4, Update);
    }

    #[test]
    fn a_deletion_wins_unless_it_is_older() {
        check(LIVE(5), Deleted, 6, Tombstone);
        check(LIVE(5), Deleted, 5, Tombstone);
        check(LIVE(5), Deleted, 4, Superseded);
        check(LIVE(5), Deleted, 0, Tombstone);
    }

    #[test]
    fn only_a_later_live_copy_revives() {
        check(STATED(5), Live, 6, Revive);
        check(STATED(5), Live, 5, Superseded);
        check(STATED(5), Live, 4, Superseded);
        check(STATED(5), Live, 0, Superseded);
        check(STATED(0), Live, 1, Revive);
        check(STATED(0), Live, 0, Superseded);
    }

    #[test]
    fn a_tombstone_keeps_the_newest_deletion() {
        check(STATED(5), Deleted, 6, Restamp);
        check(STATED(5), Deleted, 5, Unchanged);
        check(STATED(5), Deleted, 4, Superseded);
    }

    #[test]
    fn an_inferred_tombstone_gives_way_to_any_live_copy_that_is_not_older() {
        for known in [INFERRED(5), Known { same: true, ..INFERRED(5) }] {
            check(known, Live, 4, Superseded);
            check(known, Live, 5, Revive);
            check(known, Live, 6, Revive);
        }
    }

    #[test]
    fn an_inferred_tombstone_becomes_a_stated_one() {
        check(INFERRED(5), Deleted, 4, Superseded);
        check(INFERRED(5), Deleted, 5, Restamp);
        check(INFERRED(5), Deleted, 6, Restamp);
    }

    #[test]
    fn what_the_vendor_has_taken_back_gives_way_to_whatever_it_says_now() {
        let taken_back = |known| Known { taken_back: true, ..known };
        for stamp in [4, 5, 6] {
            check(taken_back(LIVE(5)), Live, stamp, Update);
            check(taken_back(LIVE(5)), Deleted, stamp, Tombstone);
            check(taken_back(STATED(5)), Live, stamp, Revive);
            check(taken_back(STATED(5)), Deleted, stamp, Restamp);
            check(taken_back(INFERRED(5)), Live, stamp, Revive);
        }
        check(Known { same: true, ..taken_back(LIVE(5)) }, Live, 4, Unchanged);
    }

    #[test]
    fn an_answer_counts_twice_only_after_longer_than_a_copy_of_the_vendors_may_lag() {
        let (first, second) = (Stamp(0), Stamp(0).plus(TWO_READINGS));
        assert!(are_two_readings(first, second));
        assert!(!are_two_readings(first, Stamp(second.0 - 1)));
        assert!(!are_two_readings(second, first), "our clock was set back");
    }

    #[test]
    fn an_inferred_deletion_concerns_live_rows_alone() {
        check(LIVE(5), Absent, 0, Tombstone);
        check(STATED(5), Absent, 0, Unchanged);
        check(INFERRED(5), Absent, 0, Unchanged);
        check(None, Absent, 0, Unchanged);
    }

    #[test]
    fn the_same_content_changes_nothing() {
        check(Known { same: true, ..LIVE(5) }, Live, 5, Unchanged);
        check(Known { same: true, ..LIVE(5) }, Live, 6, Unchanged);
    }

    #[test]
    fn content_that_is_needed_and_missing_is_told() {
        let without = |known, news| merge::<()>(known, news, at(5), None).map(|action| action.kind());
        assert_eq!(without(None, Live), None);
        assert_eq!(without(None, Deleted), None);
        assert_eq!(without(Some(LIVE(5)), Live), None);
        assert_eq!(without(Some(INFERRED(5)), Live), None);
        assert_eq!(without(Some(LIVE(5)), Deleted), Some(Tombstone));
        assert_eq!(without(Some(Known { same: true, ..LIVE(5) }), Live), Some(Unchanged));
    }
}
