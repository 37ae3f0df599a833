//! Every row of "what bad input gets", by the real program against the sandbox.

mod coverage;
mod data;
mod machine;
mod politeness;
mod shared;
mod taken_back;
mod vendor;

use crate::support::{KEY, LIMIT, Mirror, always, eventually, feeds, side_by_side, small};
use mls_sync::sandbox::{Fault, Options};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub(crate) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// What is in a directory, but for the configuration and what the program said.
fn files(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name != "config.toml" && !name.starts_with("run-")).collect();
    names.sort();
    names
}

/// The start is refused with exit code 2 and one message that holds these words; nothing is created, nobody is asked.
fn refused(mirror: &Mirror, words: &[&str]) {
    let config = mirror.config();
    refused_bare(mirror, &["--config", config.to_str().unwrap()], &[("MLS_SYNC_SYSTEM_ACCESS_KEY", KEY)], words);
}

fn refused_bare(mirror: &Mirror, options: &[&str], variables: &[(&str, &str)], words: &[&str]) {
    let before = files(mirror.dir());
    for command in [&["run"][..], &["run", "--once"], &["run", "--backfill"]] {
        let ended = mirror.start_bare(&[options, command].concat(), variables).wait(seconds(10)).exited(2);
        assert_eq!(ended.stderr.matches("mls-sync: ").count(), 1, "{}", ended.stderr);
        assert!(ended.stdout.is_empty() && !ended.stderr.contains("panicked"), "{}", ended.both());
        for word in words {
            assert!(ended.stderr.contains(word), "no {word:?} in: {}", ended.stderr);
        }
        assert!(!ended.stderr.contains(KEY));
    }
    assert_eq!(files(mirror.dir()), before);
    assert_eq!(mirror.requests().len(), 0);
}

fn configured(text: &str, words: &[&str]) {
    let mirror = Mirror::new(small());
    fs::write(mirror.config(), text).unwrap();
    refused(&mirror, words);
}

#[test]
fn a_missing_configuration_is_refused() {
    let mirror = Mirror::new(small());
    fs::remove_file(mirror.config()).unwrap();
    refused(&mirror, &["cannot read the configuration", "config.toml", "--config"]);
    fs::create_dir(mirror.config()).unwrap();
    refused(&mirror, &["cannot read the configuration", "config.toml"]);
}

#[test]
fn a_wrong_configuration_is_refused_with_key_and_line() {
    configured("database = \"mls.db\"\ndatabse = \"x\"\n", &["line 2", "databse", "config.toml"]);
    configured("[constellation1]\nclient = \"c\"\n[poll]\nevery = \"1m\"\n", &["line 4", "every"]);
    configured("[constellation1]\nclient = \"c\"\n[poll]\ninterval = \"soon\"\n", &["line 4", "soon"]);
    configured("database = 5\n", &["line 1"]);
    configured("[constellation1\n", &["line 1"]);
    configured("[constellation1]\nbase_url = \"http://127.0.0.1:9\"\n", &["constellation1.client", "missing"]);
    configured("databse = 1\n[poll]\ninterval = 5\n", &["3 faults", "line 1", "database", "line 3", "\"5s\"", "constellation1.client"]);
}

#[test]
fn a_missing_key_is_refused() {
    let mut mirror = Mirror::new(small());
    let config = mirror.config().to_str().unwrap().to_owned();
    let places = ["system_access_key_file", "system-access-key", "MLS_SYNC_SYSTEM_ACCESS_KEY"];
    refused_bare(&mirror, &["--config", &config], &[], &places);
    refused_bare(&mirror, &["--config", &config], &[("MLS_SYNC_SYSTEM_ACCESS_KEY", " ")], &places);
    let with_file = mirror.settings.text(&mirror.database()).replace("[poll]", "system_access_key_file = \"/nowhere/key\"\n[poll]");
    fs::write(mirror.config(), with_file).unwrap();
    refused(&mirror, &["/nowhere/key"]);
    mirror.set(|_| {});
    refused_bare(&mirror, &["--config", &config], &[("MLS_SYNC_SYSTEM_ACCESS_KEY", "two words")], &["key"]);
}

