//! One signed request over HTTP.

use super::call::Call;
use super::fields::services::{GET_LISTING_DETAIL, SYNC_LISTINGS};
use super::items::{self, Items};
use super::{auth, refusal, wire};
use crate::record::{Failure, FeedId, Field, ListingId, Page, PageRequest, Record, Stamp, Stream};
use crate::vendor::answer::Answer;
use crate::vendor::error::{Error, Unanswered};
use crate::vendor::http::{Http, HttpOptions};
use chrono::Utc;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

/// The longest wait for the answer of a call that a person or another program makes.
const CALL: Duration = Duration::from_secs(30);

/// Where and as whom to ask.
#[derive(Debug)]
pub struct ClientOptions {
    /// Where to ask.
    pub http: HttpOptions,
    /// The client's name at the vendor; visible ASCII.
    pub client: String,
    /// The system access key; visible ASCII.
    pub key: SecretString,
}

impl ClientOptions {
    /// The client's name stands in a header, as the key does.
    pub(crate) fn check_client(name: &str) -> Result<(), String> {
        auth::check("client name", name)
    }
}

/// The vendor's API, one request at a time. Connections are kept and shared by concurrent calls.
#[derive(Debug)]
pub struct Client {
    http: Http,
    client: String,
    key: RwLock<SecretString>,
}

impl Client {
    /// Prepares a client; nothing is sent yet.
    ///
    /// # Errors
    /// What is wrong with an option, for a person; never the key.
    pub fn new(options: ClientOptions) -> Result<Client, String> {
        let ClientOptions { http, client, key } = options;
        ClientOptions::check_client(&client)?;
        auth::check("system access key", key.expose_secret())?;
        Ok(Client { http: Http::new(http)?, client, key: RwLock::new(key) })
    }

    /// Uses another key from the next request on.
    ///
    /// # Errors
    /// What is wrong with the key, never the key; the one in use stays.
    pub fn set_key(&self, key: SecretString) -> Result<(), String> {
        auth::check("system access key", key.expose_secret())?;
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = key;
        Ok(())
    }

    /// Who is asked, for a person.
    pub(in crate::vendor) fn host(&self) -> &str {
        self.http.host()
    }

    /// Asks for one page of SyncListings.
    ///
    /// # Errors
    /// Every [`Failure`], with the vendor's words.
    pub async fn sync_listings(&self, request: &PageRequest) -> Result<Page, Error> {
        Ok(self.page(request, None).await?)
    }

    /// `limit` gives it up earlier than usual.
    pub(in crate::vendor) async fn page(&self, request: &PageRequest, limit: Option<Duration>) -> Result<Page, Unanswered> {
        let answer = self.send(self.get(self.page_url(request)), limit).await?;
        refusal::refused(&answer)?;
        let mut page = wire::page(&answer.body).map_err(|what| answer.malformed(&what))?;
        page.records.iter_mut().for_each(|record| name_as_asked(&mut record.key.feed, &request.feeds));
        Ok(Page { vendor_now: answer.vendor_stamp(), ..page })
    }

    /// Asks for one listing; `None` when the vendor does not have it. Whether it still has deleted ones is not documented.
    ///
    /// # Errors
    /// Every [`Failure`], with the vendor's words. A record of another listing is `Malformed`; an answer without one is
    /// `Refused`.
    pub async fn listing_detail(&self, feed: &FeedId, listing: &ListingId) -> Result<Option<Record>, Error> {
        Ok(self.listing(feed, listing).await?)
    }

    pub(in crate::vendor) async fn listing(&self, feed: &FeedId, listing: &ListingId) -> Result<Option<Record>, Unanswered> {
        let answer = self.send(self.get(self.detail_url(feed, listing)), None).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        refusal::refused(&answer)?;
        let record = wire::detail(&answer.body).map_err(|what| answer.malformed(&what))?;
        match record {
            Some(record) if !is_asked_for(&record, feed, listing) => Err(answer.malformed("the answer is another listing").into()),
            Some(mut record) => {
                record.key.feed = feed.clone();
                Ok(Some(record))
            }
            // Only 404 is documented as "does not exist"; nothing at all is no evidence.
            None => Err(Error::new(Failure::Refused, "the vendor answered with nothing").into()),
        }
    }

    /// Calls a service that lists.
    pub(in crate::vendor) async fn items(&self, call: &Call, fields: &'static [Field]) -> Result<Items, Unanswered> {
        let answer = self.call(call).await?;
        let items = items::items(&answer.body, fields).map_err(|what| answer.malformed(&what))?;
        Ok(Items { vendor_now: answer.vendor_stamp(), ..items })
    }

    /// Calls any service; its answer as sent, or mended where it is no JSON.
    pub(in crate::vendor) async fn json(&self, call: &Call) -> Result<String, Unanswered> {
        let answer = self.call(call).await?;
        Ok(wire::json(&answer.body).map_err(|what| answer.malformed(&what))?)
    }

