//! The sandbox keeps to the vendor's document and plays each reading of it.

use md5::{Digest, Md5};
use mls_sync::record::{DayTime, FeedId, Kind, ListingId, NamedBy, Stamp};
use mls_sync::sandbox::{
    Bounds, DeletedContent, DeletedDetail, Fault, Foreign, FromMode, Key, MediaKey, NextPage, Options, PagePastEnd, RetryAfter, Sandbox,
    Shape, SortOrder, Truth, Truths, World, verify,
};
use mls_sync::vendor::constellation1::fields::LISTING_DETAILS;
use rusqlite::Connection;
use rusqlite::types::Value as Sql;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

const NOON: &str = "2026-05-01T12:00:00";
const AGES: &str = "FromUpdatedDate=2000-01-01T00:00:00";

fn small() -> Options {
    let frozen_at = Some(NOON.parse::<DayTime>().unwrap());
    Options { feeds: vec!["GAMLS".to_owned()], listings: 450, deleted: 20, frozen_at, ..Options::default() }
}

struct Client {
    sandbox: Sandbox,
    http: reqwest::Client,
    client: String,
    key: String,
}

async fn client(options: Options) -> Client {
    // A second installation in the same process is refused, and harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (client, key) = (options.client.clone(), options.key.0.clone());
    let sandbox = Sandbox::start(options, SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    Client { sandbox, http, client, key }
}

impl Client {
    async fn ask(&self, path_and_query: &str) -> reqwest::Result<reqwest::Response> {
        let timestamp = "20260501120000";
        let digest = Md5::digest(format!("{} {} x-ml-timestamp:{timestamp}", self.client, self.key));
        let signature: String = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        let auth = format!("client={}&systemaccesskey={}&signature={signature}", self.client, self.key);
        let request = self.http.get(format!("{}{path_and_query}", self.sandbox.url()));
        request.header("ml-auth", auth).header("x-ml-timestamp", timestamp).send().await
    }

    async fn sync(&self, query: &str) -> (u16, Value) {
        let answer = self.ask(&format!("/services/partner/SyncListings?{query}")).await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn page(&self, query: &str) -> Value {
        let (status, page) = self.sync(query).await;
        assert_eq!(status, 200, "{page}");
        page
    }

    /// The listing numbers of a request's every page, in order, and the last page.
    async fn pages(&self, query: &str) -> (Vec<String>, Value) {
        let (mut all, mut number) = (Vec::new(), 1);
        loop {
            let page = self.page(&format!("{query}&Page={number}")).await;
            all.extend(listings(&page));
            match page["NextPage"].as_u64() {
                Some(next) => number = next,
                None => return (all, page),
            }
        }
    }
}

fn listings(page: &Value) -> Vec<String> {
    page["Results"].as_array().unwrap().iter().map(|record| record["ListingId"].as_str().unwrap().to_owned()).collect()
}

fn stamps(page: &Value) -> Vec<Stamp> {
    let stamp = |record: &Value| Stamp::parse(record["MlsUpdateDate"].as_str().unwrap()).unwrap();
    page["Results"].as_array().unwrap().iter().map(stamp).collect()
}

#[tokio::test]
async fn the_documents_example_signature_is_accepted_and_any_other_is_not() {
    let key = "87df3ca4afe5ee4cf64a2c74edb35363sdfe2d2d3sd";
    let options = Options { client: "MyClient".to_owned(), key: Key(key.to_owned()), listings: 1, ..small() };
    let with = client(options).await;
    let ask = async |client: &str, key: &str, signature: &str, timestamp: &str| {
        let auth = format!("client={client}&systemaccesskey={key}&signature={signature}");
        let url = format!("{}/services/partner/SyncListings?Status=0", with.sandbox.url());
        let answer = with.http.get(url).header("ml-auth", auth).header("x-ml-timestamp", timestamp).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap().len())
    };
    let good = "d3f2877968ef28814e56d049dd06c618";
    assert_eq!(ask("MyClient", key, good, "20180212101522").await.0, 200);
    assert_eq!(ask("MyClient", key, &good.to_uppercase(), "20180212101522").await.0, 200);
    assert_eq!(ask("MyClient", key, good, "20180212101523").await, (403, 0));
    assert_eq!(ask("Other", key, good, "20180212101522").await, (403, 0));
    assert_eq!(ask("MyClient", "87", good, "20180212101522").await, (403, 0));
    with.sandbox.reconfigure(|options| options.skew_s = Some(300));
    assert_eq!(ask("MyClient", key, good, "20180212101522").await, (403, 0));
}

#[tokio::test]
async fn pages_of_200_add_up_to_the_total() {
    let with = client(small()).await;
    let (all, last) = with.pages(&format!("{AGES}&Status=0")).await;
    assert_eq!(all.len(), 450);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 450);
    assert_eq!((&last["Total"], &last["Count"], &last["NextPage"]), (&json!(450), &json!(50), &Value::Null));
    assert!(last.as_object().unwrap().contains_key("NextPage"));
    let past = with.page(&format!("{AGES}&Status=0&Page=9")).await;
    assert_eq!((&past["Results"], &past["Count"], &past["NextPage"]), (&json!([]), &json!(0), &Value::Null));
    let (deleted, _) = with.pages(&format!("{AGES}&Status=3&PageSize=7")).await;
    assert_eq!(deleted.len(), 20);
    let asked = with.sandbox.requests();
    assert_eq!((asked.len(), asked[1].page, asked[1].total, asked[1].answered), (7, 2, Some(450), 200));

    with.sandbox.reconfigure(|options| (options.next_page, options.page_past_end) = (NextPage::Absent, PagePastEnd::LastAgain));
    let again = with.page(&format!("{AGES}&Status=0&Page=9")).await;
    assert_eq!(again["Count"], 50);
    assert!(!again.as_object().unwrap().contains_key("NextPage"));
    with.sandbox.reconfigure(|options| options.page_past_end = PagePastEnd::NotFound);
    assert_eq!(with.sync(&format!("{AGES}&Page=9")).await.0, 404);
}

