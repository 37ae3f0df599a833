//! What is true of each listing of the world, for whoever compares a mirror with it.

use super::listing_state::ListingState;
use super::render::{CANONICAL, ContentOptions, record};
use crate::record::{FeedId, ListingId, Stamp};
use serde_json::Value;
use std::collections::BTreeMap;

/// What is true of one listing.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    /// The vendor has deleted it.
    pub deleted: bool,
    /// Its `MlsUpdateDate`.
    pub stamp: Stamp,
    pub(super) state: ListingState,
    pub(super) content_options: ContentOptions,
}

impl Truth {
    /// Its record with every field, media under `Media`; made when asked for, because a world of them would not fit in memory.
    #[must_use]
    pub fn record(&self) -> Value {
        serde_json::from_str(&self.json()).expect("the sandbox writes JSON")
    }

    /// The same, as text.
    #[must_use]
    pub fn json(&self) -> String {
        record(&self.state, self.content_options, CANONICAL)
    }
}

/// What is true of every listing of some feeds.
pub type Truths = BTreeMap<FeedId, BTreeMap<ListingId, Truth>>;
