//! File, environment and credentials become one validated configuration; secrets stay hidden.

mod key;

pub use key::KeyError;

use crate::record::zone::TimestampZone;
use crate::record::{DayTime, Stamp, Stream};
use crate::vendor::LimiterOptions;
use crate::vendor::constellation1::ClientOptions;
use secrecy::SecretString;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A span of time as a person writes it: `30s`, `2m`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let span = humantime::parse_duration(&text);
        span.map(Span).map_err(|_| serde::de::Error::custom(format!("\"{text}\" is no duration; write 30s, 2m or 7d")))
    }
}

/// Everything that can be set. `config/example.toml` explains each key.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The SQLite file.
    pub database: PathBuf,
    /// The vendor.
    pub constellation1: Constellation1,
    /// Polling.
    pub poll: Poll,
    /// The load of the past.
    pub backfill: Backfill,
    /// Reading again what was complete.
    pub lookback: Lookback,
    /// The whole reading that is set against the file.
    pub reconcile: Reconcile,
    /// Politeness.
    pub rate: Rate,
}

/// The vendor and who we are there.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Constellation1 {
    /// Where the API is.
    pub base_url: String,
    /// The client's name.
    pub client: String,
    /// The file that holds the system access key.
    pub system_access_key_file: Option<PathBuf>,
    /// The zone of the vendor's dates.
    pub timestamp_zone: TimestampZone,
    /// The Status values polled.
    pub streams: Vec<Stream>,
    /// The feeds mirrored; empty for every feed that the credential can see.
    pub feeds: Vec<String>,
    /// For a whole request.
    pub timeout: Span,
    /// The longest answer, in bytes after decompression.
    pub max_body_bytes: usize,
}

/// When and how far polls reach.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Poll {
    /// From the beginning of one poll to the beginning of the next.
    pub interval: Span,
    /// How far a poll reaches back behind the last complete one.
    pub overlap: Span,
    /// How far a poll's end stays behind the vendor's clock.
    pub settle: Span,
    /// How often the vendor is asked for feeds that are new, where `feeds` is empty.
    pub discover: Span,
}

/// The load of the past.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Backfill {
    /// The oldest stamp that the mirror is to hold.
    pub since: DayTime,
    /// A window with more pages than this is cut in time.
    pub window_pages: u64,
}

/// Reading again what was complete, for listings that are published later than they are stamped.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Lookback {
    /// How often, and how far back.
    pub ladder: Vec<LookbackRule>,
    /// How often stamps ahead of the vendor's clock are looked for; zero for never.
    pub ahead: Span,
}

/// One look-back.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct LookbackRule {
    /// How often.
    pub every: Span,
    /// How far back.
    pub reach: Span,
}

/// The whole reading that is set against the file, and the brake on what it may delete.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Reconcile {
    /// From the beginning of one to the beginning of the next; zero for never.
    pub every: Span,
    /// Absent listings that the vendor is asked about in a run.
    pub confirm_budget: u64,
    /// Inferred deletions up to this number need no approval.
    pub brake_count: u64,
    /// Inferred deletions up to this share of a feed's live listings need no approval.
    pub brake_share: f64,
    /// Deletions that the vendor states within an hour are reported loudly above this number,
    pub burst_count: u64,
    /// if they are also more than this share of the feed's live listings.
    pub burst_share: f64,
}

/// How fast the vendor may be asked.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Rate {
    /// Requests a second, over all feeds.
    pub requests_per_second: f64,
    /// Requests under way at once, over all feeds.
    pub max_in_flight: usize,
    /// Requests in an hour of the wall clock; zero for no limit.
    pub requests_per_hour: u64,
    /// The same for a day.
    pub requests_per_day: u64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            database: PathBuf::from("mls.db"),
            constellation1: Constellation1::default(),
            poll: Poll::default(),
            backfill: Backfill::default(),
            lookback: Lookback::default(),
            reconcile: Reconcile::default(),
            rate: Rate::default(),
        }
    }
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

impl Default for Poll {
    fn default() -> Self {
        Poll {
            interval: Span(Duration::from_secs(60)),
            overlap: Span(Duration::from_secs(120)),
            settle: Span(Duration::from_secs(2)),
            discover: Span(Duration::from_secs(3600)),
        }
    }
}

impl Default for Backfill {
    fn default() -> Self {
        let since = Stamp::parse("1900-01-01").expect("1900-01-01 is a date");
        Backfill { since: DayTime(since), window_pages: 20 }
    }
}

