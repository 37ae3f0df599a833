//! Agents, offices and open houses: each is read by a service of its own, which tells neither when one changed nor that it is gone.

use super::call::Call;
use super::decode::decoded;
use super::fields::entities::{AGENT, LISTING_OPEN_HOUSE, OFFICE, STORED_AGENT, STORED_OFFICE, STORED_OPEN_HOUSE};
use super::fields::services::{GET_AGENTS, GET_LISTINGS_OPEN_HOUSE, GET_OFFICES, Service};
use super::items::{Item, Items};
use super::members::Members;
use super::wire;
use crate::entity::{Confirmed, Deletions, Entity};
use crate::record::{Cell, Content, Cut, FeedId, Field, ListingId, ListingKey, Page, Record, Reject, Stamp, raw_hash};
use crate::vendor::error::Error;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// An agent, in the table `agents`.
pub static AGENTS: Entity = Entity {
    name: "agent",
    table: "agents",
    fields: &STORED_AGENT,
    headline: &["first_name", "last_name", "status"],
    read: |raw| read(&STORED_AGENT, raw),
    decode: |record| decode(&STORED_AGENT, record),
    ..UNDATED
};

/// An office, in the table `offices`.
pub static OFFICES: Entity = Entity {
    name: "office",
    table: "offices",
    fields: &STORED_OFFICE,
    headline: &["name", "status"],
    read: |raw| read(&STORED_OFFICE, raw),
    decode: |record| decode(&STORED_OFFICE, record),
    ..UNDATED
};

/// An open house, in the table `open_houses`.
pub static OPEN_HOUSES: Entity = Entity {
    name: "open_house",
    table: "open_houses",
    deletions: Deletions::Absence(Confirmed::ReadAgain),
    lapses: Some("start_date"),
    fields: &STORED_OPEN_HOUSE,
    headline: &["listing_id", "start_date"],
    read: |raw| read(&STORED_OPEN_HOUSE, raw),
    decode: |record| decode(&STORED_OPEN_HOUSE, record),
    ..UNDATED
};

/// What the three have in common.
const UNDATED: Entity = Entity {
    name: "",
    table: "",
    numbers: None,
    fields: &[],
    aliases: &[],
    deletions: Deletions::Absence(Confirmed::Asked),
    stamp: None,
    lapses: None,
    likeness: &[],
    sold: None,
    headline: &[],
    read: |_| Err(String::new()),
    decode: |_| Content { cells: Vec::new(), extra: None },
    looks_deleted: |_| false,
    same_but_for_queries: |_, _| false,
    unlisted: None,
    scope: None,
    quiet: None,
    beside: &[],
};

/// Lists whose length is a multiple of this may have been cut there.
const ROUND: usize = 100;