#[test]
fn http_to_a_public_host_is_refused() {
    for url in ["http://api.marketleader.com", "http://127.0.0.1.example.com", "ftp://127.0.0.1", "nonsense", "https://a:b@example.com"] {
        let mirror = Mirror::new(small()).with(|settings| settings.base_url = url.to_owned());
        refused(&mirror, &["URL"]);
    }
}

#[test]
fn a_missing_database_directory_is_refused() {
    let mirror = Mirror::new(small());
    let text = mirror.settings.text(&mirror.dir().join("nowhere").join("mls.db"));
    fs::write(mirror.config(), text).unwrap();
    refused(&mirror, &["nowhere", "does not exist", "Create it"]);
}

#[test]
fn a_directory_in_the_databases_place_is_refused() {
    let mirror = Mirror::new(small());
    fs::create_dir(mirror.database()).unwrap();
    refused(&mirror, &["mls.db"]);
}

/// The superuser may write anywhere, so there a test without one proves nothing.
#[test]
fn a_directory_without_the_right_to_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let mirror = Mirror::new(small());
    let locked = mirror.dir().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).unwrap();
    // /proc takes no new file from anybody.
    let place = if fs::write(locked.join("probe"), "").is_ok() { Path::new("/proc").to_owned() } else { locked };
    fs::write(mirror.config(), mirror.settings.text(&place.join("mls.db"))).unwrap();
    refused(&mirror, &["mls.db", "writable"]);
}

/// A file in the database's place is refused by every command and stays as it is, to the byte.
fn untouched(make: impl FnOnce(&Path), words: &[&str]) {
    let mirror = Mirror::new(small());
    make(&mirror.database());
    let before = fs::read(mirror.database()).unwrap();
    refused(&mirror, words);
    let status = mirror.run(&["status"]).exited(2);
    assert!(words.iter().all(|word| status.stderr.contains(word)), "{}", status.stderr);
    assert_eq!(fs::read(mirror.database()).unwrap(), before);
    assert_eq!(files(mirror.dir()), ["mls.db"]);
}

#[test]
fn a_database_of_a_newer_version_is_refused_untouched() {
    let newer = |path: &Path| {
        let mirror = Mirror::new(Options { listings: 5, deleted: 0, ..small() });
        mirror.backfill();
        let db = Connection::open(mirror.database()).unwrap();
        db.execute_batch("PRAGMA journal_mode = delete; PRAGMA user_version = 99").unwrap();
        drop(db);
        fs::copy(mirror.database(), path).unwrap();
    };
    untouched(newer, &["99", "newer mls-sync", "untouched"]);
}

/// The version may stand in the WAL alone, when its writer did not come to its end.
#[test]
fn a_newer_version_in_the_wal_is_refused_too() {
    let mirror = Mirror::new(Options { listings: 5, deleted: 0, ..small() });
    mirror.backfill();
    let db = Connection::open(mirror.database()).unwrap();
    db.execute_batch("PRAGMA user_version = 99").unwrap();
    let ended = mirror.run(&["run", "--once"]).exited(2);
    assert!(ended.stderr.contains("newer mls-sync"), "{}", ended.stderr);
}

#[test]
fn a_database_of_another_program_is_refused_untouched() {
    let foreign = |journal: &'static str| {
        move |path: &Path| {
            let db = Connection::open(path).unwrap();
            db.pragma_update_and_check(None, "journal_mode", journal, |_| Ok(())).unwrap();
            db.execute_batch("CREATE TABLE listings (id INTEGER); INSERT INTO listings VALUES (7)").unwrap();
        }
    };
    untouched(foreign("delete"), &["not a database of mls-sync", "untouched"]);
    untouched(foreign("wal"), &["not a database of mls-sync", "untouched"]);
}

#[test]
fn a_file_that_is_no_database_is_refused_untouched() {
    untouched(|path| fs::write(path, "dear diary\n").unwrap(), &["not a database of mls-sync", "untouched"]);
    untouched(|path| fs::write(path, "SQLite format 3\0").unwrap(), &["not a database of mls-sync", "untouched"]);
}

