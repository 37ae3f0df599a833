//! The real program from its start to its end: loads, follows, stops, is killed, goes on.

use crate::support::{KEY, LIMIT, Mirror, eventually, feeds, side_by_side, small, tally};
use mls_sync::record::{DayTime, Stamp};
use mls_sync::sandbox::{Fault, Options};
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn at(text: &str) -> Stamp {
    Stamp::parse(text).unwrap_or_else(|| panic!("{text} is no stamp"))
}

/// As precisely as requests are written.
fn on_the_wire(stamp: Stamp) -> i64 {
    stamp.0.div_euclid(10_000)
}

#[test]
fn a_daemon_loads_an_empty_file_and_follows_what_changes() {
    let mirror = Mirror::new(Options { churn_per_second: 20.0, ..feeds(&["GAMLS", "NWMLS"]) });
    let daemon = mirror.start(&["run"]);
    eventually("the past is loaded while the vendor changes", LIMIT, || {
        mirror.live("GAMLS") >= 290
            && mirror.live("NWMLS") >= 290
            && mirror.number("SELECT count(*) FROM changes WHERE kind = 'changed'") > 20
    });
    mirror.sandbox.reconfigure(|options| options.churn_per_second = 0.0);
    eventually("the file is true", LIMIT, || mirror.verdict().is_ok_and(|verdict| verdict.agrees()));
    mirror.sandbox.with_world(|world| (0..30).for_each(|_| drop(world.random_change())));
    eventually("the file is true again", LIMIT, || mirror.verdict().is_ok_and(|verdict| verdict.agrees()));
    daemon.signal("TERM");
    daemon.wait(seconds(5)).succeeded();
    mirror.verify("after the stop");
}

#[test]
fn a_first_load_costs_about_one_request_for_each_page() {
    let long_ago = Options { listings: 1_000, deleted: 60, page_size: 10, history_days: 3_000, ..small() };
    let mirror = Mirror::new(long_ago).with(|settings| (settings.window_pages, settings.requests_per_second) = (200, 500.0));
    let loaded = mirror.run(&["run", "--backfill"]).succeeded();
    mirror.verify("after a first load");
    let load = mirror.status_of("GAMLS")["first_load"].clone();
    let [requests, pages] = ["requests", "pages"].map(|name| load[name].as_u64().unwrap());
    let asked = mirror.requests_of("GAMLS") as u64;
    // Behind the load come the last poll, and a look for what is stamped ahead of the clock.
    assert!(pages == 100 + 6 && (requests..=requests + 4).contains(&asked), "{asked} were asked: {load}");
    // A third of these listings are so new that windows of one answer must hold them.
    assert!(requests * 100 <= pages * 130, "{requests} requests for {pages} pages");
    assert!(loaded.both().contains(&format!("{asked} requests for {pages} pages")), "{}", loaded.both());
    mirror.once();
    assert_eq!(mirror.status_of("GAMLS")["first_load"], load, "what follows does not count");
}

#[test]
fn a_small_feed_is_loaded_with_one_request_for_each_status() {
    let mirror = Mirror::new(Options { listings: 20, deleted: 5, ..small() });
    mirror.run(&["run", "--backfill"]).succeeded();
    mirror.verify("after a first load");
    assert_eq!(mirror.requests_of("GAMLS"), 2);
}