/// How one of them is asked for.
#[derive(Debug)]
pub struct Directory {
    /// What it is.
    pub entity: &'static Entity,
    pub(super) service: &'static Service,
    /// The fields of an answer.
    pub(super) fields: &'static [Field],
    /// The parameters of the range of dates.
    pub(super) dates: [&'static str; 2],
    /// The parameter that asks for one of them, where there is one.
    pub(super) one: Option<&'static str>,
    /// A member that is made, because the vendor sends no id: its name, and the two that it is made of.
    made: Option<[&'static str; 3]>,
}

/// GetAgents.
pub static AGENT_DIRECTORY: Directory = Directory {
    entity: &AGENTS,
    service: &GET_AGENTS,
    fields: &AGENT,
    dates: ["FromUpdatedDate", "ToUpdatedDate"],
    one: Some("AgentId"),
    made: None,
};

/// GetOffices.
pub static OFFICE_DIRECTORY: Directory =
    Directory { entity: &OFFICES, service: &GET_OFFICES, fields: &OFFICE, one: Some("OfficeId"), ..AGENT_DIRECTORY };

/// GetListingsOpenHouse.
pub static OPEN_HOUSE_DIRECTORY: Directory = Directory {
    entity: &OPEN_HOUSES,
    service: &GET_LISTINGS_OPEN_HOUSE,
    fields: &LISTING_OPEN_HOUSE,
    dates: ["OpenFromDate", "OpenToDate"],
    one: None,
    made: Some(["OpenHouseId", "ListingId", "StartDate"]),
};

impl Directory {
    /// Whether one of them can be asked for by its id, and those that were updated by their dates. Where not, each reading is of all.
    #[must_use]
    pub fn has_ids(&self) -> bool {
        self.one.is_some()
    }

    /// What the service is called, for a person.
    #[must_use]
    pub fn service(&self) -> &'static str {
        self.service.name
    }

    pub(super) fn call(&self, feed: &FeedId, more: impl IntoIterator<Item = (&'static str, Value)>) -> Result<Call, Error> {
        let feed = match self.service.parameter("FeedIdList") {
            Some((list, _)) => (list, json!([feed])),
            None => ("FeedId", json!(feed)),
        };
        let asked: Map<String, Value> = [feed].into_iter().chain(more).map(|(name, value)| (name.to_owned(), value)).collect();
        Call::of(self.service, &asked)
    }

    /// The records of an answer. Each gets the members of its key that the vendor does not send.
    pub(super) fn page(&self, feed: &FeedId, answer: Items) -> Page {
        let Items { mut items, rejects, total, next_page, vendor_now } = answer;
        // Whether the vendor heeds the feed that is asked for is not known; agents and offices do not name theirs.
        let is_foreign = |item: &Item| sent(item, "FeedId").is_some_and(|own| !feed.is(&FeedId(own)));
        // Open houses are asked for by a list of feeds, so those of others are expected where it is not heeded.
        items.retain(|item| self.made.is_none() || !is_foreign(item));
        let all = items.len();
        let items = self.in_order(items);
        let repeats = (all - items.len()) as u64;
        let total = total.map_or_else(|| counted(items.len() + rejects.len()), |total| total.saturating_sub(repeats));
        let rejects = rejects.into_iter().map(|raw| rejected("it is no JSON object".to_owned(), raw)).collect();
        let mut page = Page { records: Vec::new(), rejects, total, next_page, vendor_now };
        let mut made: HashMap<String, u32> = HashMap::new();
        for item in items {
            if is_foreign(&item) {
                page.rejects.push(rejected("it says that it is of another feed".to_owned(), item.raw));
                continue;
            }
            let mut raw = with(&item.raw, "FeedId", &feed.0);
            if let Some([id, of, and]) = self.made
                && let Some(first) = item.text(of)
            {
                // An id of the vendor's own stays, as a value under another name does.
                if let Some(own) = sent(&item, id) {
                    raw = with(&raw, &id.to_lowercase(), &own);
                }
                let begins = item.text(and).map_or("", |text| text);
                let begins = Stamp::parse(begins).map_or_else(|| begins.to_owned(), |start| start.to_string());
                let made_id = format!("{first}/{begins}");
                let count = made.entry(made_id.clone()).or_default();
                *count += 1;
                raw = with(&raw, id, &if *count == 1 { made_id } else { format!("{made_id}/{count}") });
            }
            match (self.entity.read)(&raw) {
                Ok(record) => page.records.push(record),
                Err(reason) => page.rejects.push(rejected(reason, raw)),
            }
        }
        page
    }

    /// Those whose ids are made, in the order of their text: the same in every answer. What is repeated in every letter is one.
    fn in_order(&self, mut items: Vec<Item>) -> Vec<Item> {
        if self.made.is_some() {
            items.sort_by(|one, other| one.raw.cmp(&other.raw));
            items.dedup_by(|one, other| one.raw == other.raw);
        }
        items
    }
}

/// How many there are where the vendor does not say it. A list of a round length may have been cut short, so one more is expected.
fn counted(listed: usize) -> u64 {
    let may_be_cut = listed > 0 && listed.is_multiple_of(ROUND);
    listed as u64 + u64::from(may_be_cut)
}

/// A member of an answer as text, whether or not it has a field.
fn sent(item: &Item, name: &str) -> Option<String> {
    let unplaced = || {
        let extra: Map<String, Value> = serde_json::from_str(item.extra.as_deref()?).ok()?;
        let (_, value) = extra.into_iter().find(|(other, value)| other.eq_ignore_ascii_case(name) && !value.is_null())?;
        Some(value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned))
    };
    item.text(name).map(ToOwned::to_owned).or_else(unplaced)
}

fn rejected(reason: String, raw: String) -> Reject {
    Reject { reason, listing: None, raw_hash: raw_hash(raw.as_bytes()), raw }
}

/// An object with one more member, which wins over any of the same name.
fn with(object: &str, name: &str, value: &str) -> String {
    let Some(open) = object.trim_end().strip_suffix('}') else { return object.to_owned() };
    let comma = if open.trim_end().ends_with('{') { "" } else { "," };
    format!("{open}{comma}{}:{}}}", json!(name), json!(value))
}

fn read(fields: &[Field], raw: &str) -> Result<Record, String> {
    let members = Members::read(raw).ok_or("it is no JSON object")?;
    let feed = FeedId(wire::id(fields[0].wire, &members)?);
    let listing = ListingId(wire::id(fields[1].wire, &members)?);
    let raw_hash = raw_hash(raw.as_bytes());
    Ok(Record { key: ListingKey { feed, listing }, stamp: None, mirrored_at: None, raw_hash, raw: raw.to_owned(), cut: Cut::default() })
}

fn decode(fields: &[Field], record: &Record) -> Content<'static> {
    let members = Members::read(&record.raw);
    let (mut cells, extra) = members.map_or_else(Default::default, |members| decoded(fields, &members));
    cells.resize(fields.len(), Cell::Absent);
    for (cell, key) in cells.iter_mut().zip([&record.key.feed.0, &record.key.listing.0]) {
        *cell = Cell::Text(key.clone().into());
    }
    Content { cells, extra }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::constellation1::items;

