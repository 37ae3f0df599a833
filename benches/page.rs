//! What one page costs, step by step: `cargo bench`. The whole way is measured by the example `throughput`.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mls_sync::plan::brake::BrakeLimits;
use mls_sync::plan::burst::BurstLimits;
use mls_sync::plan::checkpoint::Saved;
use mls_sync::plan::clock::Now;
use mls_sync::plan::options::Options as PlanOptions;
use mls_sync::record::zone::TimestampZone;
use mls_sync::record::{FeedId, ListingId, Page, PageRequest, Record, Stamp, Stream, Window};
use mls_sync::sandbox::{Options, Shape, World};
use mls_sync::store::{Committed, Store};
use mls_sync::sync::intake::{self, Arrival, Stored};
use mls_sync::sync::messages::{Command, Event};
use mls_sync::sync::session::{Session, SessionOptions};
use mls_sync::vendor::LISTINGS;
use mls_sync::vendor::constellation1::read_page;
use std::hint::black_box;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const FEED: &str = "GAMLS";
const SECOND: Duration = Duration::from_secs(1);

/// A page of 200 listings with every field, as sent.
fn body() -> Vec<u8> {
    let options =
        Options { feeds: vec![FEED.to_owned()], listings: 200, deleted: 0, page_size: 200, shape: Shape::Union, ..Options::default() };
    let mut world = World::new(options);
    let window = Window { from: Stamp::FIRST, to: world.now() };
    world.answer_page(&PageRequest { feeds: world.feeds(), stream: Stream::All, window, page: 1 }).body
}

fn page() -> Page {
    read_page(&body()).expect("a page")
}

fn now(up: Duration) -> Now {
    let at = Stamp::parse("2030-01-01").expect("a date").plus(up);
    Now { vendor: at, earliest: at, ours: at, monotonic: up }
}

/// A mirror of a feed, without its worker.
struct Mirror {
    runtime: Runtime,
    _directory: TempDir,
    store: Store,
    session: Session,
}

impl Mirror {
    fn new() -> Mirror {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let directory = tempfile::tempdir().expect("a directory");
        let (store, _) = Store::open(&directory.path().join("mirror.db"), &LISTINGS).expect("a file");
        let feed = FeedId(FEED.to_owned());
        let begin = now(SECOND);
        runtime.block_on(store.adopt(&feed, begin.vendor.minus(SECOND), false, begin.written())).expect("a feed");
        let session = Session::resume(&LISTINGS, feed, options(begin), Saved::default(), begin);
        Mirror { runtime, _directory: directory, store, session }
    }

    /// What is to be stored of the next page that the session asks for.
    fn arrival(&mut self, page: Page, now: Now) -> Arrival {
        loop {
            match self.session.next(now) {
                Command::Fetch(purpose, request) => self.session.on(Event::Page(purpose, request, page.clone()), now),
                Command::Store(arrival) => return *arrival,
                Command::Tell(_) => {}
                other => panic!("{other:?} in place of a page"),
            }
        }
    }

    fn store(&self, arrival: Arrival) -> Stored {
        self.runtime.block_on(intake::store(&self.store, arrival, Duration::ZERO)).expect("a page that is stored")
    }
}

fn options(begin: Now) -> SessionOptions {
    let plan = PlanOptions {
        streams: vec![Stream::All],
        deletions: LISTINGS.deletions,
        interval: SECOND * 60,
        interval_min: None,
        interval_max: None,
        overlap: SECOND * 120,
        settle: Duration::ZERO,
        since: begin.vendor.minus(SECOND),
        window_pages: 20,
        lookbacks: Vec::new(),
        ahead_every: None,
        scan_every: None,
        scan_now: false,
        dry_run: false,
        confirm_budget: 0,
        once: false,
        shared: false,
        seed: 1,
    };
    SessionOptions {
        plan,
        zone: TimestampZone::default(),
        brake: BrakeLimits { count: 10, share: 0.5, budget: 10 },
        burst: BurstLimits { count: 10, share: 0.1 },
        delete_detail_only: false,
    }
}

fn decode(criterion: &mut Criterion) {
    let (body, page) = (body(), page());
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Elements(page.records.len() as u64));
    group.bench_function("cut a page", |bencher| bencher.iter(|| read_page(black_box(&body))));
    group.bench_function("decode its records", |bencher| {
        bencher.iter(|| page.records.iter().map(LISTINGS.decode).map(black_box).count());
    });
    group.finish();
}

/// Pages are made from the same one by their number, and stored; all records of each must come to this.
fn commits(criterion: &mut Criterion, name: &str, kind: &str, change: fn(&mut Record, u32)) {
    let mut mirror = Mirror::new();
    let page = page();
    let first = mirror.arrival(page.clone(), now(SECOND));
    mirror.store(first.clone());
    let (mut number, count) = (0, page.records.len());
    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Elements(count as u64)).sample_size(20);
    group.bench_function(name, |bencher| {
        let next = || {
            number += 1;
            let mut next = first.clone();
            next.page.records.iter_mut().for_each(|record| change(record, number));
            next
        };
        let store = |arrival| assert_eq!(format!("{:?}", mirror.store(arrival).committed.counts), format!("{{{kind}: {count}}}"));
        bencher.iter_batched(next, store, BatchSize::PerIteration);
    });
    group.finish();
}

fn store(criterion: &mut Criterion) {
    commits(criterion, "new", "Insert", |record, number| record.key.listing = ListingId(format!("{number}-{}", record.key.listing)));
    commits(criterion, "changed", "Update", |record, number| {
        let stamp = record.stamp.map(|stamp| stamp.plus(SECOND * number));
        let raw = record.raw.replacen('{', &format!("{{\"Number\":{number},"), 1);
        *record = Record { stamp, mirrored_at: None, ..(LISTINGS.read)(&raw).expect("a record") };
    });
    commits(criterion, "unchanged", "Unchanged", |_, _| ());
}

/// A poll that finds nothing, as the plan sees it.
fn plan(criterion: &mut Criterion) {
    let mut mirror = Mirror::new();
    let (mut up, empty) = (SECOND, Page { total: 0, records: Vec::new(), rejects: Vec::new(), next_page: None, vendor_now: None });
    criterion.bench_function("plan/an idle poll", |bencher| {
        bencher.iter(|| {
            let arrival = mirror.arrival(empty.clone(), now(up));
            mirror.session.on(Event::Stored(stored(arrival)), now(up));
            up += SECOND * 61;
        });
    });
}

fn stored(arrival: Arrival) -> Stored {
    let Arrival { request, checkpoint, zone, .. } = arrival;
    let from_rule = mls_sync::plan::window::FromRule::Exact;
    let (purpose, round_proven) = (checkpoint.purpose, checkpoint.round_proven);
    Stored { request, purpose, committed: Committed::default(), records: 0, total: 0, round_proven, from_rule, zone }
}

criterion_group!(benches, decode, store, plan);
criterion_main!(benches);
