//! The bytes of an answered page, cut into records.

use super::decimal::Decimal;
use super::json::text;
use super::members::{Body, Element, MOST_ELEMENTS, Members};
use super::mend::mended;
use crate::record::{FeedId, ListingId, ListingKey, Page, Record, Reject, Stamp, printable, raw_hash};
use serde::de::IgnoredAny;
use std::borrow::Cow;
use std::collections::HashMap;

/// Names of members that the reason of a reject repeats, and the characters of each.
const NAMES: usize = 6;
const NAME: usize = 40;

/// Reads the envelope `{Results, Total, Count, NextPage}`; each result becomes a record or a reject, in their order.
///
/// `vendor_now` of the page is left empty: it comes from a header.
///
/// # Errors
/// Why the bytes are no page, without quoting them. A page that is doubtful does not count as read, since a short or
/// miscounted one that did would lose listings unseen.
pub fn page(body: &[u8]) -> Result<Page, String> {
    read(without_bom(&decoded(body)), "page", page_of)
}

fn page_of(mut body: Body) -> Result<Page, String> {
    let total = total(&body.members)?;
    let results = results(&mut body, total)?;
    let mut changes = changes(&mut body, results.len())?;
    check_count(&body.members, results.len())?;
    let mut page = Page { records: Vec::with_capacity(results.len()), rejects: Vec::new(), total, next_page: None, vendor_now: None };
    page.next_page = next_page(&body.members)?;
    for element in results {
        let changed = changes.next().flatten();
        match record(element) {
            Ok(record) => page.records.push(Record { mirrored_at: changed, ..record }),
            Err(reject) => page.rejects.push(*reject),
        }
    }
    // One bad record is kept as a reject and passed. Where all are bad, the vendor writes another form.
    match page.rejects.as_slice() {
        [first, _, ..] if page.records.is_empty() => {
            Err(format!("none of the {} records can be read; of the first: {}", page.rejects.len(), first.reason))
        }
        _ => Ok(page),
    }
}

/// Reads the answer about one listing: the document shows neither whether it stands alone or in an envelope of results.
/// `None` for a null or for an envelope with no result.
///
/// # Errors
/// Why the bytes are no listing, without quoting them.
pub fn detail(body: &[u8]) -> Result<Option<Record>, String> {
    let body = decoded(body);
    match without_bom(&body).trim_ascii() {
        "null" => Ok(None),
        body => read(body, "listing", detail_of),
    }
}

fn detail_of(mut body: Body) -> Result<Option<Record>, String> {
    let Some(results) = body.members.get("Results") else {
        return one((body.members.text.trim_ascii_end(), Some(body.members.cut))).map(Some);
    };
    let mut results = if results == "null" { Vec::new() } else { elements(&mut body, results)? };
    match (results.pop(), results.len()) {
        (None, _) => Ok(None),
        (Some(result), 0) => one(result).map(Some),
        (Some(_), others) => Err(format!("the answer about one listing holds {}", others + 1)),
    }
}

fn one(element: Element) -> Result<Record, String> {
    record(element).map_err(|reject| format!("the answer is no listing: {}", reject.reason))
}

/// One broken byte in a remark costs that character, not two hundred listings.
pub(super) fn decoded(body: &[u8]) -> Cow<'_, str> {
    // The lossy reading is several times as slow.
    str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Borrowed)
}

pub(super) fn without_bom(body: &str) -> &str {
    body.strip_prefix('\u{feff}').unwrap_or(body)
}

/// Reads the body; the mended body where it is no JSON.
pub(super) fn read<T>(body: &str, wanted: &str, read: impl FnOnce(Body) -> Result<T, String>) -> Result<T, String> {
    match Body::read(body) {
        Some(body) => read(body),
        None => {
            let mended = mended(body).ok_or_else(|| no_json(body, wanted))?;
            read(Body::read(&mended).ok_or_else(|| no_json(&mended, wanted))?)
        }
    }
}

/// The body as JSON of any kind, mended where it is none.
pub(super) fn json(body: &[u8]) -> Result<String, String> {
    let body = decoded(body);
    let body = without_bom(&body).trim();
    let is_json = |text: &str| serde_json::from_str::<IgnoredAny>(text).is_ok();
    let json = if is_json(body) { Some(body.to_owned()) } else { mended(body).filter(|mended| is_json(mended)) };
    json.ok_or_else(|| "the answer is no JSON".to_owned())
}

