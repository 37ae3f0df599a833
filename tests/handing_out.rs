//! What batch jobs take from the file: `wait`, `snapshot` and `export`.

#![allow(clippy::unwrap_used)] // A helper that fails has failed its test.

mod support;

use mls_sync::record::ListingId;
use mls_sync::sandbox::Options;
use rusqlite::Connection;
use std::time::Duration;
use support::{Ended, LIMIT, Mirror, always, feeds, small};

const FEED: &str = "GAMLS";

fn loaded() -> Mirror {
    let mirror = Mirror::new(small());
    mirror.backfill();
    mirror
}

fn execute(mirror: &Mirror, sql: &str) {
    Connection::open(mirror.database()).unwrap().execute_batch(sql).unwrap();
}

/// Looks once, and does not find what is waited for.
fn not_yet(mirror: &Mirror, arguments: &[&str], expected: &str) -> Ended {
    let ended = mirror.run(&[&["wait", "--timeout", "0s"], arguments].concat()).exited(1);
    assert!(ended.stderr.contains(expected) && ended.stdout.is_empty(), "{}", ended.both());
    ended
}

/// Edits listings and waits after each; what was edited is in the file then. Other listings change all the time, so that nothing
/// that a poll found is written later than it could be.
fn what_was_changed_before_is_there_after(mirror: &Mirror, vendor: &str) {
    mirror.sandbox.reconfigure(|options| options.churn_per_second = 5.0);
    let _daemon = mirror.start(&["run"]);
    let listings: Vec<ListingId> = mirror.truly_live(FEED).into_iter().step_by(30).collect();
    let edited = listings.into_iter().filter(|listing| mirror.sandbox.with_world(|world| world.edit(FEED, listing))).take(5);
    let mut waits = 0;
    for listing in edited {
        mirror.run(&["wait"]).succeeded();
        let changes = format!("SELECT count(*) FROM changes WHERE key = '{listing}' AND kind <> 'added'");
        assert!(mirror.number(&changes) > 0, "{vendor}: {listing} is not there yet");
        waits += 1;
    }
    assert_eq!(waits, 5);
}

#[test]
fn what_was_changed_before_a_wait_began_is_in_the_file_when_it_ends() {
    support::side_by_side(vec!["a clock as ours", "a clock ahead of ours", "another zone"], |vendor| {
        let zone_hours = if vendor == "another zone" { -8 } else { 0 };
        let mirror = Mirror::new(Options { zone_hours, ..small() });
        if vendor == "a clock ahead of ours" {
            mirror.sandbox.with_world(|world| world.advance(Duration::from_secs(3600)));
        }
        let config = std::fs::read_to_string(mirror.config()).unwrap();
        std::fs::write(mirror.config(), config.replace("client = ", &format!("timestamp_zone = \"{zone_hours:+03}:00\"\nclient = ")))
            .unwrap();
        mirror.backfill();
        what_was_changed_before_is_there_after(&mirror, vendor);
    });
}

#[test]
fn nothing_is_claimed_where_the_vendors_dates_are_ahead_of_the_zone_that_is_set() {
    let mirror = Mirror::new(Options { zone_hours: 2, ..small() });
    mirror.sandbox.with_world(|world| world.advance(Duration::from_secs(10)));
    mirror.backfill();
    let past = ["--until", "2020-01-01"];
    let told = not_yet(&mirror, &past, "the vendor's dates are 2 h ahead of its clock").stderr;
    assert!(told.contains("not within 0s: GAMLS: read as"), "{told}");
}

#[test]
fn a_wait_begins_before_there_is_a_file_and_ends_when_everything_is_loaded() {
    let mirror = Mirror::new(Options { churn_per_second: 5.0, ..small() });
    not_yet(&mirror, &[], "mls.db does not exist yet. Nobody mirrors into the file");
    let mut wait = mirror.start(&["wait"]);
    always("it waits", Duration::from_millis(300), || wait.is_running());
    let _daemon = mirror.start(&["run"]);
    wait.wait(LIMIT).succeeded();
    let polled = "SELECT count(*) FROM coverage WHERE complete_until IS NOT NULL AND gaps = 0";
    assert_eq!((mirror.number(polled), mirror.live(FEED) > 250), (1, true));
}

