//! The same question to the vendor and to the mirror has the same answer. The sandbox looks at every listing for each answer.

use super::http::{Answer, Served, get, post, raw, signed};
use crate::support::{KEY, Mirror, feeds};
use mls_sync::sandbox::Options;
use serde_json::{Map, Value, json};

const LISTINGS: &str = "/Services/Partner/GetListings";
const BY_ADDRESS: &str = "/services/partner/GetListingsByAddress";
const BY_GEOGRAPHY: &str = "/services/partner/GetListingsByGeography";
const BY_LOCATION: &str = "/services/partner/GetListingsByLocation";
const SOLD: &str = "/services/partner/GetSoldListingsByLocation";
const DETAIL: &str = "/services/partner/GetListingDetail";
const OPEN_HOUSES: &str = "/services/partner/GetListingsOpenhouse";

/// Parameters, with the field whose values they are compared with.
const LISTS: [(&str, &str); 5] = [
    ("PropertyTypeList", "PropertyType"),
    ("SaleTypeList", "SaleType"),
    ("ViewList", "ViewSearch"),
    ("StyleList", "StyleSearch"),
    ("StatusList", "ListingStatus"),
];
const TEXTS: [(&str, &str); 6] = [
    ("AgentId", "ListingAgentId"),
    ("OfficeId", "ListingOfficeId"),
    ("SchoolDistrict", "SchoolDistrict"),
    ("Subdivision", "Subdivision"),
    ("LandTenure", "LandTenure"),
    ("MlsUpdateDate", "MlsUpdateDate"),
];
const NUMBERS: [(&str, &str); 12] = [
    ("MinPrice", "Price"),
    ("MaxPrice", "Price"),
    ("MinSquareFeet", "SquareFeet"),
    ("MaxSquareFeet", "SquareFeet"),
    ("MinAcres", "AcreSearch"),
    ("MaxAcres", "AcreSearch"),
    ("Beds", "Beds"),
    ("BathsTotal", "BathsTotal"),
    ("MinYearBuilt", "YearBuilt"),
    ("MaxYearBuilt", "YearBuilt"),
    ("DaysOnMarket", "DaysOnMarket"),
    ("DaysOnMarket", "DaysOnMarket"),
];
const TRUTHS: [&str; 12] = [
    "HasView",
    "HasOpenHouse",
    "HasAc",
    "HasAgeRestrictions",
    "HasBarn",
    "HasBasement",
    "HasFireplace",
    "HasGarage",
    "HasHandicapFeatures",
    "HasMasterOnMain",
    "HasPool",
    "HasWaterFront",
];

/// Fields whose type the document gives in two ways.
const LOOSE: [&str; 5] = ["AboveGroundSqFt", "FinishedSquareFeet", "GarageSpaces", "FireplaceCount", "DockHeight"];

/// A vendor, and the mirror of it that is served.
struct Both {
    mirror: Mirror,
    served: Served,
    listings: Vec<Value>,
    seed: u64,
}

impl Both {
    fn new() -> Both {
        let mirror = Mirror::new(Options { listings: 250, ..feeds(&["GAMLS", "NWMLS"]) });
        mirror.backfill();
        let served = Served::of(&mirror, "");
        let vendor = mirror.sandbox.url().replace("http://", "");
        let headers = signed("demo", KEY, "20260501120000");
        let all =
            raw(&vendor, "GET", "/services/partner/SyncListings?FromUpdatedDate=2000-01-01&Status=0&PageSize=200", &headers, "").json();
        let pages = all["Total"].as_u64().unwrap().div_ceil(200);
        let page = |page| {
            let path = format!("/services/partner/SyncListings?FromUpdatedDate=2000-01-01&Status=0&PageSize=200&Page={page}");
            raw(&vendor, "GET", &path, &headers, "").json()["Results"].as_array().unwrap().clone()
        };
        let listings: Vec<Value> = (1..=pages).flat_map(page).collect();
        assert!(listings.len() > 450);
        Both { mirror, served, listings, seed: 1 }
    }

