//! The worker without a network and without real time: it obeys the real plan, stores into the real file, and is killed.
//!
//! What `worker.rs` and `clock.rs` do is done here in the same order. Between any two commands the world changes, clocks
//! step, or the process dies.

use super::oracle::{self, Oracle};
use super::scenario::{Dice, FEED, MINUTE, Scenario, begin};
use mls_sync::plan::brake::{Limits, Ruling};
use mls_sync::plan::command::{Checkpoint, Command, Now, Options, Purpose, Verdict, WindowSave, WindowState};
use mls_sync::plan::feed::FeedPlan;
use mls_sync::record::{Failure, FeedId, ListingId, Page, PageRequest, Presence, Stamp, Stream, Window};
use mls_sync::sandbox::{World, verify};
use mls_sync::store::{Confirmation, PageCommit, Store};
use mls_sync::sync::digest::{self, Moment};
use mls_sync::vendor::constellation1::{self, LISTINGS};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// No brake: what it does is proven elsewhere, and it would hide what a scan can repair.
const BRAKE: Limits = Limits { count: 10_000, share: 1.0, budget: 10_000 };
/// As in `clock.rs`.
const GRAIN: Duration = Duration::from_millis(1200);
/// More commands than this until the world and the file agree mean that they never will.
const MOST_COMMANDS: u32 = 20_000;

/// What is done wrongly on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sabotage {
    None,
    /// Pages are read from the first to the last.
    Forward,
    /// The checkpoint is committed before its rows, and a kill may come between.
    CheckpointFirst,
    /// A poll asks for what is stamped strictly after the newest stamp that was seen.
    AfterNewest,
    /// At equal stamps the live copy wins.
    LiveWins,
}

/// What a run was.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stats {
    pub(super) requests: u64,
    pub(super) kills: u64,
    pub(super) proofs: u64,
    pub(super) records: u64,
}

impl Stats {
    pub(super) fn add(&mut self, other: Stats) {
        self.requests += other.requests;
        self.kills += other.kills;
        self.proofs += other.proofs;
        self.records += other.records;
    }
}

struct Process {
    store: Store,
    writer: JoinHandle<()>,
    plan: FeedPlan,
    file: Connection,
    started: Stamp,
    /// When the vendor told its clock last, and what it said.
    heard: Option<(Stamp, Stamp)>,
    /// Nobody may ask before this.
    throttled: Stamp,
}

pub(super) struct Driver {
    scenario: Scenario,
    sabotage: Sabotage,
    dice: Dice,
    feed: FeedId,
    options: Options,
    world: World,
    runtime: Runtime,
    directory: TempDir,
    generation: u32,
    process: Option<Process>,
    oracle: Oracle,
    /// True UTC.
    time: Stamp,
    /// Our clock is ahead of it by so many ticks.
    ours_off: i64,
    quiet: bool,
    moved: bool,
    late: Vec<Stamp>,
    last_page: Vec<ListingId>,
    /// For the sabotage: the page to read next, by kind of work; the newest stamp polled and proven, by stream.
    forward: BTreeMap<Purpose, u32>,
    polled: BTreeMap<Stream, Stamp>,
    newest: BTreeMap<Stream, Stamp>,
    idle: u32,
    trace: bool,
    /// The vendor answers everything with nothing.
    empty: bool,
    /// The vendor does not tell of this listing.
    hidden: Option<ListingId>,
    stats: Stats,
}

enum Going {
    On,
    Finished(Vec<String>),
}

pub(super) fn run(seed: u64, sabotage: Sabotage) -> Result<Stats, String> {
    let mut dice = Dice::new(seed);
    let scenario = Scenario::draw(seed, &mut dice);
    let told = format!("{scenario:?}");
    let mut driver = Driver::new(scenario, sabotage, dice);
    let ended = driver.whole();
    driver.close();
    ended.map_err(|what| format!("{what}\n  {told}"))
}

