//! `[spotahome]`: the listing processes of a Spotahome account.

use super::document::Rule;
use super::rate::Rate;
use super::scanned::{self, Scanned};
use super::span::Span;
use serde::Deserialize;
use std::path::PathBuf;

/// The document does not tell the largest page.
const LARGEST_PAGE: u32 = 1000;

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spotahome {
    pub(crate) base_url: String,
    pub(crate) account: String,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) auth_scheme: String,
    pub(crate) items_per_page: u32,
    pub(crate) every: Span,
    pub(crate) read_lag: Span,
    pub(crate) states_every: Span,
    pub(crate) timeout: Span,
    pub(crate) rate: Rate,
}

impl Spotahome {
    /// What it has in common with the others that are read whole.
    pub(crate) fn scanned(&self) -> Scanned<'_> {
        let Spotahome { base_url, account, every, read_lag, timeout, rate, .. } = self;
        Scanned { base_url, account, every: *every, read_lag: *read_lag, timeout: *timeout, rate }
    }

    pub(super) fn rules(&self) -> Vec<Rule> {
        let mut rules = self.scanned().rules(scanned::Keys {
            base_url: "spotahome.base_url",
            account: "spotahome.account",
            every: "spotahome.every",
            timeout: "spotahome.timeout",
            rate: "spotahome.rate",
        });
        let size = format!("the size is out of bounds; write a whole number between 1 and {LARGEST_PAGE}");
        let scheme = "it is no scheme; write \"Bearer\", or \"\" for none".to_owned();
        rules.extend([
            (!(1..=LARGEST_PAGE).contains(&self.items_per_page), "spotahome.items_per_page", size),
            (!self.auth_scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()), "spotahome.auth_scheme", scheme),
        ]);
        rules
    }
}
