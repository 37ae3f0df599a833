//! A listing process, from JSON as sent to cells.

use super::fields::{ACCOUNT, CANCELLED, PROCESS, UNASSIGNED};
use crate::entity::{Confirmed, Deletions, Entity};
use crate::record::{Cell, Content, Cut, FeedId, ListingId, ListingKey, Record, raw_hash};
use crate::vendor::value::{members, portable, quoted, text, whole};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A listing process, in the table `listing_processes`.
pub static PROCESSES: Entity = Entity {
    name: "process",
    table: "listing_processes",
    numbers: None,
    fields: &PROCESS,
    aliases: &[],
    deletions: Deletions::Absence(Confirmed::Both),
    stamp: None,
    lapses: None,
    likeness: &[],
    sold: None,
    headline: &["locator", "state", "agent_id"],
    read,
    decode,
    // A cancelled process is one in the state `cancelled`: the document calls it by DELETE, and lists the state.
    looks_deleted: |_| false,
    same_but_for_queries: |_, _| false,
    // Whether cancelled ones stay in any list is not documented.
    unlisted: Some(("state", CANCELLED)),
    scope: None,
    quiet: None,
    beside: &[],
};

/// A process with the name of its credential.
pub(super) fn with_account(raw: &str, account: &str) -> Result<String, String> {
    let open = raw.trim_end().strip_suffix('}').ok_or("it is no JSON object")?;
    let comma = if open.trim_end().ends_with('{') { "" } else { "," };
    Ok(format!("{open}{comma}{}:{}}}", quoted(ACCOUNT), quoted(account)))
}

/// Reads the key of a process; its account was added by [`with_account`].
fn read(raw: &str) -> Result<Record, String> {
    let members = members(raw).ok_or("it is no JSON object")?;
    let account = members.get(ACCOUNT).and_then(|account| text(account.get())).ok_or("it has no account")?;
    let id = members.get("id").ok_or("it has no id")?;
    let id = whole(id.get()).ok_or("its id is no whole number of 64 bits")?;
    let key = ListingKey { feed: FeedId(account), listing: ListingId(id.to_string()) };
    Ok(Record { key, stamp: None, mirrored_at: None, raw_hash: raw_hash(raw.as_bytes()), raw: raw.to_owned(), cut: Cut::default() })
}

/// Whether a process is cancelled.
pub(in crate::vendor) fn is_cancelled(record: &Record) -> bool {
    let members = members(&record.raw).unwrap_or_default();
    members.get("state").is_some_and(|value| state(value, &mut Extra::new()) == Cell::Text(CANCELLED.into()))
}

/// Members without a field or that do not fit it, by wire name.
type Extra = BTreeMap<String, String>;

/// Decodes a process: one cell for each field of [`PROCESS`]. Each answer tells all of a process, so what it leaves out is null.
fn decode(record: &Record) -> Content<'_> {
    let members = members(&record.raw).unwrap_or_default();
    let others = members.iter().filter(|(name, _)| PROCESS.iter().all(|field| field.wire != name.as_str()));
    let mut extra: Extra = others.map(|(name, value)| (name.clone(), portable(value.get()))).collect();
    let cells = PROCESS.iter().map(|field| match (field.wire, members.get(field.wire)) {
        (ACCOUNT, _) => Cell::Text(record.key.feed.0.as_str().into()),
        ("id", _) => record.key.listing.0.parse().map_or(Cell::Null, Cell::Integer),
        (_, None) => Cell::Null,
        ("state", Some(value)) => state(value, &mut extra),
        ("agentId", Some(value)) => filled(cell("agentId", value, &mut extra), |id| id.eq_ignore_ascii_case(UNASSIGNED)),
        ("propertyId", Some(value)) => filled(cell("propertyId", value, &mut extra), |_| false),
        (wire, Some(value)) => cell(wire, value, &mut extra),
    });
    let cells = cells.collect();
    let extra = extra.iter().map(|(name, value)| format!("{}:{value}", quoted(name))).collect::<Vec<_>>().join(",");
    Content { cells, extra: (!extra.is_empty()).then(|| format!("{{{extra}}}")) }
}

/// The document does not say how a process without an agent or a property looks: null, absent and an empty text are the same.
fn filled<'a>(cell: Cell<'a>, is_none: impl Fn(&str) -> bool) -> Cell<'a> {
    match cell {
        Cell::Text(id) if id.is_empty() || is_none(&id) => Cell::Null,
        other => other,
    }
}

/// A text in the filter and in the list of states, an object with that text in a process. The object's further members are kept.
fn state(value: &RawValue, extra: &mut Extra) -> Cell<'static> {
    let Some(members) = members(value.get()) else { return cell("state", value, extra) };
    let Some(name) = members.get("state").and_then(|name| storable(name.get())) else {
        extra.insert("state".to_owned(), portable(value.get()));
        return Cell::Null;
    };
    let others = members.iter().filter(|(name, _)| name.as_str() != "state");
    extra.extend(others.map(|(name, value)| (format!("state.{name}"), portable(value.get()))));
    Cell::Text(name.into())
}

