//! Listing processes by the real program: cancelled ones that the vendor hides, its totals, and a reconcile that changes nothing.

use crate::support::{Ended, LIMIT, Program, eventually};
use mls_sync::sandbox::spotahome::{Cancelled, Options, SpotahomeSandbox};
use rusqlite::Connection;
use serde_json::Value;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// Of header, payload and signature, the second names a user.
const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6NDA3MDkwODgwMH0.secretsecretsecret";

/// The vendor's sandbox, and a configuration that names it alone.
struct Account {
    sandbox: SpotahomeSandbox,
    dir: TempDir,
    runs: AtomicU32,
    _runtime: tokio::runtime::Runtime,
}

impl Account {
    fn new(processes: usize, cancelled: Cancelled) -> Account {
        let options = Options { token: TOKEN.parse().unwrap(), processes, cancelled, ..Options::default() };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let sandbox = runtime.block_on(SpotahomeSandbox::start(options, anywhere)).unwrap();
        let account = Account { sandbox, dir: crate::support::directory(), runs: AtomicU32::new(0), _runtime: runtime };
        account.write("token", TOKEN);
        account.configure("");
        account
    }

    /// Writes the configuration, with more settings of the section.
    fn configure(&self, more: &str) {
        let (url, token, database) = (self.sandbox.url(), self.path("token"), self.path("mls.db"));
        let section = format!("base_url = {url:?}\ntoken_file = {token:?}\nevery = \"1s\"\nitems_per_page = 20\n{more}");
        let rate = "[spotahome.rate]\nrequests_per_second = 1000.0\n";
        self.write("config.toml", &format!("database = {database:?}\n[spotahome]\n{section}\n{rate}"));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn start(&self, arguments: &[&str]) -> Program {
        let config = self.path("config.toml");
        let output = self.path(&format!("run-{}", self.runs.fetch_add(1, Ordering::Relaxed)));
        Program::start(&[&["--config", config.to_str().unwrap()], arguments].concat(), &[], &output)
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).wait(LIMIT)
    }

    fn reconcile(&self) -> Ended {
        self.run(&["reconcile", "--vendor", "spotahome"])
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.run(arguments).succeeded().stdout).unwrap()
    }

    fn number(&self, sql: &str) -> i64 {
        Connection::open(self.path("mls.db")).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Ids of processes that the vendor has and that are cancelled, or are not.
    fn there(&self, is_cancelled: bool) -> Vec<i64> {
        self.sandbox.with_world(|world| {
            let ids = world.ids();
            ids.into_iter().filter(|id| world.process(*id).is_some_and(|process| process.is_cancelled() == is_cancelled)).collect()
        })
    }

    fn cancel(&self, id: i64) {
        assert!(self.sandbox.with_world(|world| world.edit(id, |facts| facts.state = "cancelled".to_owned())));
    }

    /// How many requests from this one on hold this in their query.
    fn asked(&self, from: usize, what: &str) -> usize {
        self.sandbox.requests().iter().skip(from).filter(|asked| asked.query.contains(what)).count()
    }
}

const LIVE: &str = "SELECT count(*) FROM listing_processes WHERE deleted_at IS NULL";
const CANCELLED: &str = "SELECT count(*) FROM listing_processes WHERE deleted_at IS NULL AND state = 'cancelled'";

#[test]
fn cancelled_processes_are_mirrored_wherever_the_vendor_has_them() {
    for (cancelled, are_there) in [
        (Cancelled::Listed, true),
        (Cancelled::Hidden, true),
        (Cancelled::Days(0), true),
        (Cancelled::ByState, true),
        (Cancelled::Refused, false),
        (Cancelled::Gone, false),
    ] {
        let account = Account::new(90, cancelled);
        account.run(&["run", "--once"]).succeeded();
        let hidden = i64::try_from(account.there(true).len()).unwrap();
        let expected = if are_there { hidden } else { 0 };
        assert!(hidden > 3);
        assert_eq!((account.number(CANCELLED), account.number(LIVE)), (expected, 90 - hidden + expected), "{cancelled:?}");
        assert_eq!(account.number("SELECT proven_rows FROM censuses"), 90 - hidden + expected, "{cancelled:?}");
    }
}

#[test]
fn where_nothing_is_hidden_cancelled_ones_cost_one_request_more() {
    let account = Account::new(190, Cancelled::Listed);
    account.configure("states_every = \"0s\"\n");
    account.sandbox.with_world(|world| {
        world.ids().into_iter().take(60).for_each(|id| {
            world.edit(id, |facts| facts.state = "cancelled".to_owned());
        })
    });
    account.run(&["run", "--once"]).succeeded();
    assert_eq!((account.asked(0, "state="), account.asked(0, "state=cancelled")), (1, 1));
    account.sandbox.reconfigure(|options| options.cancelled = Cancelled::Hidden);
    let before = account.sandbox.requests().len();
    account.reconcile().succeeded();
    assert!(account.asked(before, "state=cancelled&page=3") > 0, "{:?}", account.sandbox.requests());
}

