//! The nested members of an invented listing, as JSON text: photos with a tour, open houses.

use super::attributes::Attributes;
use super::listing_state::ListingState;
use super::random::{Random, mix};
use super::vocabulary;
use serde_json::{Value, json};
use std::time::Duration;

/// `Media`: null for a listing that never had any; no photos are an empty list or null.
pub(super) fn media(state: &ListingState, attributes: &Attributes) -> Value {
    let Some(count) = attributes.photos else {
        return Value::Null;
    };
    let photos = match count {
        0 if state.identity.is_multiple_of(2) => Value::Null,
        _ => (1..=count).map(|sequence| photo(state, sequence)).collect(),
    };
    json!({ "PhotoCount": count, "Photos": photos, "VirtualTourUrl": tour(state) })
}

/// `VirtualTourUrl`, inside `Media` as on the listing itself.
pub(super) fn tour(state: &ListingState) -> Value {
    match mix(state.identity, 0x7042) % 4 {
        0 => json!(format!("https://tours.example.com/{:x}?mls={}&v=1", state.identity, state.feed)),
        _ => Value::Null,
    }
}

fn photo(state: &ListingState, sequence: u64) -> Value {
    let name = mix(state.identity, sequence + 1000 * u64::from(state.version.edits / 2));
    let url = |size: &str| format!("https://photos.example.com/{}/{name:016x}_{size}.jpg", state.feed);
    json!({ "Sequence": sequence, "NormalSizeUrl": url("n"), "LargeSizeUrl": url("l") })
}

/// `OpenHouses`: null, empty, or up to three.
pub(super) fn open_houses(state: &ListingState) -> Value {
    let mut random = Random::new(mix(state.identity, 0x0BE4 + u64::from(state.version.edits)));
    match random.below(10) {
        0..=4 => json!([]),
        5 | 6 => Value::Null,
        _ => (0..1 + random.below(3)).map(|at| open_house(state, at, &mut random)).collect(),
    }
}

fn open_house(state: &ListingState, at: u64, random: &mut Random) -> Value {
    let day = state.version.edited.midnight().plus(Duration::from_secs(86_400 * (3 + 7 * at)));
    let start = day.plus(Duration::from_secs(3600 * (10 + random.below(5))));
    let remarks = if random.chance(0.5) { Value::Null } else { json!(vocabulary::remarks(random)) };
    json!({
        "IsActive": random.chance(0.8),
        "StartDate": start.to_string(),
        "EndDate": if random.chance(0.9) { json!(start.plus(Duration::from_secs(7200)).to_string()) } else { Value::Null },
        "Remarks": remarks,
    })
}
