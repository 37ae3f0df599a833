//! `[licence]`: what the agreements with the MLSs let the file hold, and how fresh it must be.

use super::document::Rule;
use super::history::Keep;
use super::span::Span;
use crate::record::{FeedId, Field};
use crate::vendor::LISTINGS;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Licence {
    omit: Vec<String>,
    keep_deleted: Keep,
    keep_sold: Keep,
    max_age: Span,
    feeds: BTreeMap<String, OfFeed>,
}

/// What differs for one feed.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct OfFeed {
    omit: Option<Vec<String>>,
    keep_deleted: Option<Keep>,
    keep_sold: Option<Keep>,
    max_age: Option<Span>,
}

impl Licence {
    /// The fields that are not stored of a feed, sorted by their names in the document, and how long the contents of its deleted and
    /// of its sold listings are kept; `None` for a feed without a section of its own.
    pub(crate) fn rules_of(&self, feed: Option<&str>) -> (Vec<&'static str>, [Option<Duration>; 2]) {
        let own = feed.and_then(|feed| self.own(feed));
        let deleted = own.and_then(|own| own.keep_deleted).unwrap_or(self.keep_deleted).0;
        let sold = own.and_then(|own| own.keep_sold).unwrap_or(self.keep_sold).0;
        (fields(own.and_then(|own| own.omit.as_ref()).unwrap_or(&self.omit)), [deleted, sold])
    }

    /// The feeds that have a section of their own.
    pub(crate) fn named(&self) -> impl Iterator<Item = &String> {
        self.feeds.keys()
    }

    /// The section of a feed. As everywhere, the case of its letters does not matter.
    fn own(&self, feed: &str) -> Option<&OfFeed> {
        self.feeds.iter().find(|(named, _)| named.eq_ignore_ascii_case(feed)).map(|(_, rules)| rules)
    }

    /// How old the last proof that a feed is complete may be; `None` where no limit is set.
    pub(crate) fn max_age(&self, feed: &FeedId) -> Option<Duration> {
        let own = self.own(&feed.0).and_then(|rules| rules.max_age);
        Some(own.unwrap_or(self.max_age).0).filter(|limit| !limit.is_zero())
    }

    pub(super) fn rules(&self) -> Vec<Rule> {
        let lists = std::iter::once(&self.omit).chain(self.feeds.values().filter_map(|rules| rules.omit.as_ref()));
        let wrong: Vec<(&String, &str)> = lists.flatten().filter_map(|name| Some((name, refusal(name)?))).collect();
        let said = wrong.first().map(|(name, why)| format!("{name:?} {why}")).unwrap_or_default();
        vec![(!wrong.is_empty(), "licence.omit", said)]
    }
}

/// Why a field cannot be left out; `None` where it can.
fn refusal(name: &str) -> Option<&'static str> {
    let is_named = |field: &&Field| field.wire.eq_ignore_ascii_case(name);
    let found: Vec<&Field> = LISTINGS.all().flat_map(|entity| entity.fields).filter(is_named).collect();
    if found.is_empty() {
        return Some("is no field of the vendor's document; write its name as there, such as \"AgentRemarks\"");
    }
    if LISTINGS.all().any(|entity| entity.fields.iter().take(2).any(|field| is_named(&field))) {
        return Some("is part of a key, so it cannot be left out");
    }
    let sold = |field: &Field| LISTINGS.sold.is_some_and(|sold| sold.stays.contains(&field.column));
    let lapses = |field: &Field| LISTINGS.all().any(|entity| entity.lapses == Some(field.column));
    let needed = |field: &&Field| Some(field.wire) == LISTINGS.stamp || sold(field) || lapses(field);
    found.iter().any(needed).then_some("is needed to tell what is new, sold or over, so it cannot be left out")
}

/// The document's spelling of these names and the other names of the same fields, sorted.
fn fields(names: &[String]) -> Vec<&'static str> {
    let is_named = |wire: &str| names.iter().any(|name| name.eq_ignore_ascii_case(wire));
    let all = LISTINGS.all().flat_map(|entity| entity.fields);
    let mut wires: Vec<&'static str> = all.map(|field| field.wire).filter(|wire| is_named(wire)).collect();
    let aliases = LISTINGS.aliases.iter().filter(|(_, wire)| is_named(wire)).map(|(alias, _)| *alias);
    wires.extend(aliases);
    wires.sort_unstable();
    wires.dedup();
    wires
}
