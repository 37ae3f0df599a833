//! What holds for any bytes of a vendor: shared by the fuzz targets and by `tests/fuzz.rs`.

use chrono::{DateTime, Utc};
use mls_sync::record::{Cell, Content, FeedId, Field, Kind, ListingId, ListingKey, Page, Record, Stamp, raw_hash};
use mls_sync::vendor::LISTINGS;
use mls_sync::vendor::constellation1::fields::{ALIASES, LISTING_DETAILS};
use mls_sync::vendor::constellation1::{cut, mended, read_detail, read_page};
use mls_sync::vendor::wait;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest and the shortest wait that a 429 may cause.
const WAITS: [Duration; 2] = [Duration::from_millis(1), Duration::from_secs(24 * 3600)];

/// An answered page: every result becomes a record or a reject, and a mend touches nothing that was sound.
pub(crate) fn envelope(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let body = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mend = mended(body);
    let is_json = is_json(body);
    assert!(mend.is_none() || !is_json, "valid JSON was mended");
    if let Some(mend) = &mend {
        assert!(mended(mend).is_none(), "a mended text was mended again");
    }
    read_detail(data).ok();
    let Ok(page) = read_page(data) else { return };
    let json = if is_json { body } else { mend.as_deref().expect("what is no JSON is a page only when it was mended") };
    if let Some(results) = results(json) {
        assert_eq!(page.records.len() + page.rejects.len(), results.len());
        check_results(&page, &results);
    }
    let end = text.rfind('}').expect("a page is an object");
    for cut in [end, end / 2, end / 3 * 2] {
        assert!(read_page(&data[..cut.min(data.len() - 1)]).is_err() || text.len() != data.len(), "cut off after {cut} bytes");
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// The results as sent, one of them perhaps without its list; `None` where a name of the envelope is no text. Of a name that
/// comes twice the last value counts, and of names in several cases the exact one.
fn results(json: &str) -> Option<Vec<&str>> {
    let members = members(json)?;
    let find =
        |exact: bool| members.iter().rev().find(|(name, _)| if exact { name == "Results" } else { name.eq_ignore_ascii_case("Results") });
    let (_, results) = find(true).or_else(|| find(false))?;
    if results.starts_with('{') {
        return Some(vec![results]);
    }
    let results: Option<Vec<&RawValue>> = serde_json::from_str(results).expect("a page has results");
    Some(results.unwrap_or_default().into_iter().map(RawValue::get).collect())
}

fn check_results(page: &Page, results: &[&str]) {
    let mut left: Vec<&str> = results.to_vec();
    let mut take = |raw: &str| left.iter().position(|result| *result == raw).map(|at| left.remove(at)).expect("a result that was not sent");
    for record in &page.records {
        take(&record.raw);
        let ListingKey { feed, listing } = &record.key;
        assert!(!feed.0.is_empty() && !listing.0.is_empty() && !feed.0.contains('\0') && !listing.0.contains('\0'));
        assert_eq!(record.raw_hash, raw_hash(record.raw.as_bytes()));
        assert_eq!((LISTINGS.read)(&record.raw).as_ref(), Ok(record), "read alone, a record is another");
    }
    for reject in &page.rejects {
        take(&reject.raw);
        assert!(!reject.reason.is_empty() && (LISTINGS.read)(&reject.raw).is_err());
    }
}

/// A record: one cell a field, and no member is lost. Tells the JSON that would be stored.
pub(crate) fn record(data: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(data);
    let key = ListingKey { feed: FeedId("A".to_owned()), listing: ListingId("1".to_owned()) };
    let text = text.trim_start_matches([' ', '\t', '\r', '\n']);
    let cut = cut(text);
    assert_eq!(cut.is_some(), is_json(text) && text.starts_with('{'), "what serde_json takes for an object is cut, and nothing else");
    let Some(cut) = cut else { return Vec::new() };
    let record = Record { key, stamp: None, mirrored_at: None, raw_hash: raw_hash(text.as_bytes()), raw: text.to_owned(), cut };
    let content = (LISTINGS.decode)(&record);
    assert_eq!((LISTINGS.decode)(&record), content, "decoded twice, it differs");
    assert_eq!(content.cells.len(), LISTING_DETAILS.len());
    LISTING_DETAILS.iter().zip(&content.cells).for_each(|(field, cell)| check_cell(field, cell));
    let extra = content.extra.as_deref().map(extra_of).unwrap_or_default();
    if let Some(members) = members(text) {
        check_members(&members, &content, &extra);
    }
    let stored = LISTING_DETAILS.iter().zip(&content.cells).filter(|(field, _)| field.kind == Kind::Json);
    let stored = stored.filter_map(|(_, cell)| if let Cell::Text(json) = cell { Some(json.clone().into_owned()) } else { None });
    stored.chain(content.extra.clone()).collect()
}

fn check_cell(field: &Field, cell: &Cell) {
    let fits = match (field.kind, cell) {
        (_, Cell::Absent | Cell::Null) => true,
        (Kind::Text | Kind::Loose, Cell::Text(text)) => !text.contains('\0'),
        (Kind::Time, Cell::Text(text)) => Stamp::parse(text).is_some(),
        (Kind::Json, Cell::Text(text)) => is_json(text) && text.starts_with(if field.wire == "OpenHouses" { '[' } else { '{' }),
        (Kind::Integer, Cell::Integer(_)) => true,
        (Kind::Bool, Cell::Integer(value)) => [0, 1].contains(value),
        (Kind::Real, Cell::Real(value)) => value.is_finite() && !(*value == 0.0 && value.is_sign_negative()),
        (Kind::Text | Kind::Loose | Kind::Time | Kind::Json | Kind::Integer | Kind::Bool | Kind::Real, _) => false,
    };
    assert!(fits, "{}: {cell:?}", field.wire);
}

/// The names of `extra`, which any reader of JSON can read.
fn extra_of(extra: &str) -> BTreeMap<String, serde_json::Value> {
    let extra: BTreeMap<String, serde_json::Value> = serde_json::from_str(extra).expect("extra is a JSON object");
    assert!(!extra.is_empty());
    extra
}

/// The last value of each member is in its column or in extra; names that differ only in case are one member.
fn check_members(members: &[(String, &str)], content: &Content, extra: &BTreeMap<String, serde_json::Value>) {
    let last: BTreeMap<&str, &str> = members.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    for (name, value) in &last {
        let wire = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name)).map_or(*name, |(_, wire)| *wire);
        let field = LISTING_DETAILS.iter().zip(&content.cells).find(|(field, _)| field.wire.eq_ignore_ascii_case(wire));
        match field {
            None => assert!(extra.contains_key(*name), "the unknown {name} is lost"),
            // An empty string stands for nothing where text is not meant.
            Some((field, Cell::Null)) if *value == "\"\"" && !matches!(field.kind, Kind::Text | Kind::Loose | Kind::Json) => {}
            Some((field, Cell::Null | Cell::Absent)) if *value != "null" && !(field.kind == Kind::Time && is_no_date(value)) => {
                assert!(extra.contains_key(field.wire) || extra.contains_key(*name), "the misfit {name} is lost");
            }
            Some(_) => {}
        }
    }
    for (field, cell) in LISTING_DETAILS.iter().zip(&content.cells) {
        let is_key = ["FeedId", "ListingId"].contains(&field.wire);
        let names = ALIASES.iter().filter(|(_, wire)| *wire == field.wire).map(|(alias, _)| *alias).chain([field.wire]);
        let sent = names.into_iter().any(|name| last.keys().any(|sent| sent.eq_ignore_ascii_case(name)));
        assert!(sent || is_key || *cell == Cell::Absent, "{} was invented: {cell:?}", field.wire);
    }
    assert!(
        extra.keys().all(|name| last.keys().any(|sent| sent.eq_ignore_ascii_case(name)) || ALIASES.iter().any(|(_, wire)| wire == name)),
        "extra invents a name"
    );
}