    fn below(&mut self, limit: usize) -> usize {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed % limit as u64) as usize
    }

    fn listing(&mut self) -> Value {
        let index = self.below(self.listings.len());
        self.listings[index].clone()
    }

    /// What a listing has there; null where this one has nothing.
    fn value(&mut self, field: &str) -> Value {
        self.listing()[field].take()
    }

    fn vendor(&self, path: &str, body: &Value) -> Answer {
        let vendor = self.mirror.sandbox.url().replace("http://", "");
        raw(&vendor, "POST", path, &signed("demo", KEY, "20260501120000"), &body.to_string())
    }

    /// Asks both; tells how many listings match.
    fn check(&self, path: &str, body: &Value) -> usize {
        let (said, answered) = (self.vendor(path, body), post(&self.served, path, body));
        assert_eq!(said.status, answered.status, "{path} {body}: {}", answered.body);
        if said.status != 200 {
            return 0;
        }
        self.compare(&said.json(), &answered.json(), &format!("{path} {body}"))
    }

    fn compare(&self, said: &Value, answered: &Value, what: &str) -> usize {
        let (said, answered) = (said.as_array().unwrap(), answered.as_array().unwrap());
        let keys =
            |records: &[Value]| records.iter().map(|record| format!("{} {}", record["FeedId"], record["ListingId"])).collect::<Vec<_>>();
        assert_eq!(keys(said), keys(answered), "{what}");
        for (said, answered) in said.iter().zip(answered) {
            assert_same(said, answered);
        }
        said.len()
    }

    fn filters(&mut self, count: usize) -> Map<String, Value> {
        let mut filters = Map::new();
        filters.insert(
            "FeedIdList".to_owned(),
            [json!(["GAMLS", "NWMLS"]), json!(["NWMLS"]), json!(["NWMLS", "OTHER"])][self.below(3)].clone(),
        );
        for _ in 0..count {
            let (name, value) = match self.below(4) {
                0 => {
                    let (name, field) = LISTS[self.below(LISTS.len())];
                    let parts = |value: Value| value.as_str().map(|text| text.split(',').next().unwrap_or_default().trim().to_uppercase());
                    (name, json!([parts(self.value(field)), parts(self.value(field))].into_iter().flatten().collect::<Vec<_>>()))
                }
                1 => {
                    let (name, field) = TEXTS[self.below(TEXTS.len())];
                    (name, self.value(field))
                }
                2 => {
                    let (name, field) = NUMBERS[self.below(NUMBERS.len())];
                    (name, self.value(field))
                }
                _ => (TRUTHS[self.below(TRUTHS.len())], [json!(true), json!(false), json!("1"), Value::Null][self.below(4)].clone()),
            };
            filters.insert(name.to_owned(), value);
        }
        if self.below(3) == 0 {
            filters.insert("SortBy".to_owned(), json!(["Price", "Beds", "BathsTotal", "DaysOnMarket"][self.below(4)]));
        }
        filters
    }
}

/// Absent is as good as null, and the mirror may say more than the half of the document that the vendor follows.
fn assert_same(said: &Value, answered: &Value) {
    for (name, value) in said.as_object().unwrap() {
        let found = answered.get(name).unwrap_or(&Value::Null);
        // Where the document gives two types, the file holds the spelling.
        let same = value == found || LOOSE.contains(&name.as_str()) && spelled(value) == spelled(found);
        assert!(same, "{name} of {}: {value} and {found}", said["ListingId"]);
    }
}

fn spelled(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.parse::<f64>().map_or(text, |number| number.to_string())
}

#[test]
fn random_filters_have_the_same_answer_from_the_vendor_and_from_the_mirror() {
    let mut both = Both::new();
    let mut matched = [0; 3];
    for round in 0..160 {
        let count = round % 4;
        let filters = both.filters(count);
        let found = both.check(LISTINGS, &Value::Object(filters));
        matched[usize::from(found > 0) + usize::from(found > 100)] += 1;
    }
    assert!(matched.iter().all(|rounds| *rounds > 4), "the filters are worth asking: {matched:?}");
    assert_eq!(
        both.check(LISTINGS, &json!({ "FeedIdList": ["GAMLS"], "Remarks": "HOME" })),
        both.check(LISTINGS, &json!({ "FeedIdList": ["GAMLS"], "Remarks": "home" }))
    );
}

