//! What the machine may do to the program, by the real program.

use super::seconds;
use crate::support::{KEY, LIMIT, Mirror, Program, always, eventually, small};
use mls_sync::sandbox::{Fault, Options};
use rusqlite::Connection;
use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

fn change(mirror: &Mirror, count: usize) {
    mirror.sandbox.with_world(|world| (0..count).for_each(|_| drop(world.random_change())));
}

/// Ends the daemon, and compares.
fn ends_true(mirror: &Mirror, daemon: Program, what: &str) {
    mirror.quiet();
    let before = mirror.requests().len();
    let deadline = Instant::now() + LIMIT;
    while mirror.requests().len() < before + 6 {
        assert!(Instant::now() < deadline, "{what}: it polls no more; its log:\n{}", daemon.stderr());
        std::thread::sleep(Duration::from_millis(10));
    }
    daemon.signal("TERM");
    daemon.wait(seconds(10)).succeeded();
    mirror.verify(what);
}

fn limit(program: &Program, what: &str) {
    let set = Command::new("prlimit").args(["--pid", &program.pid().to_string(), what]).status().unwrap();
    assert!(set.success(), "prlimit {what}");
}

/// The trouble that `status` tells of, if any.
fn trouble(mirror: &Mirror) -> Option<String> {
    let text = mirror.run(&["status", "--json"]).succeeded().stdout;
    let status: serde_json::Value = serde_json::from_str(&text).unwrap();
    status["process"]["trouble"].as_str().map(str::to_owned)
}

