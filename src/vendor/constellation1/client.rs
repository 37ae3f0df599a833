//! One signed request over HTTP.

use super::answer::{Answer, ERROR_BODY};
use super::call::Call;
use super::fields::services::{GET_LISTING_DETAIL, SYNC_LISTINGS};
use super::items::{self, Items};
use super::{auth, body, charset, wire};
use crate::record::{Failure, FeedId, Field, ListingId, Page, PageRequest, Record, Stamp, Stream};
use crate::vendor::error::{Error, Unanswered};
use chrono::Utc;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap};
use reqwest::{RequestBuilder, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

/// The longest wait for the body of an error.
const ERROR_TIME: Duration = Duration::from_secs(2);

/// The longest wait for the answer of a call that a person or another program makes.
const CALL: Duration = Duration::from_secs(30);

/// A firewall may forget a silent connection after a minute or so; what is sent on it then is answered by nobody.
const IDLE: Duration = Duration::from_secs(20);
/// How often a silent connection is asked whether it still stands.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// When a connection is given up on which nothing that is sent arrives.
#[cfg(target_os = "linux")]
const UNHEARD: Duration = Duration::from_secs(10);

/// Where and as whom to ask.
#[derive(Debug)]
pub struct ClientOptions {
    /// Scheme, host and, if the API is mounted below one, a path. `https`, or `http` to this machine.
    pub base_url: Url,
    /// The client's name at the vendor; visible ASCII.
    pub client: String,
    /// The system access key; visible ASCII.
    pub key: SecretString,
    /// For a whole request: connecting, asking and reading the answer.
    pub timeout: Duration,
    /// For connecting alone.
    pub connect_timeout: Duration,
    /// The longest answer, in bytes after decompression.
    pub max_body: usize,
    /// Who we are, for the vendor's logs.
    pub user_agent: String,
}

impl ClientOptions {
    /// The key travels in a header, so nothing but TLS may carry it off this machine.
    pub(crate) fn check_url(url: &Url) -> Result<(), String> {
        let is_safe = url.scheme() == "https" || url.scheme() == "http" && is_loopback(url);
        if !is_safe {
            return Err("the base URL must begin with https:// (http:// is for this machine, as http://127.0.0.1)".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the base URL holds a user or a password; the credential has its own settings".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("the base URL must end with its path: no ? and no #".to_owned());
        }
        Ok(())
    }

    /// The client's name stands in a header, as the key does.
    pub(crate) fn check_client(name: &str) -> Result<(), String> {
        auth::check("client name", name)
    }
}

/// The vendor's API, one request at a time. Connections are kept and shared by concurrent calls.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    base_url: Url,
    client: String,
    key: RwLock<SecretString>,
    max_body: usize,
    timeout: Duration,
    /// Whether the last request was answered. In an outage a lost connection says nothing of the connections that were kept.
    is_well: AtomicBool,
}

impl Client {
    /// Prepares a client; nothing is sent yet.
    ///
    /// # Errors
    /// What is wrong with an option, for a person; never the key.
    pub fn new(options: ClientOptions) -> Result<Client, String> {
        ClientOptions::check_url(&options.base_url)?;
        ClientOptions::check_client(&options.client)?;
        auth::check("system access key", options.key.expose_secret())?;
        let http = http(&options)?;
        let ClientOptions { base_url, client, key, max_body, timeout, .. } = options;
        Ok(Client { http, base_url, client, key: RwLock::new(key), max_body, timeout, is_well: AtomicBool::new(false) })
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
        self.base_url.host_str().unwrap_or_default()
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
        let answer = self.send(self.http.get(self.page_url(request)), limit).await?;
        answer.refused()?;
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
        let answer = self.send(self.http.get(self.detail_url(feed, listing)), None).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        answer.refused()?;
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
        let mut url = self.at(call.path());
        let request = match call.body() {
            Some(body) => self.http.post(url).header(CONTENT_TYPE, "application/json").body(body),
            None => {
                url.query_pairs_mut().extend_pairs(call.query());
                self.http.get(url)
            }
        };
        let answer = self.send(request, Some(CALL)).await?;
        let may_not = format!("or this credential may not use {}", call.service());
        answer.refused().map_err(|error| if error.failure == Failure::Unauthorized { error.and(&may_not) } else { error })?;
        Ok(answer)
    }

    /// `PageSize` is not a documented parameter, so the vendor's own (200) is left as it is.
    fn page_url(&self, request: &PageRequest) -> Url {
        let mut url = self.at(SYNC_LISTINGS.path);
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
        let mut url = self.at(GET_LISTING_DETAIL.path);
        url.query_pairs_mut().append_pair("FeedId", &feed.0).append_pair("ListingId", &listing.0);
        url
    }

    /// Spelled with the capitals of the vendor's document: whether the vendor accepts others is not known.
    fn at(&self, path: &str) -> Url {
        let mut url = self.base_url.clone();
        let mut segments = url.path_segments_mut().expect("an http URL has a path");
        segments.pop_if_empty().extend(path.split('/').filter(|segment| !segment.is_empty()));
        drop(segments);
        url
    }

    async fn send(&self, request: RequestBuilder, limit: Option<Duration>) -> Result<Answer, Unanswered> {
        let mut request = request.headers(self.signed()).header(ACCEPT, "application/json").header(ACCEPT_ENCODING, "gzip");
        if let Some(limit) = limit {
            request = request.timeout(limit.min(self.timeout));
        }
        let response = request.send().await.map_err(|error| self.unanswered(error))?;
        self.is_well.store(true, Ordering::Relaxed);
        let mut answer = Answer::of(&response);
        if answer.status == StatusCode::OK {
            let body = body::whole(response, self.max_body).await.map_err(|error| error.at(answer.vendor_stamp()))?;
            answer.body = charset::in_utf8(body, answer.header(CONTENT_TYPE)).map_err(|what| answer.malformed(&what))?;
        } else {
            // The words of a 429 must not hold the gate open.
            let words = body::beginning(response, ERROR_BODY.min(self.max_body));
            answer.body = tokio::time::timeout(ERROR_TIME, words).await.unwrap_or_default();
        }
        Ok(answer)
    }

    fn unanswered(&self, error: reqwest::Error) -> Unanswered {
        let is_dead = self.is_well.swap(false, Ordering::Relaxed) && body::is_lost(&error);
        let error = body::unanswered(error);
        if is_dead { Unanswered::Dead(error) } else { Unanswered::Failed(error) }
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

fn http(options: &ClientOptions) -> Result<reqwest::Client, String> {
    // reqwest asks for the process's provider of cryptography; another part of the process may have set it already.
    rustls::crypto::ring::default_provider().install_default().ok();
    let builder = reqwest::Client::builder()
        .timeout(options.timeout)
        .connect_timeout(options.connect_timeout)
        .user_agent(&options.user_agent)
        // A followed redirect would carry the key to wherever it points.
        .redirect(reqwest::redirect::Policy::none())
        .pool_idle_timeout(IDLE)
        .tcp_keepalive(KEEPALIVE)
        .tcp_keepalive_interval(KEEPALIVE)
        .referer(false);
    // The environment's proxy is for the world outside; it would not even reach this machine's loopback.
    let builder = if is_loopback(&options.base_url) { builder.no_proxy() } else { builder };
    #[cfg(target_os = "linux")]
    let builder = builder.tcp_user_timeout(UNHEARD);
    builder.build().map_err(|error| format!("cannot set up HTTP: {}", body::causes(error)))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Stream, Window};

    fn client(base_url: &str, name: &str, key: &str) -> Result<Client, String> {
        Client::new(ClientOptions {
            base_url: base_url.parse().expect("a URL"),
            client: name.to_owned(),
            key: key.into(),
            timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            max_body: 1 << 20,
            user_agent: "mls-sync/test".to_owned(),
        })
    }

    #[test]
    fn the_key_leaves_this_machine_under_tls_only() {
        for url in [
            "https://api.example.com",
            "https://api.example.com/v1/",
            "http://127.0.0.1:80",
            "http://127.9.9.9",
            "http://[::1]:8",
            "http://localhost",
        ] {
            assert!(client(url, "c", "k").is_ok(), "{url}");
        }
        for url in
            ["http://api.example.com", "http://localhost.example.com", "http://127.0.0.1.example.com", "http://10.0.0.1", "ftp://localhost"]
        {
            assert!(client(url, "c", "k").is_err(), "{url}");
        }
        for url in ["https://user:word@example.com", "https://user@example.com", "https://example.com?a=b", "https://example.com#a"] {
            assert!(client(url, "c", "k").is_err(), "{url}");
        }
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
