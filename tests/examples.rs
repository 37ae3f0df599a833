//! The programs in `examples/`, in other languages, run against the real one. Those whose language is not installed are
//! skipped, and say so; with `MLS_SYNC_ALL_EXAMPLES=1`, as in `.ci/run`, that fails.

use crate::support::{LIMIT, Mirror, eventually, small};
use mls_sync::sandbox::Options;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// Whether this can be run at all.
fn is_there(what: &str, command: &[&str]) -> bool {
    let probe = Command::new(command[0]).args(&command[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let there = probe.is_ok_and(|status| status.success());
    if !there {
        assert!(std::env::var_os("MLS_SYNC_ALL_EXAMPLES").is_none(), "{what} is not installed");
        eprintln!("SKIPPED, and not checked: {what} is not installed here");
    }
    there
}

fn succeeded(output: Output) -> String {
    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The follower, which is killed when it is dropped.
struct Follower(std::process::Child);

impl Follower {
    fn start(mirror: &Mirror, copy: &Path) -> Follower {
        let mut command = Command::new("python3");
        Follower(command.arg(example("follow.py")).arg(mirror.database()).arg(copy).spawn().unwrap())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn the_python_follower_ends_equal_through_churn_kills_restarts_a_cut_and_an_older_copy() {
    if !is_there("Python 3", &["python3", "-c", "import sqlite3"]) {
        return;
    }
    let mirror = Mirror::new(Options { churn_per_second: 40.0, ..small() });
    let config = fs::read_to_string(mirror.config()).unwrap();
    fs::write(mirror.config(), format!("{config}\n[history]\nkeep = \"1s\"\n")).unwrap();
    mirror.backfill();
    let backup = mirror.dir().join("backup");
    fs::copy(mirror.database(), &backup).unwrap();
    let copy = mirror.dir().join("copy.sqlite");
    for round in 0..4 {
        let daemon = mirror.start(&["run"]);
        let before = mirror.number("SELECT max(seq) FROM changes");
        let follower = Follower::start(&mirror, &copy);
        eventually("something changes", LIMIT, || mirror.number("SELECT max(seq) FROM changes") > before + 20);
        // In the middle of whatever they do.
        std::thread::sleep(Duration::from_millis(150 * round));
        drop(follower);
        daemon.signal("KILL");
        drop(daemon);
    }
    let daemon = mirror.start(&["run"]);
    eventually("changes are cut", LIMIT, || mirror.number("SELECT cut_seq FROM schema_meta") > 0);
    mirror.quiet();
    eventually("the file is true", LIMIT, || mirror.verdict().is_ok_and(|verdict| verdict.agrees()));
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(5)).succeeded();
    let catch_up = || {
        succeeded(Command::new("python3").arg(example("follow.py")).arg(mirror.database()).arg(&copy).arg("--once").output().unwrap());
        let said = mirror.run(&["verify", "--against", copy.to_str().unwrap()]).succeeded().stdout;
        assert!(said.contains(" the same, 0 different"), "{said}");
    };
    catch_up();
    // The operator puts the backup back, which is older than what the follower has.
    let mut follower = Follower::start(&mirror, &copy);
    let opened = format!("/proc/{}/fd", follower.0.id());
    let is_database = |entry: fs::DirEntry| fs::read_link(entry.path()).is_ok_and(|file| file == mirror.database());
    eventually("it has the file open", LIMIT, || fs::read_dir(&opened).unwrap().flatten().any(is_database));
    for end in ["", "-wal", "-shm"] {
        fs::remove_file(format!("{}{end}", mirror.database().display())).ok();
    }
    fs::copy(&backup, mirror.database()).unwrap();
    mirror.once();
    eventually("who follows notices that it is another file", LIMIT, || follower.0.try_wait().unwrap().is_some());
    catch_up();
    mirror.verify("in the end");
}

#[test]
fn the_node_example_tells_of_prices_that_fall() {
    if !is_there("Node.js", &["node", "--version"]) {
        return;
    }
    let mirror = Mirror::new(Options { churn_per_second: 200.0, ..small() });
    mirror.backfill();
    eventually("prices fall", LIMIT, || {
        mirror.once();
        mirror.number("SELECT count(*) FROM price_reductions") > 0
    });
    let lines = mirror.run(&["changes", "--columns", "price"]).succeeded().stdout;
    let input = mirror.dir().join("lines");
    fs::write(&input, lines).unwrap();
    let said = succeeded(Command::new("node").arg(example("price_drops.mjs")).stdin(fs::File::open(input).unwrap()).output().unwrap());
    let (seq, listing, old, new): (i64, String, i64, i64) = mirror
        .query("SELECT seq, listing_id, old_price, new_price FROM price_reductions ORDER BY seq LIMIT 1", |row| row.try_into())
        .remove(0);
    let first = said.lines().find(|line| line.starts_with(&format!("{seq}: "))).unwrap_or_else(|| panic!("{said}"));
    assert!(first.contains(&listing) && first.ends_with(&format!("from {old} to {new}")), "{first}");
}

#[test]
fn the_shell_example_writes_each_change_once() {
    if !is_there("jq", &["jq", "--version"]) {
        return;
    }
    let mirror = Mirror::new(small());
    mirror.backfill();
    let state = mirror.dir().join("state");
    let bin = Path::new(env!("CARGO_BIN_EXE_mls-sync")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let run = || {
        let mut command = Command::new("sh");
        command.arg(example("csv_of_changes.sh")).arg(mirror.config()).arg(&state).env("PATH", &path);
        succeeded(command.output().unwrap())
    };
    let first = run();
    assert_eq!(first.lines().count() as i64, mirror.number("SELECT count(*) FROM changes"));
    assert_eq!(run(), "");
    let listing = mirror.truly_live("GAMLS").first().unwrap().clone();
    mirror.sandbox.with_world(|world| assert!(world.delete("GAMLS", &listing)));
    mirror.quiet();
    mirror.once();
    let second = run();
    assert!(second.lines().count() == 1 && second.contains(&format!("\"GAMLS\",\"{}\",\"deleted\",,", listing.0)), "{second}");
}

#[test]
fn the_duckdb_example_prints_a_market() {
    if !is_there("DuckDB for Python", &["python3", "-c", "import duckdb, duckdb_extension_sqlite_scanner"]) {
        return;
    }
    let mirror = Mirror::new(small());
    mirror.backfill();
    let said = succeeded(Command::new("python3").arg(example("market.py")).arg(mirror.database()).output().unwrap());
    let sql = "SELECT city FROM public_listings WHERE listing_status_search = 'Active' GROUP BY city ORDER BY count(*) DESC, city LIMIT 1";
    let city: String = mirror.query(sql, |row| row.get(0)).remove(0);
    assert!(said.contains(&city) && said.contains("median_price"), "{said}");
}
