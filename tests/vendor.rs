//! The client against a server that answers in every way a vendor may.

use flate2::{Compression, write::GzEncoder};
use mls_sync::record::{Failure, FeedId, ListingId, Page, PageRequest, Stamp, Stream, Window};
use mls_sync::vendor::constellation1::{Client, ClientOptions};
use mls_sync::vendor::{Error, HttpOptions, Limiter, LimiterOptions, Priority, Vendor};
use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const PAGE: &str =
    r#"{"Results":[{"FeedId":"GAMLS","ListingId":"1","MlsUpdateDate":"2026-05-01T00:00:00"},5],"Total":7,"Count":2,"NextPage":2}"#;
const KEY: &str = "verysecretkey";
const OPTIONS: LimiterOptions =
    LimiterOptions { requests_per_second: 1000.0, max_in_flight: 1, requests_per_hour: None, requests_per_day: None };
const MAX_BODY: usize = 100_000;

/// A server that sends these bytes, then closes the connection (or keeps it open in silence), and tells what it was asked.
struct Server {
    address: SocketAddr,
    requests: mpsc::UnboundedReceiver<String>,
}

impl Server {
    async fn start(answer: Vec<u8>, stay_silent: bool) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (heard, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                let mut chunk = [0; 4096];
                while !head.ends_with(b"\r\n\r\n") {
                    let read = stream.read(&mut chunk).await.expect("a request");
                    head.extend_from_slice(&chunk[..read]);
                }
                heard.send(String::from_utf8(head).expect("ASCII")).ok();
                stream.write_all(&answer).await.ok();
                if stay_silent {
                    std::future::pending::<()>().await;
                }
            }
        });
        Server { address, requests }
    }

    async fn answering(answer: impl Into<Vec<u8>>) -> Server {
        Server::start(answer.into(), false).await
    }

    fn client(&self) -> Client {
        let options = ClientOptions {
            http: HttpOptions {
                base_url: format!("http://{}", self.address).parse().expect("a URL"),
                timeout: Duration::from_millis(500),
                connect_timeout: Duration::from_millis(500),
                max_body: MAX_BODY,
                user_agent: "mls-sync/test".to_owned(),
            },
            client: "MyClient".to_owned(),
            key: KEY.into(),
        };
        Client::new(options).expect("a client")
    }

    fn vendor(&self) -> Vendor {
        Vendor::new(self.client(), Limiter::new(OPTIONS))
    }
}

fn request() -> PageRequest {
    let stamp = |text| Stamp::parse(text).expect("a stamp");
    let window = Window { from: stamp("2026-05-01T12:00:00"), to: stamp("2026-05-02T11:15:39.837") };
    let feeds = vec![FeedId("GAMLS".to_owned()), FeedId("NWMLS".to_owned())];
    PageRequest { feeds, stream: Stream::Active, window, page: 3 }
}

fn http(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    answer
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).expect("memory");
    encoder.finish().expect("memory")
}

async fn error(answer: Vec<u8>) -> Error {
    let server = Server::answering(answer).await;
    let error = server.client().sync_listings(&request()).await.expect_err("no page");
    assert!(!error.to_string().contains(KEY), "{error}");
    error
}

async fn check(answer: Vec<u8>, failure: Failure, words: &str) {
    let error = error(answer).await;
    assert_eq!(error.failure, failure, "{error}");
    assert!(error.message.contains(words), "{error}");
}

