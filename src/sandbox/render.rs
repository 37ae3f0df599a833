//! A draft becomes the JSON record that the vendor would send.

use super::dice::{Dice, mix};
use super::facts::{Draft, Facts};
use super::media;
use super::options::{Deletions, MediaKey};
use super::words;
use crate::record::{Field, Kind, NamedBy};
use crate::vendor::constellation1::fields::LISTING_DETAILS;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How many of a hundred nullable fields of a listing are filled, beside those that every listing has.
const FILLED_PERCENT: u64 = 13;
/// One of so many fields of a listing changes with each edit.
const MOODY: u64 = 16;

/// What a record's content depends on beside its draft.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Habits {
    pub(super) nulls: bool,
    pub(super) unknown_members: bool,
}

/// Which half of the document one answer follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Half {
    Class,
    Table,
    Union,
}

/// How one answer presents its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Look {
    pub(super) half: Half,
    pub(super) media_key: MediaKey,
    pub(super) deletions: Deletions,
}

/// The look of the truth: everything, under its first name.
pub(super) const CANONICAL: Look = Look { half: Half::Union, media_key: MediaKey::Media, deletions: Deletions::Full };

/// Writes the record of a draft.
pub(super) fn record(draft: &Draft, habits: Habits, look: Look) -> String {
    let facts = Facts::of(draft);
    let mut members = Members::new();
    let bare = draft.version.deleted && look.deletions != Deletions::Full;
    for (index, field) in LISTING_DETAILS.iter().enumerate().filter(|(_, field)| shows(look.half, field.named_by)) {
        let kept = matches!(field.wire, "FeedId" | "ListingId" | "MlsUpdateDate");
        if bare && !kept {
            if look.deletions == Deletions::SparseNull {
                members.push_field(field, look, "null");
            }
            continue;
        }
        let value = value(draft, &facts, habits, (index, field));
        let value = if field.kind == Kind::Loose { loose(value, native(draft, field, look.half)) } else { value };
        members.push_field(field, look, &value.to_string());
    }
    if habits.unknown_members && !bare {
        for (name, value) in unknown(draft) {
            members.push(&name, &value.to_string());
        }
    }
    members.close()
}

/// A JSON object as it is written, member by member: a page has 60 000 of them, too many for a tree first.
struct Members(String);

impl Members {
    fn new() -> Members {
        let mut text = String::with_capacity(12_000);
        text.push('{');
        Members(text)
    }

    fn push_field(&mut self, field: &Field, look: Look, value: &str) {
        if field.wire != "Media" {
            return self.push(field.wire, value);
        }
        if look.media_key != MediaKey::ListingMedia {
            self.push("Media", value);
        }
        if look.media_key != MediaKey::Media {
            self.push("ListingMedia", value);
        }
    }

    fn push(&mut self, name: &str, value: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
        self.0.push_str(value);
    }

