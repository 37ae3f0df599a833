//! A record's fields, from JSON as sent to cells.

use super::canonical::{canonical, quoted, write_object};
use super::decimal::Decimal;
use super::fields::{ALIASES, LISTING_DETAILS};
use super::json::{Members, text};
use crate::record::{Cell, Content, Field, Kind, Record, Reject, Stamp};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

/// A double tells this many decimal digits apart; more are rounded away.
const DIGITS_OF_A_DOUBLE: usize = 17;

static COLUMNS: LazyLock<HashMap<&'static str, usize>> =
    LazyLock::new(|| LISTING_DETAILS.iter().enumerate().map(|(index, field)| (field.wire, index)).collect());

/// Decodes a record: one cell a field of [`LISTING_DETAILS`], in its order.
///
/// A value that does not fit its field, and a member without a field, is kept in `extra` under its wire name: as JSON, or
/// as its text in a JSON string where a reader of JSON could not take it (nested beyond 100 levels, a number beyond a
/// double). `extra` also keeps, as a string, the digits of a number that a double had to round.
///
/// # Errors
/// A reject when the raw text is no JSON object; a [`Record`] from a page always is one.
pub(super) fn decode(record: &Record) -> Result<Content, Reject> {
    let members = Members::read(&record.raw).map_err(|_| unreadable(record))?;
    let (mut values, mut others) = sort_out(members);
    resolve_aliases(&mut values, &mut others);
    let mut extra: Extra = others.into_iter().map(|(name, value)| (name, portable(value))).collect();
    let cells = LISTING_DETAILS.iter().zip(values).map(|(field, value)| match field.wire {
        "FeedId" => Cell::Text(record.key.feed.0.clone()),
        "ListingId" => Cell::Text(record.key.listing.0.clone()),
        _ => cell(field, value, &mut extra),
    });
    let cells = cells.collect();
    Ok(Content { cells, extra: written(&extra) })
}

/// Values by the place of their field; `None` where the record says nothing.
type Values<'a> = Vec<Option<&'a str>>;
/// Members without a field.
type Others<'a> = BTreeMap<Cow<'a, str>, &'a str>;
/// What goes into `extra`: names with valid JSON.
type Extra<'a> = BTreeMap<Cow<'a, str>, String>;

/// The last of a repeated name wins.
fn sort_out(members: Members<'_>) -> (Values<'_>, Others<'_>) {
    let mut values = vec![None; LISTING_DETAILS.len()];
    let mut others = BTreeMap::new();
    for (name, value) in members.0 {
        match COLUMNS.get(name.as_ref()) {
            Some(index) => values[*index] = Some(value),
            None => drop(others.insert(name, value)),
        }
    }
    (values, others)
}

/// A field's other name fills it; where both speak and disagree, the other stays among the others.
fn resolve_aliases<'a>(values: &mut Values<'a>, others: &mut Others<'a>) {
    for (alias, wire) in ALIASES {
        let (Some(index), Some(other)) = (COLUMNS.get(wire), others.remove(alias)) else { continue };
        match values[*index] {
            None | Some("null") => values[*index] = Some(other),
            Some(value) if other != "null" && portable(value) != portable(other) => drop(others.insert(Cow::Borrowed(alias), other)),
            Some(_) => {}
        }
    }
}

fn cell(field: &Field, value: Option<&str>, extra: &mut Extra<'_>) -> Cell {
    let value = match value {
        None => return Cell::Absent,
        Some("null") => return Cell::Null,
        Some(value) => value,
    };
    let Some(cell) = fitted(field, value) else {
        extra.insert(Cow::Borrowed(field.wire), portable(value));
        return Cell::Null;
    };
    if matches!(cell, Cell::Real(rounded) if is_inexact(value, rounded)) {
        extra.insert(Cow::Borrowed(field.wire), quoted(value));
    }
    cell
}

