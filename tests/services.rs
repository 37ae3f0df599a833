//! The ten services of the partner API: the typed client and the sandbox, each reading of the document, over real HTTP.

use mls_sync::record::{Cell, DayTime, Failure, FeedId, Location, Position, Stamp};
use mls_sync::sandbox::{Bounds, FarDistance, Key, ListForm, MediaKey, NextPage, Options, PagePastEnd, PointForm, Sandbox, Shape};
use mls_sync::vendor::constellation1::fields::services::{Method, SERVICES, Service};
use mls_sync::vendor::constellation1::{
    AgentsRequest, ByAddress, ByGeography, ByLocation, Client, ClientOptions, Filters, Item, Items, OfficesRequest, OpenHousesRequest, Wkt,
};
use mls_sync::vendor::{Call, Error, HttpOptions, Limiter, LimiterOptions, Priority, Vendor};
use proptest::prelude::{ProptestConfig, Strategy, any, prop_oneof};
use proptest::strategy::Just;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

use crate::support::{self, Ended, Mirror};

const NOON: &str = "2026-05-01T12:00:00";
const DOCUMENT_SAMPLE: &str = include_str!("services/sample_request.json");

fn small() -> Options {
    let frozen_at = Some(NOON.parse::<DayTime>().unwrap());
    Options { feeds: vec!["GAMLS".to_owned(), "NWMLS".to_owned()], listings: 120, deleted: 10, frozen_at, ..Options::default() }
}

struct Run {
    sandbox: Sandbox,
    vendor: Vendor,
    stop: CancellationToken,
}

async fn run(options: Options) -> Run {
    let (client, key) = (options.client.clone(), options.key.0.clone());
    let sandbox = Sandbox::start(options, SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let options = ClientOptions {
        http: HttpOptions {
            base_url: sandbox.url().parse().unwrap(),
            timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(5),
            max_body: 64 << 20,
            user_agent: "mls-sync/test".to_owned(),
        },
        client,
        key: key.into(),
    };
    let limits = LimiterOptions { requests_per_second: 10_000.0, max_in_flight: 4, requests_per_hour: None, requests_per_day: None };
    Run { sandbox, vendor: Vendor::new(Client::new(options).unwrap(), Limiter::new(limits)), stop: CancellationToken::new() }
}

impl Run {
    async fn search(&self, filters: &Filters) -> Items {
        self.vendor.listings(filters, Priority::Poll, &self.stop).await.unwrap().unwrap()
    }

    async fn ask(&self, service: &str, parameters: Value) -> Result<Value, Error> {
        let Value::Object(parameters) = parameters else { panic!("an object") };
        let call = Call::new(service, parameters).unwrap();
        let answer = self.vendor.ask(&call, Priority::Poll, &self.stop).await.unwrap();
        answer.map(|json| serde_json::from_str(&json).unwrap())
    }

    /// The vendor refuses, and names the field.
    async fn refused(&self, service: &str, parameters: Value, field: &str) {
        let error = self.ask(service, parameters.clone()).await.expect_err(field);
        assert_eq!(error.failure, Failure::Refused, "{service} {parameters}: {error}");
        assert!(error.message.contains("HTTP 400") && error.message.contains(&format!("{field}: The ")), "{error}");
    }

    /// What the vendor answers to a body of JSON that this program would not send; members stand in the query where there is no body.
    async fn sent(&self, service: &str, body: &str) -> (u16, Value) {
        let service = SERVICES.iter().find(|known| known.name == service).unwrap();
        let url = format!("{}{}", self.sandbox.url(), service.path);
        let request = match service.method {
            Method::Post => reqwest::Client::new().post(url).body(body.to_owned()),
            Method::Get => {
                let members: Map<String, Value> = serde_json::from_str(body).unwrap();
                let pairs = members.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap()));
                reqwest::Client::new().get(format!("{url}?{}", pairs.collect::<Vec<_>>().join("&")))
            }
        };
        let digest = md5_of("demo demo-key x-ml-timestamp:20260501120000");
        let request = request.header("ml-auth", format!("client=demo&systemaccesskey=demo-key&signature={digest}"));
        let answer = request.header("x-ml-timestamp", "20260501120000").send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    }

    /// A request that lacks what is required is refused by the vendor, and not sent by this program.
    async fn lacks(&self, service: &str, parameters: Value, field: &str) {
        let (status, answer) = self.sent(service, &parameters.to_string()).await;
        assert!(status == 400 && answer["Data"]["Errors"][field].is_string(), "{service}: {answer}");
        let Value::Object(parameters) = parameters else { panic!("an object") };
        let why = Call::new(service, parameters).expect_err("not sent");
        assert!(why.contains(&format!("{field} is missing")), "{why}");
    }

    async fn by_location(&self, location: Wkt, distance: Option<u32>) -> Result<Items, Error> {
        let request = ByLocation { location, distance, sold_date_range: None, filters: feeds() };
        self.vendor.listings_by_location(&request, Priority::Poll, &self.stop).await.unwrap()
    }

    async fn agents(&self, request: AgentsRequest) -> Items {
        self.vendor.agents(&request, Priority::Poll, &self.stop).await.unwrap().unwrap()
    }

    async fn open_houses(&self, request: OpenHousesRequest) -> Items {
        self.vendor.open_houses(&request, Priority::Poll, &self.stop).await.unwrap().unwrap()
    }

    /// Every live listing in full, as GetListingDetail has it.
    async fn all(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for feed in ["GAMLS", "NWMLS"] {
            let visible = self.sandbox.with_world(|world| world.visible(feed));
            for (listing, _, _) in visible.into_iter().filter(|(_, _, deleted)| !deleted) {
                let reply = self.sandbox.with_world(|world| world.answer_detail(&FeedId(feed.to_owned()), &listing));
                all.push(serde_json::from_slice(&reply.body).unwrap());
            }
        }
        all
    }
}

fn feeds() -> Filters {
    Filters { feed_id_list: vec!["GAMLS".to_owned(), "NWMLS".to_owned()], ..Filters::default() }
}

fn stamp(text: &str) -> Stamp {
    Stamp::parse(text).unwrap()
}

fn key(item: &Item) -> (String, String) {
    (item.text("FeedId").unwrap().to_owned(), item.text("ListingId").unwrap().to_owned())
}

