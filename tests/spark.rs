//! The Spark client against the Spark sandbox: each endpoint, each switch that changes what the client must do, and no secrets.

use mls_sync::record::{Failure, Record};
use mls_sync::sandbox::spark::{
    Auth, ByIdDeleted, CreateAnswer, CreateTwice, DeletedFlag, DeletedPaging, KeyMember, LimitOver, Options, Order, PutContacts, PutNull,
    Rate, RetryAfter, Secret, SparkSandbox, UriVersion, ValidationErrors, WarnAs,
};
use mls_sync::vendor::spark::{
    Client, ClientOptions, Contact, ContactType, IDENTITIES, IdentityChange, IdentityDetails, IdentityPage, NewIdentity, Spark, SparkAuth,
    SparkListing, Ticket, TicketPath, Upload, Validation, WriteOutcome, upload,
};
use mls_sync::vendor::{Error, HttpOptions, Limiter, LimiterOptions};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const TOKEN: &str = "s3cr3t-TOKEN-1f2e";
const KEY: &str = "s3cr3t-APIKEY-77";
const SECRET: &str = "s3cr3t-SECRET-88";
const LISTING: &str = "20080917142739989238000000";
const LIMITS: LimiterOptions =
    LimiterOptions { requests_per_second: 10_000.0, max_in_flight: 4, requests_per_hour: None, requests_per_day: None };

/// A sandbox, and a client of it.
struct Pair {
    sandbox: SparkSandbox,
    spark: Spark,
    stop: CancellationToken,
}

fn options(change: impl FnOnce(&mut Options)) -> Options {
    let [token, api_key, api_secret] = [TOKEN, KEY, SECRET].map(|secret| Secret(secret.to_owned()));
    let mut options = Options { token, api_key, api_secret, identities: 60, deleted_identities: 12, ..Options::default() };
    change(&mut options);
    options
}

fn bearer() -> SparkAuth {
    SparkAuth::Bearer(TOKEN.into())
}

fn in_session() -> SparkAuth {
    SparkAuth::Session { key: KEY.into(), secret: SECRET.into() }
}

fn http(url: &str) -> HttpOptions {
    HttpOptions {
        base_url: url.parse().expect("a URL"),
        timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
        max_body: 1 << 20,
        user_agent: "mls-sync/test".to_owned(),
    }
}

impl Pair {
    async fn new(change: impl FnOnce(&mut Options)) -> Pair {
        Pair::with(bearer(), change).await
    }

    async fn with(auth: SparkAuth, change: impl FnOnce(&mut Options)) -> Pair {
        let sandbox = SparkSandbox::start(options(change), ([127, 0, 0, 1], 0).into()).await.expect("a port");
        let http = http(&sandbox.url());
        let client = Client::new(ClientOptions { http, auth, api_user: None, account: "mls".to_owned(), page_size: 25 }).expect("a client");
        Pair { sandbox, spark: Spark::new(client, Limiter::new(LIMITS)), stop: CancellationToken::new() }
    }

    fn set(&self, change: impl FnOnce(&mut Options)) {
        self.sandbox.with_world(|world| change(&mut world.options));
    }

    /// A page of the live list, or of the deleted one.
    async fn page(&self, of_deleted: bool, page: u32) -> Result<IdentityPage, Error> {
        let asked = match of_deleted {
            false => self.spark.identities(page, &self.stop).await,
            true => self.spark.deleted_identities(page, &self.stop).await,
        };
        asked.expect("nobody stops it")
    }

    async fn failure(&self) -> Error {
        self.page(false, 1).await.expect_err("a failure")
    }

    async fn identity(&self, id: i64) -> Option<Record> {
        self.spark.identity(id, &self.stop).await.expect("nobody stops it").expect("an answer")
    }

    async fn create(&self, name: &str) -> WriteOutcome<i64> {
        self.spark.create_identity(&joe(name), &self.stop).await.expect("nobody stops it").expect("it leaves")
    }

    async fn update(&self, id: i64, details: IdentityDetails) -> WriteOutcome<()> {
        let change = IdentityChange { details, ..IdentityChange::default() };
        self.spark.update_identity(id, &change, &self.stop).await.expect("nobody stops it").expect("it leaves")
    }