#[test]
fn without_a_daemon_a_wait_tells_what_is_missing_and_never_claims_more_than_the_file() {
    let mirror = Mirror::new(feeds(&["GAMLS", "NWMLS"]));
    mirror.backfill();
    let until = mirror.text("SELECT complete_until FROM coverage WHERE feed_id = 'NWMLS'");
    let told = not_yet(&mirror, &[], &format!("NWMLS is complete until {until}")).stderr;
    assert!(told.contains("GAMLS is complete until 2") && told.contains("Nobody mirrors into the file"), "{told}");
    let late = mirror.run(&["wait", "--timeout", "700ms"]).exited(1);
    assert!(late.took >= Duration::from_millis(700) && late.stderr.contains("not within 700ms"), "{late:?}");
    mirror.run(&["wait", "--until", "2020-01-01", "--timeout", "0s"]).succeeded();
    let earliest = mirror.text("SELECT min(complete_until) FROM coverage");
    mirror.run(&["wait", "--until", &earliest, "--timeout", "0s"]).succeeded();
    not_yet(&mirror, &["--until", &format!("{}9", mirror.text("SELECT substr(max(complete_until), 1, 19) || '.999' FROM coverage"))], "");
    mirror.run(&["wait", "--until", &until, "--feed", "nwmls", "--timeout", "0s"]).succeeded();
    not_yet(&mirror, &["--feed", "OTHER"], "OTHER is not in the file yet");
    for wrong in [["--until", "yesterday"], ["--timeout", "soon"]] {
        mirror.run(&["wait", wrong[0], wrong[1]]).exited(2);
    }
    // Another is named than the file has, one is not mirrored any more, one was removed.
    let past = ["--until", "2020-01-01"];
    let mut mirror = mirror;
    mirror.set(|settings| settings.feeds = vec!["GAMLS".to_owned(), "THIRD".to_owned()]);
    not_yet(&mirror, &past, "THIRD is not in the file yet");
    mirror.set(|settings| settings.feeds = vec!["GAMLS".to_owned()]);
    mirror.once();
    mirror.run(&["wait", "--until", &mirror.text("SELECT complete_until FROM coverage WHERE feed_id = 'GAMLS'")]).succeeded();
    mirror.run(&["feeds", "remove", "GAMLS", "--yes"]).succeeded();
    not_yet(&mirror, &past, "GAMLS was removed at 2");
    mirror.set(|settings| settings.feeds = Vec::new());
    not_yet(&mirror, &past, "no feed is known yet");
}

#[test]
fn a_wait_for_a_change_ends_when_it_is_stored_and_knows_one_of_another_life() {
    let mirror = loaded();
    let seq = |number: i64| mirror.run(&["wait", "--timeout", "0s", "--seq", &number.to_string()]);
    for there in [0, 1, 330] {
        seq(there).succeeded();
    }
    not_yet(&mirror, &["--seq", "331"], "the last change is 330");
    let wait = mirror.start(&["wait", "--seq", "331"]);
    let edited = mirror.truly_live(FEED).into_iter().next().unwrap();
    mirror.sandbox.with_world(|world| assert!(world.edit(FEED, &edited)));
    mirror.quiet();
    mirror.once();
    wait.wait(LIMIT).succeeded();
    execute(&mirror, "UPDATE sqlite_sequence SET seq = 1000000000 WHERE name = 'changes'");
    assert!(seq(332).exited(4).stderr.contains("this file has no change 332"));
    execute(&mirror, "DELETE FROM changes WHERE seq < 5; UPDATE schema_meta SET cut_seq = 4");
    seq(3).succeeded();
}
