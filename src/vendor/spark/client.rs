//! One request to the Spark API over HTTP, with its credential.

use super::envelope::{self, Reply};
use super::options::{ClientOptions, SparkAuth};
use super::signature;
use crate::record::{Failure, Hash, raw_hash};
use crate::vendor::answer::Answer;
use crate::vendor::error::{Error, Unanswered};
use crate::vendor::http::Http;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::sync::{Arc, PoisonError, RwLock};

/// The only version of the API. The documents also write `/vX/`, which is a placeholder.
const VERSION: &str = "v1";
/// The name of the application. Some copies of the vendor's pages refuse requests without it (code 1016).
const AGENT: HeaderName = HeaderName::from_static("x-sparkapi-user-agent");
/// A shorter secret stands in ordinary words by chance.
const SHORTEST_SECRET: usize = 6;

/// The Spark API, one request at a time. Connections are kept and shared by concurrent calls.
#[derive(Debug)]
pub struct Client {
    http: Http,
    auth: RwLock<SparkAuth>,
    api_user: Option<String>,
    agent: HeaderValue,
    pub(super) account: String,
    pub(super) page_size: u32,
}

/// What a request asks for, without who asks.
pub(super) struct Call {
    pub(super) method: Method,
    /// Below the version.
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<String>,
}

impl Call {
    pub(super) fn new(method: Method, path: impl Into<String>) -> Call {
        Call { method, path: path.into(), query: Vec::new(), body: None }
    }

    pub(super) fn with_body(self, body: String) -> Call {
        Call { body: Some(body), ..self }
    }
}

/// A session that was signed in for.
pub(super) type Session = Arc<SecretString>;

#[derive(Deserialize)]
struct SignedIn {
    #[serde(rename = "Results")]
    results: [AuthToken; 1],
}

#[derive(Deserialize)]
struct AuthToken {
    #[serde(rename = "AuthToken")]
    token: String,
}

impl Client {
    /// Prepares a client; nothing is sent yet.
    ///
    /// # Errors
    /// What is wrong with an option, for a person; never the credential.
    pub fn new(options: ClientOptions) -> Result<Client, String> {
        options.check()?;
        let ClientOptions { http, auth, api_user, account, page_size } = options;
        let agent = HeaderValue::from_str(&http.user_agent).map_err(|_| "the user agent cannot stand in a header".to_owned())?;
        Ok(Client { http: Http::new(http)?, auth: RwLock::new(auth), api_user, agent, account, page_size })
    }

    pub(super) fn host(&self) -> &str {
        self.http.host()
    }

    /// Which credential is in use, as a hash: the vendor does not tell whose it is.
    pub(super) fn subject(&self) -> Hash {
        let auth = self.auth();
        let key = match &auth {
            SparkAuth::Bearer(token) | SparkAuth::OAuth(token) => token,
            SparkAuth::Session { key, .. } => key,
        };
        let user = self.api_user.as_deref().unwrap_or_default();
        raw_hash(format!("{user} {}", key.expose_secret()).as_bytes())
    }

    /// Uses another secret from the next request on. The error says what is wrong with it.
    pub(super) fn set_secret(&self, secret: SecretString) -> Result<(), String> {
        let auth = self.auth().with(secret);
        auth.check()?;
        *self.auth.write().unwrap_or_else(PoisonError::into_inner) = auth;
        Ok(())
    }

    fn auth(&self) -> SparkAuth {
        self.auth.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn needs_session(&self) -> bool {
        matches!(self.auth(), SparkAuth::Session { .. })
    }

    /// Sends a request once. In the session mode it needs the session.
    pub(super) async fn send(&self, call: &Call, session: Option<&SecretString>) -> Result<Reply, Unanswered> {
        let path = format!("/{VERSION}/{}", call.path);
        let mut query: Vec<(&str, String)> = call.query.clone();
        query.extend(self.api_user.iter().map(|user| ("ApiUser", user.clone())));
        if let (SparkAuth::Session { key, secret }, Some(session)) = (&self.auth(), session) {
            query.push(("AuthToken", session.expose_secret().to_owned()));
            let body = call.body.as_deref().unwrap_or("");
            query.push(("ApiSig", signature::of_request(key.expose_secret(), secret.expose_secret(), &path, &query, body)));
        }
        let mut url = self.http.at(&path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(&query);
        }
        let mut request = self.authorized(self.http.request(call.method.clone(), url)).header(AGENT, self.agent.clone());
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        self.judged(request, session).await
    }

    /// Signs in. This ends the session of every other program with this key: a key has one.
    pub(super) async fn sign_in(&self) -> Result<Session, Unanswered> {
        let SparkAuth::Session { key, secret } = &self.auth() else {
            return Err(Error::new(Failure::Refused, "this credential has no sessions").into());
        };
        let mut url = self.http.at(&format!("/{VERSION}/session"));
        let signature = signature::of_session(key.expose_secret(), secret.expose_secret());
        url.query_pairs_mut().append_pair("ApiKey", key.expose_secret()).append_pair("ApiSig", &signature);
        let request = self.http.request(Method::POST, url).header(AGENT, self.agent.clone()).header(CONTENT_TYPE, "application/json");
        match self.judged(request, None).await? {
            Reply::Granted(granted) => match serde_json::from_str::<SignedIn>(&granted.d) {
                Ok(SignedIn { results: [session] }) => Ok(Arc::new(session.token.into())),
                Err(_) => Err(Error::new(Failure::Malformed, "the answer to the sign-in has no AuthToken").into()),
            },
            Reply::Refused(refusal) => Err(refusal.error().into()),
        }
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        let auth = self.auth();
        let (scheme, token) = match &auth {
            SparkAuth::Bearer(token) => ("Bearer", token),
            SparkAuth::OAuth(token) => ("OAuth", token),
            SparkAuth::Session { .. } => return request,
        };
        let mut value = HeaderValue::from_str(&format!("{scheme} {}", token.expose_secret())).expect("the token is visible ASCII");
        value.set_sensitive(true);
        request.header(AUTHORIZATION, value)
    }

    /// Sends a request once and judges its answer.
    async fn judged(&self, request: RequestBuilder, more: Option<&SecretString>) -> Result<Reply, Unanswered> {
        let answer = self.http.send(request, None).await?;
        let mut secrets: Vec<&str> = more.map(ExposeSecret::expose_secret).into_iter().collect();
        let auth = self.auth();
        match &auth {
            SparkAuth::Bearer(token) | SparkAuth::OAuth(token) => secrets.push(token.expose_secret()),
            SparkAuth::Session { key, secret } => secrets.extend([key.expose_secret(), secret.expose_secret()]),
        }
        judge(&answer, &secrets)
    }
}

/// Judges an answer. The vendor's words may repeat what was sent, so secrets are taken out of them.
pub(super) fn judge(answer: &Answer, secrets: &[&str]) -> Result<Reply, Unanswered> {
    match envelope::read(answer) {
        Ok(Reply::Refused(mut refusal)) => {
            refusal.message = without(secrets, &refusal.message);
            for problem in &mut refusal.errors {
                problem.message = without(secrets, &problem.message);
                let parts = [&mut problem.field, &mut problem.rule].into_iter().flatten();
                parts.for_each(|part| *part = without(secrets, part));
            }
            Ok(Reply::Refused(refusal))
        }
        Ok(granted) => Ok(granted),
        Err(error) => Err(Error { message: without(secrets, &error.message), ..error }.into()),
    }
}

fn without(secrets: &[&str], text: &str) -> String {
    let secrets = secrets.iter().filter(|secret| secret.len() >= SHORTEST_SECRET);
    secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "(hidden)"))
}
