//! A record's fields, from JSON as sent to cells.

use super::canonical::{canonical, quoted, write_object};
use super::decimal::Decimal;
use super::fields::{ALIASES, LISTING_DETAILS};
use super::json::text;
use super::media::{media, open_houses};
use super::members::{COLUMNS, Members, others};
use super::scalar::{boolean, finite, unquoted, whole};
use crate::record::{Cell, Content, Field, Kind, Record, Stamp};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

/// A double tells this many decimal digits apart; more are rounded away.
const DIGITS_OF_A_DOUBLE: usize = 17;

/// The place of each field by its name in lower case.
static COLUMNS_IN_LOWER_CASE: LazyLock<HashMap<String, usize>> =
    LazyLock::new(|| COLUMNS.iter().map(|(wire, index)| (wire.to_ascii_lowercase(), *index)).collect());

/// Decodes a record: one cell a field of [`LISTING_DETAILS`], in its order.
///
/// Names that differ only in case are one member, and a value of another JSON type is converted where nothing is lost.
/// A value that does not fit its field, and a member without a field, is kept in `extra` under its wire name: as JSON, or
/// as its text in a JSON string where a reader of JSON could not take it (nested beyond 100 levels, a number beyond a
/// double). `extra` also keeps, as a string, the digits of a number that a double had to round.
pub(super) fn decode(record: &Record) -> Content<'_> {
    let mut values: Values = record.cut.fields.iter().map(|value| value.of(&record.raw)).collect();
    values.resize(LISTING_DETAILS.len(), None);
    // The last of a repeated name wins.
    let mut others: Others = others(&record.raw, &record.cut).collect();
    resolve_names(&mut values, &mut others, |name| match ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name)) {
        Some((_, wire)) => COLUMNS.get(wire).copied(),
        None => COLUMNS_IN_LOWER_CASE.get(&name.to_ascii_lowercase()).copied(),
    });
    let mut extra: Extra = others.into_iter().map(|(name, value)| (name, portable(value))).collect();
    let cells = LISTING_DETAILS.iter().zip(values).map(|(field, value)| match field.wire {
        "FeedId" => Cell::Text(Cow::Borrowed(&record.key.feed.0)),
        "ListingId" => Cell::Text(Cow::Borrowed(&record.key.listing.0)),
        _ => cell(field, value, &mut extra),
    });
    let cells = cells.collect();
    Content { cells, extra: written(&extra) }
}

/// Decodes the members of any object by the fields of its kind: the cells in their order, and `extra` as [`decode`] fills it.
pub(super) fn decoded(fields: &[Field], members: &Members) -> (Vec<Cell<'static>>, Option<String>) {
    let mut values: Values = vec![None; fields.len()];
    let mut others: Others = BTreeMap::new();
    for (name, value) in members.in_order() {
        match fields.iter().position(|field| field.wire == name) {
            Some(index) => values[index] = Some(value),
            None => drop(others.insert(name, value)),
        }
    }
    resolve_names(&mut values, &mut others, |name| {
        let wire = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name)).map_or(name, |(_, wire)| wire);
        fields.iter().position(|field| field.wire.eq_ignore_ascii_case(wire))
    });
    let mut extra: Extra = others.into_iter().map(|(name, value)| (name, portable(value))).collect();
    let cells = fields.iter().zip(values).map(|(field, value)| owned(cell(field, value, &mut extra))).collect();
    (cells, written(&extra))
}

fn owned(cell: Cell) -> Cell<'static> {
    match cell {
        Cell::Absent => Cell::Absent,
        Cell::Null => Cell::Null,
        Cell::Integer(number) => Cell::Integer(number),
        Cell::Real(number) => Cell::Real(number),
        Cell::Text(text) => Cell::Text(Cow::Owned(text.into_owned())),
    }
}

/// Values by the place of their field; `None` where the record says nothing.
type Values<'a> = Vec<Option<&'a str>>;
/// Members without a field.
type Others<'a> = BTreeMap<Cow<'a, str>, &'a str>;
/// What goes into `extra`: names with valid JSON.
type Extra<'a> = BTreeMap<Cow<'a, str>, String>;