#[test]
fn places_have_the_same_answer_from_the_vendor_and_from_the_mirror() {
    let mut both = Both::new();
    let mut found = [0; 5];
    for _ in 0..60 {
        let home = both.listing();
        let (longitude, latitude) = (home["Longitude"].as_f64().unwrap(), home["Latitude"].as_f64().unwrap());
        let count = both.below(2);
        let mut body = both.filters(count);
        body.remove("City");
        for (name, field) in [("Neighborhood", "Neighborhood"), ("City", "City"), ("Zip", "Zip")] {
            if both.below(2) == 0 {
                body.insert(name.to_owned(), home[field].as_str().map_or(Value::Null, |text| json!(text.to_lowercase())));
            }
        }
        found[0] += both.check(BY_GEOGRAPHY, &Value::Object(body));
        let mut body = both.filters(count);
        let side = both.below(100) as f64 / 200.0;
        let point = format!("POINT ({}, {})", longitude + side / 3.0, latitude - side / 5.0);
        let (east, north) = (longitude + side, latitude + side);
        let polygon = format!("POLYGON (({longitude} {latitude}, {east} {latitude}, {longitude} {north}, {longitude} {latitude}))");
        body.insert("WktLocation".to_owned(), json!([point, polygon][both.below(2)]));
        body.insert("Distance".to_owned(), [json!(""), json!(1), json!(5), json!(25)][both.below(4)].clone());
        for (name, field) in [("MinPrice", "Price"), ("MaxPrice", "Price"), ("Beds", "Beds")] {
            if both.below(4) == 0 {
                body.insert(name.to_owned(), both.value(field));
            }
        }
        found[1] += both.check(BY_LOCATION, &Value::Object(body.clone()));
        body.insert("SoldDateRange".to_owned(), json!(["All", "Last 3 months", "last 1 year"][both.below(3)]));
        found[2] += both.check(SOLD, &Value::Object(body.clone()));
        let mut body = both.filters(count);
        for name in ["Address", "City", "State", "Zip"] {
            body.insert(name.to_owned(), home[name].clone());
        }
        found[3] += both.check(BY_ADDRESS, &Value::Object(body));
        let key = [("FeedId", home["FeedId"].as_str().unwrap()), ("ListingId", home["ListingId"].as_str().unwrap())];
        assert_same(&home, &get(&both.served, DETAIL, &key).json());
        found[4] += 1;
    }
    assert!(found.iter().all(|count| *count > 20), "{found:?}");
}

#[test]
fn what_is_deleted_is_in_no_answer_but_the_deletions() {
    let both = Both::new();
    let (feed, listing) =
        both.mirror.keys("SELECT feed_id, listing_id FROM listings WHERE deleted_at IS NOT NULL LIMIT 1").into_iter().next().unwrap();
    assert_eq!(get(&both.served, DETAIL, &[("FeedId", &feed), ("ListingId", &listing)]).status, 404);
    let sync = |status: &str, page: &str| {
        let query = [("FromUpdatedDate", "2000-01-01"), ("Status", status), ("Page", page)];
        get(&both.served, "/services/partner/SyncListings", &query).json()
    };
    let numbers = |status| {
        (
            sync(status, "1")["Total"].as_i64().unwrap(),
            both.mirror.number(&match status {
                "0" => "SELECT count(*) FROM live_listings".to_owned(),
                "1" => "SELECT count(*) FROM live_listings WHERE listing_status IN ('Active', 'Contingent', 'Pending')".to_owned(),
                "2" => "SELECT count(*) FROM live_listings WHERE listing_status = 'Sold'".to_owned(),
                _ => "SELECT count(*) FROM listings WHERE deleted_at IS NOT NULL".to_owned(),
            }),
        )
    };
    for status in ["0", "1", "2", "3"] {
        let (told, held) = numbers(status);
        assert!(told == held && held > 0, "Status {status}: {told} of {held}");
    }
    let page = sync("0", "2");
    assert_eq!((page["Count"].as_i64(), page["NextPage"].as_i64()), (Some(200), Some(3)));
    let last = sync("0", "3");
    assert_eq!((last["NextPage"].clone(), sync("0", "9")["Count"].as_i64()), (Value::Null, Some(0)));
    for record in sync("3", "1")["Results"].as_array().unwrap() {
        let (feed, listing) = (record["FeedId"].as_str().unwrap(), record["ListingId"].as_str().unwrap());
        let sql = "SELECT stamp FROM listings WHERE feed_id = ?1 AND listing_id = ?2";
        let stamp: String = both.mirror.open().query_row(sql, [feed, listing], |row| row.get(0)).unwrap();
        assert_eq!(record["MlsUpdateDate"], stamp, "{listing}");
    }
}

#[test]
fn open_houses_are_those_of_the_vendor() {
    let both = Both::new();
    let vendor = both.mirror.sandbox.url().replace("http://", "");
    let headers = signed("demo", KEY, "20260501120000");
    for query in [
        "FeedIdList=GAMLS&FeedIdList=NWMLS&OpenFromDate=2000-01-01",
        "FeedIdList=NWMLS&OpenFromDate=2026-01-01",
        "FeedIdList=GAMLS&AgentId=20001&OpenFromDate=2000-01-01",
    ] {
        let path = format!("{OPEN_HOUSES}?{query}");
        let (said, answered) =
            (raw(&vendor, "GET", &path, &headers, "").json(), raw(&both.served.address, "GET", &path, &headers, "").json());
        // A listing does not say for whom its open houses are.
        let without = |list: &Value| {
            let mut list = list.as_array().unwrap().clone();
            list.iter_mut().for_each(|house| house.as_object_mut().unwrap().retain(|name, _| name != "IsPublic" && name != "AllowIDX"));
            list
        };
        assert_eq!(without(&said), without(&answered), "{query}");
    }
}