fn keys(items: &Items) -> BTreeSet<(String, String)> {
    items.items.iter().map(key).collect()
}

fn key_of(record: &Value) -> (String, String) {
    (record["FeedId"].as_str().unwrap().to_owned(), record["ListingId"].as_str().unwrap().to_owned())
}

fn place(record: &Value) -> Position {
    Position { longitude: record["Longitude"].as_f64().unwrap(), latitude: record["Latitude"].as_f64().unwrap() }
}

fn texts(items: &Items, name: &str) -> Vec<String> {
    items.items.iter().map(|item| item.text(name).unwrap().to_owned()).collect()
}

#[test]
fn the_services_are_those_of_the_document() {
    // Name, method, path and the parameters of its own, as the document has them.
    let document = include_str!("services/document.txt");
    let base: BTreeSet<&str> = document.lines().find_map(|line| line.strip_prefix("base ")).unwrap().split(' ').collect();
    let mut lines = document.lines().filter(|line| !line.starts_with("base "));
    for service in SERVICES {
        let words: Vec<&str> = lines.next().unwrap().split(' ').collect();
        let method = if service.method == Method::Get { "GET" } else { "POST" };
        assert_eq!([method, service.name, service.path], words[..3]);
        let mut expected: BTreeSet<&str> = words[3..].iter().copied().collect();
        if service.method == Method::Post {
            expected.extend(&base);
        }
        // What only samples show, and the page that an answer may name.
        let undocumented = ["PageSize", "SearchAreaList", "LevelList", "SortBy", "Page"];
        let known: BTreeSet<&str> = service.parameters().map(|(name, _)| name).collect();
        let strange: Vec<&&str> = known.symmetric_difference(&expected).filter(|name| !undocumented.contains(name)).collect();
        assert!(strange.is_empty(), "{}: {strange:?}", service.name);
    }
    assert_eq!(lines.next(), None);
}

#[tokio::test]
async fn the_documents_sample_request_is_answered() {
    let with = run(Options { listings: 400, ..small() }).await;
    let sample: Map<String, Value> = serde_json::from_str(DOCUMENT_SAMPLE).unwrap();
    let (status, listings) = with.sent("GetListings", DOCUMENT_SAMPLE).await;
    assert!(status == 200 && listings.is_array(), "the sample as it stands: {listings}");
    let call = Call::new("GetListings", sample.clone()).unwrap();
    let said: Map<String, Value> = sample.into_iter().filter(|(_, value)| *value != "" && *value != json!([])).collect();
    assert_eq!(call.parameters().keys().collect::<Vec<_>>(), said.keys().collect::<Vec<_>>(), "what is empty is not sent");
    let answer = with.vendor.ask(&call, Priority::Poll, &with.stop).await.unwrap().unwrap();
    assert!(serde_json::from_str::<Vec<Value>>(&answer).is_ok(), "{answer}");
}

#[tokio::test]
async fn what_is_left_open_is_not_sent() {
    let with = run(small()).await;
    let everything = with.search(&feeds()).await;
    assert_eq!((everything.items.len(), everything.total, everything.next_page), (240, None, None));
    assert_eq!(everything.vendor_now, Some(stamp(NOON)));
    let nobody = with.search(&Filters { remarks: Some("zzz".to_owned()), ..feeds() }).await;
    assert_eq!(nobody.items, []);
}

#[tokio::test]
async fn a_summary_says_what_the_detail_says_in_either_half_of_the_document() {
    for (shape, media_key, status) in [
        (Shape::Class, MediaKey::Media, "ListingStatus"),
        (Shape::Table, MediaKey::ListingMedia, "Status"),
        (Shape::Union, MediaKey::Both, "Status"),
    ] {
        let with = run(Options { shape, media_key, listings: 30, ..small() }).await;
        let found = with.search(&feeds()).await;
        with.sandbox.reconfigure(|options| (options.shape, options.media_key) = (Shape::Union, MediaKey::Media));
        let all = with.all().await;
        assert_eq!(found.items.len(), all.len());
        for item in &found.items {
            let record = all.iter().find(|record| key_of(record) == key(item)).unwrap();
            assert_eq!(item.text(status), record["ListingStatus"].as_str(), "{shape:?}");
            for name in ["Address", "City", "ListingAgentId", "ListingOffice", "ListDate", "Remarks", "MlsUpdateDate"] {
                assert_eq!(item.text(name), record[name].as_str(), "{shape:?} {name}");
            }
            for name in ["Price", "Beds", "BathsTotal", "Latitude", "DaysOnMarket"] {
                assert_eq!(item.number(name), record[name].as_f64(), "{shape:?} {name}");
            }
            assert_eq!(item.get("SaleDate") == &Cell::Absent, shape == Shape::Table, "the class alone has it");
            assert_eq!(item.get("Media") == &Cell::Null, record["Media"].is_null(), "{}", item.raw);
            assert_eq!(item.extra, None);
        }
    }
}