/// A field's other names fill it: those of another case, then its alias. Where two speak and disagree, the other stays among
/// the others.
fn resolve_names<'a>(values: &mut Values<'a>, others: &mut Others<'a>, place: impl Fn(&str) -> Option<usize>) {
    others.retain(|name, other| {
        let Some(index) = place(name) else { return true };
        match values[index] {
            None | Some("null") => {
                values[index] = Some(*other);
                false
            }
            Some(value) => *other != "null" && portable(value) != portable(other),
        }
    });
}

fn cell<'a>(field: &Field, value: Option<&'a str>, extra: &mut Extra<'_>) -> Cell<'a> {
    let value = match value {
        None => return Cell::Absent,
        Some("null") => return Cell::Null,
        // The document writes an empty string where a number or a date is absent.
        Some("\"\"") if !matches!(field.kind, Kind::Text | Kind::Loose | Kind::Json) => return Cell::Null,
        Some(value) => value,
    };
    let Some(cell) = fitted(field, value) else {
        extra.insert(Cow::Borrowed(field.wire), portable(value));
        return Cell::Null;
    };
    if matches!(cell, Cell::Real(rounded) if is_inexact(unquoted(value), rounded)) {
        extra.insert(Cow::Borrowed(field.wire), quoted(unquoted(value)));
    }
    cell
}

/// The value as its field's kind; `None` when it does not fit.
fn fitted<'a>(field: &Field, value: &'a str) -> Option<Cell<'a>> {
    match field.kind {
        Kind::Text | Kind::Loose => storable(value).or_else(|| spelled(value)).map(Cell::Text),
        Kind::Integer => whole(unquoted(value)).map(Cell::Integer),
        Kind::Real => finite(unquoted(value)).map(Cell::Real),
        Kind::Bool => boolean(unquoted(value)).map(|truth| Cell::Integer(truth.into())),
        Kind::Time => time(storable(value)?),
        Kind::Json => if field.wire == "OpenHouses" { open_houses(value) } else { media(value) }.map(|json| Cell::Text(json.into())),
    }
}

/// SQLite's text functions stop at a NUL, so a consumer would see half of such a string. JSON has it as an escape only.
fn storable(value: &str) -> Option<Cow<'_, str>> {
    text(value).filter(|text| matches!(text, Cow::Borrowed(_)) || !text.contains('\0'))
}

/// What a number or a boolean is called where text is promised.
fn spelled(value: &str) -> Option<Cow<'_, str>> {
    match value {
        "true" | "false" => Some(value.into()),
        _ => Decimal::parse(value).map(|number| number.plain().map_or(Cow::Borrowed(value), Cow::Owned)),
    }
}

