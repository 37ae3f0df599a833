//! Whatever reading of the vendor's document is true, the file ends equal to the truth.

#![allow(clippy::unwrap_used)] // A helper that fails has failed its test.

mod support;

use mls_sync::record::{DayTime, FeedId, ListingId, Stamp};
use mls_sync::sandbox::{
    Bounds, Change, DeletedContent, Foreign, FromMode, HexCase, MediaKey, NextPage, Options, PagePastEnd, RetryAfter, Shape, SortOrder,
    StampGrain,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::{LIMIT, Mirror, Settings, eventually, feeds, side_by_side, small};

/// Loads a world that changes before each answer, lets it rest, follows it.
fn check(options: Options) {
    check_with(options, |_| {});
}

/// Changes before each answer. Answers come some 50 times a second here, so that this is more than a market's worth.
const CHURN: f64 = 0.4;

fn check_with(options: Options, set: impl FnOnce(&mut Settings)) {
    let what = format!("{options:?}");
    let churn = if options.churn > 0.0 { options.churn } else { CHURN };
    let mirror = Mirror::new(Options { churn, ..options }).with(set);
    // What changes faster than it can be read need not be complete yet; what was stored is whole all the same.
    mirror.run(&["run", "--backfill"]);
    mirror.verify_changes(&what);
    mirror.quiet();
    mirror.once();
    mirror.verify(&what);
    assert!(mirror.number("SELECT count(*) FROM changes WHERE kind IN ('update', 'tombstone')") > 0, "{what}: nothing has changed");
}

#[test]
fn the_order_of_records_does_not_matter() {
    let orders = [SortOrder::UpdatedAsc, SortOrder::UpdatedDesc, SortOrder::Id, SortOrder::Unstable, SortOrder::UnstableTies];
    side_by_side(orders.to_vec(), |order| check(Options { order, ..small() }));
}

#[test]
fn the_bounds_may_belong_to_the_range_or_not() {
    let all = [Bounds::Inclusive, Bounds::Exclusive].map(|bounds| [StampGrain::Tick, StampGrain::Second].map(|grain| (bounds, grain)));
    side_by_side(all.concat(), |(bounds, stamp_grain)| check(Options { bounds, stamp_grain, ..small() }));
}

#[test]
fn from_may_be_exact_or_midnight_or_ignored() {
    let modes = [FromMode::Exact, FromMode::FloorToMidnight, FromMode::Ignored];
    side_by_side(modes.to_vec(), |from_mode| check(Options { from_mode, ..small() }));
}

#[test]
fn a_zone_behind_utc_loses_nothing() {
    side_by_side(vec![-5, -8, -11], |zone_hours| check(Options { zone_hours, ..small() }));
}

/// Where the vendor's digits run ahead of UTC, a change can be read only hours later.
#[test]
fn a_zone_ahead_of_utc_loses_nothing_when_its_hours_have_passed() {
    side_by_side(vec![3_i32, 10], |zone_hours| {
        let hours = Duration::from_secs(3600 * (u64::from(zone_hours.unsigned_abs()) + 1));
        let start = Stamp::from_utc(chrono::Utc::now()).minus(hours);
        let mirror = Mirror::new(Options { zone_hours, frozen_at: Some(DayTime(start)), ..small() });
        let running = mirror.start(&["run", "--backfill"]);
        for _ in 0..20 {
            // Each change has its own stamp: of a deletion and a revival with one stamp, the deletion stands.
            mirror.sandbox.with_world(|world| {
                world.advance(Duration::from_millis(100));
                world.random_change();
            });
            std::thread::sleep(Duration::from_millis(20));
        }
        running.wait(LIMIT);
        mirror.verify_changes("ahead of UTC");
        mirror.sandbox.with_world(|world| world.advance(hours));
        mirror.once();
        mirror.verify(&format!("zone {zone_hours}"));
    });
}

#[test]
fn all_may_include_deleted_listings_or_not() {
    side_by_side(vec![false, true], |all_includes_deleted| check(Options { all_includes_deleted, deleted: 150, ..small() }));
}

#[test]
fn deletions_may_be_full_or_sparse() {
    let cases = [DeletedContent::Full, DeletedContent::Sparse, DeletedContent::SparseNull]
        .map(|deletions| [false, true].map(|all| (deletions, all)));
    side_by_side(cases.concat(), |(deletions, all)| check(Options { deletions, all_includes_deleted: all, deleted: 100, ..small() }));
}

#[test]
fn records_may_follow_either_half_of_the_document() {
    let shapes = [Shape::Class, Shape::Table, Shape::Mixed, Shape::Union];
    side_by_side(shapes.to_vec(), |shape| check(Options { shape, ..small() }));
}

#[test]
fn media_may_have_either_name_or_both() {
    let keys = [MediaKey::Media, MediaKey::ListingMedia, MediaKey::Both];
    side_by_side(keys.to_vec(), |media_key| check(Options { media_key, ..small() }));
}

#[test]
fn nulls_and_unknown_members_are_kept_as_they_are() {
    let cases = vec![(true, false), (false, true), (true, true)];
    side_by_side(cases, |(nulls, unknown_members)| check(Options { nulls, unknown_members, ..small() }));
}

#[test]
fn stamps_may_have_any_grain() {
    let grains = [StampGrain::Tick, StampGrain::Millisecond, StampGrain::Second];
    side_by_side(grains.to_vec(), |stamp_grain| check(Options { stamp_grain, ..small() }));
}

#[test]
fn a_feed_out_of_sight_brings_nothing_into_the_file() {
    side_by_side(vec![Foreign::Empty, Foreign::Everything], |foreign| {
        let options = Options { hidden_feeds: vec!["HIDDEN".to_owned()], foreign, churn: CHURN, ..feeds(&["GAMLS", "SFAR"]) };
        let mirror = Mirror::new(options).with(|settings| settings.feeds.push("HIDDEN".to_owned()));
        mirror.run(&["run", "--backfill"]);
        mirror.quiet();
        let ended = mirror.run(&["run", "--once"]);
        // A feed without a listing is complete; one that is answered with others' listings is not what it was asked for.
        let expected = if foreign == Foreign::Empty { 0 } else { 1 };
        assert_eq!(ended.code, Some(expected), "{foreign:?}: {}", ended.both());
        mirror.verify(&format!("{foreign:?}"));
        assert_eq!(mirror.number("SELECT count(*) FROM listings WHERE feed_id = 'HIDDEN'"), 0);
    });
}

#[test]
fn the_end_of_pages_may_be_told_in_any_way() {
    let ends = [PagePastEnd::Empty, PagePastEnd::LastAgain, PagePastEnd::NotFound];
    let cases = ends.map(|end| [NextPage::Null, NextPage::Absent].map(|next| (end, next)));
    side_by_side(cases.concat(), |(page_past_end, next_page)| check(Options { page_past_end, next_page, ..small() }));
}

#[test]
fn answers_may_be_plain_and_signatures_of_either_case_but_one() {
    check(Options { gzip: false, strict_paths: true, ..small() });
}

/// The document shows no digest, so lower case is a guess; a vendor that wants upper case is told apart by its 403.
#[test]
fn a_signature_in_lower_case_is_what_is_sent() {
    check(Options { hex_case: HexCase::Lower, ..small() });
}

#[test]
fn the_date_header_may_be_missing() {
    check(Options { no_date: true, ..small() });
}

#[test]
fn a_date_header_that_runs_ahead_loses_nothing() {
    check(Options { date_skew_s: 3 * 3600, ..small() });
}

/// A clock that is behind holds back what it has not reached; when it gets there, nothing is missing.
#[test]
fn a_date_header_that_lags_loses_nothing_when_it_gets_there() {
    let mirror = Mirror::new(Options { date_skew_s: -3 * 3600, churn: CHURN, ..small() });
    mirror.run(&["run", "--backfill"]);
    mirror.quiet();
    mirror.sandbox.with_world(|world| world.advance(Duration::from_secs(3 * 3600 + 5)));
    mirror.once();
    mirror.verify("a lagging Date");
}

/// `now` is the vendor's clock: ours may be slow, and the newest listings are stamped ahead of it.
#[test]
fn a_slow_clock_of_ours_does_not_hold_back_what_the_vendor_has() {
    let start = Stamp::from_utc(chrono::Utc::now()).plus(Duration::from_secs(3600));
    let mirror = Mirror::new(Options { frozen_at: Some(DayTime(start)), ..small() });
    mirror.backfill();
    mirror.sandbox.with_world(|world| {
        world.advance(Duration::from_secs(60));
        for _ in 0..20 {
            world.random_change();
        }
        world.advance(Duration::from_secs(60));
    });
    mirror.once();
    mirror.verify("our clock is an hour slow");
}

#[test]
fn hundreds_of_listings_may_share_one_stamp() {
    // Where equal stamps are shuffled for each answer, only a set that stands still can be proven to be whole.
    let orders = [
        (SortOrder::UpdatedAsc, 30, 0.1),
        (SortOrder::UpdatedDesc, 30, 0.1),
        (SortOrder::Id, 30, 0.1),
        (SortOrder::UnstableTies, 100, 0.02),
    ];
    side_by_side(orders.to_vec(), |(order, page_size, churn)| {
        check(Options { listings: 700, bulk: 600, page_size, churn, order, ..small() });
    });
}

/// What lies inside the overlap is then deeper than a window, and stays so until newer changes come.
#[test]
fn hundreds_of_listings_may_get_one_new_stamp_between_two_polls() {
    let mirror = Mirror::new(small());
    mirror.backfill();
    mirror.sandbox.with_world(|world| world.bulk_touch("GAMLS", 280));
    mirror.quiet();
    mirror.start(&["run", "--once"]).wait(Duration::from_secs(20)).succeeded();
    mirror.verify("after a bulk load");
}

#[test]
fn changes_may_be_published_later_than_they_are_stamped() {
    let options = Options { late: 0.5, late_by_ms: 2000, ..small() };
    let mirror = Mirror::new(Options { churn: CHURN, ..options }).with(|settings| settings.overlap = "30s");
    mirror.run(&["run", "--backfill"]);
    mirror.once();
    mirror.sandbox.reconfigure(|options| options.churn = 0.0);
    let last = mirror.sandbox.with_world(|world| world.utc());
    eventually("the last change is published", LIMIT, || {
        mirror.sandbox.with_world(|world| world.utc()) >= last.plus(Duration::from_millis(3300))
    });
    mirror.once();
    mirror.verify("late changes");
}

#[test]
fn a_rate_limit_may_be_told_in_any_way() {
    let ways = [RetryAfter::None, RetryAfter::Seconds, RetryAfter::Date];
    side_by_side(ways.to_vec(), |retry_after| {
        let options = Options { rate: Some(6.0), rate_burst: 3, retry_after, page_size: 50, churn: CHURN, ..small() };
        let mirror = Mirror::new(options).with(|settings| settings.requests_per_second = 20.0);
        mirror.backfill();
        mirror.quiet();
        mirror.once();
        mirror.verify(&format!("{retry_after:?}"));
        assert!(mirror.requests().iter().any(|asked| asked.answered == 429), "{retry_after:?}: the limit was never reached");
    });
}

#[test]
fn feeds_that_nobody_named_are_found() {
    let mirror = Mirror::new(feeds(&["GAMLS", "NWMLS"])).with(|settings| settings.feeds.clear());
    mirror.sandbox.with_world(|world| world.add_feed("TINY", 2));
    mirror.sandbox.reconfigure(|options| options.churn = 0.5);
    mirror.run(&["run", "--backfill"]);
    mirror.quiet();
    mirror.once();
    mirror.verify("discovered feeds");
    assert_eq!(mirror.status().len(), 3);
}

#[test]
fn what_has_not_changed_is_not_written() {
    side_by_side(vec![Shape::Union, Shape::Mixed], |shape| {
        let options = Options { nulls: true, unknown_members: true, all_includes_deleted: true, shape, ..small() };
        let mirror = Mirror::new(options).with(|settings| settings.window_pages = 50);
        mirror.backfill();
        // A file that has seen both shapes has seen all that there is.
        for half in [Shape::Class, Shape::Table] {
            mirror.sandbox.reconfigure(|options| options.shape = half);
            mirror.reread();
        }
        mirror.sandbox.reconfigure(|options| options.shape = shape);
        mirror.reread();
        let before = (mirror.dump("listings"), mirror.dump("changes"));
        for _ in 0..3 {
            mirror.sandbox.clear_requests();
            mirror.reread();
            assert!(mirror.requests().len() > 12, "{shape:?}: not everything was read again");
            let after = (mirror.dump("listings"), mirror.dump("changes"));
            assert!(before == after, "{shape:?}: a listing was written though it is as it was");
        }
        mirror.verify(&format!("{shape:?}"));
    });
}

/// What one consumer saw of each listing.
#[derive(Default)]
struct Watch {
    live: BTreeSet<(String, String)>,
    came_back: BTreeMap<(String, String), u32>,
    ever: BTreeSet<(String, String)>,
    looks: u32,
}

impl Watch {
    fn look(&mut self, now: BTreeSet<(String, String)>) {
        for key in now.difference(&self.live).filter(|key| self.ever.contains(*key)) {
            *self.came_back.entry(key.clone()).or_default() += 1;
        }
        self.ever.extend(now.iter().cloned());
        self.live = now;
        self.looks += 1;
    }
}

#[test]
fn consumers_never_see_a_deleted_listing_flicker_back() {
    side_by_side(vec![SortOrder::UpdatedAsc, SortOrder::Id], |order| {
        let options = Options { all_includes_deleted: true, deleted: 200, order, ..small() };
        let mirror = Mirror::new(options).with(|settings| settings.requests_per_second = 60.0);
        let dead: BTreeSet<ListingId> = {
            let truth = mirror.sandbox.with_world(|world| world.truth("GAMLS"));
            truth.into_iter().filter(|(_, truth)| truth.deleted).map(|(listing, _)| listing).collect()
        };
        let mut revived: BTreeMap<(String, String), u32> = BTreeMap::new();
        let mut running = mirror.start(&["run"]);
        eventually("there is a file", LIMIT, || mirror.is_ready());
        let done = AtomicBool::new(false);
        let watch = std::thread::scope(|scope| {
            let consumer = scope.spawn(|| {
                let mut watch = Watch::default();
                while !done.load(Ordering::Relaxed) {
                    watch.look(mirror.keys("SELECT feed_id, listing_id FROM live_listings"));
                    std::thread::sleep(Duration::from_millis(3));
                }
                watch
            });
            for _ in 0..100 {
                if let Some((FeedId(feed), ListingId(listing), Change::Revived)) = mirror.sandbox.with_world(|world| world.random_change())
                {
                    *revived.entry((feed, listing)).or_default() += 1;
                }
                std::thread::sleep(Duration::from_millis(40));
            }
            let caught_up = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                eventually("the mirror has caught up", LIMIT, || mirror.verdict().is_ok_and(|verdict| verdict.agrees()));
            }));
            done.store(true, Ordering::Relaxed);
            let watch = consumer.join().unwrap();
            caught_up.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            watch
        });
        assert!(running.is_running());
        running.kill();
        assert!(watch.looks > 100, "{order:?}: only {} looks", watch.looks);
        for (key, times) in &watch.came_back {
            let revivals = revived.get(key).copied().unwrap_or(0);
            assert!(*times <= revivals, "{order:?}: {key:?} came back {times} times, was revived {revivals} times");
        }
        let seen_dead = watch.ever.iter().filter(|key| dead.contains(&ListingId(key.1.clone())) && !revived.contains_key(*key));
        assert_eq!(seen_dead.count(), 0, "{order:?}: listings came up that were deleted before the mirror began");
    });
}