    async fn delete(&self, id: i64) -> WriteOutcome<()> {
        self.spark.delete_identity(id, &self.stop).await.expect("nobody stops it").expect("it leaves")
    }

    async fn ticket(&self, service: &str, path: TicketPath) -> WriteOutcome<Ticket> {
        let listing: SparkListing = LISTING.parse().expect("an id");
        self.spark.create_ticket((&listing, path), service, &self.stop).await.expect("nobody stops it").expect("it leaves")
    }

    async fn upload(&self, ticket: &Ticket, host: &str) -> Result<WriteOutcome<Option<String>>, Error> {
        let photo = Upload { name: "a.jpg", bytes: b"\xff\xd8 photo", caption: Some("Front"), primary: true };
        upload(http(&self.sandbox.url()), (ticket, photo), &[host.to_owned()], &self.stop).await.expect("nobody stops it")
    }

    async fn validate(&self, listing: Option<&str>, body: Value) -> Result<Validation, Error> {
        let listing = listing.map(|id| id.parse::<SparkListing>().expect("an id"));
        self.spark.validate(listing.as_ref(), &body, &self.stop).await.expect("nobody stops it")
    }

    fn writes(&self) -> u64 {
        self.sandbox.with_world(|world| world.writes())
    }

    fn asked(&self) -> Vec<(String, String, u16)> {
        self.sandbox.with_world(|world| world.asked().into_iter().map(|asked| (asked.method, asked.path, asked.status)).collect())
    }
}

fn joe(name: &str) -> NewIdentity {
    let details = IdentityDetails { email: Some(Some(format!("{name}@fbsdata.com"))), ..IdentityDetails::default() };
    NewIdentity { first_name: name.to_owned(), last_name: "Developer".to_owned(), company: "FBS Data Systems".to_owned(), details }
}

fn phone(to: Option<&str>) -> IdentityDetails {
    IdentityDetails { phone: Some(to.map(str::to_owned)), ..IdentityDetails::default() }
}

fn member(record: &Record, name: &str) -> Value {
    let raw: Value = serde_json::from_str(&record.raw).expect("JSON");
    raw[name].clone()
}

fn refused_with<T: std::fmt::Debug>(outcome: WriteOutcome<T>, code: i64) {
    let WriteOutcome::Refused(refusal) = outcome else { panic!("{outcome:?}") };
    assert_eq!(refusal.code, Some(code), "{refusal:?}");
}

/// The answer to a bare request, which no client of ours would send.
async fn bare(pair: &Pair, method: &str, path: &str, body: &'static str) -> (u16, Value) {
    rustls::crypto::ring::default_provider().install_default().ok();
    let method: reqwest::Method = method.parse().expect("a method");
    let request = reqwest::Client::builder().no_proxy().build().expect("a client").request(method, format!("{}{path}", pair.sandbox.url()));
    let request = request.header("authorization", format!("Bearer {TOKEN}")).header("x-sparkapi-user-agent", "t");
    let answer = request.header("content-type", "application/json").body(body).send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON"))
}

#[tokio::test]
async fn the_lists_are_read_page_by_page_to_their_end() {
    for order in [Order::Id, Order::IdDesc, Order::ModifiedDesc, Order::LastActive] {
        let pair = Pair::new(|options| options.order = order).await;
        for (of_deleted, expected) in
            [(false, pair.sandbox.with_world(|world| world.live())), (true, pair.sandbox.with_world(|world| world.deleted()))]
        {
            let (mut found, mut next) = (Vec::new(), Some(1));
            while let Some(number) = next {
                let page = pair.page(of_deleted, number).await.expect("a page");
                assert!(page.has_pagination && page.page_size == Some(25) && page.page.rejects.is_empty(), "{page:?}");
                assert_eq!(page.page.total, expected.len() as u64);
                found.extend(page.page.records.iter().map(|record| record.key.listing.0.parse::<i64>().expect("a number")));
                next = page.page.next_page;
            }
            found.sort_unstable();
            assert_eq!(found, expected, "{order:?}");
        }
    }
}

