//! The nested members of an invented listing, as JSON text: photos with a tour, open houses.

use super::dice::{Dice, mix};
use super::facts::{Draft, Facts};
use super::words;
use serde_json::{Value, json};
use std::time::Duration;

/// `Media`: null for a listing that never had any; no photos are an empty list or null.
pub(super) fn media(draft: &Draft, facts: &Facts) -> Value {
    let Some(count) = facts.photos else {
        return Value::Null;
    };
    let photos = match count {
        0 if draft.identity.is_multiple_of(2) => Value::Null,
        _ => (1..=count).map(|sequence| photo(draft, sequence)).collect(),
    };
    json!({ "PhotoCount": count, "Photos": photos, "VirtualTourUrl": tour(draft) })
}

/// `VirtualTourUrl`, inside `Media` as on the listing itself.
pub(super) fn tour(draft: &Draft) -> Value {
    match mix(draft.identity, 0x7042) % 4 {
        0 => json!(format!("https://tours.example.com/{:x}?mls={}&v=1", draft.identity, draft.feed)),
        _ => Value::Null,
    }
}

fn photo(draft: &Draft, sequence: u64) -> Value {
    let name = mix(draft.identity, sequence + 1000 * u64::from(draft.version.edits / 2));
    let url = |size: &str| format!("https://photos.example.com/{}/{name:016x}_{size}.jpg", draft.feed);
    json!({ "Sequence": sequence, "NormalSizeUrl": url("n"), "LargeSizeUrl": url("l") })
}

/// `OpenHouses`: null, empty, or up to three.
pub(super) fn open_houses(draft: &Draft) -> Value {
    let mut dice = Dice::new(mix(draft.identity, 0x0BE4 + u64::from(draft.version.edits)));
    match dice.below(10) {
        0..=4 => json!([]),
        5 | 6 => Value::Null,
        _ => (0..1 + dice.below(3)).map(|at| open_house(draft, at, &mut dice)).collect(),
    }
}

fn open_house(draft: &Draft, at: u64, dice: &mut Dice) -> Value {
    let day = draft.version.edited.midnight().plus(Duration::from_secs(86_400 * (3 + 7 * at)));
    let start = day.plus(Duration::from_secs(3600 * (10 + dice.below(5))));
    let remarks = if dice.chance(0.5) { Value::Null } else { json!(words::remarks(dice)) };
    json!({
        "IsActive": dice.chance(0.8),
        "StartDate": start.to_string(),
        "EndDate": if dice.chance(0.9) { json!(start.plus(Duration::from_secs(7200)).to_string()) } else { Value::Null },
        "Remarks": remarks,
    })
}
