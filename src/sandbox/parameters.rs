//! The parameters of a request, as the server binds them.

use crate::record::Stamp;
use crate::vendor::constellation1::fields::binding::Bound;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The bound parameters of SyncListings; those of GetListingDetail are among them.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters {
    pub(super) feeds: Vec<String>,
    pub(super) listing: Option<String>,
    pub(super) from_text: Option<String>,
    pub(super) to_text: Option<String>,
    pub(super) from: Option<Stamp>,
    pub(super) to: Option<Stamp>,
    pub(super) status: u8,
    pub(super) page: u32,
    pub(super) page_size: Option<usize>,
    /// How the matches are laid out on pages, which no request says.
    pub(super) layout: Layout,
    /// What the other services are asked.
    pub(super) bound: Bound,
    /// What did not bind, by the parameter's name.
    pub(super) errors: BTreeMap<&'static str, String>,
}

/// How a request's matches are laid out on pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Layout {
    /// As many on each page.
    #[default]
    Even,
    /// Half as many on every second page.
    Uneven,
    /// The first page, whichever is asked for.
    FirstPage,
}

const LARGEST_PAGE: usize = 200;

impl Parameters {
    pub(super) fn bind(pairs: &[(String, String)], zone_hours: i32) -> Parameters {
        let mut parameters = Parameters { page: 1, ..Parameters::default() };
        for (name, value) in pairs {
            match name.to_ascii_lowercase().as_str() {
                "feedidlist" | "feedid" => parameters.feeds.push(value.clone()),
                "listingid" => parameters.listing = Some(value.clone()),
                "fromupdateddate" => (parameters.from_text, parameters.from) = parameters.date("FromUpdatedDate", value, zone_hours),
                "toupdateddate" => (parameters.to_text, parameters.to) = parameters.date("ToUpdatedDate", value, zone_hours),
                "status" => match value.parse() {
                    Ok(status) if status <= 3 => parameters.status = status,
                    Ok(_) => drop(parameters.errors.insert("Status", "The field Status must be between 0 and 3.".to_owned())),
                    Err(_) => parameters.invalid("Status", value),
                },
                "page" => match value.parse::<i64>() {
                    Ok(page) => parameters.page = u32::try_from(page).unwrap_or(1).max(1),
                    Err(_) => parameters.invalid("Page", value),
                },
                "pagesize" => match value.parse() {
                    Ok(size) if size <= LARGEST_PAGE => parameters.page_size = Some(size),
                    Ok(size) => parameters.oversized(size),
                    Err(_) => parameters.invalid("PageSize", value),
                },
                _ => {}
            }
        }
        parameters
    }

    /// The parameters of the other services.
    pub(super) fn of(bound: Bound) -> Parameters {
        let feeds = match bound.text("FeedId") {
            Some(feed) => vec![feed.to_owned()],
            None => bound.list("FeedIdList"),
        };
        Parameters { feeds, page: bound.page(), errors: bound.errors.clone(), bound, ..Parameters::default() }
    }

    /// A date that carries an offset means an instant: it is put into the digits of the server's zone.
    fn date(&mut self, name: &'static str, text: &str, zone_hours: i32) -> (Option<String>, Option<Stamp>) {
        if text.is_empty() {
            return (None, None);
        }
        let stamp = Stamp::parse(text);
        if stamp.is_none() {
            self.invalid(name, text);
        }
        let zoned = chrono::DateTime::parse_from_rfc3339(text).is_ok();
        let shift = if zoned { i64::from(zone_hours) * 36_000_000_000 } else { 0 };
        (Some(text.to_owned()), stamp.map(|stamp| Stamp(stamp.0.saturating_add(shift))))
    }

    fn invalid(&mut self, name: &'static str, value: &str) {
        self.errors.insert(name, format!("The value '{value}' is not valid for {name}."));
    }

    fn oversized(&mut self, size: usize) {
        self.page_size = Some(size);
        self.errors.insert("PageSize", format!("The field PageSize must be between 0 and {LARGEST_PAGE}."));
    }

    /// The request as an error's body repeats it.
    pub(super) fn echo(&self, page_size: usize) -> Value {
        // A request of SyncListings is bound here.
        if !self.bound.values().is_empty() || self.bound.is_refused() {
            return json!(self.bound.values());
        }
        let feeds = if self.feeds.is_empty() { Value::Null } else { json!(self.feeds) };
        json!({
            "FeedIdList": feeds, "FromUpdatedDate": self.from_text, "ToUpdatedDate": self.to_text,
            "Status": self.status, "Page": self.page, "PageSize": self.page_size.unwrap_or(page_size),
        })
    }
}