#[tokio::test]
async fn a_smaller_page_and_a_deleted_list_without_pages_are_seen_as_such() {
    let pair = Pair::new(|options| (options.limit_max, options.limit_over) = (10, LimitOver::Clamp)).await;
    let page = pair.page(false, 1).await.expect("a page");
    assert_eq!((page.page_size, page.page.records.len(), page.page.next_page), (Some(10), 10, Some(2)));
    pair.set(|options| options.limit_over = LimitOver::Refuse);
    assert_eq!(pair.failure().await.failure, Failure::Refused);
    pair.set(|options| (options.limit_max, options.deleted_paging) = (25, DeletedPaging::FirstTen));
    let first = pair.page(true, 1).await.expect("a page");
    assert_eq!((first.has_pagination, first.page.records.len(), first.page.next_page), (false, 10, None));
    pair.set(|options| options.deleted_paging = DeletedPaging::Ignored);
    let [first, second] = [pair.page(true, 1).await.expect("a page"), pair.page(true, 2).await.expect("a page")];
    assert_eq!((first.has_pagination, first.page.records.len()), (false, 12));
    assert_eq!(first.page.records, second.page.records);
}

#[tokio::test]
async fn records_are_the_same_content_however_they_are_dressed() {
    let pair = Pair::new(|_| ()).await;
    let content = |page: &IdentityPage| page.page.records.iter().map(|record| (IDENTITIES.decode)(record).hash()).collect::<Vec<_>>();
    let plain = content(&pair.page(false, 1).await.expect("a page"));
    pair.set(|options| (options.records.contacts_random, options.records.uri_version) = (true, UriVersion::VX));
    for key in [KeyMember::Null, KeyMember::Masked, KeyMember::Present] {
        pair.set(|options| options.records.key_member = key);
        let page = pair.page(false, 1).await.expect("a page");
        assert_eq!(content(&page), plain, "{key:?}");
        assert!(!format!("{page:?}").contains("api-key-of"), "{key:?}");
    }
    pair.set(|options| options.records.masked = true);
    let page = pair.page(false, 1).await.expect("a page");
    let extra = (IDENTITIES.decode)(&page.page.records[0]).extra;
    assert_eq!(extra.as_deref(), Some(r#"{"Email":"********","Phone":"********"}"#));
}

#[tokio::test]
async fn one_identity_is_a_record_or_nothing() {
    let pair = Pair::new(|_| ()).await;
    let [live, deleted] = [pair.sandbox.with_world(|world| world.live()[0]), pair.sandbox.with_world(|world| world.deleted()[0])];
    let looks_deleted = |record: &Record| (IDENTITIES.looks_deleted)(&(IDENTITIES.decode)(record));
    assert!(!looks_deleted(&pair.identity(live).await.expect("a record")));
    assert!(looks_deleted(&pair.identity(deleted).await.expect("a record")));
    assert_eq!(pair.identity(9_999_999).await, None);
    pair.set(|options| options.records.deleted_by_id = ByIdDeleted::NotFound);
    assert_eq!(pair.identity(deleted).await, None);
    pair.set(|options| options.records.deleted_flag = DeletedFlag::Contradicting);
    assert!(looks_deleted(&pair.identity(live).await.expect("a record")));
    pair.set(|options| options.records.refuse_with_200 = true);
    assert_eq!(pair.identity(9_999_999).await, None);
    let history = pair.spark.identity_history(live, &pair.stop).await.expect("nobody stops it").expect("a history");
    assert!(history.contains("\"RecordType\":\"Identity\"") && !history.contains("api-key-of"), "{history}");
}

#[tokio::test]
async fn an_identity_is_made_changed_and_deleted() {
    for (answer, expected) in
        [(CreateAnswer::Uri, true), (CreateAnswer::Record, true), (CreateAnswer::Bare, false), (CreateAnswer::Accepted, false)]
    {
        let pair = Pair::new(|options| options.records.create_answer = answer).await;
        match (pair.create("Joe").await, expected) {
            (WriteOutcome::Done(id), true) => assert_eq!(member(&pair.identity(id).await.expect("it is there"), "FirstName"), "Joe"),
            (WriteOutcome::Accepted, false) => {}
            (outcome, _) => panic!("{answer:?}: {outcome:?}"),
        }
        assert_eq!(pair.writes(), 1);
    }
    let pair = Pair::new(|options| options.records.create_status = 200).await;
    let WriteOutcome::Done(id) = pair.create("Joe").await else { panic!("it was not made") };
    assert_eq!(pair.update(id, phone(Some("1"))).await, WriteOutcome::Done(()));
    assert_eq!(member(&pair.identity(id).await.expect("it is there"), "Phone"), "1");
    assert_eq!(pair.delete(id).await, WriteOutcome::Done(()));
    refused_with(pair.delete(id).await, 404);
    refused_with(pair.update(id, phone(None)).await, 404);
    pair.set(|options| options.records.delete_twice_ok = true);
    assert_eq!(pair.delete(id).await, WriteOutcome::Done(()));
}

#[tokio::test]
async fn what_an_update_does_to_nulls_and_contacts_is_read_afterwards() {
    let contacts = |email: &str| {
        let contact = Contact { name: "J".to_owned(), r#type: ContactType::Billing, email: email.to_owned(), phone: None };
        IdentityDetails { additional_contacts: Some(vec![contact]), ..IdentityDetails::default() }
    };
    for (rule, expected) in [(PutContacts::Replace, 1), (PutContacts::Merge, 2)] {
        let pair = Pair::new(|options| options.records.put_contacts = rule).await;
        let WriteOutcome::Done(id) = pair.create("Joe").await else { panic!("it was not made") };
        for email in ["a@x", "b@x"] {
            assert_eq!(pair.update(id, contacts(email)).await, WriteOutcome::Done(()));
        }
        let record = pair.identity(id).await.expect("it is there");
        assert_eq!(member(&record, "AdditionalContacts").as_array().map(Vec::len), Some(expected), "{rule:?}");
    }
    for (rule, expected) in
        [(PutNull::Clear, Value::Null), (PutNull::Ignore, json!("Joe@fbsdata.com")), (PutNull::Refuse, json!("Joe@fbsdata.com"))]
    {
        let pair = Pair::new(|options| options.records.put_null = rule).await;
        let WriteOutcome::Done(id) = pair.create("Joe").await else { panic!("it was not made") };
        let outcome = pair.update(id, IdentityDetails { email: Some(None), ..IdentityDetails::default() }).await;
        assert_eq!(matches!(outcome, WriteOutcome::Refused(_)), rule == PutNull::Refuse, "{outcome:?}");
        assert_eq!(member(&pair.identity(id).await.expect("it is there"), "Email"), expected, "{rule:?}");
    }
}

#[tokio::test]
async fn a_write_is_refused_for_a_reason() {
    let pair = Pair::new(|options| options.records.create_twice = CreateTwice::Conflict).await;
    refused_with(pair.create("").await, 1050);
    assert!(matches!(pair.create("Joe").await, WriteOutcome::Done(_)));
    refused_with(pair.create("Joe").await, 1055);
    pair.set(|options| options.records.read_only_key = true);
    refused_with(pair.create("Ann").await, 1017);
    pair.set(|options| (options.records.read_only_key, options.records.forbid) = (false, vec!["delete".to_owned()]));
    let id = pair.sandbox.with_world(|world| world.live()[0]);
    refused_with(pair.delete(id).await, 1018);
    pair.set(|options| options.records.refuse_with_200 = true);
    refused_with(pair.create("Joe").await, 1055);
    assert_eq!(pair.writes(), 1);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_sent_once_and_unknown() {
    let pair = Pair::new(|_| ()).await;
    // A connection that was used: the layer below would send a reading again.
    pair.page(false, 1).await.expect("a page");
    let id = pair.sandbox.with_world(|world| world.live()[0]);
    pair.set(|options| options.lose_answers = 1.0);
    let posts = |pair: &Pair| pair.asked().iter().filter(|(method, ..)| method != "GET").count();
    assert!(matches!(pair.create("Joe").await, WriteOutcome::Unknown(_)));
    assert_eq!((pair.writes(), posts(&pair)), (1, 1));
    assert!(matches!(pair.update(id, phone(None)).await, WriteOutcome::Unknown(_)));
    assert!(matches!(pair.delete(id).await, WriteOutcome::Unknown(_)));
    assert!(matches!(pair.ticket("PhotoUploads", TicketPath::Photos).await, WriteOutcome::Unknown(_)));
    assert_eq!((pair.writes(), posts(&pair)), (4, 4));
    pair.set(|options| (options.lose_answers, options.lose_requests) = (0.0, 1.0));
    assert!(matches!(pair.create("Joe").await, WriteOutcome::Unknown(_)));
    pair.set(|options| (options.lose_requests, options.fault_rate) = (0.0, 1.0));
    assert!(matches!(pair.create("Joe").await, WriteOutcome::Unknown(_)));
    pair.set(|options| (options.fault_rate, options.accepted) = (0.0, 1.0));
    assert_eq!(pair.create("Joe").await, WriteOutcome::Accepted);
    assert_eq!(pair.writes(), 5);
}

#[tokio::test]
async fn a_write_that_never_left_says_so() {
    let pair = Pair::new(|_| ()).await;
    let stopped = CancellationToken::new();
    stopped.cancel();
    assert!(pair.spark.create_identity(&joe("Joe"), &stopped).await.is_none());
    let Pair { sandbox, spark, stop } = pair;
    drop(sandbox);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let error = spark.create_identity(&joe("Joe"), &stop).await.expect("nobody stops it").expect_err("nobody listens");
    assert_eq!(error.failure, Failure::Unavailable, "{error}");
}

#[tokio::test]
async fn credentials_are_refused_in_words_that_hold_no_secret() {
    let pair = Pair::new(|options| options.auth = Auth::OAuth).await;
    let error = pair.failure().await;
    assert!(error.failure == Failure::Unauthorized && error.message.contains("oauth"), "{error}");
    pair.set(|options| (options.auth, options.token) = (Auth::Any, Secret("another".to_owned())));
    let unknown = pair.failure().await;
    pair.set(|options| (options.token, options.expire_after) = (Secret(TOKEN.to_owned()), Some(0)));
    let expired = pair.failure().await;
    for error in [&unknown, &expired] {
        assert!(error.failure == Failure::Unauthorized && !format!("{error:?}{error}").contains(TOKEN), "{error}");
    }
    assert!(expired.message.contains("expired") && unknown.message.contains("(hidden)"), "{unknown} {expired}");
    let pair = Pair::with(SparkAuth::OAuth(TOKEN.into()), |options| options.auth = Auth::OAuth).await;
    assert!(pair.page(false, 1).await.is_ok());
    assert!(!format!("{:?}", pair.spark).contains("s3cr3t"), "{:?}", pair.spark);
    assert!(!format!("{:?}{:?}", bearer(), in_session()).contains("s3cr3t"));
}

#[tokio::test]
async fn a_session_is_signed_in_for_once_and_renewed_when_it_has_expired() {
    let pair = Pair::with(in_session(), |options| options.auth = Auth::Session).await;
    let sign_ins = |pair: &Pair| pair.asked().iter().filter(|(_, path, _)| path == "/v1/session").count();
    let (one, two, three) = tokio::join!(pair.page(false, 1), pair.page(false, 2), pair.page(true, 1));
    assert!(one.is_ok() && two.is_ok() && three.is_ok(), "{one:?}");
    assert_eq!(sign_ins(&pair), 1);
    pair.set(|options| options.expire_after = Some(3));
    assert!(pair.page(false, 1).await.is_ok());
    assert_eq!(sign_ins(&pair), 2);
    // A session that expires at once is renewed once, and then it is a failure.
    pair.set(|options| options.expire_after = Some(0));
    let error = pair.failure().await;
    assert!(error.failure == Failure::Unauthorized && sign_ins(&pair) == 3, "{error} {:?}", pair.asked());
    refused_with(pair.create("Joe").await, 1020);
    pair.set(|options| options.expire_after = None);
    assert!(matches!(pair.create("Joe").await, WriteOutcome::Done(_)));
    pair.set(|options| (options.api_secret, options.session_idle_s) = (Secret("another".to_owned()), 0));
    tokio::time::sleep(Duration::from_millis(20)).await;
    let error = pair.failure().await;
    assert!(error.failure == Failure::Unauthorized && !format!("{error:?}").contains("s3cr3t"), "{error}");
    let told = format!("{:?} {:?}", pair.asked(), pair.spark);
    assert!(!told.contains("s3cr3t") && !told.contains("AuthToken"), "{told}");
}

#[tokio::test]
async fn over_the_limit_the_gate_closes_for_as_long_as_was_said() {
    for (status, retry_after, least) in [
        (429, RetryAfter::Seconds, 100),
        (503, RetryAfter::Seconds, 100),
        (429, RetryAfter::Date, 100),
        (429, RetryAfter::None, 60),
        (503, RetryAfter::None, 60),
    ] {
        let rate = Some(Rate { requests: 1, seconds: 110 });
        let pair = Pair::new(|options| (options.rate, options.throttle, options.retry_after) = (rate, status, retry_after)).await;
        pair.page(false, 1).await.expect("a page");
        let told = match status {
            429 => pair.failure().await.failure,
            _ => {
                refused_with(pair.create("Joe").await, 1550);
                Failure::Throttled { wait: pair.spark.limiter().closed_for().expect("the gate is closed") }
            }
        };
        let Failure::Throttled { wait } = told else { panic!("{told:?}") };
        // The gate opens up to some seconds later, so that not every client comes back at once.
        assert!(wait.as_secs() + 2 >= least && wait.as_secs() <= least + 30, "{status} {retry_after:?}: {wait:?}");
        assert!(pair.spark.limiter().closed_for().is_some());
        assert_eq!(pair.writes(), 0);
    }
}

#[tokio::test]
async fn a_ticket_is_spent_once_at_a_known_place() {
    let pair = Pair::new(|_| ()).await;
    for path in [TicketPath::Listing, TicketPath::Photos, TicketPath::Documents] {
        assert!(matches!(pair.ticket("PhotoUploads", path).await, WriteOutcome::Done(_)), "{path:?}");
    }
    refused_with(pair.ticket("Nothing", TicketPath::Photos).await, 1053);
    let WriteOutcome::Done(ticket) = pair.ticket("PhotoUploads", TicketPath::Photos).await else { panic!("no ticket") };
    let elsewhere = pair.upload(&ticket, "sparkplatform.com").await.expect_err("another host");
    assert_eq!(elsewhere.failure, Failure::Refused);
    let WriteOutcome::Done(Some(id)) = pair.upload(&ticket, "127.0.0.1").await.expect("it leaves") else { panic!("not uploaded") };
    assert_eq!(id.len(), 26);
    let again = pair.upload(&ticket, "127.0.0.1").await.expect("it leaves");
    let told = format!("{again:?} {elsewhere:?} {ticket:?} {:?}", pair.asked());
    assert!(matches!(again, WriteOutcome::Refused(_)) && !told.contains(ticket.token.expose_secret()), "{told}");
    pair.set(|options| options.records.ticket_ttl_s = 0);
    let WriteOutcome::Done(late) = pair.ticket("PhotoUploads", TicketPath::Photos).await else { panic!("no ticket") };
    assert_eq!(late.expires_in, Some(Duration::ZERO));
    assert!(matches!(pair.upload(&late, "127.0.0.1").await, Ok(WriteOutcome::Refused(_))));
}

/// The fields that are at fault.
fn fields(problems: &[mls_sync::vendor::spark::SparkProblem]) -> BTreeSet<&str> {
    problems.iter().filter_map(|problem| problem.field.as_deref()).collect()
}

#[tokio::test]
async fn a_validation_is_one_list_whatever_its_form() {
    let forms = [ValidationErrors::Nested, ValidationErrors::Flat, ValidationErrors::Details, ValidationErrors::Mixed];
    let body = json!({ "PropertyType": "A", "ListPrice": 200_000_000, "StreetName": "8th", "City": "", "StateOrProvince": "ND",
        "PostalCode": "58103", "ListAgentId": LISTING, "YearBuilt": 1884, "SubdivisionName": "Westgate" });
    for form in forms {
        for status in [400, 200] {
            let pair = Pair::new(|options| (options.records.validation_errors, options.records.validation_status) = (form, status)).await;
            let found = pair.validate(None, body.clone()).await.expect("an answer");
            assert_eq!((fields(&found.fatal), found.warnings.len()), (BTreeSet::from(["City", "ListPrice"]), 0), "{form:?} {status}");
            assert_eq!(pair.validate(Some(LISTING), json!({ "ListPrice": 1_080_000 })).await, Ok(Validation::default()));
            assert_eq!(pair.writes(), 0);
        }
    }
    for warn in [WarnAs::Success, WarnAs::Failure] {
        let pair = Pair::new(|options| options.records.validation_warn = warn).await;
        let found = pair.validate(Some(LISTING), json!({ "YearBuilt": null })).await.expect("an answer");
        assert_eq!((found.fatal.len(), fields(&found.warnings)), (0, BTreeSet::from(["YearBuilt"])), "{warn:?}");
        let found = pair.validate(Some(LISTING), json!({ "CustomFields": [] })).await.expect("an answer");
        assert_eq!(found.fatal.len(), 1);
        assert_eq!(pair.validate(Some("1"), json!({})).await.expect_err("no such listing").failure, Failure::Refused);
        pair.set(|options| options.records.foreign_listing_forbidden = true);
        assert_eq!(pair.validate(Some("1"), json!({})).await.expect_err("not ours").failure, Failure::Unauthorized);
    }
}

#[tokio::test]
async fn every_endpoint_refuses_every_method_that_the_documents_do_not_give_it() {
    let pair = Pair::new(|_| ()).await;
    let id = pair.sandbox.with_world(|world| world.live()[0]);
    let listing = |rest: &str| format!("/v1/listings/{LISTING}/{rest}");
    let endpoints = [
        ("/v1/developers/identities".to_owned(), &["PUT", "DELETE"][..]),
        ("/v1/developers/identities/deleted".to_owned(), &["POST", "PUT", "DELETE"]),
        (format!("/v1/developers/identities/{id}"), &["POST"]),
        (listing("tickets"), &["GET", "PUT", "DELETE"]),
        (listing("photos/tickets"), &["GET", "PUT", "DELETE"]),
        (listing("documents/tickets"), &["GET", "PUT", "DELETE"]),
        ("/v1/listings/validation".to_owned(), &["GET", "PUT", "DELETE"]),
        (listing("validation"), &["GET", "POST", "DELETE"]),
    ];
    for (path, methods) in endpoints {
        for method in methods {
            let (status, body) = bare(&pair, method, &path, "").await;
            assert_eq!((status, &body["D"]["Code"]), (405, &json!(405)), "{method} {path}");
        }
    }
    // The body of the document's PUT as it is printed: its trailing comma makes it no JSON.
    let printed = "{\n\"D\": {\n\"Email\": \"joe@fbsdata.com\",\n}\n}";
    let (status, body) = bare(&pair, "PUT", &format!("/v1/developers/identities/{id}"), printed).await;
    assert_eq!((status, &body["D"]["Code"]), (400, &json!(1035)));
    let (status, _) = bare(&pair, "PUT", &format!("/v1/developers/identities/{id}"), r#"{"D":{"Email":"joe@fbsdata.com"}}"#).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn the_truth_the_log_and_more_change_can_be_asked_for() {
    let pair = Pair::new(|_| ()).await;
    assert_eq!(bare(&pair, "POST", "/sandbox/churn?n=40", "").await.1, json!({ "changes": 40 }));
    assert_eq!(bare(&pair, "POST", "/sandbox/quiet", "").await.0, 200);
    let (_, truth) = bare(&pair, "GET", "/sandbox/truth", "").await;
    let live = pair.sandbox.with_world(|world| world.live());
    assert_eq!((truth["live"].as_array().map(Vec::len), &truth["writes"]), (Some(live.len()), &json!(0)));
    pair.page(false, 1).await.expect("a page");
    let (_, requests) = bare(&pair, "GET", "/sandbox/requests", "").await;
    assert_eq!(requests, json!([{ "method": "GET", "path": "/v1/developers/identities", "status": 200 }]));
}

#[tokio::test]
async fn a_dropped_filter_is_no_success() {
    let pair = Pair::new(|options| options.unknown_filter_drop = true).await;
    let filtered = |filter: &str| format!("/v1/developers/identities?_filter={filter}");
    let (status, body) = bare(&pair, "GET", &filtered("Id%20Eq%205"), "").await;
    assert!(status == 200 && body["D"]["Success"] == true && body["D"]["SparkQLErrors"].is_array(), "{body}");
    pair.set(|options| options.unknown_filter_drop = false);
    assert_eq!(bare(&pair, "GET", &filtered("Id%20Eq%205"), "").await.1["D"]["Code"], 1040);
    let mls = bare(&pair, "GET", &filtered("MlsId%20Eq%20'x'"), "").await.1;
    assert_eq!(mls["D"]["Results"], json!([]));
}
