//! `mls-sync serve`: the partner API over the file, against the vendor that the file mirrors.

mod chain;
mod http;
mod same_answers;

use crate::support::{self, KEY, LIMIT, Mirror, eventually, feeds, small};
use http::{Served, get, post, raw, signed};
use mls_sync::sandbox::Options;
use mls_sync::vendor::constellation1::fields::services::{Method, SERVICES};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const SYNC: &str = "/services/partner/SyncListings";
const DETAIL: &str = "/services/partner/GetListingDetail";
const LISTINGS: &str = "/Services/Partner/GetListings";

fn loaded(options: Options) -> (Mirror, Served) {
    let mirror = Mirror::new(options);
    mirror.backfill();
    let served = Served::of(&mirror, "");
    (mirror, served)
}

/// The errors of a 400, by the name of the parameter.
fn errors(answer: &http::Answer) -> Value {
    assert_eq!(answer.status, 400, "{}", answer.body);
    let body = answer.json();
    assert_eq!(
        (&body["ExceptionType"], &body["Message"], &body["ErrorCode"]),
        (&json!("Validation"), &json!("Invalid input parameters: "), &json!(0))
    );
    assert_eq!(body["ActionArguments"]["client"], "demo");
    body["Data"]["Errors"].clone()
}

#[test]
fn a_request_that_is_not_signed_by_a_client_gets_403_and_nothing_else() {
    let (_mirror, served) = loaded(small());
    let good = signed("demo", KEY, "20260501120000");
    assert_eq!(raw(&served.address, "GET", SYNC, &good, "").status, 200);
    for headers in
        [vec![], signed("demo", "wrong", "20260501120000"), signed("other", KEY, "20260501120000"), good[..1].to_vec(), good[1..].to_vec()]
    {
        let refused = raw(&served.address, "GET", SYNC, &headers, "");
        assert_eq!((refused.status, refused.body.as_str()), (403, ""), "{headers:?}");
    }
}

#[test]
fn paths_are_found_in_any_case_and_the_wrong_verb_is_told() {
    let (_mirror, served) = loaded(small());
    for service in SERVICES {
        let right = if service.method == Method::Get { "GET" } else { "POST" };
        let wrong = if right == "GET" { "POST" } else { "GET" };
        let headers = signed("demo", KEY, "20260501120000");
        let answer = raw(&served.address, wrong, &service.path.to_uppercase(), &headers, "{}");
        assert_eq!((answer.status, answer.header("allow")), (405, Some(right)), "{}", service.name);
        assert!([200, 400, 404].contains(&raw(&served.address, right, &service.path.to_uppercase(), &headers, "{}").status));
    }
    assert_eq!(get(&served, "/services/partner/GetNothing", &[]).status, 404);
}

#[test]
fn what_is_wrong_with_a_request_is_told_by_its_field_as_the_document_has_it() {
    let (_mirror, served) = loaded(small());
    let told = get(&served, SYNC, &[("PageSize", "500")]);
    assert_eq!(errors(&told), json!({ "PageSize": "The field PageSize must be between 0 and 200." }));
    let request = json!({ "FeedIdList": null, "FromUpdatedDate": null, "ToUpdatedDate": null, "Status": 0, "Page": 1, "PageSize": 500 });
    assert_eq!(told.json()["ActionArguments"]["request"], request);
    for (name, value) in [("Status", "4"), ("Status", "x"), ("FromUpdatedDate", "noon"), ("Page", "1000001"), ("PageSize", "-1")] {
        assert!(errors(&get(&served, SYNC, &[(name, value)]))[name].is_string(), "{name}={value}");
    }
    assert!(errors(&get(&served, DETAIL, &[("FeedId", "GAMLS")]))["ListingId"].is_string());
    let feeds = json!(["GAMLS"]);
    let long = vec!["x"; 201];
    for (name, value) in [
        ("MinPrice", json!("cheap")),
        ("Beds", json!([1])),
        ("MinAcres", json!("NaN")),
        ("MaxAcres", json!("Infinity")),
        ("HasPool", json!("perhaps")),
        ("MlsUpdateDate", json!("soon")),
        ("StatusList", json!(long)),
        ("Remarks", json!("x".repeat(1001))),
        ("SortBy", json!("Nothing")),
        ("Page", json!(9_999_999_999_i64)),
    ] {
        let answer = post(&served, LISTINGS, &json!({ "FeedIdList": feeds, name: value }));
        assert!(errors(&answer)[name].is_string(), "{name}: {}", answer.body);
    }
    let near = |location: &str, distance: i64| json!({ "FeedIdList": feeds, "WktLocation": location, "Distance": distance });
    let by_location = "/services/partner/GetListingsByLocation";
    assert!(errors(&post(&served, by_location, &near("POINT (-77 38)", 26)))["Distance"].is_string());
    assert!(errors(&post(&served, by_location, &near("POINT (-77)", 5)))["WktLocation"].is_string());
    let corners: Vec<String> = (0..1100).map(|step| format!("{} {}", f64::from(step % 100) / 10.0, f64::from(step % 7))).collect();
    let many = format!("POLYGON (({}, {}))", corners.join(","), corners[0]);
    assert!(errors(&post(&served, by_location, &near(&many, 5)))["WktLocation"].as_str().unwrap().contains("1000"));
    let address = json!({ "FeedIdList": feeds, "Address": "1 Nowhere St", "City": "X", "State": "Y", "Zip": "00000" });
    assert!(errors(&post(&served, "/services/partner/GetListingsByAddress", &address))["Address"].is_string());
    assert!(errors(&post(&served, LISTINGS, &json!({})))["FeedIdList"].is_string());
}