/// What is wrong with a body that could not be read. The words of serde_json may quote the body.
fn no_json(body: &str, wanted: &str) -> String {
    match serde_json::from_str::<HashMap<String, IgnoredAny>>(body).err() {
        Some(error) if error.is_eof() => format!("the answer is no {wanted}: its JSON is cut short"),
        Some(error) => format!("the answer is no {wanted}: no JSON object, from line {} column {}", error.line(), error.column()),
        None => format!("the answer is no {wanted}: an array in it has more than {MOST_ELEMENTS} elements"),
    }
}

pub(super) fn total(envelope: &Members) -> Result<u64, String> {
    match (envelope.known("Total"), envelope.get("Results")) {
        (Some(total), _) => count(total).ok_or_else(|| "the answer is no page: its Total is no count".to_owned()),
        (None, Some(_)) => Err("the answer is no page: it has no Total".to_owned()),
        (None, None) => Err("the answer is not a page: it has neither Results nor Total".to_owned()),
    }
}

fn results<'a>(body: &mut Body<'a>, total: u64) -> Result<Vec<Element<'a>>, String> {
    match body.members.get("Results") {
        Some("null") if total == 0 => Ok(Vec::new()),
        Some(results) if results != "null" => elements(body, results),
        _ => Err(format!("the answer is no page: it has no Results, but a Total of {total}")),
    }
}

/// When a mirror that answers in the vendor's place stored each result: its windows select by that. Nothing where the vendor answers.
fn changes(body: &mut Body, results: usize) -> Result<impl Iterator<Item = Option<Stamp>> + use<>, String> {
    let told = body.members.known("MirrorChangedAt").and_then(|told| body.take_elements(told));
    let told: Vec<Option<Stamp>> = told.into_iter().flatten().map(|(date, _)| text(date).and_then(|date| Stamp::parse(&date))).collect();
    match told.len() {
        0 => {}
        count if count == results && told.iter().all(Option::is_some) => {}
        _ => return Err("the answer is no page: its MirrorChangedAt disagrees with its results".to_owned()),
    }
    Ok(told.into_iter())
}

/// A whole number, as 300, 300.0 or in a string.
fn count(value: &str) -> Option<u64> {
    let number = text(value).map_or(Cow::Borrowed(value), |text| Cow::Owned(text.trim().to_owned()));
    number.parse().ok().or_else(|| u64::try_from(Decimal::parse(&number)?.whole()?).ok())
}

/// What stands in the place of listings. A single result may come without its list.
pub(super) fn elements<'a>(body: &mut Body<'a>, results: &'a str) -> Result<Vec<Element<'a>>, String> {
    let alone = || Some(vec![(results, Some(Members::read(results).filter(|members| !members.is_empty())?.cut))]);
    body.take_elements(results).or_else(alone).ok_or_else(|| "the answer is no page: its Results are no array".to_owned())
}

pub(super) fn check_count(envelope: &Members, found: usize) -> Result<(), String> {
    match envelope.known("Count") {
        None => Ok(()),
        Some(sent) if count(sent) == u64::try_from(found).ok() => Ok(()),
        Some(_) => Err(format!("the answer is no page: its Count disagrees with its {found} results")),
    }
}

pub(super) fn next_page(envelope: &Members) -> Result<Option<u32>, String> {
    let Some(sent) = envelope.known("NextPage").filter(|sent| text(sent).is_none_or(|text| !text.trim().is_empty())) else {
        return Ok(None);
    };
    let number = count(sent).and_then(|number| u32::try_from(number).ok());
    // Pages are counted from 1.
    let number = number.ok_or_else(|| "the answer is no page: its NextPage is no page number".to_owned())?;
    Ok((number > 0).then_some(number))
}

/// Reads a record again that was kept as sent, because it could not be read when it came.
///
/// # Errors
/// What is still wrong with it, for a person.
pub(super) fn replay(raw: &str) -> Result<Record, String> {
    let members = Members::read(raw);
    let element = members.map_or((raw, None), |members| (members.text, Some(members.cut)));
    record(element).map_err(|reject| reject.reason)
}

