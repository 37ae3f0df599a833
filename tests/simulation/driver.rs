//! A worker without a network and without real time: it drives the real session, stores into the real file, and is killed.
//!
//! Between any two commands the world changes, clocks step, the database refuses, or the process dies.

use super::oracle::{self, Oracle};
use super::scenario::{Dice, FEED, MINUTE, Scenario, begin};
use super::shared::Company;
use super::wild::{Wild, Wilderness};
use mls_sync::plan::brake::BrakeLimits;
use mls_sync::plan::burst::BurstLimits;
use mls_sync::plan::checkpoint::Checkpoint;
use mls_sync::plan::clock::{Local, Now, VendorClock};
use mls_sync::plan::options::{Options, Purpose};
use mls_sync::plan::scans::ScanRequest;
use mls_sync::record::{FeedId, ListingId, Stamp, Stream, Window};
use mls_sync::sandbox::{FeedList, World, verify};
use mls_sync::store::{self, Error as StoreError, Store};
use mls_sync::sync::intake::{self, Arrival, Stored};
use mls_sync::sync::messages::{Command, Event};
use mls_sync::sync::session::{Session, SessionOptions};
use mls_sync::vendor::LISTINGS;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// No brake: what it does is proven elsewhere, and it would hide what a scan can repair.
const BRAKE: BrakeLimits = BrakeLimits { count: 10_000, share: 1.0, budget: 10_000 };
const BURST: BurstLimits = BurstLimits { count: 10, share: 0.1 };
/// More requests than this until the world and the file agree mean that they never will. A vendor whose order changes and
/// that ignores From costs some hundred for each poll.
const MOST_COMMANDS: u32 = 40_000;

/// In the quiet, and in the scan after it, each page may be asked for so often for each of the occasions to read it: four, and one
/// in ten minutes. About twice of what was seen, mostly of vendors whose order changes.
const MOST_EFFORT: u64 = 16;
/// The same where there is a trouble that stays, which is narrowed down by every kind of work anew.
const MOST_IN_TROUBLE: u64 = 26;

/// Takes a column out of each diff.
const LEAVE_OUT_A_COLUMN: &str = "CREATE TRIGGER IF NOT EXISTS leave_out AFTER INSERT ON changes WHEN new.kind = 'changed'
    BEGIN UPDATE changes SET diff = json_remove(diff, '$.mls_update_date') WHERE seq = new.seq; END";

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
    /// The session takes a page for stored that the database has refused.
    TakesRefusedForStored,
    /// The session takes a listing for deleted that a scan lacks, without asking the vendor.
    DeletesUnasked,
    /// A change does not tell one of the columns that it changed.
    LeavesOutAColumn,
    /// The vendor heeds the first feed of a list, and nobody has looked whether it heeds all.
    ListsUnasked,
    /// A part of what a list of feeds asks for is taken for the whole.
    ListsAreWhole,
}

/// How the feed asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Alone,
    /// Together with other feeds, where that is possible.
    Shared,
}

/// What a run was.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stats {
    pub(super) requests: u64,
    pub(super) kills: u64,
    pub(super) proofs: u64,
    pub(super) records: u64,
    /// Listings that left a window while another came into it.
    pub(super) swaps: u64,
    /// Requests while the world stood still.
    pub(super) quiet: u64,
    /// Pages that were a part of an answer for several feeds.
    pub(super) shared: u64,
}

impl Stats {
    pub(super) fn add(&mut self, other: Stats) {
        self.requests += other.requests;
        self.kills += other.kills;
        self.proofs += other.proofs;
        self.records += other.records;
        self.swaps += other.swaps;
        self.quiet += other.quiet;
        self.shared += other.shared;
    }
}

pub(super) struct Process {
    store: Store,
    writer: JoinHandle<()>,
    session: Session,
    clock: VendorClock,
    file: Connection,
    started: Stamp,
    /// The page that is being stored.
    storing: Option<Arrival>,
    /// What came of it, of which the session has not heard yet.
    stored: Option<Event>,
    /// Nobody may ask before this.
    pub(super) throttled: Stamp,
}