#[test]
fn the_newest_listings_are_there_long_before_the_load_is_complete() {
    let options = Options { listings: 600, page_size: 10, ..small() };
    let mirror = Mirror::new(options).with(|settings| (settings.requests_per_second, settings.interval) = (25.0, "1s"));
    let yesterday = mirror.sandbox.with_world(|world| world.utc()).minus(seconds(23 * 3600));
    let truth = mirror.sandbox.with_world(|world| world.truth("GAMLS"));
    let newest: BTreeSet<_> =
        truth.iter().filter(|(_, truth)| !truth.deleted && truth.stamp > yesterday).map(|(id, _)| id.0.clone()).collect();
    assert!(newest.len() > 30);
    let daemon = mirror.start(&["run"]);
    let mut loaded = BTreeSet::new();
    eventually("the newest listings are there", LIMIT, || {
        if mirror.is_ready() {
            loaded = mirror.query("SELECT listing_id FROM live_listings", |row| row.get::<_, String>(0)).into_iter().collect();
        }
        newest.is_subset(&loaded)
    });
    assert!(loaded.len() < 350, "{} of 600 were loaded before the newest {}", loaded.len(), newest.len());
    assert!(mirror.status_of("GAMLS")["complete_until"].is_null());
    // What changes now is there at once, too, although the load goes on.
    let born = mirror.sandbox.with_world(|world| world.add("GAMLS"));
    eventually("a new listing is there", seconds(10), || {
        mirror.number(&format!("SELECT count(*) FROM live_listings WHERE listing_id = '{}'", born.0)) == 1
    });
    assert!(mirror.live("GAMLS") < 590, "the load was over before the new listing came");
    drop(daemon);
}

#[test]
fn a_stop_in_the_middle_of_a_load_leaves_a_whole_file() {
    side_by_side(vec!["TERM", "INT"], |signal| {
        let mirror = Mirror::new(feeds(&["GAMLS", "NWMLS"])).with(|settings| settings.requests_per_second = 40.0);
        let running = mirror.start(&["run", "--backfill"]);
        eventually("the load is under way", LIMIT, || mirror.requests().len() > 15);
        running.signal(signal);
        let ended = running.wait(seconds(5)).exited(1);
        assert!(ended.stdout.contains("stopped before the end"), "{}", ended.stdout);
        mirror.verify_changes(signal);
        let loaded = mirror.live("GAMLS") + mirror.live("NWMLS");
        assert!((1..600).contains(&loaded), "{signal}: {loaded}");
        mirror.backfill();
        mirror.verify(signal);
    });
}

#[test]
fn a_daemon_stops_within_5_s_whatever_it_waits_for() {
    let faults = [None, Some(Fault::Hang(seconds(60))), Some(Fault::Throttled { seconds: 300.0 }), Some(Fault::Status(503, String::new()))];
    side_by_side(faults.to_vec(), |fault| {
        let mirror = Mirror::new(small()).with(|settings| settings.requests_per_second = 20.0);
        mirror.sandbox.set_fault(None, fault.clone());
        let daemon = mirror.start(&["run"]);
        match fault {
            Some(Fault::Hang(_)) => {
                eventually("the file is there, and a request hangs", LIMIT, || mirror.is_ready() && mirror.requests().is_empty())
            }
            _ => eventually("it is at work", LIMIT, || mirror.requests().len() >= if fault.is_none() { 5 } else { 1 }),
        }
        daemon.signal("TERM");
        daemon.wait(seconds(5)).succeeded();
        mirror.verify_changes(&format!("{fault:?}"));
    });
}

#[test]
fn a_daemon_stops_within_5_s_although_another_program_holds_the_write_lock() {
    side_by_side(vec![true, false], |has_noticed| {
        let mirror = Mirror::new(small()).with(|settings| settings.requests_per_second = 20.0);
        let daemon = mirror.start(&["run"]);
        eventually("the load is under way", LIMIT, || mirror.live("GAMLS") > 0);
        let other = Connection::open(mirror.database()).unwrap();
        other.busy_timeout(seconds(10)).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let (loaded, asked) = (mirror.live("GAMLS"), mirror.requests().len());
        eventually("a page waits for the lock", LIMIT, || match has_noticed {
            true => daemon.stderr().contains("the database cannot be used"),
            false => mirror.requests().len() > asked,
        });
        daemon.signal("TERM");
        let ended = daemon.wait(seconds(5)).succeeded();
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        assert_eq!(mirror.live("GAMLS"), loaded, "nothing can have been stored");
        other.execute_batch("ROLLBACK").unwrap();
        mirror.verify_changes("locked");
        mirror.backfill();
        mirror.verify("after the lock");
    });
}

