//! What the program shows of accounts: `status --vendor`, `why identity`, `why process` and `demo --vendor`.

use crate::support::{Ended, LIMIT, Program, eventually};
use mls_sync::sandbox::spark::{self, SparkSandbox};
use mls_sync::sandbox::spotahome::{self, SpotahomeSandbox};
use rusqlite::Connection;
use serde_json::Value;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;

const ANYWHERE: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));
const SPARK_TOKEN: &str = "spark-secret-token-0123456789";
const SPOTAHOME_TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6NDA3MDkwODgwMH0.secretsecretsecret";

/// Both vendors, and one file that mirrors both.
struct Accounts {
    spark: SparkSandbox,
    spotahome: SpotahomeSandbox,
    dir: TempDir,
    runs: AtomicU32,
    _runtime: tokio::runtime::Runtime,
}

impl Accounts {
    fn start() -> Accounts {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let spark = spark::Options { identities: 30, deleted_identities: 4, token: SPARK_TOKEN.parse().unwrap(), ..Default::default() };
        let spotahome = spotahome::Options { processes: 40, token: SPOTAHOME_TOKEN.parse().unwrap(), ..Default::default() };
        let accounts = Accounts {
            spark: runtime.block_on(SparkSandbox::start(spark, ANYWHERE)).unwrap(),
            spotahome: runtime.block_on(SpotahomeSandbox::start(spotahome, ANYWHERE)).unwrap(),
            dir: crate::support::directory(),
            runs: AtomicU32::new(0),
            _runtime: runtime,
        };
        let (spark, spotahome) = (accounts.spark_section(), accounts.spotahome_section());
        accounts.configure(&format!("{spark}{spotahome}"));
        accounts.write("spark", SPARK_TOKEN);
        accounts.write("spotahome", SPOTAHOME_TOKEN);
        accounts
    }

    fn spark_section(&self) -> String {
        let (url, token) = (self.spark.url(), self.path("spark"));
        let rate = "[spark.rate]\nrequests_per_second = 1000.0\n";
        format!("[spark]\nbase_url = {url:?}\naccess_token_file = {token:?}\nevery = \"1s\"\n{rate}")
    }

    fn spotahome_section(&self) -> String {
        let (url, token) = (self.spotahome.url(), self.path("spotahome"));
        let rate = "[spotahome.rate]\nrequests_per_second = 1000.0\n";
        format!("[spotahome]\nbase_url = {url:?}\ntoken_file = {token:?}\nevery = \"1s\"\n{rate}")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn configure(&self, sections: &str) {
        self.write("config.toml", &format!("database = {:?}\n{sections}", self.path("mls.db")));
    }

    fn start_program(&self, words: &str) -> Program {
        let config = self.path("config.toml");
        let output = self.path(&format!("run-{}", self.runs.fetch_add(1, Ordering::Relaxed)));
        let words: Vec<&str> = ["--config", config.to_str().unwrap()].into_iter().chain(words.split(' ')).collect();
        Program::start(&words, &[], &output)
    }

    fn run(&self, words: &str) -> Ended {
        self.start_program(words).wait(LIMIT)
    }

    fn json(&self, words: &str) -> Value {
        serde_json::from_str(&self.run(words).succeeded().stdout).unwrap()
    }

    fn number(&self, sql: &str) -> i64 {
        Connection::open(self.path("mls.db")).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Reads an account once more, which is not due for a second.
    fn read_again(&self, vendor: &str) {
        let proven = || self.json(&format!("status --vendor {vendor} --json"))["scanned"][0]["proven_at"].to_string();
        let before = proven();
        eventually("it is read again", LIMIT, || {
            self.run(&format!("run --once --vendor {vendor}")).succeeded();
            proven() > before
        });
    }

    /// An identity that is live at the vendor.
    fn identity(&self) -> i64 {
        self.spark.with_world(|world| world.live()[2])
    }

    /// A process that is not cancelled.
    fn process(&self) -> i64 {
        self.spotahome.with_world(|world| {
            let is_open = |id: &i64| world.process(*id).is_some_and(|process| !process.is_cancelled());
            world.ids().into_iter().find(is_open).unwrap()
        })
    }

    /// Asserts that no secret stands in the file, nor in what the programs said.
    fn tells_no_secret(&self) {
        for file in fs::read_dir(self.dir.path()).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file()) {
            let bytes = fs::read(&file).unwrap();
            for (name, secret) in [("spark", SPARK_TOKEN), ("spotahome", SPOTAHOME_TOKEN)] {
                let holds = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!holds || file.ends_with(name), "{} holds a secret", file.display());
            }
        }
    }
}