impl Default for Lookback {
    fn default() -> Self {
        let rung = |every, reach| LookbackRule { every: Span(Duration::from_secs(every)), reach: Span(Duration::from_secs(reach)) };
        Lookback { ladder: vec![rung(20 * 60, 2 * 3600), rung(86_400, 3 * 86_400)], ahead: Span(Duration::ZERO) }
    }
}

impl Default for Reconcile {
    fn default() -> Self {
        Reconcile {
            every: Span(Duration::from_secs(7 * 86_400)),
            confirm_budget: 1000,
            brake_count: 100,
            brake_share: 0.05,
            burst_count: 1000,
            burst_share: 0.2,
        }
    }
}

impl Default for Rate {
    fn default() -> Self {
        Rate { requests_per_second: 2.0, max_in_flight: 1, requests_per_hour: 0, requests_per_day: 0 }
    }
}

/// Why there is no configuration. Each says what, where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {why}. Write one (config/example.toml shows every key) or name it with --config")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        why: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("the configuration {path} is wrong: {why}")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, the key, and what it may be.
        why: String,
    },
    /// There is no usable key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// When it cannot be read, is not TOML, names unknown keys, or holds values that make no sense.
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|why| ConfigError::Unreadable { path: path.to_owned(), why })?;
        let config = Config::parse(&text).map_err(|why| ConfigError::Wrong { path: path.to_owned(), why })?;
        Ok(config)
    }

    /// Reads a file of which only the database matters: who reads the mirror needs no client and no key.
    ///
    /// # Errors
    /// When it cannot be read, is not TOML, or names unknown keys.
    pub fn read_for_reading(path: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|why| ConfigError::Unreadable { path: path.to_owned(), why })?;
        let wrong = |error: toml::de::Error| ConfigError::Wrong { path: path.to_owned(), why: error.to_string().trim_end().to_owned() };
        toml::from_str(&text).map_err(wrong)
    }

    /// Checks a text.
    ///
    /// # Errors
    /// What is wrong, with the line where the text itself is, or else with the key.
    pub fn parse(text: &str) -> Result<Config, String> {
        let config: Config = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        let vendor = &self.constellation1;
        let mut streams = vendor.streams.clone();
        streams.sort_unstable();
        streams.dedup();
        let rules = [
            (vendor.client.is_empty(), "constellation1.client is missing: it is the client name that the vendor gave you"),
            (
                vendor.streams.iter().all(|stream| *stream == Stream::Deleted),
                "constellation1.streams needs 0, or 1 and 2: without them no listing is ever read",
            ),
            (streams.len() != vendor.streams.len(), "constellation1.streams names a value twice"),
            (vendor.feeds.iter().any(String::is_empty), "constellation1.feeds holds an empty name"),
            (vendor.timeout.0.is_zero(), "constellation1.timeout must be more than 0s"),
            (vendor.max_body_bytes < 1 << 20, "constellation1.max_body_bytes must be at least 1048576"),
            (self.poll.interval.0 < Duration::from_millis(100), "poll.interval must be at least 100ms"),
            (self.poll.discover.0 < Duration::from_secs(1), "poll.discover must be at least 1s"),
            (
                self.lookback.ladder.iter().any(|rung| rung.every.0 < Duration::from_secs(1) || rung.reach.0 <= self.poll.settle.0),
                "lookback.ladder needs every of at least 1s, and reach above poll.settle",
            ),
            (
                !(0.0..=1.0).contains(&self.reconcile.brake_share) || !(0.0..=1.0).contains(&self.reconcile.burst_share),
                "reconcile.brake_share and reconcile.burst_share must lie between 0 and 1",
            ),
            (self.backfill.window_pages == 0, "backfill.window_pages must be at least 1"),
            (!(0.0001..=1000.0).contains(&self.rate.requests_per_second), "rate.requests_per_second must lie between 0.0001 and 1000"),
            (!(1..=64).contains(&self.rate.max_in_flight), "rate.max_in_flight must lie between 1 and 64"),
        ];
        match rules.into_iter().find(|(broken, _)| *broken) {
            Some((_, what)) => Err(what.to_owned()),
            None => Ok(()),
        }
    }

    /// The options of the vendor's client.
    ///
    /// # Errors
    /// When the address is none.
    pub fn client_options(&self, key: SecretString) -> Result<ClientOptions, String> {
        let vendor = &self.constellation1;
        let base_url = reqwest::Url::parse(&vendor.base_url).map_err(|error| error.to_string())?;
        Ok(ClientOptions {
            base_url,
            client: vendor.client.clone(),
            key,
            timeout: vendor.timeout.0,
            connect_timeout: vendor.timeout.0.min(Duration::from_secs(10)),
            max_body: vendor.max_body_bytes,
            user_agent: concat!("mls-sync/", env!("CARGO_PKG_VERSION")).to_owned(),
        })
    }

    /// Who asks whom: the client's name and the host.
    #[must_use]
    pub fn account(&self) -> String {
        let vendor = &self.constellation1;
        let host = reqwest::Url::parse(&vendor.base_url).ok().map(|url| {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            format!("{}{port}", url.host_str().unwrap_or_default())
        });
        format!("{}@{}", vendor.client, host.unwrap_or_default())
    }

    /// The system access key.
    ///
    /// # Errors
    /// When no place holds one, or the place that was named cannot be read.
    pub fn key(&self) -> Result<SecretString, KeyError> {
        key::find(self.constellation1.system_access_key_file.as_deref())
    }

    /// The file from which the key came, if it came from one: it may be looked at again.
    #[must_use]
    pub fn key_file(&self) -> Option<PathBuf> {
        key::file(self.constellation1.system_access_key_file.as_deref())
    }

    /// The options of the credential's budget.
    #[must_use]
    pub fn limiter_options(&self) -> LimiterOptions {
        let limit = |requests: u64| (requests > 0).then_some(requests);
        LimiterOptions {
            requests_per_second: self.rate.requests_per_second,
            max_in_flight: self.rate.max_in_flight,
            requests_per_hour: limit(self.rate.requests_per_hour),
            requests_per_day: limit(self.rate.requests_per_day),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let error = Config::parse(text).expect_err(text);
        assert!(error.contains(expected), "{text}\n gave\n{error}");
    }

    const CLIENT: &str = "[constellation1]\nclient = \"C\"\n";

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        check("databse = \"x\"\n", "line 1");
        check("databse = \"x\"\n", "databse");
        check("[poll]\ninterval = \"1m\"\nevery = \"2m\"\n", "line 3");
    }

    #[test]
    fn values_that_make_no_sense_are_refused() {
        check("", "constellation1.client is missing");
        check("[poll]\ninterval = \"soon\"\n", "\"soon\" is no duration");
        check("[constellation1]\nclient = \"C\"\nstreams = [3]\n", "needs 0");
        check("[constellation1]\nclient = \"C\"\nstreams = [0, 7]\n", "Status 7 does not exist");
        check("[constellation1]\nclient = \"C\"\nstreams = [0, 0]\n", "twice");
        check(&format!("{CLIENT}[rate]\nrequests_per_second = 0\n"), "requests_per_second");
        check(&format!("{CLIENT}[rate]\nrequests_per_second = nan\n"), "requests_per_second");
        check(&format!("{CLIENT}[rate]\nmax_in_flight = 0\n"), "max_in_flight");
        check(&format!("{CLIENT}[backfill]\nsince = \"when\"\n"), "\"when\" is no date");
    }

    #[test]
    fn the_example_holds_every_key_with_its_default() {
        let example = include_str!("../config/example.toml");
        let mut shown = Config::parse(example).expect("the example is a valid configuration");
        assert_eq!(shown.constellation1.client, "MyClient");
        shown.constellation1.client.clear();
        assert_eq!(shown, Config::default());
        for key in ["database", "base_url", "client", "# system_access_key_file", "streams", "feeds", "timeout", "max_body_bytes"] {
            assert!(example.lines().any(|line| line.starts_with(&format!("{key} ="))), "{key} is not in the example");
        }
        for key in
            ["timestamp_zone", "ladder", "ahead", "every", "confirm_budget", "brake_count", "brake_share", "burst_count", "burst_share"]
        {
            assert!(example.lines().any(|line| line.starts_with(&format!("{key} ="))), "{key} is not in the example");
        }
        for key in [
            "interval",
            "overlap",
            "settle",
            "discover",
            "since",
            "window_pages",
            "requests_per_second",
            "max_in_flight",
            "requests_per_hour",
            "requests_per_day",
        ] {
            assert!(example.lines().any(|line| line.starts_with(&format!("{key} ="))), "{key} is not in the example");
        }
    }
}