fn cell(wire: &str, value: &RawValue, extra: &mut Extra) -> Cell<'static> {
    if value.get() == "null" {
        return Cell::Null;
    }
    if let Some(text) = storable(value.get()) {
        return Cell::Text(text.into());
    }
    extra.insert(wire.to_owned(), portable(value.get()));
    Cell::Null
}

/// What a text column can hold: SQLite's functions stop at a NUL. A number or a boolean is called by its letters.
fn storable(json: &str) -> Option<String> {
    match json.as_bytes().first()? {
        b'"' => text(json).filter(|text| !text.contains('\0')),
        b'{' | b'[' | b'n' => None,
        _ => Some(json.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(members: &str) -> Result<Record, String> {
        read(&with_account(&format!("{{{members}}}"), "main").expect("an object"))
    }

    /// The cells behind the key, and `extra`.
    fn check(members: &str, cells: [Option<&str>; 5], extra: Option<&str>) {
        let record = record(&format!("\"id\":7,{members}")).expect("a record");
        let content = decode(&record);
        let cell = |text: Option<&str>| text.map_or(Cell::Null, |text| Cell::Text(text.to_owned().into()));
        assert_eq!(content.cells[..2], [Cell::Text("main".into()), Cell::Integer(7)], "{members}");
        assert_eq!(content.cells[2..], cells.map(cell), "{members}");
        assert_eq!(content.extra.as_deref(), extra, "{members}");
    }

    #[test]
    fn the_example_of_the_document() {
        check(
            r#""locator":"ABC123-01","accountId":"aaaaa-bbbbb-ccccc","propertyId":"bbbbb-aaaaa-bbbbb","agentId":"bbbbb-aaaaa-ccccc","state":{"state":"cancelled"}"#,
            [Some("ABC123-01"), Some("aaaaa-bbbbb-ccccc"), Some("bbbbb-aaaaa-bbbbb"), Some("bbbbb-aaaaa-ccccc"), Some("cancelled")],
            None,
        );
    }

    #[test]
    fn a_state_is_an_object_or_a_text() {
        let state = |text| [None, None, None, None, text];
        check(r#""state":"weird""#, state(Some("weird")), None);
        check(
            r#""state":{"state":"cancelled","reason":1.50,"by":{"b":1,"a":2}}"#,
            state(Some("cancelled")),
            Some(r#"{"state.by":{"a":2,"b":1},"state.reason":1.50}"#),
        );
        check(r#""state":{"name":"x"}"#, state(None), Some(r#"{"state":{"name":"x"}}"#));
        check(r#""state":["x"]"#, state(None), Some(r#"{"state":["x"]}"#));
        check(r#""state":{"state":null}"#, state(None), Some(r#"{"state":{"state":null}}"#));
        check(r#""state":null"#, state(None), None);
    }

    #[test]
    fn nobody_and_nothing_have_several_spellings() {
        for members in
            [r#""agentId":null"#, r#""agentId":"""#, r#""agentId":"unassigned""#, r#""agentId":"Unassigned""#, r#""locator":null"#]
        {
            check(members, [None; 5], None);
        }
        for members in [r#""propertyId":null"#, r#""propertyId":"""#] {
            check(members, [None; 5], None);
        }
        check(r#""propertyId":"unassigned""#, [None, None, Some("unassigned"), None, None], None);
    }

    #[test]
    fn nothing_that_is_sent_is_lost() {
        check(r#""createdAt":"2026","n":12345678901234567890.10"#, [None; 5], Some(r#"{"createdAt":"2026","n":12345678901234567890.10}"#));
        check(r#""locator":5.0"#, [Some("5.0"), None, None, None, None], None);
        check(r#""locator":{"a":1}"#, [None; 5], Some(r#"{"locator":{"a":1}}"#));
        check(r#""locator":"a\u0000b""#, [None; 5], Some(r#"{"locator":"a\u0000b"}"#));
        check(r#""LOCATOR":"x""#, [None; 5], Some(r#"{"LOCATOR":"x"}"#));
    }

    fn check_id(id: &str, expected: Option<&str>) {
        let read = record(&format!("\"id\":{id}"));
        assert_eq!(read.as_ref().ok().map(|record| record.key.listing.0.as_str()), expected, "{id}");
    }

    #[test]
    fn an_id_is_a_whole_number_however_it_is_spelled() {
        check_id("111", Some("111"));
        check_id("111.0", Some("111"));
        check_id("1e2", Some("100"));
        check_id("\"111\"", Some("111"));
        for id in ["2.5", "null", "\"x\"", "{}", "1e30"] {
            check_id(id, None);
        }
        assert!(record("").is_err() && read("5").is_err() && read("{\"id\":1}").is_err());
    }

    #[test]
    fn the_account_is_ours_whatever_the_vendor_sends() {
        let raw = with_account(&format!("{{\"id\":1,{}:\"theirs\"}}", quoted(ACCOUNT)), "ma\"in").expect("an object");
        assert_eq!(read(&raw).expect("a record").key.feed.0, "ma\"in");
    }
}
