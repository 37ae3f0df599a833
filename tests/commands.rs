//! What a person can ask of the mirror: reconcile, rejects, feeds, why, status.

use mls_sync::record::{DayTime, ListingId};
use mls_sync::sandbox::{DeletedDetail, Fault, Options, Sandbox};
use rusqlite::Connection;
use rusqlite::types::Value as Sql;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const NOON: &str = "2026-05-01T12:00:00";
const FEED: &str = "GAMLS";

fn small() -> Options {
    let frozen_at = Some(NOON.parse::<DayTime>().unwrap());
    Options { feeds: vec![FEED.to_owned()], listings: 250, deleted: 10, frozen_at, ..Options::default() }
}

struct Mirror {
    sandbox: Sandbox,
    directory: TempDir,
}

/// What a command said, and how it ended.
#[derive(Debug)]
struct Presence {
    code: i32,
    out: String,
    err: String,
}

impl Presence {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    fn expect(self, code: i32) -> Presence {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

impl Mirror {
    /// A sandbox and a configuration, nothing loaded yet.
    async fn start(options: Options, more: &str) -> Mirror {
        let sandbox = Sandbox::start(options, SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        // The newest listing is old enough to be read.
        sandbox.with_world(|world| world.advance(Duration::from_secs(10)));
        let directory = crate::support::directory();
        let config = format!(
            "database = {:?}\n[rate]\nrequests_per_second = 1000\nmax_in_flight = 4\n[poll]\ninterval = \"100ms\"\n{more}\n[constellation1]\nbase_url = \"{}\"\nclient = \"demo\"\n",
            directory.path().join("mls.db"),
            sandbox.url()
        );
        std::fs::write(directory.path().join("config.toml"), config).unwrap();
        Mirror { sandbox, directory }
    }

    /// The same, with everything loaded.
    async fn loaded(options: Options) -> Mirror {
        let mirror = Mirror::start(options, "").await;
        mirror.run(&["run", "--backfill"]).await.expect(0);
        mirror
    }

    fn configure(&self, more: &str) {
        let path = self.directory.path().join("config.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, format!("{text}{more}\n")).unwrap();
    }

    fn replace(&self, old: &str, new: &str) {
        let path = self.directory.path().join("config.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{old} is not in {text}");
        std::fs::write(path, text.replace(old, new)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mls-sync"));
        command.args(arguments).env("MLS_SYNC_CONFIG", self.directory.path().join("config.toml"));
        command.env("MLS_SYNC_SYSTEM_ACCESS_KEY", "demo-key").env_remove("RUST_LOG");
        command
    }

    async fn run(&self, arguments: &[&str]) -> Presence {
        finish(self.command(arguments)).await
    }

    async fn run_without_key(&self, arguments: &[&str]) -> Presence {
        let mut command = self.command(arguments);
        command.env_remove("MLS_SYNC_SYSTEM_ACCESS_KEY");
        finish(command).await
    }

    fn database(&self) -> PathBuf {
        self.directory.path().join("mls.db")
    }

    fn connection(&self) -> Connection {
        let connection = Connection::open(self.database()).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        connection
    }

    fn count(&self, sql: &str) -> i64 {
        self.connection().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn execute(&self, sql: &str) -> usize {
        self.connection().execute(sql, []).unwrap()
    }

    /// Whole tables, as values.
    fn dump(&self, tables: &[&str]) -> Vec<Vec<Sql>> {
        let connection = self.connection();
        let mut rows = Vec::new();
        for table in tables {
            let mut statement = connection.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")).unwrap();
            let width = statement.column_count();
            let read = statement.query_map([], |row| (0..width).map(|index| row.get(index)).collect::<Result<Vec<Sql>, _>>());
            rows.extend(read.unwrap().map(Result::unwrap));
        }
        rows
    }

    fn live(&self) -> i64 {
        self.count("SELECT count(*) FROM live_listings")
    }

    /// Live listings of the vendor, in the order of their numbers.
    fn listings(&self, count: usize) -> Vec<ListingId> {
        let truth = self.sandbox.with_world(|world| world.truth(FEED));
        truth.into_iter().filter(|(_, truth)| !truth.deleted).map(|(listing, _)| listing).take(count).collect()
    }

    /// Lets them vanish without a word; a little later.
    fn vanish(&self, listings: &[ListingId]) {
        self.sandbox.with_world(|world| {
            assert!(listings.iter().all(|listing| world.remove_silently(FEED, listing)));
            world.advance(Duration::from_secs(10));
        });
    }

    async fn reconcile(&self, more: &[&str]) -> (i32, Value) {
        let said = self.run(&[&["reconcile", "--json"], more].concat()).await;
        let runs = said.json();
        assert_eq!(runs.as_array().unwrap().len(), 1, "{said:?}");
        (said.code, runs[0].clone())
    }

    async fn status(&self) -> Value {
        self.run_without_key(&["status", "--json"]).await.expect(0).json()
    }
}

async fn finish(mut command: Command) -> Presence {
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Presence { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_vanished_without_a_word_is_confirmed_and_becomes_a_tombstone() {
    let mirror = Mirror::loaded(small()).await;
    mirror.vanish(&mirror.listings(7));
    mirror.sandbox.clear_requests();
    let (code, run) = mirror.reconcile(&[]).await;
    assert_eq!((code, &run["state"]), (0, &json!("done")), "{run}");
    assert_eq!((&run["absent"], &run["deleted"], &run["missing"], &run["stale"]), (&json!(7), &json!(7), &json!(0), &json!(0)));
    assert_eq!((&run["live_before"], &run["read"]), (&json!(250), &json!(243)));
    assert_eq!(mirror.live(), 243);
    assert_eq!(mirror.count("SELECT count(*) FROM listings WHERE deleted_cause = 'absent'"), 7);
    assert_eq!(
        mirror.count("SELECT count(*) FROM listings JOIN changes ON seq = change_seq WHERE deleted_cause = 'absent' AND cause = 'absent' AND kind = 'deleted'"),
        7
    );
    let asked = mirror.sandbox.requests().iter().filter(|asked| asked.endpoint == "GetListingDetail" && asked.answered == 404).count();
    assert_eq!(asked, 7);
    let again = mirror.run(&["reconcile"]).await.expect(0);
    assert!(again.out.contains("done") && again.out.contains("0 of 243 absent"), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_looks_deleted_confirms_as_a_404_does() {
    let mirror = Mirror::start(Options { deleted_detail: DeletedDetail::Record, ..small() }, "").await;
    // Deletions are not read, so they are found by what is absent.
    mirror.configure("streams = [0]");
    mirror.run(&["run", "--backfill"]).await.expect(0);
    let gone = mirror.listings(5);
    mirror.sandbox.with_world(|world| {
        assert!(gone.iter().all(|listing| world.delete(FEED, listing)));
        world.advance(Duration::from_secs(10));
    });
    let (code, run) = mirror.reconcile(&["--feed", FEED]).await;
    assert_eq!((code, &run["deleted"]), (0, &json!(5)), "{run}");
    assert_eq!(mirror.count("SELECT count(*) FROM reconcile_absent WHERE verdict = 'deleted' AND applied"), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_absent_but_confirmed_present_stays() {
    // All on one page, so that every answer lacks the same.
    let mirror = Mirror::loaded(Options { listings: 150, ..small() }).await;
    let hidden = mirror.listings(3);
    mirror.sandbox.with_world(|world| world.advance(Duration::from_secs(10)));
    let names: Vec<String> = hidden.iter().map(|listing| listing.0.clone()).collect();
    mirror.sandbox.set_fault(None, Some(without(names)));
    let (code, run) = mirror.reconcile(&[]).await;
    assert_eq!((code, &run["absent"], &run["deleted"]), (0, &json!(3), &json!(0)), "{run}");
    assert_eq!(mirror.count("SELECT count(*) FROM reconcile_absent WHERE verdict = 'present'"), 3);
    assert_eq!(mirror.live(), 150);
}

/// Pages that leave some listings out and count accordingly; a listing alone is answered as it is.
fn without(names: Vec<String>) -> Fault {
    Fault::edit(move |page| {
        let Some(results) = page.get_mut("Results").and_then(Value::as_array_mut) else { return };
        let before = results.len();
        results.retain(|record| !names.iter().any(|name| record["ListingId"] == **name));
        let (left, lost) = (results.len(), before - results.len());
        page["Count"] = json!(left);
        page["Total"] = json!(page["Total"].as_u64().unwrap().saturating_sub(lost as u64));
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_file_lacks_or_has_stale_is_repaired() {
    let mirror = Mirror::loaded(small()).await;
    let names = mirror.listings(5);
    for lost in &names[..3] {
        mirror.execute(&format!("DELETE FROM listings WHERE listing_id = '{}'", lost.0));
    }
    for stale in &names[3..] {
        let set = "price = 1, raw_hash = zeroblob(16), content_hash = zeroblob(16)";
        mirror.execute(&format!("UPDATE listings SET {set} WHERE listing_id = '{}'", stale.0));
    }
    let (code, run) = mirror.reconcile(&[]).await;
    assert_eq!((code, &run["missing"], &run["stale"], &run["absent"]), (0, &json!(3), &json!(2), &json!(0)), "{run}");
    assert_eq!((mirror.live(), mirror.count("SELECT count(*) FROM listings WHERE price = 1")), (250, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_changes_nothing_and_tells_what_would_be_done() {
    let mirror = Mirror::loaded(small()).await;
    let names = mirror.listings(20);
    mirror.vanish(&names[..6]);
    // One that the file lacks, and two that no poll has brought yet.
    mirror.execute(&format!("DELETE FROM listings WHERE listing_id = '{}'", names[10].0));
    mirror.sandbox.with_world(|world| {
        world.add(FEED);
        assert!(world.edit(FEED, &names[11]));
        world.advance(Duration::from_secs(10));
    });
    let tables = ["listings", "changes", "rejects", "cursors", "covered", "lookbacks", "late_listings"];
    let before = mirror.dump(&tables);
    let (code, run) = mirror.reconcile(&["--dry-run"]).await;
    assert_eq!((code, &run["state"], &run["dry_run"]), (0, &json!("done"), &json!(true)), "{run}");
    assert_eq!((&run["absent"], &run["deleted"], &run["missing"], &run["stale"]), (&json!(6), &json!(0), &json!(2), &json!(1)));
    assert!(before == mirror.dump(&tables), "the dry run changed something");
    let (code, run) = mirror.reconcile(&[]).await;
    // The poll that comes first brings what is merely new; the scan repairs what was lost.
    assert_eq!((code, &run["missing"], &run["deleted"]), (0, &json!(1), &json!(6)), "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_that_answers_empty_deletes_nothing_and_fails() {
    let mirror = Mirror::loaded(small()).await;
    mirror.sandbox.reconfigure(|options| options.feeds.clear());
    mirror.sandbox.with_world(|world| world.advance(Duration::from_secs(10)));
    let (code, run) = mirror.reconcile(&["--feed", FEED]).await;
    assert_eq!((code, &run["state"], &run["deleted"]), (1, &json!("failed"), &json!(0)), "{run}");
    assert!(run["note"].as_str().unwrap().contains("returned no listing"), "{run}");
    assert_eq!(mirror.live(), 250);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_brake_withholds_and_only_an_approval_deletes() {
    let mirror = Mirror::loaded(small()).await;
    mirror.vanish(&mirror.listings(120));
    let (code, dry) = mirror.reconcile(&["--dry-run"]).await;
    assert_eq!((code, &dry["state"]), (1, &json!("withheld")), "{dry}");
    assert_eq!(mirror.status().await["feeds"][0]["notices"].as_array().unwrap().iter().filter(|n| n["kind"] == "withheld").count(), 0);
    let (code, first) = mirror.reconcile(&[]).await;
    assert_eq!((code, &first["state"], &first["absent"], &first["deleted"]), (1, &json!("withheld"), &json!(120), &json!(0)), "{first}");
    let (_, second) = mirror.reconcile(&[]).await;
    assert_eq!(mirror.live(), 250);
    let status = mirror.run_without_key(&["status"]).await.expect(0);
    let advice = format!("reconcile --approve {}", second["run_id"]);
    assert!(status.out.contains("withheld") && status.out.contains(&advice), "{status:?}");

    // One of them really changes before a person has looked.
    mirror.execute(
        "UPDATE listings SET changed_at = '9999-01-01T00:00:00.000Z' WHERE listing_id =
         (SELECT listing_id FROM reconcile_absent ORDER BY run_id DESC LIMIT 1)",
    );
    let superseded = mirror.run_without_key(&["reconcile", "--approve", &first["run_id"].to_string()]).await.expect(2);
    assert!(superseded.err.contains("out of date"), "{superseded:?}");
    for (run, why) in [(dry["run_id"].to_string(), "a dry run"), ("4711".to_owned(), "there is no run 4711")] {
        let refused = mirror.run_without_key(&["reconcile", "--approve", &run]).await.expect(2);
        assert!(refused.err.contains(why) && refused.err.lines().count() == 1, "{refused:?}");
    }
    mirror.sandbox.clear_requests();
    let approved = mirror.run_without_key(&["reconcile", "--approve", &second["run_id"].to_string()]).await.expect(0);
    assert!(approved.out.contains("119 rows deleted; 1 had changed"), "{approved:?}");
    assert_eq!((mirror.live(), mirror.sandbox.requests().len()), (131, 0));
    assert_eq!(mirror.count("SELECT count(*) FROM notices WHERE kind = 'withheld'"), 0);
    let again = mirror.run_without_key(&["reconcile", "--approve", &second["run_id"].to_string()]).await.expect(2);
    assert!(again.err.contains("approved"), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_keys_are_noticed_as_pairs_and_nothing_is_deleted() {
    let mirror = Mirror::loaded(small()).await;
    let pairs = mirror.sandbox.with_world(|world| {
        world.advance(Duration::from_secs(10));
        let pairs = world.rekey(FEED, 30);
        world.advance(Duration::from_secs(10));
        pairs
    });
    let (code, run) = mirror.reconcile(&[]).await;
    assert_eq!((code, &run["state"], &run["absent"], &run["deleted"]), (1, &json!("withheld"), &json!(30), &json!(0)), "{run}");
    assert!(run["note"].as_str().unwrap().contains("numbers seem to have changed"), "{run}");
    let mut told: Vec<(String, String)> = run["pairs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| (pair["absent"].as_str().unwrap().to_owned(), pair["twin"].as_str().unwrap().to_owned()))
        .collect();
    let mut expected: Vec<(String, String)> = pairs.into_iter().map(|(old, new)| (old.0, new.0)).collect();
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
    assert_eq!(mirror.live(), 280);
    let text = mirror.run(&["reconcile"]).await.expect(1);
    assert!(text.out.contains(&format!("{} seems to be {} now", expected[0].0, expected[0].1)), "{text:?}");
    assert!(text.out.contains("and 20 more such pairs"), "{text:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn homes_that_are_listed_again_under_new_numbers_are_confirmed_one_by_one() {
    let mirror = Mirror::loaded(small()).await;
    mirror.sandbox.with_world(|world| {
        world.advance(Duration::from_secs(10));
        world.rekey(FEED, 12);
        world.advance(Duration::from_secs(10));
    });
    let (code, run) = mirror.reconcile(&[]).await;
    assert_eq!((code, &run["state"], &run["deleted"], mirror.live()), (0, &json!("done"), &json!(12), 250), "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_of_reconcile_is_told_before_anything_happens() {
    let mirror = Mirror::start(small(), "").await;
    let said = mirror.run(&["reconcile"]).await.expect(2);
    assert!(said.err.contains("does not exist yet"), "{said:?}");
    mirror.run_without_key(&["reconcile", "--approve", "1"]).await.expect(2);
    assert!(!mirror.database().exists());
    mirror.run(&["run", "--backfill"]).await.expect(0);
    let said = mirror.run(&["reconcile", "--feed", "NOSUCH"]).await.expect(2);
    assert!(said.err.contains("NOSUCH"), "{said:?}");
    assert_eq!(mirror.count("SELECT count(*) FROM feeds"), 1);
    mirror.run_without_key(&["reconcile"]).await.expect(2);
}

/// Pages on which one listing has no number, another has none and is huge, a third has a huge unknown field.
fn broken(names: &[ListingId]) -> Fault {
    let names: Vec<String> = names.iter().map(|listing| listing.0.clone()).collect();
    Fault::edit(move |page| {
        for record in page.get_mut("Results").and_then(Value::as_array_mut).into_iter().flatten() {
            let place = names.iter().position(|name| record["ListingId"] == **name);
            if place == Some(1) {
                record["Remarks"] = json!("é".repeat(600_000));
            }
            match place {
                Some(0 | 1) => record["FeedId"] = json!(7),
                Some(2) => record["Unheard"] = json!("x".repeat(300_000)),
                _ => {}
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_are_bounded_listed_and_tried_again_without_the_vendor() {
    let mirror = Mirror::start(small(), "").await;
    let names = mirror.listings(3);
    mirror.sandbox.set_fault(None, Some(broken(&names)));
    mirror.configure(&format!("feeds = [\"{FEED}\"]"));
    mirror.run(&["run", "--backfill"]).await.expect(0);
    assert_eq!(mirror.live(), 248);
    assert_eq!(mirror.count("SELECT extra = '{\"_cut\":' || 300014 || '}' FROM listings WHERE extra LIKE '%_cut%'"), 1);
    let list = mirror.run_without_key(&["rejects", "--json", "--feed", FEED]).await.expect(0).json();
    assert_eq!(list.as_array().unwrap().len(), 2, "{list}");
    let of = |name: &ListingId| list.as_array().unwrap().iter().find(|reject| reject["listing_id"] == *name.0).unwrap().clone();
    assert_eq!((&of(&names[0])["whole"], &of(&names[1])["whole"]), (&json!(true), &json!(false)));
    assert!(of(&names[1])["reason"].as_str().unwrap().contains("cannot be decoded again"));
    assert!(of(&names[1])["bytes"].as_u64().unwrap() > 1_200_000);
    assert!(mirror.count("SELECT max(octet_length(raw)) FROM rejects") <= 1 << 20);
    let text = mirror.run_without_key(&["rejects"]).await.expect(0);
    assert!(text.out.contains(&names[0].0) && text.out.contains("its FeedId is no text"), "{text:?}");
    let status = mirror.run_without_key(&["status"]).await.expect(0);
    assert!(status.out.contains("2 rejected records are kept, 1 were cut"), "{status:?}");
    assert!(status.out.contains("the unknown fields of 1 records were too long"), "{status:?}");

    let first = mirror.run_without_key(&["rejects", "--retry"]).await.expect(0);
    assert!(first.out.contains("0 of 2 rejects were stored; 2 stay"), "{first:?}");
    // As if a new version understood what this one does not.
    mirror.execute(&format!("UPDATE rejects SET raw = replace(raw, '\"FeedId\":7', '\"FeedId\":\"{FEED}\"'), raw_bytes = raw_bytes + 6"));
    mirror.sandbox.clear_requests();
    let retried = mirror.run_without_key(&["rejects", "--retry", "--json"]).await.expect(0).json();
    assert_eq!(retried, json!({ "tried": 1, "stored": 1, "left": 1 }));
    assert_eq!((mirror.live(), mirror.sandbox.requests().len()), (249, 0));
    assert_eq!(
        mirror.count("SELECT count(*) FROM changes JOIN listings ON seq = change_seq"),
        mirror.count("SELECT count(*) FROM listings")
    );
    mirror.run_without_key(&["rejects", "--feed", "NOSUCH"]).await.expect(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_reject_never_beats_what_is_newer() {
    let mirror = Mirror::loaded(small()).await;
    let names = mirror.listings(2);
    let reject = |status: u8, listing: &str, stamp: &str| {
        let raw = json!({ "FeedId": FEED, "ListingId": listing, "MlsUpdateDate": stamp, "Price": 5 }).to_string();
        let sql = "INSERT INTO rejects (feed_id, status, listing_id, reason, raw, raw_bytes, raw_hash, rejected_at)
             VALUES (?1, ?2, ?3, 'a test', ?4, octet_length(?4), randomblob(16), '2026-05-01T12:00:00.000Z')";
        mirror.connection().execute(sql, rusqlite::params![FEED, status, listing, raw]).unwrap();
    };
    reject(0, &names[0].0, "1990-01-01T00:00:00");
    reject(3, &names[1].0, "2026-05-01T12:00:00");
    reject(3, "NEVER-SEEN", "2026-05-01T12:00:00");
    let said = mirror.run_without_key(&["rejects", "--retry"]).await.expect(0);
    assert!(said.out.contains("3 of 3 rejects were stored; 0 stay"), "{said:?}");
    assert_eq!(mirror.count("SELECT count(*) FROM listings WHERE price = 5 AND deleted_at IS NULL"), 0);
    let tombstones =
        format!("SELECT count(*) FROM listings WHERE listing_id IN ('{}', 'NEVER-SEEN') AND deleted_cause = 'vendor'", names[1].0);
    assert_eq!((mirror.live(), mirror.count(&tombstones)), (249, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_feed_leaves_tombstones_and_comes_back_whole() {
    let mirror = Mirror::loaded(Options { feeds: vec![FEED.to_owned(), "SFAR".to_owned()], ..small() }).await;
    mirror.run_without_key(&["feeds", "remove", "NOSUCH"]).await.expect(2);
    let said = mirror.run_without_key(&["feeds", "remove", FEED]).await.expect(0);
    assert!(said.out.contains("250 live listings are tombstones now"), "{said:?}");
    assert_eq!(
        mirror.count(
            "SELECT count(*) FROM listings JOIN changes ON seq = change_seq WHERE deleted_cause = 'feed_removed' AND kind = 'deleted' AND bulk"
        ),
        250
    );
    for table in ["cursors", "covered", "lookbacks", "notices"] {
        assert_eq!(mirror.count(&format!("SELECT count(*) FROM {table} WHERE feed_id = '{FEED}'")), 0, "{table}");
    }
    let status = mirror.status().await;
    let shown: Vec<&str> = status["feeds"].as_array().unwrap().iter().map(|feed| feed["feed_id"].as_str().unwrap()).collect();
    assert_eq!(shown, ["SFAR"]);
    let feeds = mirror.run_without_key(&["feeds", "--json"]).await.expect(0).json();
    assert_eq!((&feeds[0]["live"], &feeds[0]["deleted"], &feeds[1]["live"]), (&json!(0), &json!(260), &json!(250)), "{feeds}");
    assert!(feeds[0]["removed_at"].is_string() && feeds[1]["removed_at"].is_null());
    assert!(mirror.run_without_key(&["feeds"]).await.expect(0).out.contains("removed 20"));
    let said = mirror.run(&["reconcile", "--feed", FEED]).await.expect(2);
    assert!(said.err.contains("not mirrored"), "{said:?}");

    // The credential still sees it, so the next load adopts it again; its records have not changed meanwhile.
    mirror.run(&["run", "--backfill"]).await.expect(0);
    assert_eq!(mirror.live(), 500);
    assert_eq!(mirror.count("SELECT count(*) FROM changes WHERE kind = 'restored'"), 250);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_stores_nothing_more_of_a_feed_that_is_removed_meanwhile() {
    let mirror = Mirror::loaded(small()).await;
    mirror.configure(&format!("feeds = [\"{FEED}\"]"));
    let mut daemon = mirror.command(&["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let asked = mirror.sandbox.requests().len();
    until(|| mirror.sandbox.requests().len() > asked + 4).await;
    let asked = mirror.run_without_key(&["feeds", "remove", FEED]).await.expect(2);
    assert!(asked.err.contains("the configuration names this feed") && asked.err.contains("add --yes"), "{asked:?}");
    assert_eq!(mirror.live(), 250);
    let removed = mirror.run_without_key(&["feeds", "remove", FEED, "--yes"]).await.expect(0);
    assert!(removed.out.contains("the next start of `mls-sync run` loads it again"), "{removed:?}");
    mirror.sandbox.with_world(|world| {
        world.add(FEED);
        world.advance(Duration::from_secs(10));
    });
    // Two polls later the worker has met the removal, and asks for nothing any more; the process lives on.
    let asked = || mirror.sandbox.requests().len();
    let mut before = asked();
    let mut quiet = 0;
    let deadline = Instant::now() + Duration::from_secs(30);
    while quiet < 20 {
        assert!(Instant::now() < deadline, "it asks on for a feed that was removed");
        tokio::time::sleep(Duration::from_millis(100)).await;
        quiet = if asked() == before { quiet + 1 } else { 0 };
        before = asked();
    }
    assert!(daemon.try_wait().unwrap().is_none(), "the daemon ended");
    assert!(matches!(daemon.kill(), Ok(())));
    assert!(ended(&mut daemon).await.is_some());
    assert_eq!((mirror.live(), mirror.count("SELECT count(*) FROM covered")), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_a_running_process_has_found_is_removed_only_after_a_yes() {
    let mirror = Mirror::loaded(small()).await;
    let mut daemon = mirror.command(&["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let asked = mirror.sandbox.requests().len();
    until(|| mirror.sandbox.requests().len() > asked + 4).await;
    let asked = mirror.run_without_key(&["feeds", "remove", FEED]).await.expect(2);
    assert!(
        asked.err.contains("a running process mirrors this feed") && asked.err.contains("if the credential still sees it"),
        "{asked:?}"
    );
    mirror.run_without_key(&["feeds", "remove", FEED, "--yes"]).await.expect(0);
    assert_eq!(mirror.live(), 0);
    daemon.kill().unwrap();
    assert!(ended(&mut daemon).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_one_system_is_refused_for_another_and_left_as_it_is() {
    let (mirror, other) = (Mirror::loaded(small()).await, Mirror::start(small(), "").await);
    let tables = ["listings", "changes", "cursors", "covered", "source", "feeds"];
    let before = mirror.dump(&tables);
    let names = |mirror: &Mirror| mirror.sandbox.url().trim_start_matches("http://").to_owned();
    mirror.replace(&mirror.sandbox.url(), &other.sandbox.url());
    for command in [&["run"][..], &["run", "--once"], &["reconcile"], &["why", FEED, "1", "--ask"]] {
        let refused = mirror.run(command).await.expect(2);
        assert!(refused.err.contains(&format!("mirrors constellation1 at {}", names(&mirror))), "{refused:?}");
        assert!(refused.err.contains(&format!("names constellation1 at {}", names(&other))), "{refused:?}");
        assert!(refused.err.contains("another file in `database`") && refused.err.contains("run --adopt"), "{refused:?}");
    }
    let status = mirror.run_without_key(&["status"]).await.expect(0);
    assert!(status.out.contains("! source: this file mirrors"), "{status:?}");
    mirror.replace(&other.sandbox.url(), &mirror.sandbox.url());
    mirror.replace("client = \"demo\"", "client = \"other\"");
    assert!(mirror.run(&["run", "--once"]).await.expect(2).err.contains("as client \"other\""));
    assert!(before == mirror.dump(&tables), "something was changed");
    assert_eq!(other.sandbox.requests().len(), 0);
    mirror.replace("client = \"other\"", "client = \"demo\"");
    mirror.run(&["run", "--once"]).await.expect(0);
}

/// What the first configuration had wrong leaves nothing to mix.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_a_listing_follows_the_configuration_that_is_put_right() {
    let mirror = Mirror::start(small(), "").await;
    mirror.replace("client = \"demo\"", "client = \"typo\"");
    mirror.run(&["run", "--backfill"]).await.expect(1);
    let status = mirror.run_without_key(&["status"]).await.expect(0);
    assert!(status.out.contains("! feeds: the feeds of this credential are not known") && status.out.contains("HTTP 403"), "{status:?}");
    mirror.replace("client = \"typo\"", "client = \"demo\"");
    mirror.run(&["run", "--backfill"]).await.expect(0);
    assert_eq!(mirror.live(), 250);
    assert_eq!(mirror.count("SELECT count(*) FROM source WHERE client = 'demo' AND adopted_at IS NULL"), 1);
    assert_eq!(mirror.count("SELECT count(*) FROM notices WHERE kind = 'feeds'"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_file_is_read_anew_and_reconciled_whatever_the_old_system_had_said() {
    let (mirror, other) = (Mirror::loaded(small()).await, Mirror::start(small(), "").await);
    let names = other.listings(9);
    // The old system's word is the newer one, and the new system has the older truth; others it never had.
    mirror.sandbox.with_world(|world| {
        assert!(world.edit(FEED, &names[8]) && world.delete(FEED, &names[7]));
        world.advance(Duration::from_secs(10));
    });
    mirror.run(&["run", "--once"]).await.expect(0);
    other.vanish(&names[..7]);
    mirror.execute(
        "INSERT INTO rejects (feed_id, status, reason, raw, raw_bytes, raw_hash, rejected_at)
         VALUES ('GAMLS', 0, 'a test', '{}', 2, zeroblob(16), '2026-05-01T12:00:00.000Z')",
    );
    let unchanged = mirror.count("SELECT max(seq) FROM changes");
    mirror.replace(&mirror.sandbox.url(), &other.sandbox.url());
    let adopted = mirror.run(&["run", "--backfill", "--adopt"]).await.expect(0);
    assert!(adopted.err.contains("is taken over for") && adopted.err.contains("everything is read again"), "{adopted:?}");
    assert_eq!((mirror.live(), mirror.count("SELECT count(*) FROM listings WHERE deleted_cause = 'absent'")), (243, 7));
    assert_eq!(mirror.count("SELECT count(*) FROM feeds, source WHERE loaded_at > source.adopted_at"), 1, "it is loaded anew");
    let kinds = format!(
        "SELECT group_concat(kind || ' ' || n) FROM (SELECT kind, count(*) AS n FROM changes WHERE seq > {unchanged} GROUP BY kind)"
    );
    let told: String = mirror.connection().query_row(&kinds, [], |row| row.get(0)).unwrap();
    assert_eq!(told, "changed 1,deleted 7,restored 1", "what both systems have alike is no change");
    assert_eq!(mirror.count("SELECT count(*) FROM listings WHERE stamp IS NULL AND deleted_at IS NULL"), 0);
    assert_eq!(mirror.count("SELECT count(*) FROM rejects"), 0);
    let runs = "SELECT count(*) FROM reconcile_runs";
    assert_eq!(mirror.count(runs), 1);
    mirror.run(&["run", "--once"]).await.expect(0);
    assert_eq!(mirror.count(runs), 1, "one reconcile is enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_that_was_broken_off_is_reconciled_by_the_next_run() {
    let (mirror, other) = (Mirror::loaded(small()).await, Mirror::start(small(), "").await);
    other.vanish(&other.listings(7));
    mirror.replace(&mirror.sandbox.url(), &other.sandbox.url());
    other.sandbox.set_fault(None, Some(Fault::Status(403, "{}".to_owned())));
    mirror.run(&["run", "--once", "--adopt"]).await.expect(1);
    let status = mirror.status().await;
    assert_eq!(status["feeds"][0]["complete_until"], Value::Null, "nothing of the new system was read: {status}");
    other.sandbox.set_fault(None, None);
    mirror.run(&["run", "--once"]).await.expect(0);
    assert_eq!(mirror.live(), 243);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_the_configuration_drops_is_told_to_be_mirrored_no_more_until_it_is_named_again() {
    let mirror = Mirror::start(Options { feeds: vec![FEED.to_owned(), "SFAR".to_owned()], ..small() }, "").await;
    mirror.configure(&format!("feeds = [\"{FEED}\", \"SFAR\"]"));
    mirror.run(&["run", "--backfill"]).await.expect(0);
    mirror.replace(", \"SFAR\"", "");
    mirror.run(&["run", "--once"]).await.expect(0);
    let polled = "SELECT count(*) FROM feeds JOIN notices USING (feed_id)
         WHERE feed_id = 'SFAR' AND kind = 'dropped' AND instr(notices.note, 'not mirrored since ' || polled_at) = 1";
    let dropped = || mirror.count("SELECT count(*) FROM notices WHERE kind = 'dropped'");
    assert_eq!((mirror.count(polled), dropped()), (1, 1));
    let status = mirror.run_without_key(&["status"]).await.expect(0);
    assert!(status.out.contains("ago  not mirrored\n") && status.out.contains("! dropped: not mirrored since"), "{status:?}");
    mirror.replace(&format!("[\"{FEED}\"]"), &format!("[\"{FEED}\", \"SFAR\"]"));
    mirror.run(&["run", "--once"]).await.expect(0);
    assert_eq!(dropped(), 0);
    mirror.replace(", \"SFAR\"", "");
    let removed = mirror.run_without_key(&["feeds", "remove", "SFAR"]).await.expect(0);
    assert!(removed.out.contains("it does not come back"), "{removed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_of_which_nothing_was_ever_seen_is_not_called_complete() {
    let mirror = Mirror::start(small(), "").await;
    mirror.configure(&format!("feeds = [\"{FEED}\", \"GAMSL\"]"));
    let said = mirror.run(&["run", "--backfill"]).await.expect(0);
    assert_eq!(said.out.matches("complete until").count(), 1, "{said:?}");
    let status = mirror.run_without_key(&["status"]).await.expect(0);
    let line = status.out.lines().find(|line| line.starts_with("GAMSL")).unwrap();
    assert!(line.contains("unknown to the vendor?") && !line.contains("complete"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_since_that_is_set_earlier_is_applied_and_one_that_is_set_later_is_told() {
    let mirror = Mirror::start(small(), "").await;
    let stamps = "SELECT mls_update_date FROM listings WHERE deleted_at IS NULL ORDER BY mls_update_date LIMIT 1 OFFSET ";
    mirror.run(&["run", "--backfill"]).await.expect(0);
    let day = |offset: u32| -> String {
        let stamp: String = mirror.connection().query_row(&format!("{stamps}{offset}"), [], |row| row.get(0)).unwrap();
        stamp[..19].to_owned()
    };
    let (early, late) = (day(50), day(150));
    // Opened for writing and closed, the file has no companions left.
    std::fs::remove_file(mirror.database()).unwrap();
    mirror.configure(&format!("[backfill]\nsince = \"{late}\""));
    mirror.run(&["run", "--once"]).await.expect(0);
    assert_eq!(mirror.live(), 100);
    mirror.replace(&late, &early);
    mirror.run(&["run", "--once"]).await.expect(0);
    assert_eq!(mirror.live(), 200);
    mirror.replace(&early, &late);
    mirror.run(&["run", "--once"]).await.expect(0);
    assert_eq!(mirror.live(), 200);
    let status = mirror.run_without_key(&["status"]).await.expect(0);
    assert!(status.out.contains(&format!("begins at {early}, before backfill.since ({late})")), "{status:?}");
    // What the command line limits stays limited.
    mirror.run(&["run", "--backfill", "--since", NOON]).await.expect(0);
    mirror.run(&["run", "--once"]).await.expect(0);
    let status = mirror.run_without_key(&["status"]).await.expect(0);
    assert!(status.out.contains(&format!("begins at {NOON}, after backfill.since ({late})")), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_the_configuration_adds_or_drops_counts_from_then_on() {
    let mirror = Mirror::start(small(), "").await;
    mirror.configure("streams = [0]");
    mirror.run(&["run", "--backfill"]).await.expect(0);
    let polled = "SELECT group_concat(status) FROM (SELECT status FROM cursors WHERE polled ORDER BY status)";
    let streams = || mirror.connection().query_row(polled, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!((streams().as_str(), mirror.count("SELECT count(*) FROM listings WHERE deleted_at IS NOT NULL")), ("0", 0));
    mirror.replace("streams = [0]", "streams = [1, 2, 3]");
    mirror.run(&["run", "--once"]).await.expect(0);
    assert_eq!((streams().as_str(), mirror.count("SELECT count(*) FROM listings WHERE deleted_at IS NOT NULL")), ("1,2,3", 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_says_how_far_its_first_load_is_and_once_when_it_is_complete() {
    let mirror = Mirror::start(Options { listings: 3000, page_size: 50, ..small() }, "").await;
    mirror.replace("requests_per_second = 1000", "requests_per_second = 10");
    mirror.replace("interval = \"100ms\"", "interval = \"5s\"");
    let log = mirror.directory.path().join("log");
    let mut daemon = mirror.command(&["run"]).stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
    let said = |words: &str| std::fs::read_to_string(&log).unwrap().matches(words).count();
    let (mut back, deadline) = (false, Instant::now() + Duration::from_secs(60));
    while said("the first load is complete until") == 0 {
        assert!(Instant::now() < deadline, "{}", std::fs::read_to_string(&log).unwrap());
        back |= mirror.run_without_key(&["status"]).await.out.contains("loading, back to ");
    }
    assert!(back && said("loading: everything that is stamped since") > 0, "{}", std::fs::read_to_string(&log).unwrap());
    tokio::time::sleep(Duration::from_secs(3)).await;
    daemon.kill().unwrap();
    assert!(ended(&mut daemon).await.is_some());
    assert_eq!(said("the first load is complete"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_vanishes_is_reported_and_keeps_its_rows() {
    let mirror = Mirror::start(Options { feeds: vec![FEED.to_owned(), "SFAR".to_owned()], ..small() }, "discover = \"1s\"").await;
    mirror.run(&["run", "--backfill"]).await.expect(0);
    let live = || mirror.count("SELECT count(*) FROM live_listings WHERE feed_id = 'SFAR'");
    let noticed = || mirror.count("SELECT count(*) FROM notices WHERE feed_id = 'SFAR' AND kind = 'vanished'");
    let before = live();
    let mut daemon = mirror.command(&["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    mirror.sandbox.reconfigure(|options| options.feeds.retain(|feed| feed != "SFAR"));
    until(|| noticed() == 1).await;
    assert!(before > 0 && live() == before, "{before} rows were live, {} are", live());
    assert!(mirror.run_without_key(&["status"]).await.expect(0).out.contains("feeds remove SFAR"));
    mirror.sandbox.reconfigure(|options| options.feeds.push("SFAR".to_owned()));
    until(|| noticed() == 0).await;
    daemon.kill().unwrap();
    assert!(ended(&mut daemon).await.is_some());
}

async fn until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "it never came to hold");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn ended(child: &mut Child) -> Option<std::process::ExitStatus> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    child.kill().unwrap();
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_reconcile_deleted_by_mistake_comes_back_unchanged() {
    let mirror = Mirror::loaded(small()).await;
    let listing = mirror.listings(1)[0].0.clone();
    mirror.execute(&format!("UPDATE listings SET deleted_at = changed_at, deleted_cause = 'absent' WHERE listing_id = '{listing}'"));
    let (code, run) = mirror.reconcile(&[]).await;
    assert_eq!((code, &run["stale"], mirror.live()), (0, &json!(1), 250), "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn why_tells_of_a_listing_what_the_file_and_the_vendor_know() {
    let mirror = Mirror::loaded(small()).await;
    let names = mirror.listings(3);
    let (live, edited, gone) = (&names[0], &names[1], &names[2]);
    let said = mirror.run_without_key(&["why", FEED, &live.0]).await.expect(0);
    assert!(said.out.contains(": live") && said.out.contains("added at") && said.out.contains("complete"), "{said:?}");

    mirror.vanish(std::slice::from_ref(gone));
    mirror.reconcile(&[]).await;
    let why = mirror.run_without_key(&["why", FEED, &gone.0, "--json"]).await.expect(0).json();
    assert_eq!((&why["row"]["live"], &why["row"]["deleted_cause"]), (&json!(false), &json!("absent")), "{why}");
    assert_eq!((&why["absences"][0]["verdict"], &why["absences"][0]["applied"]), (&json!("gone"), &json!(true)), "{why}");
    assert_eq!((&why["changes"][0]["kind"], &why["changes"][1]["kind"]), (&json!("deleted"), &json!("added")), "{why}");
    assert!(why["windows"].as_array().unwrap().iter().any(|window| window["purpose"] == "scan" && window["state"] == "complete"), "{why}");
    let said = mirror.run(&["why", FEED, &gone.0, "--ask"]).await.expect(0);
    assert!(said.out.contains("the vendor does not have it"), "{said:?}");

    mirror.sandbox.with_world(|world| {
        assert!(world.edit(FEED, edited));
    });
    let why = mirror.run(&["why", FEED, &edited.0, "--ask", "--json"]).await.expect(0).json();
    let price = why["asked"]["main"].as_array().unwrap().iter().find(|side| side["column"] == "price").unwrap();
    assert!(price["file"].is_string() && price["vendor"].is_string() && price["file"] != price["vendor"], "{why}");
    let differing: Vec<&str> = why["asked"]["differing"].as_array().unwrap().iter().map(|side| side["column"].as_str().unwrap()).collect();
    assert!(differing.contains(&"price_per_sqft") && !differing.contains(&"address"), "{why}");
    mirror.run_without_key(&["why", FEED, &edited.0, "--ask"]).await.expect(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn refetch_stores_what_the_vendor_answers_and_deletes_nothing() {
    let mirror = Mirror::loaded(small()).await;
    let names = mirror.listings(4);
    let (same, edited, gone, deleted) = (&names[0].0, &names[1], &names[2], &names[3].0);
    mirror.vanish(std::slice::from_ref(gone));
    mirror.sandbox.with_world(|world| assert!(world.edit(FEED, edited)));
    let asked = mirror.sandbox.requests().len();
    let said = mirror.run(&["refetch", &FEED.to_lowercase(), same, &edited.0, &gone.0]).await.expect(1);
    let words: Vec<&str> = said.out.lines().map(|line| line.split_once(": ").unwrap().1).collect();
    let expected = ["unchanged", "changed: the file had another version", "the vendor does not have it"];
    assert!(words.len() == 3 && words.iter().zip(expected).all(|(word, expected)| word.starts_with(expected)), "{said:?}");
    assert_eq!(mirror.sandbox.requests().len(), asked + 3);
    assert_eq!(mirror.live(), 250, "what the vendor does not have stays until it is proven");
    let why = mirror.run_without_key(&["why", FEED, &edited.0, "--json"]).await.expect(0).json();
    assert_eq!((&why["changes"][0]["kind"], &why["changes"][0]["cause"]), (&json!("changed"), &json!("vendor")), "{why}");
    mirror.run(&["verify"]).await.expect(0);
    mirror.execute(&format!("UPDATE listings SET deleted_at = changed_at, deleted_cause = 'absent' WHERE listing_id = '{deleted}'"));
    let said = mirror.run(&["refetch", FEED, deleted, &edited.0]).await.expect(0);
    assert!(said.out.contains("restored: the file had it as deleted"), "{said:?}");
    mirror.execute(&format!("DELETE FROM listings WHERE listing_id = '{same}'"));
    mirror.run(&["refetch", FEED, same]).await.expect(0);
    let numbered =
        mirror.count(&format!("SELECT count(*) FROM listings JOIN listing_ids USING (feed_id, listing_id) WHERE listing_id = '{same}'"));
    assert_eq!(numbered, 1, "searches find what was fetched by itself");
    let said = mirror.run(&["refetch", "NOSUCH", "1"]).await.expect(1);
    assert!(said.err.contains("NOSUCH 1: this feed is not mirrored"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_daemon_refetches_within_its_budget() {
    let mirror = Mirror::loaded(small()).await;
    let listing = mirror.listings(1)[0].clone();
    // No poll reads it again.
    let row = format!("UPDATE listings SET deleted_at = changed_at, deleted_cause = 'absent' WHERE listing_id = '{}'", listing.0);
    mirror.execute(&format!("{row} AND stamp < (SELECT max(stamp) FROM listings)"));
    let mut daemon = mirror.command(&["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let socket = mirror.database().with_added_extension("sock");
    while !socket.exists() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let said = mirror.run_without_key(&["refetch", FEED, &listing.0]).await.expect(0);
    assert!(said.out.contains("restored"), "{said:?}");
    daemon.kill().unwrap();
    assert!(ended(&mut daemon).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn lookups_lists_the_values_that_occur() {
    let mirror = Mirror::loaded(small()).await;
    let found = mirror.run_without_key(&["lookups", "--json"]).await.expect(0).json();
    let live: i64 =
        found.as_array().unwrap().iter().filter(|row| row["lookup"] == "ListingStatus").map(|row| row["listings"].as_i64().unwrap()).sum();
    assert_eq!(live, 250, "every live listing has a status: {found}");
    let of_type = mirror.run_without_key(&["lookups", "--type", "listingstatus", "--feed", &FEED.to_lowercase()]).await.expect(0);
    assert!(of_type.out.lines().count() > 1 && of_type.out.lines().all(|line| line.contains("ListingStatus")), "{of_type:?}");
    let none = mirror.run_without_key(&["lookups", "--type", "Nonsense"]).await.expect(0);
    assert!(none.out.contains("No listing has a value"), "{none:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn why_says_of_a_listing_never_seen_whether_it_could_have_been() {
    let mirror = Mirror::start(small(), "").await;
    mirror.run_without_key(&["why", FEED, "X"]).await.expect(2);
    mirror.run(&["run", "--backfill"]).await.expect(0);
    let said = mirror.run_without_key(&["why", FEED, "X\u{1b}[31m"]).await.expect(1);
    assert!(said.out.contains("never stored") && said.out.contains("was read whole"), "{said:?}");
    assert!(!said.out.contains('\u{1b}'), "{said:?}");
    let said = mirror.run_without_key(&["why", "NOSUCH", "X"]).await.expect(1);
    assert!(said.out.contains("is not in this file"), "{said:?}");
    mirror.execute("DELETE FROM covered");
    let said = mirror.run_without_key(&["why", FEED, "X"]).await.expect(1);
    assert!(said.out.contains("still being loaded"), "{said:?}");
    mirror.run_without_key(&["feeds", "remove", FEED]).await.expect(0);
    let said = mirror.run_without_key(&["why", FEED, "X"]).await.expect(1);
    assert!(said.out.contains("was removed"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_shows_each_kind_of_doubt() {
    let mirror = Mirror::loaded(small()).await;
    for (day, reason) in [(1, "HTTP 500"), (2, "the vendor counts 12 records and shows 9")] {
        mirror.execute(&format!(
            "INSERT INTO known_gaps VALUES ('GAMLS', 0, '202{day}-01-01T00:00:00', '202{day}-01-01T00:00:04', '{reason}', {day},
                 '2026-05-01T12:00:00.000Z', '2026-05-01T12:10:00.000Z')"
        ));
    }
    for (seconds, found_by) in [(10, "poll"), (20, "poll"), (30, "poll"), (40, "poll"), (600, "lookback")] {
        mirror.execute(&format!(
            "INSERT INTO late_listings (feed_id, listing_id, stamp, late_s, found_by, found_at) VALUES ('GAMLS', 'x', '{NOON}', {seconds}, '{found_by}', '{NOON}')"
        ));
    }
    mirror.execute("INSERT INTO notices VALUES ('', 'vendor', 'the machine is \u{1b} ill', '2026-05-01T12:00:00.000Z')");
    mirror.execute("DELETE FROM covered WHERE status = 0");
    mirror.execute("INSERT INTO covered VALUES ('GAMLS', 0, '2019-01-01T00:00:00', '2019-02-01T00:00:00'), ('GAMLS', 0, '2019-03-01T00:00:00', '2019-04-01T00:00:00')");
    let (_, view): (Option<String>, i64) =
        mirror.connection().query_row("SELECT complete_until, gaps FROM coverage", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();

    let status = mirror.status().await;
    let feed = &status["feeds"][0];
    assert_eq!((&feed["complete_until"], feed["gaps"].as_array().unwrap().len() as i64), (&Value::Null, view), "{status}");
    assert_eq!(
        (feed["known_gaps"].as_array().unwrap().len(), &feed["known_gaps"][0]["from"]),
        (2, &json!("2022-01-01T00:00:00")),
        "{status}"
    );
    let late = json!({ "count": 5, "half_s": 30.0, "nine_tenths_s": 600.0, "most_s": 600.0, "beyond_overlap": 1 });
    assert_eq!(feed["late"], late);
    assert_eq!(feed["notices"][0]["kind"], json!("clock"), "{status}");
    assert_eq!(status["notices"][0]["kind"], json!("vendor"), "{status}");
    let text = mirror.run_without_key(&["status"]).await.expect(0).out;
    for shown in [
        "! vendor: the machine is \\u{1b} ill",
        "! clock: the vendor's clock is",
        "Status=0 still unread: 2019-02-01T00:00:00 .. 2019-03-01T00:00:00",
        "known gap: Status=0 from 2022-01-01T00:00:00 to 2022-01-01T00:00:04: the vendor counts 12 records and shows 9; tried 2 times, next at 2026-05-01T12:10:00.000Z",
        "to 2021-01-01T00:00:04: HTTP 500; tried once, next at 2026-05-01T12:10:00.000Z",
        "late: 5 listings, half within 30s, 9 of 10 within 10m, at most 10m; poll.overlap = 2m is too short for 1 of them",
    ] {
        assert!(text.contains(shown), "{shown}\nis not in\n{text}");
    }
    assert!(text.starts_with("stopped: nobody mirrors") && text.find("! vendor").unwrap() < text.find("GAMLS  ").unwrap(), "{text}");
    mirror.reconcile(&[]).await;
    let text = mirror.run_without_key(&["status"]).await.expect(0).out;
    assert!(text.contains("reconcile run 1 done at"), "{text}");
}