/// Reads one result's key and stamp; everything else stays text. The reject is boxed for being the rare, large side.
fn record((json, cut): Element) -> Result<Record, Box<Reject>> {
    let reject = |reason: String, listing| Box::new(Reject { reason, listing, raw_hash: raw_hash(json.as_bytes()), raw: json.to_owned() });
    let cut = cut.ok_or_else(|| reject("it is no JSON object".to_owned(), None))?;
    let members = Members { text: json, cut };
    let missing = |name| no_member(name, &members);
    let listing = id("ListingId", &members).map(ListingId).map_err(|reason| reject(reason, None))?;
    let feed = members.known("FeedId").ok_or_else(|| missing("FeedId"));
    let feed = match feed.and_then(|feed| key_text("FeedId", feed)) {
        Ok(feed) => FeedId(feed),
        Err(reason) => return Err(reject(reason, Some(listing))),
    };
    let stamp = members.known("MlsUpdateDate").and_then(text).and_then(|date| Stamp::parse(&date));
    let stamp = stamp.filter(|stamp| !stamp.is_none_of_dotnet());
    let key = ListingKey { feed, listing };
    Ok(Record { key, stamp, mirrored_at: None, raw_hash: raw_hash(json.as_bytes()), raw: json.to_owned(), cut: members.cut })
}

/// Which names it has shows a person whether the vendor has changed them.
fn no_member(name: &str, members: &Members) -> String {
    if members.get(name).is_some() {
        return format!("its {name} is null");
    }
    let members = members.in_order();
    let names: Vec<String> = members.iter().take(NAMES).map(|(name, _)| printable(name, NAME)).collect();
    let more = if members.len() > NAMES { ", ..." } else { "" };
    format!("it has no {name}; it has {}{more}", if names.is_empty() { "no members".to_owned() } else { names.join(", ") })
}

/// The member that is an id. Some MLSs number their listings, so a number stands for its digits.
pub(super) fn id(name: &str, members: &Members) -> Result<String, String> {
    match members.known(name) {
        None => Err(no_member(name, members)),
        Some(number) if is_integer(number) => Ok(number.to_owned()),
        Some(other) => key_text(name, other),
    }
}

