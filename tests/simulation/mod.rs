//! The proof that nothing is missed.
//!
//! A seed draws a vendor, a mirror's settings and how much goes wrong; then the real session (`sync::session`) and the real
//! store (`store::Store`, on a real file) run without a network and without real time. Between any two commands the world
//! adds, edits, deletes, revives and drops listings, late, in bulk, and at the edges of the page that was read last;
//! requests fail in every way; the database refuses; our clock steps and the vendor's Date header is off; and the process is
//! killed, also between a page and its commit and between the commit and its acknowledgement, and begins again with the
//! file as an orderly close or a crash has left it.
//!
//! What is promised, and checked after every commit:
//! - The change sequence has no hole and no repetition, each row carries its last change, and what a consumer sees makes
//!   sense: it comes back only as often as the vendor has brought it back.
//! - A window that is claimed whole holds every version that requests could see since before it was opened; where its last
//!   answer held it whole, every version that this answer could show, and these stay in the file while the vendor shows them.
//!   Of windows read page by page this is not promised where one version entered (published late, or because the window's end lay
//!   ahead of the vendor's clock) while another left, as that hides one from the total, nor where one did either and the order is
//!   unstable; where two readings must agree, only where that happened twice. A listing that is never shown may be missing.
//! - Whatever `covered` and `coverage` call complete was proven.
//!   Where Total lags or replicas are stale, "since before" and "meanwhile" begin as much earlier; a window of less than a day,
//!   and one of deletions, may be believed to be empty at the first falsely empty answer, a longer one at the third.
//! - The cursor lies in what was read.
//!
//! And when the world stands still:
//! - No more is asked than a small multiple of the pages, for each occasion to read them (`Driver::effort_is_bounded`).
//! - Without late listings, silent removals and unstable orders, and with a Date header that does not run ahead, the file
//!   is the world before any scan (`Scenario::true_without_scan`).
//! - After one scan the file is the world, field by field, whatever happened before.
//!
//! A share of the seeds has a vendor that does not keep to its document (`simulation/wild.rs`). A listing that is never shown,
//! or whose page cannot be sent, and windows too wide to be answered (all three only where From is obeyed) go on in the quiet:
//! then what lies in a known gap may differ, and known gaps are a minute in all. The others end, and no known gap is left.
//! `MLS_SYNC_SIM_WILD=poison,stale` gives every seed these (phantom, poison, wide, lag, stale, empty, swap, restore, none).
//! In `swap` a listing leaves a window that is being read while another is published into it; in `restore` a backup is put back.
//!
//! Each seed runs twice: the feed asks alone, and it shares its requests with other feeds (`simulation/shared.rs`), one of which may
//! fail or change in bulk. What is promised is the same. `MLS_SYNC_SIM_WAY=shared` (or `alone`) runs one way only.
//!
//! A listing that is deleted and revived with one and the same stamp stays deleted until its next change: at a tie the
//! deletion stands, because `Status=0` may return the deleted listing too. The world's clock ticks between the two.
//!
//! ```text
//! cargo test --test all simulation::                          the seeds of seeds.txt and 0 to 39, each both ways
//! MLS_SYNC_SIM_SEEDS=20000 cargo test --test all simulation:: a long run
//! MLS_SYNC_SIM_SEED=58 MLS_SYNC_SIM_TRACE=1 cargo test --test all simulation::the_file -- --nocapture
//! ```
//! A seed that fails is printed with how to repeat it, and is added to `tests/simulation/seeds.txt`, which always runs
//! first. What a seed stands for changes with every change of what it draws.
//!
//! # Teeth
//! The tests named `..._is_found_out` do one thing wrongly in the driver; some seed must then fail. To see the same with
//! the real code, make one of these edits and run the test `the_file`:
//! - Forward paging: in `plan/paging.rs`, `self.at.next_page = 2;` at the end of `on_probe`, and in `on_page`
//!   `u64::from(answer.page) >= self.pages()` for `answer.page <= 1`, and `let before = u64::from(answer.page + 1);`.
//! - Rows apart from their checkpoint: in `store/commit.rs`, `if checkpoint.dry_run || at.ends_with("7Z")`
//!   loses the rows of one page in ten, as a kill between the two would.
//! - Ties: in `plan/window.rs`, `poll`, `asked: Window { from: self.newest.map_or(from, |n| n.plus(PAD / 1000)), to }`;
//!   or in `plan/merge.rs`, `(true, News::Live) if later || known.inferred` without its condition.
//! - A database that refuses: in `sync/session.rs`, `on_store_failed` without the line that sets `reload_at`.
//! - A page that came while the database refused the one before it: in `sync/session.rs`, `take_in` without its first arm.
//! - Hammering: in `plan/known_gaps.rs`, `FIRST` and `LONGEST` as `Duration::ZERO`, with `MLS_SYNC_SIM_WILD=phantom`.
//! - An empty answer that nobody doubts: in `plan/paging/strange.rs`, without the arm for `expected.something`; with
//!   `MLS_SYNC_SIM_WILD=empty`.
//! - Windows read page by page where one answer must hold them: in `plan/feed.rs`, `is_snapshot` as `false`; or, where they
//!   cannot be cut, in `plan/paging/agreement.rs`, `agrees` as `true`; with `MLS_SYNC_SIM_WILD=swap`.
//! - A deletion that nobody confirmed: in `sync/session.rs`, `on_one`, `Confirmation::Gone` in place of `Present`.

mod answers;
mod changes;
mod claims;
mod driver;
mod oracle;
mod scenario;
mod shared;
mod wild;

