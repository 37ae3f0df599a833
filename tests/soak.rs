//! Everything at once, for as long as one likes: a vendor that changes all the time and fails a fifth of the requests, a
//! daemon that is killed every few seconds, and slow readers that follow the file meanwhile.
//!
//! ```text
//! cargo test --test all soak::                        about 20 seconds
//! MLS_SYNC_SOAK=3m cargo test --test all soak::       as long as it says
//! ```
//! A line of figures is printed at the end.

use crate::support::{LIMIT, Mirror, Program, feeds};
use mls_sync::sandbox::{Asked, Options};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const USUAL: Duration = Duration::from_secs(20);
const FEEDS: [&str; 4] = ["GAMLS", "NWMLS", "SFAR", "TREB"];
/// Requests a second. 429s slow the program down to a 64th of it, which recovers over ten minutes; with that, too, it must
/// keep up with polls as dense as these.
const CEILING: f64 = 1_000.0;
const MB: u64 = 1 << 20;

/// A 429 takes so long to arrive, and a request so long to be taken in: what came within this was under way.
const UNDER_WAY: Duration = Duration::from_millis(100);
/// A process that is killed so soon after a 429 cannot have written it down.
const FORGOTTEN: Duration = Duration::from_millis(300);

/// Numbers for the lengths of lives; other ones in each run.
struct Dice(u64);

impl Dice {
    fn new() -> Dice {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Dice(now.as_nanos() as u64 | 1)
    }

    /// Milliseconds between these.
    fn millis(&mut self, least: u64, most: u64) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_millis(least + (self.0 >> 11) % (most - least))
    }
}

/// What was seen of the daemon, on the sandbox's clock.
#[derive(Default)]
struct Seen {
    asked: Vec<Asked>,
    kills: Vec<Duration>,
    /// Memory in bytes, and when.
    memory: Vec<(Duration, u64)>,
}

/// Lets daemons live and kills them until the time is over.
fn rough_lives(mirror: &Mirror, span: Duration, seen: &mut Seen) {
    let (end, mut dice) = (Instant::now() + span, Dice::new());
    while Instant::now() < end {
        let mut daemon = mirror.start(&["run"]);
        // One life in a while is long, so that memory has time to grow.
        let life = if seen.kills.len() % 5 == 4 { dice.millis(6_000, 30_000) } else { dice.millis(700, 4_500) };
        let last = (Instant::now() + life).min(end);
        while Instant::now() < last {
            assert!(daemon.is_running(), "the daemon has ended:\n{}", daemon.stderr());
            seen.memory.extend(memory(&daemon).map(|bytes| (mirror.sandbox.up(), bytes)));
            thread::sleep(Duration::from_millis(50));
        }
        if seen.kills.len().is_multiple_of(2) {
            until_a_gate_is_closed(mirror);
        }
        assert!(!daemon.stderr().contains("panicked"), "{}", daemon.stderr());
        daemon.kill();
        seen.kills.push(mirror.sandbox.up());
        seen.asked.extend(mirror.sandbox.take_requests());
        mirror.verify_changes("after a kill");
    }
}

/// Waits for the moment in which a kill tests most: a 429 is some time old, and its wait is not over.
fn until_a_gate_is_closed(mirror: &Mirror) {
    let deadline = Instant::now() + Duration::from_secs(4);
    let is_closed = |asked: &Asked| {
        let age = mirror.sandbox.up().saturating_sub(asked.at);
        asked.wait.is_some_and(|wait| age > FORGOTTEN + UNDER_WAY && age + FORGOTTEN < wait)
    };
    while Instant::now() < deadline && !mirror.sandbox.requests().iter().any(is_closed) {
        thread::sleep(Duration::from_millis(20));
    }
}

