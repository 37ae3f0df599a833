//! Whatever reading of the vendor's document is true, the file ends equal to the truth.

use crate::support::{LIMIT, Mirror, Program, Settings, eventually, feeds, side_by_side, small};
use mls_sync::record::{DayTime, FeedId, ListingId, Stamp};
use mls_sync::sandbox::{
    Bounds, Change, DeletedContent, Foreign, FromMode, HexCase, MediaKey, NextPage, Options, PagePastEnd, RetryAfter, Shape, SortOrder,
    StampGrain,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// The feeds that share their requests.
const SHARING: [&str; 3] = ["GAMLS", "NWMLS", "SFAR"];
/// Changes before each answer. Answers come some 50 times a second here, so that this is more than a market's worth.
const CHURN: f64 = 0.4;

/// How a file is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By runs that end by themselves; each feed asks alone.
    Alone,
    /// By a daemon of several feeds, which share their requests.
    Shared,
}

fn both_ways(check: impl Fn(Way) + Sync) {
    side_by_side(vec![Way::Alone, Way::Shared], check);
}

/// A mirror, and the program that works on it.
struct Reader {
    way: Way,
    mirror: Mirror,
    running: Option<Program>,
}

impl Reader {
    /// Shared, several feeds have together about as many listings as the one that asks alone.
    fn new(way: Way, options: Options) -> Reader {
        let share = |count: usize| count.div_ceil(SHARING.len());
        let mirror = Mirror::new(match way {
            Way::Alone => options,
            Way::Shared => Options {
                feeds: SHARING.map(str::to_owned).to_vec(),
                listings: share(options.listings),
                deleted: share(options.deleted),
                bulk: share(options.bulk),
                ..options
            },
        });
        Reader::of(way, mirror)
    }

    fn of(way: Way, mirror: Mirror) -> Reader {
        // A daemon polls all the time, beside those of all other tests.
        let mirror = if way == Way::Shared { mirror.with(|settings| settings.interval = "500ms") } else { mirror };
        Reader { way, mirror, running: None }
    }

    fn with(self, change: impl FnOnce(&mut Settings)) -> Reader {
        Reader { mirror: self.mirror.with(change), ..self }
    }

    fn start(&mut self) {
        self.running = Some(self.mirror.start(if self.way == Way::Alone { &["run", "--backfill"] } else { &["run"] }));
    }

    /// Much is in the file. What changes faster than it can be read need not be complete yet.
    fn loaded(&mut self) {
        if self.way == Way::Alone {
            drop(self.running.take().unwrap().wait(LIMIT));
            return;
        }
        eventually("much is loaded, and lists of feeds are asked for", LIMIT, || {
            let feeds = self.mirror.sandbox.with_world(|world| world.feeds());
            // Where dates lie ahead of the clock, a part can be read only later.
            let is_loaded = |feed: &FeedId| self.mirror.live(&feed.0) * 2 >= self.mirror.truly_live(&feed.0).len();
            feeds.iter().all(is_loaded) && self.mirror.requests().iter().any(|asked| asked.feeds.len() > 1)
        });
    }

    fn load(&mut self) {
        self.start();
        self.loaded();
    }

    /// After the last change, the file becomes equal to the truth.
    fn follow(&mut self, what: &str) {
        if self.way == Way::Shared && self.mirror.options().zone_hours < 0 {
            // While stamps and clock do not agree, only the first poll and one in ten minutes reach back as far as such stamps lie.
            self.running.take().unwrap().kill();
            self.start();
        }
        match self.way {
            Way::Alone => drop(self.mirror.once()),
            Way::Shared => eventually("the file is true", LIMIT, || self.mirror.verdict().is_ok_and(|verdict| verdict.agrees())),
        }
        self.mirror.verify(what);
    }
}

