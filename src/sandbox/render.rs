//! The JSON record that the vendor would send for a listing's state.

use super::attributes::Attributes;
use super::directory::Directory;
use super::listing_state::ListingState;
use super::media;
use super::options::{DeletedContent, MediaKey};
use super::random::{Random, mix};
use super::vocabulary;
use crate::record::{Field, Kind, NamedBy};
use crate::vendor::constellation1::fields::LISTING_DETAILS;
use crate::vendor::constellation1::fields::entities::LISTING_SUMMARY;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// How many of a hundred nullable fields of a listing are filled, beside those that every listing has.
const FILLED_PERCENT: u64 = 13;
/// One of so many fields of a listing changes with each edit.
const CHANGING_ONE_IN: u64 = 16;

/// What a record's content depends on besides its state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ContentOptions {
    pub(super) nulls: bool,
    pub(super) unknown_members: bool,
    pub(super) directory: Directory,
}

/// Which half of the document one answer follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DocumentHalf {
    Class,
    Table,
    Union,
}

/// How one answer presents its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Presentation {
    pub(super) half: DocumentHalf,
    pub(super) media_key: MediaKey,
    pub(super) deletions: DeletedContent,
}

/// The presentation of the truth: every field, under its first name.
pub(super) const CANONICAL: Presentation =
    Presentation { half: DocumentHalf::Union, media_key: MediaKey::Media, deletions: DeletedContent::Full };

/// Writes the record of a listing's state.
pub(super) fn record(state: &ListingState, content_options: ContentOptions, presentation: Presentation) -> String {
    let attributes = Attributes::of(state);
    let mut members = Members::new();
    let bare = state.version.deleted && presentation.deletions != DeletedContent::Full;
    for (index, field) in LISTING_DETAILS.iter().enumerate().filter(|(_, field)| shows(presentation.half, field.named_by)) {
        let kept = matches!(field.wire, "FeedId" | "ListingId" | "MlsUpdateDate");
        if bare && !kept {
            if presentation.deletions == DeletedContent::SparseNull {
                members.push_field(field, presentation, "null");
            }
            continue;
        }
        let value = value(state, &attributes, content_options, (index, field));
        let value = if field.kind == Kind::Loose { loose(value, native(state, field, presentation.half)) } else { value };
        members.push_field(field, presentation, &written(&value));
    }
    if content_options.unknown_members && !bare {
        for (name, value) in unknown(state) {
            members.push(&name, &value.to_string());
        }
    }
    members.close()
}

/// Writes the summary of a listing's state: what the record says, in the fewer fields of a summary.
pub(super) fn summary(state: &ListingState, content_options: ContentOptions, presentation: Presentation) -> Arc<str> {
    let attributes = Attributes::of(state);
    let mut members = Members::new();
    for field in LISTING_SUMMARY.iter().filter(|field| shows(presentation.half, field.named_by)) {
        let index = LISTING_DETAILS.iter().position(|known| known.wire == field.wire);
        let value = index.map_or(json!(attributes.status), |index| field_value(state, &attributes, content_options, index));
        members.push_field(field, presentation, &written(&value));
    }
    Arc::from(members.close())
}

/// The value of one field of a listing.
pub(super) fn field_value(state: &ListingState, attributes: &Attributes, content_options: ContentOptions, index: usize) -> Value {
    value(state, attributes, content_options, (index, &LISTING_DETAILS[index]))
}

/// A JSON object as it is written, member by member: a page has 60 000 of them, too many for a tree first.
struct Members(String);

impl Members {
    fn new() -> Members {
        let mut text = String::with_capacity(12_000);
        text.push('{');
        Members(text)
    }

