//! Where and as whom the Spark API is asked.

use crate::vendor::http::HttpOptions;
use secrecy::{ExposeSecret, SecretString};

/// What a client is made of.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Where to ask, without the version: `https://sparkapi.com`.
    pub http: HttpOptions,
    /// The credential.
    pub auth: SparkAuth,
    /// The user to act for, where the key belongs to several (code 1015 without one).
    pub api_user: Option<String>,
    /// Under which name the records of this key are kept; it becomes the first part of their key.
    pub account: String,
    /// Records on a page. The vendor's maximum for these services is 25.
    pub page_size: u32,
}

/// How a request says who asks.
#[derive(Clone, Debug)]
pub enum SparkAuth {
    /// `Authorization: Bearer TOKEN`.
    Bearer(SecretString),
    /// `Authorization: OAuth TOKEN`. Which of the two a key takes is not documented; code 1013 tells that it is the other.
    OAuth(SecretString),
    /// The older way: a session that is signed in for, and a signature on every request.
    Session {
        /// The API key.
        key: SecretString,
        /// The secret that signs.
        secret: SecretString,
    },
}

impl SparkAuth {
    /// The same with another access token, or API secret.
    pub(super) fn with(self, secret: SecretString) -> SparkAuth {
        match self {
            SparkAuth::Bearer(_) => SparkAuth::Bearer(secret),
            SparkAuth::OAuth(_) => SparkAuth::OAuth(secret),
            SparkAuth::Session { key, .. } => SparkAuth::Session { key, secret },
        }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            SparkAuth::Bearer(token) | SparkAuth::OAuth(token) => visible("access token", token.expose_secret()),
            SparkAuth::Session { key, secret } => {
                visible("API key", key.expose_secret())?;
                visible("API secret", secret.expose_secret())
            }
        }
    }
}

impl ClientOptions {
    /// Checks that what stands in a header or in a signed text can stand there; the error never holds the value.
    pub(super) fn check(&self) -> Result<(), String> {
        self.auth.check()?;
        self.api_user.as_deref().map_or(Ok(()), |user| visible("API user", user))?;
        let agent = &self.http.user_agent;
        if agent.is_empty() || !agent.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err("the user agent is empty, or holds what is not visible ASCII".to_owned());
        }
        if self.page_size == 0 { Err("a page must have room for one record".to_owned()) } else { Ok(()) }
    }
}

fn visible(name: &str, value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err(format!("the {name} is empty"));
    }
    let is_visible = value.bytes().all(|byte| byte.is_ascii_graphic());
    is_visible.then_some(()).ok_or_else(|| format!("the {name} holds a blank, a line end or another character that is not visible ASCII"))
}