/// The value as its field's kind; `None` when it does not fit.
fn fitted(field: &Field, value: &str) -> Option<Cell> {
    match field.kind {
        Kind::Text => storable(value).map(Cell::Text),
        Kind::Loose => storable(value).or_else(|| spelled(value)).map(Cell::Text),
        Kind::Integer => whole(value).map(Cell::Integer),
        Kind::Real => finite(value).map(Cell::Real),
        Kind::Bool => boolean(value).map(|truth| Cell::Integer(truth.into())),
        Kind::Time => storable(value).filter(|date| Stamp::parse(date).is_some()).map(Cell::Text),
        Kind::Json => value.starts_with(opening(field.wire)).then(|| canonical(value)).flatten().map(Cell::Text),
    }
}

/// SQLite's text functions stop at a NUL, so a consumer would see half of such a string.
fn storable(value: &str) -> Option<String> {
    text(value).filter(|text| !text.contains('\0')).map(Cow::into_owned)
}

/// What a number or a boolean is called where the document promises text in one place and not in the other.
fn spelled(value: &str) -> Option<String> {
    match boolean(value) {
        Some(_) => Some(value.to_owned()),
        None => Decimal::parse(value).map(|number| number.plain().unwrap_or_else(|| value.to_owned())),
    }
}

fn whole(value: &str) -> Option<i64> {
    value.parse().ok().or_else(|| Decimal::parse(value)?.whole())
}

/// The nearest double. Only text that begins as a JSON number does is asked, since Rust also reads "inf".
fn finite(value: &str) -> Option<f64> {
    let number = value.starts_with(|c: char| c == '-' || c.is_ascii_digit()).then(|| value.parse::<f64>().ok());
    // Adding zero turns -0.0, which SQLite does not keep, into 0.0.
    number.flatten().filter(|number| number.is_finite()).map(|number| number + 0.0)
}

/// Whether a double lost digits of the number, or all of it.
fn is_inexact(number: &str, rounded: f64) -> bool {
    let may_be = number.len() > DIGITS_OF_A_DOUBLE || rounded == 0.0;
    may_be
        && Decimal::parse(number).is_some_and(|exact| {
            let lost = rounded == 0.0 && exact.significant() > 0;
            lost || exact.significant() > DIGITS_OF_A_DOUBLE
        })
}

fn boolean(value: &str) -> Option<bool> {
    value.parse().ok()
}

/// Media is one object, open houses are a list.
fn opening(wire: &str) -> char {
    if wire == "OpenHouses" { '[' } else { '{' }
}

/// The value as JSON that every reader reads: itself, or its text in a string.
fn portable(value: &str) -> String {
    canonical(value).unwrap_or_else(|| quoted(value))
}

fn written(extra: &Extra<'_>) -> Option<String> {
    let mut out = String::new();
    if !extra.is_empty() {
        write_object(extra, &mut out);
    }
    (!out.is_empty()).then_some(out)
}

fn unreadable(record: &Record) -> Reject {
    Reject {
        reason: "it is no JSON object".to_owned(),
        listing: Some(record.key.listing.clone()),
        raw_hash: record.raw_hash,
        raw: record.raw.clone(),
    }
}