    fn push_field(&mut self, field: &Field, presentation: Presentation, value: &str) {
        if field.wire != "Media" {
            return self.push(field.wire, value);
        }
        if presentation.media_key != MediaKey::ListingMedia {
            self.push("Media", value);
        }
        if presentation.media_key != MediaKey::Media {
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

/// A value as JSON text. Most fields of a listing are null, and need no text of their own.
fn written(value: &Value) -> Cow<'static, str> {
    if value.is_null() { Cow::Borrowed("null") } else { Cow::Owned(value.to_string()) }
}

fn shows(half: DocumentHalf, named_by: NamedBy) -> bool {
    match half {
        DocumentHalf::Union => true,
        DocumentHalf::Class => named_by != NamedBy::TableOnly,
        DocumentHalf::Table => named_by != NamedBy::ClassOnly,
    }
}

/// Members that no document knows.
pub(super) fn unknown(state: &ListingState) -> Map<String, Value> {
    let mut random = Random::new(mix(state.identity, 0x6E3));
    let mut members = Map::new();
    members.insert("GreenScore".to_owned(), json!(random.below(100)));
    members.insert("Tags".to_owned(), json!([vocabulary::office(&mut random), { "weight": 0.5 }]));
    if random.chance(0.3) {
        members.insert("x-Überraschung".to_owned(), json!(vocabulary::remarks(&mut random)));
    }
    members
}

fn value(state: &ListingState, attributes: &Attributes, content_options: ContentOptions, (index, field): (usize, &Field)) -> Value {
    if content_options.nulls && required_null(state, index, field) {
        return Value::Null;
    }
    let contact = || content_options.directory.of_listing(state, attributes.status == "Sold", field.wire);
    if let Some(value) = shared_value(state, attributes, field.wire).or_else(contact) {
        return value;
    }
    let place = mix(state.identity, index as u64);
    let changes_with_edits = place.is_multiple_of(CHANGING_ONE_IN);
    let seed = if changes_with_edits { mix(place, u64::from(state.version.edits)) } else { place };
    let mut random = Random::new(seed);
    if field.nullable && random.below(100) >= FILLED_PERCENT {
        return Value::Null;
    }
    random_value(state, field, &mut random)
}

/// Null where the document promises a value.
fn required_null(state: &ListingState, index: usize, field: &Field) -> bool {
    let one_in = match field.wire {
        "MlsModificationTimestamp" | "PhotoRetrievedDate" => 3,
        _ if !field.nullable => 40,
        _ => return false,
    };
    mix(state.identity, 0x4011 + index as u64).is_multiple_of(one_in)
}

/// A value that no other field depends on.
fn random_value(state: &ListingState, field: &Field, random: &mut Random) -> Value {
    match field.kind {
        Kind::Text => json!(vocabulary::text(field.wire, random)),
        Kind::Loose => json!(random.below(4000)),
        Kind::Integer => json!(random.below(50)),
        Kind::Real => json!(random.below(500_000) as f64 / 100.0),
        Kind::Bool => json!(random.chance(0.25)),
        Kind::Time => {
            let day = state.version.edited.midnight().minus(Duration::from_secs(86_400 * random.below(900)));
            json!(day.plus(Duration::from_millis(if random.chance(0.5) { 0 } else { random.below(86_400_000) })).to_string())
        }
        Kind::Json => Value::Null,
    }
}

/// The value of a field that agrees with other fields; `None` for the rest.
fn shared_value(state: &ListingState, attributes: &Attributes, wire: &str) -> Option<Value> {
    let version = &state.version;
    let square_feet = attributes.square_feet;
    let sold = attributes.status == "Sold";
    Some(match wire {
        "FeedId" => json!(&*state.feed),
        "ListingId" => json!(&*state.listing),
        "MlsUpdateDate" => json!(version.stamp.to_string()),
        "MlsModificationTimestamp" => json!(version.edited.minus(Duration::from_millis(state.identity % 90_000)).to_string()),
        "PhotoRetrievedDate" if attributes.photos.unwrap_or(0) == 0 => Value::Null,
        "PhotoRetrievedDate" => json!(version.edited.minus(Duration::from_millis(state.identity % 700_000)).to_string()),
        "Address" => json!(attributes.address()),
        "StreetNumber" => json!(attributes.number.to_string()),
        "StreetName" => json!(attributes.street),
        "StreetSuffix" => json!(attributes.suffix),
        "City" => json!(attributes.place.0),
        "County" => json!(attributes.place.1),
        "State" => json!(attributes.place.2),
        "Country" => json!("US"),
        "Zip" => json!(attributes.zip),
        "Latitude" => json!(attributes.latitude),
        "Longitude" => json!(attributes.longitude),
        "Beds" => json!(attributes.beds),
        "BathsFull" => json!(attributes.baths_full),
        "BathsPartial" => json!(attributes.baths_partial),
        "BathsTotal" => json!(attributes.baths_full as f64 + 0.5 * attributes.baths_partial as f64),
        "SquareFeet" => json!(square_feet.to_string()),
        "AboveGroundSqFt" | "FinishedSquareFeet" => json!(square_feet),
        "Acres" => json!(attributes.acres.to_string()),
        "AcreSearch" => json!(attributes.acres),
        "YearBuilt" => json!(attributes.year.to_string()),
        "Price" => json!(attributes.price),
        "OriginalListPrice" => json!(attributes.original_price as f64),
        "PricePerSqft" => json!((attributes.price * 100 / square_feet) as f64 / 100.0),
        "SalePrice" => sold.then(|| json!(attributes.price - 500)).into(),
        "SaleDate" => sold.then(|| json!(version.edited.midnight().to_string())).into(),
        "ListDate" => json!(attributes.listed.to_string()),
        "DaysOnMarket" => json!(version.edited.since(attributes.listed).as_secs() / 86_400),
        "LastPriceChangeDate" if version.edits == 0 => Value::Null,
        "LastPriceChangeDate" | "LastListingStatusChangeDate" => json!(version.edited.to_string()),
        "ListingStatus" | "ListingStatusSearch" => json!(attributes.status),
        "PropertyType" | "PropertyTypeSearch" | "MlsPropertyType" => {
            json!(["Residential", "Condo", "Land", "Farm"][(state.identity % 4) as usize])
        }
        "Remarks" => json!(vocabulary::remarks(&mut Random::new(mix(state.identity, u64::from(version.edits / 4))))),
        "ActualPhotoCount" => json!(attributes.photos.unwrap_or(0)),
        "VirtualTourUrl" => media::tour(state),
        "HasOpenHouse" => json!(media::open_houses(state).as_array().is_some_and(|houses| !houses.is_empty())),
        "OpenHouses" => media::open_houses(state),
        "Media" => media::media(state, attributes),
        "GarageSpaces" => json!(attributes.garage),
        "HasGarage" => json!(attributes.garage > 0.0),
        "FireplaceCount" => json!(attributes.fireplaces),
        "HasFireplace" => json!(attributes.fireplaces > 0),
        "DockHeight" => json!(state.identity.is_multiple_of(3)),
        "ShowAddress" | "ShowOnMap" => json!(!state.identity.is_multiple_of(50)),
        _ => return None,
    })
}

/// Whether this answer sends a field of two types as the number or boolean rather than as text.
fn native(state: &ListingState, field: &Field, half: DocumentHalf) -> bool {
    // The document has FireplaceCount the other way round: a number in the table, text in the class.
    let with = if field.wire == "FireplaceCount" { DocumentHalf::Table } else { DocumentHalf::Class };
    match half {
        DocumentHalf::Union => mix(state.identity, field.wire.len() as u64).is_multiple_of(2),
        DocumentHalf::Class | DocumentHalf::Table => half == with,
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