/// Whether a listing passes the filters, told from its full record in the words of the document's table.
fn is_wanted(record: &Value, filters: &Filters, now: Stamp) -> bool {
    let text = |name: &str| record[name].as_str().unwrap_or("");
    let number = |name: &str| record[name].as_f64().or_else(|| record[name].as_str()?.parse().ok());
    let is = |asked: &Option<String>, name: &str| {
        asked.as_ref().is_none_or(|asked| text(name).eq_ignore_ascii_case(asked) && record[name].is_string())
    };
    let one = |asked: &[String], name: &str| asked.is_empty() || asked.iter().any(|asked| record[name] == json!(asked));
    let some_part = |asked: &[String], name: &str| {
        let held = record[name].as_str().map(|text| text.split(", ").collect::<Vec<_>>()).unwrap_or_default();
        asked.is_empty() || held.iter().any(|part| asked.iter().any(|asked| asked == part))
    };
    let least = |asked: Option<f64>, name: &str| asked.is_none_or(|asked| number(name).is_some_and(|held| held >= asked));
    let most = |asked: Option<f64>, name: &str| asked.is_none_or(|asked| number(name).is_some_and(|held| held <= asked));
    let whole = |asked: Option<i64>| asked.map(|asked| asked as f64);
    let wanted = |asked: Option<bool>, name: &str| asked != Some(true) || record[name] == true;
    let exactly = |asked: Option<bool>, name: &str| asked.is_none_or(|asked| record[name] == asked);
    // Its times have no zone, so one that ended less than a day ago may still be to come.
    let lately = now.minus(Duration::from_secs(86_400));
    let is_ahead = |house: &Value| {
        let end = house["EndDate"].as_str().or(house["StartDate"].as_str()).unwrap();
        house["IsActive"] != false && stamp(end) > lately
    };
    let ahead = || record["OpenHouses"].as_array().is_some_and(|houses| houses.iter().any(is_ahead));
    one(&filters.feed_id_list, "FeedId")
        && (one(&filters.property_type_list, "PropertyType") || one(&filters.property_type_list, "PropertyTypeSearch"))
        && one(&filters.sale_type_list, "SaleType")
        && (one(&filters.status_list, "ListingStatus") || one(&filters.status_list, "ListingStatusSearch"))
        && some_part(&filters.view_list, "ViewSearch")
        && some_part(&filters.style_list, "StyleSearch")
        && is(&filters.agent_id, "ListingAgentId")
        && is(&filters.office_id, "ListingOfficeId")
        && is(&filters.school_district, "SchoolDistrict")
        && is(&filters.subdivision, "Subdivision")
        && is(&filters.land_tenure, "LandTenure")
        && filters.remarks.as_ref().is_none_or(|phrase| text("Remarks").to_lowercase().contains(&phrase.to_lowercase()))
        && least(whole(filters.min_price), "Price")
        && most(whole(filters.max_price), "Price")
        && least(whole(filters.min_square_feet), "SquareFeet")
        && most(whole(filters.max_square_feet), "SquareFeet")
        && least(filters.min_acres, "AcreSearch")
        && most(filters.max_acres, "AcreSearch")
        && least(whole(filters.beds), "Beds")
        && least(filters.baths_total, "BathsTotal")
        && least(whole(filters.min_year_built), "YearBuilt")
        && most(whole(filters.max_year_built), "YearBuilt")
        && filters.days_on_market.is_none_or(|days| number("DaysOnMarket").is_some_and(|held| held < days as f64))
        && filters.mls_update_date.is_none_or(|after| stamp(text("MlsUpdateDate")) > after)
        && wanted(filters.has_view, "HasView")
        && (filters.has_open_house != Some(true) || ahead())
        && wanted(filters.has_ac, "HasAc")
        && exactly(filters.has_age_restrictions, "HasAgeRestrictions")
        && exactly(filters.has_barn, "HasBarn")
        && exactly(filters.has_basement, "HasBasement")
        && exactly(filters.has_fireplace, "HasFireplace")
        && exactly(filters.has_garage, "HasGarage")
        && exactly(filters.has_handicap_features, "HasHandicapFeatures")
        && exactly(filters.has_master_on_main, "HasMasterOnMain")
        && exactly(filters.has_pool, "HasPool")
        && exactly(filters.has_water_front, "HasWaterfront")
}

/// A few filters at a time, with values that listings have: otherwise nothing would ever match.
fn some_filters(all: &[Value]) -> impl Strategy<Value = Filters> + use<> {
    let all = all.to_vec();
    let one = prop_oneof![0..45_usize, Just(0)];
    (proptest::collection::vec((one, any::<proptest::sample::Index>(), any::<bool>()), 1..4)).prop_map(move |picked| {
        let mut filters = feeds();
        for (which, index, truth) in picked {
            set(&mut filters, which, index.get(&all), truth);
        }
        filters
    })
}

fn set(filters: &mut Filters, which: usize, record: &Value, truth: bool) {
    let text = |name: &str| record[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let list = |name: &str| text(name).into_iter().collect::<Vec<_>>();
    let part = |name: &str| text(name).and_then(|text| text.split(", ").last().map(str::to_owned)).into_iter().collect::<Vec<_>>();
    let number = |name: &str| record[name].as_f64().or_else(|| record[name].as_str()?.parse().ok());
    let whole = |name: &str| number(name).map(|number| number as i64);
    match which {
        0 => filters.feed_id_list = list("FeedId"),
        1 => filters.property_type_list = [list("PropertyType"), vec!["Farm".to_owned()]].concat(),
        2 => filters.sale_type_list = list("SaleType"),
        3 => filters.view_list = part("ViewSearch"),
        4 => filters.style_list = part("StyleSearch"),
        5 => filters.status_list = list("ListingStatus"),
        6 => filters.agent_id = text("ListingAgentId"),
        7 => filters.office_id = text("ListingOfficeId"),
        8 => filters.school_district = text("SchoolDistrict"),
        9 => filters.remarks = text("Remarks").and_then(|text| Some(text.split_whitespace().nth(1)?.to_uppercase())),
        10 => filters.subdivision = text("Subdivision"),
        11 => filters.land_tenure = text("LandTenure"),
        12 => filters.min_price = whole("Price"),
        13 => filters.max_price = whole("Price"),
        14 => filters.min_square_feet = whole("SquareFeet"),
        15 => filters.max_square_feet = whole("SquareFeet"),
        16 => filters.min_acres = number("AcreSearch"),
        17 => filters.max_acres = number("AcreSearch"),
        18 => filters.beds = whole("Beds"),
        19 => filters.baths_total = number("BathsTotal"),
        20 => filters.min_year_built = whole("YearBuilt"),
        21 => filters.max_year_built = whole("YearBuilt"),
        22 => filters.days_on_market = whole("DaysOnMarket"),
        23 => filters.mls_update_date = text("MlsUpdateDate").map(|text| stamp(&stamp(&text).to_wire())),
        24 => filters.has_view = Some(truth),
        25 => filters.has_open_house = Some(truth),
        26 => filters.has_ac = Some(truth),
        27 => filters.has_age_restrictions = Some(truth),
        28 => filters.has_barn = Some(truth),
        29 => filters.has_basement = Some(truth),
        30 => filters.has_fireplace = Some(truth),
        31 => filters.has_garage = Some(truth),
        32 => filters.has_handicap_features = Some(truth),
        33 => filters.has_master_on_main = Some(truth),
        34 => filters.has_pool = Some(truth),
        35 => filters.has_water_front = Some(truth),
        _ => {}
    }
}

#[test]
fn a_search_finds_what_a_plain_reading_of_every_listing_finds() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let with = runtime.block_on(run(small()));
    let all = runtime.block_on(with.all());
    let mut runner = TestRunner::new(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() });
    let mut found_some = 0;
    let strategy = some_filters(&all);
    let outcome = runner.run(&strategy, |filters| {
        let expected: BTreeSet<_> = all.iter().filter(|record| is_wanted(record, &filters, stamp(NOON))).map(key_of).collect();
        let found = runtime.block_on(with.search(&filters));
        assert_eq!(keys(&found), expected, "{filters:?}");
        Ok(())
    });
    outcome.unwrap();
    // Each filter by itself, in both directions, at the value of some listing: none of them lets everything or nothing through everywhere.
    for which in 0..36 {
        let mut sizes = BTreeSet::new();
        for (index, record) in all.iter().enumerate().step_by(3) {
            let mut filters = feeds();
            set(&mut filters, which, record, index % 2 == 0);
            let expected: BTreeSet<_> = all.iter().filter(|record| is_wanted(record, &filters, stamp(NOON))).map(key_of).collect();
            if index < 30 || sizes.len() < 2 {
                assert_eq!(keys(&runtime.block_on(with.search(&filters))), expected, "{filters:?}");
            }
            sizes.insert(expected.len());
        }
        found_some += usize::from(sizes.iter().any(|size| (1..240).contains(size)));
    }
    assert_eq!(found_some, 36, "each filter parts the listings");
}

