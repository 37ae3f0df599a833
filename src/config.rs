//! The configuration file becomes one validated value; secrets stay out of it.

mod backfill;
mod constellation1;
mod directory;
mod document;
mod fault;
mod history;
mod key;
mod licence;
mod lookback;
mod media;
mod poll;
mod rate;
mod reconcile;
mod reso;
mod scanned;
mod search;
mod serve;
mod span;
mod spark;
mod spotahome;

pub(crate) use rate::Rate;
pub(crate) use reconcile::DetailOnly;
pub(crate) use scanned::Scanned;
pub(crate) use spark::SignIn;

use crate::record::{Source, Stamp};
use crate::vendor::constellation1::ClientOptions;
use crate::vendor::{HttpOptions, LimiterOptions};
use chrono::Utc;
use document::Rule;
use key::Secret;
use reqwest::Url;
use secrecy::SecretString;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Everything that can be set. The files in `config` explain each key and give its default.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub(crate) database: PathBuf,
    pub(crate) constellation1: constellation1::Constellation1,
    pub(crate) poll: poll::Poll,
    pub(crate) backfill: backfill::Backfill,
    pub(crate) lookback: lookback::Lookback,
    pub(crate) reconcile: reconcile::Reconcile,
    pub(crate) agents: directory::Directory,
    pub(crate) offices: directory::Directory,
    pub(crate) open_houses: directory::Directory,
    pub(crate) history: history::History,
    pub(crate) licence: licence::Licence,
    pub(crate) media: media::Media,
    pub(crate) reso: reso::Reso,
    pub(crate) search: search::Search,
    pub(crate) serve: serve::Serve,
    pub(crate) rate: Rate,
    pub(crate) spark: spark::Spark,
    pub(crate) spotahome: spotahome::Spotahome,
    /// The vendors whose sections were written; the first one where none was.
    #[serde(skip)]
    pub(crate) vendors: BTreeSet<&'static str>,
}

/// What can be written, with the defaults: one file for the listings and the process, and one for each other vendor.
const EXAMPLES: [&str; 3] =
    [include_str!("../config/example.toml"), include_str!("../config/spark.toml"), include_str!("../config/spotahome.toml")];

/// The sections of vendors.
pub(crate) const VENDORS: [&str; 3] = ["constellation1", "spark", "spotahome"];

impl Default for Config {
    fn default() -> Self {
        Config::checked("", |_| Vec::new()).expect("every key has a default")
    }
}

/// Why there is no configuration. Each says what, where and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read the configuration {path}: {why}. Write one (config/example.toml shows every key) or name it with --config")]
    Unreadable { path: PathBuf, why: std::io::Error },
    #[error("the configuration {path} is wrong: {why}")]
    Wrong { path: PathBuf, why: String },
    #[error("the configuration is wrong: {0}")]
    Unusable(String),
    #[error("{0}")]
    Key(String),
}

impl Config {
    /// Reads and checks a file.
    pub(crate) fn read(path: &Path) -> Result<Config, ConfigError> {
        Config::read_with(path, Config::parse)
    }

    /// Reads a file of which only the database matters: who reads the mirror needs no client and no key.
    pub(crate) fn read_for_reading(path: &Path) -> Result<Config, ConfigError> {
        Config::read_with(path, |text| Config::checked(text, |_| Vec::new()))
    }

    /// Reads a file for `serve`, which needs the database, and clients of its own.
    pub(crate) fn read_for_serving(path: &Path) -> Result<Config, ConfigError> {
        Config::read_with(path, |text| Config::checked(text, |config| config.serve.rules()))
    }

