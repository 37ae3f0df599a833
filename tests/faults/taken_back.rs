//! A vendor that goes back to older versions: a backup put back, a mass deletion undone, a date of the future corrected.

use crate::support::{Mirror, side_by_side, small};
use mls_sync::record::ListingId;
use mls_sync::sandbox::{Backup, Fault, Options};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::time::Duration;

const FEED: &str = "GAMLS";

/// A mirror that is true, of a world whose clock stands unless it is moved.
fn loaded(options: Options) -> Mirror {
    let mirror = Mirror::new(options);
    later(&mirror);
    mirror.backfill();
    mirror
}

/// All on one page, so that a poll can read everything again.
fn one_page() -> Options {
    Options { page_size: 400, ..small() }
}

/// The world's clock goes on, so that what has changed can be read.
fn later(mirror: &Mirror) {
    mirror.sandbox.with_world(|world| world.advance(Duration::from_secs(10)));
}

fn backup(mirror: &Mirror) -> Backup {
    mirror.sandbox.with_world(|world| world.backup(FEED))
}

/// What listings do next, and then the file follows.
fn change(mirror: &Mirror, listings: &[ListingId], edit: bool) {
    mirror.sandbox.with_world(|world| {
        let done = listings.iter().all(|listing| if edit { world.edit(FEED, listing) } else { world.delete(FEED, listing) });
        assert!(done, "they were not live");
    });
    later(mirror);
    mirror.once();
}

fn put_back(mirror: &Mirror, backup: &Backup) {
    mirror.sandbox.with_world(|world| world.put_back(backup));
    later(mirror);
}

fn live(mirror: &Mirror, count: usize) -> Vec<ListingId> {
    mirror.truly_live(FEED).into_iter().take(count).collect()
}

fn execute(mirror: &Mirror, sql: &str) {
    Connection::open(mirror.database()).unwrap().execute(sql, []).unwrap();
}

/// All that was learnt, and all that was noted, was so a quarter of an hour ago.
fn a_quarter_of_an_hour_passes(mirror: &Mirror) {
    let before = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-15 minutes')";
    let by_vendor = "strftime('%Y-%m-%dT%H:%M:%f', vendor_seen_at, '-15 minutes')";
    execute(mirror, &format!("UPDATE contested SET first_seen_at = {before}, vendor_seen_at = {by_vendor}"));
    execute(mirror, &format!("UPDATE listings SET first_seen_at = {before}, changed_at = {before}"));
    execute(mirror, "UPDATE changes SET at = (SELECT max(changed_at) FROM listings)");
}

/// The last run, with the arguments that `reconcile` is given.
fn reconcile(mirror: &Mirror, arguments: &[&str]) -> Value {
    let ended = mirror.run(&[&["reconcile", "--json"], arguments].concat());
    let runs: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.both()));
    runs.as_array().unwrap().last().unwrap_or_else(|| panic!("no run: {}", ended.both())).clone()
}

fn asked_one_by_one(mirror: &Mirror) -> usize {
    mirror.requests().iter().filter(|asked| asked.endpoint == "GetListingDetail").count()
}

fn contested(mirror: &Mirror) -> i64 {
    mirror.number("SELECT count(*) FROM contested")
}

#[test]
fn a_backup_that_is_put_back_is_taken_over_when_it_is_seen_twice_ten_minutes_apart() {
    let mirror = loaded(one_page());
    let before = backup(&mirror);
    let (edited, deleted) = (live(&mirror, 3), live(&mirror, 6).split_off(3));
    change(&mirror, &edited, true);
    change(&mirror, &deleted, false);
    mirror.verify("before the backup");
    put_back(&mirror, &before);
    for reading in ["first", "second"] {
        mirror.reread();
        assert_eq!((contested(&mirror), mirror.live(FEED)), (6, 297), "the {reading} reading");
    }
    let why = mirror.run(&["why", FEED, &deleted[0].0]).succeeded();
    assert!(why.stdout.contains("the vendor says it as live, dated ") && why.stdout.contains("again 10m after"), "{}", why.stdout);
    a_quarter_of_an_hour_passes(&mirror);
    mirror.reread();
    mirror.verify("after two readings");
    assert_eq!((contested(&mirror), mirror.number("SELECT count(*) FROM changes WHERE cause = 'taken_back'")), (0, 6));
    let why = mirror.run(&["why", FEED, &edited[0].0]).succeeded();
    assert!(why.stdout.contains(": the vendor went back to an older version"), "{}", why.stdout);
    assert_eq!(asked_one_by_one(&mirror), 0);
}

