//! One request over HTTP, with its token.

use super::fields::{AGENT, ASSIGNATION, PATH, PROCESSES_MEMBER, STATES_MEMBER, STATES_PATH};
use super::filter::{ProcessFilter, ProcessId};
use super::list::{self, Asked, Habits, List};
use super::refusal::{SpotahomeRefusal, refused};
use super::{decode, token};
use crate::record::{Failure, Hash, Page, Reject, raw_hash};
use crate::vendor::answer::Answer;
use crate::vendor::error::{Error, Unanswered};
use crate::vendor::http::{Http, HttpOptions};
use crate::vendor::value::{members, text};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::{PoisonError, RwLock};

const JSON: &str = "application/json";

/// Where and as whom to ask.
#[derive(Debug)]
pub struct ClientOptions {
    /// Where to ask.
    pub http: HttpOptions,
    /// What the mirror calls this credential: the first part of each record's key, since ids are told apart by it alone.
    pub account: String,
    /// The token; visible ASCII.
    pub token: SecretString,
    /// The word before the token; empty as the document has it.
    pub auth_scheme: String,
}

/// The vendor's API, one request at a time. Connections are kept and shared by concurrent calls.
#[derive(Debug)]
pub struct Client {
    http: Http,
    account: String,
    token: RwLock<SecretString>,
    auth_scheme: String,
    processes: Habits,
    states: Habits,
}

/// A request that changes something.
#[derive(Clone, Debug)]
pub(super) enum Write {
    Cancel(ProcessId),
    Assign(ProcessId, String),
    Unassign(ProcessId),
}

impl Client {
    /// Prepares a client; nothing is sent yet.
    ///
    /// # Errors
    /// What is wrong with an option, for a person; never the token.
    pub fn new(options: ClientOptions) -> Result<Client, String> {
        let ClientOptions { http, account, token, auth_scheme } = options;
        token::check(&token)?;
        token::check_scheme(&auth_scheme)?;
        let (http, token) = (Http::new(http)?, RwLock::new(token));
        Ok(Client { http, account, token, auth_scheme, processes: Habits::default(), states: Habits::default() })
    }

    /// Uses another token from the next request on.
    ///
    /// # Errors
    /// What is wrong with the token, never the token; the one in use stays.
    pub fn set_token(&self, token: SecretString) -> Result<(), String> {
        token::check(&token)?;
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = token;
        Ok(())
    }

    /// Whose the token in use is; where it does not tell that, which token it is.
    pub(super) fn subject(&self) -> Hash {
        let token = self.token.read().unwrap_or_else(PoisonError::into_inner);
        token::token_facts(&token).subject.unwrap_or_else(|| raw_hash(token.expose_secret().as_bytes()))
    }

    /// Who is asked, for a person.
    #[must_use]
    pub fn host(&self) -> &str {
        self.http.host()
    }

    /// One page of processes.
    pub(super) async fn processes(&self, filter: &ProcessFilter, asked: Asked) -> Result<Page, Unanswered> {
        let mut url = self.http.at(PATH);
        url.query_pairs_mut().extend_pairs(filter.query()).extend_pairs(asked.query());
        // The document sends this header with the list of processes, which has no body.
        let answer = self.send(self.http.request(Method::GET, url).header(CONTENT_TYPE, JSON)).await?;
        if is_past_the_end(&answer, asked.page) {
            return Ok(Page { records: Vec::new(), rejects: Vec::new(), total: 0, next_page: None, vendor_now: answer.vendor_stamp() });
        }
        let list = read(&answer, PROCESSES_MEMBER, asked, &self.processes)?;
        self.page(&answer, &list, asked).map_err(|what| hidden(answer.malformed(&what)).into())
    }

    fn page(&self, answer: &Answer, list: &List, asked: Asked) -> Result<Page, String> {
        let mut page =
            Page { records: Vec::new(), rejects: Vec::new(), total: list.total, next_page: None, vendor_now: answer.vendor_stamp() };
        for item in &list.items {
            let raw = decode::with_account(item.get(), &self.account)?;
            match (decode::PROCESSES.read)(&raw) {
                Ok(record) => page.records.push(record),
                Err(reason) => page.rejects.push(Reject { reason, listing: None, raw_hash: raw_hash(raw.as_bytes()), raw }),
            }
        }
        page.next_page = next_page(&self.processes, list, asked);
        Ok(page)
    }

    /// One page of the list of states, and the page that may follow it.
    pub(super) async fn states(&self, asked: Asked) -> Result<(Vec<String>, Option<u32>), Unanswered> {
        let mut url = self.http.at(STATES_PATH);
        url.query_pairs_mut().extend_pairs(asked.query());
        let answer = self.send(self.http.request(Method::GET, url)).await?;
        if is_past_the_end(&answer, asked.page) {
            return Ok((Vec::new(), None));
        }
        let list = read(&answer, STATES_MEMBER, asked, &self.states)?;
        let states: Option<Vec<String>> = list.items.iter().map(|item| state(item)).collect();
        let states = states.ok_or_else(|| hidden(answer.malformed("an element of the list names no state")))?;
        Ok((states, next_page(&self.states, &list, asked)))
    }

