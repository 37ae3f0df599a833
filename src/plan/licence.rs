//! What the agreement with an MLS lets the file hold: fields that are never stored, and contents that are kept for a time.

use crate::entity::Entity;
use crate::record::{Cell, Content, Field, Kind, Stamp};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// The rules of one feed. The default keeps everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Licence {
    /// Wire names of the fields that are never stored, sorted.
    pub omit: Vec<&'static str>,
    /// How long the contents of a listing are kept once it is deleted.
    pub keep_deleted: Option<Duration>,
    /// How long the contents of a sold listing are kept, from its day of sale.
    pub keep_sold: Option<Duration>,
}

/// Which rule took the contents of a row out; the word for it in `changes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Fields that are never stored.
    Omit,
    /// A deleted listing whose time is over.
    KeepDeleted,
    /// A sold listing whose time is over.
    KeepSold,
}

impl Rule {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Rule::Omit => "omit",
            Rule::KeepDeleted => "keep_deleted",
            Rule::KeepSold => "keep_sold",
        }
    }
}

impl Licence {
    /// Takes out of a record what may not be stored; tells the rule where that was all of its contents. A listing that is heard of
    /// for the first time when it is deleted has none that anybody waits for.
    pub(crate) fn restrict(&self, entity: &Entity, content: &mut Content, deleted: bool, now: Stamp) -> Option<Rule> {
        self.leave_out(entity, content);
        let rule = match deleted && self.keep_deleted.is_some() {
            true => Rule::KeepDeleted,
            false => self.is_sold_out(entity, content, now).then_some(Rule::KeepSold)?,
        };
        purge(entity, content);
        Some(rule)
    }

    /// Takes out the fields that are never stored.
    pub(crate) fn leave_out(&self, entity: &Entity, content: &mut Content) {
        if self.omit.is_empty() {
            return;
        }
        let omitted = |field: &Field| self.omit.contains(&field.wire);
        // Null, and not absent, which an earlier reading would fill.
        let cells = entity.fields.iter().zip(&mut content.cells).filter(|(field, _)| omitted(field));
        cells.for_each(|(_, cell)| *cell = Cell::Null);
        if let Some(extra) = &content.extra {
            content.extra = self.without(extra).filter(|extra| extra != "{}");
        }
    }

    /// A record as it was sent, as far as it may be kept; `None` where that cannot be told, because it is no JSON object.
    pub(crate) fn storable<'a>(&self, raw: &'a str) -> Option<Cow<'a, str>> {
        if self.omit.is_empty() { Some(raw.into()) } else { self.without(raw).map(Cow::from) }
    }

    /// A JSON object without the fields that are never stored; `None` where it is none. What stays keeps its spelling.
    pub(crate) fn without(&self, json: &str) -> Option<String> {
        let mut members: BTreeMap<String, &serde_json::value::RawValue> = serde_json::from_str(json).ok()?;
        members.retain(|name, _| !self.omit.iter().any(|omitted| omitted.eq_ignore_ascii_case(name)));
        serde_json::to_string(&members).ok()
    }

    /// How long a record is kept that could not be read: it may be of a listing that is deleted or sold.
    pub(crate) fn keep_unread(&self) -> Option<Duration> {
        self.keep_deleted.into_iter().chain(self.keep_sold).min()
    }

    /// Whether a listing was sold so long ago that its contents may not be kept.
    fn is_sold_out(&self, entity: &Entity, content: &Content, now: Stamp) -> bool {
        let text = |column: &str| match cell(entity, content, column) {
            Some(Cell::Text(text)) => Some(text.as_ref()),
            _ => None,
        };
        let Some(keep) = self.keep_sold else { return false };
        let Some(sold) = entity.sold else { return false };
        let is_sold = text(sold.status).is_some_and(|status| sold.values.iter().any(|value| value.eq_ignore_ascii_case(status)));
        let date = sold.dates.iter().find_map(|column| text(column));
        is_sold && date.is_some_and(|date| date < now.minus(keep).to_string().as_str())
    }
}

/// Takes out the contents of a row. Its key, its dates and its status stay.
pub(crate) fn purge(entity: &Entity, content: &mut Content) {
    let cells = entity.fields.iter().zip(&mut content.cells).skip(2).filter(|(field, _)| !stays(entity, field));
    cells.for_each(|(_, cell)| *cell = Cell::Null);
    content.extra = None;
}

/// Whether a field outlives the contents.
pub(crate) fn stays(entity: &Entity, field: &Field) -> bool {
    field.kind == Kind::Time || entity.sold.is_some_and(|sold| sold.stays.contains(&field.column))
}