/// A vendor that has lost its memory, and a scan of it: the live rows before and after, and what became of the run.
pub(super) fn scan_answered_empty(seed: u64) -> (i64, i64, String) {
    let mut dice = Dice::new(seed);
    let mut scenario = Scenario::draw(seed, &mut dice);
    scenario.plan.scan_every = None;
    let mut driver = Driver::new(scenario, Sabotage::None, dice);
    driver.start(false);
    driver.calm().expect("a mirror that is whole");
    let live = |driver: &Driver| {
        let file = oracle::look(&driver.path());
        file.query_row("SELECT count(*) FROM live_listings", [], |row| row.get(0)).expect("a count")
    };
    let before = live(&driver);
    driver.empty = true;
    let ended = driver.scan();
    let state = driver.runs().pop().expect("a run");
    let after = live(&driver);
    driver.close();
    assert!(ended.is_err(), "a scan that failed is not told as one that went well");
    (before, after, state)
}

/// A vendor that forgets a listing during one scan and knows it, unchanged, at the next.
pub(super) fn forgotten_for_a_while(seed: u64) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let mut scenario = Scenario::draw(seed, &mut dice);
    scenario.plan.scan_every = None;
    // One page: what is left out must not look like a page that is short.
    scenario.vendor.page_size = 10_000;
    let mut driver = Driver::new(scenario, Sabotage::None, dice);
    driver.start(false);
    driver.calm()?;
    let truths = driver.world.truth(FEED);
    let (forgotten, _) = truths.iter().find(|(_, truth)| !truth.deleted).ok_or("no listing lives")?;
    driver.hidden = Some(forgotten.clone());
    driver.scan()?;
    let cause = |driver: &Driver| {
        let file = oracle::look(&driver.path());
        let sql = "SELECT deleted_cause FROM listings WHERE listing_id = ?1";
        file.query_row(sql, [&forgotten.0], |row| row.get::<_, Option<String>>(0)).expect("its row")
    };
    assert_eq!(cause(&driver).as_deref(), Some("absent"));
    driver.hidden = None;
    driver.oracle.revivals.insert(forgotten.0.clone(), 1);
    driver.scan()?;
    assert_eq!(cause(&driver), None);
    driver.close();
    Ok(())
}

impl Driver {
    fn new(scenario: Scenario, sabotage: Sabotage, mut dice: Dice) -> Driver {
        let off = scenario.clock_step.as_secs() as i64 * 10_000_000;
        let ours_off = if off == 0 { 0 } else { dice.pick(&[-off, 0, off]) };
        let mut world = World::new(scenario.vendor.clone());
        world.keep_records();
        Driver {
            world,
            options: scenario.plan.clone(),
            feed: FeedId(FEED.to_owned()),
            runtime: tokio::runtime::Builder::new_current_thread().build().expect("a runtime"),
            directory: tempfile::tempdir().expect("a directory"),
            generation: 0,
            process: None,
            oracle: Oracle::default(),
            time: begin(),
            ours_off,
            quiet: false,
            moved: true,
            late: Vec::new(),
            last_page: Vec::new(),
            forward: BTreeMap::new(),
            polled: BTreeMap::new(),
            newest: BTreeMap::new(),
            idle: 0,
            trace: std::env::var_os("MLS_SYNC_SIM_TRACE").is_some(),
            empty: false,
            hidden: None,
            stats: Stats::default(),
            scenario,
            sabotage,
            dice,
        }
    }

    fn whole(&mut self) -> Result<Stats, String> {
        self.start(false);
        for _ in 0..self.scenario.commands {
            self.meddle();
            self.step()?;
            if self.dice.percent(self.scenario.kill_percent) {
                self.kill();
            }
        }
        self.calm()?;
        if self.scenario.true_without_scan() {
            let file = oracle::look(&self.path());
            let same = self.oracle.same_stamps(&file, &self.world);
            same.map_err(|what| format!("after quiet, before any scan:\n{what}"))?;
        }
        self.scan()?;
        let file = oracle::look(&self.path());
        self.oracle.sequence(&file)?;
        let verdict = verify::compare(&self.path(), &self.world.truths(), &self.scenario.vendor).map_err(|error| error.to_string())?;
        self.stats.proofs = self.oracle.proofs;
        if verdict.agrees() { Ok(self.stats) } else { Err(format!("after a whole scan: {verdict}")) }
    }