fn is_integer(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A key is read strictly: repaired text could make two listings one.
fn key_text(name: &str, value: &str) -> Result<String, String> {
    let key: String = serde_json::from_str(value).map_err(|_| format!("its {name} is no text"))?;
    if key.is_empty() {
        return Err(format!("its {name} is empty"));
    }
    if key.contains('\0') {
        return Err(format!("its {name} holds a NUL"));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(results: &str) -> String {
        format!(r#"{{"Results":{results},"Total":400,"NextPage":2}}"#)
    }

    fn keys(body: &str) -> Vec<String> {
        let page = page(body.as_bytes()).expect("a page");
        page.records.iter().map(|record| format!("{}/{}", record.key.feed, record.key.listing)).collect()
    }

    fn rejected(element: &str) -> Reject {
        let page = page(envelope(&format!("[{element}]")).as_bytes()).expect("a page");
        assert_eq!((page.records.len(), page.rejects.len()), (0, 1), "{element}");
        page.rejects[0].clone()
    }

    #[test]
    fn reads_a_page() {
        let element = "{ \"MlsUpdateDate\":\"2026-05-01T11:15:39.837\",\"X\":[1, {}],\"ListingId\":\"1\" ,\"FeedId\":\"GAMLS\" }";
        let body = format!(
            "\u{feff} {{\"Count\":2,\"NextPage\":3,\"Total\":7,\"Results\":[{element} , {{\"FeedId\":\"A\",\"ListingId\":0012}}]}}\n"
        );
        assert!(page(body.as_bytes()).is_err(), "0012 is no JSON");
        let page = page(body.replace("0012", "12").as_bytes()).expect("a page");
        assert_eq!((page.total, page.next_page, page.rejects.len()), (7, Some(3), 0));
        assert_eq!(page.records[0].raw, element);
        assert_eq!(page.records[0].raw_hash, raw_hash(element.as_bytes()));
        assert_eq!(page.records[0].stamp, Stamp::parse("2026-05-01T11:15:39.837"));
        assert_eq!(page.records[1].key.listing.0, "12");
        assert_eq!(page.records[1].stamp, None);
    }

    #[test]
    fn the_envelope_is_checked() {
        let good = [
            r#"{"Results":[],"Total":0}"#,
            r#"{"Results":[],"Total":5,"Count":0,"NextPage":null}"#,
            r#"{"Results":null,"Total":0,"Count":0}"#,
            r#"{"Results":null,"Total":0,"Count":null,"Extra":[[]]}"#,
            r#"{"Total":"x","Results":[],"Total":0}"#,
        ];
        for body in good {
            assert!(page(body.as_bytes()).is_ok(), "{body}");
        }
        let bad = [
            "",
            "null",
            "[]",
            "<html></html>",
            "{}",
            r#"{"Results":[]}"#,
            r#"{"Total":0}"#,
            r#"{"Results":null,"Total":3}"#,
            r#"{"Results":{},"Total":0}"#,
            r#"{"Results":"","Total":0}"#,
            r#"{"Results":[],"Total":null}"#,
            r#"{"Results":[],"Total":-1}"#,
            r#"{"Results":[],"Total":1.5}"#,
            r#"{"Results":[],"Total":0,"Count":1}"#,
            r#"{"Results":[],"Total":"many"}"#,
            r#"{"Results":[],"Total":""}"#,
            r#"{"Results":[],"Total":0,"Count":"1"}"#,
            r#"{"Results":[],"Total":0,"NextPage":"next"}"#,
            r#"{"Results":[],"Total":0,"NextPage":-1}"#,
            r#"{"Results":[],"Total":0,"NextPage":4294967296}"#,
            r#"{"Results":[],"Total":0} x"#,
            r#"{"Results":[{"FeedId":"A"},"Total":0}"#,
            r#"{"Results":[],"Total":0"#,
        ];
        for body in bad {
            assert!(page(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_page_of_which_no_record_can_be_read_is_no_page() {
        let bad = r#"{"Number":"1","feedId":"A"}"#;
        let told = page(envelope(&format!("[{bad},{{}}]")).as_bytes()).expect_err("no page");
        assert_eq!(told, "none of the 2 records can be read; of the first: it has no ListingId; it has Number, feedId");
        assert_eq!(rejected("{}").reason, "it has no ListingId; it has no members");
        assert_eq!(rejected(r#"{"FeedId":null,"ListingId":"1"}"#).reason, "its FeedId is null");
        let good = r#"{"FeedId":"A","ListingId":"1"}"#;
        assert_eq!(page(envelope(&format!("[{bad},{good},{{}}]")).as_bytes()).map(|page| page.rejects.len()), Ok(2));
    }

    #[test]
    fn other_forms_of_the_envelope_are_read() {
        let check = |body: &str, expected: (usize, u64, Option<u32>)| {
            let page = page(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"));
            assert_eq!((page.records.len(), page.total, page.next_page), expected, "{body}");
        };
        let one = r#"{"FeedId":"A","ListingId":"1"}"#;
        check(&format!(r#"{{"Results":{one},"Total":1,"Count":1}}"#), (1, 1, None));
        check(&format!(r#"{{"results":[{one}],"total":300.0,"count":"1.0","nextPage":"2"}}"#), (1, 300, Some(2)));
        check(r#"{"Results":[],"Total":"300","Count":"0","NextPage":""}"#, (0, 300, None));
        for none in ["0", "\"0\"", "null", "\"\"", "0.0"] {
            check(&format!(r#"{{"Results":[],"Total":"0","NextPage":{none}}}"#), (0, 0, None));
        }
        check(r#"{"Results":[],"Total":18446744073709551615,"NextPage":3.0}"#, (0, u64::MAX, Some(3)));
        assert_eq!(
            detail(format!(r#"{{"Results":{one}}}"#).as_bytes()).map(|found| found.map(|record| record.raw)),
            Ok(Some(one.to_owned()))
        );
    }

    #[test]
    fn a_key_may_stand_anywhere_and_its_last_value_wins() {
        let body = envelope(r#"[{"ListingId":"1","FeedId":"A","ListingId":"2"},{"FeedId":"B","Z":{"FeedId":"C"},"ListingId":-7}]"#);
        assert_eq!(keys(&body), ["A/2", "B/-7"]);
    }

    #[test]
    fn what_has_no_key_is_a_reject() {
        for element in ["1", "null", "[]", "\"x\"", "{}", r#"{"FeedId":"A"}"#, r#"{"FeedId":"A","ListingId":1.5}"#] {
            assert_eq!(rejected(element).listing, None, "{element}");
        }
        for id in [r#""""#, r#""a\u0000""#, r#""\ud800""#, "null", "true", "[1]", "1e3"] {
            rejected(&format!(r#"{{"FeedId":"A","ListingId":{id}}}"#));
        }
        for feed in [r#""""#, r#""\u0000""#, r#""\udfff""#, "null", "7"] {
            let reject = rejected(&format!(r#"{{"FeedId":{feed},"ListingId":9}}"#));
            assert_eq!(reject.listing, Some(ListingId("9".to_owned())));
        }
        let reject = rejected(r#"{ "FeedId":"A" }"#);
        assert_eq!((reject.raw.as_str(), reject.raw_hash), (r#"{ "FeedId":"A" }"#, raw_hash(br#"{ "FeedId":"A" }"#)));
    }

    #[test]
    fn other_strings_need_not_be_text() {
        assert_eq!(keys(&envelope(r#"[{"FeedId":"A","ListingId":"1","Remarks":"\ud800","\udc00":1}]"#)), ["A/1"]);
        let body = envelope(r#"[{"FeedId":"A","ListingId":"1","Remarks":"?"}]"#).replace('?', "\u{1}").into_bytes();
        assert_eq!(page(&body).expect("a page").records[0].raw, r#"{"FeedId":"A","ListingId":"1","Remarks":"\u0001"}"#);
        let body: Vec<u8> = body.iter().map(|byte| if *byte == 1 { 0xFF } else { *byte }).collect();
        assert!(page(&body).expect("a page").records[0].raw.contains('\u{FFFD}'));
    }

    #[test]
    fn a_page_that_is_almost_json_is_a_page() {
        let odd = "{\"FeedId\":\"A\",\"ListingId\":\"1\n\",\"Price\":NaN}";
        let sound = r#"{"FeedId":"A","ListingId":"2","Remarks":"NaN \\u0001"}"#;
        let body = envelope(&format!("[{odd},{sound}]"));
        assert_eq!(keys(&body), ["A/1\\n", "A/2"]);
        let page = page(body.as_bytes()).expect("a page");
        assert_eq!(page.records[0].raw, r#"{"FeedId":"A","ListingId":"1\u000a","Price":"NaN"}"#);
        assert_eq!(page.records[1].raw, sound, "the mend changes nothing else");
        assert_eq!(detail(odd.as_bytes()).expect("an answer").expect("a listing").raw, page.records[0].raw);
        for end in 1..body.len() {
            assert!(super::page(&body.as_bytes()[..end]).is_err(), "cut off after {end} bytes");
        }
    }

    #[test]
    fn an_unreadable_stamp_is_none() {
        for stamp in ["null", "\"\"", "5", "\"yesterday\"", "{}", "\"0001-01-01T00:00:00\""] {
            let body = envelope(&format!(r#"[{{"FeedId":"A","ListingId":"1","MlsUpdateDate":{stamp}}}]"#));
            assert_eq!(page(body.as_bytes()).expect("a page").records[0].stamp, None, "{stamp}");
        }
    }

    #[test]
    fn deep_nesting_does_not_exhaust_the_stack() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = open.repeat(100_000) + "1" + &close.repeat(100_000);
            assert_eq!(keys(&envelope(&format!(r#"[{{"FeedId":"A","X":{deep},"ListingId":"1"}}]"#))), ["A/1"]);
            assert_eq!(rejected(&format!("[{deep}]")).listing, None);
        }
    }

    #[test]
    fn a_detail_stands_alone_or_in_an_envelope() {
        let bare = r#"{"FeedId":"A","ListingId":"1"}"#;
        for body in [bare.to_owned(), format!(" {bare} "), envelope(&format!("[{bare}]")), format!(r#"{{"Results":[{bare}]}}"#)] {
            let record = detail(body.as_bytes()).expect("an answer").expect("a listing");
            assert_eq!(record.raw, bare);
        }
        for body in ["null", r#"{"Results":[],"Total":0}"#, r#"{"Results":null}"#] {
            assert_eq!(detail(body.as_bytes()), Ok(None), "{body}");
        }
        for body in ["", "[]", "{}", r#"{"Results":[1]}"#, r#"{"Results":5}"#, &envelope(&format!("[{bare},{bare}]"))] {
            assert!(detail(body.as_bytes()).is_err(), "{body}");
        }
    }
}