#[test]
fn a_killed_load_goes_on_without_asking_again_for_what_is_complete() {
    let options = Options { listings: 500, page_size: 10, ..small() };
    let uninterrupted = Mirror::new(options.clone());
    uninterrupted.backfill();
    uninterrupted.verify("uninterrupted");
    let usual = uninterrupted.requests().len();

    let mirror = Mirror::new(options).with(|settings| settings.requests_per_second = 100.0);
    let kills = 5;
    let mut dice = u64::from(std::process::id());
    let mut total = 0;
    let mut complete: BTreeSet<(u8, i64, i64)> = BTreeSet::new();
    for round in 0..=kills {
        mirror.sandbox.clear_requests();
        let running = mirror.start(&["run", "--backfill"]);
        if round < kills {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let after = 3 + (dice >> 33) as usize % (usual / 6);
            eventually("it is time to kill it", LIMIT, || mirror.requests().len() >= after);
            running.kill();
        } else {
            running.wait(LIMIT).succeeded();
        }
        let asked = mirror.requests();
        total += asked.len();
        // A look ahead of the clock names no end.
        for asked in asked.iter().filter(|asked| asked.to.is_some()) {
            let (from, to) = (at(asked.from.as_deref().unwrap()), at(asked.to.as_deref().unwrap()));
            let window = (asked.status, on_the_wire(from), on_the_wire(to));
            assert!(!complete.contains(&window), "kill {round}: a complete window was asked for again: {asked:?}");
        }
        mirror.verify_changes(&format!("kill {round}"));
        complete.extend(mirror.query("SELECT status, from_date, to_date FROM windows WHERE state = 'complete'", |row| {
            let (from, to): (String, String) = (row.get(1)?, row.get(2)?);
            Ok((row.get(0)?, on_the_wire(at(&from)), on_the_wire(at(&to))))
        }));
    }
    assert!(complete.len() > 5, "{complete:?}");
    mirror.verify("after the last run");
    // A kill costs the page in hand, and a new start a poll of both streams.
    assert!(total <= usual + kills * 8 + usual / 10, "{total} requests with {kills} kills, {usual} without");
}

#[test]
fn a_daemon_that_is_killed_again_and_again_while_the_vendor_changes_loses_nothing() {
    let mirror = Mirror::new(Options { churn_per_second: 30.0, all_includes_deleted: true, ..small() });
    for round in 0..6_u64 {
        let daemon = mirror.start(&["run"]);
        let before = mirror.requests().len();
        eventually("it works", LIMIT, || mirror.requests().len() >= before + 4 + 5 * round as usize);
        daemon.kill();
        mirror.verify_changes(&format!("kill {round}"));
    }
    mirror.quiet();
    mirror.once();
    mirror.verify("after the kills");
}

/// Until SQLite folds the WAL into the file, which is after its first 16 MB, the file alone does not show what it is.
#[test]
fn a_load_killed_at_its_beginning_goes_on() {
    let mirror = Mirror::new(small());
    let running = mirror.start(&["run", "--backfill"]);
    eventually("a page is stored", LIMIT, || mirror.live("GAMLS") > 0);
    running.kill();
    assert_eq!(mirror.status().len(), 1, "status after a kill");
    mirror.backfill();
    mirror.verify("after the kill");
}

/// The poll that was under way ends at the time when it began; what came later is this cycle's to read.
#[test]
fn a_cycle_after_a_killed_one_reads_what_is_new() {
    let mut mirror = Mirror::new(small());
    mirror.backfill();
    mirror.set(|settings| (settings.window_pages, settings.requests_per_second) = (50, 20.0));
    mirror.sandbox.with_world(|world| world.bulk_touch("GAMLS", 250));
    mirror.quiet();
    mirror.sandbox.clear_requests();
    let running = mirror.start(&["run", "--once"]);
    eventually("it is in the middle of a poll", LIMIT, || mirror.requests().len() >= 5);
    running.kill();
    mirror.verify_changes("killed");
    mirror.sandbox.with_world(|world| (0..20).for_each(|_| drop(world.random_change())));
    mirror.quiet();
    mirror.once();
    mirror.verify("the cycle after a killed one");
}