    fn close(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

fn shows(half: Half, named_by: NamedBy) -> bool {
    match half {
        Half::Union => true,
        Half::Class => named_by != NamedBy::TableOnly,
        Half::Table => named_by != NamedBy::ClassOnly,
    }
}

/// Members that no document knows.
pub(super) fn unknown(draft: &Draft) -> Map<String, Value> {
    let mut dice = Dice::new(mix(draft.identity, 0x6E3));
    let mut members = Map::new();
    members.insert("GreenScore".to_owned(), json!(dice.below(100)));
    members.insert("Tags".to_owned(), json!([words::office(&mut dice), { "weight": 0.5 }]));
    if dice.chance(0.3) {
        members.insert("x-Überraschung".to_owned(), json!(words::remarks(&mut dice)));
    }
    members
}

fn value(draft: &Draft, facts: &Facts, habits: Habits, (index, field): (usize, &Field)) -> Value {
    if habits.nulls && required_null(draft, index, field) {
        return Value::Null;
    }
    if let Some(value) = fact(draft, facts, field.wire) {
        return value;
    }
    let place = mix(draft.identity, index as u64);
    let moody = place.is_multiple_of(MOODY);
    let seed = if moody { mix(place, u64::from(draft.version.edits)) } else { place };
    let mut dice = Dice::new(seed);
    if field.nullable && dice.below(100) >= FILLED_PERCENT {
        return Value::Null;
    }
    any(draft, field, &mut dice)
}

/// Null where the document promises a value.
fn required_null(draft: &Draft, index: usize, field: &Field) -> bool {
    let one_in = match field.wire {
        "MlsModificationTimestamp" | "PhotoRetrievedDate" => 3,
        _ if !field.nullable => 40,
        _ => return false,
    };
    mix(draft.identity, 0x4011 + index as u64).is_multiple_of(one_in)
}

/// A value that depends on nothing but the dice.
fn any(draft: &Draft, field: &Field, dice: &mut Dice) -> Value {
    match field.kind {
        Kind::Text => json!(words::text(field.wire, dice)),
        Kind::Loose => json!(dice.below(4000)),
        Kind::Integer => json!(dice.below(50)),
        Kind::Real => json!(dice.below(500_000) as f64 / 100.0),
        Kind::Bool => json!(dice.chance(0.25)),
        Kind::Time => {
            let day = draft.version.edited.midnight().minus(Duration::from_secs(86_400 * dice.below(900)));
            json!(day.plus(Duration::from_millis(if dice.chance(0.5) { 0 } else { dice.below(86_400_000) })).to_string())
        }
        Kind::Json => Value::Null,
    }
}

/// The value of a field that others depend on; `None` for the rest.
fn fact(draft: &Draft, facts: &Facts, wire: &str) -> Option<Value> {
    let version = &draft.version;
    let square_feet = facts.square_feet;
    let sold = facts.status == "Sold";
    Some(match wire {
        "FeedId" => json!(&*draft.feed),
        "ListingId" => json!(&*draft.listing),
        "MlsUpdateDate" => json!(version.stamp.to_string()),
        "MlsModificationTimestamp" => json!(version.edited.minus(Duration::from_millis(draft.identity % 90_000)).to_string()),
        "PhotoRetrievedDate" if facts.photos.unwrap_or(0) == 0 => Value::Null,
        "PhotoRetrievedDate" => json!(version.edited.minus(Duration::from_millis(draft.identity % 700_000)).to_string()),
        "Address" => json!(facts.address()),
        "StreetNumber" => json!(facts.number.to_string()),
        "StreetName" => json!(facts.street),
        "StreetSuffix" => json!(facts.suffix),
        "City" => json!(facts.place.0),
        "County" => json!(facts.place.1),
        "State" => json!(facts.place.2),
        "Country" => json!("US"),
        "Zip" => json!(facts.zip),
        "Latitude" => json!(facts.latitude),
        "Longitude" => json!(facts.longitude),
        "Beds" => json!(facts.beds),
        "BathsFull" => json!(facts.baths_full),
        "BathsPartial" => json!(facts.baths_partial),
        "BathsTotal" => json!(facts.baths_full as f64 + 0.5 * facts.baths_partial as f64),
        "SquareFeet" => json!(square_feet.to_string()),
        "AboveGroundSqFt" | "FinishedSquareFeet" => json!(square_feet),
        "Acres" => json!(facts.acres.to_string()),
        "AcreSearch" => json!(facts.acres),
        "YearBuilt" => json!(facts.year.to_string()),
        "Price" => json!(facts.price),
        "OriginalListPrice" => json!(facts.original_price as f64),
        "PricePerSqft" => json!((facts.price * 100 / square_feet) as f64 / 100.0),
        "SalePrice" => sold.then(|| json!(facts.price - 500)).into(),
        "SaleDate" => sold.then(|| json!(version.edited.midnight().to_string())).into(),
        "SellingOffice" => sold.then(|| json!(facts.office)).into(),
        "ListDate" => json!(facts.listed.to_string()),
        "DaysOnMarket" => json!(version.edited.since(facts.listed).as_secs() / 86_400),
        "LastPriceChangeDate" if version.edits == 0 => Value::Null,
        "LastPriceChangeDate" | "LastListingStatusChangeDate" => json!(version.edited.to_string()),
        "ListingStatus" | "ListingStatusSearch" => json!(facts.status),
        "PropertyType" | "PropertyTypeSearch" | "MlsPropertyType" => {
            json!(["Residential", "Condo", "Land", "Farm"][(draft.identity % 4) as usize])
        }
        "ListingAgent" => json!(facts.agent),
        "ListingAgentId" => json!((draft.identity % 90_000).to_string()),
        "ListingOffice" => json!(facts.office),
        "Remarks" => json!(words::remarks(&mut Dice::new(mix(draft.identity, u64::from(version.edits / 4))))),
        "ActualPhotoCount" => json!(facts.photos.unwrap_or(0)),
        "VirtualTourUrl" => media::tour(draft),
        "HasOpenHouse" => json!(media::open_houses(draft).as_array().is_some_and(|houses| !houses.is_empty())),
        "OpenHouses" => media::open_houses(draft),
        "Media" => media::media(draft, facts),
        "GarageSpaces" => json!(facts.garage),
        "HasGarage" => json!(facts.garage > 0.0),
        "FireplaceCount" => json!(facts.fireplaces),
        "HasFireplace" => json!(facts.fireplaces > 0),
        "DockHeight" => json!(draft.identity.is_multiple_of(3)),
        "ShowAddress" | "ShowOnMap" => json!(!draft.identity.is_multiple_of(50)),
        _ => return None,
    })
}

/// Whether this answer sends a field of two types as the number or boolean rather than as text.
fn native(draft: &Draft, field: &Field, half: Half) -> bool {
    // The document has FireplaceCount the other way round: a number in the table, text in the class.
    let with = if field.wire == "FireplaceCount" { Half::Table } else { Half::Class };
    match half {
        Half::Union => mix(draft.identity, field.wire.len() as u64).is_multiple_of(2),
        Half::Class | Half::Table => half == with,
    }
}

fn loose(value: Value, native: bool) -> Value {
    if native || value.is_null() {
        return value;
    }
    Value::String(loose_text(&value).unwrap_or_default())
}

/// The one text for a value that may arrive as text, number or boolean; `None` for null and for what is nested.
pub(super) fn loose_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Some(whole.to_string()),
            None => number.as_f64().map(|real| real.to_string()),
        },
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
