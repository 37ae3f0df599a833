//! The agents and offices of a feed, drawn from its name; the listings of the feed point to them.

use super::listing_state::ListingState;
use super::random::{Random, mix, seed_of};
use super::vocabulary;
use serde_json::{Value, json};

/// How many there are in each feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Directory {
    pub(super) agents: u64,
    pub(super) offices: u64,
}

impl Directory {
    /// A field of a listing that names an agent or an office; `None` for any other field.
    pub(super) fn of_listing(self, state: &ListingState, sold: bool, wire: &str) -> Option<Value> {
        let (seed, wire) = match wire.strip_prefix("Selling") {
            Some(_) if !sold => return Directory::names(wire).then_some(Value::Null),
            Some(rest) => (state.identity / 7, rest),
            None => (state.identity, wire.strip_prefix("Listing")?),
        };
        let agent = (self.agents > 0).then(|| seed % self.agents);
        let office = agent.and_then(|agent| self.office_of(agent));
        Some(match wire {
            "Agent" => agent.map(|number| name(&state.feed, number)).into(),
            "AgentId" => agent.map(agent_id).into(),
            "Office" => office.map(|number| office_name(&state.feed, number)).into(),
            "OfficeId" => office.map(office_id).into(),
            "OfficePhone" => office.map(|number| office_phone(&state.feed, number)).into(),
            _ => return None,
        })
    }

    fn names(wire: &str) -> bool {
        matches!(wire, "SellingAgentId" | "SellingOffice" | "SellingOfficeId")
    }

    fn office_of(self, agent: u64) -> Option<u64> {
        (self.offices > 0).then(|| agent % self.offices)
    }

    /// Whether an agent belongs to an office.
    pub(super) fn is_at(self, agent: u64, office: &str) -> bool {
        self.office_of(agent).map(office_id).as_deref() == Some(office)
    }
}

pub(super) fn agent_id(number: u64) -> String {
    (20_000 + number).to_string()
}

pub(super) fn office_id(number: u64) -> String {
    format!("O{number:03}")
}

fn random(feed: &str, number: u64, what: u64) -> Random {
    Random::new(mix(seed_of(feed), mix(what, number)))
}

fn name(feed: &str, number: u64) -> String {
    vocabulary::person(&mut random(feed, number, 0xA6))
}

fn office_name(feed: &str, number: u64) -> &'static str {
    vocabulary::office(&mut random(feed, number, 0x0F))
}

fn office_phone(feed: &str, number: u64) -> String {
    vocabulary::phone(&mut random(feed, number, 0x0F0))
}

/// The record of an agent, in the words of the document's class.
pub(super) fn agent(feed: &str, number: u64, directory: Directory) -> Value {
    let mut random = random(feed, number, 0xA60);
    let name = name(feed, number);
    let (first, last) = name.split_once(' ').unwrap_or(("", &name));
    let phone = |random: &mut Random| if random.chance(0.7) { json!(vocabulary::phone(random)) } else { Value::Null };
    json!({
        "AgentId": agent_id(number), "FirstName": first, "LastName": last,
        "MemberType": random.pick(&["Agent", "Broker", "Assistant"]), "Association": feed, "Designation": Value::Null,
        "LicenseNumber": random.below(1_000_000).to_string(), "NsdrId": random.below(100_000_000).to_string(),
        "CellPhone": phone(&mut random), "HomePhone": phone(&mut random),
        "OfficePhone": directory.office_of(number).map(|office| office_phone(feed, office)), "Fax": phone(&mut random),
        "Email": format!("agent{number}@{}.example.com", feed.to_ascii_lowercase()), "Url": Value::Null,
        "Status": if random.chance(0.9) { "Active" } else { "Inactive" }, "Specialty": Value::Null, "Language": Value::Null,
        "PhotoUrl": format!("https://photos.example.com/{feed}/agent{number}.jpg"),
    })
}

/// The record of an office.
pub(super) fn office(feed: &str, number: u64) -> Value {
    let mut random = random(feed, number, 0x0F00);
    let (street, suffix) = vocabulary::street(&mut random);
    let place = vocabulary::place(feed, &mut random);
    json!({
        "OfficeId": office_id(number), "Name": office_name(feed, number), "Type": "Realtor",
        "Address": format!("{} {street} {suffix}", 1 + random.below(9999)), "City": place.0, "State": place.2,
        "Zip": format!("{}{:03}", place.3, random.below(1000)), "Phone": office_phone(feed, number), "Fax": Value::Null,
        "LicenseNumber": random.below(1_000_000).to_string(), "Nrds": random.below(100_000_000).to_string(),
        "OfficeType": random.pick(&["Main", "Branch"]), "BrokerId": agent_id(number), "Status": "Active", "Association": feed,
        "Email": format!("office{number}@{}.example.com", feed.to_ascii_lowercase()), "Url": Value::Null,
    })
}