pub(super) struct Driver {
    pub(super) scenario: Scenario,
    pub(super) sabotage: Sabotage,
    pub(super) dice: Dice,
    /// Dice of their own decide when the database refuses.
    pub(super) refusals: Dice,
    pub(super) feed: FeedId,
    pub(super) options: Options,
    pub(super) world: World,
    pub(super) runtime: Runtime,
    pub(super) directory: TempDir,
    pub(super) generation: u32,
    pub(super) process: Option<Process>,
    pub(super) oracle: Oracle,
    /// True UTC.
    pub(super) time: Stamp,
    /// Our clock is ahead of it by so many ticks.
    pub(super) ours_off: i64,
    pub(super) quiet: bool,
    pub(super) moved: bool,
    pub(super) late: Vec<Stamp>,
    pub(super) last_page: Vec<ListingId>,
    /// For the sabotage: the page to read next, by kind of work; the newest stamp polled and proven, by stream.
    pub(super) forward: BTreeMap<Purpose, u32>,
    pub(super) polled: BTreeMap<Stream, Stamp>,
    pub(super) newest: BTreeMap<Stream, Stamp>,
    pub(super) idle: u32,
    pub(super) trace: bool,
    /// The vendor answers everything with nothing.
    pub(super) empty: bool,
    /// It tells of the listing that it hides all the same when it is asked for this listing alone.
    pub(super) hidden_tells: bool,
    pub(super) wild: Wilderness,
    /// The feeds that share their requests with this one.
    pub(super) company: Option<Company>,
    pub(super) stats: Stats,
}

enum Going {
    On,
    Finished(Vec<String>),
}

pub(super) fn run(seed: u64, way: Way, sabotage: Sabotage) -> Result<Stats, String> {
    let mut dice = Dice::new(seed);
    let mut scenario = Scenario::draw(seed, &mut dice);
    scenario.wild = Wild::draw(seed, &scenario.vendor);
    if sabotage == Sabotage::ListsUnasked {
        scenario.vendor.feed_list = FeedList::First;
    }
    let company = (way == Way::Shared).then(|| Company::draw(seed));
    let told = format!("{scenario:?}\n  {company:?}");
    let mut driver = Driver::new(scenario, sabotage, dice);
    driver.company = company;
    driver.begin_company();
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
    driver.oracle.hidden = Some(forgotten.clone());
    driver.scan()?;
    let cause = |driver: &Driver| {
        let file = oracle::look(&driver.path());
        let sql = "SELECT deleted_cause FROM listings WHERE listing_id = ?1";
        file.query_row(sql, [&forgotten.0], |row| row.get::<_, Option<String>>(0)).expect("its row")
    };
    assert_eq!(cause(&driver).as_deref(), Some("absent"));
    driver.oracle.hidden = None;
    driver.oracle.revivals.insert(forgotten.0.clone(), 1);
    driver.scan()?;
    assert_eq!(cause(&driver), None);
    driver.close();
    Ok(())
}

/// A vendor whose pages leave out a listing that it has, and tells of it when asked: why its row was deleted, if it was.
pub(super) fn left_out_of_the_pages(seed: u64, sabotage: Sabotage) -> Result<Option<String>, String> {
    let mut dice = Dice::new(seed);
    let mut scenario = Scenario::draw(seed, &mut dice);
    scenario.plan.scan_every = None;
    scenario.vendor.page_size = 10_000;
    let mut driver = Driver::new(scenario, sabotage, dice);
    driver.start(false);
    driver.calm()?;
    let truths = driver.world.truth(FEED);
    let (left_out, _) = truths.iter().find(|(_, truth)| !truth.deleted).ok_or("no listing lives")?;
    driver.oracle.hidden = Some(left_out.clone());
    driver.hidden_tells = true;
    driver.scan()?;
    let file = oracle::look(&driver.path());
    let sql = "SELECT deleted_cause FROM listings WHERE listing_id = ?1";
    let cause = file.query_row(sql, [&left_out.0], |row| row.get(0)).map_err(|error| error.to_string());
    driver.close();
    cause
}

impl Driver {
    fn new(scenario: Scenario, sabotage: Sabotage, mut dice: Dice) -> Driver {
        let off = scenario.clock_step.as_secs() as i64 * 10_000_000;
        let ours_off = if off == 0 { 0 } else { dice.pick(&[-off, 0, off]) };
        let seed = scenario.vendor.seed;
        let mut world = World::new(scenario.vendor.clone());
        world.keep_records();
        Driver {
            world,
            options: scenario.plan.clone(),
            feed: FeedId(FEED.to_owned()),
            runtime: tokio::runtime::Builder::new_current_thread().build().expect("a runtime"),
            directory: crate::support::directory(),
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
            hidden_tells: false,
            wild: Wilderness::new(seed),
            company: None,
            stats: Stats::default(),
            scenario,
            sabotage,
            refusals: Dice::new(seed ^ 0x0DB),
            dice,
        }
    }