#[test]
fn what_is_no_json_too_long_too_deep_or_too_slow_is_refused_and_the_server_goes_on() {
    let (_mirror, served) = loaded(small());
    let headers = signed("demo", KEY, "20260501120000");
    let sent = |body: &str| raw(&served.address, "POST", LISTINGS, &headers, body);
    for body in ["", "[]", "{", "\"x\"", "{\"FeedIdList\":"] {
        assert!(errors(&sent(body))["request"].is_string(), "{body}");
    }
    assert!(errors(&sent(&format!("{}{}", "{\"a\":".repeat(5000), "1".to_owned() + &"}".repeat(5000))))["request"].is_string());
    assert_eq!(sent(&format!("{{\"Remarks\":\"{}\"}}", "x".repeat(70_000))).status, 413);
    // A head that never ends, and more headers than are read.
    let mut endless = TcpStream::connect(&served.address).unwrap();
    endless.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
    let line = format!("x-a: {}\r\n", "a".repeat(1000));
    let written = (0..2000).all(|_| endless.write_all(line.as_bytes()).is_ok());
    let mut said = String::new();
    endless.read_to_string(&mut said).ok();
    assert!(!written || said.starts_with("HTTP/1.1 431") || said.is_empty(), "{said}");
    assert_eq!(get(&served, "/healthz", &[]).status, 200);
}

#[test]
fn more_requests_than_a_client_may_make_get_the_documents_429() {
    let mirror = Mirror::new(small());
    mirror.backfill();
    let served = Served::of(&mirror, "requests_per_second = 0.05\n");
    let answers: Vec<http::Answer> = (0..2).map(|_| get(&served, SYNC, &[("Page", "2"), ("PageSize", "200")])).collect();
    let refused: Vec<&http::Answer> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert!(!refused.is_empty() && answers[0].status == 200);
    let body = refused[0].json();
    let message = body["Message"].as_str().unwrap();
    let seconds =
        message.strip_prefix("Too many requests. Api will be available in ").and_then(|rest| rest.strip_suffix(" seconds")).unwrap();
    assert!(seconds.parse::<f64>().unwrap() <= 20.0 && seconds.split_once('.').unwrap().1.len() == 7, "{message}");
    let request = json!({ "FeedIdList": null, "FromUpdatedDate": null, "ToUpdatedDate": null, "Status": 0, "Page": 2, "PageSize": 200 });
    let expected = json!({ "ExceptionType": "TooManyRequests", "Message": message, "ErrorCode": 0, "ActionArguments": { "request": request }, "Data": { "Errors": null } });
    assert_eq!(body, expected);
}

