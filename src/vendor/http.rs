//! Requests over HTTP to one host, as the client of any vendor sends them.

use super::answer::{Answer, ERROR_BODY};
use super::error::{Error, Unanswered};
use super::{body, charset};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder, Url};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The longest wait for the body of an error.
const ERROR_TIME: Duration = Duration::from_secs(2);

/// A firewall may forget a silent connection after a minute or so; what is sent on it then is answered by nobody.
const IDLE: Duration = Duration::from_secs(20);
/// How often a silent connection is asked whether it still stands.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// When a connection is given up on which nothing that is sent arrives.
#[cfg(target_os = "linux")]
const UNHEARD: Duration = Duration::from_secs(10);

/// Where to ask, and how long to wait.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Scheme, host and, if the API is mounted below one, a path. `https`, or `http` to this machine.
    pub base_url: Url,
    /// For a whole request: connecting, asking and reading the answer.
    pub timeout: Duration,
    /// For connecting alone.
    pub connect_timeout: Duration,
    /// The longest answer, in bytes after decompression.
    pub max_body: usize,
    /// Who we are, for the vendor's logs.
    pub user_agent: String,
}

/// The credential travels in a header, so nothing but TLS may carry it off this machine. The error says what is wrong with the URL.
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

/// Connections to one host, kept and shared by concurrent requests.
#[derive(Debug)]
pub(super) struct Http {
    client: reqwest::Client,
    base_url: Url,
    max_body: usize,
    timeout: Duration,
    /// Whether the last request was answered. In an outage a lost connection says nothing of the connections that were kept.
    is_well: AtomicBool,
}

impl Http {
    /// Prepares a client; nothing is sent yet. The error says what is wrong with an option.
    pub(super) fn new(options: HttpOptions) -> Result<Http, String> {
        check_url(&options.base_url)?;
        let client = client(&options)?;
        let HttpOptions { base_url, max_body, timeout, .. } = options;
        Ok(Http { client, base_url, max_body, timeout, is_well: AtomicBool::new(false) })
    }

    /// Who is asked, for a person.
    pub(super) fn host(&self) -> &str {
        self.base_url.host_str().unwrap_or_default()
    }

    /// The URL of a path below the base URL.
    pub(super) fn at(&self, path: &str) -> Url {
        let mut url = self.base_url.clone();
        let mut segments = url.path_segments_mut().expect("an http URL has a path");
        segments.pop_if_empty().extend(path.split('/').filter(|segment| !segment.is_empty()));
        drop(segments);
        url
    }

    /// Begins a request, with the headers that every request has.
    pub(super) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url).header(ACCEPT, "application/json").header(ACCEPT_ENCODING, "gzip")
    }

    /// Sends a request once and reads its answer, whatever its status. `limit` is a shorter timeout.
    pub(super) async fn send(&self, request: RequestBuilder, limit: Option<Duration>) -> Result<Answer, Unanswered> {
        let request = match limit {
            Some(limit) => request.timeout(limit.min(self.timeout)),
            None => request,
        };
        let response = request.send().await.map_err(|error| self.unanswered(error))?;
        self.is_well.store(true, Ordering::Relaxed);
        let mut answer = Answer::of(&response);
        if answer.status.is_success() {
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
        let is_unsent = error.is_connect();
        let error: Error = body::unanswered(error);
        match (is_dead, is_unsent) {
            (true, _) => Unanswered::Dead(error),
            (false, true) => Unanswered::Unsent(error),
            (false, false) => Unanswered::Failed(error),
        }
    }
}

fn client(options: &HttpOptions) -> Result<reqwest::Client, String> {
    // reqwest asks for the process's provider of cryptography; another part of the process may have set it already.
    rustls::crypto::ring::default_provider().install_default().ok();
    let builder = reqwest::Client::builder()
        .timeout(options.timeout)
        .connect_timeout(options.connect_timeout)
        .user_agent(&options.user_agent)
        // A followed redirect would carry the credential to wherever it points.
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

    #[test]
    fn a_credential_leaves_this_machine_under_tls_only() {
        let is_taken = |url: &str| check_url(&url.parse().expect("a URL")).is_ok();
        for url in [
            "https://api.example.com",
            "https://api.example.com/v1/",
            "http://127.0.0.1:80",
            "http://127.9.9.9",
            "http://[::1]:8",
            "http://localhost",
        ] {
            assert!(is_taken(url), "{url}");
        }
        for url in
            ["http://api.example.com", "http://localhost.example.com", "http://127.0.0.1.example.com", "http://10.0.0.1", "ftp://localhost"]
        {
            assert!(!is_taken(url), "{url}");
        }
        for url in ["https://user:word@example.com", "https://user@example.com", "https://example.com?a=b", "https://example.com#a"] {
            assert!(!is_taken(url), "{url}");
        }
    }
}