/// Whether a record of one listing looks deleted. How the vendor shows that is not documented: its status says so, or
/// nothing is left of it but its key and date.
#[must_use]
pub(super) fn looks_deleted(content: &Content) -> bool {
    let says_so = |field: &Field, cell: &Cell| {
        let is_status = matches!(field.wire, "ListingStatus" | "ListingStatusSearch");
        is_status && matches!(cell, Cell::Text(status) if status.trim().eq_ignore_ascii_case("deleted"))
    };
    let remains = |field: &Field, cell: &Cell| {
        let is_key = matches!(field.wire, "FeedId" | "ListingId" | "MlsUpdateDate");
        // A plain boolean or a plain number of the vendor's class cannot be null; text can.
        !is_key && matches!(cell, Cell::Text(_))
    };
    let mut cells = LISTING_DETAILS.iter().zip(&content.cells);
    cells.clone().any(|(field, cell)| says_so(field, cell)) || !cells.any(|(field, cell)| remains(field, cell))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{FeedId, ListingId, ListingKey, raw_hash};

    fn record(members: &str) -> Record {
        let raw = format!("{{{members}}}");
        let key = ListingKey { feed: FeedId("GAMLS".to_owned()), listing: ListingId("7".to_owned()) };
        Record { key, stamp: None, raw_hash: raw_hash(raw.as_bytes()), raw }
    }

    fn content(members: &str) -> Content {
        decode(&record(members)).expect("content")
    }

    fn cell_of(content: &Content, wire: &str) -> Cell {
        content.cells[COLUMNS[wire]].clone()
    }

    /// The member fits: its cell is this, and nothing of it is in extra.
    fn fits(wire: &str, value: &str, expected: Cell) {
        let content = content(&format!("\"{wire}\":{value}"));
        assert_eq!((cell_of(&content, wire), content.extra), (expected, None), "{wire}: {value}");
    }

    /// The member does not fit: its cell is null, and extra holds this under its name.
    fn misfit(wire: &str, value: &str, kept: &str) {
        let content = content(&format!("\"{wire}\":{value}"));
        assert_eq!((cell_of(&content, wire), content.extra), (Cell::Null, Some(format!("{{\"{wire}\":{kept}}}"))), "{wire}: {value}");
    }

    fn t(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    #[test]
    fn text() {
        fits("City", r#""Saint \u00c9tienne\r\n<b>""#, t("Saint Étienne\r\n<b>"));
        fits("City", r#""""#, t(""));
        fits("City", r#""\ud800 x""#, t("\u{FFFD} x"));
        fits("City", "null", Cell::Null);
        misfit("City", "5", "5");
        misfit("City", "true", "true");
        misfit("City", r#"[ "a" ]"#, r#"["a"]"#);
        misfit("City", r#""a\u0000b""#, r#""a\u0000b""#);
    }

    #[test]
    fn loose() {
        fits("GarageSpaces", r#""2 car""#, t("2 car"));
        fits("GarageSpaces", "2.0", t("2"));
        fits("GarageSpaces", "2.50", t("2.5"));
        fits("AboveGroundSqFt", "1200", t("1200"));
        fits("AboveGroundSqFt", "1.2e3", t("1200"));
        fits("AboveGroundSqFt", "-0", t("0"));
        fits("AboveGroundSqFt", "1e400", t("1e400"));
        fits("DockHeight", "true", t("true"));
        fits("DockHeight", "false", t("false"));
        misfit("DockHeight", "{}", "{}");
        misfit("DockHeight", r#""\u0000""#, r#""\u0000""#);
    }

    #[test]
    fn integer() {
        fits("Beds", "3", Cell::Integer(3));
        fits("Beds", "3.0", Cell::Integer(3));
        fits("Beds", "-3", Cell::Integer(-3));
        fits("Beds", "9223372036854775807", Cell::Integer(i64::MAX));
        misfit("Beds", "9223372036854775808", "9223372036854775808");
        misfit("Beds", "3.5", "3.5");
        misfit("Beds", r#""3""#, r#""3""#);
        misfit("Beds", "true", "true");
        misfit("Beds", "1e400", r#""1e400""#);
    }

    #[test]
    fn real() {
        fits("BathsTotal", "2.5", Cell::Real(2.5));
        fits("BathsTotal", "2", Cell::Real(2.0));
        fits("BathsTotal", "-0.0", Cell::Real(0.0));
        fits("BathsTotal", "0.30000000000000004", Cell::Real(0.300_000_000_000_000_04));
        fits("BathsTotal", "1.0000000000000000000000", Cell::Real(1.0));
        misfit("BathsTotal", r#""2.5""#, r#""2.5""#);
        misfit("BathsTotal", r#""inf""#, r#""inf""#);
        misfit("BathsTotal", "1e400", r#""1e400""#);
    }

    #[test]
    fn a_rounded_real_keeps_its_digits() {
        for (number, nearest) in [("123456789.0123456789", 123_456_789.012_345_67), ("1e-400", 0.0)] {
            let content = content(&format!("\"PricePerSqft\":{number}"));
            assert_eq!(cell_of(&content, "PricePerSqft"), Cell::Real(nearest));
            assert_eq!(content.extra, Some(format!("{{\"PricePerSqft\":\"{number}\"}}")));
        }
    }

    #[test]
    fn boolean_and_time() {
        fits("HasCityView", "true", Cell::Integer(1));
        fits("HasCityView", "false", Cell::Integer(0));
        misfit("HasCityView", "1", "1");
        misfit("HasCityView", r#""true""#, r#""true""#);
        fits("ListDate", r#""2026-05-01T00:00:00""#, t("2026-05-01T00:00:00"));
        fits("ListDate", r#""2026-05-01T00:00:00.1230000Z""#, t("2026-05-01T00:00:00.1230000Z"));
        misfit("ListDate", r#""05/01/2026""#, r#""05/01/2026""#);
        misfit("ListDate", r#""""#, r#""""#);
        misfit("ListDate", "20260501", "20260501");
    }

    #[test]
    fn json() {
        fits("Media", r#"{"Photos": [], "PhotoCount": 0}"#, t(r#"{"PhotoCount":0,"Photos":[]}"#));
        fits("OpenHouses", "[ ]", t("[]"));
        misfit("Media", "[ ]", "[]");
        misfit("OpenHouses", r#"{"b":1,"a":2}"#, r#"{"a":2,"b":1}"#);
        misfit("OpenHouses", r#""x""#, r#""x""#);
        let deep = "[".repeat(200) + &"]".repeat(200);
        misfit("OpenHouses", &deep, &format!("\"{deep}\""));
    }

    #[test]
    fn the_other_name_of_media_fills_it() {
        let check = |members: &str, media: Cell, extra: Option<&str>| {
            let content = content(members);
            assert_eq!((cell_of(&content, "Media"), content.extra.as_deref()), (media, extra), "{members}");
        };
        check(r#""ListingMedia":{"a":1}"#, t(r#"{"a":1}"#), None);
        check(r#""ListingMedia":{"a":1},"Media":null"#, t(r#"{"a":1}"#), None);
        check(r#""Media":{"a":1},"ListingMedia":null"#, t(r#"{"a":1}"#), None);
        check(r#""Media":null,"ListingMedia":null"#, Cell::Null, None);
        check(r#""ListingMedia":null"#, Cell::Null, None);
        check("", Cell::Absent, None);
        check(r#""Media":{"a":1,"b":2},"ListingMedia":{ "b":2,"a":1 }"#, t(r#"{"a":1,"b":2}"#), None);
        check(r#""Media":{"a":1},"ListingMedia":{"a":2}"#, t(r#"{"a":1}"#), Some(r#"{"ListingMedia":{"a":2}}"#));
        check(r#""ListingMedia":[1]"#, Cell::Null, Some(r#"{"Media":[1]}"#));
    }

    #[test]
    fn extra_is_sorted_and_always_json() {
        let deep = "{\"a\":".repeat(100_000) + "1" + &"}".repeat(100_000);
        let members = format!(r#""Zeta":1,"Beds":"two","\u0041lpha":[ 1.50 ],"\ud800":1e999,"Deep":{deep},"Alpha":2,"Nil":null"#);
        let extra = content(&members).extra.expect("extra");
        assert!(extra.starts_with(r#"{"Alpha":2,"Beds":"two","Deep":"{\"a\":"#));
        assert!(extra.ends_with("\"Nil\":null,\"Zeta\":1,\"\u{FFFD}\":\"1e999\"}"));
        assert!(serde_json::from_str::<serde_json::Value>(&extra).is_ok());
    }

    #[test]
    fn the_key_is_the_records_key_and_the_last_member_wins() {
        let content = content(r#""FeedId":"other","ListingId":7,"Beds":1,"Beds":"x","Beds":2"#);
        assert_eq!(content.cells[..2], [t("GAMLS"), t("7")]);
        assert_eq!((cell_of(&content, "Beds"), content.extra), (Cell::Integer(2), None));
    }

    #[test]
    fn what_is_no_object_is_a_reject() {
        let mut record = record("");
        record.raw = "[1]".to_owned();
        let reject = decode(&record).expect_err("no object");
        assert_eq!((reject.listing, reject.raw.as_str()), (Some(ListingId("7".to_owned())), "[1]"));
    }
}