#[test]
fn a_client_sees_its_feeds_alone_and_a_public_one_what_may_be_displayed() {
    let mirror = Mirror::new(feeds(&["GAMLS", "NWMLS"]));
    mirror.backfill();
    let served = Served::of(&mirror, "");
    let narrow = served.client("narrow", "feeds = [\"gamls\"]\n");
    let public = served.client("public", "public = true\n");
    let served = served.restarted(&mirror);
    let feeds_of = |client: &http::Client, query: &[(&str, &str)]| {
        let answer = client.get(&served, SYNC, &[&[("FromUpdatedDate", "2000-01-01")], query].concat()).json();
        support::tally(answer["Results"].as_array().unwrap().iter().map(|listing| listing["FeedId"].as_str().unwrap().to_owned()))
    };
    assert_eq!(feeds_of(&narrow, &[]).into_keys().collect::<Vec<_>>(), ["GAMLS"]);
    assert!(feeds_of(&narrow, &[("FeedIdList", "NWMLS")]).is_empty(), "a feed that it may not see is as none");
    assert_eq!(feeds_of(&public, &[("FeedIdList", "nwmls")]).into_keys().collect::<Vec<_>>(), ["NWMLS"]);
    let hidden = mirror.keys("SELECT feed_id, listing_id FROM live_listings WHERE show_address = 0 AND address IS NOT NULL LIMIT 1");
    let (feed, listing) = hidden.into_iter().next().expect("the sandbox hides some addresses");
    let query = [("FeedId", feed.as_str()), ("ListingId", listing.as_str())];
    let (all, shown) = (get(&served, DETAIL, &query).json(), public.get(&served, DETAIL, &query).json());
    assert!(all["Address"].is_string() && all.get("AgentRemarks").is_some());
    assert!(shown["Address"].is_null() && shown["City"] == all["City"] && shown.get("AgentRemarks").is_none(), "{shown}");
    let changed = public.get(&served, SYNC, &[("FeedIdList", feed.as_str()), ("FromUpdatedDate", "2000-01-01")]).json();
    let found = changed["Results"].as_array().unwrap().iter().find(|record| record["ListingId"] == listing.as_str());
    assert!(found.is_none_or(|record| record["Address"].is_null() && record.get("AgentRemarks").is_none()));
    assert_eq!(narrow.get(&served, DETAIL, &[("FeedId", "NWMLS"), ("ListingId", "1")]).status, 404);
    assert!(errors_of(&public.post(&served, LISTINGS, &json!({ "FeedIdList": ["GAMLS"], "HasBarn": true }))).contains("not shown"));
    let no_preference = json!({ "FeedIdList": ["GAMLS"], "HasBarn": false, "HasOpenHouse": true, "HasView": false });
    assert_eq!(public.post(&served, LISTINGS, &no_preference).status, 200);
    let sold = json!({ "FeedIdList": ["GAMLS"], "WktLocation": "POINT (-84 33)", "SoldDateRange": "All" });
    assert_eq!(public.post(&served, "/services/partner/GetSoldListingsByLocation", &sold).status, 200);
    assert!(shown["Media"].is_object() && shown["Media"] == all["Media"], "{shown}");
}

