//! `[spark]`: the developer identities of a Spark account.

use super::document::Rule;
use super::rate::Rate;
use super::scanned::{self, Scanned};
use super::span::Span;
use serde::Deserialize;
use std::path::PathBuf;

/// The vendor answers no longer page.
const LARGEST_PAGE: u32 = 1000;

/// How a request says who asks.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SignIn {
    Bearer,
    OAuth,
    Session,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spark {
    pub(crate) base_url: String,
    pub(crate) account: String,
    pub(crate) auth: SignIn,
    pub(crate) access_token_file: Option<PathBuf>,
    pub(crate) api_key: String,
    pub(crate) api_user: String,
    pub(crate) user_agent: String,
    pub(crate) page_size: u32,
    pub(crate) upload_hosts: Vec<String>,
    pub(crate) every: Span,
    pub(crate) read_lag: Span,
    pub(crate) timeout: Span,
    pub(crate) rate: Rate,
}

impl Spark {
    /// What it has in common with the others that are read whole.
    pub(crate) fn scanned(&self) -> Scanned<'_> {
        let Spark { base_url, account, every, read_lag, timeout, rate, .. } = self;
        Scanned { base_url, account, every: *every, read_lag: *read_lag, timeout: *timeout, rate }
    }

    pub(super) fn rules(&self) -> Vec<Rule> {
        let mut rules = self.scanned().rules(scanned::Keys {
            base_url: "spark.base_url",
            account: "spark.account",
            every: "spark.every",
            timeout: "spark.timeout",
            rate: "spark.rate",
        });
        let size = format!("the size is out of bounds; write a whole number between 1 and {LARGEST_PAGE}, as the vendor allows (25)");
        let nameless = "a session needs it; write the API key that the vendor gave you".to_owned();
        let no_agent = "the vendor wants a name; write that of your program, in visible ASCII".to_owned();
        let is_name = !self.user_agent.is_empty() && self.user_agent.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        rules.extend([
            (!(1..=LARGEST_PAGE).contains(&self.page_size), "spark.page_size", size),
            (self.auth == SignIn::Session && self.api_key.is_empty(), "spark.api_key", nameless),
            (!is_name, "spark.user_agent", no_agent),
        ]);
        rules
    }
}