#[tokio::test]
async fn inserted_after_is_told_by_the_birth_of_a_listing_and_not_by_its_updates() {
    let with = run(small()).await;
    let later = stamp(NOON).plus(Duration::from_secs(60));
    let old = with.sandbox.with_world(|world| world.visible("GAMLS")).into_iter().find(|(_, _, deleted)| !deleted).unwrap().0;
    let new = with.sandbox.with_world(|world| {
        world.set_clock(later);
        world.edit("GAMLS", &old);
        world.add("GAMLS")
    });
    let inserted = with.search(&Filters { mls_insert_date: Some(stamp(NOON)), ..feeds() }).await;
    assert_eq!(texts(&inserted, "ListingId"), std::slice::from_ref(&new.0));
    let updated = with.search(&Filters { mls_update_date: Some(stamp(NOON)), ..feeds() }).await;
    assert_eq!(keys(&updated).len(), 2);
    let after = with.search(&Filters { mls_update_date: Some(later), ..feeds() }).await;
    assert_eq!(after.items, [], "the moment itself is not after it");
}

#[tokio::test]
async fn false_asks_for_what_has_it_not_or_for_nothing() {
    let with = run(small()).await;
    let without_a_pool = with.search(&Filters { has_pool: Some(false), ..feeds() }).await.items.len();
    assert!((1..240).contains(&without_a_pool), "{without_a_pool}");
    assert_eq!(with.search(&Filters { has_view: Some(false), ..feeds() }).await.items.len(), 240);
    with.sandbox.reconfigure(|options| options.services.false_is_no_preference = true);
    assert_eq!(with.search(&Filters { has_pool: Some(false), ..feeds() }).await.items.len(), 240);
}

#[tokio::test]
async fn the_order_asked_for_is_kept() {
    let with = run(small()).await;
    let found = with.search(&Filters { sort_by: Some("Price".to_owned()), ..feeds() }).await;
    let prices: Vec<f64> = found.items.iter().map(|item| item.number("Price").unwrap()).collect();
    assert!(prices.is_sorted() && prices.len() == 240);
}

#[tokio::test]
async fn a_list_is_bare_or_wrapped_or_in_pages() {
    let with = run(small()).await;
    let bare = with.search(&feeds()).await;
    with.sandbox.reconfigure(|options| options.services.lists = ListForm::Results);
    assert_eq!(keys(&with.search(&feeds()).await), keys(&bare));
    for next_page in [NextPage::Null, NextPage::Absent] {
        with.sandbox.reconfigure(|options| {
            options.services.lists = ListForm::Paged;
            options.next_page = next_page;
        });
        let first = with.search(&feeds()).await;
        assert_eq!((first.items.len(), first.total, first.next_page), (200, Some(240), Some(2)));
        let second = with.search(&Filters { page: first.next_page, ..feeds() }).await;
        assert_eq!((second.items.len(), second.next_page), (40, None));
        assert_eq!(&keys(&first) | &keys(&second), keys(&bare));
    }
}

#[tokio::test]
async fn a_search_around_a_point_finds_what_lies_within_the_miles() {
    let with = run(small()).await;
    let all = with.all().await;
    let middle = place(&all[0]);
    // Another formula than the sandbox's: the spherical law of cosines.
    let miles = |record: &Value| {
        let (a, b) = (middle.latitude.to_radians(), place(record).latitude.to_radians());
        let turn = (place(record).longitude - middle.longitude).to_radians();
        (a.sin() * b.sin() + a.cos() * b.cos() * turn.cos()).min(1.0).acos() * 3958.7613
    };
    let mut sizes = BTreeSet::new();
    for (distance, expected) in [(None, 10.0), (Some(0), 0.001), (Some(3), 3.0), (Some(25), 25.0)] {
        let within: BTreeSet<_> = all.iter().filter(|record| miles(record) <= expected).map(key_of).collect();
        for wkt in [Wkt::Plain(Location::Point(middle)), Wkt::WithComma(Location::Point(middle))] {
            assert_eq!(keys(&with.by_location(wkt, distance).await.unwrap()), within, "{distance:?}");
        }
        sizes.insert(within.len());
    }
    assert_eq!(sizes.len(), 4, "{sizes:?}");
}

#[tokio::test]
async fn more_than_25_miles_are_refused_or_taken_for_25() {
    let with = run(small()).await;
    let middle = Location::Point(place(&with.all().await[0]));
    let far = with.by_location(Wkt::Plain(middle.clone()), Some(26)).await.expect_err("too far");
    assert!(far.failure == Failure::Refused && far.message.contains("Distance: The field Distance must be between 0 and 25"), "{far}");
    with.sandbox.reconfigure(|options| options.services.far_distance = FarDistance::Clamp);
    let clamped = with.by_location(Wkt::Plain(middle.clone()), Some(900)).await.unwrap();
    assert_eq!(keys(&clamped), keys(&with.by_location(Wkt::Plain(middle), Some(25)).await.unwrap()));
}

