//! A backup of a feed, and how it is put back: what no vendor documents and some do.

use super::listing_state::Version;
use super::world::World;
use std::sync::Arc;
use std::time::Duration;

/// The listings of a feed as they were at one moment.
#[derive(Clone, Debug)]
pub struct Backup {
    feed: String,
    versions: Vec<(Arc<str>, Version)>,
}

impl World {
    /// Keeps what the listings of a feed are now.
    #[must_use]
    pub fn backup(&self, feed: &str) -> Backup {
        let latest = self.feeds.get(feed).into_iter().flat_map(|feed| feed.latest());
        Backup { feed: feed.to_owned(), versions: latest.map(|state| (state.listing, state.version)).collect() }
    }

    /// Puts a backup back: its listings are what they were, with the stamps that they had. What came later stays.
    pub fn put_back(&mut self, backup: &Backup) {
        let moment = self.moment(Duration::ZERO);
        let Some(feed) = self.feeds.get_mut(&backup.feed) else { return };
        for (listing, version) in &backup.versions {
            feed.put_back(listing, *version, moment);
        }
    }
}
