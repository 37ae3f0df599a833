//! The world behind the API: feeds whose listings are added, edited, deleted or revived.

use super::feed::{Feed, Moment};
use super::listing_state::{ListingState, Version};
use super::options::{Options, StampGrain};
use super::random::{Random, mix, seed_of};
use super::render::{ContentOptions, Presentation, record};
use super::truth::{Truth, Truths};
use crate::record::{FeedId, ListingId, Stamp};
use chrono::Utc;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What one random change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A listing that is new.
    Added,
    /// New content.
    Edited,
    /// Gone, and told so.
    Deleted,
    /// Back after a deletion.
    Revived,
}

/// Time as the world has it.
#[derive(Clone, Copy)]
enum Clock {
    Real,
    Stopped(Stamp),
}

/// Records as answers showed them.
type Written = BTreeMap<(Arc<str>, Version, Presentation), Arc<str>>;

/// The listings of every feed, seen or hidden. The same seed and the same calls make the same world.
///
/// A feed that does not exist has no listings: changing one of them answers `false`, and the same goes for a listing
/// that is not there or is not in the state that the change needs.
#[derive(Clone)]
pub struct World {
    pub(super) options: Options,
    pub(super) feeds: BTreeMap<String, Feed>,
    random: Random,
    /// What answers draw from, so that a request does not change what happens to listings.
    pub(super) answer_random: Random,
    clock: Clock,
    churn_owed: f64,
    churned_at: Stamp,
    /// Records that were written before, if they are kept.
    written: Option<Written>,
}

impl World {
    /// Makes the world that the options describe.
    #[must_use]
    pub fn new(options: Options) -> World {
        let clock = options.frozen_at.map_or(Clock::Real, |at| Clock::Stopped(at.0));
        let random = Random::new(mix(options.seed, 0xD1CE));
        let answer_random = Random::new(mix(options.seed, 0x3417));
        let mut world =
            World { options, feeds: BTreeMap::new(), random, answer_random, clock, churn_owed: 0.0, churned_at: Stamp(0), written: None };
        world.churned_at = world.utc();
        let (live, deleted, bulk) = (world.options.listings, world.options.deleted, world.options.bulk);
        let names: Vec<String> = world.options.feeds.iter().chain(&world.options.hidden_feeds).cloned().collect();
        for name in names {
            world.fill(&name, live, deleted, bulk);
        }
        world
    }

    /// Adds a feed that the client can see, with so many live listings stamped over the whole history.
    pub fn add_feed(&mut self, name: &str, listings: usize) {
        self.fill(name, listings, 0, 0);
        if !self.options.feeds.iter().any(|known| known == name) {
            self.options.feeds.push(name.to_owned());
        }
    }

    fn fill(&mut self, name: &str, live: usize, deleted: usize, bulk: usize) {
        let mut random = Random::new(mix(self.options.seed, seed_of(name)));
        let history = Duration::from_secs(86_400 * u64::from(self.options.history_days));
        let now = self.utc();
        let shared = now.minus(history / 10);
        let mut feed = Feed::new(name, self.options.seed);
        for index in 0..live + deleted {
            // The cube crowds the stamps toward now, as a market's are.
            let age = history.mul_f64(random.share().powi(3));
            let instant = if index < bulk.min(live) { shared } else { now.minus(age) };
            feed.add(Moment { stamp: self.written(instant), now, visible_at: instant }, index >= live);
        }
        self.feeds.insert(name.to_owned(), feed);
    }

    /// The feeds that the client can see.
    #[must_use]
    pub fn feeds(&self) -> Vec<FeedId> {
        let names: std::collections::BTreeSet<&String> = self.options.feeds.iter().collect();
        names.into_iter().filter_map(|name| self.feeds.get(name)).map(Feed::id).collect()
    }

    /// Stops the clock at an instant of UTC.
    pub fn set_clock(&mut self, utc: Stamp) {
        self.clock = Clock::Stopped(utc);
    }

    /// Moves the clock; a running one is stopped.
    pub fn advance(&mut self, by: Duration) {
        self.clock = Clock::Stopped(self.utc().plus(by));
    }