fn cell<'a, 'c>(entity: &Entity, content: &'a Content<'c>, column: &str) -> Option<&'a Cell<'c>> {
    entity.fields.iter().position(|field| field.column == column).and_then(|index| content.cells.get(index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::LISTINGS;
    use serde_json::{Value, json};

    const DAY: Duration = Duration::from_secs(86_400);

    /// What is left of a record, `extra` included; and whether it was purged.
    fn admitted(licence: &Licence, record: &Value, deleted: bool) -> (bool, Vec<String>) {
        let mut whole = json!({"FeedId": "A", "ListingId": "1", "MlsUpdateDate": "2024-01-01T00:00:00"});
        whole.as_object_mut().expect("an object").extend(record.as_object().expect("an object").clone());
        let record = (LISTINGS.read)(&whole.to_string()).expect("a record");
        let mut content = (LISTINGS.decode)(&record);
        let now = Stamp::parse("2024-03-01T00:00:00").expect("a date");
        let purged = licence.restrict(&LISTINGS, &mut content, deleted, now).is_some();
        let is_there = |cell: &Cell| !matches!(cell, Cell::Absent | Cell::Null);
        let there = LISTINGS.fields.iter().zip(&content.cells).skip(2).filter(|(_, cell)| is_there(cell));
        (purged, there.map(|(field, _)| field.column.to_owned()).chain(content.extra).collect())
    }

    fn check(licence: &Licence, record: Value, deleted: bool, expected: &[&str], purged: bool) {
        let (was_purged, left) = admitted(licence, &record, deleted);
        assert_eq!((was_purged, left.iter().map(String::as_str).collect::<Vec<_>>()), (purged, expected.to_vec()), "{record}");
    }

    #[test]
    fn omitted_fields_are_taken_out_and_others_stay() {
        let licence = Licence { omit: vec!["AgentRemarks", "Price"], ..Licence::default() };
        let record = json!({"AgentRemarks": "call first", "Price": 5, "Beds": 3});
        check(&licence, record.clone(), false, &["beds", "mls_update_date"], false);
        check(&Licence::default(), record, false, &["agent_remarks", "beds", "mls_update_date", "price"], false);
        let misfit = json!({"price": "on request", "Beds": "x", "Unknown": 1});
        check(&licence, misfit, false, &["mls_update_date", r#"{"Beds":"x","Unknown":1}"#], false);
        check(&licence, json!({"Price": "on request"}), false, &["mls_update_date"], false);
    }

    #[test]
    fn a_record_that_is_kept_as_sent_is_kept_without_the_omitted_fields() {
        let licence = Licence { omit: vec!["AgentRemarks"], ..Licence::default() };
        let kept = |raw| licence.storable(raw).map(Cow::into_owned);
        assert_eq!(kept(r#"{"agentremarks":"x", "Price": 1.50,"ListingId":7}"#).as_deref(), Some(r#"{"ListingId":7,"Price":1.50}"#));
        assert_eq!(kept(r#"{"AgentRemarks":"x"#), None);
        assert_eq!(Licence::default().storable("{broken").as_deref(), Some("{broken"));
    }

    #[test]
    fn a_listing_that_is_first_heard_of_when_it_is_deleted_keeps_its_dates_and_status_alone() {
        let licence = Licence { keep_deleted: Some(DAY), ..Licence::default() };
        let record = json!({"ListingStatus": "Deleted", "Price": 5, "ListDate": "2023-01-01T00:00:00", "Unknown": 1});
        check(&licence, record.clone(), true, &["list_date", "listing_status", "mls_update_date"], true);
        check(&licence, json!({"Price": 5}), false, &["mls_update_date", "price"], false);
        let (purged, left) = admitted(&Licence::default(), &record, true);
        assert!(!purged && left.contains(&"price".to_owned()), "{left:?}");
    }

    #[test]
    fn a_sold_listing_is_purged_by_its_day_of_sale_or_else_of_its_last_change() {
        let licence = Licence { keep_sold: Some(30 * DAY), ..Licence::default() };
        let left = ["listing_status_search", "mls_update_date", "sale_date"];
        let record = |status: &str, date: &str| json!({"ListingStatusSearch": status, "SaleDate": date, "Beds": 3});
        check(&licence, record("Sold", "2024-01-15T00:00:00"), false, &left, true);
        check(&licence, record("closed", "2024-01-15T00:00:00"), false, &left, true);
        let kept = ["beds", "listing_status_search", "mls_update_date", "sale_date"];
        check(&licence, record("Sold", "2024-02-15T00:00:00"), false, &kept, false);
        check(&licence, record("Sold", "2024-01-15T00:00:00"), true, &left, true);
        check(&licence, record("Active", "2024-01-15T00:00:00"), false, &kept, false);
        check(&licence, json!({"ListingStatusSearch": "Sold", "Beds": 3}), false, &["listing_status_search", "mls_update_date"], true);
        let changed = json!({"ListingStatusSearch": "Sold", "Beds": 3, "LastListingStatusChangeDate": "2024-02-20T00:00:00"});
        let kept = ["beds", "last_listing_status_change_date", "listing_status_search", "mls_update_date"];
        check(&licence, changed, false, &kept, false);
    }
}
