//! A mirror under test: the real program in a directory of its own, beside a sandbox that it mirrors.

use mls_sync::record::{FeedId, ListingId};
use mls_sync::sandbox::{self, Asked, Options, Sandbox, World};
use mls_sync::store::verify::verify;
use mls_sync::vendor::LISTINGS;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OpenFlags, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The key that the sandbox knows. It is strange enough to be found wherever it does not belong.
pub const KEY: &str = "s3cr3t-KEY-9f41c07be2";
/// No command of a test takes longer, unless the test says so.
pub const LIMIT: Duration = Duration::from_secs(60);
/// More than the files of all tests take that run side by side, in bytes.
const NEEDED: u64 = 2 << 30;
/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What the configuration of a test says.
#[derive(Clone, Debug)]
pub struct Settings {
    pub feeds: Vec<String>,
    pub base_url: String,
    pub interval: &'static str,
    pub overlap: &'static str,
    pub settle: &'static str,
    pub discover: &'static str,
    pub timeout: &'static str,
    pub window_pages: u64,
    pub requests_per_second: f64,
    pub max_in_flight: usize,
    pub max_body_bytes: u64,
    pub requests_per_hour: u64,
    pub ignore_query: bool,
    /// In place of the environment.
    pub key_file: Option<PathBuf>,
    /// Further sections, as they are.
    pub more: String,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            feeds: vec!["GAMLS".to_owned()],
            base_url: String::new(),
            interval: "200ms",
            overlap: "2s",
            settle: "50ms",
            discover: "1s",
            timeout: "20s",
            window_pages: 3,
            requests_per_second: 1000.0,
            max_in_flight: 2,
            max_body_bytes: 64 << 20,
            requests_per_hour: 0,
            ignore_query: false,
            key_file: None,
            more: String::new(),
        }
    }
}

impl Settings {
    pub fn text(&self, database: &Path) -> String {
        let key_file = self.key_file.as_ref().map(|path| format!("system_access_key_file = {path:?}\n")).unwrap_or_default();
        format!(
            "database = {database:?}\n[constellation1]\n{key_file}base_url = {:?}\nclient = \"demo\"\nfeeds = {:?}\ntimeout = {:?}\n\
             max_body_bytes = {}\n\
             [poll]\ninterval = {:?}\noverlap = {:?}\nsettle = {:?}\ndiscover = {:?}\n[backfill]\nwindow_pages = {}\n\
             [media]\nignore_query = {}\n\
             [rate]\nrequests_per_second = {:?}\nmax_in_flight = {}\nrequests_per_hour = {}\n{}",
            self.base_url,
            self.feeds,
            self.timeout,
            self.max_body_bytes,
            self.interval,
            self.overlap,
            self.settle,
            self.discover,
            self.window_pages,
            self.ignore_query,
            self.requests_per_second,
            self.max_in_flight,
            self.requests_per_hour,
            self.more
        )
    }
}

/// A small world: one feed of 300 listings and 30 deletions, 25 to a page.
pub fn small() -> Options {
    Options {
        feeds: vec!["GAMLS".to_owned()],
        key: mls_sync::sandbox::Key(KEY.to_owned()),
        listings: 300,
        deleted: 30,
        page_size: 25,
        ..Options::default()
    }
}

/// The same with these feeds.
pub fn feeds(names: &[&str]) -> Options {
    Options { feeds: names.iter().map(|name| (*name).to_owned()).collect(), ..small() }
}

/// The program, its configuration, its database and its vendor.
pub struct Mirror {
    pub sandbox: Sandbox,
    pub settings: Settings,
    dir: TempDir,
    runs: AtomicU32,
    // Last: the sandbox runs on it.
    _runtime: tokio::runtime::Runtime,
}

impl Mirror {
    /// Starts a sandbox; the configuration names its feeds.
    pub fn new(options: Options) -> Mirror {
        Mirror::of(World::new(options))
    }