    /// The world's clock, UTC.
    #[must_use]
    pub fn utc(&self) -> Stamp {
        match self.clock {
            Clock::Real => Stamp::from_utc(Utc::now()),
            Clock::Stopped(at) => at,
        }
    }

    /// The world's clock as the vendor would write it now: in its zone, to its grain.
    #[must_use]
    pub fn now(&self) -> Stamp {
        self.written(self.utc())
    }

    fn written(&self, utc: Stamp) -> Stamp {
        let grain = match self.options.stamp_grain {
            StampGrain::Tick => 1,
            StampGrain::Millisecond => 10_000,
            StampGrain::Second => 10_000_000,
        };
        let local = self.zoned(utc);
        Stamp(local.0.div_euclid(grain) * grain)
    }

    /// An instant in the digits of the vendor's zone.
    pub(super) fn zoned(&self, utc: Stamp) -> Stamp {
        Stamp(utc.0.saturating_add(i64::from(self.options.zone_hours) * 36_000_000_000))
    }

    pub(super) fn moment(&self, late_by: Duration) -> Moment {
        let now = self.utc();
        Moment { stamp: self.written(now), now, visible_at: now.plus(late_by) }
    }

    /// Adds a live listing, and the feed if there is none.
    pub fn add(&mut self, feed: &str) -> ListingId {
        self.add_late(feed, Duration::ZERO)
    }

    /// As [`World::add`], stamped now and seen by requests only so much later.
    pub fn add_late(&mut self, feed: &str, late_by: Duration) -> ListingId {
        let moment = self.moment(late_by);
        let seed = self.options.seed;
        self.feeds.entry(feed.to_owned()).or_insert_with(|| Feed::new(feed, seed)).add(moment, false)
    }

    /// Changes a live listing: its price at least, with its stamp.
    pub fn edit(&mut self, feed: &str, listing: &ListingId) -> bool {
        self.edit_late(feed, listing, Duration::ZERO)
    }

    /// As [`World::edit`], stamped now and seen by requests only so much later.
    pub fn edit_late(&mut self, feed: &str, listing: &ListingId, late_by: Duration) -> bool {
        let moment = self.moment(late_by);
        self.feeds.get_mut(feed).is_some_and(|feed| feed.edit(&listing.0, moment))
    }

    /// Deletes a live listing: from now on the stream of deletions returns it, with a new stamp.
    pub fn delete(&mut self, feed: &str, listing: &ListingId) -> bool {
        self.delete_late(feed, listing, Duration::ZERO)
    }

    /// As [`World::delete`], stamped now and seen by requests only so much later.
    pub fn delete_late(&mut self, feed: &str, listing: &ListingId, late_by: Duration) -> bool {
        let moment = self.moment(late_by);
        self.feeds.get_mut(feed).is_some_and(|feed| feed.delete(&listing.0, moment))
    }

    /// Brings a deleted listing back to life, changed, with a new stamp.
    pub fn revive(&mut self, feed: &str, listing: &ListingId) -> bool {
        self.revive_late(feed, listing, Duration::ZERO)
    }

    /// As [`World::revive`], stamped now and seen by requests only so much later.
    pub fn revive_late(&mut self, feed: &str, listing: &ListingId, late_by: Duration) -> bool {
        let moment = self.moment(late_by);
        self.feeds.get_mut(feed).is_some_and(|feed| feed.revive(&listing.0, moment))
    }

    /// Drops a listing, live or deleted, so that no stream ever returns it again: what no vendor documents and some do.
    pub fn remove_silently(&mut self, feed: &str, listing: &ListingId) -> bool {
        self.feeds.get_mut(feed).is_some_and(|feed| feed.remove(&listing.0))
    }

    /// Gives so many random live listings of a feed one new stamp and no other change; returns them.
    pub fn bulk_touch(&mut self, feed: &str, count: usize) -> Vec<ListingId> {
        let moment = self.moment(Duration::ZERO);
        let Some(feed) = self.feeds.get_mut(feed) else {
            return Vec::new();
        };
        let mut live = feed.live();
        self.random.shuffle(&mut live);
        live.truncate(count);
        live.retain(|listing| feed.touch(&listing.0, moment));
        live
    }