#[tokio::test]
async fn each_order_is_what_it_says() {
    let with = client(Options { listings: 60, bulk: 30, ..small() }).await;
    let query = format!("{AGES}&Status=0");
    let order = |order| with.sandbox.reconfigure(|options| options.order = order);
    let oldest_first = with.page(&query).await;
    assert!(stamps(&oldest_first).is_sorted());
    order(SortOrder::UpdatedDesc);
    assert!(stamps(&with.page(&query).await).iter().rev().is_sorted());
    order(SortOrder::Id);
    assert!(listings(&with.page(&query).await).is_sorted());
    order(SortOrder::UnstableTies);
    let (one, two) = (with.page(&query).await, with.page(&query).await);
    assert!(stamps(&one).is_sorted());
    assert_eq!(stamps(&one), stamps(&two));
    assert_ne!(listings(&one), listings(&two));
    order(SortOrder::Unstable);
    assert_ne!(listings(&with.page(&query).await), listings(&with.page(&query).await));
    let shared = stamps(&oldest_first).into_iter().fold(BTreeMap::new(), |mut counts: BTreeMap<Stamp, u32>, stamp| {
        *counts.entry(stamp).or_default() += 1;
        counts
    });
    assert_eq!(shared.values().max(), Some(&30));
}

#[tokio::test]
async fn bounds_from_and_zone_are_read_as_configured() {
    let with = client(Options { listings: 0, deleted: 0, ..small() }).await;
    let id = with.sandbox.with_world(|world| world.add("GAMLS"));
    with.sandbox.with_world(|world| world.advance(Duration::from_secs(60)));
    let total = async |query: &str| with.page(query).await["Total"].as_u64().unwrap();
    let at = "FromUpdatedDate=2026-05-01T12:00:00&ToUpdatedDate=2026-05-01T12:00:00";
    assert_eq!(total(at).await, 1);
    with.sandbox.reconfigure(|options| options.bounds = Bounds::Exclusive);
    assert_eq!(total(at).await, 0);
    assert_eq!(total("FromUpdatedDate=2026-05-01T11:59:59.999").await, 1);
    assert_eq!(total("FromUpdatedDate=2026-05-01T12:00:30").await, 0);
    with.sandbox.reconfigure(|options| options.from_mode = FromMode::FloorToMidnight);
    assert_eq!(total("FromUpdatedDate=2026-05-01T12:00:30").await, 1);
    assert_eq!(total("Status=0").await, 1, "absent is today's midnight");
    with.sandbox.with_world(|world| world.advance(Duration::from_secs(86_400)));
    assert_eq!(total("Status=0").await, 0);
    with.sandbox.reconfigure(|options| options.from_mode = FromMode::Ignored);
    assert_eq!(total("FromUpdatedDate=2026-05-02T12:00:30").await, 1);

    with.sandbox.reconfigure(|options| (options.from_mode, options.zone_hours) = (FromMode::Exact, -8));
    with.sandbox.with_world(|world| world.edit("GAMLS", &id));
    let page = with.page("FromUpdatedDate=2026-05-02T04:01:00&ToUpdatedDate=2026-05-02T04:01:00.001").await;
    assert_eq!(page["Total"], 0, "exclusive still");
    with.sandbox.with_world(|world| world.advance(Duration::from_millis(1)));
    let page = with.page("FromUpdatedDate=2026-05-02T12:00:59Z").await;
    assert_eq!(page["Results"][0]["MlsUpdateDate"], "2026-05-02T04:01:00");
    let answer = with.ask("/services/partner/SyncListings").await.unwrap();
    assert_eq!(answer.headers()["date"], "Sat, 02 May 2026 12:01:00 GMT");
}