    fn whole(&mut self) -> Result<Stats, String> {
        self.begin_in_the_wild();
        self.options.once = self.scenario.loads_once;
        self.start(false);
        for command in 0..self.scenario.commands {
            self.meddle();
            self.spoil_in_the_wild(command);
            let ended = matches!(self.step()?, Going::Finished(_));
            self.options.once &= !ended;
            if self.dice.percent(self.scenario.kill_percent) || ended {
                self.kill();
            }
        }
        let asked = self.stats.requests;
        let awake_at = self.calm()?;
        if self.scenario.true_without_scan() {
            let file = oracle::look(&self.path());
            let same = self.oracle.same_stamps(&file, &self.world, &self.excused());
            same.map_err(|what| format!("after quiet, before any scan:\n{what}"))?;
        }
        self.scan()?;
        self.effort_is_bounded(self.stats.requests - asked, self.time.since(awake_at))?;
        let file = oracle::look(&self.path());
        self.oracle.sequence(&file)?;
        let sums = store::verify::verify(&self.path(), &LISTINGS).map_err(|error| error.to_string())?;
        if let Some(feed) = sums.iter().find(|feed| !feed.agrees) {
            return Err(format!("the checksum is not that of the rows: {feed:?}"));
        }
        let verdict = verify::compare(&self.path(), &self.truths(), &self.scenario.vendor).map_err(|error| error.to_string())?;
        self.stats.proofs = self.oracle.proofs;
        self.stats.quiet = self.stats.requests - asked;
        let excused = self.excused();
        self.known_gaps_are_small()?;
        let differs: Vec<String> = verdict
            .differences
            .iter()
            .filter(|difference| !excused.contains(&difference.listing))
            .map(|difference| format!("{}: {}", difference.listing, difference.what))
            .collect();
        if differs.is_empty() { Ok(self.stats) } else { Err(format!("after a whole scan:\n{}", differs.join("\n"))) }
    }

    /// While the world stands still, no more is asked than what the file needs, and what polls and look-backs read again.
    fn effort_is_bounded(&self, asked: u64, awake: Duration) -> Result<(), String> {
        let truths = self.world.truth(FEED);
        let deleted = truths.values().filter(|truth| truth.deleted).count();
        let pages =
            (truths.len().div_ceil(self.scenario.vendor.page_size) + deleted.div_ceil(self.scenario.vendor.page_size)).max(2) as u64;
        let occasions = 4 + awake.as_secs() / 600;
        let most = if self.scenario.wild.stays() { MOST_IN_TROUBLE } else { MOST_EFFORT } * pages * occasions;
        let told = || format!("{asked} requests in {awake:?} of quiet for {pages} pages; {most} are enough");
        if asked <= most { Ok(()) } else { Err(told()) }
    }