    /// Gives so many live listings of a feed another number, as an MLS does when it moves to another system; returns the
    /// old and the new ones.
    pub fn rekey(&mut self, feed: &str, count: usize) -> Vec<(ListingId, ListingId)> {
        let moment = self.moment(Duration::ZERO);
        let Some(feed) = self.feeds.get_mut(feed) else {
            return Vec::new();
        };
        let mut live = feed.live();
        self.random.shuffle(&mut live);
        live.iter().take(count).filter_map(|listing| feed.rekey(&listing.0, moment)).collect()
    }

    /// One random change in a random feed in sight; `None` in a world without feeds.
    pub fn random_change(&mut self) -> Option<(FeedId, ListingId, Change)> {
        let feeds = self.feeds();
        let feed = feeds.get(self.random.index(feeds.len()))?.clone();
        let late = self.random.chance(self.options.late);
        let late_by = Duration::from_millis(if late { self.options.late_by_ms } else { 0 });
        let roll = self.random.below(100);
        let wanted = match roll {
            0..15 => None,
            15..70 => Some((Change::Edited, false)),
            70..85 => Some((Change::Deleted, false)),
            _ => Some((Change::Revived, true)),
        };
        let found = wanted.and_then(|(change, deleted)| Some((change, self.feeds.get(&feed.0)?.pick(deleted, &mut self.random)?)));
        let Some((change, listing)) = found else {
            let listing = self.add_late(&feed.0, late_by);
            return Some((feed, listing, Change::Added));
        };
        match change {
            Change::Added | Change::Edited => self.edit_late(&feed.0, &listing, late_by),
            Change::Deleted => self.delete_late(&feed.0, &listing, late_by),
            Change::Revived => self.revive_late(&feed.0, &listing, late_by),
        };
        Some((feed, listing, change))
    }

    /// Applies the changes that are due before a request is answered.
    pub(super) fn churn(&mut self) {
        let now = self.utc();
        self.churn_owed += self.options.churn + self.options.churn_per_second * now.since(self.churned_at).as_secs_f64();
        self.churned_at = now;
        while self.churn_owed >= 1.0 {
            self.churn_owed -= 1.0;
            self.random_change();
        }
    }

    /// What is true of every listing of a feed now, visible to requests yet or not.
    #[must_use]
    pub fn truth(&self, feed: &str) -> BTreeMap<ListingId, Truth> {
        let Some(feed) = self.feeds.get(feed) else {
            return BTreeMap::new();
        };
        let content_options = self.content_options();
        let truths = feed.latest().map(|state| {
            let (deleted, stamp) = (state.version.deleted, state.version.stamp);
            (ListingId(state.listing.to_string()), Truth { deleted, stamp, state, content_options })
        });
        truths.collect()
    }

    /// What is true of every feed that the client can see.
    #[must_use]
    pub fn truths(&self) -> Truths {
        self.feeds().into_iter().map(|feed| (feed.clone(), self.truth(&feed.0))).collect()
    }

    /// Keeps every record that is written, for a small world that is asked for the same ones again and again.
    pub fn keep_records(&mut self) {
        self.written.get_or_insert_default();
    }

    /// A record as an answer shows it.
    pub(super) fn rendered(&mut self, state: &ListingState, presentation: Presentation) -> Arc<str> {
        let content_options = self.content_options();
        let write = || Arc::from(record(state, content_options, presentation));
        match &mut self.written {
            None => write(),
            Some(written) => Arc::clone(written.entry((Arc::clone(&state.listing), state.version, presentation)).or_insert_with(write)),
        }
    }

    pub(super) fn content_options(&self) -> ContentOptions {
        let Options { nulls, unknown_members, services, .. } = &self.options;
        ContentOptions { nulls: *nulls, unknown_members: *unknown_members, directory: services.directory() }
    }
}