#[tokio::test]
async fn a_change_between_two_pages_loses_a_record_of_forward_paging() {
    let with = client(Options { deleted: 0, ..small() }).await;
    let query = format!("{AGES}&ToUpdatedDate={NOON}&Status=0");
    let first = with.page(&query).await;
    with.sandbox.with_world(|world| {
        world.advance(Duration::from_secs(1));
        assert!(world.edit("GAMLS", &ListingId(listings(&first)[0].clone())));
    });
    let mut seen: BTreeSet<String> = listings(&first).into_iter().collect();
    for page in 2..=3 {
        seen.extend(listings(&with.page(&format!("{query}&Page={page}")).await));
    }
    assert_eq!(seen.len(), 449, "one listing moved over the border of page 1");
}

#[tokio::test]
async fn a_429_waits_in_its_message_alone() {
    let with = client(Options { rate: Some(0.05), rate_burst: 2, ..small() }).await;
    assert_eq!((with.sync("Status=0").await.0, with.sync("Status=0").await.0), (200, 200));
    let answer = with.ask("/services/partner/SyncListings?Status=1&Page=2&FeedIdList=GAMLS").await.unwrap();
    assert_eq!(answer.status(), 429);
    assert!(!answer.headers().contains_key("retry-after"));
    let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    let message = body["Message"].as_str().unwrap();
    let seconds = message.strip_prefix("Too many requests. Api will be available in ").unwrap().strip_suffix(" seconds").unwrap();
    assert_eq!(seconds.split_once('.').unwrap().1.len(), 7);
    assert!((15.0..=20.0).contains(&seconds.parse::<f64>().unwrap()), "{seconds}");
    let request =
        json!({ "FeedIdList": ["GAMLS"], "FromUpdatedDate": null, "ToUpdatedDate": null, "Status": 1, "Page": 2, "PageSize": 200 });
    assert_eq!(body["ActionArguments"], json!({ "request": request }));
    assert_eq!((&body["ExceptionType"], &body["Data"]), (&json!("TooManyRequests"), &json!({ "Errors": null })));
    with.sandbox.reconfigure(|options| options.retry_after = RetryAfter::Seconds);
    let answer = with.ask("/services/partner/SyncListings").await.unwrap();
    assert!((15..=20).contains(&answer.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap()));
}

#[tokio::test]
async fn a_bad_parameter_is_answered_with_the_documents_400() {
    let with = client(small()).await;
    let (status, body) = with.sync("PageSize=500").await;
    assert_eq!(status, 400);
    let request = json!({ "FeedIdList": null, "FromUpdatedDate": null, "ToUpdatedDate": null, "Status": 0, "Page": 1, "PageSize": 500 });
    let expected = json!({
        "ExceptionType": "Validation", "Message": "Invalid input parameters: ", "ErrorCode": 0,
        "ActionArguments": { "request": request, "client": "demo" },
        "Data": { "Errors": { "PageSize": "The field PageSize must be between 0 and 200." } },
    });
    assert_eq!(body, expected);
    for (query, name) in [("Status=4", "Status"), ("FromUpdatedDate=yesterday", "FromUpdatedDate"), ("Page=x", "Page")] {
        let (status, body) = with.sync(query).await;
        assert!(status == 400 && body["Data"]["Errors"][name].is_string(), "{query}: {body}");
    }
    let url = format!("{}/services/partner/SyncListings", with.sandbox.url());
    assert_eq!(with.http.post(url).send().await.unwrap().status(), 405);
    assert_eq!(with.ask("/services/partner/Nothing").await.unwrap().status(), 404);
    assert_eq!(with.ask("/Services/PARTNER/synclistings").await.unwrap().status(), 200);
    with.sandbox.reconfigure(|options| options.strict_paths = true);
    assert_eq!(with.ask("/Services/Partner/SyncListings").await.unwrap().status(), 404);
}

