//! What a plan sees of an answered page.

use crate::record::Stamp;
use std::sync::Arc;

/// What identifies a record inside a window: its listing, or the hash of a reject. Clones share the text.
pub(crate) type Mark = Arc<str>;

/// One answered page, as far as paging depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageFacts {
    /// The page that was asked for.
    pub page: u32,
    /// The marks of its records and rejects, in order.
    pub marks: Vec<Mark>,
    /// The total that the vendor claims for the window.
    pub total: u64,
    /// Whether the vendor names a next page.
    pub more: bool,
}

/// One answered page, as far as any decision depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageSeen {
    /// What paging needs.
    pub facts: PageFacts,
    /// The stamps of the feed's own records.
    pub stamps: Vec<Stamp>,
    /// The newest of them, with its mark.
    pub newest: Option<(Stamp, Mark)>,
    /// How many records are of feeds that were not asked for.
    pub foreign: usize,
    /// The vendor's clock, in the zone of its dates, if the answer told it.
    pub vendor_now: Option<Stamp>,
}