    /// The world stands still, and the mirror gets the time that it needs.
    fn calm(&mut self) -> Result<Stamp, String> {
        // A world without a live listing cannot be scanned: an empty answer never deletes.
        if self.world.truth(FEED).values().all(|truth| truth.deleted) {
            self.world.add(FEED);
            self.moved = true;
        }
        self.quiet = true;
        self.options.once = false;
        // A daemon that polls seldom makes no other decisions, only fewer requests.
        self.options.interval = self.options.interval.max(MINUTE * 10);
        (self.options.interval_min, self.options.interval_max) = (None, None);
        let until = self.time.plus(self.scenario.horizon());
        // Mostly it is not running meanwhile, which is the same to the file and less to compute.
        let awake = if self.dice.percent(90) { MINUTE * 40 } else { self.scenario.horizon() };
        self.time = until.minus(awake);
        let awake_at = self.time;
        self.kill();
        for _ in 0..MOST_COMMANDS {
            if self.time >= until {
                return Ok(awake_at);
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
                return if missing.is_empty() || self.scenario.wild.stays() {
                    Ok(())
                } else {
                    Err(format!("a quiet run is not complete: {missing:?}"))
                };
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

    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join(format!("{}.db", self.generation))
    }

    fn start(&mut self, reconcile: bool) {
        let (store, writer) = Store::open(&self.path(), &LISTINGS).expect("the file opens");
        if self.sabotage == Sabotage::LeavesOutAColumn {
            Connection::open(self.path()).and_then(|file| file.execute_batch(LEAVE_OUT_A_COLUMN)).expect("the file is spoilt");
        }
        let at = self.at();
        let (feed, since) = (self.feed.clone(), self.options.since);
        let saved = self.runtime.block_on(async {
            store.adopt(&feed, since, false, at.clone()).await?;
            if reconcile {
                store.abandon_runs(&feed, at).await?;
            }
            store.load(&feed).await
        });
        self.options.shared = self.company.is_some() && !self.options.once;
        self.company.iter_mut().for_each(Company::forget);
        let started = self.time;
        let clock = VendorClock::default();
        let now = clock.now(Local { ours: self.ours(), monotonic: Duration::ZERO }, self.scenario.zone);
        let options =
            SessionOptions { plan: self.options.clone(), zone: self.scenario.zone, brake: BRAKE, burst: BURST, delete_detail_only: false };
        let session = Session::resume(&LISTINGS, feed, options, saved.expect("the file is read"), now);
        let file = oracle::look(&self.path());
        self.process = Some(Process { store, writer, session, clock, file, started, storing: None, stored: None, throttled: started });
        self.forward.clear();
    }

    pub(super) fn process(&mut self) -> &mut Process {
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

    // Clocks.

    fn ours(&self) -> Stamp {
        Stamp(self.time.0 + self.ours_off)
    }

    fn at(&self) -> String {
        format!("{}Z", self.ours().to_wire())
    }

    fn local(&self) -> Local {
        let started = self.process.as_ref().expect("a process").started;
        Local { ours: self.ours(), monotonic: self.time.since(started) }
    }

    fn now(&mut self) -> Now {
        let (local, zone) = (self.local(), self.scenario.zone);
        self.process().clock.now(local, zone)
    }

    /// The Date header of an answer, which the mirror hears.
    pub(super) fn date(&mut self) -> Option<Stamp> {
        let second = 10_000_000;
        let off = self.time.0 + self.scenario.date_skew * second;
        let date = (!self.scenario.no_date).then_some(Stamp(off.div_euclid(second) * second))?;
        let local = self.local();
        self.process().clock.hear(date, local);
        Some(date)
    }

    // The worker.

    /// One request with all that follows from it, or one other command.
    fn step(&mut self) -> Result<Going, String> {
        loop {
            let now = self.now();
            let command = self.process().session.next(now);
            if self.trace {
                eprintln!("{} {command:?}", self.time);
            }
            let waits = matches!(command, Command::Wait(until) if until <= now.monotonic);
            self.idle = if waits { self.idle + 1 } else { self.idle * u32::from(matches!(command, Command::Tell(_))) };
            if self.idle > 3 {
                return Err(format!("the session waits for a time that is past, again and again: {command:?} at {now:?}"));
            }
            let event = match command {
                Command::Tell(_) => {
                    // Orders come at any time, also between a report and what follows it.
                    if !self.quiet && self.refusals.percent(2) {
                        let now = self.now();
                        self.process().session.on(Event::TryAgain, now);
                    }
                    continue;
                }
                Command::Wait(until) => {
                    self.wait(until);
                    return Ok(Going::On);
                }
                Command::Finished(missing) => return Ok(Going::Finished(missing)),
                Command::GiveUp => return Err("a one-shot run gave up its database".to_owned()),
                Command::Fetch(purpose, request) => {
                    let event = self.fetch(purpose, request)?;
                    match self.end_storing()? {
                        true => event,
                        false => return Ok(Going::On),
                    }
                }
                Command::FetchOne(listing) => self.fetch_one(listing),
                Command::Store(arrival) => {
                    self.begin_storing(*arrival)?;
                    return Ok(Going::On);
                }
                Command::AwaitStored => {
                    self.end_storing()?;
                    return Ok(Going::On);
                }
                other => self.on_store(other)?,
            };
            let stays = matches!(event, Event::Page(..) | Event::One(..));
            let now = self.now();
            self.process().session.on(event, now);
            if !stays {
                return Ok(Going::On);
            }
        }
    }

    /// Part of a wait may pass before the world changes again.
    fn wait(&mut self, until: Duration) {
        let until = self.process().started.plus(until);
        let whole = until.since(self.time);
        let share = if self.quiet || self.dice.percent(70) { 100 } else { 1 + self.dice.below(100) };
        self.time = self.time.plus(whole.mul_f64(share as f64 / 100.0) + Duration::from_millis(1));
    }

    /// Whether the database refuses at this moment.
    fn refuses(&mut self) -> bool {
        !self.quiet && self.refusals.percent(self.scenario.refuse_percent)
    }

    fn kills_now(&mut self) -> bool {
        !self.quiet && self.dice.percent(self.scenario.kill_percent / 2)
    }

    /// A page is stored before the next one is asked for, or only after that.
    fn begin_storing(&mut self, arrival: Arrival) -> Result<(), String> {
        // What a sabotage does to a page must be seen by the next request.
        if self.refusals.percent(50) && self.sabotage == Sabotage::None {
            self.process().storing = Some(arrival);
            return Ok(());
        }
        let event = self.store(arrival)?;
        self.process().stored = event;
        Ok(())
    }

    /// The session hears of the page that was being stored. False when the process has died.
    fn end_storing(&mut self) -> Result<bool, String> {
        if let Some(arrival) = self.process().storing.take() {
            let Some(event) = self.store(arrival)? else { return Ok(false) };
            self.process().stored = Some(event);
        }
        let now = self.now();
        if let Some(event) = self.process().stored.take() {
            self.process().session.on(event, now);
        }
        Ok(true)
    }

    /// A page is stored, refused, or the process dies before or after.
    fn store(&mut self, mut arrival: Arrival) -> Result<Option<Event>, String> {
        if self.kills_now() {
            self.kill();
            return Ok(None);
        }
        let checkpoint = arrival.checkpoint.clone();
        if self.refuses() {
            let stored = Stored {
                request: arrival.request,
                purpose: checkpoint.purpose,
                committed: mls_sync::store::Committed::default(),
                records: 0,
                total: arrival.page.total,
                round_proven: checkpoint.round_proven,
                from_rule: mls_sync::plan::window::FromRule::Exact,
                zone: None,
            };
            let refused = Event::StoreFailed("the disk is full".to_owned());
            return Ok(Some(if self.sabotage == Sabotage::TakesRefusedForStored { Event::Stored(stored) } else { refused }));
        }
        if self.sabotage == Sabotage::CheckpointFirst {
            let mut first = arrival.clone();
            first.page.records.clear();
            self.commit(first)?;
            if self.dice.percent(10) {
                self.kill();
                return self.check(&checkpoint).map(|()| None);
            }
            arrival.checkpoint.window = None;
        }
        self.spoil_arrival(&mut arrival);
        let stored = self.commit(arrival)?;
        self.check(&checkpoint)?;
        if self.kills_now() {
            self.kill();
            return Ok(None);
        }
        Ok(Some(Event::Stored(stored)))
    }

    fn commit(&mut self, arrival: Arrival) -> Result<Stored, String> {
        let Driver { runtime, process: Some(process), stats, .. } = self else { return Err("no process".to_owned()) };
        let stored = runtime.block_on(intake::store(&process.store, arrival, Duration::ZERO)).map_err(|error| error.to_string())?;
        stats.records += stored.committed.counts.values().sum::<u64>();
        match stored.committed.new_rejects.first() {
            Some(reject) => Err(format!("the sandbox's records were rejected: {:?}", reject.reason)),
            None => Ok(stored),
        }
    }

    fn check(&mut self, checkpoint: &Checkpoint) -> Result<(), String> {
        let Driver { oracle, process: Some(process), scenario, .. } = self else { return Err("no process".to_owned()) };
        oracle.stored(&process.file, scenario, checkpoint)
    }

    /// The other commands to the database.
    fn on_store(&mut self, command: Command) -> Result<Event, String> {
        if self.refuses() {
            return Ok(Event::StoreFailed("the disk is full".to_owned()));
        }
        let at = self.at();
        let Driver { runtime, process: Some(process), oracle, feed, .. } = self else { return Err("no process".to_owned()) };
        let store = &process.store;
        let done = runtime.block_on(async {
            Ok::<Event, StoreError>(match command {
                Command::CountLive(recent) => Event::Live { recent, live: store.live(feed).await? },
                Command::BeginScan(range, wanted) => begin_scan(store, feed, range, wanted, at).await?,
                Command::Judge { unread, limits } => Event::Judged(store.judge(feed, unread, limits, at).await?),
                Command::SaveGaps(gaps) => {
                    store.save_gaps(feed, gaps).await?;
                    Event::GapsSaved
                }
                Command::Confirm(listing, said) => {
                    store.confirm(feed, listing, said, at).await?;
                    Event::Confirmed
                }
                Command::EndScan { delete_detail_only } => {
                    store.end_run(feed, delete_detail_only, at).await?;
                    Event::ScanEnded
                }
                Command::Load => Event::Loaded(Box::new(store.load(feed).await?)),
                other => panic!("{other:?} is no command to the database"),
            })
        });
        oracle.changes(&process.file)?;
        done.map_err(|error| error.to_string())
    }
}

async fn begin_scan(store: &Store, feed: &FeedId, range: Window, wanted: Option<ScanRequest>, at: String) -> Result<Event, StoreError> {
    let dry_run = wanted.is_some_and(|wanted| wanted.dry_run);
    let run = store.begin_run(feed, range, dry_run, at).await?;
    Ok(Event::ScanBegun(run, range))
}
