//! The entity "listing" of this vendor.

use super::decode::{decode, looks_deleted};
use super::fields::{ALIASES, LISTING_DETAILS};
use super::media::same_but_for_queries;
use super::wire::replay;
use crate::entity::{Deletions, Entity, Sold};

/// ListingDetails, in the table `listings`.
pub(in crate::vendor) const LISTING: Entity = Entity {
    name: "listing",
    table: "listings",
    numbers: Some("listing_ids"),
    fields: &LISTING_DETAILS,
    aliases: &ALIASES,
    deletions: Deletions::Stream,
    stamp: Some("MlsUpdateDate"),
    lapses: None,
    likeness: &["address", "price", "latitude", "longitude"],
    sold: Some(Sold {
        status: "listing_status_search",
        values: &["Sold", "Closed"],
        dates: &["sale_date", "last_listing_status_change_date", "mls_update_date"],
        stays: &["listing_status", "listing_status_search"],
    }),
    headline: &["mls_update_date", "listing_status", "price"],
    read: replay,
    decode,
    looks_deleted,
    same_but_for_queries,
    unlisted: None,
    scope: None,
    quiet: None,
    beside: &[],
};