/// Loads a world that changes before each answer, lets it rest, follows it; both ways.
fn check(options: Options) {
    let what = format!("{options:?}");
    let churn = if options.churn > 0.0 { options.churn } else { CHURN };
    both_ways(|way| {
        let mut reader = Reader::new(way, Options { churn, ..options.clone() });
        reader.load();
        // What was stored is whole, complete or not.
        reader.mirror.verify_changes(&what);
        reader.mirror.quiet();
        reader.follow(&format!("{way:?}: {what}"));
        let changes = reader.mirror.number("SELECT count(*) FROM changes WHERE kind IN ('changed', 'deleted')");
        assert!(changes > 0, "{what}: nothing has changed");
    });
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
    side_by_side(vec![(3_i32, Way::Alone), (10, Way::Alone), (3, Way::Shared), (10, Way::Shared)], |(zone_hours, way)| {
        let hours = Duration::from_secs(3600 * (u64::from(zone_hours.unsigned_abs()) + 1));
        let start = Stamp::from_utc(chrono::Utc::now()).minus(hours);
        let mut reader = Reader::new(way, Options { zone_hours, frozen_at: Some(DayTime(start)), ..small() });
        reader.start();
        for _ in 0..20 {
            // Each change has its own stamp: of a deletion and a revival with one stamp, the deletion stands.
            reader.mirror.sandbox.with_world(|world| {
                world.advance(Duration::from_millis(100));
                world.random_change();
            });
            std::thread::sleep(Duration::from_millis(20));
        }
        reader.loaded();
        reader.mirror.verify_changes("ahead of UTC");
        reader.mirror.sandbox.with_world(|world| world.advance(hours));
        reader.follow(&format!("zone {zone_hours}, {way:?}"));
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
    let cases = [Foreign::Empty, Foreign::Everything].map(|foreign| [Way::Alone, Way::Shared].map(|way| (foreign, way)));
    side_by_side(cases.concat(), |(foreign, way)| {
        let options = Options { hidden_feeds: vec!["HIDDEN".to_owned()], foreign, churn: CHURN, ..feeds(&["GAMLS", "SFAR"]) };
        let mut reader = Reader::of(way, Mirror::new(options)).with(|settings| settings.feeds.push("HIDDEN".to_owned()));
        reader.load();
        let Reader { mirror, running, .. } = &mut reader;
        mirror.quiet();
        if way == Way::Shared {
            eventually("the file is true", LIMIT, || mirror.verdict().is_ok_and(|verdict| verdict.agrees()));
            running.take().unwrap().kill();
        }
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
    both_ways(|way| {
        let mut reader = Reader::new(way, Options { date_skew_s: -3 * 3600, churn: CHURN, ..small() });
        reader.load();
        reader.mirror.quiet();
        reader.mirror.sandbox.with_world(|world| world.advance(Duration::from_secs(3 * 3600 + 5)));
        reader.follow("a lagging Date");
    });
}

/// `now` is the vendor's clock: ours may be slow, and the newest listings are stamped ahead of it.
#[test]
fn a_slow_clock_of_ours_does_not_hold_back_what_the_vendor_has() {
    let start = Stamp::from_utc(chrono::Utc::now()).plus(Duration::from_secs(3600));
    both_ways(|way| {
        let mut reader = Reader::new(way, Options { frozen_at: Some(DayTime(start)), ..small() });
        reader.load();
        reader.mirror.sandbox.with_world(|world| {
            world.advance(Duration::from_secs(60));
            for _ in 0..20 {
                world.random_change();
            }
            world.advance(Duration::from_secs(60));
        });
        reader.follow("our clock is an hour slow");
    });
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
    both_ways(|way| {
        let mut reader = Reader::new(way, small());
        reader.load();
        for feed in &reader.mirror.settings.feeds {
            reader.mirror.sandbox.with_world(|world| world.bulk_touch(feed, 280));
        }
        reader.mirror.quiet();
        reader.follow("after a bulk load");
    });
}

#[test]
fn changes_may_be_published_later_than_they_are_stamped() {
    both_ways(|way| {
        let options = Options { late: 0.5, late_by_ms: 2000, churn: CHURN, ..small() };
        let mut reader = Reader::new(way, options).with(|settings| settings.overlap = "30s");
        reader.load();
        let mirror = &reader.mirror;
        mirror.sandbox.reconfigure(|options| options.churn = 0.0);
        let last = mirror.sandbox.with_world(|world| world.utc());
        eventually("the last change is published", LIMIT, || {
            mirror.sandbox.with_world(|world| world.utc()) >= last.plus(Duration::from_millis(3300))
        });
        reader.follow("late changes");
    });
}

#[test]
fn a_rate_limit_may_be_told_in_any_way() {
    let ways = [RetryAfter::None, RetryAfter::Seconds, RetryAfter::Date].map(|told| [Way::Alone, Way::Shared].map(|way| (told, way)));
    side_by_side(ways.concat(), |(retry_after, way)| {
        let options = Options { rate: Some(1.0), rate_burst: 3, retry_after, page_size: 50, churn: CHURN, ..small() };
        let mut reader = Reader::new(way, options).with(|settings| (settings.requests_per_second, settings.interval) = (20.0, "2s"));
        reader.start();
        let is_refused = || reader.mirror.requests().iter().any(|asked| asked.answered == 429);
        eventually(&format!("{retry_after:?}: the limit is reached"), LIMIT, is_refused);
        reader.mirror.sandbox.reconfigure(|options| options.rate = Some(6.0));
        reader.loaded();
        reader.mirror.quiet();
        reader.follow(&format!("{retry_after:?}"));
    });
}

#[test]
fn feeds_that_nobody_named_are_found() {
    both_ways(|way| {
        let mut reader = Reader::of(way, Mirror::new(feeds(&["GAMLS", "NWMLS"]))).with(|settings| settings.feeds.clear());
        reader.mirror.sandbox.with_world(|world| world.add_feed("TINY", 2));
        reader.mirror.sandbox.reconfigure(|options| options.churn = 0.5);
        reader.load();
        reader.mirror.quiet();
        reader.follow("discovered feeds");
        assert_eq!(reader.mirror.status().len(), 3);
    });
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

#[test]
fn what_has_not_changed_is_not_written_by_shared_polls() {
    let options = Options { nulls: true, unknown_members: true, all_includes_deleted: true, shape: Shape::Union, ..small() };
    // Polls reach back over what was published just now.
    let mut reader = Reader::new(Way::Shared, options).with(|settings| settings.overlap = "10m");
    reader.load();
    reader.mirror.sandbox.with_world(|world| (0..10).for_each(|_| drop(world.random_change())));
    reader.mirror.quiet();
    reader.follow("shared polls");
    let mirror = &reader.mirror;
    let before = (mirror.dump("listings"), mirror.dump("changes"));
    mirror.sandbox.clear_requests();
    let lists = || mirror.requests().iter().filter(|asked| asked.feeds.len() > 1 && asked.total.is_some_and(|total| total > 0)).count();
    eventually("listings are read again", LIMIT, || lists() >= 6);
    assert!(before == (mirror.dump("listings"), mirror.dump("changes")), "a listing was written though it is as it was");
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
    let cases = vec![(SortOrder::UpdatedAsc, false), (SortOrder::Id, false), (SortOrder::UpdatedAsc, true)];
    side_by_side(cases, |(order, share)| {
        let options = Options { all_includes_deleted: true, deleted: 200, order, ..small() };
        let options = if share { Options { feeds: SHARING.map(str::to_owned).to_vec(), listings: 100, ..options } } else { options };
        let mirror = Mirror::new(options).with(|settings| settings.requests_per_second = 60.0);
        let truths = mirror.sandbox.with_world(|world| world.truths());
        let dead = truths.into_values().flatten().filter(|(_, truth)| truth.deleted).map(|(listing, _)| listing);
        let dead: BTreeSet<ListingId> = dead.collect();
        let mut revived: BTreeMap<(String, String), u32> = BTreeMap::new();
        let mut running = mirror.start(&["run"]);
        eventually("there is a file", LIMIT, || mirror.is_ready());
        let (done, looks) = (AtomicBool::new(false), AtomicU32::new(0));
        let watch = std::thread::scope(|scope| {
            let consumer = scope.spawn(|| {
                let mut watch = Watch::default();
                while !done.load(Ordering::Relaxed) {
                    watch.look(mirror.keys("SELECT feed_id, listing_id FROM live_listings"));
                    looks.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(3));
                }
                watch
            });
            let mut changes = 0;
            // On a busy machine the consumer looks seldom: changes go on until it has looked often enough.
            while changes < 100 || (changes < 1_000 && looks.load(Ordering::Relaxed) <= 100) {
                changes += 1;
                if let Some((FeedId(feed), ListingId(listing), Change::Revived)) = mirror.sandbox.with_world(|world| world.random_change())
                {
                    *revived.entry((feed, listing)).or_default() += 1;
                }
                std::thread::sleep(Duration::from_millis(40));
            }
            let caught_up = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let has_shared = || mirror.requests().iter().any(|asked| asked.feeds.len() > 1);
                eventually("the mirror has caught up", LIMIT, || {
                    mirror.verdict().is_ok_and(|verdict| verdict.agrees()) && has_shared() == share
                });
            }));
            done.store(true, Ordering::Relaxed);
            let watch = consumer.join().unwrap();
            caught_up.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            watch
        });
        assert!(running.is_running());
        running.kill();
        assert!(watch.looks > 20, "{order:?}: only {} looks", watch.looks);
        for (key, times) in &watch.came_back {
            let revivals = revived.get(key).copied().unwrap_or(0);
            assert!(*times <= revivals, "{order:?}: {key:?} came back {times} times, was revived {revivals} times");
        }
        let seen_dead = watch.ever.iter().filter(|key| dead.contains(&ListingId(key.1.clone())) && !revived.contains_key(*key));
        assert_eq!(seen_dead.count(), 0, "{order:?}: listings came up that were deleted before the mirror began");
    });
}