#[tokio::test]
async fn a_point_is_read_in_one_spelling_or_in_both() {
    let with = run(small()).await;
    let point = Location::Point(place(&with.all().await[0]));
    for (form, plain, comma) in [(PointForm::Any, true, true), (PointForm::Plain, true, false), (PointForm::Comma, false, true)] {
        with.sandbox.reconfigure(|options| options.services.point_form = form);
        assert_eq!(with.by_location(Wkt::Plain(point.clone()), None).await.is_ok(), plain, "{form:?}");
        assert_eq!(with.by_location(Wkt::WithComma(point.clone()), None).await.is_ok(), comma, "{form:?}");
    }
}

#[tokio::test]
async fn a_search_within_a_boundary_finds_what_lies_in_it() {
    let with = run(small()).await;
    let all = with.all().await;
    let (west, east, south, north) = (-84.40, -84.25, 33.70, 33.80);
    let corners = [(west, south), (west, north), (east, north), (east, south), (west, south)];
    let ring = corners.map(|(longitude, latitude)| Position { longitude, latitude }).to_vec();
    let is_within = |record: &&Value| {
        let Position { longitude, latitude } = place(record);
        (west..east).contains(&longitude) && (south..north).contains(&latitude)
    };
    let expected: BTreeSet<_> = all.iter().filter(is_within).map(key_of).collect();
    assert!(expected.len() > 2, "{expected:?}");
    assert_eq!(keys(&with.by_location(Wkt::Plain(Location::Polygon(vec![ring])), None).await.unwrap()), expected);
    let park = "POLYGON((-73.976269 40.765591,-73.978672 40.762341,-73.97644 40.759351\n\n,-73.971806 40.761593,-73.971934 40.764909,-73.976269 40.765591))";
    let answer = with.ask("GetListingsByLocation", json!({"FeedIdList": ["GAMLS"], "WktLocation": park})).await.unwrap();
    assert_eq!(answer, json!([]), "the document's example lies in New York");
}

#[tokio::test]
async fn a_search_around_an_address_is_one_around_its_listing() {
    let with = run(small()).await;
    let record = with.all().await.remove(0);
    let text = |name: &str| record[name].as_str().unwrap().to_owned();
    let request = ByAddress {
        address: text("Address").to_uppercase(),
        city: text("City"),
        state: text("State"),
        zip: text("Zip"),
        distance: Some(8),
        filters: feeds(),
    };
    let ask = async |request: &ByAddress| with.vendor.listings_by_address(request, Priority::Poll, &with.stop).await.unwrap();
    let around = with.by_location(Wkt::Plain(Location::Point(place(&record))), Some(8)).await.unwrap();
    assert_eq!(keys(&ask(&request).await.unwrap()), keys(&around));
    assert!(texts(&around, "Zip").iter().any(|zip| *zip != request.zip), "there is something to filter out");
    with.sandbox.reconfigure(|options| options.services.address_filters = true);
    let filtered = ask(&request).await.unwrap();
    assert!(texts(&filtered, "Zip").iter().all(|zip| *zip == request.zip) && !filtered.items.is_empty());
    let nowhere = ask(&ByAddress { address: "1 Nowhere".to_owned(), ..request }).await.expect_err("unknown");
    assert!(nowhere.message.contains("Address: The field Address"), "{nowhere}");
}

#[tokio::test]
async fn a_search_by_geography_filters_by_the_names_of_a_place() {
    let with = run(small()).await;
    let all = with.all().await;
    let ask = async |request: ByGeography| with.vendor.listings_by_geography(&request, Priority::Poll, &with.stop).await.unwrap().unwrap();
    let named = |name: &str, value: &Value| all.iter().filter(|record| record[name] == *value).map(key_of).collect::<BTreeSet<_>>();
    let city = ask(ByGeography { city: Some("atlanta".to_owned()), filters: feeds(), ..ByGeography::default() }).await;
    assert_eq!(keys(&city), named("City", &json!("Atlanta")));
    let zip = all[0]["Zip"].clone();
    let found = ask(ByGeography { zip: zip.as_str().map(str::to_owned), filters: feeds(), ..ByGeography::default() }).await;
    assert_eq!(keys(&found), named("Zip", &zip));
    let hood = all.iter().map(|record| &record["Neighborhood"]).find(|hood| hood.as_str().is_some_and(|hood| !hood.is_empty())).unwrap();
    let found = ask(ByGeography { neighborhood: hood.as_str().map(str::to_owned), filters: feeds(), ..ByGeography::default() }).await;
    assert_eq!(keys(&found), named("Neighborhood", hood));
    assert!(!city.items.is_empty() && ask(ByGeography { filters: feeds(), ..ByGeography::default() }).await.items.len() == 240);
}

#[tokio::test]
async fn sold_listings_are_found_by_the_day_of_their_sale() {
    let with = run(Options { listings: 400, ..small() }).await;
    let all = with.all().await;
    let world = Location::Polygon(vec![
        [(-179.0, -89.0), (-179.0, 89.0), (179.0, 89.0), (179.0, -89.0), (-179.0, -89.0)]
            .map(|(longitude, latitude)| Position { longitude, latitude })
            .to_vec(),
    ]);
    let ask = async |range: Option<&str>| {
        let (location, sold_date_range) = (Wkt::Plain(world.clone()), range.map(str::to_owned));
        let request = ByLocation { location, distance: None, sold_date_range, filters: feeds() };
        with.vendor.sold_listings_by_location(&request, Priority::Poll, &with.stop).await.unwrap()
    };
    let mut sizes = BTreeSet::new();
    for (range, days) in [(None, None), (Some("All"), None), (Some("Last 3 months"), Some(90)), (Some("last 2 weeks"), Some(14))] {
        let since = days.map(|days: u64| stamp("2026-05-01T00:00:00").minus(Duration::from_secs(days * 86_400)));
        let sold = |record: &&Value| {
            record["ListingStatus"] == "Sold" && since.is_none_or(|since| stamp(record["SaleDate"].as_str().unwrap()) >= since)
        };
        let expected: BTreeSet<_> = all.iter().filter(sold).map(key_of).collect();
        assert_eq!(keys(&ask(range).await.unwrap()), expected, "{range:?}");
        sizes.insert(expected.len());
    }
    assert_eq!(sizes.len(), 3, "{sizes:?}");
    assert!(ask(Some("Last summer")).await.expect_err("no value").message.contains("SoldDateRange: The "));
    with.sandbox.reconfigure(|options| options.services.sold_range_required = true);
    assert!(ask(None).await.expect_err("missing").message.contains("SoldDateRange: The SoldDateRange field is required"));
    assert!(ask(Some("All")).await.is_ok());
}