#[test]
fn a_403_stops_the_asking_and_nothing_else() {
    let mirror = Mirror::new(feeds(&["BAD", "GOOD"]));
    mirror.sandbox.set_fault(Some("BAD".to_owned()), Some(Fault::Forbidden));
    let mut daemon = mirror.start(&["run"]);
    eventually("the good feed is loaded", LIMIT, || mirror.live("GOOD") == 300);
    eventually("status says so", LIMIT, || mirror.status_of("BAD")["activity"] == "blocked");
    let note = mirror.status_of("BAD")["note"].as_str().unwrap().to_owned();
    assert!(note.contains("403") && note.contains("key"), "{note}");
    assert!(mirror.run(&["status"]).stdout.contains("blocked: the vendor answered HTTP 403"));
    let asked = mirror.requests_of("BAD");
    assert!(asked <= 2, "{asked} requests of a feed that is forbidden");
    let polls = mirror.requests_of("GOOD");
    eventually("the good feed is polled on", LIMIT, || mirror.requests_of("GOOD") > polls + 6);
    assert_eq!(mirror.requests_of("BAD"), asked, "the blocked feed is asked on");
    assert!(daemon.is_running());
    assert!(daemon.stderr().contains("WARN") && daemon.stderr().contains("HTTP 403"), "{}", daemon.stderr());
}

#[test]
fn a_403_for_everything_leaves_the_daemon_alive() {
    for named in [true, false] {
        let mirror = Mirror::new(small()).with(|settings| {
            if !named {
                settings.feeds.clear()
            }
        });
        mirror.sandbox.set_fault(None, Some(Fault::Forbidden));
        let mut daemon = mirror.start(&["run"]);
        eventually("it has asked", LIMIT, || !mirror.requests().is_empty() && daemon.stderr().contains("403"));
        always("it lives and asks no more", seconds(1), || daemon.is_running() && mirror.requests().len() <= 2);
        daemon.signal("TERM");
        daemon.wait(seconds(5)).succeeded();
    }
}

#[test]
fn a_403_or_a_400_ends_a_one_shot_run_with_1_and_its_reason() {
    side_by_side(vec![(Fault::Forbidden, "403"), (Fault::BadRequest, "400")], |(fault, word)| {
        for mode in ["--once", "--backfill"] {
            let mirror = Mirror::new(feeds(&["BAD", "GOOD"]));
            mirror.sandbox.set_fault(Some("BAD".to_owned()), Some(fault.clone()));
            let ended = mirror.run(&["run", mode]).exited(1);
            assert!(ended.stdout.contains("not complete") && ended.stdout.contains(word), "{}", ended.stdout);
            // Each kind of work with each stream is confirmed by itself where the request is refused, and a first load asks once
            // more: its first request reaches so far that it may be refused for that.
            assert!(mirror.requests_of("BAD") <= 9, "{}", mirror.requests_of("BAD"));
            assert_eq!((mirror.live("GOOD"), mirror.live("BAD")), (300, 0));
        }
    });
}

#[test]
fn a_400_is_not_retried_blindly_and_the_cursor_stays() {
    let mirror = Mirror::new(small());
    mirror.backfill();
    let cursors = mirror.dump("cursors");
    mirror.sandbox.with_world(|world| (0..20).for_each(|_| drop(world.random_change())));
    mirror.sandbox.set_fault(None, Some(Fault::BadRequest));
    mirror.sandbox.clear_requests();
    let mut daemon = mirror.start(&["run"]);
    eventually("the vendor's reasons are in the log", LIMIT, || {
        daemon.stderr().contains("Page: The field Page must be between 1 and 2147483647.")
    });
    always("it asks no more and lives", Duration::from_millis(1500), || mirror.requests().len() <= 2 && daemon.is_running());
    assert!(mirror.status_of("GAMLS")["note"].as_str().unwrap().contains("Page: The field Page must be"));
    daemon.signal("TERM");
    daemon.wait(seconds(5)).succeeded();
    assert_eq!(mirror.dump("cursors"), cursors);
    mirror.sandbox.set_fault(None, None);
    mirror.quiet();
    mirror.once();
    mirror.verify("after the refusals");
}

/// No request leaves while the vendor wants none: neither of the feed that was told so nor of another.
fn closed(fault: Fault, least: Duration) {
    closed_within(fault, least, seconds(2));
}

