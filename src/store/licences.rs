//! What the configuration says about storing, and what may be stored of each feed.

use crate::plan::licence::Licence;
use crate::record::FeedId;
use std::collections::BTreeMap;
use std::time::Duration;

/// How the store stores.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoreOptions {
    /// What differs in the queries of URLs alone is no change; the newest URLs are stored.
    pub ignore_queries: bool,
    /// Changes that are older than this are cut, but for the newest; `None` keeps all.
    pub keep_history: Option<Duration>,
    /// What may be stored of each feed.
    pub licences: Licences,
}

/// The licence of each feed that has one of its own, and that of all others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Licences {
    /// Of feeds that are not named.
    pub others: Licence,
    /// Of feeds that are.
    pub feeds: BTreeMap<FeedId, Licence>,
}

impl Licences {
    pub(super) fn of(&self, feed: &FeedId) -> &Licence {
        let own = self.feeds.iter().find(|(named, _)| named.0.eq_ignore_ascii_case(&feed.0));
        own.map_or(&self.others, |(_, licence)| licence)
    }

    /// Whether anything is to be taken out at all.
    pub(super) fn restricts(&self) -> bool {
        std::iter::once(&self.others).chain(self.feeds.values()).any(|licence| *licence != Licence::default())
    }
}
