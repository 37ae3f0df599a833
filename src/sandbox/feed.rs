//! One feed of the world, with its listings.

use super::listing_state::{ListingState, Version};
use super::random::{Random, mix, seed_of};
use super::vocabulary;
use crate::record::{FeedId, ListingId, Stamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// When a change is stamped, and when requests begin to see it.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    /// The stamp it gets, in the vendor's zone and grain.
    pub(super) stamp: Stamp,
    /// The world's clock now, UTC.
    pub(super) now: Stamp,
    /// Later than `now` for a change that becomes visible late.
    pub(super) visible_at: Stamp,
}

#[derive(Clone)]
pub(super) struct Listing {
    id: Arc<str>,
    identity: u64,
    born: Stamp,
    latest: Version,
    /// What requests see until `visible_at`; `None`: nothing.
    before: Option<Version>,
    visible_at: Stamp,
}

impl Listing {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn identity(&self) -> u64 {
        self.identity
    }

    /// The newest version, visible or not.
    pub(super) fn latest(&self) -> &Version {
        &self.latest
    }

    /// The version that a request sees at this time.
    pub(super) fn visible(&self, now: Stamp) -> Option<&Version> {
        if self.visible_at <= now { Some(&self.latest) } else { self.before.as_ref() }
    }

    fn change(&mut self, to: Version, moment: Moment) {
        self.before = self.visible(moment.now).copied();
        self.latest = to;
        self.visible_at = moment.visible_at;
    }
}

#[derive(Clone)]
pub(super) struct Feed {
    name: Arc<str>,
    seed: u64,
    serial: u64,
    listings: Vec<Listing>,
    places: BTreeMap<Arc<str>, usize>,
}

impl Feed {
    pub(super) fn new(name: &str, seed: u64) -> Feed {
        let seed = mix(seed, seed_of(name));
        let serial = 1_000_000 + seed % 7_000_000;
        Feed { name: Arc::from(name), seed, serial, listings: Vec::new(), places: BTreeMap::new() }
    }

    pub(super) fn id(&self) -> FeedId {
        FeedId(self.name.to_string())
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn listings(&self) -> &[Listing] {
        &self.listings
    }

    pub(super) fn add(&mut self, moment: Moment, deleted: bool) -> ListingId {
        self.serial += 1;
        let identity = mix(self.seed, self.serial);
        let id: Arc<str> = Arc::from(vocabulary::listing_id(self.serial, &mut Random::new(identity)));
        let latest = Version { deleted, ..Version::first(moment.stamp) };
        let listing = Listing { id: Arc::clone(&id), identity, born: moment.stamp, latest, before: None, visible_at: moment.visible_at };
        self.places.insert(Arc::clone(&id), self.listings.len());
        self.listings.push(listing);
        ListingId(id.to_string())
    }

    /// Changes a listing's content; false if there is no such live listing.
    pub(super) fn edit(&mut self, id: &str, moment: Moment) -> bool {
        self.change(id, false, moment, |old| Version { stamp: moment.stamp, edited: moment.stamp, edits: old.edits + 1, deleted: false })
    }

    /// Deletes a live listing; its content stays for those who ask for deletions.
    pub(super) fn delete(&mut self, id: &str, moment: Moment) -> bool {
        self.change(id, false, moment, |old| Version { stamp: moment.stamp, deleted: true, ..old })
    }

    /// Brings a deleted listing back, changed.
    pub(super) fn revive(&mut self, id: &str, moment: Moment) -> bool {
        self.change(id, true, moment, |old| Version { stamp: moment.stamp, edited: moment.stamp, edits: old.edits + 1, deleted: false })
    }

    /// Moves a live listing's stamp and nothing else.
    pub(super) fn touch(&mut self, id: &str, moment: Moment) -> bool {
        self.change(id, false, moment, |old| Version { stamp: moment.stamp, ..old })
    }

    /// Puts a version of before in the place of what a listing is now.
    pub(super) fn put_back(&mut self, id: &str, version: Version, moment: Moment) {
        if let Some(&place) = self.places.get(id) {
            self.listings[place].change(version, moment);
        }
    }

    fn change(&mut self, id: &str, deleted: bool, moment: Moment, to: impl FnOnce(Version) -> Version) -> bool {
        let Some(&place) = self.places.get(id) else {
            return false;
        };
        let listing = &mut self.listings[place];
        if listing.latest.deleted != deleted {
            return false;
        }
        listing.change(to(listing.latest), moment);
        true
    }

    /// Forgets a listing: no stream returns it any more, not even that of the deletions.
    pub(super) fn remove(&mut self, id: &str) -> bool {
        let Some(place) = self.places.remove(id) else {
            return false;
        };
        self.listings.remove(place);
        // The order of those that stay must stay: it decides between equal stamps.
        self.places.values_mut().filter(|other| **other > place).for_each(|other| *other -= 1);
        true
    }

    /// Gives a live listing another number and a new stamp: its old number is never told as deleted.
    pub(super) fn rekey(&mut self, id: &str, moment: Moment) -> Option<(ListingId, ListingId)> {
        let place = self.places.get(id).copied().filter(|&place| !self.listings[place].latest.deleted)?;
        self.serial += 1;
        let new: Arc<str> = Arc::from(vocabulary::listing_id(self.serial, &mut Random::new(mix(self.seed, self.serial))));
        let listing = &mut self.listings[place];
        listing.id = Arc::clone(&new);
        listing.latest.stamp = moment.stamp;
        listing.before = None;
        listing.visible_at = moment.visible_at;
        self.places.remove(id);
        self.places.insert(Arc::clone(&new), place);
        Some((ListingId(id.to_owned()), ListingId(new.to_string())))
    }

    /// A random live or deleted listing.
    pub(super) fn pick(&self, deleted: bool, random: &mut Random) -> Option<ListingId> {
        let start = random.index(self.listings.len());
        let (before, after) = self.listings.split_at(start);
        let found = after.iter().chain(before).find(|listing| listing.latest.deleted == deleted)?;
        Some(ListingId(found.id.to_string()))
    }

    pub(super) fn live(&self) -> Vec<ListingId> {
        self.listings.iter().filter(|listing| !listing.latest.deleted).map(|listing| ListingId(listing.id.to_string())).collect()
    }

    pub(super) fn find(&self, id: &str) -> Option<&Listing> {
        self.places.get(id).map(|&place| &self.listings[place])
    }

    /// What the record of one version is made of.
    pub(super) fn state(&self, listing: &Listing, version: Version) -> ListingState {
        ListingState {
            feed: Arc::clone(&self.name),
            listing: Arc::clone(&listing.id),
            identity: listing.identity,
            born: listing.born,
            version,
        }
    }

    /// The newest version of every listing, visible or not.
    pub(super) fn latest(&self) -> impl Iterator<Item = ListingState> {
        self.listings.iter().map(|listing| self.state(listing, listing.latest))
    }
}