#[test]
fn a_row_that_is_confirmed_between_two_older_answers_stays() {
    let mirror = loaded(one_page());
    let before = backup(&mirror);
    change(&mirror, &live(&mirror, 3), true);
    let now = backup(&mirror);
    for (stands, expected) in [(&before, 3), (&now, 0), (&before, 3)] {
        put_back(&mirror, stands);
        mirror.reread();
        assert_eq!(contested(&mirror), expected);
    }
    assert_eq!(mirror.number("SELECT count(*) FROM changes WHERE cause = 'taken_back'"), 0);
}

#[test]
fn a_mass_deletion_that_is_undone_under_the_old_stamps_is_undone_by_a_reconcile() {
    let mirror = loaded(small());
    let before = backup(&mirror);
    change(&mirror, &live(&mirror, 300), false);
    assert_eq!(mirror.live(FEED), 0);
    put_back(&mirror, &before);
    let dry = reconcile(&mirror, &["--dry-run"]);
    assert_eq!((&dry["taken_back"], mirror.live(FEED), contested(&mirror)), (&json!(300), 0, 0), "{dry}");
    let run = reconcile(&mirror, &[]);
    assert_eq!((&run["state"], &run["taken_back"], &run["note"]), (&json!("done"), &json!(300), &Value::Null), "{run}");
    mirror.verify("after the reconcile");
    assert_eq!((contested(&mirror), asked_one_by_one(&mirror)), (0, 300), "rows that are young are asked for one by one");
    assert!(mirror.run(&["status"]).succeeded().stdout.contains(", 300 taken back"));
}

#[test]
fn a_deletion_that_a_backup_brings_back_is_taken_over_where_status_0_shows_its_copy() {
    let mirror = loaded(Options { all_includes_deleted: true, ..one_page() });
    let revived = live(&mirror, 3);
    change(&mirror, &revived, false);
    let before = backup(&mirror);
    mirror.sandbox.with_world(|world| assert!(revived.iter().all(|listing| world.revive(FEED, listing))));
    later(&mirror);
    mirror.once();
    put_back(&mirror, &before);
    mirror.reread();
    assert_eq!((contested(&mirror), mirror.number("SELECT count(*) FROM contested WHERE deleted")), (3, 3));
    assert_eq!(reconcile(&mirror, &[])["taken_back"], 3);
    mirror.verify("after the reconcile");
}

#[test]
fn a_scan_alone_takes_back_what_no_copy_of_the_vendor_can_lag_behind() {
    let mirror = loaded(small());
    let before = backup(&mirror);
    change(&mirror, &live(&mirror, 20), true);
    change(&mirror, &live(&mirror, 10), false);
    put_back(&mirror, &before);
    a_quarter_of_an_hour_passes(&mirror);
    let run = reconcile(&mirror, &[]);
    assert_eq!((&run["state"], &run["taken_back"]), (&json!("done"), &json!(20)), "{run}");
    mirror.verify("after the reconcile");
    assert_eq!(asked_one_by_one(&mirror), 0);
}

#[test]
fn a_copy_of_the_vendor_that_lags_takes_no_row_back() {
    let mirror = loaded(small());
    change(&mirror, &live(&mirror, 5), true);
    let rows = mirror.dump("listings");
    // The streams answer from the copy, and single listings from where all is new.
    let stale = live(&mirror, 1);
    mirror.sandbox.set_fault(None, Some(Fault::edit(move |page| older(page, &stale))));
    let run = reconcile(&mirror, &[]);
    assert_eq!((&run["state"], &run["taken_back"]), (&json!("done"), &json!(0)), "{run}");
    assert_eq!(asked_one_by_one(&mirror), 1, "a single answer confirms the row");
    assert!(rows == mirror.dump("listings"), "a row was taken back");
}

/// These listings as a copy of the vendor's database would have them that has not heard of their last change.
fn older(page: &mut Value, stale: &[ListingId]) {
    for record in page["Results"].as_array_mut().into_iter().flatten() {
        if stale.iter().any(|listing| record["ListingId"] == *listing.0) {
            record["MlsUpdateDate"] = json!("2020-01-01T00:00:00");
        }
    }
}

#[test]
fn a_date_of_the_future_that_is_corrected_is_taken_over_by_a_reconcile() {
    let mirror = Mirror::new(small());
    let (edited, deleted) = (live(&mirror, 1), live(&mirror, 2).split_off(1));
    let day = Duration::from_secs(86_400);
    mirror.sandbox.with_world(|world| {
        let now = world.utc();
        world.set_clock(now.plus(day));
        assert!(world.edit(FEED, &edited[0]) && world.edit(FEED, &deleted[0]));
        world.set_clock(now);
    });
    // They are read once the clock is there, and then it is set right.
    mirror.sandbox.with_world(|world| world.advance(day + Duration::from_secs(60)));
    mirror.backfill();
    mirror.sandbox.with_world(|world| {
        let now = world.utc();
        world.set_clock(now.minus(day));
        assert!(world.edit(FEED, &edited[0]) && world.delete(FEED, &deleted[0]));
        world.set_clock(now.plus(Duration::from_secs(10)));
    });
    let run = reconcile(&mirror, &[]);
    assert_eq!((&run["state"], &run["taken_back"], &run["deleted"]), (&json!("done"), &json!(2), &json!(1)), "{run}");
    mirror.verify("after the reconcile");
    let cause = format!("SELECT deleted_cause FROM listings WHERE listing_id = '{}'", deleted[0].0.replace('\'', "''"));
    assert_eq!(mirror.text(&cause), "vendor");
}