    /// Sends a write once; its answer, whatever its status.
    pub(super) async fn write(&self, write: &Write) -> Result<Answer, Unanswered> {
        let (method, id, below, body) = match write {
            Write::Cancel(id) => (Method::DELETE, id, "", None),
            Write::Assign(id, agent) => (Method::PUT, id, ASSIGNATION, Some(json!({ AGENT: agent }).to_string())),
            Write::Unassign(id) => (Method::DELETE, id, ASSIGNATION, None),
        };
        let request = self.http.request(method, self.http.at(&format!("{PATH}/{id}/{below}")));
        self.send(match body {
            Some(body) => request.header(CONTENT_TYPE, JSON).body(body),
            None => request,
        })
        .await
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answer, Unanswered> {
        let token = self.token.read().unwrap_or_else(PoisonError::into_inner).clone();
        let request = request.header(AUTHORIZATION, token::header(&self.auth_scheme, &token));
        let mut answer = self.http.send(request, None).await.map_err(|unanswered| match unanswered {
            Unanswered::Dead(error) => Unanswered::Dead(hidden(error)),
            Unanswered::Unsent(error) => Unanswered::Unsent(hidden(error)),
            Unanswered::Failed(error) => Unanswered::Failed(hidden(error)),
        })?;
        if !answer.status.is_success() {
            answer.body = token::without(&token, &answer.body);
        }
        Ok(answer)
    }
}

impl Asked {
    fn query(self) -> [(&'static str, String); 2] {
        [("page", self.page.to_string()), ("itemsPerPage", self.size.to_string())]
    }
}

fn read<'a>(answer: &'a Answer, name: &str, asked: Asked, habits: &Habits) -> Result<List<'a>, Error> {
    if answer.status != StatusCode::OK {
        return Err(refused(answer));
    }
    list::read(&answer.body, name, asked, habits).map_err(|what| hidden(answer.malformed(&what)))
}

fn next_page(habits: &Habits, list: &List, asked: Asked) -> Option<u32> {
    habits.next_page(asked, u32::try_from(list.items.len()).unwrap_or(u32::MAX), list.total)
}

/// The document tells neither how an empty list nor how a page past the end looks: some answer 404, some 400. A 400 to page 1 is a
/// refusal of the filters. A 404 of another shape is no answer of this API.
fn is_past_the_end(answer: &Answer, page: u32) -> bool {
    let is_none = answer.status == StatusCode::NOT_FOUND || answer.status == StatusCode::BAD_REQUEST && page > 1;
    is_none && SpotahomeRefusal::read(answer.status.as_u16(), &answer.body).is_some()
}

/// `{"state": "cancelled"}`, or the word alone.
fn state(item: &RawValue) -> Option<String> {
    let word = members(item.get()).map_or_else(|| text(item.get()), |members| text(members.get("state")?.get()))?;
    Some(word).filter(|word| !word.is_empty())
}

/// An error without what looks like a token.
fn hidden(mut error: Error) -> Error {
    error.message = token::redacted(&error.message);
    error
}

/// What an answer is that is no list of the process that was asked for.
pub(super) fn of_another() -> Error {
    Error::new(Failure::Malformed, "the vendor was asked for one process, and answered with others")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::spotahome::OfAgent;
    use std::time::Duration;

    fn client(token: &str, scheme: &str) -> Result<Client, String> {
        Client::new(ClientOptions {
            http: HttpOptions {
                base_url: "https://example.com".parse().expect("a URL"),
                timeout: Duration::from_secs(60),
                connect_timeout: Duration::from_secs(10),
                max_body: 1 << 20,
                user_agent: "mls-sync/test".to_owned(),
            },
            account: "main".to_owned(),
            token: token.into(),
            auth_scheme: scheme.to_owned(),
        })
    }

    #[test]
    fn what_is_wrong_is_told_without_the_token() {
        for (token, scheme) in [("", ""), ("top secret", ""), ("topsecret\n", ""), ("t", "topsecret "), ("t", "top.secret.x")] {
            let told = client(token, scheme).expect_err("refused");
            assert!(!told.contains("secret"), "{told}");
        }
        let client = client("aa.bb.cc", "Bearer").expect("a client");
        assert!(client.set_token("a b".into()).is_err() && client.set_token("dd.ee.ff".into()).is_ok());
        let shown = format!("{client:?}");
        assert!(!shown.contains("ee") && !shown.contains("aa.bb"), "{shown}");
    }

    #[test]
    fn parameters_are_named_as_the_document_names_them() {
        let mut filter = ProcessFilter {
            id: Some(ProcessId(111)),
            account: Some("a&b".to_owned()),
            property: Some("p".to_owned()),
            agent: Some(OfAgent::Agent("g".to_owned())),
            state: Some("waitingContent".to_owned()),
        };
        let query = |filter: &ProcessFilter| filter.query().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ");
        assert_eq!(query(&filter), "id=111 accountId=a&b propertyId=p agentId=g state=waitingContent");
        filter = ProcessFilter { agent: Some(OfAgent::Unassigned), ..ProcessFilter::default() };
        assert_eq!(query(&filter), "agentId=unassigned");
    }

    #[test]
    fn a_state_stands_in_an_object_or_alone() {
        let state = |json: &str| super::state(serde_json::from_str(json).expect("JSON"));
        assert_eq!(state(r#"{"state":"x","more":1}"#).as_deref(), Some("x"));
        assert_eq!(state(r#""x""#).as_deref(), Some("x"));
        for json in ["5", "{}", r#"{"state":5}"#, r#""""#, "null"] {
            assert_eq!(state(json), None, "{json}");
        }
    }
}