#[test]
fn one_that_is_cancelled_and_hidden_stays_and_one_that_vanishes_is_deleted() {
    for cancelled in [Cancelled::Listed, Cancelled::Hidden, Cancelled::ByState] {
        let account = Account::new(60, cancelled);
        account.run(&["run", "--once"]).succeeded();
        let [hidden, gone] = account.there(false)[..2].try_into().unwrap();
        account.cancel(hidden);
        assert!(account.sandbox.with_world(|world| world.vanish(gone)));
        account.reconcile().succeeded();
        let rows = format!(
            "SELECT count(*) FROM listing_processes WHERE process_id = {hidden} AND deleted_at IS NULL AND state = 'cancelled'
                 OR process_id = {gone} AND deleted_cause = 'absent'"
        );
        assert_eq!(account.number(&rows), 2, "{cancelled:?}");
        let told = format!(
            "SELECT count(*) FROM process_changes JOIN censuses ON entity = 'process'
             WHERE (process_id, kind) IN (({hidden}, 'state'), ({gone}, 'vanish')) AND after < by AND after < proven_at"
        );
        assert_eq!(account.number(&told), 2, "{cancelled:?}");
        assert_eq!(account.number("SELECT count(*) FROM process_changes WHERE kind = 'insert' AND after IS NULL"), 60);
    }
}

#[test]
fn an_absence_is_one_of_cancelled_ones_only_if_the_vendor_says_so() {
    let account = Account::new(60, Cancelled::Refused);
    account.run(&["run", "--once"]).succeeded();
    let open = account.number(LIVE);
    let gone = account.there(false)[0];
    assert!(account.sandbox.with_world(|world| world.vanish(gone)));
    account.reconcile().succeeded();
    assert_eq!(account.number(LIVE), open - 1, "the list by state is refused, and the one by id says that there is none");
    account.sandbox.reconfigure(|options| options.cancelled = Cancelled::Listed);
    account.reconcile().succeeded();
    let all = account.number(LIVE);
    assert!(all > open + 3);
    account.sandbox.reconfigure(|options| options.cancelled = Cancelled::Gone);
    account.reconcile().succeeded();
    assert_eq!(account.number(LIVE), all, "cancelled ones that are in no list any more stay");
}

#[test]
fn an_absence_has_its_interval_from_the_last_reading_that_showed_it() {
    let account = Account::new(40, Cancelled::Listed);
    account.run(&["run", "--once"]).succeeded();
    let shown = "SELECT proven_at FROM censuses";
    let text = |sql: &str| Connection::open(account.path("mls.db")).unwrap().query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    let first = text(shown);
    let gone = account.there(false)[0];
    assert!(account.sandbox.with_world(|world| world.vanish(gone)));
    let daemon = account.start(&["run"]);
    eventually("it is deleted", LIMIT, || account.number("SELECT count(*) FROM listing_processes WHERE deleted_at IS NOT NULL") == 1);
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(10)).succeeded();
    let since = text("SELECT not_before FROM changes WHERE kind = 'deleted'");
    let lacked = text("SELECT min(at) FROM changes WHERE kind = 'deleted'");
    assert!(first <= since && since < lacked, "{first} {since} {lacked}");
    let printed = account.run(&["changes", "--entity", "process"]).succeeded().stdout;
    let last: Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    assert_eq!(last["not_before"], since);
    assert_eq!(
        account.json(&["history", "spotahome", &gone.to_string(), "--entity", "process", "--json"])["changes"][1]["not_before"],
        since
    );
}

