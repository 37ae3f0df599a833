//! One listing at one version, as the few numbers from which its record is drawn.

use super::random::mix;
use crate::record::Stamp;
use std::sync::Arc;

/// All that a record is made of: the same state always becomes the same record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListingState {
    pub(super) feed: Arc<str>,
    pub(super) listing: Arc<str>,
    /// The seed of all that stays while the listing lives.
    pub(super) identity: u64,
    /// The listing's first stamp.
    pub(super) born: Stamp,
    pub(super) version: Version,
}

/// The part of a state that changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    /// `MlsUpdateDate`.
    pub(super) stamp: Stamp,
    /// When the content last changed; a bulk load moves the stamp alone.
    pub(super) edited: Stamp,
    /// How often the content has changed; the price counts it, so that each change shows.
    pub(super) edits: u32,
    pub(super) deleted: bool,
}

impl Version {
    pub(super) fn first(stamp: Stamp) -> Version {
        Version { stamp, edited: stamp, edits: 0, deleted: false }
    }
}

/// The statuses of live listings, by how often out of 20 they are drawn. The last ones are in none of the vendor's groups.
const STATUSES: [(&str, u64); 7] =
    [("Active", 12), ("Pending", 2), ("Contingent", 1), ("Sold", 2), ("Expired", 1), ("Withdrawn", 1), ("Coming Soon", 1)];

/// The status of a live listing's state.
pub(super) fn live_status(identity: u64, edits: u32) -> &'static str {
    let mut roll = mix(identity, 0x57A7 + u64::from(edits / 3)) % 20;
    for (status, weight) in STATUSES {
        if roll < weight {
            return status;
        }
        roll -= weight;
    }
    "Active"
}