#[tokio::test]
async fn each_shape_has_its_own_fields_and_types() {
    let with = client(Options { listings: 100, ..small() }).await;
    let query = format!("{AGES}&Status=0");
    let names = |page: &Value| page["Results"][0].as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let of = |sides: &[NamedBy]| {
        LISTING_DETAILS.iter().filter(|field| sides.contains(&field.named_by)).map(|field| field.wire.to_owned()).collect()
    };
    let all = |page: &Value, name: &str, is: fn(&Value) -> bool| page["Results"].as_array().unwrap().iter().all(|r| is(&r[name]));

    let union = with.page(&query).await;
    assert_eq!(names(&union).len(), 317);
    with.sandbox.reconfigure(|options| options.shape = Shape::Class);
    let class = with.page(&query).await;
    assert_eq!(names(&class), of(&[NamedBy::Both, NamedBy::ClassOnly]));
    assert!(all(&class, "AboveGroundSqFt", Value::is_i64) && all(&class, "GarageSpaces", Value::is_f64));
    assert!(all(&class, "DockHeight", Value::is_boolean) && all(&class, "FireplaceCount", Value::is_string));
    with.sandbox.reconfigure(|options| options.shape = Shape::Table);
    let table = with.page(&query).await;
    assert_eq!(names(&table), of(&[NamedBy::Both, NamedBy::TableOnly]));
    assert!(all(&table, "AboveGroundSqFt", Value::is_string) && all(&table, "GarageSpaces", Value::is_string));
    assert!(all(&table, "DockHeight", Value::is_string) && all(&table, "FireplaceCount", Value::is_i64));
    with.sandbox.reconfigure(|options| options.shape = Shape::Mixed);
    let mut sizes = BTreeSet::new();
    for _ in 0..20 {
        sizes.insert(names(&with.page(&query).await).len());
    }
    assert_eq!(sizes.len(), 2);

    let filled = union["Results"].as_array().unwrap().iter().map(|r| r.as_object().unwrap().values().filter(|v| !v.is_null()).count());
    let share = filled.sum::<usize>() as f64 / 31_700.0;
    assert!((0.4..0.6).contains(&share), "{share} of the fields are filled");
    with.sandbox.reconfigure(|options| (options.shape, options.media_key) = (Shape::Union, MediaKey::ListingMedia));
    let other = with.page(&query).await;
    assert_eq!(other["Results"][5]["ListingMedia"], union["Results"][5]["Media"]);
    assert_eq!(other["Results"][5].get("Media"), None);
}

#[tokio::test]
async fn deletions_come_in_each_form() {
    let with = client(Options { listings: 3, deleted: 0, ..small() }).await;
    let id = with.sandbox.with_world(|world| {
        let id = world.add("GAMLS");
        world.advance(Duration::from_secs(5));
        assert!(world.delete("GAMLS", &id) && !world.edit("GAMLS", &id));
        id
    });
    let query = format!("{AGES}&Status=3");
    let full = with.page(&query).await["Results"][0].clone();
    assert_eq!((&full["ListingStatus"], &full["MlsUpdateDate"]), (&json!("Deleted"), &json!("2026-05-01T12:00:05")));
    assert!(full["Price"].is_i64());
    let detail = format!("/services/partner/GetListingDetail?FeedId=GAMLS&ListingId={}", id.0);
    assert_eq!(with.ask(&detail).await.unwrap().status(), 404);
    with.sandbox.reconfigure(|options| (options.deletions, options.deleted_detail) = (DeletedContent::Sparse, DeletedDetail::Record));
    let sparse = with.page(&query).await["Results"][0].clone();
    assert_eq!(sparse, json!({ "FeedId": "GAMLS", "ListingId": id.0, "MlsUpdateDate": "2026-05-01T12:00:05" }));
    assert_eq!(with.ask(&detail).await.unwrap().status(), 200);
    with.sandbox.reconfigure(|options| options.deletions = DeletedContent::SparseNull);
    let nulls = with.page(&query).await["Results"][0].clone();
    assert_eq!((nulls.as_object().unwrap().len(), &nulls["Price"]), (317, &Value::Null));
    assert_eq!(with.page(&format!("{AGES}&Status=0")).await["Total"], 3);
    with.sandbox.reconfigure(|options| options.all_includes_deleted = true);
    assert_eq!(with.page(&format!("{AGES}&Status=0")).await["Total"], 4);
    with.sandbox.with_world(|world| assert!(world.revive("GAMLS", &id)));
    assert_eq!(with.page(&query).await["Total"], 0);
}