#[tokio::test]
async fn one_listing_is_read_alone_or_in_a_list_of_one() {
    let with = run(small()).await;
    let feed = FeedId("GAMLS".to_owned());
    let listing = with.sandbox.with_world(|world| world.visible("GAMLS")).remove(0).0;
    let ask = async || with.vendor.listing_detail(&feed, &listing, Priority::Poll, &with.stop).await.unwrap().unwrap().unwrap();
    let alone = ask().await;
    with.sandbox.reconfigure(|options| options.services.wrap_detail = true);
    assert_eq!(ask().await.raw, alone.raw);
}

#[tokio::test]
async fn the_agents_and_offices_of_the_listings_exist() {
    let with = run(small()).await;
    let long_ago = Some(Stamp::FIRST);
    let agents = with.agents(AgentsRequest { feed_id: "GAMLS".to_owned(), from_updated_date: long_ago, ..AgentsRequest::default() }).await;
    let request = OfficesRequest { feed_id: "GAMLS".to_owned(), from_updated_date: long_ago, ..OfficesRequest::default() };
    let offices = with.vendor.offices(&request, Priority::Poll, &with.stop).await.unwrap().unwrap();
    assert_eq!((agents.items.len(), agents.total, agents.next_page, offices.items.len()), (40, Some(40), None, 8));
    let all = with.all().await;
    for record in all.iter().filter(|record| record["FeedId"] == "GAMLS") {
        let is = |items: &Items, field: &str, id: &Value| items.items.iter().position(|item| item.text(field) == id.as_str()).unwrap();
        let agent = &agents.items[is(&agents, "AgentId", &record["ListingAgentId"])];
        let name = format!("{} {}", agent.text("FirstName").unwrap(), agent.text("LastName").unwrap());
        assert_eq!(record["ListingAgent"], json!(name));
        let office = &offices.items[is(&offices, "OfficeId", &record["ListingOfficeId"])];
        assert_eq!((record["ListingOffice"].as_str(), record["ListingOfficePhone"].as_str()), (office.text("Name"), office.text("Phone")));
        if record["ListingStatus"] == "Sold" {
            is(&agents, "AgentId", &record["SellingAgentId"]);
            is(&offices, "OfficeId", &record["SellingOfficeId"]);
        } else {
            assert_eq!((&record["SellingAgentId"], &record["SellingOffice"]), (&Value::Null, &Value::Null));
        }
    }
    assert!(agents.items.iter().chain(&offices.items).all(|item| item.extra.is_none()), "every member has its field");
    with.sandbox.reconfigure(|options| options.services.agents = 0);
    assert!(with.all().await.iter().all(|record| record["ListingAgentId"].is_null() && record["ListingOffice"].is_null()));
}

#[tokio::test]
async fn agents_are_selected_by_id_office_and_date_and_come_in_pages() {
    let with = run(small()).await;
    let all = AgentsRequest { feed_id: "GAMLS".to_owned(), from_updated_date: Some(Stamp::FIRST), ..AgentsRequest::default() };
    let one = with.agents(AgentsRequest { agent_id: Some("20007".to_owned()), ..all.clone() }).await;
    assert_eq!(texts(&one, "AgentId"), ["20007"]);
    let of_office = with.agents(AgentsRequest { office_id: Some("O001".to_owned()), ..all.clone() }).await;
    assert_eq!(texts(&of_office, "AgentId"), ["20001", "20009", "20017", "20025", "20033"]);
    let half = stamp("2026-04-01T00:00:00");
    let older = with.agents(AgentsRequest { to_updated_date: Some(half), ..all.clone() }).await.items.len();
    let newer = with.agents(AgentsRequest { from_updated_date: Some(half), ..all.clone() }).await.items.len();
    assert!(older > 0 && newer > 0 && older + newer == 40, "{older} {newer}");
    let today = with.agents(AgentsRequest { from_updated_date: None, ..all.clone() }).await.items.len();
    assert!(today < newer, "without a date, from midnight on");
    with.sandbox.reconfigure(|options| options.services.directory_page_size = 15);
    let (mut ids, mut page) = (BTreeSet::new(), Some(1));
    while page.is_some() {
        let found = with.agents(AgentsRequest { page, ..all.clone() }).await;
        ids.extend(texts(&found, "AgentId"));
        assert_eq!(found.total, Some(40));
        page = found.next_page;
    }
    assert_eq!(ids.len(), 40);
    assert_eq!(with.agents(AgentsRequest { page: Some(9), ..all.clone() }).await.items, []);
    with.sandbox.reconfigure(|options| options.page_past_end = PagePastEnd::NotFound);
    let past = with.ask("GetAgents", json!({"FeedId": "GAMLS", "FromUpdatedDate": "2000-01-01T00:00:00", "Page": 9})).await;
    assert!(past.expect_err("nothing there").message.contains("HTTP 404"));
    let hidden = with.agents(AgentsRequest { feed_id: "HIDDEN".to_owned(), ..all }).await;
    assert_eq!(hidden.items, []);
}

#[tokio::test]
async fn the_bounds_of_a_range_belong_to_it_or_not() {
    let with = run(Options { bounds: Bounds::Exclusive, bulk: 120, ..small() }).await;
    let shared = with.sandbox.with_world(|world| world.visible("GAMLS")).remove(0).1;
    let at = AgentsRequest {
        feed_id: "GAMLS".to_owned(),
        from_updated_date: Some(shared),
        to_updated_date: Some(shared),
        ..AgentsRequest::default()
    };
    assert_eq!(with.agents(at.clone()).await.items, []);
    with.sandbox.reconfigure(|options| options.bounds = Bounds::Inclusive);
    let around = AgentsRequest { to_updated_date: Some(shared.plus(Duration::from_millis(1))), ..at };
    assert_eq!(with.agents(around).await.items.len(), 40);
}