/// The same, where the vendor's time is known only so exactly.
fn closed_within(fault: Fault, least: Duration, grain: Duration) {
    let what = format!("{fault:?}");
    let mirror = Mirror::new(feeds(&["GAMLS", "NWMLS"])).with(|settings| settings.max_in_flight = 1);
    let running = mirror.start(&["run", "--backfill"]);
    eventually("the load is under way", LIMIT, || mirror.requests().len() > 6);
    mirror.sandbox.fault_next(fault);
    running.wait(LIMIT).succeeded();
    let asked = mirror.requests();
    let told = asked.iter().position(|asked| matches!(asked.answered, 429 | 503)).unwrap_or_else(|| panic!("{what}: nobody was told"));
    let pause = asked[told + 1].at - asked[told].at;
    assert!(pause >= least && pause < least + grain, "{what}: the next request came after {pause:?}");
    mirror.verify(&what);
}

#[test]
fn a_429_closes_the_gate_for_everybody_until_its_time() {
    let raw = |body: &str, after: Option<&str>| Fault::ThrottledRaw { body: body.to_owned(), retry_after: after.map(str::to_owned) };
    let says_3 = r#"{"Message":"Too many requests. Api will be available in 3.0000000 seconds"}"#;
    let cases = [
        (Fault::Throttled { seconds: 1.5 }, Duration::from_millis(1500)),
        // The later of the two counts.
        (raw(says_3, Some("1")), seconds(3)),
        (raw(says_3, Some("5")), seconds(5)),
        (raw("<html>", Some("2")), seconds(2)),
    ];
    side_by_side(cases.to_vec(), |(fault, least)| closed(fault, least));
}

#[test]
fn a_503_that_names_a_time_closes_the_gate_like_a_429() {
    let later = (chrono::Utc::now() + seconds(10)).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let busy = |retry_after: &str| Fault::Busy { retry_after: retry_after.to_owned() };
    // The date is of whole seconds, and some of the ten have gone by when it is told.
    side_by_side(vec![(busy("3"), seconds(3)), (busy(&later), seconds(2))], |(fault, least)| closed_within(fault, least, seconds(10)));
}

#[test]
fn a_429_is_told_in_status_while_it_lasts() {
    let mirror = Mirror::new(small());
    mirror.sandbox.set_fault(None, Some(Fault::Throttled { seconds: 120.0 }));
    let daemon = mirror.start(&["run"]);
    eventually("status tells it", LIMIT, || {
        mirror.is_ready() && mirror.status().iter().any(|feed| feed["note"].as_str().is_some_and(|note| note.contains("120")))
    });
    always("nobody asks", seconds(1), || mirror.requests().len() <= 2);
    drop(daemon);
}

/// The page is not counted as read, is asked for again, and nothing is lost, whichever page it is.
fn passes(fault: &Fault) {
    let what = format!("{fault:?}");
    let mirror = Mirror::new(Options { all_includes_deleted: true, ..small() }).with(|settings| settings.timeout = "1s");
    let running = mirror.start(&["run", "--backfill"]);
    for count in [1, 4, 9] {
        eventually("the load is under way", LIMIT, || mirror.requests().len() >= count);
        mirror.sandbox.fault_next(fault.clone());
    }
    let ended = running.wait(LIMIT).succeeded();
    // The first of them is told, and the others belong to it. One lost connection is no trouble.
    let least = usize::from(!matches!(fault, Fault::Reset));
    assert!(ended.stderr.matches("WARN").count() >= least, "{what}: {}", ended.stderr);
    mirror.verify(&what);
}

#[test]
fn a_failed_or_doubtful_answer_is_not_counted_as_read() {
    let faults = vec![
        Fault::Status(500, "{\"Message\":\"An error has occurred.\"}".to_owned()),
        Fault::Status(503, "<html>".to_owned()),
        Fault::Hang(seconds(3)),
        Fault::Reset,
        Fault::Cut,
        Fault::WrongLength,
        Fault::Empty,
        Fault::Html,
        Fault::NullResults,
        Fault::RawPage("{\"Results\":[],\"Total\":77,\"Count\":0,\"NextPage\":null}".to_owned()),
        Fault::edit(|page| page["Count"] = json!(3)),
        Fault::edit(|page| drop(page.as_object_mut().unwrap().remove("Total"))),
    ];
    for four in faults.chunks(4) {
        side_by_side(four.to_vec(), |fault| passes(&fault));
    }
}