#[tokio::test]
async fn hidden_feeds_are_never_seen() {
    let options = Options { listings: 5, deleted: 0, hidden_feeds: vec!["SECRET".to_owned()], ..small() };
    let with = client(options).await;
    let total = async |feeds: &str| with.page(&format!("{AGES}{feeds}")).await["Total"].clone();
    assert_eq!(total("").await, 5);
    assert_eq!(total("&FeedIdList=GAMLS&FeedIdList=SECRET").await, 5);
    assert_eq!(total("&FeedIdList=SECRET").await, 0);
    with.sandbox.reconfigure(|options| options.foreign = Foreign::Everything);
    assert_eq!(total("&FeedIdList=SECRET").await, 5);
    with.sandbox.with_world(|world| world.add_feed("NEW", 7));
    assert_eq!(total("").await, 12);
    assert_eq!(total("&FeedIdList=NEW").await, 7);
}

#[tokio::test]
async fn a_late_change_is_seen_only_after_its_time_with_its_old_stamp() {
    let with = client(Options { listings: 1, deleted: 0, ..small() }).await;
    let before = with.page(AGES).await;
    let id = ListingId(listings(&before)[0].clone());
    with.sandbox.with_world(|world| world.edit_late("GAMLS", &id, Duration::from_secs(10)));
    with.sandbox.with_world(|world| world.advance(Duration::from_secs(9)));
    assert_eq!(with.page(AGES).await, before);
    with.sandbox.with_world(|world| world.advance(Duration::from_secs(1)));
    let after = with.page(AGES).await;
    assert_eq!(after["Results"][0]["MlsUpdateDate"], NOON);
    assert_eq!(after["Results"][0], with.sandbox.with_world(|world| world.truth("GAMLS")[&id].record()));
    assert_ne!(after["Results"][0]["Price"], before["Results"][0]["Price"]);
}

#[tokio::test]
async fn the_same_seed_and_calls_make_the_same_world() {
    let truth = |seed: u64| {
        let mut world = World::new(Options { seed, late: 0.3, unknown_members: true, ..small() });
        let mut changes = Vec::new();
        for _ in 0..300 {
            world.advance(Duration::from_millis(700));
            changes.push(world.random_change());
        }
        let records: Vec<String> = world.truths().values().flat_map(BTreeMap::values).map(Truth::json).collect();
        (changes, records)
    };
    assert_eq!(truth(7), truth(7));
    assert_ne!(truth(7).1, truth(8).1);
}

#[tokio::test]
async fn churn_and_stamps_move_with_the_requests() {
    let with = client(Options { churn: 2.5, ..small() }).await;
    let truths = || with.sandbox.with_world(|world| world.truths());
    let start = truths();
    for _ in 0..4 {
        with.page("Status=0").await;
    }
    let changed = truths()[&FeedId("GAMLS".to_owned())]
        .iter()
        .filter(|(id, truth)| start[&FeedId("GAMLS".to_owned())].get(id) != Some(truth))
        .count();
    assert!((5..=10).contains(&changed), "{changed} of 10 changes hit different listings");
    with.sandbox.reconfigure(|options| (options.churn, options.churn_per_second) = (0.0, 2.0));
    with.sandbox.with_world(|world| world.advance(Duration::from_secs(10)));
    let before = truths();
    with.page("Status=0").await;
    assert_ne!(truths(), before);
    let touched = with.sandbox.with_world(|world| world.bulk_touch("GAMLS", 50));
    let stamps: BTreeSet<Stamp> = touched.iter().map(|id| truths()[&FeedId("GAMLS".to_owned())][id].stamp).collect();
    assert_eq!((touched.len(), stamps.len()), (50, 1));
}

