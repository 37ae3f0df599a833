//! Every request of this API in its turn, within the budget of its credential.

use super::client::{Client, Write, of_another};
use super::filter::{ProcessFilter, ProcessId};
use super::list::Asked;
use super::write::{WriteOutcome, outcome, throttled};
use crate::record::{Failure, Hash, Page, Record};
use crate::vendor::error::{Error, Unanswered};
use crate::vendor::limiter::{Limiter, Priority};
use crate::vendor::turn;
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How many elements a page is asked for where the caller does not say: the document's example.
const SIZE: u32 = 100;
/// The most pages of the list of states, which has five elements in the document.
const STATE_PAGES: u32 = 20;

/// The API under one credential: every request waits its turn in the credential's budget.
#[derive(Debug)]
pub struct Spotahome {
    client: Client,
    limiter: Arc<Limiter>,
}

impl Spotahome {
    /// A client with the budget of its credential.
    #[must_use]
    pub fn new(client: Client, limiter: Limiter) -> Spotahome {
        Spotahome { client, limiter: Arc::new(limiter) }
    }

    /// Uses another token from the next request on.
    ///
    /// # Errors
    /// What is wrong with the token, never the token; the one in use stays.
    pub fn set_token(&self, token: SecretString) -> Result<(), String> {
        self.client.set_token(token)
    }

    /// Who is asked, for a person.
    #[must_use]
    pub fn host(&self) -> &str {
        self.client.host()
    }

    /// The budget of the credential.
    pub(crate) fn limiter(&self) -> &Arc<Limiter> {
        &self.limiter
    }

    /// Whose the token in use is, as a hash.
    pub(crate) fn subject(&self) -> Hash {
        self.client.subject()
    }

    /// How long the vendor still wants no request at all; `None` when it takes them.
    #[must_use]
    pub fn closed_for(&self) -> Option<Duration> {
        self.limiter.closed_for()
    }

    /// `GET /listing-processes`: one page, from 1; `None` as soon as `stop` is cancelled, whether waiting or in flight.
    ///
    /// A record's key is the account of the options and the process's id. An element that is an object without a whole id is a reject.
    /// `next_page` is named where there may be one: fewer were seen than the total, or this page is full. So the page after a full last
    /// one is asked for, and what it brings is not documented: nothing, a 404 or a 400 (both are an empty page here, of total 0, from
    /// page 2 on), or the last page once more: who reads all pages must stop at one that brings no new id. On page 1 a 404 is an empty
    /// list, and so says nothing about what was deleted.
    ///
    /// # Errors
    /// `Unauthorized` (401, 403), `Throttled` (429, or 503 with a time; has already closed the gate for everybody), `Unavailable` (no
    /// answer, 5xx, HTML with a 4xx, a redirect), `Refused` (any other 4xx), `Malformed` (a 200 that is no page: no JSON, no whole
    /// total, a `count` that is neither the number of elements nor the size asked for, more elements than asked for).
    pub async fn processes(
        &self,
        filter: &ProcessFilter,
        page: u32,
        items_per_page: u32,
        stop: &CancellationToken,
    ) -> Option<Result<Page, Error>> {
        let asked = Asked { page, size: items_per_page };
        turn::reading(&self.limiter, Priority::Fill, stop, || self.client.processes(filter, asked)).await
    }

    /// One process, by the list with `id=`, since the document has no other way; the inner `None` when the vendor says that there is
    /// none, by an empty list or a 404, and says so of cancelled ones, too: whether a list without `state=` holds them is not
    /// documented. The outer one as soon as `stop` is cancelled.
    ///
    /// # Errors
    /// As [`Spotahome::processes`]; `Malformed` too where the answer holds other processes.
    pub async fn process(&self, id: ProcessId, stop: &CancellationToken) -> Option<Result<Option<Record>, Error>> {
        let found = self.one(id, ProcessFilter::default(), stop).await?;
        if !matches!(found, Ok(None)) {
            return Some(found);
        }
        Some(match self.one(id, ProcessFilter::cancelled(), stop).await? {
            // Who does not take both filters has answered the first.
            Err(Error { failure: Failure::Refused, .. }) => Ok(None),
            found => found,
        })
    }

