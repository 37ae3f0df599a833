//! The values that several fields of one invented listing share, such as its address, price or status.

use super::listing_state::{ListingState, live_status};
use super::random::{Random, mix};
use super::vocabulary::{self, Place};
use crate::record::Stamp;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// The values of one listing at one version that more than one of its fields shows.
pub(super) struct Attributes {
    pub(super) number: u64,
    pub(super) street: &'static str,
    pub(super) suffix: &'static str,
    pub(super) place: Place,
    pub(super) zip: String,
    pub(super) latitude: f64,
    pub(super) longitude: f64,
    pub(super) beds: i64,
    pub(super) baths_full: i64,
    pub(super) baths_partial: i64,
    pub(super) square_feet: i64,
    pub(super) acres: f64,
    pub(super) year: u64,
    pub(super) original_price: i64,
    pub(super) price: i64,
    pub(super) status: &'static str,
    pub(super) listed: Stamp,
    pub(super) garage: f64,
    pub(super) fireplaces: i64,
    /// `None`: the listing has no media object at all.
    pub(super) photos: Option<u64>,
}

impl Attributes {
    pub(super) fn of(state: &ListingState) -> Attributes {
        let version = &state.version;
        let mut random = Random::new(mix(state.identity, 0xFAC7));
        let (street, suffix) = vocabulary::street(&mut random);
        let place = vocabulary::place(&state.feed, &mut random);
        let whole = |value: u64| i64::try_from(value).unwrap_or(0);
        let square_feet = whole(500 + random.below(60) * 50 + random.below(50));
        let original_price = whole(60_000 + random.below(900) * 1000 + random.below(4) * random.below(1_000_000));
        let media = Random::new(mix(state.identity, 0x9407_0000 + u64::from(version.edits / 2))).below(29);
        Attributes {
            number: 1 + random.below(19_999),
            street,
            suffix,
            place,
            zip: format!("{}{:03}", place.3, random.below(1000)),
            latitude: near(place.4, &mut random),
            longitude: near(place.5, &mut random),
            beds: whole(1 + random.below(6)),
            baths_full: whole(1 + random.below(4)),
            baths_partial: whole(random.below(3)),
            square_feet,
            acres: random.below(400) as f64 / 100.0,
            year: 1890 + random.below(135),
            original_price,
            // No two versions have the same, and it falls and rises.
            price: original_price + i64::from(version.edits) * if version.edits.is_multiple_of(2) { 1000 } else { -100 },
            status: if version.deleted { "Deleted" } else { live_status(state.identity, version.edits) },
            listed: state.born.minus(DAY * u32::try_from(random.below(60)).unwrap_or(0)).midnight(),
            garage: random.below(7) as f64 / 2.0,
            fireplaces: whole(random.below(4)),
            photos: (media < 26).then_some(media),
        }
    }

    pub(super) fn address(&self) -> String {
        format!("{} {} {}", self.number, self.street, self.suffix)
    }
}

/// A coordinate within a tenth of a degree, with six decimals as MLS coordinates have.
fn near(center: f64, random: &mut Random) -> f64 {
    let micro = (center * 1_000_000.0) + random.below(200_000) as f64 - 100_000.0;
    micro.round() / 1_000_000.0
}