#[tokio::test]
async fn each_fault_reaches_the_client_as_named() {
    let with = client(small()).await;
    let url = "/services/partner/SyncListings?FromUpdatedDate=2000-01-01";
    let next = async |fault: Fault| {
        with.sandbox.fault_next(fault);
        let answer = with.ask(url).await.map_err(|e| e.to_string())?;
        let status = answer.status().as_u16();
        answer.text().await.map(|text| (status, text)).map_err(|e| e.to_string())
    };
    assert_eq!(next(Fault::Status(503, "busy".to_owned())).await.unwrap(), (503, "busy".to_owned()));
    assert_eq!(next(Fault::Empty).await.unwrap(), (200, String::new()));
    assert_eq!(next(Fault::RawPage("[]".to_owned())).await.unwrap(), (200, "[]".to_owned()));
    assert_eq!(next(Fault::Forbidden).await.unwrap(), (403, String::new()));
    assert_eq!(next(Fault::BadRequest).await.unwrap().0, 400);
    assert_eq!(next(Fault::Redirect("/elsewhere".to_owned())).await.unwrap().0, 302);
    assert!(next(Fault::Throttled { seconds: 20.625_062_6 }).await.unwrap().1.contains("available in 20.6250626 seconds"));
    assert!(next(Fault::Html).await.unwrap().1.starts_with("<html>"));
    assert!(next(Fault::NullResults).await.unwrap().1.contains("\"Results\":null"));
    assert!(next(Fault::Reset).await.is_err());
    assert!(next(Fault::Cut).await.is_err());
    let half = next(Fault::WrongLength).await.unwrap();
    assert!(half.0 == 200 && serde_json::from_str::<Value>(&half.1).is_err());
    let edited = next(Fault::edit(|page| page["Results"][0]["Price"] = json!("call"))).await.unwrap();
    assert!(edited.1.contains("\"Price\":\"call\""));
    let begun = std::time::Instant::now();
    assert_eq!(next(Fault::Hang(Duration::from_millis(80))).await.unwrap().0, 200);
    assert!(begun.elapsed() >= Duration::from_millis(80));
    assert_eq!(with.ask(url).await.unwrap().status(), 200, "the queue is empty");
    with.sandbox.set_fault(Some("GAMLS".to_owned()), Some(Fault::Forbidden));
    assert_eq!(with.sync("FeedIdList=GAMLS").await.0, 403);
    assert_eq!(with.sync("FeedIdList=NWMLS").await.0, 200);
    with.sandbox.set_fault(Some("GAMLS".to_owned()), None);
    assert_eq!(with.sync("FeedIdList=GAMLS").await.0, 200);
    let statuses: Vec<u16> = with.sandbox.requests().iter().map(|asked| asked.answered).collect();
    assert_eq!(statuses[9], 0, "the reset is in the log");
    with.sandbox.reconfigure(|options| options.no_date = true);
    let answer = with.ask(url).await.unwrap();
    assert!(!answer.headers().contains_key("date") && answer.headers().contains_key("content-type"));
    assert_eq!(listings(&serde_json::from_str(&answer.text().await.unwrap()).unwrap()).len(), 200);
}

#[tokio::test]
async fn uneven_pages_hold_everything_and_a_repeated_one_is_the_first() {
    let with = client(small()).await;
    let page = async |number: u64| with.sync(&format!("{AGES}&FeedIdList=GAMLS&Page={number}")).await.1;
    let first = listings(&page(1).await);
    with.sandbox.set_fault(None, Some(Fault::FirstPage));
    assert_eq!(listings(&page(3).await), first);
    with.sandbox.set_fault(None, Some(Fault::Uneven));
    let (mut sizes, mut seen, mut next) = (Vec::new(), BTreeSet::new(), Some(1));
    while let Some(number) = next {
        let answer = page(number).await;
        sizes.push(listings(&answer).len());
        seen.extend(listings(&answer));
        next = answer["NextPage"].as_u64();
    }
    assert_eq!((sizes, seen.len()), (vec![200, 100, 150], 450));
}

#[tokio::test]
async fn a_drip_does_not_end_a_bomb_unfolds_and_a_date_is_as_told() {
    let with = client(Options { gzip: false, ..small() }).await;
    let url = "/services/partner/SyncListings?FromUpdatedDate=2000-01-01";
    with.sandbox.fault_next(Fault::Date("yesterday".to_owned()));
    assert_eq!(with.ask(url).await.unwrap().headers()["date"], "yesterday");
    with.sandbox.fault_next(Fault::Bomb { blocks: 2 });
    let mut answer = with.ask(url).await.unwrap();
    let mut folded = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        folded.extend_from_slice(&chunk);
    }
    let mut unfolded = Vec::new();
    // It has no proper end, which is a part of the fault.
    std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(folded.as_slice()), &mut unfolded).ok();
    assert_eq!(unfolded.len(), 32 << 20);
    with.sandbox.fault_next(Fault::Drip);
    let mut answer = with.ask(url).await.unwrap();
    let mut dripped = 0;
    let drip = async {
        while let Some(chunk) = answer.chunk().await.unwrap() {
            dripped += chunk.len();
        }
    };
    assert!(tokio::time::timeout(Duration::from_millis(500), drip).await.is_err(), "it ended");
    assert!((1..=6).contains(&dripped), "{dripped} bytes");
}