    /// The world stands still, and the mirror gets the time that it needs.
    fn calm(&mut self) -> Result<(), String> {
        // A world without a live listing cannot be scanned: an empty answer never deletes.
        if self.world.truth(FEED).values().all(|truth| truth.deleted) {
            self.world.add(FEED);
            self.moved = true;
        }
        self.quiet = true;
        // A daemon that polls seldom makes no other decisions, only fewer requests.
        self.options.interval = self.options.interval.max(MINUTE * 10);
        let until = self.time.plus(self.scenario.horizon());
        // Mostly it is not running meanwhile, which is the same to the file and less to compute.
        let awake = if self.dice.percent(90) { MINUTE * 40 } else { self.scenario.horizon() };
        self.time = until.minus(awake);
        self.kill();
        for _ in 0..MOST_COMMANDS {
            if self.time >= until {
                return Ok(());
            }
            self.step()?;
        }
        Err("it never came to rest".to_owned())
    }

    /// A whole scan: as scheduled, or as `mls-sync reconcile` does it.
    fn scan(&mut self) -> Result<(), String> {
        let before = self.runs();
        match self.scenario.plan.scan_every {
            Some(every) => self.time = self.time.plus(every),
            None => (self.options.scan_now, self.options.once) = (true, true),
        }
        self.kill_and(self.options.scan_now);
        for _ in 0..MOST_COMMANDS {
            if let Going::Finished(missing) = self.step()? {
                return if missing.is_empty() { Ok(()) } else { Err(format!("a quiet run is not complete: {missing:?}")) };
            }
            let began_after = self.runs().into_iter().skip(before.len()).find(|state| !matches!(state.as_str(), "scanning" | "confirming"));
            match began_after.as_deref() {
                Some("done") if !self.options.once => return Ok(()),
                None | Some("done") => {}
                Some(state) => return Err(format!("a scan of a quiet world is {state}: {:?}", self.note_of_last_run())),
            }
        }
        Err("the scan never ended".to_owned())
    }

    fn runs(&self) -> Vec<String> {
        let file = &self.process.as_ref().expect("a process").file;
        let mut statement = file.prepare_cached("SELECT state FROM reconcile_runs ORDER BY run_id").expect("the table");
        statement.query_map([], |row| row.get(0)).and_then(Iterator::collect).expect("states")
    }

    fn note_of_last_run(&self) -> Option<String> {
        let file = &self.process.as_ref().expect("a process").file;
        file.query_row("SELECT note FROM reconcile_runs ORDER BY run_id DESC LIMIT 1", [], |row| row.get(0)).expect("a run")
    }

    // The process.

    fn path(&self) -> PathBuf {
        self.directory.path().join(format!("{}.db", self.generation))
    }

    fn start(&mut self, reconcile: bool) {
        let (store, writer) = Store::open(&self.path(), &LISTINGS).expect("the file opens");
        let at = self.at();
        let (feed, since) = (self.feed.clone(), self.options.since);
        let saved = self.runtime.block_on(async {
            store.adopt(&feed, since, false, at.clone()).await?;
            if reconcile {
                store.abandon_runs(&feed, at).await?;
            }
            store.load(&feed).await
        });
        let (started, ours) = (self.time, self.ours());
        let now = Now { vendor: self.scenario.zone.local(ours), earliest: self.scenario.zone.local(ours), ours, monotonic: Duration::ZERO };
        let plan = FeedPlan::resume(feed, self.options.clone(), saved.expect("the file is read"), now);
        let file = oracle::look(&self.path());
        self.process = Some(Process { store, writer, plan, file, started, heard: None, throttled: started });
        self.forward.clear();
    }

    fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("a process")
    }

    fn kill(&mut self) {
        self.kill_and(false);
    }

    /// The process ends, and another begins: after an orderly close, or with what a crash leaves behind.
    fn kill_and(&mut self, reconcile: bool) {
        self.stats.kills += 1;
        if self.trace {
            eprintln!("    killed");
        }
        if self.dice.percent(50) {
            let (from, to) = (self.path(), self.directory.path().join(format!("{}.db", self.generation + 1)));
            let with = |path: &Path, end: &str| PathBuf::from(format!("{}{end}", path.display()));
            // The writer has answered, so it stands still; the WAL is not folded in.
            std::fs::copy(&from, &to).expect("a copy");
            std::fs::copy(with(&from, "-wal"), with(&to, "-wal")).expect("a copy of the WAL");
            self.close();
            std::fs::remove_file(&from).expect("the old file");
            self.generation += 1;
        } else {
            self.close();
        }
        let downtime = self.scenario.longest_downtime.as_millis() as u64;
        let downtime = if self.quiet { 1000 } else { 20 + self.dice.below(downtime) };
        self.time = self.time.plus(Duration::from_millis(downtime));
        self.start(reconcile);
    }

    fn close(&mut self) {
        let Some(Process { store, writer, .. }) = self.process.take() else { return };
        drop(store);
        writer.join().expect("the writer does not panic");
    }

    // Clocks, as `clock.rs` has them.

    fn ours(&self) -> Stamp {
        Stamp(self.time.0 + self.ours_off)
    }

    fn at(&self) -> String {
        format!("{}Z", self.ours().to_wire())
    }

    fn vendor_utc(&self) -> Stamp {
        let heard = self.process.as_ref().and_then(|process| process.heard);
        heard.map_or_else(|| self.ours(), |(at, said)| said.plus(self.time.since(at)))
    }

    fn hear(&mut self, said: Stamp) {
        let reckoned = self.vendor_utc();
        if said > reckoned || reckoned.since(said) > GRAIN {
            let time = self.time;
            self.process().heard = Some((time, said));
        }
    }

    fn now(&mut self) -> Now {
        let (vendor, ours, time, zone) = (self.vendor_utc(), self.ours(), self.time, self.scenario.zone);
        Now { vendor: zone.local(vendor), earliest: zone.local(vendor.min(ours)), ours, monotonic: time.since(self.process().started) }
    }

    /// The Date header.
    fn date(&self) -> Option<Stamp> {
        let second = 10_000_000;
        let off = self.time.0 + self.scenario.date_skew * second;
        (!self.scenario.no_date).then_some(Stamp(off.div_euclid(second) * second))
    }

    // The world.

    fn meddle(&mut self) {
        self.time = self.time.plus(Duration::from_millis(20 + self.dice.below(900)));
        if !self.scenario.clock_step.is_zero() && self.dice.percent(3) {
            let step = self.scenario.clock_step.as_secs() as i64 * 10_000_000;
            self.ours_off = self.dice.pick(&[-step, 0, step]);
        }
        self.world.set_clock(self.time);
        if self.dice.percent(45) {
            return;
        }
        for _ in 0..=self.dice.below(4) {
            self.change();
            if self.dice.percent(50) {
                self.time = self.time.plus(Duration::from_millis(self.dice.below(400)));
                self.world.set_clock(self.time);
            }
        }
    }

    fn change(&mut self) {
        self.moved = true;
        let late = self.dice.percent(self.scenario.late_percent);
        let late_by = if late { Duration::from_millis(self.dice.below(self.scenario.latest.as_millis() as u64)) } else { Duration::ZERO };
        if late {
            self.late.push(self.time.plus(late_by));
        }
        let roll = self.dice.below(100);
        if roll < 12 {
            self.world.add_late(FEED, late_by);
            return;
        }
        if roll < 15 {
            let count = 2 + self.dice.index(self.scenario.vendor.page_size * 3);
            self.world.bulk_touch(FEED, count);
            return;
        }
        let Some(listing) = self.target(roll) else { return };
        match roll {
            15..55 => drop(self.world.edit_late(FEED, &listing, late_by)),
            55..75 => drop(self.world.delete_late(FEED, &listing, late_by)),
            75..90 if self.later_than_its_stamp(&listing) => {
                if self.world.revive_late(FEED, &listing, late_by) {
                    *self.oracle.revivals.entry(listing.0).or_default() += 1;
                }
            }
            90..95 if self.scenario.silent => drop(self.world.remove_silently(FEED, &listing)),
            _ => drop(self.world.edit_late(FEED, &listing, late_by)),
        }
    }

    /// Half of all changes hit the edges of the page that was read last: those shift what is read next.
    fn target(&mut self, roll: u64) -> Option<ListingId> {
        if !(75..90).contains(&roll) && self.dice.percent(50) && !self.last_page.is_empty() {
            let last = self.last_page.len() - 1;
            let place = self.dice.pick(&[0, last]);
            return Some(self.last_page[place].clone());
        }
        let wanted = (75..90).contains(&roll);
        let all: Vec<ListingId> =
            self.world.truth(FEED).into_iter().filter(|(_, truth)| truth.deleted == wanted).map(|(listing, _)| listing).collect();
        (!all.is_empty()).then(|| all[self.dice.index(all.len())].clone())
    }

    /// A revival with the stamp of the deletion cannot be told from the deletion where `Status=0` returns both: at a tie
    /// the deletion stands. So the vendor's clock must have ticked.
    fn later_than_its_stamp(&self, listing: &ListingId) -> bool {
        self.world.truth(FEED).get(listing).is_some_and(|truth| truth.stamp < self.world.now())
    }

    // The worker.

    fn step(&mut self) -> Result<Going, String> {
        let now = self.now();
        let command = self.process().plan.next(now);
        if self.trace {
            eprintln!("{} {command:?}", self.time);
        }
        let waits = matches!(command, Command::Wait { until } if until <= now.monotonic);
        self.idle = if waits { self.idle + 1 } else { 0 };
        if self.idle > 3 {
            return Err(format!("the plan waits for a time that is past, again and again: {command:?} at {now:?}"));
        }
        match command {
            Command::Fetch { purpose, request } => self.fetch(purpose, &request)?,
            Command::BeginScan { range, .. } => self.begin_scan(range)?,
            Command::Judge { proven, .. } => self.judge(proven)?,
            Command::Confirm { listing, .. } => self.confirm(listing)?,
            Command::EndScan { .. } => {
                let at = self.at();
                let Driver { runtime, process: Some(process), feed, .. } = self else { return Err("no process".to_owned()) };
                runtime.block_on(process.store.end_run(feed, at)).map_err(|error| error.to_string())?;
                process.plan.scanned();
            }
            Command::Wait { until } => self.wait(until),
            Command::Finished { missing } => return Ok(Going::Finished(missing)),
        }
        Ok(Going::On)
    }

    /// Part of a wait may pass before the world changes again.
    fn wait(&mut self, until: Duration) {
        let until = self.process().started.plus(until);
        let whole = until.since(self.time);
        let share = if self.quiet || self.dice.percent(70) { 100 } else { 1 + self.dice.below(100) };
        self.time = self.time.plus(whole.mul_f64(share as f64 / 100.0) + Duration::from_millis(1));
    }

    fn answered(&mut self, purpose: Purpose, request: &PageRequest) -> Result<Page, Failure> {
        let throttled = self.process().throttled;
        self.time = self.time.max(throttled).plus(Duration::from_millis(30 + self.dice.below(300)));
        self.world.set_clock(self.time);
        let late = self.late.len();
        let time = self.time;
        self.late.retain(|visible_at| *visible_at > time);
        let moved = std::mem::take(&mut self.moved) || self.late.len() < late;
        self.oracle.asked(&self.world, purpose, request, moved);
        self.stats.requests += 1;
        let asked = self.spoilt(purpose, request);
        if self.empty {
            return constellation1::read_page(br#"{"Results":[],"Total":0,"Count":0,"NextPage":null}"#).map_err(|_| Failure::Malformed);
        }
        let reply = self.world.answer_page(&asked);
        let fails = !self.quiet && self.dice.percent(self.scenario.fail_percent);
        if fails {
            return self.fault(&reply.body);
        }
        match reply.status {
            200 => constellation1::read_page(&reply.body).map(|page| self.without_hidden(page)).map_err(|_| Failure::Malformed),
            _ => Err(Failure::Refused),
        }
    }

    fn without_hidden(&self, mut page: Page) -> Page {
        let all = page.records.len();
        page.records.retain(|record| Some(&record.key.listing) != self.hidden.as_ref());
        page.total -= (all - page.records.len()) as u64;
        page
    }

    /// Any failure instead of the answer, or an answer that is cut short.
    fn fault(&mut self, body: &[u8]) -> Result<Page, Failure> {
        Err(match self.dice.below(12) {
            0 => Failure::Throttled { wait: Duration::from_millis(self.dice.below(60_000)) },
            1 => Failure::Unauthorized,
            2 => Failure::Refused,
            3..6 => {
                let length = self.dice.index(body.len());
                return match constellation1::read_page(&body[..length]) {
                    Ok(page) => panic!("{length} of {} bytes were read as a page of {}", body.len(), page.records.len()),
                    Err(_) => Err(Failure::Malformed),
                };
            }
            6 => {
                return constellation1::read_page(br#"{"Results":null,"Total":7,"Count":0,"NextPage":null}"#)
                    .map_err(|_| Failure::Malformed);
            }
            7 => {
                return constellation1::read_page(br#"{"Results":[],"Total":7,"Count":0,"NextPage":null}"#).map_err(|_| Failure::Malformed);
            }
            8 => Failure::Malformed,
            _ => Failure::Unavailable,
        })
    }

    /// The request as the sabotage would have it.
    fn spoilt(&mut self, purpose: Purpose, request: &PageRequest) -> PageRequest {
        let mut asked = request.clone();
        match self.sabotage {
            Sabotage::Forward if request.page == 1 => drop(self.forward.insert(purpose, 1)),
            Sabotage::Forward => {
                let page = self.forward.entry(purpose).or_insert(1);
                *page += 1;
                asked.page = *page;
            }
            Sabotage::AfterNewest if purpose == Purpose::Poll => {
                let newest = self.newest.get(&request.stream).map(|newest| newest.plus(Duration::from_millis(1)));
                asked.window.from = newest.unwrap_or(asked.window.from).max(asked.window.from);
            }
            Sabotage::None | Sabotage::CheckpointFirst | Sabotage::AfterNewest | Sabotage::LiveWins => {}
        }
        asked
    }

    fn fetch(&mut self, purpose: Purpose, request: &PageRequest) -> Result<(), String> {
        match self.answered(purpose, request) {
            Ok(page) => self.take(purpose, request, page),
            Err(failure) => {
                let now = self.now();
                let time = self.time;
                if let Failure::Throttled { wait } = failure {
                    self.process().throttled = time.plus(wait);
                }
                self.process().plan.on_failure(purpose, &failure, now, "a fault");
                Ok(())
            }
        }
    }

    fn take(&mut self, purpose: Purpose, request: &PageRequest, mut page: Page) -> Result<(), String> {
        page.vendor_now = self.date();
        page.vendor_now.inspect(|date| self.hear(*date));
        self.last_page = page.records.iter().map(|record| record.key.listing.clone()).collect();
        let polled = page.records.iter().filter_map(|record| record.stamp).max().filter(|_| purpose == Purpose::Poll);
        let seen = digest::describe(&self.feed, request, &page, page.vendor_now.map(|utc| self.scenario.zone.local(utc)));
        let now = self.now();
        let Verdict::Store(checkpoint) = self.process().plan.on_page(purpose, seen, now) else { return Ok(()) };
        if self.kills_now() {
            self.kill();
            return Ok(());
        }
        let (keys, at) = (digest::keys(&self.feed, &page), self.at());
        let vendor_now = self.scenario.zone.local(self.vendor_utc());
        let Driver { runtime, process: Some(process), .. } = self else { return Err("no process".to_owned()) };
        let stored = runtime.block_on(process.store.hashes(keys)).map_err(|error| error.to_string())?;
        let kept = (*checkpoint).clone();
        if let Some(window) = kept.window.as_ref().filter(|_| self.trace) {
            let reading = &window.open.reading;
            eprintln!("    {:?} row {:?} {reading:?}", window.state, window.open.row);
        }
        let mut commit = digest::prepare(&LISTINGS, request, page, &stored, *checkpoint, Moment { vendor_now, at });
        if !commit.rejects.is_empty() {
            return Err(format!("the sandbox's records were rejected: {:?}", commit.rejects[0].reason));
        }
        match self.sabotage {
            Sabotage::CheckpointFirst => {
                let checkpoint_only = PageCommit { records: Vec::new(), ..commit.clone() };
                let row = self.commit(checkpoint_only)?;
                if self.dice.percent(10) {
                    self.kill();
                    return self.check(&kept);
                }
                commit.checkpoint.window = None;
                self.commit(commit)?;
                row.inspect(|row| self.process().plan.saved(purpose, *row));
                return self.check(&kept);
            }
            Sabotage::LiveWins => {
                let live = commit.records.iter_mut().filter(|record| record.presence == Presence::Live);
                live.for_each(|record| record.stamp = record.stamp.map(|stamp| Stamp(stamp.0 + 1)));
            }
            Sabotage::AfterNewest => {
                let newest = self.polled.get(&request.stream).copied().max(polled);
                newest.map(|newest| self.polled.insert(request.stream, newest));
                let proven = |window: &WindowSave| (window.purpose, window.state) == (Purpose::Poll, WindowState::Complete);
                if let (Some(newest), true) = (newest, kept.window.as_ref().is_some_and(proven)) {
                    self.newest.insert(request.stream, newest);
                }
            }
            Sabotage::None | Sabotage::Forward => {}
        }
        let row = self.commit(commit)?;
        self.check(&kept)?;
        if self.kills_now() {
            self.kill();
        } else if let Some(row) = row {
            self.process().plan.saved(purpose, row);
        }
        Ok(())
    }

    fn kills_now(&mut self) -> bool {
        !self.quiet && self.dice.percent(self.scenario.kill_percent / 2)
    }

    fn commit(&mut self, commit: PageCommit) -> Result<Option<i64>, String> {
        let Driver { runtime, process: Some(process), stats, trace, .. } = self else { return Err("no process".to_owned()) };
        let committed = runtime.block_on(process.store.commit(commit)).map_err(|error| error.to_string())?;
        if *trace {
            eprintln!("    committed {:?}", committed);
        }
        stats.records += committed.counts.values().sum::<u64>();
        Ok(committed.window)
    }

    fn check(&mut self, checkpoint: &Checkpoint) -> Result<(), String> {
        let Driver { oracle, process: Some(process), scenario, .. } = self else { return Err("no process".to_owned()) };
        oracle.stored(&process.file, scenario, checkpoint)
    }

    fn begin_scan(&mut self, range: Window) -> Result<(), String> {
        let (at, now) = (self.at(), self.now());
        let Driver { runtime, process: Some(process), feed, options, .. } = self else { return Err("no process".to_owned()) };
        let run = runtime.block_on(process.store.begin_run(feed, range, options.dry_run, at)).map_err(|error| error.to_string())?;
        process.plan.scan_begun(run, range, now);
        Ok(())
    }

    fn judge(&mut self, proven: bool) -> Result<(), String> {
        let at = self.at();
        let Driver { runtime, process: Some(process), feed, .. } = self else { return Err("no process".to_owned()) };
        let judgement = runtime.block_on(process.store.judge(feed, proven, BRAKE, at)).map_err(|error| error.to_string())?;
        match judgement.ruling {
            Ruling::Confirm => process.plan.judged(judgement.to_confirm),
            Ruling::Withhold(_) | Ruling::Fail(_) => process.plan.scanned(),
        }
        Ok(())
    }

    fn confirm(&mut self, listing: ListingId) -> Result<(), String> {
        self.time = self.time.plus(Duration::from_millis(30 + self.dice.below(300)));
        self.world.set_clock(self.time);
        if !self.quiet && self.dice.percent(self.scenario.fail_percent) {
            let failure = self.dice.pick(&[0, 1]);
            let failure = [Failure::Unavailable, Failure::Unauthorized][failure].clone();
            let now = self.now();
            self.process().plan.on_failure(Purpose::Scan, &failure, now, "a fault");
            return Ok(());
        }
        let reply = self.world.answer_detail(&self.feed, &listing);
        let said = match reply.status {
            404 => Confirmation::Gone,
            _ if self.hidden.as_ref() == Some(&listing) => Confirmation::Gone,
            _ => match constellation1::read_detail(&reply.body)?.map(|record| (LISTINGS.decode)(&record)) {
                None => Confirmation::Gone,
                Some(Ok(content)) if (LISTINGS.looks_deleted)(&content) => Confirmation::Deleted,
                Some(Ok(_)) => Confirmation::Present,
                Some(Err(_)) => Confirmation::Unclear,
            },
        };
        let at = self.at();
        let Driver { runtime, process: Some(process), oracle, feed, .. } = self else { return Err("no process".to_owned()) };
        runtime.block_on(process.store.confirm(feed, listing, said, at)).map_err(|error| error.to_string())?;
        oracle.changes(&process.file)?;
        process.plan.confirmed();
        Ok(())
    }
}