#[test]
fn a_public_client_never_gets_agents_offices_or_open_houses_that_are_not_for_the_public() {
    let mirror = Mirror::new(feeds(&["GAMLS", "NWMLS"]));
    mirror.backfill();
    let served = Served::of(&mirror, "");
    let public = served.client("public", "public = true\n");
    let served = served.restarted(&mirror);
    let file = rusqlite::Connection::open(mirror.database()).unwrap();
    let added = ", '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', ?1, x'00', x'00')";
    let add = |sql: &str, seq: i64| file.execute(&format!("{sql}{added}"), [seq]).unwrap();
    let rest = "first_seen_at, changed_at, change_seq, raw_hash, content_hash) VALUES ('GAMLS'";
    add(&format!("INSERT INTO agents (feed_id, agent_id, first_name, {rest}, 'A', 'SECRET'"), 1_000_000);
    add(&format!("INSERT INTO offices (feed_id, office_id, name, {rest}, 'O', 'SECRET'"), 1_000_001);
    let listing: String =
        mirror.open().query_row("SELECT listing_id FROM live_listings WHERE feed_id = 'GAMLS' LIMIT 1", [], |row| row.get(0)).unwrap();
    for (number, truths) in [(0, "1, 1, 1"), (1, "0, 1, 1"), (2, "1, 0, 1"), (3, "1, 1, 0"), (4, "NULL, 1, 1")] {
        let remarks = if number == 0 { "WELCOME" } else { "SECRET" };
        let columns = "open_house_id, listing_id, is_public, allow_idx, is_active, start_date, remarks, extra";
        let values = format!("'{number}', '{listing}', {truths}, '2099-01-01T10:00:00', '{remarks}', '{{\"Note\":\"SECRET\"}}'");
        add(&format!("INSERT INTO open_houses (feed_id, {columns}, {rest}, {values}"), 1_000_002 + number);
    }
    for entity in ["agent", "office", "open_house"] {
        let sql = "INSERT INTO censuses (feed_id, entity, proven_at, due_at) VALUES ('GAMLS', ?1, '2026-01-01', '2026-01-01')";
        file.execute(sql, [entity]).unwrap();
    }
    for (path, expected) in [("GetAgents", "This client is not shown agents."), ("GetOffices", "This client is not shown offices.")] {
        let (path, query) = (format!("/services/partner/{path}"), [("FeedId", "GAMLS"), ("FromUpdatedDate", "2000-01-01")]);
        let (all, shown) = (get(&served, &path, &query), public.get(&served, &path, &query));
        assert!(all.body.contains("SECRET"), "{path}: {}", all.body);
        assert_eq!((shown.status, shown.json()["Message"].as_str()), (404, Some(expected)));
        assert!(!shown.body.contains("SECRET"), "{path}");
    }
    let houses = |client: &http::Client, feed: &str| client.get(&served, "/services/partner/GetListingsOpenhouse", &[("FeedIdList", feed)]);
    let all = get(&served, "/services/partner/GetListingsOpenhouse", &[("FeedIdList", "GAMLS")]);
    assert!(all.body.matches("SECRET").count() > 4, "{}", all.body);
    let shown = houses(&public, "GAMLS");
    assert!(shown.body.contains("WELCOME") && !shown.body.contains("SECRET"), "{}", shown.body);
    let set = "UPDATE listings SET open_houses = ?1 WHERE rowid = (SELECT rowid FROM listings WHERE feed_id = 'NWMLS' AND deleted_at IS NULL LIMIT 1)";
    let own = json!([{ "IsActive": true, "StartDate": "2099-01-01T10:00:00", "Remarks": "WELCOME" }, { "IsActive": false, "StartDate": "2099-01-01T10:00:00", "Remarks": "SECRET" }]);
    assert_eq!(file.execute(set, [own.to_string()]), Ok(1));
    let shown = houses(&public, "NWMLS");
    assert!(shown.body.contains("WELCOME") && !shown.body.contains("SECRET"), "{}", shown.body);
}

#[test]
fn without_a_date_open_houses_begin_a_day_ago() {
    let (mirror, served) = loaded(small());
    let file = rusqlite::Connection::open(mirror.database()).unwrap();
    let at = |hours: i64| (chrono::Utc::now() + chrono::TimeDelta::hours(hours)).format("%Y-%m-%dT%H:%M:%S").to_string();
    let houses = json!([{ "StartDate": at(-25), "EndDate": at(-1), "Remarks": "EARLIER" }, { "StartDate": at(-23), "Remarks": "LATER" }]);
    let set = "UPDATE listings SET open_houses = ?1 WHERE rowid = (SELECT rowid FROM listings WHERE deleted_at IS NULL LIMIT 1)";
    assert_eq!(file.execute(set, [houses.to_string()]), Ok(1));
    let told = |from: Option<&str>| {
        let query: Vec<_> = std::iter::once(("FeedIdList", "GAMLS")).chain(from.map(|from| ("OpenFromDate", from))).collect();
        let body = get(&served, "/services/partner/GetListingsOpenhouse", &query).body;
        ["EARLIER", "LATER"].map(|remarks| body.contains(remarks))
    };
    assert_eq!(told(None), [false, true]);
    assert_eq!(told(Some(&at(-26))), [true, true]);
    assert_eq!(told(Some(&at(-22))), [false, false]);
}

#[test]
fn while_the_mirror_loads_a_listing_that_is_not_there_is_unknown_and_not_gone() {
    let (mirror, served) = loaded(small());
    let asked = [("FeedId", "GAMLS"), ("ListingId", "not there")];
    assert_eq!(get(&served, DETAIL, &asked).status, 404);
    let file = rusqlite::Connection::open(mirror.database()).unwrap();
    assert_eq!(file.execute("UPDATE feeds SET loaded_at = NULL", []), Ok(1));
    let unknown = get(&served, DETAIL, &asked);
    assert_eq!(unknown.status, 503);
    assert!(unknown.json()["Message"].as_str().unwrap().contains("has not read this feed"), "{}", unknown.body);
    let deleted: String =
        mirror.open().query_row("SELECT listing_id FROM listings WHERE deleted_at IS NOT NULL LIMIT 1", [], |row| row.get(0)).unwrap();
    assert_eq!(get(&served, DETAIL, &[("FeedId", "GAMLS"), ("ListingId", &deleted)]).status, 404);
    assert_eq!(get(&served, DETAIL, &[("FeedId", "OTHER"), ("ListingId", "1")]).status, 404);
}