#[tokio::test]
async fn people_can_ask_what_is_true() {
    let with = client(Options { listings: 3, deleted: 1, ..small() }).await;
    with.page(AGES).await;
    let get = async |path: &str| with.http.get(format!("{}{path}", with.sandbox.url())).send().await.unwrap().text().await.unwrap();
    let lines = get("/sandbox/truth").await;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|line| line["deleted"].as_bool().unwrap()).filter(|deleted| *deleted).count(), 1);
    assert_eq!((lines.len(), &lines[0]["feed"], lines[0]["record"].as_object().unwrap().len()), (4, &json!("GAMLS"), 317));
    let requests: Value = serde_json::from_str(&get("/sandbox/requests").await).unwrap();
    assert_eq!((requests.as_array().unwrap().len(), &requests[0]["total"]), (1, &json!(3)));
    let churned = with.http.post(format!("{}/sandbox/churn?n=10", with.sandbox.url())).send().await.unwrap().text().await.unwrap();
    assert_eq!(churned, "{\"changes\":10}");
    with.sandbox.stop().await;
}

/// A file as the contract wants it, made by hand from the truth.
fn file(path: &Path, truths: &Truths) -> Connection {
    let db = Connection::open(path).unwrap();
    let columns: Vec<String> = LISTING_DETAILS.iter().map(|f| format!("{} {}", f.column, f.kind.column_type())).collect();
    let tables = format!(
        "CREATE TABLE listings ({}, extra TEXT, deleted_at TEXT) STRICT;
         CREATE VIEW live_listings AS SELECT * FROM listings WHERE deleted_at IS NULL;
         CREATE TABLE listing_photos (feed_id, listing_id, sequence, normal_size_url, large_size_url);
         CREATE TABLE listing_open_houses (feed_id, listing_id, is_active, start_date, end_date, remarks);",
        columns.join(", ")
    );
    db.execute_batch(&tables).unwrap();
    for truth in truths.values().flat_map(BTreeMap::values) {
        insert(&db, truth);
    }
    db
}

fn insert(db: &Connection, truth: &Truth) {
    let record = truth.record();
    let mut cells: Vec<Sql> = LISTING_DETAILS.iter().map(|field| cell(field.kind, &record[field.wire])).collect();
    let mut extra = record.as_object().unwrap().clone();
    extra.retain(|name, _| LISTING_DETAILS.iter().all(|field| field.wire != name));
    cells.push(if extra.is_empty() { Sql::Null } else { Sql::Text(Value::Object(extra).to_string()) });
    cells.push(if truth.deleted { Sql::Text(NOON.to_owned()) } else { Sql::Null });
    let marks = vec!["?"; cells.len()].join(", ");
    db.execute(&format!("INSERT INTO listings VALUES ({marks})"), rusqlite::params_from_iter(cells)).unwrap();
    let json = truth.json();
    for (table, list, members) in [
        ("listing_photos", "$.Media.Photos", "value ->> 'Sequence', value ->> 'NormalSizeUrl', value ->> 'LargeSizeUrl'"),
        ("listing_open_houses", "$.OpenHouses", "value ->> 'IsActive', value ->> 'StartDate', value ->> 'EndDate', value ->> 'Remarks'"),
    ] {
        let rows = format!("SELECT ?1 ->> 'FeedId', ?1 ->> 'ListingId', {members} FROM json_each(?1, '{list}') WHERE type = 'object'");
        db.execute(&format!("INSERT INTO {table} {rows}"), [&json]).unwrap();
    }
}

