//! What a service that lists has answered: its results, decoded by the fields of their kind.

use super::decode::decoded;
use super::members::{Body, Members};
use super::wire;
use crate::record::{Cell, Field, Stamp};

/// The results of one answer, in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Items {
    /// The results that could be read.
    pub items: Vec<Item>,
    /// Those that could not, as sent, because they are no JSON objects.
    pub rejects: Vec<String>,
    /// How many the vendor has, if it says so.
    pub total: Option<u64>,
    /// The page to ask for next, if it names one.
    pub next_page: Option<u32>,
    /// The vendor's clock, from the answer's `Date` header.
    pub vendor_now: Option<Stamp>,
}

/// One result.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The JSON object as sent.
    pub raw: String,
    fields: &'static [Field],
    cells: Vec<Cell<'static>>,
    /// A JSON object of what has no field or does not fit it, by wire name; `None` when there is nothing.
    pub extra: Option<String>,
}

impl Item {
    fn read(raw: &str, fields: &'static [Field]) -> Result<Item, String> {
        let members = Members::read(raw).ok_or_else(|| raw.to_owned())?;
        let (cells, extra) = decoded(fields, &members);
        Ok(Item { raw: raw.to_owned(), fields, cells, extra })
    }

    /// The value of a field, by its name in the vendor's document; `Absent` for a name that its kind does not have.
    #[must_use]
    pub fn get(&self, name: &str) -> &Cell<'static> {
        let index = self.fields.iter().position(|field| field.wire == name);
        index.and_then(|index| self.cells.get(index)).unwrap_or(&Cell::Absent)
    }

    /// The same where it is a text, a date-time or JSON.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Cell::Text(text) => Some(text),
            Cell::Absent | Cell::Null | Cell::Integer(_) | Cell::Real(_) => None,
        }
    }

    /// The same where it is a number, or a boolean as 0 or 1.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<f64> {
        match self.get(name) {
            Cell::Integer(number) => Some(*number as f64),
            Cell::Real(number) => Some(*number),
            Cell::Absent | Cell::Null | Cell::Text(_) => None,
        }
    }
}

/// Reads an answer: a bare list, or `{Results, Total, Count, NextPage}` with or without its last three members.
pub(super) fn items(body: &[u8], fields: &'static [Field]) -> Result<Items, String> {
    let body = wire::decoded(body);
    let body = wire::without_bom(&body).trim();
    if !body.starts_with('[') {
        return wire::read(body, "list", |body| items_of(body, fields));
    }
    // An array that is cut short stays so, and is told to be.
    let end = if body.ends_with(']') { "}" } else { "" };
    wire::read(&format!("{{\"Results\":{body}{end}"), "list", |body| match body.members.in_order().len() {
        1 => items_of(body, fields),
        _ => Err("the answer is no list: something follows its end".to_owned()),
    })
}

