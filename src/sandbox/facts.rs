//! What several fields of one invented listing share: its address, size, price, status, dates.

use super::dice::{Dice, mix};
use super::words::{self, Place};
use crate::record::Stamp;
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// All that a record is made of: the same draft always becomes the same record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) feed: Arc<str>,
    pub(super) listing: Arc<str>,
    /// The seed of all that stays while the listing lives.
    pub(super) identity: u64,
    /// The listing's first stamp.
    pub(super) born: Stamp,
    pub(super) version: Version,
}

/// The part of a draft that changes.
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

/// The status of a live listing's draft.
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

pub(super) struct Facts {
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
    pub(super) agent: String,
    pub(super) office: &'static str,
    pub(super) garage: f64,
    pub(super) fireplaces: i64,
    /// `None`: the listing has no media object at all.
    pub(super) photos: Option<u64>,
}

impl Facts {
    pub(super) fn of(draft: &Draft) -> Facts {
        let version = &draft.version;
        let mut dice = Dice::new(mix(draft.identity, 0xFAC7));
        let (street, suffix) = words::street(&mut dice);
        let place = words::place(&draft.feed, &mut dice);
        let whole = |value: u64| i64::try_from(value).unwrap_or(0);
        let square_feet = whole(500 + dice.below(60) * 50 + dice.below(50));
        let original_price = whole(60_000 + dice.below(900) * 1000 + dice.below(4) * dice.below(1_000_000));
        let media = Dice::new(mix(draft.identity, 0x9407_0000 + u64::from(version.edits / 2))).below(29);
        Facts {
            number: 1 + dice.below(19_999),
            street,
            suffix,
            place,
            zip: format!("{}{:03}", place.3, dice.below(1000)),
            latitude: near(place.4, &mut dice),
            longitude: near(place.5, &mut dice),
            beds: whole(1 + dice.below(6)),
            baths_full: whole(1 + dice.below(4)),
            baths_partial: whole(dice.below(3)),
            square_feet,
            acres: dice.below(400) as f64 / 100.0,
            year: 1890 + dice.below(135),
            original_price,
            price: original_price + 1000 * i64::from(version.edits),
            status: if version.deleted { "Deleted" } else { live_status(draft.identity, version.edits) },
            listed: draft.born.minus(DAY * u32::try_from(dice.below(60)).unwrap_or(0)).midnight(),
            agent: words::person(&mut dice),
            office: words::office(&mut dice),
            garage: dice.below(7) as f64 / 2.0,
            fireplaces: whole(dice.below(4)),
            photos: (media < 26).then_some(media),
        }
    }

    pub(super) fn address(&self) -> String {
        format!("{} {} {}", self.number, self.street, self.suffix)
    }
}

/// A coordinate within a tenth of a degree, with six decimals as MLS coordinates have.
fn near(center: f64, dice: &mut Dice) -> f64 {
    let micro = (center * 1_000_000.0) + dice.below(200_000) as f64 - 100_000.0;
    micro.round() / 1_000_000.0
}