fn cell(kind: Kind, value: &Value) -> Sql {
    match (kind, value) {
        (_, Value::Null) => Sql::Null,
        (Kind::Json, value) => Sql::Text(value.to_string()),
        (Kind::Real, value) => Sql::Real(value.as_f64().unwrap()),
        (Kind::Loose, Value::String(text)) => Sql::Text(text.clone()),
        (Kind::Loose, value) => Sql::Text(value.to_string().trim_end_matches(".0").to_owned()),
        (_, Value::Bool(truth)) => Sql::Integer(i64::from(*truth)),
        (_, Value::Number(number)) => Sql::Integer(number.as_i64().unwrap()),
        (_, value) => Sql::Text(value.as_str().unwrap().to_owned()),
    }
}

/// Compares a true file with the truth after this change to it.
fn after(options: &Options, change: &str) -> verify::Verdict {
    let directory = crate::support::directory();
    let path = directory.path().join("listings.db");
    let truths = World::new(options.clone()).truths();
    file(&path, &truths).execute_batch(change).unwrap();
    verify::compare(&path, &truths, options).unwrap()
}

#[test]
fn the_oracle_agrees_with_a_true_file() {
    let options = Options { listings: 80, deleted: 9, nulls: true, unknown_members: true, ..small() };
    let good = after(&options, "");
    assert!(good.agrees(), "{good}");
    assert_eq!((good.compared, good.live, good.deleted), (89, 80, 9));
    assert_eq!(good.to_string(), "89 listings compared (80 live, 9 deleted): no difference");
    assert!(after(&options, "DELETE FROM listings WHERE deleted_at IS NOT NULL").agrees(), "tombstones may be absent");
    assert!(after(&options, "UPDATE listings SET price = NULL WHERE deleted_at IS NOT NULL").agrees(), "tombstones may hold anything");
}

#[test]
fn the_oracle_names_each_lie() {
    let options = Options { listings: 40, deleted: 2, unknown_members: true, ..small() };
    let check = |change: &str, count: u64, what: &str| {
        let verdict = after(&options, change);
        assert!(verdict.to_string().contains(what), "{change}: {verdict}");
        assert_eq!(verdict.difference_count, count, "{change}: {verdict}");
    };
    let first = "WHERE rowid = (SELECT min(rowid) FROM listings WHERE deleted_at IS NULL)";
    check(&format!("UPDATE listings SET price = price + 1 {first}"), 1, ": price is ");
    check(&format!("UPDATE listings SET remarks = remarks || ' ' {first}"), 1, ": remarks is ");
    check(&format!("UPDATE listings SET has_pool = 1 - has_pool {first}"), 1, ": has_pool is ");
    check(&format!("UPDATE listings SET latitude = NULL {first}"), 1, ": latitude is null");
    check(&format!("UPDATE listings SET garage_spaces = garage_spaces || '.0' {first}"), 1, ": garage_spaces is ");
    check("UPDATE listings SET deleted_at = NULL", 2, "deleted at the vendor");
    check("UPDATE listings SET extra = NULL WHERE deleted_at IS NULL", 40, "extra is {}");
    check("DELETE FROM listings WHERE deleted_at IS NULL", 40, "missing in the file");
    check("INSERT INTO listings (feed_id, listing_id) VALUES ('GAMLS', 'ghost'), ('NOWHERE', '1')", 2, "(invented)");
    let live = "(feed_id, listing_id) IN (SELECT feed_id, listing_id FROM live_listings)";
    let child = |table: &str| format!("WHERE rowid = (SELECT min(rowid) FROM {table} WHERE {live})");
    let photo = child("listing_photos");
    check(&format!("UPDATE listing_photos SET large_size_url = 'x' {photo}"), 1, "listing_photos has ");
    let house = child("listing_open_houses");
    check(&format!("UPDATE listing_open_houses SET is_active = 1 - is_active {house}"), 1, "listing_open_houses has ");
    check("INSERT INTO listing_photos SELECT feed_id, listing_id, 99, 'a', 'b' FROM live_listings LIMIT 1", 1, "listing_photos has ");
}

#[test]
fn the_oracle_forgives_what_the_shape_never_sent() {
    let wipe: Vec<String> = LISTING_DETAILS
        .iter()
        .filter(|field| field.named_by == NamedBy::ClassOnly)
        .map(|field| format!("{} = NULL", field.column))
        .collect();
    let wipe = format!("UPDATE listings SET {}; DELETE FROM listing_photos", wipe.join(", "));
    let verdict = |shape| after(&Options { listings: 20, shape, ..small() }, &wipe);
    assert!(verdict(Shape::Table).agrees() && verdict(Shape::Mixed).agrees());
    assert!(!verdict(Shape::Class).agrees() && !verdict(Shape::Union).agrees());
}