    /// The same with a world that exists already.
    pub fn of(world: World) -> Mirror {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let feeds = world.feeds().into_iter().map(|feed| feed.0).collect();
        let sandbox = runtime.block_on(Sandbox::serve(world, SocketAddr::from(([127, 0, 0, 1], 0)))).unwrap();
        let settings = Settings { feeds, base_url: sandbox.url(), ..Settings::default() };
        let mirror = Mirror { sandbox, settings, dir: directory(), runs: AtomicU32::new(0), _runtime: runtime };
        mirror.configure();
        mirror
    }

    /// Changes the configuration of the runs to come.
    pub fn with(mut self, change: impl FnOnce(&mut Settings)) -> Mirror {
        self.set(change);
        self
    }

    /// As [`Mirror::with`].
    pub fn set(&mut self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings);
        self.configure();
    }

    fn configure(&self) {
        fs::write(self.config(), self.settings.text(&self.database())).unwrap();
        // A configuration that everybody can read is warned of.
        fs::set_permissions(self.config(), fs::Permissions::from_mode(0o640)).unwrap();
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("config.toml")
    }

    pub fn database(&self) -> PathBuf {
        self.dir.path().join("mls.db")
    }

    /// Starts the program with this configuration.
    pub fn start(&self, arguments: &[&str]) -> Program {
        let config = self.config();
        let with_config = [&["--config", config.to_str().unwrap()], arguments].concat();
        self.start_bare(&with_config, &[("MLS_SYNC_SYSTEM_ACCESS_KEY", KEY)])
    }

    /// Starts the program with these arguments and variables alone.
    pub fn start_bare(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Program {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        Program::start(arguments, variables, &self.dir.path().join(format!("run-{run}")))
    }

    /// The same behind another program: `wrapper` must end with running what follows it.
    pub fn start_behind(&self, wrapper: &[&str], arguments: &[&str]) -> Program {
        let config = self.config();
        let whole = [wrapper, &[env!("CARGO_BIN_EXE_mls-sync"), "--config", config.to_str().unwrap()], arguments].concat();
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        let output = self.dir.path().join(format!("run-{run}"));
        Program::start_as(whole[0], &whole[1..], &[("MLS_SYNC_SYSTEM_ACCESS_KEY", KEY)], &output)
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).wait(LIMIT)
    }

    /// `run --backfill`, which must succeed.
    pub fn backfill(&self) -> Ended {
        self.run(&["run", "--backfill"]).succeeded()
    }

    /// `run --once`, which must succeed.
    pub fn once(&self) -> Ended {
        self.run(&["run", "--once"]).succeeded()
    }

    /// One cycle that reads everything again, whatever was read already.
    pub fn reread(&self) {
        let file = Connection::open(self.database()).unwrap();
        file.execute_batch("DELETE FROM covered; DELETE FROM cursors; UPDATE windows SET state = 'cut' WHERE state = 'open'").unwrap();
        drop(file);
        self.once();
    }

    /// The feeds of `status --json`.
    pub fn status(&self) -> Vec<serde_json::Value> {
        let ended = self.run(&["status", "--json"]).succeeded();
        let status: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.stdout));
        status["feeds"].as_array().cloned().unwrap_or_else(|| panic!("no feeds: {status}"))
    }

    /// One feed of it, or null before the daemon has stored it.
    pub fn status_of(&self, feed: &str) -> serde_json::Value {
        let all = self.status();
        all.into_iter().find(|report| report["feed_id"] == feed).unwrap_or_default()
    }

    /// Requests, in the order of their answers.
    pub fn requests(&self) -> Vec<Asked> {
        self.sandbox.requests()
    }

    /// Requests that name this feed.
    pub fn requests_of(&self, feed: &str) -> usize {
        self.requests().iter().filter(|asked| asked.feeds.iter().any(|name| name == feed)).count()
    }

    pub fn options(&self) -> Options {
        let mut options = None;
        self.sandbox.reconfigure(|current| options = Some(current.clone()));
        options.unwrap()
    }

    /// Ends all change, and lets the last stamp grow old enough to be read.
    pub fn quiet(&self) {
        self.sandbox.reconfigure(|options| (options.churn, options.churn_per_second) = (0.0, 0.0));
        let last = self.sandbox.with_world(|world| world.utc());
        eventually("the last change is older than `settle` and the grain of a second", LIMIT, || {
            self.sandbox.with_world(|world| world.utc()) >= last.plus(Duration::from_millis(1200))
        });
    }

    /// What the oracle says of the file.
    pub fn verdict(&self) -> rusqlite::Result<sandbox::verify::Verdict> {
        let truths = self.sandbox.with_world(|world| world.truths());
        sandbox::verify::compare(&self.database(), &truths, &self.options())
    }

    /// The file equals the truth, deletions included, and its order of changes is whole.
    pub fn verify(&self, what: &str) {
        let verdict = self.verdict().unwrap();
        assert!(verdict.agrees(), "{what}: {verdict}\n{}", self.windows());
        let missing = self.missing_tombstones();
        assert!(missing.is_empty(), "{what}: no tombstones of {missing:?}");
        self.verify_changes(what);
    }

    fn missing_tombstones(&self) -> Vec<(FeedId, ListingId)> {
        let rows = self.keys("SELECT feed_id, listing_id FROM listings WHERE deleted_at IS NOT NULL");
        let truths = self.sandbox.with_world(|world| world.truths());
        let all = truths.iter().flat_map(|(feed, listings)| listings.iter().map(move |(listing, truth)| (feed, listing, truth)));
        let deleted = all.filter(|(_, _, truth)| truth.deleted).map(|(feed, listing, _)| (feed.clone(), listing.clone()));
        deleted.filter(|(feed, listing)| !rows.contains(&(feed.0.clone(), listing.0.clone()))).collect()
    }

    /// Consumers may rely on this at any moment, so it holds for every file that was ever written.
    pub fn verify_changes(&self, what: &str) {
        let db = self.open();
        // One moment: a daemon may be writing.
        db.execute_batch("BEGIN").unwrap();
        let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        let integrity: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(integrity, "ok", "{what}");
        let astray = "SELECT count(*) FROM listings l WHERE change_seq IS NOT
            (SELECT max(seq) FROM changes c WHERE entity = 'listing' AND c.feed_id = l.feed_id AND key = listing_id)";
        assert_eq!(count(astray), 0, "{what}: listings whose change_seq is not that of their last change");
        let disputed = "SELECT count(*) FROM listings l JOIN changes c ON seq = change_seq
            WHERE (deleted_at IS NOT NULL) <> (kind = 'deleted') AND kind <> 'purged' OR changed_at <> at OR (l.feed_id, listing_id) <> (c.feed_id, key)";
        assert_eq!(count(disputed), 0, "{what}: listings that disagree with their last change");
        assert_eq!(count("SELECT count(*) - count(DISTINCT change_seq) FROM listings"), 0, "{what}: change_seq is not unique");
        let unnumbered = "SELECT count(*) FROM listings WHERE NOT EXISTS (SELECT 1 FROM listing_ids AS number
            WHERE (number.feed_id, number.listing_id) = (listings.feed_id, listings.listing_id))";
        assert_eq!(count(unnumbered), 0, "{what}: listings that no search finds");
        let rows = "SELECT ifnull(max(change_seq), 0) FROM (SELECT change_seq FROM listings UNION ALL SELECT change_seq FROM agents
            UNION ALL SELECT change_seq FROM offices UNION ALL SELECT change_seq FROM open_houses)";
        assert_eq!(count(rows), count("SELECT ifnull(max(seq), 0) FROM changes"), "{what}: the newest change is of no row");
        let idle = "SELECT count(*) FROM changes WHERE kind = 'changed' AND diff = '{}'";
        assert_eq!(count(idle), 0, "{what}: changes that changed nothing");
        let astray: Vec<_> = verify(&self.database(), &LISTINGS).unwrap().into_iter().filter(|feed| !feed.agrees).collect();
        assert!(astray.is_empty(), "{what}: rows that their checksums do not tell of: {astray:?}");
    }

    /// How the file came to be, for the message of a failed test.
    pub fn windows(&self) -> String {
        let rows = self.query(
            "SELECT feed_id, status, purpose, state, from_date, to_date, total_last, passes, strict FROM windows ORDER BY window_id",
            |row| {
                let (feed, purpose, state): (String, String, String) = (row.get(0)?, row.get(2)?, row.get(3)?);
                let (status, total, passes, strict): (i64, i64, i64, i64) = (row.get(1)?, row.get(6)?, row.get(7)?, row.get(8)?);
                let (from, to): (String, String) = (row.get(4)?, row.get(5)?);
                Ok(format!("  {feed} {status} {purpose} {state} {from} .. {to} total {total} passes {passes} strict {strict}\n"))
            },
        );
        rows.concat()
    }

    /// The file, as a consumer opens it.
    pub fn open(&self) -> Connection {
        let db = Connection::open_with_flags(self.database(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        db.busy_timeout(Duration::from_secs(10)).unwrap();
        db
    }

    pub fn query<T>(&self, sql: &str, read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
        let db = self.open();
        let mut statement = db.prepare(sql).unwrap();
        statement.query_map([], read).unwrap().map(Result::unwrap).collect()
    }

    pub fn number(&self, sql: &str) -> i64 {
        self.query(sql, |row| row.get(0))[0]
    }

    pub fn text(&self, sql: &str) -> String {
        self.query(sql, |row| row.get(0)).remove(0)
    }

    pub fn keys(&self, sql: &str) -> BTreeSet<(String, String)> {
        self.query(sql, |row| Ok((row.get(0)?, row.get(1)?))).into_iter().collect()
    }

    /// How many live listings of a feed the file has; 0 while there is no file.
    pub fn live(&self, feed: &str) -> usize {
        if !self.is_ready() {
            return 0;
        }
        self.number(&format!("SELECT count(*) FROM live_listings WHERE feed_id = '{feed}'")) as usize
    }

    /// Whether the file has its schema.
    pub fn is_ready(&self) -> bool {
        let db = Connection::open_with_flags(self.database(), OpenFlags::SQLITE_OPEN_READ_ONLY);
        db.is_ok_and(|db| db.query_row("SELECT count(*) FROM feeds", [], |row| row.get::<_, i64>(0)).is_ok())
    }

    /// Every row of a table, every column.
    pub fn dump(&self, table: &str) -> Vec<Vec<Sql>> {
        self.query(&format!("SELECT * FROM {table} ORDER BY 1, 2"), |row| (0..row.as_ref().column_count()).map(|i| row.get(i)).collect())
    }

    /// The vendor's live listings of a feed.
    pub fn truly_live(&self, feed: &str) -> BTreeSet<ListingId> {
        let truth = self.sandbox.with_world(|world| world.truth(feed));
        truth.into_iter().filter(|(_, truth)| !truth.deleted).map(|(listing, _)| listing).collect()
    }
}

/// The program at work. Dropping it kills it.
pub struct Program {
    child: Child,
    started: Instant,
    output: PathBuf,
}

impl Program {
    /// Its output goes to files, so that it never waits for a reader and is whole after any end.
    pub fn start(arguments: &[&str], variables: &[(&str, &str)], output: &Path) -> Program {
        Program::start_as(env!("CARGO_BIN_EXE_mls-sync"), arguments, variables, output)
    }

    fn start_as(program: &str, arguments: &[&str], variables: &[(&str, &str)], output: &Path) -> Program {
        let file = |name: &str| File::create(output.with_extension(name)).unwrap();
        let mut command = Command::new(program);
        command.args(arguments).current_dir(output.parent().unwrap());
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path))).envs(variables.iter().copied());
        let child = command.stdin(Stdio::null()).stdout(file("out")).stderr(file("err")).spawn().unwrap();
        Program { child, started: Instant::now(), output: output.to_owned() }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8(fs::read(self.output.with_extension("err")).unwrap()).unwrap()
    }

    pub fn stdout(&self) -> String {
        String::from_utf8(fs::read(self.output.with_extension("out")).unwrap()).unwrap()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it had resident so far, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap() * 1024
    }

    /// SIGTERM, SIGKILL or another.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "kill -s {name}");
    }

    /// Waits for its end. A program that takes longer is killed and has failed the test.
    pub fn wait(mut self, limit: Duration) -> Ended {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return self.ended(status);
            }
            if Instant::now() >= deadline {
                self.child.kill().unwrap();
                self.child.wait().unwrap();
                panic!("still running after {limit:?}; its last words:\n{}", last_lines(&self.stderr()));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn ended(&self, status: ExitStatus) -> Ended {
        let stdout = String::from_utf8(fs::read(self.output.with_extension("out")).unwrap()).unwrap();
        Ended { code: status.code(), stdout, stderr: self.stderr(), took: self.started.elapsed() }
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// `None`: by a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Ended {
    pub fn succeeded(self) -> Ended {
        self.exited(0)
    }

    pub fn exited(self, code: i32) -> Ended {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", last_lines(&self.stdout), last_lines(&self.stderr));
        self
    }

    pub fn both(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// Waits until a condition holds; a limit passed fails the test.
#[track_caller]
pub fn eventually(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    loop {
        let begun = Instant::now();
        if holds() {
            return;
        }
        assert!(begun < deadline, "not within {limit:?}: {what}");
        look_again(begun);
    }
}

/// Watches that a condition holds all the time.
#[track_caller]
pub fn always(what: &str, span: Duration, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + span;
    while Instant::now() < end {
        let begun = Instant::now();
        assert!(holds(), "not always: {what}");
        look_again(begun);
    }
}

/// Waits after a look that began then. One that runs a program must not keep the machine from what it looks for.
fn look_again(begun: Instant) {
    std::thread::sleep(LOOK_EVERY.max(4 * begun.elapsed()));
}

/// A directory that is removed at the end. It lies in memory if there is room and TMPDIR does not say otherwise: on a disk, tests would
/// mostly wait for the syncs of SQLite.
pub fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    // A test runs a copy of the program from there.
    let fits = |found: rustix::fs::StatVfs| {
        let room = found.f_bavail.saturating_mul(found.f_frsize);
        room >= NEEDED && !found.f_flag.contains(rustix::fs::StatVfsMountFlags::NOEXEC)
    };
    let may = std::env::var_os("TMPDIR").is_none() && rustix::fs::statvfs(memory).is_ok_and(fits);
    let made = if may { tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()) } else { tempfile::tempdir() };
    made.expect("a directory can be made")
}

/// Runs independent cases side by side: they mostly wait.
pub fn side_by_side<T: Send>(cases: Vec<T>, check: impl Fn(T) + Sync) {
    let check = &check;
    std::thread::scope(|scope| {
        let running: Vec<_> = cases.into_iter().map(|case| scope.spawn(move || check(case))).collect();
        let failed: Vec<_> = running.into_iter().filter_map(|case| case.join().err()).collect();
        let told: Vec<&str> = failed.iter().map(|panic| panic.downcast_ref::<String>().map_or("a case failed", String::as_str)).collect();
        assert!(failed.is_empty(), "{} cases failed:\n{}", failed.len(), told.join("\n"));
    });
}

/// Counts by key.
pub fn tally<K: Ord>(keys: impl IntoIterator<Item = K>) -> BTreeMap<K, usize> {
    let mut counts = BTreeMap::new();
    keys.into_iter().for_each(|key| *counts.entry(key).or_default() += 1);
    counts
}
