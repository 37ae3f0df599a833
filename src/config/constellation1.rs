//! `[constellation1]`: the vendor, and who we are there.

use super::document::Rule;
use super::span::Span;
use crate::record::Stream;
use crate::record::zone::TimestampZone;
use crate::vendor::constellation1::ClientOptions;
use reqwest::Url;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// An answer must at least be let in that holds a page of usual size.
const SMALLEST_BODY: usize = 1 << 20;

/// The vendor, and who we are there.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Constellation1 {
    /// Where the API is: `https`, or `http` to this machine.
    pub base_url: String,
    /// The name that the vendor gave to the client; visible ASCII.
    pub client: String,
    /// The file that holds the system access key alone; `None` for the credential of systemd or the environment.
    pub system_access_key_file: Option<PathBuf>,
    /// The zone in which the vendor writes its dates.
    pub timestamp_zone: TimestampZone,
    /// The `Status` values that are polled, each once.
    pub streams: Vec<Stream>,
    /// The feeds that are mirrored; empty for every feed that the credential can see.
    pub feeds: Vec<String>,
    /// For a whole request, from connecting to the last byte.
    pub timeout: Span,
    /// The longest answer that is read, in bytes after decompression.
    pub max_body_bytes: usize,
}

impl Default for Constellation1 {
    fn default() -> Self {
        Constellation1 {
            base_url: "https://api.marketleader.com".to_owned(),
            client: String::new(),
            system_access_key_file: None,
            timestamp_zone: TimestampZone::default(),
            streams: vec![Stream::All, Stream::Deleted],
            feeds: Vec::new(),
            timeout: Span(Duration::from_secs(60)),
            max_body_bytes: 64 << 20,
        }
    }
}

impl Constellation1 {
    pub(super) fn rules(&self) -> Vec<Rule> {
        let mut streams = self.streams.clone();
        streams.sort_unstable();
        streams.dedup();
        let (base_url, client) = (self.base_url_fault(), self.client_fault());
        vec![
            (base_url.is_some(), "constellation1.base_url", base_url.unwrap_or_default()),
            (client.is_some(), "constellation1.client", client.unwrap_or_default()),
            (
                self.streams.iter().all(|stream| *stream == Stream::Deleted),
                "constellation1.streams",
                "no listing is ever read without 0, or 1 and 2; write [0, 3]".to_owned(),
            ),
            (
                streams.len() != self.streams.len(),
                "constellation1.streams",
                "a value is named twice; write each value once, as in [0, 3]".to_owned(),
            ),
            (
                self.feeds.iter().any(String::is_empty),
                "constellation1.feeds",
                "a name is empty; write the names of feeds, or [] for every feed".to_owned(),
            ),
            (self.timeout.0.is_zero(), "constellation1.timeout", "no request can be answered in no time; write \"60s\"".to_owned()),
            (
                self.max_body_bytes < SMALLEST_BODY,
                "constellation1.max_body_bytes",
                format!("a usual page would be too long; write {SMALLEST_BODY} or more"),
            ),
        ]
    }

    fn base_url_fault(&self) -> Option<String> {
        if !self.base_url.contains("://") {
            return Some(format!("this URL lacks its scheme; write \"https://{}\"", self.base_url));
        }
        match Url::parse(&self.base_url) {
            Ok(url) => ClientOptions::check_url(&url).err(),
            Err(error) => Some(format!("this is no URL ({error}); write one such as \"https://api.marketleader.com\"")),
        }
    }

    fn client_fault(&self) -> Option<String> {
        if self.client.is_empty() {
            return Some("it is missing; write the client name that the vendor gave you".to_owned());
        }
        ClientOptions::check_client(&self.client).err()
    }
}