#[test]
fn a_standing_fault_ends_a_one_shot_run_with_1_and_the_next_run_goes_on() {
    let mirror = Mirror::new(small()).with(|settings| settings.requests_per_second = 40.0);
    let running = mirror.start(&["run", "--backfill"]);
    eventually("the load is under way", LIMIT, || mirror.requests().len() >= 8);
    mirror.sandbox.set_fault(None, Some(Fault::Forbidden));
    let ended = running.wait(LIMIT).exited(1);
    assert!(ended.stdout.contains("not complete"), "{}", ended.stdout);
    mirror.verify_changes("interrupted by a 403");
    mirror.sandbox.set_fault(None, None);
    mirror.backfill();
    mirror.verify("after the 403");
}

#[test]
fn a_world_full_of_random_faults_loses_nothing() {
    let mirror = Mirror::new(Options { fault_rate: 0.1, churn: 0.3, ..small() });
    mirror.run(&["run", "--backfill"]);
    mirror.verify_changes("random faults");
    mirror.sandbox.reconfigure(|options| options.fault_rate = 0.0);
    mirror.quiet();
    mirror.backfill();
    mirror.verify("random faults");
}

#[test]
fn a_redirect_never_carries_the_key_elsewhere() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/steal", elsewhere.local_addr().unwrap());
    let visits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&visits);
    std::thread::spawn(move || {
        for _ in elsewhere.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    passes(&Fault::Redirect(url.clone()));
    passes(&Fault::Redirect("/services/partner/Elsewhere".to_owned()));
    assert_eq!(visits.load(Ordering::SeqCst), 0, "the redirect was followed");
    std::net::TcpStream::connect(url.trim_start_matches("http://").trim_end_matches("/steal")).unwrap();
    eventually("a visit would have been noticed", LIMIT, || visits.load(Ordering::SeqCst) == 1);
}

/// Replaces records of the feed in every answer that holds them.
fn spoil(mirror: &Mirror, edit: impl Fn(&mut Vec<Value>) + Send + Sync + 'static) {
    mirror.sandbox.set_fault(None, Some(Fault::edit(move |page| edit(page["Results"].as_array_mut().unwrap()))));
}

#[test]
fn a_record_without_key_is_kept_raw_and_the_page_goes_on() {
    let mirror = Mirror::new(Options { listings: 60, deleted: 0, ..small() });
    let mut ids = mirror.truly_live("GAMLS").into_iter().map(|id| id.0);
    let (nameless, homeless, scalar) = (ids.next().unwrap(), ids.next().unwrap(), ids.next().unwrap());
    let (a, b, c) = (nameless.clone(), homeless.clone(), scalar.clone());
    spoil(&mirror, move |records| {
        for record in records {
            match record["ListingId"].as_str() {
                Some(id) if id == a => drop(record.as_object_mut().unwrap().remove("ListingId")),
                Some(id) if id == b => record["FeedId"] = Value::Null,
                Some(id) if id == c => *record = json!("nothing but text"),
                _ => {}
            }
        }
    });
    let ended = mirror.backfill();
    assert!(ended.stdout.contains("3 rejected"), "{}", ended.stdout);
    assert!(ended.stderr.contains("kept in the table rejects"), "{}", ended.stderr);
    assert_eq!(mirror.live("GAMLS"), 57);
    let rejects: Vec<(String, Option<String>, String)> =
        mirror.query("SELECT reason, listing_id, raw FROM rejects ORDER BY reason", |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let has = |reason: &str, raw: &str| rejects.iter().any(|reject| reject.0.contains(reason) && reject.2.contains(raw));
    assert_eq!(rejects.len(), 3, "{rejects:?}");
    assert!(
        has("no ListingId", "MlsUpdateDate") && has("FeedId is null", &homeless) && has("no JSON object", "\"nothing but text\""),
        "{rejects:?}"
    );
    assert_eq!(mirror.status_of("GAMLS")["rejects"], 3);
    mirror.verify_changes("rejects");
    // Seen again, they are kept once.
    mirror.reread();
    assert_eq!(mirror.number("SELECT count(*) FROM rejects"), 3);
}

#[test]
fn a_value_of_the_wrong_type_and_an_unknown_field_are_kept_in_extra() {
    let mirror = Mirror::new(Options { listings: 60, deleted: 0, ..small() });
    let odd = mirror.truly_live("GAMLS").into_iter().next().unwrap().0;
    let id = odd.clone();
    spoil(&mirror, move |records| {
        for record in records.iter_mut().filter(|record| record["ListingId"] == id.as_str()) {
            record["Price"] = json!("call us");
            record["Beds"] = json!(2.5);
            record["HasPool"] = json!("maybe");
            record["ListDate"] = json!(20_260_501);
            record["City"] = json!(["a", "b"]);
            record["Brand New"] = json!({ "deep": [1, null] });
        }
    });
    mirror.backfill();
    assert_eq!(mirror.live("GAMLS"), 60);
    assert_eq!(mirror.number("SELECT count(*) FROM rejects"), 0);
    let row = format!("SELECT extra FROM listings WHERE listing_id = '{odd}'");
    let extra: Value = serde_json::from_str(&mirror.text(&row)).unwrap();
    let expected = json!({
        "Price": "call us", "Beds": 2.5, "HasPool": "maybe", "ListDate": 20_260_501, "City": ["a", "b"], "Brand New": { "deep": [1, null] },
    });
    assert_eq!(extra, expected);
    let columns =
        "price IS NULL AND beds IS NULL AND has_pool IS NULL AND list_date IS NULL AND city IS NULL AND mls_update_date IS NOT NULL";
    assert_eq!(mirror.number(&format!("SELECT count(*) FROM listings WHERE listing_id = '{odd}' AND {columns}")), 1);
}

#[test]
fn records_of_a_feed_that_was_not_asked_for_are_never_stored() {
    let mirror = Mirror::new(small());
    spoil(&mirror, |records| {
        for (index, record) in records.iter_mut().enumerate().filter(|(index, _)| index % 5 == 0) {
            record["FeedId"] = json!(if index % 2 == 0 { "OTHER" } else { "gamls2" });
        }
    });
    mirror.run(&["run", "--backfill"]);
    assert_eq!(mirror.number("SELECT count(*) FROM listings WHERE feed_id <> 'GAMLS'"), 0);
    assert!(mirror.live("GAMLS") > 200);
    assert_eq!(mirror.status().len(), 1);
}

#[test]
fn the_key_is_found_nowhere() {
    let mirror = Mirror::new(feeds(&["GAMLS", "BAD", "WORSE"])).with(|settings| settings.timeout = "1s");
    mirror.sandbox.set_fault(Some("BAD".to_owned()), Some(Fault::Forbidden));
    let echo = format!("{{\"Message\":\"the key is wrong: {}\"}}", "ml-auth");
    mirror.sandbox.set_fault(Some("WORSE".to_owned()), Some(Fault::Status(500, echo)));
    let config = mirror.config().to_str().unwrap().to_owned();
    let key = [("MLS_SYNC_SYSTEM_ACCESS_KEY", KEY)];
    let traced = [("MLS_SYNC_SYSTEM_ACCESS_KEY", KEY), ("RUST_LOG", "trace")];
    for (arguments, variables) in [(&["-vv"][..], &key[..]), (&["-vv", "--log-format", "json"], &key), (&[], &traced)] {
        mirror.sandbox.clear_requests();
        let all = [&["--config", &config, "run"], arguments].concat();
        let daemon = mirror.start_bare(&all, variables);
        eventually("it has worked and failed", LIMIT, || {
            mirror.live("GAMLS") == 300 && mirror.requests_of("BAD") > 0 && mirror.requests_of("WORSE") > 1
        });
        [Fault::Reset, Fault::Html, Fault::Cut, Fault::Hang(seconds(2))].into_iter().for_each(|fault| mirror.sandbox.fault_next(fault));
        let before = mirror.requests().len();
        eventually("it has met more faults", LIMIT, || mirror.requests().len() > before + 6);
        mirror.run(&["status"]).succeeded();
        mirror.run(&["status", "--json", "-vv"]).succeeded();
        search(mirror.dir());
        daemon.signal("TERM");
        daemon.wait(seconds(5)).succeeded();
        search(mirror.dir());
    }
}

/// Logs, output and every file of the database are in one directory; so is what would be found.
fn search(directory: &Path) {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    // A socket holds nothing.
    let paths: Vec<_> = entries.filter(|entry| entry.file_type().unwrap().is_file()).map(|entry| entry.path()).collect();
    assert!(paths.len() >= 4 && paths.iter().any(|path| path.ends_with("mls.db")), "{paths:?}");
    for path in paths {
        let bytes = fs::read(&path).unwrap();
        assert!(!bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes()), "the key is in {}", path.display());
    }
}
