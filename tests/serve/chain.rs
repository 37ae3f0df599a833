//! A second mirror follows the first through `serve`.

use super::http::Served;
use crate::support::{Ended, KEY, LIMIT, Mirror, Program, Settings, eventually, feeds, small};
use mls_sync::sandbox::Options;
use rusqlite::{Connection, OpenFlags};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// The second mirror: the real program in a directory of its own.
struct Follower<'a> {
    mirror: &'a Mirror,
    config: PathBuf,
    database: PathBuf,
}

impl Follower<'_> {
    fn of<'a>(mirror: &'a Mirror, served: &Served) -> Follower<'a> {
        let directory = mirror.dir().join("second");
        fs::create_dir(&directory).unwrap();
        let (config, database) = (directory.join("config.toml"), directory.join("mls.db"));
        let settings = Settings { base_url: format!("http://{}", served.address), ..mirror.settings.clone() };
        fs::write(&config, settings.text(&database)).unwrap();
        Follower { mirror, config, database }
    }

    fn start(&self, arguments: &[&str]) -> Program {
        let all = [&["--config", self.config.to_str().unwrap()], arguments].concat();
        self.mirror.start_bare(&all, &[("MLS_SYNC_SYSTEM_ACCESS_KEY", KEY)])
    }

    /// The first file against the second.
    fn compared(&self) -> Ended {
        let (first, second) = (self.mirror.database(), self.database.clone());
        self.start(&["verify", first.to_str().unwrap(), "--against", second.to_str().unwrap()]).wait(LIMIT)
    }

    fn number(&self, sql: &str) -> i64 {
        let file = Connection::open_with_flags(&self.database, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        file.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Both files have the same sums, tombstones included, and then the same rows.
    fn becomes_equal(&self, limit: Duration) {
        let sums = |path: PathBuf| -> Vec<(String, i64, String)> {
            let Ok(file) = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY) else { return Vec::new() };
            let Ok(mut statement) = file.prepare("SELECT feed_id, rows, hash FROM checksums ORDER BY feed_id") else { return Vec::new() };
            statement.query_map([], |row| row.try_into()).map(|rows| rows.flatten().collect()).unwrap_or_default()
        };
        let both = || (sums(self.mirror.database()), sums(self.database.clone()));
        eventually("the second file equals the first", limit, || {
            let (first, second) = both();
            !first.is_empty() && first == second
        });
        self.compared().succeeded();
    }
}

#[test]
fn a_second_mirror_loads_what_the_first_holds_and_is_equal_to_it() {
    let mirror = Mirror::new(feeds(&["GAMLS", "NWMLS"]));
    mirror.backfill();
    let served = Served::of(&mirror, "");
    let second = Follower::of(&mirror, &served);
    second.start(&["run", "--backfill"]).wait(LIMIT).succeeded();
    second.becomes_equal(LIMIT);
    assert_eq!(second.number("SELECT count(*) FROM listings WHERE deleted_at IS NOT NULL"), 60);
    assert_eq!(second.number("SELECT count(*) FROM late_listings"), 0, "by the mirror's time, nothing came late");
    assert_eq!(second.number("SELECT count(*) FROM cursors WHERE from_rule <> 'exact'"), 0);
}

#[test]
fn what_the_first_removed_and_took_back_under_the_old_dates_is_live_at_the_second() {
    let mirror = Mirror::new(small());
    mirror.backfill();
    let served = Served::of(&mirror, "");
    let second = Follower::of(&mirror, &served);
    second.start(&["run", "--backfill"]).wait(LIMIT).succeeded();
    // What changed within the last seconds is read by the next run.
    let holds = |live: i64| {
        second.start(&["run", "--once"]).wait(LIMIT).succeeded();
        second.number("SELECT count(*) FROM live_listings") == live
    };
    let live = second.number("SELECT count(*) FROM live_listings");
    mirror.run(&["feeds", "remove", "GAMLS", "--yes"]).succeeded();
    eventually("the second holds none", LIMIT, || holds(0));
    mirror.backfill().succeeded();
    eventually("the second holds all", LIMIT, || holds(live));
    second.becomes_equal(LIMIT);
}

#[test]
fn a_second_mirror_follows_the_first_from_the_first_minute_on_through_churn_and_kills() {
    let options = Options { listings: 3000, deleted: 200, churn_per_second: 20.0, ..small() };
    // So slowly that the second begins, is killed and begins again while the first still loads.
    let mirror = Mirror::new(options).with(|settings| (settings.requests_per_second, settings.overlap) = (18.0, "30s"));
    let first = mirror.start(&["run"]);
    eventually("the first has begun", LIMIT, || mirror.live("GAMLS") > 0);
    let mut served = Served::of(&mirror, "");
    let second = Follower::of(&mirror, &served);
    let mut following = second.start(&["run"]);
    let mut leading = first;
    for round in 0..3 {
        std::thread::sleep(Duration::from_millis(1500));
        match round {
            0 => {
                following.kill();
                following = second.start(&["run"]);
            }
            1 => {
                leading.kill();
                leading = mirror.start(&["run"]);
            }
            _ => served = served.restarted(&mirror),
        }
    }
    assert!(mirror.live("GAMLS") < 2800, "the first is still loading");
    eventually("the first has loaded", Duration::from_secs(120), || mirror.live("GAMLS") > 2800);
    mirror.quiet();
    eventually("the first is true", Duration::from_secs(120), || mirror.verdict().unwrap().agrees());
    second.becomes_equal(Duration::from_secs(120));
    leading.signal("TERM");
    following.signal("TERM");
    leading.wait(LIMIT).succeeded();
    following.wait(LIMIT).succeeded();
    mirror.verify("the first");
    second.becomes_equal(LIMIT);
    drop(served);
}