/// Resident bytes.
fn memory(daemon: &Program) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// The most memory in the first and in the last third.
fn thirds(memory: &[(Duration, u64)]) -> (u64, u64) {
    let (begin, end) = (memory.first().unwrap().0, memory.last().unwrap().0);
    let third = (end - begin) / 3;
    let most = |from: Duration, to: Duration| memory.iter().filter(|(at, _)| (from..=to).contains(at)).map(|(_, bytes)| *bytes).max();
    (most(begin, begin + third).unwrap(), most(end - third, end).unwrap())
}

/// Requests that came while the gate was closed: of the process that was told so, and of one that was started after it.
fn through_a_closed_gate(seen: &Seen) -> (usize, usize) {
    let (mut told, mut restarted) = (0, 0);
    for closing in &seen.asked {
        let Some(wait) = closing.wait else { continue };
        if seen.kills.iter().any(|kill| (closing.at..closing.at + FORGOTTEN).contains(kill)) {
            continue;
        }
        let closed = closing.at + UNDER_WAY..closing.at + wait;
        for through in seen.asked.iter().filter(|asked| closed.contains(&asked.came)) {
            let is_other = seen.kills.iter().any(|kill| (closing.at..through.came).contains(kill));
            if is_other { restarted += 1 } else { told += 1 }
        }
    }
    (told, restarted)
}

/// A consumer's copy of a row: the change that it knows, whether the row is deleted, and what it says.
type Copied = (i64, bool, Option<String>, String);

/// A consumer that follows by `change_seq`, and takes its time.
#[derive(Default)]
struct Reader {
    last: i64,
    rows: BTreeMap<(String, String), Copied>,
    by_change: BTreeMap<i64, (String, String)>,
}

const NEWS: &str = "SELECT feed_id, listing_id, change_seq, deleted_at IS NOT NULL,
        CASE WHEN deleted_at IS NULL THEN mls_update_date || ' ' || ifnull(price, '') || ' ' || ifnull(listing_status, '') END, changed_at
    FROM listings WHERE change_seq > ?1 ORDER BY change_seq";

impl Reader {
    /// Reads what is new in one snapshot, and holds that for a while.
    fn look(&mut self, mirror: &Mirror, hold: Duration) {
        let mut db = mirror.open();
        let snapshot = db.transaction().unwrap();
        let news = || {
            let mut statement = snapshot.prepare(NEWS).unwrap();
            let rows = statement
                .query_map([self.last], |row| Ok(((row.get(0)?, row.get(1)?), (row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))));
            rows.unwrap().map(Result::unwrap).collect::<Vec<((String, String), Copied)>>()
        };
        let fresh = news();
        thread::sleep(hold);
        assert_eq!(news(), fresh, "a snapshot changed");
        for (key, row) in fresh {
            assert!(row.0 > self.last, "change {} came after {}", row.0, self.last);
            self.last = row.0;
            let known = self.by_change.insert(row.0, key.clone());
            assert!(known.is_none(), "change {} was of {known:?} and is of {key:?}", row.0);
            self.rows.insert(key, row);
        }
    }

    /// What was followed is what is there: nothing was missed, and no number was given to two changes.
    fn verify(&self, mirror: &Mirror) {
        let mut afresh = Reader::default();
        afresh.look(mirror, Duration::ZERO);
        assert!(self.rows == afresh.rows, "the followed rows differ from the file's");
        for (change, key) in mirror.query("SELECT seq, feed_id, key FROM changes", |row| {
            Ok((row.get::<_, i64>(0)?, (row.get::<_, String>(1)?, row.get::<_, String>(2)?)))
        }) {
            let followed = self.by_change.get(&change);
            assert!(followed.is_none_or(|followed| *followed == key), "change {change} was of {followed:?} and is of {key:?}");
        }
        for feed in FEEDS {
            let live = self.rows.iter().filter(|((of, _), row)| of == feed && !row.1).count();
            assert_eq!(live, mirror.truly_live(feed).len(), "live listings of {feed}");
        }
    }
}