#[tokio::test]
async fn a_page_is_asked_for_and_read() {
    let date = "date: Wed, 01 Jul 2026 12:00:30 GMT\r\ncontent-type: application/json\r\n";
    let mut server = Server::answering(http("200 OK", date, PAGE)).await;
    let page = server.client().sync_listings(&request()).await.expect("a page");
    assert_eq!((page.records.len(), page.rejects.len(), page.total, page.next_page), (1, 1, 7, Some(2)));
    assert_eq!(page.vendor_now, Stamp::parse("2026-07-01T12:00:30"));

    let head = server.requests.recv().await.expect("a request");
    let path = "/services/partner/SyncListings?FeedIdList=GAMLS&FeedIdList=NWMLS&FromUpdatedDate=2026-05-01T12%3A00%3A00.000\
                &ToUpdatedDate=2026-05-02T11%3A15%3A39.837&Status=1&Page=3";
    assert_eq!(head.lines().next(), Some(format!("GET {path} HTTP/1.1").as_str()));
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned));
    let timestamp = header("x-ml-timestamp").expect("a timestamp");
    assert!(timestamp.len() == 14 && timestamp.bytes().all(|byte| byte.is_ascii_digit()), "{timestamp}");
    let auth = header("ml-auth").expect("a signature");
    let signature = auth.strip_prefix("client=MyClient&systemaccesskey=verysecretkey&signature=").expect("the three parts");
    assert!(signature.len() == 32 && signature.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{signature}");
    assert_eq!(header("accept").as_deref(), Some("application/json"));
    assert_eq!(header("accept-encoding").as_deref(), Some("gzip"));
    assert_eq!(header("user-agent").as_deref(), Some("mls-sync/test"));
}

async fn read(headers: &str, body: impl AsRef<[u8]>) -> Page {
    let server = Server::answering(http("200 OK", headers, body)).await;
    server.client().sync_listings(&request()).await.unwrap_or_else(|error| panic!("{headers}: {error}"))
}

#[tokio::test]
async fn the_charset_of_the_header_is_honoured_or_the_page_is_refused() {
    let body = b"{\"Results\":[{\"FeedId\":\"GAMLS\",\"ListingId\":\"1\",\"City\":\"Ca\xf1on 5\x92\"}],\"Total\":1}";
    let page = read("content-type: application/json; charset=windows-1252\r\n", body).await;
    assert!(page.records[0].raw.contains("Cañon 5’"), "{}", page.records[0].raw);
    let unknown = http("200 OK", "content-type: application/json; charset=x-unheard-of\r\n", body);
    check(unknown, Failure::Malformed, "charset \"x-unheard-of\" is not known").await;
}

#[tokio::test]
async fn a_page_that_something_on_the_way_has_unpacked_is_a_page() {
    assert_eq!(read("content-encoding: gzip\r\n", PAGE).await.total, 7);
}

#[tokio::test]
async fn gzip_without_its_header_is_unpacked_within_the_limit() {
    assert_eq!(read("", gzip(PAGE.as_bytes())).await.total, 7);
    check(http("200 OK", "", gzip(&vec![b' '; MAX_BODY + 1])), Failure::Malformed, "limit").await;
    let cut = gzip(PAGE.as_bytes());
    check(http("200 OK", "", &cut[..cut.len() / 2]), Failure::Malformed, "cannot be unpacked").await;
}

#[tokio::test]
async fn a_429_in_a_200_closes_the_gate() {
    let body = r#"{"ExceptionType":"TooManyRequests","Message":"Too many requests. Api will be available in 20.5 seconds","ErrorCode":0}"#;
    let wait = Duration::from_millis(20_500);
    check(http("200 OK", "", body), Failure::Throttled { wait }, "Too many requests").await;
    let server = Server::answering(http("200 OK", "", body)).await;
    let vendor = server.vendor();
    vendor.sync_listings(&request(), Priority::Poll, &CancellationToken::new()).await.expect("an answer").expect_err("no page");
    assert!(vendor.closed_for().is_some_and(|left| left > Duration::from_secs(15)));
}

#[tokio::test]
async fn a_feed_in_another_case_is_the_feed_that_was_asked_for() {
    let page = read("", PAGE.replace("GAMLS", "gaMLS")).await;
    assert_eq!(page.records[0].key.feed.0, "GAMLS");
}