    async fn one(&self, id: ProcessId, of: ProcessFilter, stop: &CancellationToken) -> Option<Result<Option<Record>, Error>> {
        let filter = ProcessFilter { id: Some(id), ..of };
        let asked = Asked { page: 1, size: SIZE };
        let page = turn::reading(&self.limiter, Priority::Poll, stop, || self.client.processes(&filter, asked)).await?;
        Some(page.and_then(|page| only(id, page)))
    }

    /// `GET /listing-processes/states`: the words of all pages, each once, in the order of the vendor; `None` as soon as `stop` is
    /// cancelled.
    ///
    /// # Errors
    /// As [`Spotahome::processes`]; `Malformed` too where the list does not end within 20 pages.
    pub async fn states(&self, stop: &CancellationToken) -> Option<Result<Vec<String>, Error>> {
        let mut states: Vec<String> = Vec::new();
        let mut page = 1;
        while page <= STATE_PAGES {
            let asked = Asked { page, size: SIZE };
            let (words, next) = match turn::reading(&self.limiter, Priority::Poll, stop, || self.client.states(asked)).await? {
                Ok(read) => read,
                Err(error) => return Some(Err(error)),
            };
            let known = states.len();
            words.into_iter().for_each(|word| {
                if !states.contains(&word) {
                    states.push(word)
                }
            });
            // The page after the last may be the last once more.
            match next.filter(|_| states.len() > known) {
                Some(next) => page = next,
                None => return Some(Ok(states)),
            }
        }
        Some(Err(Error::new(Failure::Malformed, &format!("the list of states goes on after {STATE_PAGES} pages"))))
    }

    /// `DELETE /listing-processes/{id}`: cancels a process. Nothing in this API takes that back. Sent once, whatever happens.
    ///
    /// `None` where `stop` was cancelled before the request was sent.
    ///
    /// # Errors
    /// The request has certainly not left: no connection.
    pub async fn cancel(&self, id: ProcessId, stop: &CancellationToken) -> Option<Result<WriteOutcome, Error>> {
        self.write(Write::Cancel(id), stop).await
    }

    /// `PUT /listing-processes/{id}/assignation`: gives a process to an agent, whoever had it. Sent once, whatever happens.
    ///
    /// `None` where `stop` was cancelled before the request was sent.
    ///
    /// # Errors
    /// As [`Spotahome::cancel`].
    pub async fn assign(&self, id: ProcessId, agent: &str, stop: &CancellationToken) -> Option<Result<WriteOutcome, Error>> {
        self.write(Write::Assign(id, agent.to_owned()), stop).await
    }

    /// `DELETE /listing-processes/{id}/assignation`: takes a process from its agent, whoever that is. Sent once, whatever happens.
    ///
    /// `None` where `stop` was cancelled before the request was sent.
    ///
    /// # Errors
    /// As [`Spotahome::cancel`].
    pub async fn unassign(&self, id: ProcessId, stop: &CancellationToken) -> Option<Result<WriteOutcome, Error>> {
        self.write(Write::Unassign(id), stop).await
    }

    async fn write(&self, write: Write, stop: &CancellationToken) -> Option<Result<WriteOutcome, Error>> {
        let mut told = None;
        let request = async {
            // Whatever ends the request from here on, the vendor may have it.
            told = Some(WriteOutcome::Unknown("stopped before the answer came".to_owned()));
            let answer = self.client.write(&write).await?;
            told = Some(outcome(&answer));
            throttled(&answer).map_or(Ok(()), |error| Err(Unanswered::Failed(error)))
        };
        let sent = turn::once(&self.limiter, Priority::Poll, stop, request).await;
        match (sent, told) {
            // The answer was read, and asks to wait.
            (Some(Err(Unanswered::Failed(Error { failure: Failure::Throttled { .. }, .. }))), told) => told.map(Ok),
            (Some(Err(Unanswered::Unsent(error))), _) => Some(Err(error)),
            (Some(Err(unanswered)), _) => Some(Ok(WriteOutcome::Unknown(Error::from(unanswered).message))),
            (Some(Ok(())) | None, told) => told.map(Ok),
        }
    }
}

/// The record of a page that was asked for by its id.
fn only(id: ProcessId, page: Page) -> Result<Option<Record>, Error> {
    let is_empty = page.records.is_empty() && page.rejects.is_empty();
    let found = page.records.into_iter().find(|record| record.key.listing.0 == id.to_string());
    if found.is_none() && !is_empty { Err(of_another()) } else { Ok(found) }
}