#[test]
fn the_shape_of_a_search_follows_from_page_and_not_from_what_matches() {
    let (mirror, served) = loaded(small());
    let search = |members: Value| post(&served, LISTINGS, &members);
    let (all, none) = (json!({ "FeedIdList": ["GAMLS"] }), json!({ "FeedIdList": ["GAMLS"], "MinPrice": 999_999_999 }));
    assert!(search(all).json().is_array() && search(none).json() == json!([]));
    let paged = search(json!({ "FeedIdList": ["GAMLS"], "Page": 1 })).json();
    assert_eq!(paged["Total"], mirror.number("SELECT count(*) FROM live_listings"));
    let empty = search(json!({ "FeedIdList": ["GAMLS"], "Page": 1, "MinPrice": 999_999_999 })).json();
    assert_eq!(empty, json!({ "Results": [], "Total": 0, "Count": 0, "NextPage": null }));
    let file = rusqlite::Connection::open(mirror.database()).unwrap();
    let many = "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 5001)
        INSERT INTO listings (feed_id, listing_id, stamp, first_seen_at, changed_at, change_seq, raw_hash, content_hash)
        SELECT 'GAMLS', 'many' || n, '2026-01-01T00:00:00', '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', 1000000 + n, x'00', x'00' FROM number";
    assert_eq!(file.execute(many, []), Ok(5001));
    let refused = search(json!({ "FeedIdList": ["GAMLS"] }));
    assert!(errors(&refused)["Page"].as_str().unwrap().contains("5000"), "{}", refused.body);
    let second = search(json!({ "FeedIdList": ["GAMLS"], "Page": 2 })).json();
    assert_eq!((&second["Count"], &second["NextPage"]), (&json!(1000), &json!(3)));
}

fn errors_of(answer: &http::Answer) -> String {
    answer.json()["Data"]["Errors"].to_string()
}

#[test]
fn it_says_what_is_wrong_before_it_serves() {
    let mirror = Mirror::new(small());
    let refused = |listen: &str, expected: &str| {
        let ended = mirror.start(&["serve", "--listen", listen]).wait(LIMIT).exited(2);
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    };
    refused("127.0.0.1:0", "there is no client");
    let config = std::fs::read_to_string(mirror.config()).unwrap();
    let key = mirror.dir().join("key");
    std::fs::write(&key, KEY).unwrap();
    std::fs::write(mirror.config(), format!("{config}[serve.clients.demo]\nkey_file = {key:?}\n")).unwrap();
    refused("127.0.0.1:0", "it does not exist yet");
    refused("0.0.0.0:0", "not loopback");
    mirror.backfill();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    refused(&taken.local_addr().unwrap().to_string(), "cannot listen on");
    std::fs::write(&key, " \n").unwrap();
    refused("127.0.0.1:0", "the file is empty");
}

#[test]
fn it_answers_while_the_daemon_is_stopped_and_stops_at_once() {
    let (mirror, served) = loaded(small());
    let health = get(&served, "/healthz", &[]);
    assert_eq!((health.status, health.json()["status"].as_str()), (200, Some("ok")));
    let idle = TcpStream::connect(&served.address).unwrap();
    served.program.signal("TERM");
    let begun = Instant::now();
    let ended = served.program.wait(LIMIT).succeeded();
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?} with {idle:?}", begun.elapsed());
    assert!(!ended.both().contains(KEY));
    drop(mirror);
}

#[test]
fn a_file_that_is_gone_is_told_by_503_and_one_that_takes_its_place_is_served() {
    let (mirror, served) = loaded(small());
    let away = mirror.dir().join("away.db");
    std::fs::rename(mirror.database(), &away).unwrap();
    assert_eq!(get(&served, "/healthz", &[]).status, 503);
    let broken = get(&served, DETAIL, &[("FeedId", "GAMLS"), ("ListingId", "1")]);
    assert_eq!((broken.status, broken.json()["Message"].as_str()), (503, Some("The mirror cannot be read.")));
    std::fs::rename(&away, mirror.database()).unwrap();
    eventually("it answers again", LIMIT, || get(&served, "/healthz", &[]).status == 200);
}