#[tokio::test]
async fn another_key_is_used_from_the_next_request_on() {
    let mut server = Server::answering(http("200 OK", "", PAGE)).await;
    let client = server.client();
    client.set_key("another".into()).expect("a key");
    client.sync_listings(&request()).await.expect("a page");
    let head = server.requests.recv().await.expect("a request");
    assert!(head.contains("systemaccesskey=another&") && !head.contains(KEY));
}

#[tokio::test]
async fn each_status_has_its_failure() {
    let throttled = r#"{"Message":"Too many requests. Api will be available in 20.6250626 seconds"}"#;
    let wait = Duration::from_millis(20_626);
    check(http("429 Too Many Requests", "", throttled), Failure::Throttled { wait }, "20.6250626 seconds").await;
    check(http("429 Too Many Requests", "retry-after: 3\r\n", throttled), Failure::Throttled { wait }, "20.6250626 seconds").await;
    let wait = Duration::from_secs(30);
    check(http("429 Too Many Requests", "retry-after: 30\r\n", throttled), Failure::Throttled { wait }, "429").await;
    let later = "date: Wed, 01 Jul 2026 12:00:00 GMT\r\nretry-after: Wed, 01 Jul 2026 12:00:07 GMT\r\n";
    let wait = Duration::from_secs(7);
    check(http("429 Too Many Requests", later, ""), Failure::Throttled { wait }, "429").await;
    check(http("403 Forbidden", "", ""), Failure::Unauthorized, "403").await;
    check(http("401 Unauthorized", "", ""), Failure::Unauthorized, "401").await;
    check(http("408 Request Timeout", "", ""), Failure::Unavailable, "408").await;
    check(http("500 Internal Server Error", "", "<html>oops</html>"), Failure::Unavailable, "500").await;
    check(http("503 Service Unavailable", "", ""), Failure::Unavailable, "503").await;
    check(http("503 Service Unavailable", "retry-after: 30\r\n", ""), Failure::Throttled { wait: Duration::from_secs(30) }, "503").await;
    let invalid = r#"{"Message":"Invalid input parameters: ","Data":{"Errors":{"PageSize":"out of range"}}}"#;
    check(http("400 Bad Request", "", invalid), Failure::Refused, "PageSize: out of range").await;
    check(http("404 Not Found", "", ""), Failure::Refused, "404").await;
    check(http("204 No Content", "", ""), Failure::Malformed, "204").await;
}

#[tokio::test]
async fn an_error_tells_the_vendors_clock() {
    let error = error(http("503 Service Unavailable", "date: Wed, 01 Jul 2026 12:00:30 GMT\r\n", "")).await;
    assert_eq!(error.vendor_now, Stamp::parse("2026-07-01T12:00:30"));
}

#[tokio::test]
async fn an_answer_that_is_no_page_is_malformed() {
    check(http("200 OK", "content-type: text/html\r\n", "<html>secret</html>"), Failure::Malformed, "text/html").await;
    check(http("200 OK", "", ""), Failure::Malformed, "cut short").await;
    check(http("200 OK", "", &PAGE[..PAGE.len() - 5]), Failure::Malformed, "cut short").await;
    check(http("200 OK", "", "[]"), Failure::Malformed, "no JSON object").await;
    let quoted = error(http("200 OK", "", "\"secret\"")).await;
    assert!(!quoted.message.contains("secret"), "{quoted}");
}

#[tokio::test]
async fn a_cut_connection_is_unavailable() {
    let whole = http("200 OK", "", PAGE);
    check(whole[..whole.len() - 5].to_vec(), Failure::Unavailable, "cut off").await;
    check(whole[..20].to_vec(), Failure::Unavailable, "").await;
    check(Vec::new(), Failure::Unavailable, "").await;
    let packed = http("200 OK", "content-encoding: gzip\r\n", gzip(PAGE.as_bytes()));
    check(packed[..packed.len() - 5].to_vec(), Failure::Unavailable, "cut off").await;
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let (_, requests) = mpsc::unbounded_channel();
    let error = Server { address, requests }.client().sync_listings(&request()).await.expect_err("nobody");
    assert_eq!(error.failure, Failure::Unavailable);
    assert!(error.message.contains("no connection") && error.message.contains("refused"), "{error}");
    assert!(!error.message.contains("FromUpdatedDate"), "{error}");
}

