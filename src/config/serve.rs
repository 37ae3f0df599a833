//! `[serve]`: the partner API over the file, and who may ask it.

use super::document::Rule;
use crate::vendor::constellation1::ClientOptions;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Serve {
    pub(crate) listen: SocketAddr,
    pub(crate) behind_proxy: bool,
    pub(crate) requests_per_second: f64,
    pub(crate) connections: usize,
    pub(crate) clients: BTreeMap<String, Client>,
}

/// Who may ask.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Client {
    pub(crate) key_file: PathBuf,
    /// All where it is absent.
    pub(crate) feeds: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) public: bool,
}

impl Serve {
    /// Why this is no place to listen: what is sent there is not encrypted.
    pub(crate) fn refusal(&self, listen: SocketAddr) -> Option<String> {
        let why = "others could read what is sent there; write \"127.0.0.1:8441\", or behind_proxy = true where a proxy that terminates TLS is the only one that can connect";
        (!listen.ip().is_loopback() && !self.behind_proxy).then(|| format!("{listen} is not loopback, so {why}"))
    }

    pub(super) fn rules(&self) -> Vec<Rule> {
        let rate = "the rate is out of bounds; write a number between 0.0001 and 100000".to_owned();
        let number = "the number is out of bounds; write a whole number between 1 and 64".to_owned();
        let client = self.clients.keys().find_map(|name| Some((name, ClientOptions::check_client(name).err()?)));
        let parts = self.clients.keys().find(|name| name.contains('&')).map(|name| format!("{name:?} holds &, which ends it in a request"));
        let refusal = self.refusal(self.listen);
        vec![
            (refusal.is_some(), "serve.listen", refusal.unwrap_or_default()),
            (!(0.0001..=100_000.0).contains(&self.requests_per_second), "serve.requests_per_second", rate),
            (!(1..=64).contains(&self.connections), "serve.connections", number),
            (client.is_some(), "serve.clients", client.map(|(name, why)| format!("{name:?} is no client name: {why}")).unwrap_or_default()),
            (parts.is_some(), "serve.clients", parts.unwrap_or_default()),
        ]
    }
}