#[test]
fn a_search_finds_what_the_file_holds_in_that_moment() {
    let (mirror, served) = loaded(small());
    let file = rusqlite::Connection::open(mirror.database()).unwrap();
    let found = |price: i64| {
        let answer = post(&served, LISTINGS, &json!({ "FeedIdList": ["GAMLS"], "MinPrice": price, "MaxPrice": price, "Page": 1 }));
        (answer.status == 200).then(|| answer.json()["Total"].as_i64().unwrap())
    };
    let change = |set: &str, which: &str| {
        let seq = "(SELECT max(change_seq) FROM listings) + 1";
        let one = format!("(feed_id, listing_id) = (SELECT feed_id, listing_id FROM listings WHERE {which} ORDER BY listing_id LIMIT 1)");
        assert_eq!(file.execute(&format!("UPDATE listings SET {set}, change_seq = {seq} WHERE {one}"), []), Ok(1));
    };
    let copy = mirror.dir().join("copy.db");
    file.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    assert_eq!(found(77), Some(0));
    for round in 1..=20 {
        change("price = 77", "deleted_at IS NULL AND price <> 77");
        assert_eq!(found(77), Some(round));
    }
    change("deleted_at = '2026-01-01T00:00:00.000Z', deleted_cause = 'vendor'", "price = 77");
    assert_eq!(found(77), Some(19));
    change("deleted_at = NULL, deleted_cause = NULL", "price = 77 AND deleted_at IS NOT NULL");
    assert_eq!(found(77), Some(20));
    // No change tells of a row that a person deletes. Who is shown it is refused once, and what is served is read anew.
    let gone = "DELETE FROM listings WHERE listing_id = (SELECT max(listing_id) FROM listings WHERE price = 77)";
    assert_eq!(file.execute(gone, []), Ok(1));
    assert_eq!((found(77), found(77)), (None, Some(19)));
    drop(file);
    std::fs::rename(&copy, mirror.database()).unwrap();
    let _ = std::fs::remove_file(mirror.dir().join("mls.db-wal"));
    eventually("the other file is served", LIMIT, || found(77) == Some(0));
}

#[test]
fn the_description_names_every_service_and_the_lookups_are_those_of_the_file() {
    let (mirror, served) = loaded(small());
    let described = get(&served, "/openapi.json", &[]).json();
    for service in SERVICES {
        let verb = if service.method == Method::Get { "get" } else { "post" };
        assert_eq!(described["paths"][service.path][verb]["operationId"], service.name);
    }
    let lookups = get(&served, "/lookups", &[("FeedId", "GAMLS"), ("Type", "listingstatus")]).json();
    let told: i64 = lookups.as_array().unwrap().iter().map(|lookup| lookup["Listings"].as_i64().unwrap()).sum();
    assert_eq!(told, mirror.number("SELECT sum(listings) FROM lookups WHERE lookup = 'ListingStatus'"));
    assert!(told > 0);
}

/// The mirror's own date of each listing, as SyncListings tells it.
fn told_by(served: &Served, query: &[(&str, &str)]) -> Vec<String> {
    let answer = get(served, SYNC, query).json();
    let (results, dates) = (answer["Results"].as_array().unwrap(), answer["MirrorChangedAt"].as_array().unwrap());
    assert_eq!(results.len(), dates.len());
    dates.iter().map(|date| date.as_str().unwrap().to_owned()).collect()
}

#[test]
fn windows_select_by_the_time_of_the_change_to_the_millisecond_and_keep_its_order() {
    let (mirror, served) = loaded(small());
    let file = rusqlite::Connection::open(mirror.database()).unwrap();
    // The clock was set back between the second and the third.
    for (listing, at) in [(1, "10:00:00.000"), (2, "10:00:00.001"), (3, "09:00:00.000"), (4, "09:00:00.000")] {
        let sql = "UPDATE listings SET changed_at = '2031-01-01T' || ?1 || 'Z' WHERE rowid = (SELECT rowid FROM listings WHERE deleted_at IS NULL ORDER BY rowid LIMIT 1 OFFSET ?2)";
        assert_eq!(file.execute(sql, rusqlite::params![at, listing]), Ok(1));
    }
    let between = |from: &str, to: &str| {
        let (from, to) = (format!("2031-01-01T{from}"), format!("2031-01-01T{to}"));
        told_by(&served, &[("FromUpdatedDate", &from), ("ToUpdatedDate", &to)]).len()
    };
    assert_eq!(between("00:00:00", "23:00:00"), 4);
    assert_eq!(between("10:00:00", "10:00:00"), 1);
    assert_eq!(between("10:00:00.001", "10:00:01"), 1);
    assert_eq!(between("09:00:00", "09:59:59.999"), 2);
    assert_eq!(between("05:00:00", "08:59:59"), 0);
    let all = told_by(&served, &[("FromUpdatedDate", "2031-01-01")]);
    assert_eq!(all.len(), 4, "what was stored while the clock was ahead is told, too");
    let dates = told_by(&served, &[("FromUpdatedDate", "2000-01-01")]);
    assert!(dates.len() == 200 && dates.is_sorted(), "{dates:?}");
    assert!(told_by(&served, &[]).len() <= 200, "without a beginning, the request begins today");
}