#[test]
fn totals_of_the_vendor_tell_what_its_list_hides_and_which_states_are_new() {
    let account = Account::new(60, Cancelled::Listed);
    account.run(&["run", "--once"]).succeeded();
    let totals = || account.json(&["status", "--json"])["scanned"][0]["vendor_totals"].clone();
    assert_eq!((&totals()["all"], &totals()["notices"]), (&60.into(), &Value::Array(Vec::new())));
    let states = account.run(&["processes", "states"]).succeeded();
    let cancelled = account.number(CANCELLED);
    assert!(states.stdout.contains(&format!("{cancelled:>9}  {cancelled:>9}  cancelled")), "{}", states.both());
    let before = account.sandbox.requests().len();
    account.run(&["run", "--once"]).succeeded();
    assert_eq!(account.asked(before, "itemsPerPage=1&") + account.asked(before, "state=waitingContent"), 0, "once a day is enough");
    account.sandbox.reconfigure(|options| options.cancelled = Cancelled::Hidden);
    let asked = account.run(&["processes", "states", "--ask"]).succeeded();
    assert!(asked.stdout.contains("! the states come to 60 processes, and the whole list to"), "{}", asked.both());
    account.sandbox.with_world(|world| {
        let ids = world.ids();
        ids.into_iter().take(2).for_each(|id| _ = world.edit(id, |facts| facts.state = "archived".to_owned()));
    });
    account.sandbox.reconfigure(|options| options.extra_state = Some("archived".to_owned()));
    account.reconcile().succeeded();
    let status = account.run(&["status"]).succeeded();
    assert!(status.stdout.contains("that its document does not name: archived"), "{}", status.both());
    let shown = account.json(&["processes", "states", "--json"]);
    assert_eq!((&shown[0]["account"], &shown[0]["states"]["archived"]), (&"spotahome".into(), &2.into()));
    let sql = "SELECT total FROM process_states WHERE state = 'archived' AND is_listed AND NOT is_documented";
    assert_eq!(account.number(sql), 2);
}

#[test]
fn totals_are_not_asked_for_where_they_are_off_or_another_process_is_at_work() {
    let account = Account::new(30, Cancelled::Listed);
    account.configure("states_every = \"0s\"\n");
    account.run(&["processes", "states", "--ask"]).exited(2);
    let daemon = account.start(&["run"]);
    eventually("it is loaded", LIMIT, || {
        account.path("mls.db").exists() && account.run(&["status"]).stdout.contains("30 listing processes")
    });
    let asked = account.run(&["processes", "states", "--ask"]).exited(3);
    assert!(asked.stdout.contains("the vendor was not asked yet") && asked.both().contains("reads the totals itself"), "{}", asked.both());
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(10)).succeeded();
    assert_eq!(account.number("SELECT count(*) FROM process_states"), 0);
    account.run(&["processes", "states", "--ask"]).succeeded();
    assert_eq!(account.number("SELECT count(*) FROM process_states WHERE counted = 'state' AND is_listed AND is_documented"), 5);
    account.write("token", "wrong.wrong.wrong");
    let asked = account.run(&["processes", "states", "--ask"]).exited(1);
    assert!(asked.both().contains("HTTP 401") && asked.stdout.contains("waitingContent"), "{}", asked.both());
}

#[test]
fn a_dry_run_tells_what_a_reconcile_would_do_and_changes_nothing() {
    let account = Account::new(90, Cancelled::Listed);
    account.run(&["run", "--once"]).succeeded();
    let [gone, edited] = account.there(false)[..2].try_into().unwrap();
    account.sandbox.with_world(|world| {
        assert!(world.vanish(gone) && world.edit(edited, |facts| facts.agent = Some("an-agent".to_owned())));
        world.add();
    });
    let state = || {
        let count = "SELECT (SELECT count(*) FROM changes) * 1000000 + (SELECT count(*) FROM census_absent) * 1000 + count(*) FROM listing_processes";
        (account.number(count), account.json(&["status", "--json"])["scanned"].clone())
    };
    let before = state();
    let dry = ["reconcile", "--vendor", "spotahome", "--dry-run", "--json"];
    let told = account.json(&dry);
    let expected = r#"{"account":"spotahome","read":90,"added":1,"changed":1,"deleted":1,"withheld":0,"note":null}"#;
    assert_eq!(told, serde_json::from_str::<Value>(expected).unwrap());
    assert_eq!(state(), before);
    let done = account.json(&["reconcile", "--vendor", "spotahome", "--json"]);
    assert_eq!((&done["account"], &done["live"], &done["deleted"]), (&"spotahome".into(), &90.into(), &1.into()));
    let told = account.run(&dry[..4]).succeeded();
    assert!(told.stdout.contains("90 read  0 would be added  0 changed  0 deleted  0 absent"), "{}", told.both());
    let lost = account.there(false);
    account.sandbox.with_world(|world| lost.iter().for_each(|id| assert!(world.vanish(*id))));
    let before = state();
    let told = account.run(&dry[..4]).exited(1);
    assert!(told.stdout.contains(&format!("0 deleted  {} absent", lost.len())) && told.stdout.contains("! the vendor"), "{}", told.both());
    assert_eq!(state(), before);
    assert_eq!(account.number("SELECT count(*) FROM reconcile_runs"), 0, "there is nothing to approve");
}