#[test]
fn a_second_load_asks_almost_nothing() {
    let mirror = Mirror::new(feeds(&["GAMLS", "NWMLS"]));
    let first = mirror.backfill();
    assert!(first.stdout.contains("GAMLS") && first.stdout.contains("300 live, 30 deleted"), "{}", first.stdout);
    mirror.verify("first");
    mirror.sandbox.clear_requests();
    mirror.backfill();
    let asked = tally(mirror.requests().iter().map(|asked| (asked.feeds.concat(), asked.status)));
    assert!(asked.values().all(|count| *count <= 2), "{asked:?}");
}

#[test]
fn since_loads_only_what_is_newer_and_a_plain_load_the_rest() {
    let mirror = Mirror::new(small());
    let since = mirror.sandbox.with_world(|world| world.utc()).minus(seconds(40 * 86_400));
    let truth = mirror.sandbox.with_world(|world| world.truth("GAMLS"));
    let newer: BTreeSet<_> = truth.iter().filter(|(_, truth)| !truth.deleted && truth.stamp >= since).map(|(id, _)| id.0.clone()).collect();
    assert!((50..250).contains(&newer.len()));
    mirror.run(&["run", "--backfill", "--since", &since.to_string()[..19]]).succeeded();
    let loaded: BTreeSet<String> = mirror.query("SELECT listing_id FROM live_listings", |row| row.get(0)).into_iter().collect();
    assert!(newer.is_subset(&loaded) && loaded.len() <= newer.len() + 3, "{} loaded, {} are newer", loaded.len(), newer.len());
    // A cycle that says nothing of the past leaves it as it was asked for.
    mirror.once();
    assert!(mirror.live("GAMLS") <= newer.len() + 3);
    mirror.backfill();
    mirror.verify("the rest");
}

#[test]
fn feed_chooses_the_feeds() {
    let mirror = Mirror::new(feeds(&["GAMLS", "NWMLS", "SFAR"]));
    mirror.run(&["run", "--backfill", "--feed", "SFAR", "--feed", "GAMLS"]).succeeded();
    assert_eq!((mirror.live("GAMLS"), mirror.live("NWMLS"), mirror.live("SFAR")), (300, 0, 300));
    assert_eq!(mirror.requests_of("NWMLS"), 0);
    mirror.run(&["run", "--backfill", "--feed", "OTHER"]).exited(2);
    mirror.backfill();
    mirror.verify("all feeds");
}

#[test]
fn one_feeds_trouble_never_stops_anothers() {
    let troubles = [Fault::Forbidden, Fault::Status(500, String::new()), Fault::BadRequest, Fault::Html, Fault::Hang(seconds(30))];
    side_by_side(troubles.to_vec(), |trouble| {
        let what = format!("{trouble:?}");
        // Two places in flight: a request that hangs takes one of them for as long as the timeout says.
        let mirror = Mirror::new(feeds(&["BAD", "GOOD"])).with(|settings| settings.timeout = "1s");
        mirror.sandbox.set_fault(Some("BAD".to_owned()), Some(trouble));
        let mut daemon = mirror.start(&["run"]);
        eventually("the good feed is loaded", LIMIT, || mirror.live("GOOD") == 300);
        let born = mirror.sandbox.with_world(|world| world.add("GOOD"));
        eventually("the good feed is followed", seconds(20), || {
            mirror.number(&format!("SELECT count(*) FROM live_listings WHERE listing_id = '{}'", born.0)) == 1
        });
        assert!(daemon.is_running(), "{what}");
        assert_eq!(mirror.live("BAD"), 0, "{what}");
        // A request that hangs is trouble only when its time is over.
        eventually(&format!("status tells of {what}"), LIMIT, || {
            let bad = mirror.status_of("BAD");
            ["blocked", "retrying"].contains(&bad["activity"].as_str().unwrap()) && bad["note"].is_string()
        });
        let good = mirror.status_of("GOOD");
        assert!(good["note"].is_null() && good["polled_at"].is_string(), "{what}: {good}");
    });
}

