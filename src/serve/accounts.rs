//! Who may ask how often.

use super::connections::PATIENCE;
use axum::http::HeaderMap;
use chrono::NaiveDateTime;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota};
use md5::{Digest, Md5};
use secrecy::{ExposeSecret, SecretString};
use std::num::NonZeroU32;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// A client, as the configuration has it.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) client: String,
    pub(crate) key: SecretString,
    /// The feeds that it may see; `None` for all.
    pub(crate) feeds: Option<Vec<String>>,
    /// It is shown only what may be displayed.
    pub(crate) public: bool,
}

impl Account {
    /// Whether it may see a feed. As everywhere, the case of the letters does not matter.
    pub(super) fn sees(&self, feed: &str) -> bool {
        self.feeds.as_ref().is_none_or(|feeds| feeds.iter().any(|seen| seen.eq_ignore_ascii_case(feed)))
    }
}

struct Client {
    account: Account,
    limiter: DefaultDirectRateLimiter,
    /// Questions that it may ask of the file at the same time.
    turns: Semaphore,
}

/// The clients with their rates.
pub(super) struct Accounts(Vec<Client>);

impl Accounts {
    /// Each may ask so often. A second's worth of requests may come at once. One of the connections to the file is left to the others.
    pub(super) fn new(accounts: Vec<Account>, requests_per_second: f64, connections: usize) -> Accounts {
        let period = Duration::from_secs_f64(1.0 / requests_per_second);
        let burst = NonZeroU32::new(requests_per_second.ceil() as u32).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(period).expect("the configuration allows no rate of zero").allow_burst(burst);
        let client = |account| Client {
            account,
            limiter: DefaultDirectRateLimiter::direct(quota),
            turns: Semaphore::new(connections.saturating_sub(1).max(1)),
        };
        Accounts(accounts.into_iter().map(client).collect())
    }

    /// Whose request this is; `None` where anything of its signature is wrong. The document names no limit for the age of a timestamp,
    /// and there is none here.
    pub(super) fn authenticated(&self, headers: &HeaderMap) -> Option<&Account> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (auth, timestamp) = (header("ml-auth")?, header("x-ml-timestamp")?);
        NaiveDateTime::parse_from_str(timestamp, "%Y%m%d%H%M%S").ok()?;
        let (named, _) = auth.strip_prefix("client=")?.split_once('&')?;
        let account = &self.0.iter().find(|client| client.account.client == named)?.account;
        is_signed(account, auth, timestamp).then_some(account)
    }

    /// Waits until a client may ask the file; nothing where that takes too long.
    pub(super) async fn turn(&self, client: &str) -> Option<SemaphorePermit<'_>> {
        let turns = &self.0.iter().find(|known| known.account.client == client)?.turns;
        timeout(PATIENCE, turns.acquire()).await.ok()?.ok()
    }

    /// Counts a request; the error is how long to wait until one is taken.
    pub(super) fn take(&self, client: &str) -> Result<(), Duration> {
        let Some(client) = self.0.iter().find(|known| known.account.client == client) else { return Ok(()) };
        client.limiter.check().map_err(|refused| refused.wait_time_from(DefaultClock::default().now()))
    }
}

fn is_signed(Account { client, key, .. }: &Account, auth: &str, timestamp: &str) -> bool {
    let key = key.expose_secret();
    let digest = Md5::digest(format!("{client} {key} x-ml-timestamp:{timestamp}"));
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let claimed = format!("client={client}&systemaccesskey={key}&signature=");
    let Some((sent, signature)) = auth.split_at_checked(claimed.len()) else { return false };
    // Both are compared, whatever the first says.
    is_same(sent, &claimed) & is_same(&signature.to_ascii_lowercase(), &digits)
}

/// Compares in a time that does not tell where the two differ.
fn is_same(one: &str, other: &str) -> bool {
    let difference = one.bytes().zip(other.bytes()).fold(0, |difference, (a, b)| difference | (a ^ b));
    one.len() == other.len() && difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "87df3ca4afe5ee4cf64a2c74edb35363sdfe2d2d3sd";

    fn accounts(rate: f64) -> Accounts {
        let account = Account { client: "MyClient".to_owned(), key: KEY.into(), feeds: None, public: false };
        Accounts::new(vec![account], rate, 4)
    }

    /// Whether these headers are taken for the client's.
    fn check(auth: &str, timestamp: &str, expected: bool) {
        let mut headers = HeaderMap::new();
        headers.insert("ml-auth", auth.parse().expect("a header"));
        headers.insert("x-ml-timestamp", timestamp.parse().expect("a header"));
        assert_eq!(accounts(1.0).authenticated(&headers).is_some(), expected, "{auth} {timestamp}");
    }

    #[test]
    fn only_the_signature_of_the_document_in_digits_of_either_case_is_taken() {
        let signed = |client: &str, key: &str, signature: &str| format!("client={client}&systemaccesskey={key}&signature={signature}");
        let (time, digest) = ("20180212101522", "d3f2877968ef28814e56d049dd06c618");
        check(&signed("MyClient", KEY, digest), time, true);
        check(&signed("MyClient", KEY, &digest.to_uppercase()), time, true);
        check(&signed("MyClient", KEY, digest), "20180212101523", false);
        check(&signed("MyClient", KEY, digest), "noon", false);
        check(&signed("Myclient", KEY, digest), time, false);
        check(&signed("MyClient", &KEY.to_uppercase(), digest), time, false);
        check(&signed("MyClient", KEY, &digest[1..]), time, false);
        check(&signed("MyClient", KEY, &format!("{digest}0")), time, false);
        check(&signed("MyClient", "", digest), time, false);
        check("client=MyClient", time, false);
        assert!(accounts(1.0).authenticated(&HeaderMap::new()).is_none());
    }

    #[test]
    fn a_second_of_requests_may_come_at_once_and_the_next_is_told_how_long_to_wait() {
        let accounts = accounts(2.0);
        assert_eq!((accounts.take("MyClient"), accounts.take("MyClient")), (Ok(()), Ok(())));
        let wait = accounts.take("MyClient").expect_err("too many");
        assert!(wait > Duration::ZERO && wait <= Duration::from_millis(500), "{wait:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_client_never_holds_every_connection() {
        let accounts = accounts(1.0);
        let turns = [accounts.turn("MyClient").await, accounts.turn("MyClient").await, accounts.turn("MyClient").await];
        assert!(turns.iter().all(Option::is_some) && accounts.turn("MyClient").await.is_none());
        drop(turns);
        assert!(accounts.turn("MyClient").await.is_some());
    }

    #[test]
    fn no_key_is_shown() {
        let account = Account { client: "C".to_owned(), key: KEY.into(), feeds: None, public: false };
        assert!(!format!("{account:?}").contains(KEY));
    }
}