#[tokio::test]
async fn open_houses_are_those_of_the_listings_in_the_range() {
    let with = run(small()).await;
    let all = with.all().await;
    let houses = |record: &Value| record["OpenHouses"].as_array().cloned().unwrap_or_default();
    let every = OpenHousesRequest { feed_id_list: feeds().feed_id_list, ..OpenHousesRequest::default() };
    let found = with.open_houses(every.clone()).await;
    assert_eq!(found.items.len(), all.iter().map(|record| houses(record).len()).sum::<usize>());
    for item in &found.items {
        let record = all.iter().find(|record| key_of(record) == key(item)).unwrap();
        assert!(houses(record).iter().any(|house| house["StartDate"].as_str() == item.text("StartDate")));
        assert!(matches!(item.get("IsPublic"), Cell::Integer(0 | 1)) && item.extra.is_none());
    }
    let agent = all.iter().find(|record| !houses(record).is_empty()).unwrap()["ListingAgentId"].as_str().unwrap().to_owned();
    let of_agent = with.open_houses(OpenHousesRequest { agent_id: Some(agent.clone()), ..every.clone() }).await;
    let expected = all.iter().filter(|record| record["ListingAgentId"] == json!(agent)).map(|record| houses(record).len()).sum::<usize>();
    assert!(of_agent.items.len() == expected && expected > 0);
    // From half way through one open house: it overlaps the range, and does not begin in it.
    let item = found.items.iter().find(|item| item.text("EndDate").is_some()).unwrap();
    let from = stamp(item.text("StartDate").unwrap()).plus(Duration::from_secs(1800));
    let half = OpenHousesRequest { open_from_date: Some(from), open_to_date: Some(from.plus(Duration::from_secs(1))), ..every };
    assert!(!with.open_houses(half.clone()).await.items.contains(item));
    with.sandbox.reconfigure(|options| options.services.open_range_overlaps = true);
    assert!(with.open_houses(half).await.items.contains(item));
}

#[tokio::test]
async fn a_wrong_request_is_told_its_field() {
    let with = run(small()).await;
    with.lacks("GetListings", json!({}), "FeedIdList").await;
    with.lacks("GetListings", json!({"FeedIdList": []}), "FeedIdList").await;
    with.lacks("GetListingsByAddress", json!({"FeedIdList": ["GAMLS"], "Address": "1 A St", "City": "x", "State": "GA"}), "Zip").await;
    with.lacks("GetListingsByLocation", json!({"FeedIdList": ["GAMLS"]}), "WktLocation").await;
    with.refused("GetListingsByLocation", json!({"FeedIdList": ["GAMLS"], "WktLocation": "CIRCLE (1 2)"}), "WktLocation").await;
    with.lacks("GetAgents", json!({}), "FeedId").await;
    with.lacks("GetOffices", json!({"OfficeId": "x"}), "FeedId").await;
    with.lacks("GetListingsOpenHouse", json!({}), "FeedIdList").await;
}

#[tokio::test]
async fn what_does_not_bind_is_refused_by_its_name() {
    let with = run(small()).await;
    for (member, field) in [
        ("\"Beds\":\"three\"", "Beds"),
        ("\"Beds\":1.5", "Beds"),
        ("\"MinAcres\":[]", ""),
        ("\"HasPool\":2", "HasPool"),
        ("\"HasPool\":\"1\"", ""),
        ("\"StatusList\":\"Active\"", "StatusList"),
        ("\"MlsUpdateDate\":\"May\"", "MlsUpdateDate"),
        ("\"MlsUpdateDate\":\"\"", ""),
        ("\"Nonsense\":1", ""),
    ] {
        let (status, body) = with.sent("GetListings", &format!("{{\"FeedIdList\":[\"GAMLS\"],{member}}}")).await;
        assert_eq!(status, if field.is_empty() { 200 } else { 400 }, "{member}");
        if !field.is_empty() {
            let errors = body["Data"]["Errors"].as_object().unwrap();
            assert_eq!(errors.keys().collect::<Vec<_>>(), [field], "{body}");
            let shape = (&body["ExceptionType"], &body["ActionArguments"]["client"], &body["ActionArguments"]["request"]["FeedIdList"]);
            assert_eq!(shape, (&json!("Validation"), &json!("demo"), &json!(["GAMLS"])));
        }
    }
    assert_eq!(with.sent("GetListings", "{\u{201c}FeedIdList\u{201d}").await.0, 400, "the quotes of the document are no JSON");
}