/// .NET's word for no date.
fn is_no_date(value: &str) -> bool {
    let text: Option<String> = serde_json::from_str(value).ok();
    text.and_then(|text| Stamp::parse(&text)).is_some_and(Stamp::is_none_of_dotnet)
}

/// The members of an object in their order; `None` where a name is no text.
fn members(json: &str) -> Option<Vec<(String, &str)>> {
    struct Pairs<'a>(Vec<(String, &'a str)>);
    impl<'de> serde::Deserialize<'de> for Pairs<'de> {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Pairs<'de>;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                    let mut pairs = Vec::new();
                    while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                        pairs.push((name, value.get()));
                    }
                    Ok(Pairs(pairs))
                }
            }
            from.deserialize_map(Visitor)
        }
    }
    serde_json::from_str::<Pairs<'_>>(json).ok().map(|pairs| pairs.0)
}

/// A 429: the first line is its header, the rest its message.
pub(crate) fn throttle(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (header, message) = text.split_once('\n').unwrap_or((&text, ""));
    let now = DateTime::<Utc>::from_timestamp(1_782_907_200, 0).expect("a date");
    let [by_header, by_message, by_both] =
        [(Some(header), None), (None, Some(message)), (Some(header), Some(message))].map(|(header, message)| wait(header, message, now));
    for wait in [by_header, by_message, by_both] {
        assert!((WAITS[0]..=WAITS[1]).contains(&wait), "{wait:?}");
    }
    assert!([by_header, by_message].contains(&by_both), "{by_both:?} is neither the header's nor the message's");
    let silent = wait(None, None, now);
    assert!(by_both == by_header.max(by_message) || [by_header, by_message].contains(&silent), "the earlier of the two was taken");
    // Whatever else is said, nobody is asked before a time that can be read.
    let ticks = data.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(257).wrapping_add(u64::from(*byte))) % 100_000_000_000;
    let (seconds, fraction) = (ticks / 10_000_000, ticks % 10_000_000);
    let least = Duration::from_nanos(ticks * 100).min(WAITS[1]);
    let said = format!("Too many requests. Api will be available in {seconds}.{fraction:07} seconds");
    assert!(wait(Some(header), Some(&format!("{message} {said}")), now) >= least, "{said}");
    assert!(wait(Some(header), Some(&format!("{said} {message}")), now) >= least, "{said}");
    assert!(wait(Some(&seconds.to_string()), Some(message), now) >= Duration::from_secs(seconds).min(WAITS[1]), "{seconds}");
}