#[tokio::test]
async fn gzip_is_unpacked() {
    let server = Server::answering(http("200 OK", "content-encoding: gzip\r\n", gzip(PAGE.as_bytes()))).await;
    assert_eq!(server.client().sync_listings(&request()).await.map(|page| page.total), Ok(7));
}

#[tokio::test]
async fn bad_gzip_is_malformed() {
    let packed = gzip(PAGE.as_bytes());
    let mut broken = packed.clone();
    broken[30] ^= 0xFF;
    for body in [&packed[..packed.len() - 12], &packed[..40], &broken] {
        check(http("200 OK", "content-encoding: gzip\r\n", body), Failure::Malformed, "").await;
    }
}

#[tokio::test]
async fn the_words_of_an_error_are_unpacked() {
    check(http("400 Bad Request", "content-encoding: gzip\r\n", gzip(br#"{"Message":"no such feed"}"#)), Failure::Refused, "no such feed")
        .await;
}

#[tokio::test]
async fn the_limit_counts_unpacked_bytes() {
    let long = PAGE.to_owned() + &" ".repeat(MAX_BODY - PAGE.len());
    let server = Server::answering(http("200 OK", "", &long)).await;
    assert!(server.client().sync_listings(&request()).await.is_ok());
    let longer = long + " ";
    check(http("200 OK", "", &longer), Failure::Malformed, "limit of 100000 bytes").await;
    let packed = gzip(longer.as_bytes());
    assert!(packed.len() < 1000);
    check(http("200 OK", "content-encoding: gzip\r\n", packed), Failure::Malformed, "limit of 100000 bytes").await;
    check(http("500 Internal Server Error", "", "x".repeat(1_000_000)), Failure::Unavailable, "500").await;
}

#[tokio::test]
async fn a_redirect_does_not_get_the_key() {
    let mut elsewhere = Server::answering(http("200 OK", "", PAGE)).await;
    let location = format!("location: http://{}/x?token=hidden\r\n", elsewhere.address);
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"] {
        let error = error(http(status, &location, "")).await;
        assert_eq!(error.failure, Failure::Unavailable);
        assert!(error.message.contains("points to 127.0.0.1,") && !error.message.contains("hidden"), "{error}");
    }
    assert!(elsewhere.requests.try_recv().is_err());
}

#[tokio::test]
async fn silence_ends_in_a_timeout() {
    let start = Instant::now();
    let whole = http("200 OK", "", PAGE);
    for said in [&[][..], &whole[..whole.len() - 5]] {
        let server = Server::start(said.to_vec(), true).await;
        let error = server.client().sync_listings(&request()).await.expect_err("silence");
        assert_eq!(error.failure, Failure::Unavailable);
        assert!(error.message.contains("in time"), "{error}");
    }
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_listing_is_asked_for_alone() {
    let (feed, listing) = (FeedId("GAMLS".to_owned()), ListingId("A 1".to_owned()));
    let bare = r#"{"FeedId":"GAMLS","ListingId":"A 1"}"#;
    for body in [bare.to_owned(), format!(r#"{{"Results":[{bare}]}}"#)] {
        let mut server = Server::answering(http("200 OK", "", body)).await;
        let record = server.client().listing_detail(&feed, &listing).await.expect("an answer").expect("a listing");
        assert_eq!(record.raw, bare);
        let head = server.requests.recv().await.expect("a request");
        assert!(head.starts_with("GET /services/partner/GetListingDetail?FeedId=GAMLS&ListingId=A+1 HTTP/1.1\r\n"), "{head}");
    }
    let server = Server::answering(http("404 Not Found", "", "")).await;
    assert_eq!(server.client().listing_detail(&feed, &listing).await, Ok(None));
    for nothing in ["null", r#"{"Results":[],"Total":0}"#] {
        let server = Server::answering(http("200 OK", "", nothing)).await;
        let error = server.client().listing_detail(&feed, &listing).await.expect_err("no evidence of a removal");
        assert_eq!(error.failure, Failure::Refused);
    }
    let server = Server::answering(http("200 OK", "", r#"{"FeedId":"GAMLS","ListingId":"2"}"#)).await;
    let error = server.client().listing_detail(&feed, &listing).await.expect_err("another listing");
    assert_eq!(error.failure, Failure::Malformed);
}

#[tokio::test]
async fn a_throttled_vendor_closes_the_gate() {
    let server = Server::answering(http("429 Too Many Requests", "retry-after: 60\r\n", "")).await;
    let (vendor, stop) = (server.vendor(), CancellationToken::new());
    assert_eq!(vendor.closed_for(), None);
    let answer = vendor.sync_listings(&request(), Priority::Poll, &stop).await.expect("not cancelled");
    assert!(answer.is_err());
    assert!(vendor.closed_for().is_some_and(|left| left > Duration::from_secs(59)));
    let asked = request();
    let waits = vendor.sync_listings(&asked, Priority::Poll, &stop);
    assert!(tokio::time::timeout(Duration::from_millis(50), waits).await.is_err());
}

/// Answers the first request of each connection; when the next one has come, the connection is dropped or reset.
async fn forgetful(reset: bool) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (heard, requests) = mpsc::unbounded_channel();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{PAGE}", PAGE.len());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (heard, answer) = (heard.clone(), answer.clone());
            tokio::spawn(async move {
                let mut head = vec![0; 4096];
                for is_answered in [true, false] {
                    let read = stream.read(&mut head).await.expect("a request");
                    heard.send(String::from_utf8_lossy(&head[..read]).into_owned()).ok();
                    if is_answered {
                        stream.write_all(answer.as_bytes()).await.expect("an open connection");
                    } else if reset {
                        stream.set_zero_linger().expect("a socket");
                    }
                }
            });
        }
    });
    Server { address, requests }
}

#[tokio::test]
async fn a_dead_connection_costs_one_more_request_and_no_wait() {
    for reset in [false, true] {
        let mut server = forgetful(reset).await;
        let (vendor, stop, asked) = (server.vendor(), CancellationToken::new(), request());
        let start = Instant::now();
        for count in 0..4 {
            let answer = vendor.sync_listings(&asked, Priority::Poll, &stop).await.expect("not cancelled");
            assert!(answer.is_ok(), "{count}, reset {reset}: {answer:?}");
            // The connection must be back in the pool before the next request.
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        assert!(start.elapsed() < Duration::from_millis(450), "{:?}", start.elapsed());
        let heard = std::iter::from_fn(|| server.requests.try_recv().ok()).count();
        assert_eq!(heard, 7, "of four requests, three met a dead connection (reset {reset})");
    }
}

#[tokio::test]
async fn in_an_outage_a_lost_connection_is_no_reason_to_ask_twice() {
    let mut server = Server::answering("").await;
    let vendor = server.vendor();
    let asked = request();
    let answer = vendor.sync_listings(&asked, Priority::Poll, &CancellationToken::new()).await.expect("not cancelled");
    assert_eq!(answer.expect_err("nobody answered").failure, Failure::Unavailable);
    assert!(server.requests.try_recv().is_ok() && server.requests.try_recv().is_err());
}

#[tokio::test]
async fn cancelling_ends_a_request_in_flight() {
    let mut server = Server::start(Vec::new(), true).await;
    let (vendor, stop) = (server.vendor(), CancellationToken::new());
    let cancel = async {
        server.requests.recv().await.expect("a request");
        stop.cancel();
    };
    let start = Instant::now();
    let asked = request();
    let (answer, ()) = tokio::join!(vendor.sync_listings(&asked, Priority::Fill, &stop), cancel);
    assert!(answer.is_none());
    assert!(start.elapsed() < Duration::from_millis(400));
}
