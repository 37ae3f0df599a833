//! The same answers without HTTP, for tests that use no socket.

use super::endpoints::{detail, sync};
use super::parameters::Parameters;
use super::world::World;
use crate::record::{FeedId, ListingId, PageRequest, Stamp};

/// An answer to a request that never left the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl World {
    /// Answers SyncListings as the server would: the parameters are written out and bound again.
    pub fn answer_page(&mut self, request: &PageRequest) -> Reply {
        let feeds = request.feeds.iter().map(|feed| ("FeedIdList".to_owned(), feed.0.clone()));
        let rest = [
            ("FromUpdatedDate", request.window.from.to_wire()),
            ("ToUpdatedDate", request.window.to.to_wire()),
            ("Status", request.stream.number().to_string()),
            ("Page", request.page.to_string()),
        ];
        let pairs: Vec<_> = feeds.chain(rest.map(|(name, value)| (name.to_owned(), value))).collect();
        let answer = sync(self, &Parameters::bind(&pairs, self.options.zone_hours));
        Reply { status: answer.status, body: answer.body }
    }

    /// Answers GetListingDetail as the server would.
    pub fn answer_detail(&mut self, feed: &FeedId, listing: &ListingId) -> Reply {
        let pairs = [("FeedId".to_owned(), feed.0.clone()), ("ListingId".to_owned(), listing.0.clone())];
        let answer = detail(self, &Parameters::bind(&pairs, self.options.zone_hours));
        Reply { status: answer.status, body: answer.body }
    }

    /// What requests can see of a feed now: each listing with its stamp, and whether it is deleted.
    #[must_use]
    pub fn visible(&self, feed: &str) -> Vec<(ListingId, Stamp, bool)> {
        let now = self.utc();
        let seen = |listing: &super::feed::Listing| {
            let version = listing.visible(now)?;
            Some((ListingId(listing.id().to_owned()), version.stamp, version.deleted))
        };
        self.feeds.get(feed).into_iter().flat_map(|feed| feed.listings().iter().filter_map(seen)).collect()
    }
}