/// A limit on the size of files stands in for a disk without room: writing fails, reading does not.
#[test]
fn a_full_disk_stops_the_asking_and_the_daemon_goes_on_when_there_is_room() {
    let mirror = Mirror::new(small());
    // Where a limit is passed, the system would send a signal that a full disk does not.
    let mut daemon = mirror.start_behind(&["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""], &["run"]);
    eventually("everything is loaded", LIMIT, || mirror.live("GAMLS") == 300);
    limit(&daemon, "--fsize=30000:unlimited");
    change(&mirror, 100);
    // A little may still be written at times, and the trouble is over for a moment then.
    let shown = || mirror.run(&["status"]).succeeded().stdout;
    eventually("status tells it", LIMIT, || shown().lines().any(|line| line.contains("! database: ") && line.contains("disk")));
    let asked = mirror.requests().len();
    always("the vendor is left in peace", seconds(3), || mirror.requests().len() <= asked + 6);
    assert!(daemon.is_running());
    limit(&daemon, "--fsize=unlimited:unlimited");
    eventually("the trouble is over", LIMIT, || trouble(&mirror).is_none());
    assert!(daemon.stderr().contains("nothing is lost") || daemon.stderr().contains("so no request leaves"), "{}", daemon.stderr());
    ends_true(&mirror, daemon, "after the disk was full");
}

#[test]
fn a_database_locked_by_another_writer_is_waited_for() {
    let mirror = Mirror::new(small());
    let mut daemon = mirror.start(&["run"]);
    eventually("everything is loaded", LIMIT, || mirror.live("GAMLS") == 300);
    let other = Connection::open(mirror.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    change(&mirror, 50);
    eventually("status tells it", LIMIT, || trouble(&mirror).is_some_and(|why| why.contains("another program is writing to it")));
    let asked = mirror.requests().len();
    always("the vendor is left in peace", seconds(3), || mirror.requests().len() <= asked + 6);
    assert!(daemon.is_running() && daemon.stderr().contains("another program is writing to it"), "{}", daemon.stderr());
    // Nor does it keep one from starting.
    daemon.kill();
    let mut daemon = mirror.start(&["run"]);
    eventually("it tells why nothing is mirrored yet", LIMIT, || daemon.stderr().contains("so the feed is not mirrored yet"));
    assert!(daemon.is_running());
    other.execute_batch("COMMIT").unwrap();
    eventually("the trouble is over", LIMIT, || trouble(&mirror).is_none());
    ends_true(&mirror, daemon, "after the lock");
}

/// A command of a person waits for a while, and then says why it cannot.
#[test]
fn a_question_that_cannot_be_counted_is_not_asked_and_ends() {
    let mirror = Mirror::new(small());
    mirror.backfill();
    let other = Connection::open(mirror.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    mirror.sandbox.clear_requests();
    let ended = mirror.start(&["why", "GAMLS", "x", "--ask"]).wait(seconds(30)).exited(1);
    assert!(ended.stderr.contains("another program is writing to it"), "{}", ended.stderr);
    assert_eq!(mirror.requests().len(), 0);
}

#[test]
fn a_reader_that_holds_a_snapshot_is_named_and_the_wal_shrinks_when_it_ends() {
    let mirror = Mirror::new(Options { listings: 6000, page_size: 200, ..small() });
    let daemon = mirror.start(&["run"]);
    eventually("the load is under way", LIMIT, || mirror.live("GAMLS") > 0);
    let reader = mirror.open();
    reader.execute_batch("BEGIN; SELECT count(*) FROM feeds").unwrap();
    let wal = || fs::metadata(mirror.dir().join("mls.db-wal")).map_or(0, |file| file.len());
    eventually("the WAL grows", LIMIT, || wal() > 40 << 20);
    let me = format!("(PID {})", std::process::id());
    eventually("status names who reads", LIMIT, || {
        let shown = mirror.run(&["status"]).succeeded().stdout;
        shown.contains("! snapshot: a program reads in one long transaction") && shown.contains(&me)
    });
    assert!(daemon.stderr().contains("one long transaction"), "{}", daemon.stderr());
    reader.execute_batch("COMMIT").unwrap();
    eventually("the notice is taken back", LIMIT, || !mirror.run(&["status"]).succeeded().stdout.contains("! snapshot"));
    change(&mirror, 20);
    eventually("the WAL has shrunk", LIMIT, || wal() <= 33 << 20);
    ends_true(&mirror, daemon, "after the reader");
}

#[test]
fn a_file_made_read_only_is_written_on_and_refused_at_the_next_start() {
    let mirror = Mirror::new(small());
    let daemon = mirror.start(&["run"]);
    eventually("everything is loaded", LIMIT, || mirror.live("GAMLS") == 300);
    let locked = |mode| {
        for name in ["mls.db", "mls.db-wal", "mls.db-shm"] {
            fs::set_permissions(mirror.dir().join(name), Permissions::from_mode(mode)).unwrap();
        }
    };
    locked(0o440);
    change(&mirror, 50);
    mirror.quiet();
    ends_true(&mirror, daemon, "after the file was made read-only");
    // The superuser may write all the same.
    if OpenOptions::new().append(true).open(mirror.database()).is_err() {
        let refused = mirror.run(&["run", "--once"]).exited(2);
        assert!(refused.stderr.contains("mls.db") && refused.stderr.contains("writable"), "{}", refused.stderr);
    }
    locked(0o640);
    mirror.once();
    mirror.verify("after it was made writable again");
}

/// What is done to the database while it is in use; the daemon must notice, and end with a word about it.
fn taken_away(how: impl FnOnce(&Path)) {
    let mirror = Mirror::new(small());
    let home = mirror.dir().join("home");
    fs::create_dir(&home).unwrap();
    let database = home.join("mls.db");
    fs::write(mirror.config(), mirror.settings.text(&database)).unwrap();
    let daemon = mirror.start(&["run"]);
    let live = || Connection::open(&database).and_then(|db| db.query_row("SELECT count(*) FROM live_listings", [], |row| row.get(0)));
    eventually("everything is loaded", LIMIT, || database.exists() && live().unwrap_or(0) == 300);
    how(&home);
    change(&mirror, 5);
    let ended = daemon.wait(seconds(15)).exited(1);
    assert!(ended.stderr.contains("was removed, moved or replaced while it was in use"), "{}", ended.stderr);
    assert!(ended.stderr.contains("Start mls-sync again"), "{}", ended.stderr);
}

#[test]
fn a_database_that_is_removed_moved_or_replaced_is_noticed() {
    taken_away(|home| fs::remove_dir_all(home).unwrap());
    taken_away(|home| fs::rename(home.join("mls.db"), home.join("elsewhere.db")).unwrap());
    taken_away(|home| {
        fs::copy(home.join("mls.db"), home.join("copy.db")).unwrap();
        fs::rename(home.join("copy.db"), home.join("mls.db")).unwrap();
    });
    taken_away(|home| fs::remove_file(home.join("mls.db-wal")).unwrap());
    taken_away(|home| fs::remove_file(home.join("mls.db-shm")).unwrap());
    taken_away(|home| fs::remove_file(home.join("mls.db.lock")).unwrap());
}

/// Two writers that do not see each other's locks destroy a database: the second must not begin.
#[test]
fn no_second_writer_begins_where_the_shm_file_was_removed() {
    let mirror = Mirror::new(Options { churn_per_second: 50.0, ..small() }).with(|settings| settings.interval = "2s");
    let daemon = mirror.start(&["run"]);
    eventually("everything is loaded", LIMIT, || mirror.live("GAMLS") >= 290 && mirror.status_of("GAMLS")["activity"] == "waiting");
    // Stopped, it cannot notice the removal, too, and end before the command is refused.
    daemon.signal("STOP");
    fs::remove_file(mirror.dir().join("mls.db-shm")).unwrap();
    let refused = mirror.run(&["feeds", "remove", "ZZZ"]).exited(2);
    daemon.signal("CONT");
    assert!(refused.stderr.contains("its -shm file was removed while `mls-sync run`"), "{}", refused.stderr);
    let ended = daemon.wait(seconds(15)).exited(1);
    assert!(ended.stderr.contains("was removed, moved or replaced"), "{}", ended.stderr);
    mirror.verify_changes("after the -shm file was removed");
    mirror.quiet();
    mirror.once();
    mirror.verify("after the -shm file was removed");
}

#[test]
fn a_log_that_nobody_reads_neither_stops_the_daemon_nor_keeps_it() {
    let mirror = Mirror::new(small());
    let script = "{ \"$0\" \"$@\"; echo $? > code; } 2>&1 | head -n 1 > first";
    let mut shell = mirror.start_behind(&["sh", "-c", script], &["-v", "run"]);
    eventually("everything is loaded", LIMIT, || mirror.live("GAMLS") == 300);
    mirror.sandbox.set_fault(None, Some(Fault::Html));
    let asked = mirror.requests().len();
    eventually("it has had something to say", LIMIT, || mirror.requests().len() > asked + 2);
    assert!(shell.is_running());
    let status: serde_json::Value = serde_json::from_str(&mirror.run(&["status", "--json"]).stdout).unwrap();
    let pid = status["process"]["pid"].as_u64().unwrap().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    shell.wait(seconds(5)).succeeded();
    assert_eq!(fs::read_to_string(mirror.dir().join("code")).unwrap(), "0\n");
}

#[test]
fn a_process_that_was_suspended_goes_on_where_it_was() {
    let mirror = Mirror::new(small()).with(|settings| settings.timeout = "1s");
    let daemon = mirror.start(&["run"]);
    eventually("everything is loaded", LIMIT, || mirror.live("GAMLS") == 300);
    mirror.sandbox.set_fault(None, Some(Fault::Hang(Duration::from_millis(300))));
    let asked = mirror.requests().len();
    eventually("a request is under way", LIMIT, || mirror.requests().len() > asked);
    daemon.signal("STOP");
    change(&mirror, 60);
    std::thread::sleep(seconds(4));
    mirror.sandbox.set_fault(None, None);
    daemon.signal("CONT");
    ends_true(&mirror, daemon, "after a suspend");
}

#[test]
fn a_process_out_of_file_descriptors_waits_for_some() {
    let mirror = Mirror::new(small());
    let mut daemon = mirror.start(&["run"]);
    eventually("everything is loaded", LIMIT, || mirror.live("GAMLS") == 300);
    limit(&daemon, "--nofile=4:4096");
    // The connections that are open already are lost: there may be two.
    (0..2).for_each(|_| mirror.sandbox.fault_next(Fault::Reset));
    let is_noted = || mirror.status_of("GAMLS")["note"].as_str().is_some_and(|note| note.contains("Too many open files"));
    eventually("the status says why", LIMIT, is_noted);
    change(&mirror, 30);
    assert!(daemon.is_running());
    limit(&daemon, "--nofile=4096:4096");
    eventually("it recovers", LIMIT, || mirror.status_of("GAMLS")["note"].is_null());
    ends_true(&mirror, daemon, "after it had no descriptors");
}

/// What a power cut may leave: the end of the WAL missing or torn, wherever the last sync was, and no -shm.
#[test]
fn a_power_cut_at_any_moment_loses_no_listing() {
    let mirror = Mirror::new(Options { churn_per_second: 200.0, ..small() });
    let wal = mirror.dir().join("mls.db-wal");
    for round in 0..6_u64 {
        let daemon = mirror.start(&["run"]);
        let asked = mirror.requests().len();
        eventually("it has worked", LIMIT, || mirror.requests().len() > asked + 8);
        daemon.kill();
        let length = fs::metadata(&wal).map_or(0, |file| file.len());
        let kept = length * (round + 1) / 7;
        tear(&wal, kept, round % 2 == 0);
        fs::remove_file(mirror.dir().join("mls.db-shm")).ok();
        // Before anybody else opens it.
        mirror.verify_changes(&format!("power cut {round}: {kept} of {length} bytes of the WAL left"));
    }
    mirror.quiet();
    mirror.backfill();
    mirror.verify("after power cuts");
}

/// Cuts a file; or leaves its length and fills the rest with what was never written there.
fn tear(path: &Path, kept: u64, cut: bool) {
    let Ok(file) = OpenOptions::new().write(true).open(path) else { return };
    let length = file.metadata().unwrap().len();
    file.set_len(kept).unwrap();
    if !cut {
        file.set_len(length).unwrap();
    }
}

#[test]
fn new_files_are_closed_to_others_and_open_ones_are_warned_of() {
    let mut mirror = Mirror::new(small());
    let key = mirror.dir().join("key");
    fs::write(&key, KEY).unwrap();
    mirror.set(|settings| settings.key_file = Some(key.clone()));
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    let ended = mirror.backfill();
    assert!(!ended.stderr.contains("can read"), "{}", ended.stderr);
    for name in ["mls.db", "mls.db-wal", "mls.db-shm", "mls.db.lock"] {
        let mode = fs::metadata(mirror.dir().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o640, "{name}: {mode:o}");
    }
    for (path, mode) in [(key.clone(), 0o604), (mirror.config(), 0o644)] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let ended = mirror.once();
        assert!(ended.stderr.contains(&format!("every user of this machine can read {}", path.display())), "{}", ended.stderr);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn the_key_is_in_no_core_dump_and_no_process_list() {
    let mirror = Mirror::new(small());
    let daemon = mirror.start(&["run"]);
    eventually("everything is loaded", LIMIT, || mirror.live("GAMLS") == 300);
    let proc = PathBuf::from(format!("/proc/{}", daemon.pid()));
    let limits = fs::read_to_string(proc.join("limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    let arguments = fs::read(proc.join("cmdline")).unwrap();
    assert!(!arguments.windows(KEY.len()).any(|window| window == KEY.as_bytes()));
    // What lets others of the same user look into it belongs to the superuser now.
    use std::os::unix::fs::MetadataExt;
    assert_eq!(fs::metadata(proc.join("environ")).unwrap().uid(), 0);
}

#[test]
fn sigterm_in_the_middle_of_commits_loses_nothing() {
    let mirror = Mirror::new(Options { listings: 1500, page_size: 200, ..small() });
    for round in 0..5 {
        let load = mirror.start(&["run", "--backfill"]);
        std::thread::sleep(Duration::from_millis(60 + 40 * round));
        let told = Instant::now();
        load.signal("TERM");
        load.wait(seconds(5));
        assert!(told.elapsed() < seconds(5));
        if mirror.is_ready() {
            mirror.verify_changes("stopped in the middle");
        }
    }
    mirror.backfill();
    mirror.verify("after five stops");
}
