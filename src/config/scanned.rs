//! What `[spark]` and `[spotahome]` have in common: each is one account, of which everything is read again and again.

use super::document::Rule;
use super::rate::Rate;
use super::span::Span;
use crate::vendor::{HttpOptions, LimiterOptions, check_url};
use reqwest::Url;
use std::time::Duration;

/// Readings do not follow each other faster.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest answer that is read, in bytes after decompression: a page has a few hundred kilobytes at most.
const LONGEST_BODY: usize = 16 << 20;
/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// One account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scanned<'a> {
    pub(super) base_url: &'a str,
    /// The name of the account in the file.
    pub(crate) account: &'a str,
    pub(crate) every: Span,
    /// So long the vendor's answers may be older than what was written.
    pub(crate) read_lag: Span,
    pub(super) timeout: Span,
    pub(super) rate: &'a Rate,
}

/// The names of its keys.
pub(super) struct Keys {
    pub(super) base_url: &'static str,
    pub(super) account: &'static str,
    pub(super) every: &'static str,
    pub(super) timeout: &'static str,
    pub(super) rate: &'static str,
}

impl Scanned<'_> {
    pub(super) fn rules(&self, keys: Keys) -> Vec<Rule> {
        let base_url = Url::parse(self.base_url).map_err(|error| format!("this is no URL ({error})")).and_then(|url| check_url(&url)).err();
        let nameless = "it is empty; write the name that the account is to have in the file".to_owned();
        let too_fast = "it would be read too often; write \"1s\" or more".to_owned();
        let no_time = "a timeout of zero lets no request finish; write \"60s\"".to_owned();
        let mut rules = vec![
            (base_url.is_some(), keys.base_url, base_url.unwrap_or_default()),
            (self.account.trim().is_empty(), keys.account, nameless),
            (self.every.0 < SHORTEST, keys.every, too_fast),
            (self.timeout.0.is_zero(), keys.timeout, no_time),
        ];
        rules.extend(self.rate.rules().into_iter().map(|(broken, key, why)| {
            let inner = key.rsplit('.').next().unwrap_or(key);
            (broken, keys.rate, format!("{inner}: {why}"))
        }));
        rules
    }

    /// Where to ask, and how long to wait. The error says why the base URL is none.
    pub(crate) fn http(&self, user_agent: &str) -> Result<HttpOptions, String> {
        Ok(HttpOptions {
            base_url: Url::parse(self.base_url).map_err(|error| error.to_string())?,
            timeout: self.timeout.0,
            connect_timeout: self.timeout.0.min(CONNECT),
            max_body: LONGEST_BODY,
            user_agent: user_agent.to_owned(),
        })
    }

    /// The name under which the budget of the credential is kept.
    pub(crate) fn budget(&self) -> String {
        let url = Url::parse(self.base_url).ok();
        let host = url.as_ref().and_then(|url| url.authority().rsplit('@').next());
        format!("{}@{}", self.account, host.unwrap_or_default())
    }

    /// The options of the credential's limiter.
    pub(crate) fn limiter_options(&self) -> LimiterOptions {
        self.rate.limiter_options()
    }
}
