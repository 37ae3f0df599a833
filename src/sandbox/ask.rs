//! A request as the server binds it: parameters, signature.

use super::options::{HexCase, Options};
use crate::record::Stamp;
use chrono::NaiveDateTime;
use md5::{Digest, Md5};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The bound parameters of SyncListings; those of GetListingDetail are among them.
#[derive(Clone, Debug, Default)]
pub(super) struct Ask {
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

impl Ask {
    pub(super) fn bind(pairs: &[(String, String)], zone_hours: i32) -> Ask {
        let mut ask = Ask { page: 1, ..Ask::default() };
        for (name, value) in pairs {
            match name.to_ascii_lowercase().as_str() {
                "feedidlist" | "feedid" => ask.feeds.push(value.clone()),
                "listingid" => ask.listing = Some(value.clone()),
                "fromupdateddate" => (ask.from_text, ask.from) = ask.date("FromUpdatedDate", value, zone_hours),
                "toupdateddate" => (ask.to_text, ask.to) = ask.date("ToUpdatedDate", value, zone_hours),
                "status" => match value.parse() {
                    Ok(status) if status <= 3 => ask.status = status,
                    Ok(_) => drop(ask.errors.insert("Status", "The field Status must be between 0 and 3.".to_owned())),
                    Err(_) => ask.invalid("Status", value),
                },
                "page" => match value.parse::<i64>() {
                    Ok(page) => ask.page = u32::try_from(page).unwrap_or(1).max(1),
                    Err(_) => ask.invalid("Page", value),
                },
                "pagesize" => match value.parse() {
                    Ok(size) if size <= LARGEST_PAGE => ask.page_size = Some(size),
                    Ok(size) => ask.oversized(size),
                    Err(_) => ask.invalid("PageSize", value),
                },
                _ => {}
            }
        }
        ask
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
        let feeds = if self.feeds.is_empty() { Value::Null } else { json!(self.feeds) };
        json!({
            "FeedIdList": feeds, "FromUpdatedDate": self.from_text, "ToUpdatedDate": self.to_text,
            "Status": self.status, "Page": self.page, "PageSize": self.page_size.unwrap_or(page_size),
        })
    }
}

/// Whether the two headers prove that the caller holds the key. `now` is true UTC.
pub(super) fn signed(options: &Options, now: Stamp, auth: &str, timestamp: &str) -> bool {
    let claimed = format!("client={}&systemaccesskey={}&signature=", options.client, options.key.0);
    let Some(signature) = auth.strip_prefix(claimed.as_str()) else {
        return false;
    };
    let digest = Md5::digest(format!("{} {} x-ml-timestamp:{timestamp}", options.client, options.key.0).as_bytes());
    let expected: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let matches = match options.hex_case {
        HexCase::Any => signature.eq_ignore_ascii_case(&expected),
        HexCase::Lower => signature == expected,
        HexCase::Upper => signature == expected.to_ascii_uppercase(),
    };
    matches && in_time(options.skew_s, now, timestamp)
}

fn in_time(skew_s: Option<u64>, now: Stamp, timestamp: &str) -> bool {
    let Ok(sent) = NaiveDateTime::parse_from_str(timestamp, "%Y%m%d%H%M%S") else {
        return false;
    };
    let sent = Stamp::from_utc(sent.and_utc());
    skew_s.is_none_or(|most| sent.since(now).max(now.since(sent)).as_secs() <= most)
}