#[test]
fn older_deletions_of_very_many_listings_wait_for_a_person() {
    let mirror = Mirror::new(small());
    let many = live(&mirror, 120);
    mirror.sandbox.with_world(|world| assert!(many.iter().all(|listing| world.delete(FEED, listing))));
    let before = backup(&mirror);
    later(&mirror);
    mirror.sandbox.with_world(|world| assert!(many.iter().all(|listing| world.revive(FEED, listing))));
    later(&mirror);
    mirror.backfill();
    put_back(&mirror, &before);
    let run = reconcile(&mirror, &[]);
    assert_eq!((&run["state"], &run["absent"], &run["taken_back"]), (&json!("withheld"), &json!(120), &json!(0)), "{run}");
    assert_eq!(mirror.live(FEED), 300);
    mirror.run(&["reconcile", "--approve", &run["run_id"].to_string()]).succeeded();
    mirror.verify("approved");
    assert_eq!(mirror.number("SELECT count(*) FROM changes WHERE cause = 'taken_back' AND kind = 'deleted'"), 120);
}

#[test]
fn a_listing_that_comes_back_with_the_stamp_of_its_deletion_is_found_by_a_reconcile_that_sees_no_deletion() {
    side_by_side(vec![false, true], |all_includes_deleted| {
        let mirror = loaded(Options { all_includes_deleted, ..small() });
        let listing = live(&mirror, 1);
        mirror.sandbox.with_world(|world| assert!(world.delete(FEED, &listing[0])));
        let at = mirror.sandbox.with_world(|world| world.utc());
        later(&mirror);
        mirror.reread();
        assert_eq!((contested(&mirror), mirror.live(FEED)), (0, 299), "copies of deleted listings are none of it");
        assert_eq!((&reconcile(&mirror, &[])["taken_back"], contested(&mirror)), (&json!(0), 0));
        mirror.sandbox.with_world(|world| {
            world.set_clock(at);
            assert!(world.revive(FEED, &listing[0]));
        });
        later(&mirror);
        mirror.once();
        assert_eq!((contested(&mirror), mirror.live(FEED)), (0, 299));
        assert_eq!(reconcile(&mirror, &[])["taken_back"], json!(1));
        mirror.verify("after the reconcile");
    });
}

#[test]
fn a_listing_that_only_getlistingdetail_has_is_told_after_two_reconciles_and_deleted_where_that_is_wanted() {
    let mirror = loaded(one_page());
    let hidden = live(&mirror, 2);
    mirror.sandbox.set_fault(None, Some(Fault::edit(move |page| without(page, &hidden))));
    let notices = || mirror.status_of(FEED)["notices"].to_string();
    assert_eq!(reconcile(&mirror, &[])["absent"], json!(2));
    assert!(!notices().contains("detail_only"), "once may be chance");
    reconcile(&mirror, &[]);
    assert!(notices().contains("did not return, and that GetListingDetail still answers: 2 ("), "{}", notices());
    assert_eq!(mirror.live(FEED), 300);
    let config = std::fs::read_to_string(mirror.config()).unwrap();
    std::fs::write(mirror.config(), config + "[reconcile]\ndetail_only = \"delete\"\n").unwrap();
    assert_eq!(reconcile(&mirror, &[])["deleted"], json!(2));
    assert!(!notices().contains("detail_only"), "{}", notices());
    assert_eq!((mirror.live(FEED), mirror.number("SELECT count(*) FROM listings WHERE deleted_cause = 'absent'")), (298, 2));
}

/// A page that leaves listings out and counts accordingly.
fn without(page: &mut Value, hidden: &[ListingId]) {
    let Some(results) = page.get_mut("Results").and_then(Value::as_array_mut) else { return };
    let before = results.len();
    results.retain(|record| !hidden.iter().any(|listing| record["ListingId"] == *listing.0));
    let (left, lost) = (results.len(), before - results.len());
    page["Count"] = json!(left);
    page["Total"] = json!(page["Total"].as_u64().unwrap().saturating_sub(lost as u64));
}
