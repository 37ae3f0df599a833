//! `[constellation1]`: the vendor, and who we are there.

use super::document::Rule;
use super::span::Span;
use crate::record::Stream;
use crate::record::zone::TimestampZone;
use crate::vendor::check_url;
use crate::vendor::constellation1::ClientOptions;
use reqwest::Url;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// An answer must at least be let in that holds a page of usual size.
const SMALLEST_BODY: usize = 1 << 20;

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Constellation1 {
    pub(crate) base_url: String,
    pub(crate) client: String,
    pub(crate) system_access_key_file: Option<PathBuf>,
    pub(crate) timestamp_zone: TimestampZone,
    pub(crate) streams: Vec<Stream>,
    /// Empty for every feed that the credential can see.
    pub(crate) feeds: Vec<String>,
    pub(crate) timeout: Span,
    pub(crate) max_body_bytes: usize,
}

impl Constellation1 {
    pub(super) fn rules(&self) -> Vec<Rule> {
        let no_scheme = format!("this URL lacks its scheme; write \"https://{}\"", self.base_url);
        let no_url = |error| format!("this is no URL ({error}); write one such as \"https://api.marketleader.com\"");
        let base_url = Url::parse(&self.base_url).map_err(no_url).and_then(|url| check_url(&url)).err();
        let missing = "it is missing; write the client name that the vendor gave you".to_owned();
        let client = ClientOptions::check_client(&self.client).err();
        let unread = "no listing is ever read without 0, or 1 and 2; write [0, 3]".to_owned();
        let twice = "a value is named twice; write each value once, as in [0, 3]".to_owned();
        let distinct: BTreeSet<&Stream> = self.streams.iter().collect();
        let nameless = "a name is empty; write the names of feeds, or [] for every feed".to_owned();
        let no_time = "no request can be answered in no time; write \"60s\"".to_owned();
        let too_short = format!("a usual page would be too long; write {SMALLEST_BODY} or more");
        vec![
            (!self.base_url.contains("://"), "constellation1.base_url", no_scheme),
            (base_url.is_some(), "constellation1.base_url", base_url.unwrap_or_default()),
            (self.client.is_empty(), "constellation1.client", missing),
            (client.is_some(), "constellation1.client", client.unwrap_or_default()),
            (self.streams.iter().all(|stream| *stream == Stream::Deleted), "constellation1.streams", unread),
            (distinct.len() != self.streams.len(), "constellation1.streams", twice),
            (self.feeds.iter().any(String::is_empty), "constellation1.feeds", nameless),
            (self.timeout.0.is_zero(), "constellation1.timeout", no_time),
            (self.max_body_bytes < SMALLEST_BODY, "constellation1.max_body_bytes", too_short),
        ]
    }
}