use driver::{Sabotage, Stats, Way, run};
use std::io::Write;
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Seeds that failed once. Lines that begin with # tell of them.
const KEPT: &str = include_str!("seeds.txt");
const KEPT_PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/simulation/seeds.txt");
/// Seeds of an ordinary `cargo test`.
const USUAL_SEEDS: u64 = 40;
/// A sabotage that as many seeds do not find out is not found out.
const SABOTAGE_SEEDS: u64 = 60;

fn guarded(seed: u64, way: Way, sabotage: Sabotage) -> Result<Stats, String> {
    catch_unwind(|| run(seed, way, sabotage)).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        Err(format!("it panicked: {}", words.unwrap_or_default()))
    })
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

fn kept() -> Vec<u64> {
    KEPT.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.trim().parse().ok()).collect()
}

fn seeds() -> Vec<u64> {
    if let Some(seed) = number("MLS_SYNC_SIM_SEED") {
        return vec![seed];
    }
    let kept = kept();
    let fresh = (0..number("MLS_SYNC_SIM_SEEDS").unwrap_or(USUAL_SEEDS)).filter(|seed| !kept.contains(seed));
    kept.iter().copied().chain(fresh).collect()
}

/// Each seed runs both ways; `MLS_SYNC_SIM_WAY=shared` takes one of them.
fn ways() -> Vec<Way> {
    match std::env::var("MLS_SYNC_SIM_WAY").as_deref() {
        Ok("alone") => vec![Way::Alone],
        Ok("shared") => vec![Way::Shared],
        Ok(other) => panic!("{other} is no way of MLS_SYNC_SIM_WAY"),
        Err(_) => vec![Way::Alone, Way::Shared],
    }
}

fn keep(seed: u64) {
    if !kept().contains(&seed) {
        let file = std::fs::OpenOptions::new().append(true).open(KEPT_PATH);
        file.and_then(|mut file| writeln!(file, "{seed}")).expect("seeds.txt can be written");
    }
}

#[test]
fn the_file_is_the_world_after_quiet() {
    let runs: Vec<(u64, Way)> = seeds().into_iter().flat_map(|seed| ways().into_iter().map(move |way| (seed, way))).collect();
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    let total = Mutex::new(Stats::default());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let begun = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(&(seed, way)) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match guarded(seed, way, Sabotage::None) {
                        Ok(stats) => total.lock().unwrap().add(stats),
                        Err(what) => {
                            eprintln!(
                                "seed {seed}, {way:?}: {what}\n  MLS_SYNC_SIM_SEED={seed} cargo test --test all simulation::the_file\n"
                            );
                            failed.lock().unwrap().push(seed);
                        }
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    failed.iter().copied().for_each(keep);
    println!("{} runs in {:?}: {:?}", runs.len(), begun.elapsed(), total.lock().unwrap());
    assert!(failed.is_empty(), "seeds {failed:?} fail");
}

fn found_out(way: Way, sabotage: Sabotage) {
    let found = (0..SABOTAGE_SEEDS).find_map(|seed| Some((seed, guarded(seed, way, sabotage).err()?)));
    let (seed, what) = found.unwrap_or_else(|| panic!("{SABOTAGE_SEEDS} seeds do not find out {sabotage:?}"));
    println!("{sabotage:?} is found out by seed {seed}: {}", what.lines().next().unwrap_or_default());
}

#[test]
fn forward_paging_is_found_out() {
    found_out(Way::Alone, Sabotage::Forward);
}

#[test]
fn a_checkpoint_committed_before_its_rows_is_found_out() {
    found_out(Way::Alone, Sabotage::CheckpointFirst);
}

#[test]
fn a_poll_that_begins_after_the_newest_stamp_is_found_out() {
    found_out(Way::Alone, Sabotage::AfterNewest);
}

#[test]
fn a_live_copy_that_wins_ties_is_found_out() {
    found_out(Way::Alone, Sabotage::LiveWins);
}

#[test]
fn a_page_that_was_refused_and_counts_as_stored_is_found_out() {
    found_out(Way::Alone, Sabotage::TakesRefusedForStored);
}

#[test]
fn a_vendor_that_heeds_one_feed_of_a_list_is_found_out() {
    found_out(Way::Shared, Sabotage::ListsUnasked);
}

#[test]
fn a_part_of_a_shared_answer_that_is_taken_for_the_whole_is_found_out() {
    found_out(Way::Shared, Sabotage::ListsAreWhole);
}

#[test]
fn a_change_that_does_not_tell_a_column_is_found_out() {
    found_out(Way::Alone, Sabotage::LeavesOutAColumn);
}

#[test]
fn a_listing_that_pages_leave_out_and_the_vendor_tells_of_is_not_deleted() {
    for seed in 0..4 {
        assert_eq!(driver::left_out_of_the_pages(seed, Sabotage::None).unwrap(), None);
        let unasked = driver::left_out_of_the_pages(seed, Sabotage::DeletesUnasked).unwrap();
        assert_eq!(unasked.as_deref(), Some("absent"), "a deletion that nobody confirmed is not found out");
    }
}

#[test]
fn a_scan_that_is_answered_empty_deletes_nothing() {
    let live = driver::scan_answered_empty(7);
    assert!(live.0 > 0);
    assert_eq!(live.0, live.1, "live rows before and after");
    assert_eq!(live.2, "failed");
}

#[test]
fn a_listing_that_was_forgotten_for_a_while_comes_back() {
    for seed in 0..8 {
        driver::forgotten_for_a_while(seed).unwrap();
    }
}
