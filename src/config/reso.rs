//! `[reso]`: which value of RESO's Data Dictionary stands for a standardised value of the vendor.

use super::document::Rule;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The values of StandardStatus in Data Dictionary 2.0.
const STANDARD_STATUS: [&str; 11] = [
    "Active",
    "Active Under Contract",
    "Canceled",
    "Closed",
    "Coming Soon",
    "Delete",
    "Expired",
    "Hold",
    "Incomplete",
    "Pending",
    "Withdrawn",
];
/// The values of PropertyType in Data Dictionary 2.0.
const PROPERTY_TYPE: [&str; 9] = [
    "Business Opportunity",
    "Commercial Lease",
    "Commercial Sale",
    "Farm",
    "Land",
    "Manufactured In Park",
    "Residential",
    "Residential Income",
    "Residential Lease",
];

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reso {
    standard_status: BTreeMap<String, String>,
    property_type: BTreeMap<String, String>,
}

impl Reso {
    /// The lookup, the vendor's value and RESO's value, sorted.
    pub(crate) fn rows(&self) -> Vec<[String; 3]> {
        let lookups = [("PropertyType", &self.property_type), ("StandardStatus", &self.standard_status)];
        let rows = lookups
            .map(|(lookup, values)| values.iter().map(move |(vendor, reso)| [lookup, vendor.as_str(), reso.as_str()].map(str::to_owned)));
        rows.into_iter().flatten().collect()
    }

    pub(super) fn rules(&self) -> Vec<Rule> {
        let rule = |values: &BTreeMap<String, String>, known: &[&str], key| {
            let unknown = values.values().find(|value| !known.contains(&value.as_str()));
            let value = unknown.map(String::as_str).unwrap_or_default();
            (unknown.is_some(), key, format!("RESO has no such value as {value:?}; write one of {}", known.join(", ")))
        };
        vec![
            rule(&self.standard_status, &STANDARD_STATUS, "reso.standard_status"),
            rule(&self.property_type, &PROPERTY_TYPE, "reso.property_type"),
        ]
    }
}