#[test]
fn a_page_of_sync_listings_is_read_by_the_index_of_changes() {
    let (mirror, _served) = loaded(small());
    let plan = "EXPLAIN QUERY PLAN SELECT rowid FROM listings INDEXED BY listings_changed
        WHERE feed_id = 'GAMLS' AND changed_at BETWEEN '2000' AND '3000' AND deleted_at IS NULL ORDER BY changed_at, change_seq LIMIT 200";
    let steps = mirror.query(plan, |row| row.get::<_, String>("detail"));
    assert_eq!(steps, ["SEARCH listings USING COVERING INDEX listings_changed (feed_id=? AND changed_at>? AND changed_at<?)"]);
}

#[test]
fn agents_and_offices_are_answered_where_they_are_mirrored_and_404_says_where_not() {
    let (mirror, served) = loaded(small());
    let agents = |query: &[(&str, &str)]| {
        get(&served, "/services/partner/GetAgents", &[&[("FeedId", "GAMLS"), ("FromUpdatedDate", "2000-01-01")], query].concat())
    };
    let missing = agents(&[]);
    assert_eq!((missing.status, missing.json()["Message"].as_str()), (404, Some("The mirror holds no agents of this feed.")));
    let (agent, office): (String, String) =
        mirror.open().query_row("SELECT listing_agent_id, listing_office_id FROM live_listings LIMIT 1", [], |row| row.try_into()).unwrap();
    let file = rusqlite::Connection::open(mirror.database()).unwrap();
    let add = |id: &str, seq: i64, deleted: bool| {
        let sql = "INSERT INTO agents (feed_id, agent_id, first_name, extra, first_seen_at, changed_at, deleted_at, deleted_cause, change_seq, raw_hash, content_hash)
            VALUES ('GAMLS', ?1, 'Zoë', '{\"Age\":1.50}', '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', iif(?3, '2026-01-01', NULL), iif(?3, 'absent', NULL), ?2, x'00', x'00')";
        file.execute(sql, rusqlite::params![id, seq, deleted]).unwrap();
    };
    (0..1001).for_each(|number| add(&format!("X{number:04}"), 1_000_000 + number, number == 0));
    add(&agent, 2_000_000, false);
    file.execute("INSERT INTO censuses (feed_id, entity, proven_at, due_at) VALUES ('GAMLS', 'agent', '2026-01-01', '2026-01-01')", [])
        .unwrap();
    let (first, second) = (agents(&[]).json(), agents(&[("Page", "2")]).json());
    assert_eq!((&first["Total"], &first["Count"], &first["NextPage"]), (&json!(1001), &json!(1000), &json!(2)));
    assert_eq!((&second["Count"], &second["NextPage"], &second["Results"][0]["AgentId"]), (&json!(1), &Value::Null, &json!(agent)));
    assert_eq!((&first["Results"][0]["AgentId"], &first["Results"][0]["Age"]), (&json!("X0001"), &json!(1.5)));
    let one = agents(&[("AgentId", "X0007")]).json();
    assert_eq!((&one["Total"], &one["Results"][0]["FirstName"]), (&json!(1), &json!("Zoë")));
    assert_eq!(agents(&[("OfficeId", &office)]).json()["Results"][0]["AgentId"], json!(agent));
    assert_eq!(agents(&[("FromUpdatedDate", "2026-01-02")]).json()["Total"], 0);
    assert_eq!(get(&served, "/services/partner/GetOffices", &[("FeedId", "GAMLS")]).status, 404);
}