    async fn call(&self, call: &Call) -> Result<Answer, Unanswered> {
        let mut url = self.http.at(call.path());
        let request = match call.body() {
            Some(body) => self.http.request(Method::POST, url).header(CONTENT_TYPE, "application/json").body(body),
            None => {
                url.query_pairs_mut().extend_pairs(call.query());
                self.get(url)
            }
        };
        let answer = self.send(request, Some(CALL)).await?;
        let may_not = format!("or this credential may not use {}", call.service());
        refusal::refused(&answer).map_err(|error| if error.failure == Failure::Unauthorized { error.and(&may_not) } else { error })?;
        Ok(answer)
    }

    fn get(&self, url: Url) -> RequestBuilder {
        self.http.request(Method::GET, url)
    }

    /// Spelled with the capitals of the vendor's document: whether the vendor accepts others is not known. `PageSize` is not a documented parameter, so the vendor's own (200) is left as it is.
    fn page_url(&self, request: &PageRequest) -> Url {
        let mut url = self.http.at(SYNC_LISTINGS.path);
        let mut query = url.query_pairs_mut();
        query.extend_pairs(request.feeds.iter().map(|feed| ("FeedIdList", &feed.0)));
        query.append_pair("FromUpdatedDate", &request.window.from.to_wire());
        // Without an end the vendor answers up to its own clock.
        if request.window.to < Stamp::NO_END {
            query.append_pair("ToUpdatedDate", &request.window.to.to_wire());
        }
        query.append_pair("Status", &status(request.stream).to_string());
        query.append_pair("Page", &request.page.to_string());
        drop(query);
        url
    }

    fn detail_url(&self, feed: &FeedId, listing: &ListingId) -> Url {
        let mut url = self.http.at(GET_LISTING_DETAIL.path);
        url.query_pairs_mut().append_pair("FeedId", &feed.0).append_pair("ListingId", &listing.0);
        url
    }

    async fn send(&self, request: RequestBuilder, limit: Option<Duration>) -> Result<Answer, Unanswered> {
        self.http.send(request.headers(self.signed()), limit).await
    }

    /// Signed anew for every attempt, since nobody knows how old a timestamp the vendor accepts.
    fn signed(&self) -> HeaderMap {
        let key = self.key.read().unwrap_or_else(PoisonError::into_inner);
        auth::headers(&self.client, &key, Utc::now())
    }
}

/// The value of the `Status` parameter. The numbers of streams in the file are the same, because this vendor was the first.
fn status(stream: Stream) -> u8 {
    match stream {
        Stream::All => 0,
        Stream::Active => 1,
        Stream::Sold => 2,
        Stream::Deleted => 3,
    }
}

/// A feed may be asked for in another case than the vendor writes it: its records are the feed's own, under the name that
/// was asked for.
fn name_as_asked(feed: &mut FeedId, asked: &[FeedId]) {
    if !asked.contains(feed)
        && let Some(asked) = asked.iter().find(|asked| asked.is(feed))
    {
        *feed = asked.clone();
    }
}

fn is_asked_for(record: &Record, feed: &FeedId, listing: &ListingId) -> bool {
    record.key.feed.is(feed) && record.key.listing.0.eq_ignore_ascii_case(&listing.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Stream, Window};

    fn client(base_url: &str, name: &str, key: &str) -> Result<Client, String> {
        Client::new(ClientOptions {
            http: HttpOptions {
                base_url: base_url.parse().expect("a URL"),
                timeout: Duration::from_secs(60),
                connect_timeout: Duration::from_secs(10),
                max_body: 1 << 20,
                user_agent: "mls-sync/test".to_owned(),
            },
            client: name.to_owned(),
            key: key.into(),
        })
    }

    #[test]
    fn what_is_wrong_is_told_without_the_key() {
        for (name, key) in [("", "k"), ("c", ""), ("c", "top secret"), ("c", "topsecret\n"), ("c d", "topsecret")] {
            let told = client("https://example.com", name, key).expect_err("refused");
            assert!(!told.contains("secret"), "{told}");
        }
        let client = client("https://example.com", "c", "topsecret").expect("a client");
        assert!(client.set_key("a b".into()).is_err());
        assert!(client.set_key("ab".into()).is_ok());
        assert!(!format!("{client:?}").contains("ab\""));
    }

    #[test]
    fn a_request_is_spelled_as_the_document_spells_it() {
        let from = Stamp::parse("2026-05-01T00:00:00").expect("a stamp");
        let to = Stamp::parse("2026-05-01T11:15:39.8370001").expect("a stamp");
        let feeds = vec![FeedId("GAMLS".to_owned()), FeedId("A&B".to_owned())];
        let mut request = PageRequest { feeds, stream: Stream::Deleted, window: Window { from, to }, page: 2 };
        let client = client("https://example.com/base/", "c", "k").expect("a client");
        let rest = "FromUpdatedDate=2026-05-01T00%3A00%3A00.000&ToUpdatedDate=2026-05-01T11%3A15%3A39.837&Status=3&Page=2";
        let start = "https://example.com/base/services/partner/SyncListings";
        assert_eq!(client.page_url(&request).as_str(), format!("{start}?FeedIdList=GAMLS&FeedIdList=A%26B&{rest}"));
        request.feeds.clear();
        assert_eq!(client.page_url(&request).as_str(), format!("{start}?{rest}"));
    }
}