#[test]
fn the_status_of_one_vendor_has_its_lines_alone() {
    let accounts = Accounts::start();
    accounts.run("run --once").succeeded();
    let check = |vendor: &str, shown: &[&str], left_out: &[&str]| {
        let text = accounts.run(&format!("status --vendor {vendor}")).succeeded().stdout;
        shown.iter().for_each(|word| assert!(text.contains(word), "{word} is not in\n{text}"));
        left_out.iter().for_each(|word| assert!(!text.contains(word), "{word} is in\n{text}"));
        let json = accounts.json(&format!("status --vendor {vendor} --json"));
        let accounts = |part: &str, of: &str| json[part].as_array().unwrap().iter().map(|one| one[of].to_string()).collect::<Vec<_>>();
        assert_eq!(accounts("scanned", "account"), [format!("{vendor:?}")]);
        assert!(accounts("accounts", "account").iter().all(|name| name.starts_with(&format!("\"{vendor}@"))), "{json}");
        assert_eq!(accounts("accounts", "account").len(), 1);
        assert_eq!((accounts("feeds", "feed_id").len(), &json["source"]), (0, &Value::Null));
    };
    check("spark", &["stopped", "30 identities live", "spark@"], &["processes", "spotahome"]);
    check("spotahome", &["stopped", "40 listing processes live", "spotahome@"], &["identities", "spark"]);
    let all = accounts.json("status --json");
    assert_eq!(all["scanned"].as_array().unwrap().len(), 2);
    let told = accounts.run("status --vendor constellation1").exited(2);
    assert!(told.stderr.contains("does not name the vendor \"constellation1\"; it names spark, spotahome"), "{}", told.both());
    accounts.run("status --vendor nobody").exited(2);
    accounts.configure("[constellation1]\nclient = \"C\"\n");
    assert_eq!(accounts.json("status --vendor constellation1 --json")["scanned"], serde_json::json!([]));
}

#[test]
fn why_tells_of_a_process_its_changes_and_both_sides() {
    let accounts = Accounts::start();
    accounts.run("run --once").succeeded();
    let id = accounts.process();
    assert!(accounts.spotahome.with_world(|world| world.edit(id, |facts| facts.agent = Some("first-agent".to_owned()))));
    accounts.read_again("spotahome");
    let known = accounts.run(&format!("why process {id}")).succeeded().stdout;
    for words in [&format!("process {id} of spotahome: live"), "agent first-agent", "added by", " -> first-agent", "last whole reading"] {
        assert!(known.contains(words), "{words} is not in\n{known}");
    }
    assert!(accounts.spotahome.with_world(|world| world.edit(id, |facts| facts.agent = Some("second-agent".to_owned()))));
    let asked = accounts.run(&format!("why process {id} --ask")).succeeded().stdout;
    assert!(asked.contains("the vendor has it, live"), "{asked}");
    let agent = asked.lines().find(|line| line.contains("agent_id") && line.contains("vendor")).unwrap_or_else(|| panic!("{asked}"));
    assert!(agent.contains("first-agent") && agent.contains("second-agent"), "{asked}");
    assert!(accounts.spotahome.with_world(|world| world.vanish(id)));
    let asked = accounts.json(&format!("why process {id} --ask --json"));
    assert_eq!((&asked["asked"]["found"], &asked["row"]["agent_id"]), (&false.into(), &"first-agent".into()));
    assert_eq!(accounts.number("SELECT count(*) FROM listing_processes WHERE deleted_at IS NOT NULL"), 0, "an answer deletes nothing");
    accounts.read_again("spotahome");
    let lacking = accounts.run(&format!("why process {id}")).succeeded().stdout;
    assert!(lacking.contains("lack it, and it is not deleted yet"), "{lacking}");
    accounts.run("reconcile --vendor spotahome").succeeded();
    let deleted = accounts.run(&format!("why process {id}")).succeeded().stdout;
    assert!(deleted.contains("deleted, learnt at") && deleted.contains("two whole readings lacked it"), "{deleted}");
    let never = accounts.run("why process 999999").exited(1).stdout;
    assert!(never.contains("never stored. The last whole reading"), "{never}");
    accounts.run("why process x").exited(2);
    accounts.tells_no_secret();
}