/// Follows until it is told to stop.
fn follow(mirror: &Mirror, stop: &AtomicBool, hold: Duration) -> Reader {
    let mut reader = Reader::default();
    while !stop.load(Ordering::Relaxed) {
        if mirror.is_ready() {
            reader.look(mirror, hold);
        }
        thread::sleep(Duration::from_millis(50));
    }
    reader
}

/// Faults off, changes off: what is left to do for a daemon is done, and it is stopped.
fn calm(mirror: &Mirror, seen: &mut Seen) {
    mirror.sandbox.reconfigure(|options| options.fault_rate = 0.0);
    mirror.quiet();
    let daemon = mirror.start(&["run"]);
    let deadline = Instant::now() + LIMIT;
    while !mirror.verdict().is_ok_and(|verdict| verdict.agrees()) {
        let told = || format!("{}\n{:?}\n{}", mirror.verdict().unwrap(), mirror.status(), daemon.stderr());
        assert!(Instant::now() < deadline, "the file is not true: {}", told());
        thread::sleep(Duration::from_millis(100));
    }
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(5)).succeeded();
    seen.asked.extend(mirror.sandbox.take_requests());
    mirror.verify("after the soak");
}

fn failed(asked: &Asked) -> bool {
    asked.answered != 200 || asked.endpoint == "SyncListings" && asked.total.is_none()
}

#[test]
fn nothing_is_lost_or_invented_whatever_happens_at_once() {
    let span = std::env::var("MLS_SYNC_SOAK").map_or(USUAL, |text| humantime::parse_duration(&text).unwrap());
    let options = Options { fault_rate: 0.2, churn_per_second: 25.0, late: 0.1, late_by_ms: 500, ..feeds(&FEEDS) };
    let mirror = Mirror::new(options)
        .with(|settings| (settings.timeout, settings.interval, settings.requests_per_second) = ("2s", "700ms", CEILING));
    let (mut seen, stop) = (Seen::default(), AtomicBool::new(false));
    let readers: Vec<Reader> = thread::scope(|scope| {
        let (mirror, stop) = (&mirror, &stop);
        let following: Vec<_> =
            [1_500, 4_000].into_iter().map(|hold| scope.spawn(move || follow(mirror, stop, Duration::from_millis(hold)))).collect();
        let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            rough_lives(mirror, span, &mut seen);
            calm(mirror, &mut seen);
        }));
        // The readers end whether or not all went well.
        stop.store(true, Ordering::Relaxed);
        let readers = following.into_iter().map(|reader| reader.join().unwrap()).collect();
        lived.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        readers
    });
    for mut reader in readers {
        reader.look(&mirror, Duration::ZERO);
        reader.verify(&mirror);
    }
    let (faults, closings) =
        (seen.asked.iter().filter(|asked| failed(asked)).count(), seen.asked.iter().filter(|asked| asked.wait.is_some()).count());
    let (first, last) = thirds(&seen.memory);
    let (told, restarted) = through_a_closed_gate(&seen);
    let changes = mirror.number("SELECT count(*) FROM changes");
    let figures = format!(
        "soak: {span:?}, {} requests, {faults} of them failed, {closings} of these by a 429, {} kills, {changes} changes, memory {} MB at first \
         and {} MB at last, requests through a closed gate: {told} of the same process, {restarted} of one started after it\n",
        seen.asked.len(),
        seen.kills.len(),
        first / MB,
        last / MB,
    );
    // Past the capture of the test's output: a soak that passes has something to say, too.
    std::io::stderr().write_all(figures.as_bytes()).unwrap();
    assert!(faults * 20 > seen.asked.len() && closings >= 3 && seen.kills.len() >= 3, "too calm to prove anything: {figures}");
    assert!(changes > 700 && seen.asked.len() > 100, "too little happened: {figures}");
    assert!(last <= first + first / 2 + 32 * MB, "memory grows: {figures}");
    assert_eq!((told, restarted), (0, 0), "{figures}");
}