fn md5_of(text: &str) -> String {
    use md5::{Digest, Md5};
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn one_service_may_be_forbidden_while_the_others_answer() {
    let with = run(small()).await;
    with.sandbox.reconfigure(|options| options.services.forbidden_services = vec!["getagents".to_owned()]);
    let error = with.ask("GetAgents", json!({"FeedId": "GAMLS"})).await.expect_err("forbidden");
    assert_eq!(error.failure, Failure::Unauthorized, "{error}");
    assert!(error.message.ends_with("or this credential may not use GetAgents"), "{error}");
    assert!(with.ask("GetOffices", json!({"FeedId": "GAMLS"})).await.is_ok());
    with.sandbox.reconfigure(|options| options.key = Key("another".to_owned()));
    let error = with.ask("GetOffices", json!({"FeedId": "GAMLS"})).await.expect_err("another key");
    assert_eq!(error.failure, Failure::Unauthorized, "{error}");
    assert!(!error.message.contains("demo-key"));
}

#[tokio::test]
async fn a_429_of_any_service_closes_the_gate_for_all() {
    let with = run(Options { rate: Some(0.2), ..small() }).await;
    assert!(with.ask("GetOffices", json!({"FeedId": "GAMLS"})).await.is_ok());
    let error = with.ask("GetListings", json!({"FeedIdList": ["GAMLS"]})).await.expect_err("too soon");
    assert!(matches!(error.failure, Failure::Throttled { .. }), "{error}");
    assert!(with.vendor.closed_for().is_some());
    with.stop.cancel();
    let call = Call::from_words("GetOffices", &[("FeedId".to_owned(), "GAMLS".to_owned())], None).unwrap();
    assert!(with.vendor.ask(&call, Priority::Poll, &with.stop).await.is_none(), "stopped while it waits");
}

#[tokio::test]
async fn paths_are_sent_as_the_document_prints_them_and_another_method_is_refused() {
    let with = run(Options { strict_paths: true, ..small() }).await;
    for service in SERVICES {
        let required = service.required.iter().map(|name| {
            let value = match *name {
                "FeedIdList" => json!(["GAMLS"]),
                "Status" => json!(0),
                "FromUpdatedDate" => json!("2026-05-01"),
                "WktLocation" => json!("POINT (1 2)"),
                _ => json!("x"),
            };
            ((*name).to_owned(), value)
        });
        let told = match with.ask(service.name, Value::Object(required.collect())).await {
            Ok(_) => String::new(),
            Err(error) => error.message,
        };
        // A listing of that name does not exist, and no address; both are told.
        let is_found = !told.contains("404") || service.name == "GetListingDetail";
        assert!(is_found && !told.contains("405"), "{}: {told}", service.name);
    }
    let asked: BTreeSet<&str> = with.sandbox.requests().iter().map(|asked| asked.endpoint).collect();
    assert_eq!(asked, SERVICES.iter().map(|service: &&Service| service.name).collect());
    let got = reqwest::get(format!("{}/Services/Partner/GetListings", with.sandbox.url())).await.unwrap();
    assert_eq!(got.status().as_u16(), 405);
}

fn without_key(mirror: &Mirror, arguments: &[&str]) -> Ended {
    let config = mirror.config();
    mirror.start_bare(&[&["--config", config.to_str().unwrap()], arguments].concat(), &[]).wait(support::LIMIT)
}

#[test]
fn ask_calls_any_service_and_prints_what_it_answers() {
    let mirror = Mirror::new(support::small());
    let agents = ["ask", "getagents", "--param", "feedid=GAMLS", "--param", "FromUpdatedDate=2000-01-01T00:00:00"];
    let answer: Value = serde_json::from_str(&mirror.run(&agents).exited(0).stdout).unwrap();
    assert_eq!((&answer["Total"], answer["Results"].as_array().unwrap().len()), (&json!(40), 40));
    let body = mirror.dir().join("body.json");
    std::fs::write(&body, r#"{"FeedIdList":["GAMLS"],"Beds":6}"#).unwrap();
    let search = ["ask", "GetListings", "--body", body.to_str().unwrap(), "--param", "Beds=5"];
    let found: Vec<Value> = serde_json::from_str(&mirror.run(&search).exited(0).stdout).unwrap();
    assert!(found.iter().any(|listing| listing["Beds"] == 5) && found.iter().all(|listing| listing["Beds"].as_i64() >= Some(5)));
    let piped = format!("cat {body:?} | \"$0\" \"$@\"");
    let from_standard_input = mirror.start_behind(&["sh", "-c", &piped], &["ask", "GetListings", "--body", "-"]).wait(support::LIMIT);
    let fewer: Vec<Value> = serde_json::from_str(&from_standard_input.exited(0).stdout).unwrap();
    assert!((1..found.len()).contains(&fewer.len()), "{} of {}", fewer.len(), found.len());
    let asked: i64 = mirror.number("SELECT count(*) FROM source");
    assert_eq!(asked, 1, "the requests are counted in the file");
}

#[test]
fn ask_tells_what_is_wrong_before_it_asks_and_what_the_vendor_refuses() {
    let mirror = Mirror::new(support::small());
    let check = |arguments: &[&str], code: i32, words: &str| {
        let ended = mirror.run(arguments).exited(code);
        assert!(ended.stderr.contains(words) && !ended.both().contains(support::KEY), "{}", ended.both());
    };
    check(&["ask", "GetEverything"], 2, "it has GetListings, GetListingsByAddress");
    check(&["ask", "GetOffices", "--param", "Name=x"], 2, "it needs FeedId, and takes OfficeId");
    check(&["ask", "GetOffices", "--param", "FeedId"], 2, "write it as NAME=VALUE");
    check(&["ask", "GetListings", "--body", "no-such-file"], 2, "cannot read the body no-such-file");
    std::fs::write(mirror.dir().join("long.json"), " ".repeat(600_000)).unwrap();
    check(&["ask", "GetListings", "--body", mirror.dir().join("long.json").to_str().unwrap()], 2, "longer than");
    check(&["ask", "GetListings"], 2, "FeedIdList is missing: GetListings needs FeedIdList, and takes PropertyTypeList");
    assert_eq!(mirror.requests().len(), 0);
    let far =
        ["ask", "GetListingsByLocation", "--param", "FeedIdList=GAMLS", "--param", "WktLocation=POINT (1 2)", "--param", "Distance=26"];
    check(&far, 1, "GetListingsByLocation: the vendor answered HTTP 400 Bad Request: Invalid input parameters: | Distance: The");
    check(&["ask", "GetListingDetail", "--param", "FeedId=GAMLS", "--param", "ListingId=none"], 1, "HTTP 404");
    without_key(&mirror, &["ask", "GetOffices", "--param", "FeedId=GAMLS"]).exited(2);
}

#[test]
fn a_running_daemon_makes_the_call_and_logs_nothing_of_what_is_asked() {
    let mirror = Mirror::new(support::small());
    let daemon = mirror.start(&["run", "-v"]);
    support::eventually("the feed is loaded", support::LIMIT, || mirror.is_ready());
    let address = ["Address=17 Secret Lane", "City=x", "State=GA", "Zip=1", "FeedIdList=GAMLS"];
    let ask = [vec!["ask", "GetListingsByAddress"], address.iter().flat_map(|pair| ["--param", pair]).collect()].concat();
    let refused = without_key(&mirror, &ask).exited(1);
    assert!(refused.stderr.contains("GetListingsByAddress: the vendor answered HTTP 400"), "{}", refused.both());
    let offices = without_key(&mirror, &["ask", "GetOffices", "--param", "FeedId=GAMLS", "--param", "FromUpdatedDate=2000-01-01"]);
    let answer: Value = serde_json::from_str(&offices.exited(0).stdout).unwrap();
    assert_eq!(answer["Total"], json!(8));
    daemon.signal("TERM");
    let ended = daemon.wait(support::LIMIT).succeeded();
    assert!(ended.both().contains("GetListingsByAddress") && !ended.both().contains("Secret Lane"), "{}", ended.both());
}