    fn read_with(path: &Path, parse: impl FnOnce(&str) -> Result<Config, String>) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|why| ConfigError::Unreadable { path: path.to_owned(), why })?;
        parse(&text).map_err(|why| ConfigError::Wrong { path: path.to_owned(), why })
    }

    /// Reads and checks a text.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Config, String> {
        Config::parse_at(text, Stamp::from_utc(Utc::now()))
    }

    /// `now` is UTC.
    fn parse_at(text: &str, now: Stamp) -> Result<Config, String> {
        Config::checked(text, |config| config.rules(now))
    }

    fn checked(text: &str, rules: impl FnOnce(&Config) -> Vec<Rule>) -> Result<Config, String> {
        // Only the client has no default.
        let defaults = EXAMPLES.concat().replace("\"MyClient\"", "\"\"");
        document::read(&defaults, text, |config: &mut Config, sections| {
            config.vendors = VENDORS.into_iter().filter(|vendor| sections.contains(vendor)).collect();
            if config.vendors.is_empty() {
                config.vendors.insert(VENDORS[0]);
            }
            rules(config)
        })
    }

    fn rules(&self, now: Stamp) -> Vec<Rule> {
        let path = self.database.display();
        let database = format!("{path} is a directory; write the path of a file, such as \"{path}/mls.db\"");
        let mut rules = vec![(self.database.is_dir(), "database", database)];
        if self.mirrors_listings() {
            rules.extend(self.constellation1.rules());
        }
        rules.extend(self.spark.rules());
        rules.extend(self.spotahome.rules());
        rules.extend(self.rules_of_names());
        rules.extend(self.poll.rules());
        rules.extend(self.backfill.rules(self.constellation1.timestamp_zone.local(now)));
        rules.extend(self.lookback.rules(self.poll.settle));
        rules.extend(self.reconcile.rules());
        rules.extend(self.agents.rules("agents.every"));
        rules.extend(self.offices.rules("offices.every"));
        rules.extend(self.open_houses.rules("open_houses.every"));
        rules.extend(self.licence.rules());
        rules.extend(self.reso.rules());
        rules.extend(self.serve.rules());
        rules.extend(self.rate.rules());
        rules
    }

    /// Leaves one vendor alone of those that are named. The error says which there are.
    pub(crate) fn narrow(&mut self, vendor: &str) -> Result<(), String> {
        if !self.vendors.contains(vendor) {
            let named = self.vendors.iter().copied().collect::<Vec<_>>().join(", ");
            return Err(format!("the configuration does not name the vendor \"{vendor}\"; it names {named}"));
        }
        self.vendors.retain(|name| *name == vendor);
        Ok(())
    }

    /// What is stored is told apart by the name of its feed or account.
    fn rules_of_names(&self) -> Vec<Rule> {
        let is_used = |vendor| self.vendors.contains(vendor);
        let (spark, spotahome) = (&self.spark.account, &self.spotahome.account);
        let is_twin = is_used("spark") && is_used("spotahome") && spark.eq_ignore_ascii_case(spotahome);
        let is_feed = |vendor, account: &str| {
            is_used(vendor) && self.mirrors_listings() && self.constellation1.feeds.iter().any(|feed| feed.eq_ignore_ascii_case(account))
        };
        let feed = || "a feed has this name; write another".to_owned();
        vec![
            (is_twin, "spotahome.account", "the account of [spark] has this name; write another".to_owned()),
            (is_feed("spark", spark), "spark.account", feed()),
            (is_feed("spotahome", spotahome), "spotahome.account", feed()),
        ]
    }

    /// Whether the configuration names the vendor of the listings.
    pub(crate) fn mirrors_listings(&self) -> bool {
        self.vendors.contains(VENDORS[0])
    }

    /// The options of the vendor's client. The error says why `constellation1.base_url` is no URL.
    pub(crate) fn client_options(&self, key: SecretString) -> Result<ClientOptions, String> {
        let vendor = &self.constellation1;
        Ok(ClientOptions {
            http: HttpOptions {
                base_url: Url::parse(&vendor.base_url).map_err(|error| error.to_string())?,
                timeout: vendor.timeout.0,
                connect_timeout: vendor.timeout.0.min(Duration::from_secs(10)),
                max_body: vendor.max_body_bytes,
                user_agent: concat!("mls-sync/", env!("CARGO_PKG_VERSION")).to_owned(),
            },
            client: vendor.client.clone(),
            key,
        })
    }

    /// Who asks whom, as `client@host`: the name under which the credential's budget is kept.
    pub(crate) fn account(&self) -> String {
        let url = Url::parse(&self.constellation1.base_url).ok();
        let host = url.as_ref().and_then(|url| url.authority().rsplit('@').next());
        format!("{}@{}", self.constellation1.client, host.unwrap_or_default())
    }

    /// Which vendor's system and account are mirrored. A port that its scheme implies and a last slash make no other system.
    pub(crate) fn source(&self) -> Source {
        let url = Url::parse(&self.constellation1.base_url).ok();
        let port = url.as_ref().and_then(Url::port).map(|port| format!(":{port}"));
        let (host, path) = url.as_ref().map(|url| (url.host_str().unwrap_or_default(), url.path())).unwrap_or_default();
        Source {
            vendor: "constellation1".to_owned(),
            place: format!("{host}{}{}", port.unwrap_or_default(), path.trim_end_matches('/')),
            client: self.constellation1.client.clone(),
        }
    }

    /// The system access key. The error says that no place holds one, or that the place that was named cannot be read.
    pub(crate) fn key(&self) -> Result<SecretString, ConfigError> {
        if self.mirrors_listings() {
            return self.secret(VENDORS[0]);
        }
        Err(ConfigError::Key("the configuration has no section [constellation1], whose vendor this is about".to_owned()))
    }

    /// The file from which the key came, if it came from one: it may be looked at again.
    pub(crate) fn key_file(&self) -> Option<PathBuf> {
        self.secret_file(VENDORS[0])
    }

    /// The key or the token of a vendor; errors as those of `key`.
    pub(crate) fn secret(&self, vendor: &str) -> Result<SecretString, ConfigError> {
        let (secret, named) = self.secret_of(vendor);
        secret.find(named).map_err(ConfigError::Key)
    }

    /// The file from which it comes, if it comes from one.
    pub(crate) fn secret_file(&self, vendor: &str) -> Option<PathBuf> {
        let (secret, named) = self.secret_of(vendor);
        secret.file(named)
    }

    /// The files from which secrets come.
    pub(crate) fn secret_files(&self) -> Vec<PathBuf> {
        self.vendors.iter().filter_map(|vendor| self.secret_file(vendor)).collect()
    }

    fn secret_of(&self, vendor: &str) -> (Secret, Option<&Path>) {
        let (secret, file) = match vendor {
            "spark" => (key::SPARK_ACCESS_TOKEN, &self.spark.access_token_file),
            "spotahome" => (key::SPOTAHOME_TOKEN, &self.spotahome.token_file),
            _ => (key::SYSTEM_ACCESS_KEY, &self.constellation1.system_access_key_file),
        };
        (secret, file.as_deref())
    }

    /// The key of a client of `serve`.
    pub(crate) fn client_key(&self, client: &serve::Client) -> Result<SecretString, ConfigError> {
        key::SYSTEM_ACCESS_KEY.read(&client.key_file).map_err(ConfigError::Key)
    }

    /// The vendor of the credential whose budget has this name: the first one where it is no account's.
    pub(crate) fn vendor_of(&self, budget: &str) -> &'static str {
        let accounts = [(VENDORS[1], self.spark.scanned()), (VENDORS[2], self.spotahome.scanned())];
        accounts.into_iter().find(|(_, scanned)| scanned.budget() == budget).map_or(VENDORS[0], |(vendor, _)| vendor)
    }

    /// The limits of the credential whose budget has this name.
    pub(crate) fn rate_of(&self, budget: &str) -> &Rate {
        match self.vendor_of(budget) {
            "spark" => &self.spark.rate,
            "spotahome" => &self.spotahome.rate,
            _ => &self.rate,
        }
    }

    /// The options of the credential's limiter.
    pub(crate) fn limiter_options(&self) -> LimiterOptions {
        self.rate.limiter_options()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let noon = Stamp::parse("2024-05-01T12:00:00").expect("a date");
        Config::parse_at(text, noon).expect_err(text).to_string()
    }

    /// `line` follows a client of the right kind, as line 3 of the text.
    fn check(line: &str, expected: &str) {
        assert_eq!(told(&format!("[constellation1]\nclient = \"C\"\n{line}\n")), expected, "{line}");
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
        let text = "databse = \"x\"\n[pol]\ninterval = \"1m\"\n[constellation1]\nclient = \"C\"\n[poll]\nevery = \"2m\"\n";
        let expected = "3 faults\n  \
                        line 1: databse: there is no key databse; did you mean database?\n  \
                        line 2: pol: there is no key pol; did you mean poll?\n  \
                        line 7: poll.every: there is no key every; the keys here are interval, interval_min, interval_max, overlap, \
                        settle, discover, shared";
        assert_eq!(told(text), expected);
        check(
            "[lookback]\nladder = [\n{ every = \"1m\", reech = \"1h\" }]",
            "line 5: lookback.ladder: there is no key reech; did you mean reach?",
        );
    }

    #[test]
    fn a_value_of_a_wrong_type_is_told_with_what_to_write() {
        check("timeout = 5", "line 3: constellation1.timeout: 5 must be text in quotes; write \"5s\"");
        check("feeds = \"GAMLS\"", "line 3: constellation1.feeds: \"GAMLS\" must be a list; write [\"GAMLS\"]");
        check("streams = 0", "line 3: constellation1.streams: 0 must be a list; write [0]");
        check("max_body_bytes = -1", "line 3: constellation1.max_body_bytes: -1 must be a whole number, at least 0");
        check("[rate]\nmax_in_flight = \"2\"", "line 4: rate.max_in_flight: \"2\" must be a whole number, at least 0; write 2");
        check("[rate]\nrequests_per_second = \"fast\"", "line 4: rate.requests_per_second: \"fast\" must be a number");
        check("[backfill]\nsince = 2024-01-31", "line 4: backfill.since: 2024-01-31 must be text in quotes; write \"2024-01-31\"");
        check("[lookback]\nladder = [\n{ every = 5, reach = \"1h\" }]", "line 5: lookback.ladder: 5 must be text in quotes; write \"5s\"");
        check("[lookback]\nladder = [{ every = \"5s\" }]", "line 4: lookback.ladder: missing field `reach`");
        let section = "1 must be a section; write [poll] on a line of its own, and its keys below it";
        assert_eq!(told("poll = 1\nconstellation1.client = \"C\"\n"), format!("line 1: poll: {section}"));
        assert_eq!(told("[database]\n[constellation1]\nclient = \"C\"\n"), "line 1: database: [database] must be a path in quotes");
    }

    #[test]
    fn values_that_make_no_sense_are_refused_with_what_to_write() {
        assert_eq!(told(""), "constellation1.client: it is missing; write the client name that the vendor gave you");
        assert!(told("[constellation1]\n").starts_with("line 1: constellation1.client: it is missing"));
        for (key, written, why) in [
            ("interval_min", "2m", "it must not be longer than poll.interval; write \"1m\" or less"),
            ("interval_min", "1ms", "polls would follow each other too fast; write \"100ms\" or more"),
            ("interval_max", "30s", "it must not be shorter than poll.interval; write \"1m\" or more"),
        ] {
            check(&format!("[poll]\n{key} = \"{written}\""), &format!("line 4: poll.{key}: {why}"));
        }
        for keep in ["always", "0s"] {
            let expected = format!("line 4: history.keep: \"{keep}\" is no time to keep it; write \"90d\", \"2y\" or \"forever\"");
            check(&format!("[history]\nkeep = \"{keep}\""), &expected);
        }
        check("timeout = \"soon\"", "line 3: constellation1.timeout: \"soon\" is no duration; write \"30s\", \"2m\" or \"7d\"");
        check("streams = [3]", "line 3: constellation1.streams: no listing is ever read without 0, or 1 and 2; write [0, 3]");
        check("streams = [0, 7]", "line 3: constellation1.streams: Status 7 does not exist; the vendor knows 0, 1, 2, 3");
        check("streams = [0, 0]", "line 3: constellation1.streams: a value is named twice; write each value once, as in [0, 3]");
        check("base_url = \"a.example\"", "line 3: constellation1.base_url: this URL lacks its scheme; write \"https://a.example\"");
        for (rate, line) in [("0", 4), ("nan", 4), ("1001", 4)] {
            let expected =
                format!("line {line}: rate.requests_per_second: the rate is out of bounds; write a number between 0.0001 and 1000");
            check(&format!("[rate]\nrequests_per_second = {rate}"), &expected);
        }
        check(
            "[rate]\nmax_in_flight = 0",
            "line 4: rate.max_in_flight: the number is out of bounds; write a whole number between 1 and 64",
        );
        check("[backfill]\nsince = \"when\"", "line 4: backfill.since: \"when\" is no date; write 2024-01-31 or 2024-01-31T08:30:00");
    }

    /// What is now is told by the clocks of the vendor's zone.
    #[test]
    fn a_beginning_in_the_future_is_refused() {
        let future = "lies in the future, so nothing would be mirrored; write a date before 2024-05-01T00:00:00";
        check("[backfill]\nsince = \"2024-05-02\"", &format!("line 4: backfill.since: 2024-05-02T00:00:00 {future}"));
        let ahead = "[backfill]\nsince = \"2024-05-02\"\n[constellation1]\nclient = \"C\"\ntimestamp_zone = \"+13:00\"\n";
        assert!(Config::parse_at(ahead, Stamp::parse("2024-05-01T12:00:00").expect("a date")).is_ok());
    }

    #[test]
    fn two_accounts_or_an_account_and_a_feed_have_different_names() {
        let twins = "[spark]\naccount = \"acme\"\n[spotahome]\naccount = \"Acme\"\n";
        assert_eq!(told(twins), "line 4: spotahome.account: the account of [spark] has this name; write another");
        let feed = "[constellation1]\nclient = \"C\"\nfeeds = [\"Spark\"]\n";
        assert!(Config::parse(feed).is_ok(), "a section that is not there names nothing");
        assert_eq!(told(&format!("{feed}[spark]\n")), "line 4: spark.account: a feed has this name; write another");
    }

    #[test]
    fn a_section_of_a_vendor_is_enough_and_keeps_the_limits_that_it_does_not_write() {
        let config = Config::parse("[spark]\n[spark.rate]\nmax_in_flight = 2\n").expect("no section [constellation1] is needed");
        assert_eq!((config.spark.rate.max_in_flight, config.spark.rate.requests_per_second), (2, 2.0));
        assert!(!config.mirrors_listings());
        assert_eq!(told("[spark]\nevery = \"1ms\"\n"), "line 2: spark.every: it would be read too often; write \"1s\" or more");
        assert_eq!(
            told("[spotahome]\nauth_scheme = \"a b\"\n"),
            "line 2: spotahome.auth_scheme: it is no scheme; write \"Bearer\", or \"\" for none"
        );
    }

    #[test]
    fn a_directory_in_the_databases_place_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().display();
        let expected = format!("line 1: database: {path} is a directory; write the path of a file, such as \"{path}/mls.db\"");
        assert_eq!(told(&format!("database = \"{path}\"\nconstellation1.client = \"C\"\n")), expected);
    }

    #[test]
    fn what_is_not_toml_is_told_with_everything_else_and_repeats_no_secret() {
        let text = "[constellation1]\nclient = C\nsystem_access_key = SECRET\nsystem_access_kex = \"SECRET\"\n\
                    [poll]\ninterval = 5\ninterval = \"6s\"\n";
        let expected = "5 faults\n  \
                        line 2: client: text must be in quotes, as in \"text\"\n  \
                        line 3: system_access_key: text must be in quotes, as in \"text\"\n  \
                        line 4: constellation1.system_access_kex: there is no key system_access_kex; did you mean system_access_key_file?\n  \
                        line 6: poll.interval: 5 must be text in quotes; write \"5s\"\n  \
                        line 7: interval: this name stands twice; remove one of the two";
        assert_eq!(told(text), expected);
        assert_eq!(told("[constellation1]\nclient = names\n"), "line 2: client: text must be in quotes, as in \"text\"");
        check("feeds = [GAMLS, NWMLS]", "line 3: feeds: text must be in quotes, as in \"text\"");
        assert_eq!(told("[constellation1\nclient = \"C\"\n"), "line 1: this is not TOML: unclosed table, expected `]`");
    }

    #[test]
    fn the_same_system_written_in_another_way_is_the_same_source() {
        let place = |base_url: &str| {
            let mut config = Config::default();
            config.constellation1.base_url = base_url.to_owned();
            config.source().place
        };
        for same in ["https://api.example.com", "https://API.example.com:443/", "http://api.example.com"] {
            assert_eq!(place(same), "api.example.com", "{same}");
        }
        assert_eq!(place("https://api.example.com:8443/v2/"), "api.example.com:8443/v2");
    }

    /// The keys that exist below a section, or at the top for "", as the message of an unknown key lists them.
    fn keys(section: &str) -> Vec<String> {
        let header = if section.is_empty() { String::new() } else { format!("[{section}]\n") };
        let faults = Config::parse(&format!("{header}\"?\" = 0\n")).expect_err("an unknown key").to_string();
        let list = faults.split("the keys here are ").nth(1).and_then(|rest| rest.lines().next()).expect("a list");
        list.split(", ").map(str::to_owned).collect()
    }

    #[test]
    fn the_example_holds_every_key_with_its_default() {
        let example = EXAMPLES.concat();
        let mut shown = Config::parse(&example).expect("the example is a valid configuration");
        assert_eq!(std::mem::take(&mut shown.constellation1.client), "MyClient");
        shown.vendors.retain(|vendor| *vendor == VENDORS[0]);
        assert_eq!(shown, Config::default());
        // A key without a default is shown in a comment.
        let commented = ["system_access_key_file", "access_token_file", "token_file"];
        let example = commented.iter().fold(example, |text, key| text.replace(&format!("\n# {key} ="), &format!("\n{key} =")));
        let example: toml::Table = example.parse().expect("TOML");
        for name in keys("") {
            let shown = example.get(&name).unwrap_or_else(|| panic!("{name} is not in the example"));
            for key in shown.as_table().map(|_| keys(&name)).into_iter().flatten() {
                assert!(shown.get(&key).is_some(), "{name}.{key} is not in the example");
            }
        }
    }
}