    fn page(directory: &Directory, body: &str) -> Page {
        let answer = items::items(body.as_bytes(), directory.fields).expect("a list");
        directory.page(&FeedId("GAMLS".to_owned()), answer)
    }

    fn ids(page: &Page) -> Vec<&str> {
        page.records.iter().map(|record| record.key.listing.0.as_str()).collect()
    }

    #[test]
    fn an_agent_gets_its_feed_from_the_request() {
        let page = page(&AGENT_DIRECTORY, r#"{"Results":[{"AgentId":7,"FirstName":"Zo\u00eb","Team":"A"},{"AgentId":null},5],"Total":3}"#);
        assert_eq!((ids(&page), page.total, page.rejects.len()), (vec!["7"], 3, 2));
        let record = &page.records[0];
        let content = (AGENTS.decode)(record);
        let text = |text: &str| Cell::Text(text.to_owned().into());
        assert_eq!(content.cells[..3], [text("GAMLS"), text("7"), text("Zo\u{eb}")]);
        assert_eq!((content.cells.len(), content.extra.as_deref()), (AGENTS.fields.len(), Some(r#"{"Team":"A"}"#)));
        assert_eq!((AGENTS.read)(&record.raw).as_ref(), Ok(record));
    }

    #[test]
    fn an_open_house_gets_an_id_of_its_listing_and_its_start() {
        let house = |listing: &str, start: &str, end: &str| {
            format!(r#"{{"FeedId":"gamls","ListingId":"{listing}","StartDate":"{start}","EndDate":"{end}"}}"#)
        };
        let [one, twin, other] = [house("1", "2026-05-01T10:00:00", "b"), house("1", "2026-05-01T10:00:00.000", "a"), house("2", "", "c")];
        let foreign = r#"{"FeedId":"NWMLS","ListingId":"1","StartDate":"2026-05-01T10:00:00"}"#;
        let there = page(&OPEN_HOUSE_DIRECTORY, &format!("[{one},{foreign},{other},{twin}]"));
        let back = page(&OPEN_HOUSE_DIRECTORY, &format!("[{twin},{other},{one},{foreign}]"));
        assert_eq!(ids(&there), ["1/2026-05-01T10:00:00", "1/2026-05-01T10:00:00/2", "2/"]);
        assert_eq!((there.total, &there.records), (3, &back.records), "the order of an answer does not matter");
        let repeated = page(&OPEN_HOUSE_DIRECTORY, &format!("{{\"Results\":[{one},{twin},{one}],\"Total\":3}}"));
        assert_eq!((ids(&repeated).len(), repeated.total), (2, 2), "what is repeated in every letter is one");
    }

    #[test]
    fn what_says_that_it_is_of_another_feed_is_no_row_of_this_one() {
        let page = page(&AGENT_DIRECTORY, r#"[{"AgentId":"1","feedid":"NWMLS"},{"AgentId":"2","FeedId":"gamls"},{"AgentId":"3"}]"#);
        assert_eq!((ids(&page), page.rejects.len(), page.total), (vec!["2", "3"], 1, 3));
        assert!(page.rejects[0].raw.contains("NWMLS"), "{:?}", page.rejects[0]);
    }

    #[test]
    fn an_id_of_the_vendors_own_is_kept_beside_the_made_one() {
        let page = page(&OPEN_HOUSE_DIRECTORY, r#"[{"FeedId":"GAMLS","ListingId":"1","StartDate":null,"OpenHouseId":77}]"#);
        assert_eq!(ids(&page), ["1/"]);
        assert_eq!((OPEN_HOUSES.decode)(&page.records[0]).extra.as_deref(), Some(r#"{"openhouseid":"77"}"#));
    }

    #[test]
    fn a_round_number_of_records_without_a_total_may_have_been_cut() {
        assert_eq!([0, 99, 100, 200, 201].map(counted), [0, 99, 101, 201, 201]);
    }

    #[test]
    fn a_member_is_added_to_any_object() {
        assert_eq!(with("{}", "A", "x\"y"), r#"{"A":"x\"y"}"#);
        assert_eq!(with(r#"{ "A":1 } "#, "A", "2"), r#"{ "A":1 ,"A":"2"}"#);
        assert_eq!(with("[1]", "A", "2"), "[1]");
    }
}