#[test]
fn status_tells_how_true_the_file_is_while_the_daemon_works() {
    let mirror = Mirror::new(feeds(&["GAMLS", "NWMLS"])).with(|settings| settings.requests_per_second = 30.0);
    let missing = mirror.run(&["status"]).exited(2);
    assert!(missing.stderr.contains("does not exist"), "{}", missing.stderr);
    let daemon = mirror.start(&["run"]);
    eventually("the load is under way", LIMIT, || mirror.live("GAMLS") > 0);
    let early = mirror.status_of("GAMLS");
    assert!(early["complete_until"].is_null(), "{early}");
    assert!(!early["gaps"].as_array().unwrap().is_empty() || early["activity"] == "polling", "{early}");
    assert!(mirror.run(&["status"]).succeeded().stdout.contains("loading"));
    eventually("the load is over", LIMIT, || mirror.status().iter().all(|report| report["complete_until"].is_string()));
    for report in mirror.status() {
        assert_eq!((&report["live"], &report["deleted"]), (&300.into(), &30.into()), "{report}");
        assert_eq!(report["gaps"].as_array().unwrap().len(), 0, "{report}");
        assert!(report["polled_at"].is_string() && report["note"].is_null(), "{report}");
    }
    let lines = mirror.run(&["status"]).succeeded().stdout;
    assert_eq!(lines.lines().filter(|line| !line.contains("first load: ")).count(), 4, "{lines}");
    assert!(lines.starts_with(&format!("mls-sync run (PID {})", daemon.pid())) && lines.contains(" requests this hour, "), "{lines}");
    assert!(
        lines
            .lines()
            .skip(2)
            .step_by(2)
            .all(|line| line.contains("300 live") && line.contains("30 deleted") && line.contains("complete until")),
        "{lines}"
    );
    drop(daemon);
    assert_eq!(mirror.status().len(), 2, "status needs no daemon");
}

#[test]
fn status_tells_how_fresh_changes_are_and_counts_nothing_of_the_first_load() {
    let mirror = Mirror::new(small());
    let daemon = mirror.start(&["run"]);
    eventually("everything is loaded", LIMIT, || mirror.is_ready() && mirror.status_of("GAMLS")["complete_until"].is_string());
    assert!(mirror.status_of("GAMLS")["fresh"].is_null(), "{}", mirror.status_of("GAMLS"));
    let live = mirror.truly_live("GAMLS");
    mirror.sandbox.with_world(|world| {
        live.iter().take(3).for_each(|id| assert!(world.edit("GAMLS", id)));
        live.last().iter().for_each(|id| assert!(world.delete("GAMLS", id)));
    });
    eventually("four changes are counted", LIMIT, || mirror.status_of("GAMLS")["fresh"]["changes"] == 4);
    let fresh = &mirror.status_of("GAMLS")["fresh"];
    let (p50, p99) = (fresh["p50_s"].as_f64().unwrap(), fresh["p99_s"].as_f64().unwrap());
    assert!(0.05 < p50 && p50 <= p99 && p99 < 20.0, "{fresh}");
    let told = mirror.run(&["status"]).succeeded().stdout;
    assert!(told.contains("fresh: of 4 changes in this hour and the last, half were in the file within "), "{told}");
    drop(daemon);
}