#[test]
fn why_tells_of_an_identity_its_deletion_and_the_history_that_the_vendor_keeps() {
    let accounts = Accounts::start();
    accounts.run("run --once").succeeded();
    let id = accounts.identity();
    let shown = accounts.run(&format!("why identity {id} --ask")).succeeded().stdout;
    for words in
        [&format!("identity {id} of spark: live"), "last active", &format!("Company {id}"), "the vendor has it, live", "its history"]
    {
        assert!(shown.contains(words), "{words} is not in\n{shown}");
    }
    let json = accounts.json(&format!("why identity {id} --ask --json"));
    assert_eq!((&json["row"]["identity_id"], &json["asked"]["differing"]), (&id.into(), &serde_json::json!([])));
    assert!(json["asked"]["history"]["Results"].is_array(), "{json}");
    assert!(json["changes"][0]["kind"] == "added" && json["row"]["raw_hash"].is_null(), "{json}");
    accounts.spark.with_world(|world| world.remove(id));
    let asked = accounts.run(&format!("why identity {id} --ask")).succeeded().stdout;
    assert!(asked.contains("of spark: live") && asked.contains("its record looks deleted"), "{asked}");
    accounts.read_again("spark");
    let deleted = accounts.run(&format!("why identity {id}")).succeeded().stdout;
    assert!(deleted.contains("the vendor said so"), "{deleted}");
    accounts.run("why identity 999999 --ask").exited(1);
    // The words name a feed where a person says so, and no other vendor is asked.
    assert!(accounts.run(&format!("why --feed identity {id}")).exited(1).stdout.contains("the feed identity is not in this file"));
    accounts.configure(&accounts.spotahome_section());
    accounts.run(&format!("why identity {id}")).succeeded();
    let unnamed = accounts.run(&format!("why identity {id} --ask")).exited(2);
    assert!(unnamed.stderr.contains("does not name the vendor \"spark\""), "{}", unnamed.both());
    accounts.tells_no_secret();
}

#[test]
fn the_running_process_asks_for_another_command() {
    let accounts = Accounts::start();
    let daemon = accounts.start_program("run");
    eventually("both are read", LIMIT, || {
        accounts.path("mls.db.sock").exists() && accounts.run("status --json").stdout.matches("proven_rows\": null").count() == 0 && {
            accounts.json("status --json")["scanned"].as_array().is_some_and(|scanned| scanned.len() == 2)
        }
    });
    let id = accounts.identity();
    accounts.run(&format!("why identity {id}")).succeeded();
    let asked = accounts.run(&format!("why identity {id} --ask --json")).succeeded();
    let asked: Value = serde_json::from_str(&asked.stdout).unwrap();
    assert_eq!((&asked["asked"]["found"], asked["asked"]["history"].is_null()), (&Value::Bool(true), false), "{asked}");
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(10)).succeeded();
}

#[test]
fn the_demo_of_an_account_follows_it_and_finds_no_difference() {
    let dir = crate::support::directory();
    let demo = |vendor: &str, more: &[&str]| {
        let (file, output) = (dir.path().join(format!("{vendor}.db")), dir.path().join(format!("{vendor}.out")));
        let words = [&["demo", "--vendor", vendor, "--database", file.to_str().unwrap()], more].concat();
        (Program::start(&words, &[("TMPDIR", dir.path().to_str().unwrap())], &output), file)
    };
    let check = |vendor: &str, table: &str, query: &str| {
        let (program, file) = demo(vendor, &["--records", "120"]);
        let ended = program.wait(Duration::from_secs(30)).succeeded();
        let found = ["1. ", "2. ", "3. ", "no difference", query, file.to_str().unwrap()].map(|words| ended.stdout.contains(words));
        assert_eq!(found, [true; 6], "{}", ended.both());
        let count = |condition: &str| {
            let sql = format!("SELECT count(*) FROM {table} WHERE {condition}");
            Connection::open(&file).unwrap().query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert!(count("deleted_at IS NULL") > 50 && count("deleted_at IS NOT NULL") > 0, "{}", ended.both());
        assert!(
            !dir.path().read_dir().unwrap().any(|file| file.unwrap().path().extension().is_some_and(|extension| extension == "token")),
            "the token is removed"
        );
        // A file that is there already is somebody's.
        demo(vendor, &[]).0.wait(LIMIT).exited(2);
    };
    check("spark", "identities", "live_identities");
    check("spotahome", "listing_processes", "open_processes");
    for (vendor, wrong) in [("spark", "--listings"), ("constellation1", "--records")] {
        let file = dir.path().join("never.db");
        let words = ["demo", "--vendor", vendor, wrong, "50", "--database", file.to_str().unwrap()];
        let told = Program::start(&words, &[], &dir.path().join("wrong")).wait(LIMIT).exited(2);
        assert!(told.stderr.contains("--listings is an option of --vendor constellation1") && !file.exists(), "{}", told.both());
    }
}