/// As ISO 8601, so that SQLite and every consumer can read it; null for .NET's "none".
fn time(text: Cow<'_, str>) -> Option<Cell<'_>> {
    let stamp = Stamp::parse(&text)?;
    Some(match text {
        _ if stamp.is_none_of_dotnet() => Cell::Null,
        Cow::Borrowed(text) => Cell::Text(Stamp::iso(text)),
        Cow::Owned(text) => Cell::Text(Stamp::iso(&text).into_owned().into()),
    })
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
    use crate::vendor::constellation1::members::cut;

    fn record(members: &str) -> Record {
        let raw = format!("{{{members}}}");
        let key = ListingKey { feed: FeedId("GAMLS".to_owned()), listing: ListingId("7".to_owned()) };
        Record { key, stamp: None, mirrored_at: None, raw_hash: raw_hash(raw.as_bytes()), cut: cut(&raw).expect("an object"), raw }
    }

    fn content(members: &str) -> Content<'static> {
        decode(Box::leak(Box::new(record(members))))
    }

    fn cell_of(content: &Content<'static>, wire: &str) -> Cell<'static> {
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

    fn t(text: &str) -> Cell<'static> {
        Cell::Text(text.to_owned().into())
    }

    #[test]
    fn text() {
        fits("City", r#""Saint \u00c9tienne\r\n<b>""#, t("Saint Étienne\r\n<b>"));
        fits("City", r#""""#, t(""));
        fits("City", r#""\ud800 x""#, t("\u{FFFD} x"));
        fits("City", "null", Cell::Null);
        fits("City", "5", t("5"));
        fits("Zip", "58102", t("58102"));
        fits("City", "2.50", t("2.5"));
        fits("City", "true", t("true"));
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
        fits("Beds", r#""3""#, Cell::Integer(3));
        fits("Beds", r#""""#, Cell::Null);
        fits("Price", r#""250000""#, Cell::Integer(250_000));
        fits("Price", r#""250000.00""#, Cell::Integer(250_000));
        for no_number in [r#""1,250,000""#, r#""3.5""#, r#""$3""#, r#"" 3""#, r#""three""#, r#""1e400""#] {
            misfit("Price", no_number, no_number);
        }
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
        fits("BathsTotal", r#""2.5""#, Cell::Real(2.5));
        fits("BathsTotal", r#""-0""#, Cell::Real(0.0));
        fits("Latitude", r#""46.8""#, Cell::Real(46.8));
        misfit("BathsTotal", r#""2,5""#, r#""2,5""#);
        misfit("BathsTotal", r#""-inf""#, r#""-inf""#);
        fits("BathsTotal", r#""""#, Cell::Null);
        misfit("BathsTotal", r#""inf""#, r#""inf""#);
        misfit("BathsTotal", "1e400", r#""1e400""#);
    }

    #[test]
    fn a_rounded_real_keeps_its_digits() {
        for (number, nearest) in [("123456789.0123456789", 123_456_789.012_345_67), ("1e-400", 0.0)] {
            for sent in [number.to_owned(), format!("\"{number}\"")] {
                let content = content(&format!("\"PricePerSqft\":{sent}"));
                assert_eq!(cell_of(&content, "PricePerSqft"), Cell::Real(nearest));
                assert_eq!(content.extra, Some(format!("{{\"PricePerSqft\":\"{number}\"}}")));
            }
        }
    }

    #[test]
    fn boolean_and_time() {
        fits("HasCityView", "true", Cell::Integer(1));
        fits("HasCityView", "false", Cell::Integer(0));
        for (yes, no) in [("1", "0"), ("1.0", "0.0"), (r#""true""#, r#""false""#), (r#""True""#, r#""False""#), (r#""1""#, r#""0""#)] {
            fits("HasCityView", yes, Cell::Integer(1));
            fits("HasCityView", no, Cell::Integer(0));
        }
        for neither in ["2", "-1", "0.5", r#""Y""#, r#""on""#] {
            misfit("HasCityView", neither, neither);
        }
        fits("ListDate", r#""2026-05-01T00:00:00""#, t("2026-05-01T00:00:00"));
        fits("ListDate", r#""2026-05-01T00:00:00.1230000Z""#, t("2026-05-01T00:00:00.1230000Z"));
        fits("ListDate", r#""2026-05-01 21:29:55""#, t("2026-05-01T21:29:55"));
        fits("ListDate", r#""2026-05-01T21:29:55.116+0000""#, t("2026-05-01T21:29:55.116+00:00"));
        fits("ListDate", r#""\/Date(1732570195000-0500)\/""#, t("2024-11-25T21:29:55Z"));
        fits("ListDate", r#""0001-01-01T00:00:00""#, Cell::Null);
        fits("ListDate", r#""/Date(-62135596800000)/""#, Cell::Null);
        misfit("ListDate", r#""05/01/2026""#, r#""05/01/2026""#);
        fits("ListDate", r#""""#, Cell::Null);
        misfit("ListDate", "20260501", "20260501");
    }

    #[test]
    fn json() {
        fits("Media", r#"{"Photos": [], "PhotoCount": 0}"#, t(r#"{"PhotoCount":0,"Photos":[]}"#));
        fits("OpenHouses", "[ ]", t("[]"));
        misfit("Media", "[1]", "[1]");
        misfit("OpenHouses", "5", "5");
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
    fn names_that_differ_only_in_case_are_one_member() {
        let check = |members: &str, beds: Cell, extra: Option<&str>| {
            let content = content(members);
            assert_eq!((cell_of(&content, "Beds"), content.extra.as_deref()), (beds, extra), "{members}");
        };
        check(r#""beds":3"#, Cell::Integer(3), None);
        check(r#""BEDS":3,"Beds":null"#, Cell::Integer(3), None);
        check(r#""beds":4,"Beds":3"#, Cell::Integer(3), Some(r#"{"beds":4}"#));
        check(r#""Beds":3,"beds":3,"bEDS":null"#, Cell::Integer(3), None);
        check(r#""beds":"two""#, Cell::Null, Some(r#"{"Beds":"two"}"#));
        assert_eq!(cell_of(&content(r#""listingMedia":{"a":1}"#), "Media"), t(r#"{"a":1}"#));
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
}