#[test]
fn a_feed_that_changes_is_polled_faster_than_one_that_does_not_and_both_share_requests() {
    let mirror = Mirror::new(feeds(&["BUSY", "CALM"])).with(|settings| settings.interval = "2s");
    let bounds = "[poll]\ninterval_min = \"250ms\"\ninterval_max = \"4s\"\n";
    fs::write(mirror.config(), fs::read_to_string(mirror.config()).unwrap().replace("[poll]\n", bounds)).unwrap();
    let daemon = mirror.start(&["run"]);
    eventually("everything is loaded", LIMIT, || mirror.is_ready() && mirror.verdict().is_ok_and(|verdict| verdict.agrees()));
    let edit = |times: u32| {
        for live in mirror.truly_live("BUSY").iter().cycle().take(times as usize) {
            mirror.sandbox.with_world(|world| assert!(world.edit("BUSY", live)));
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    edit(60);
    mirror.sandbox.clear_requests();
    edit(80);
    let requests = mirror.requests();
    let of = |feed: &str| requests.iter().filter(|asked| asked.feeds.iter().any(|name| name == feed)).count();
    assert!(of("BUSY") >= 30 && of("CALM") <= 16, "{} for the busy one, {} for the calm one", of("BUSY"), of("CALM"));
    assert!(requests.iter().any(|asked| asked.feeds.len() == 2), "the calm one is polled together with the busy one");
    mirror.quiet();
    eventually("the file is true", LIMIT, || mirror.verdict().is_ok_and(|verdict| verdict.agrees()));
    drop(daemon);
}

#[test]
fn the_demo_shows_the_whole_job_and_its_verdict() {
    let mirror = Mirror::new(small());
    let database = mirror.dir().join("demo.db");
    let arguments = ["demo", "--listings", "300", "--database", database.to_str().unwrap()];
    let ended = mirror.start_bare(&arguments, &[]).wait(LIMIT).succeeded();
    assert!(ended.stdout.contains("no difference") && ended.stdout.contains(database.to_str().unwrap()), "{}", ended.stdout);
    assert!(ended.stdout.contains("live_listings"), "{}", ended.stdout);
    // A file that is there already is somebody's.
    let before = std::fs::read(&database).unwrap();
    assert_ne!(mirror.start_bare(&arguments, &[]).wait(LIMIT).code, Some(0));
    assert_eq!(std::fs::read(&database).unwrap(), before);
}

#[test]
fn a_feed_that_the_vendor_adds_is_found_while_the_daemon_runs() {
    let mirror = Mirror::new(small()).with(|settings| settings.feeds.clear());
    let daemon = mirror.start(&["run"]);
    eventually("the first feed is loaded", LIMIT, || mirror.live("GAMLS") == 300);
    mirror.sandbox.with_world(|world| world.add_feed("LATER", 40));
    eventually("the new feed is loaded", LIMIT, || mirror.live("LATER") == 40);
    daemon.signal("TERM");
    daemon.wait(seconds(5)).succeeded();
    mirror.verify("with a feed that came later");
}

#[test]
fn a_feed_of_which_only_deletions_are_left_is_found() {
    let mirror = Mirror::new(feeds(&["GAMLS", "GONE"])).with(|settings| settings.feeds.clear());
    let gone = mirror.truly_live("GONE");
    mirror.sandbox.with_world(|world| gone.iter().for_each(|id| assert!(world.delete("GONE", id))));
    mirror.quiet();
    mirror.backfill();
    let report = mirror.status_of("GONE");
    assert_eq!((&report["live"], &report["deleted"]), (&0.into(), &330.into()), "{report}");
    mirror.verify("a feed of deletions");
}

/// Its coverage stays as it was, so that it is gone on with when it is polled again.
#[test]
fn a_stream_that_is_no_longer_polled_does_not_hold_back_the_coverage() {
    let mirror = Mirror::new(small());
    let since = mirror.sandbox.with_world(|world| world.utc()).minus(seconds(40 * 86_400));
    mirror.run(&["run", "--backfill", "--since", &since.to_string()[..19]]).succeeded();
    let text = mirror.settings.text(&mirror.database());
    fs::write(mirror.config(), text.replace("[poll]", "streams = [0]\n[poll]")).unwrap();
    mirror.backfill();
    assert_eq!(mirror.number("SELECT count(*) FROM covered JOIN feeds USING (feed_id) WHERE status = 3 AND from_date <= since"), 0);
    let coverage = mirror.query("SELECT complete_until, gaps FROM coverage", |row| Ok((row.get::<_, Option<String>>(0)?, row.get(1)?)));
    assert!(matches!(coverage.as_slice(), [(Some(_), 0)]), "{coverage:?}\n{}", mirror.windows());
    let report = mirror.status_of("GAMLS");
    assert!(report["complete_until"].is_string() && report["gaps"].as_array().unwrap().is_empty(), "{report}");
    fs::write(mirror.config(), text).unwrap();
    mirror.backfill();
    mirror.verify("both streams again");
    assert!(mirror.status_of("GAMLS")["complete_until"].is_string());
}

#[test]
fn a_daemon_takes_over_the_vendors_clock() {
    let start = Stamp::from_utc(chrono::Utc::now()).plus(seconds(2 * 3600));
    let mirror = Mirror::new(Options { frozen_at: Some(DayTime(start)), ..small() });
    let daemon = mirror.start(&["run"]);
    eventually("the file is true", LIMIT, || mirror.verdict().is_ok_and(|verdict| verdict.agrees()));
    mirror.sandbox.with_world(|world| {
        world.random_change();
        world.advance(seconds(10));
    });
    eventually("the file is true again", LIMIT, || mirror.verdict().is_ok_and(|verdict| verdict.agrees()));
    drop(daemon);
}

/// Each commit of its own would be many times the data itself.
#[test]
fn polls_that_find_nothing_are_written_once_a_minute_and_at_the_end() {
    let mirror = Mirror::new(small());
    let daemon = mirror.start(&["run"]);
    eventually("it is complete", LIMIT, || {
        mirror.is_ready() && mirror.number("SELECT count(*) FROM coverage WHERE complete_until > ''") == 1
    });
    mirror.sandbox.clear_requests();
    eventually("look-backs are over", LIMIT, || mirror.requests().len() > 20);
    let polled = || mirror.text("SELECT polled_at FROM feeds");
    let (mut writes, mut before) = (0, polled());
    mirror.sandbox.clear_requests();
    let begun = Instant::now();
    while begun.elapsed() < seconds(25) {
        std::thread::sleep(Duration::from_millis(100));
        let now = polled();
        writes += usize::from(now != before);
        before = now;
    }
    let rounds = mirror.requests().len() / 2;
    assert!(rounds > 50 && writes <= 1, "{writes} writes for {rounds} rounds in 25 s");
    daemon.signal("TERM");
    daemon.wait(seconds(5)).succeeded();
    assert!(polled() > before, "the last polls are written down at the end");
}

/// What systemd is told next; `None` if that takes longer than the socket waits.
fn next_word(systemd: &UnixDatagram) -> Option<String> {
    let mut word = [0; 4096];
    let length = systemd.recv(&mut word).ok()?;
    Some(String::from_utf8(word[..length].to_vec()).unwrap())
}

#[test]
fn a_vendor_that_never_answers_does_not_trip_the_watchdog() {
    let mirror = Mirror::new(small());
    let address = mirror.dir().join("systemd");
    let systemd = UnixDatagram::bind(&address).unwrap();
    systemd.set_read_timeout(Some(LIMIT)).unwrap();
    let config = mirror.config();
    let arguments = ["--config", config.to_str().unwrap(), "run"];
    let key = ("MLS_SYNC_SYSTEM_ACCESS_KEY", KEY);
    let daemon = mirror.start_bare(&arguments, &[key, ("NOTIFY_SOCKET", address.to_str().unwrap()), ("WATCHDOG_USEC", "4000000")]);
    assert!(next_word(&systemd).unwrap().contains("READY=1"));
    eventually("everything is loaded", LIMIT, || mirror.live("GAMLS") == 300);
    mirror.sandbox.set_fault(None, Some(Fault::Hang(seconds(60))));
    systemd.set_read_timeout(Some(seconds(4))).unwrap();
    let begun = Instant::now();
    while begun.elapsed() < seconds(10) {
        let word = next_word(&systemd).unwrap_or_else(|| panic!("no word in time; the log:\n{}", daemon.stderr()));
        assert!(word.contains("WATCHDOG=1") && word.contains("STATUS=1 feeds, "), "{word}");
    }
    daemon.signal("TERM");
    daemon.wait(seconds(5)).succeeded();
    assert!(std::iter::from_fn(|| next_word(&systemd)).any(|word| word.contains("STOPPING=1")));
}