fn items_of(mut body: Body, fields: &'static [Field]) -> Result<Items, String> {
    let total = body.members.known("Total").map(|_| wire::total(&body.members)).transpose()?;
    let next_page = wire::next_page(&body.members)?;
    let results = match body.members.get("Results") {
        None => return Err("the answer is no list: it has no Results".to_owned()),
        Some("null") if total != Some(0) => return Err("the answer is no list: its Results are null".to_owned()),
        Some("null") => Vec::new(),
        Some(results) => wire::elements(&mut body, results)?,
    };
    wire::check_count(&body.members, results.len())?;
    let mut read = Items { items: Vec::with_capacity(results.len()), rejects: Vec::new(), total, next_page, vendor_now: None };
    for (raw, _) in results {
        match Item::read(raw, fields) {
            Ok(item) => read.items.push(item),
            Err(raw) => read.rejects.push(raw),
        }
    }
    if read.items.is_empty() && !read.rejects.is_empty() {
        return Err(format!("the answer is no list: none of its {} results is a JSON object", read.rejects.len()));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::constellation1::fields::entities::{AGENT, LISTING_OPEN_HOUSE, LISTING_SUMMARY};

    fn check(body: &str, expected: Result<(usize, Option<u64>, Option<u32>), &str>) {
        match (items(body.as_bytes(), &AGENT), expected) {
            (Ok(read), Ok(expected)) => assert_eq!((read.items.len(), read.total, read.next_page), expected, "{body}"),
            (Err(why), Err(words)) => assert!(why.contains(words), "{body}: {why}"),
            (read, expected) => panic!("{body}: {read:?} is not {expected:?}"),
        }
    }

    #[test]
    fn a_list_is_read_bare_or_wrapped_with_or_without_pages() {
        let agent = r#"{"AgentId":"1"}"#;
        check("[]", Ok((0, None, None)));
        check(&format!("\u{feff} [{agent},{agent}]\n"), Ok((2, None, None)));
        check(&format!("{{\"Results\":[{agent}]}}"), Ok((1, None, None)));
        check(&format!("{{\"results\":[{agent}],\"Total\":\"3\",\"Count\":1,\"NextPage\":2}}"), Ok((1, Some(3), Some(2))));
        check(&format!("{{\"Results\":{agent},\"Total\":1}}"), Ok((1, Some(1), None)));
        check(r#"{"Results":null,"Total":0,"NextPage":null}"#, Ok((0, Some(0), None)));
        check(&format!("{{\"Results\":[{agent}],\"Count\":2}}"), Err("Count disagrees"));
        check(r#"{"Results":null,"Total":3}"#, Err("Results are null"));
        check(r#"{"Results":null}"#, Err("Results are null"));
        check("[5]", Err("none of its 1 results is a JSON object"));
        check(&format!("[{agent}],\"Results\":[{agent}]"), Err("something follows its end"));
        check(agent, Err("no Results"));
        check("null", Err("no JSON object"));
        check("[{\"AgentId\":", Err("cut short"));
        check("<html>", Err("no JSON object"));
        check("", Err("cut short"));
    }

    #[test]
    fn one_result_that_cannot_be_read_costs_no_other() {
        let read = items(br#"[{"AgentId":"1"},5,{"AgentId":"2"}]"#, &AGENT).expect("a list");
        assert_eq!((read.items.len(), read.rejects), (2, vec!["5".to_owned()]));
    }

    #[test]
    fn a_value_under_another_name_that_disagrees_is_kept() {
        let agent = one(r#"{"agentid":"8","AgentId":"7","AGENTID":"7","email":null}"#, &AGENT);
        assert_eq!(
            (agent.text("AgentId"), agent.get("Email"), agent.extra.as_deref()),
            (Some("7"), &Cell::Null, Some(r#"{"agentid":"8"}"#))
        );
        let summary = one(r#"{"Media":{"PhotoCount":1},"ListingMedia":{"PhotoCount":2}}"#, &LISTING_SUMMARY);
        assert!(summary.text("Media").is_some_and(|media| media.contains('1')), "{summary:?}");
        assert_eq!(summary.extra.as_deref(), Some(r#"{"ListingMedia":{"PhotoCount":2}}"#));
    }

    fn one(body: &str, fields: &'static [Field]) -> Item {
        items(format!("[{body}]").as_bytes(), fields).expect("a list").items.remove(0)
    }

    #[test]
    fn members_are_read_in_any_case_and_what_does_not_fit_is_kept() {
        let agent = one(r#"{"agentid":7,"FirstName":"Zo\u00eb","LastName":null,"Team":"A","Fax":[1]}"#, &AGENT);
        assert_eq!((agent.text("AgentId"), agent.text("FirstName"), agent.get("LastName")), (Some("7"), Some("Zoë"), &Cell::Null));
        assert_eq!(
            (agent.get("Email"), agent.get("Fax"), agent.extra.as_deref()),
            (&Cell::Absent, &Cell::Null, Some(r#"{"Fax":[1],"Team":"A"}"#))
        );
        let house = one(r#"{"FeedId":"A","ListingId":"1","IsPublic":"True","StartDate":"2026-05-01 10:00:00"}"#, &LISTING_OPEN_HOUSE);
        assert_eq!((house.number("IsPublic"), house.text("StartDate")), (Some(1.0), Some("2026-05-01T10:00:00")));
    }

    #[test]
    fn a_summary_is_read_under_the_names_of_the_table_and_of_the_class() {
        let media = r#"{"PhotoCount":1,"Photos":[{"Sequence":1,"NormalSizeUrl":"n","LargeSizeUrl":"l"}]}"#;
        let table = one(&format!(r#"{{"Status":"Sold","SalePrice":"5","ListingMedia":{media},"Beds":3}}"#), &LISTING_SUMMARY);
        let class =
            one(&format!(r#"{{"ListingStatus":"Sold","SaleDate":"2026-05-01T00:00:00","Media":{media},"Beds":"3"}}"#), &LISTING_SUMMARY);
        assert_eq!((table.text("Status"), class.text("ListingStatus")), (Some("Sold"), Some("Sold")));
        assert_eq!((table.number("SalePrice"), table.number("Beds"), class.number("Beds")), (Some(5.0), Some(3.0), Some(3.0)));
        assert!(table.text("Media").is_some() && table.text("Media") == class.text("Media"), "{table:?}");
    }
}
