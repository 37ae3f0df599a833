//! The history of changes, as its consumers read it: `changes`, `history` and what `schema_meta` says of both.

use crate::support::{Ended, LIMIT, Mirror, eventually, small};
use mls_sync::record::ListingId;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

const FEED: &str = "GAMLS";

type Columns = BTreeMap<String, Value>;

/// A consumer that has nothing but the lines of `mls-sync changes`.
#[derive(Clone, Debug, Default, PartialEq)]
struct Consumer {
    last: i64,
    /// Whether each listing is live, and its columns that are not null.
    rows: BTreeMap<String, (bool, Columns)>,
}

impl Consumer {
    /// Reads on from where it stands.
    fn follow(&mut self, mirror: &Mirror) -> usize {
        let said = mirror.run(&["changes", "--since", &self.last.to_string()]).succeeded();
        said.stdout.lines().map(|line| self.take(&serde_json::from_str(line).unwrap())).count()
    }

    fn take(&mut self, line: &Value) {
        let seq = line["seq"].as_i64().unwrap();
        assert_eq!(seq, self.last + 1, "{line}");
        self.last = seq;
        let row = self.rows.entry(line["key"].as_str().unwrap().to_owned()).or_default();
        row.0 = line["kind"] != "deleted";
        for (column, values) in line["diff"].as_object().unwrap_or_else(|| panic!("no diff: {line}")) {
            assert_eq!(row.1.get(column).unwrap_or(&Value::Null), &values[0], "{column} was another before {line}");
            row.1.remove(column);
            if !values[1].is_null() {
                row.1.insert(column.clone(), values[1].clone());
            }
        }
    }

    /// A consumer that has read the tables.
    fn of_tables(mirror: &Mirror) -> Consumer {
        let db = mirror.open();
        let mut statement = db.prepare("SELECT * FROM listings").unwrap();
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let rows = statement.query_map([], |row| {
            let vendors = names.iter().enumerate().skip(2).take_while(|(_, name)| *name != "first_seen_at");
            let cells =
                vendors.map(|(index, name)| (name.clone(), value(row.get_ref(index).unwrap()))).filter(|(_, value)| !value.is_null());
            Ok((row.get("listing_id")?, (row.get::<_, Option<String>>("deleted_at")?.is_none(), cells.collect())))
        });
        let rows = rows.unwrap().map(Result::unwrap).collect();
        Consumer { last: mirror.number("SELECT max(change_seq) FROM listings"), rows }
    }
}

fn value(value: ValueRef) -> Value {
    match value {
        ValueRef::Integer(number) => json!(number),
        ValueRef::Real(number) => json!(number),
        ValueRef::Text(text) => json!(std::str::from_utf8(text).unwrap()),
        ValueRef::Null | ValueRef::Blob(_) => Value::Null,
    }
}

/// Edits some listings, deletes some, and brings one back; then it is read.
fn live_on(mirror: &Mirror, round: usize) {
    let live: Vec<ListingId> = mirror.truly_live(FEED).into_iter().skip(round * 20).take(20).collect();
    let (edited, deleted) = live.split_at(14);
    let gone = mirror.text("SELECT min(listing_id) FROM listings WHERE deleted_at IS NOT NULL");
    mirror.sandbox.with_world(|world| {
        assert!(edited.iter().all(|listing| world.edit(FEED, listing)) && deleted.iter().all(|listing| world.delete(FEED, listing)));
        assert!(world.revive(FEED, &ListingId(gone)));
    });
    mirror.quiet();
    mirror.once();
}

fn loaded() -> Mirror {
    let mirror = Mirror::new(small());
    mirror.backfill();
    mirror
}

fn lines(ended: &Ended) -> Vec<Value> {
    ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn execute(mirror: &Mirror, sql: &str) {
    Connection::open(mirror.database()).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn who_applies_each_diff_has_what_the_file_has_from_the_first_change_on_and_at_any_stop() {
    let mirror = loaded();
    let mut follower = Consumer::default();
    for round in 0..3 {
        assert!(follower.follow(&mirror) >= if round == 0 { 330 } else { 21 });
        assert_eq!(follower, Consumer::of_tables(&mirror), "round {round}");
        live_on(&mirror, round);
    }
    follower.follow(&mirror);
    let mut afresh = Consumer::default();
    afresh.follow(&mirror);
    assert_eq!(afresh, Consumer::of_tables(&mirror));
    assert_eq!(follower, afresh);
    // What says nothing new is no change.
    mirror.reread();
    assert_eq!(follower.follow(&mirror), 0);
    mirror.verify("after all");
}

#[test]
fn a_column_that_a_diff_leaves_out_is_seen_by_who_follows() {
    let mirror = loaded();
    let mut follower = Consumer::default();
    follower.follow(&mirror);
    live_on(&mirror, 0);
    let some = "(SELECT max(seq) FROM changes WHERE kind = 'changed')";
    execute(&mirror, &format!("UPDATE changes SET diff = json_remove(diff, '$.mls_update_date') WHERE seq = {some}"));
    follower.follow(&mirror);
    let truth = Consumer::of_tables(&mirror);
    let differs: Vec<&String> = truth.rows.iter().filter(|(key, row)| follower.rows.get(*key) != Some(*row)).map(|(key, _)| key).collect();
    assert_eq!(differs, [&mirror.text(&format!("SELECT key FROM changes WHERE seq = {some}"))]);
}

#[test]
fn each_change_says_what_made_it_and_a_mass_of_them_is_told_apart() {
    let mirror = loaded();
    live_on(&mirror, 0);
    let told = |sql: &str| {
        mirror.query(sql, |row| Ok(format!("{} {} {}", row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?)))
    };
    let kinds = "SELECT kind, cause, count(*) FROM changes WHERE seq > 330 GROUP BY 1, 2 ORDER BY 1";
    assert_eq!(told(kinds), ["changed vendor 14", "deleted vendor 6", "restored vendor 1"]);
    assert_eq!(mirror.number("SELECT count(*) FROM changes WHERE bulk AND seq > 330"), 0, "few are no mass");
    assert_eq!(mirror.number("SELECT count(*) FROM changes WHERE stamp IS NULL"), 0);
    mirror.run(&["feeds", "remove", FEED, "--yes"]).succeeded();
    assert_eq!(told("SELECT kind, cause, bulk FROM changes WHERE cause <> 'vendor' GROUP BY 1, 2, 3"), ["deleted feed_removed 1"]);
    let line = lines(&mirror.run(&["changes"]).succeeded()).pop().unwrap();
    assert_eq!(
        (&line["bulk"], &line["cause"], &line["stamp"], &line["diff"]),
        (&json!(true), &json!("feed_removed"), &Value::Null, &json!({}))
    );
    let events = "SELECT count(*) FROM entity_event WHERE ResourceName = 'Property' AND ResourceRecordKey LIKE 'GAMLS:%'
        AND EntityEventTimestamp LIKE '20%Z' AND EntityEventSequence > 0";
    assert_eq!(mirror.number(events), mirror.number("SELECT count(*) FROM changes"));
}

#[test]
fn changes_can_be_asked_for_by_feed_and_column_and_what_does_not_exist_is_refused() {
    let mirror = loaded();
    live_on(&mirror, 0);
    let of = |arguments: &[&str]| lines(&mirror.run(&[&["changes", "--since", "330"], arguments].concat()).succeeded());
    assert_eq!((of(&[]).len(), of(&["--feed", "gamls", "--entity", "listing"]).len(), of(&["--feed", "X"]).len()), (21, 21, 0));
    let dated = of(&["--columns", "mls_update_date,beds"]);
    let columns: Vec<&String> = dated.iter().flat_map(|line| line["diff"].as_object().unwrap().keys()).collect();
    assert!(dated.len() == 21 && columns.iter().all(|column| ["mls_update_date", "beds"].contains(&column.as_str())), "{columns:?}");
    let untouched = of(&["--columns", "year_built"]);
    assert!(untouched.iter().all(|line| line["kind"] != "changed"), "{untouched:?}");
    for strange in [["--columns", "pries"], ["--entity", "home"]] {
        let said = mirror.run(&["changes", strange[0], strange[1]]).exited(2);
        assert!(
            said.stderr.contains(&format!("there is no {} {}", strange[0].trim_start_matches('-').trim_end_matches('s'), strange[1])),
            "{}",
            said.stderr
        );
    }
}

#[test]
fn who_follows_sees_a_change_at_once_and_the_program_ends_quietly_when_nobody_reads_it() {
    let mirror = loaded();
    let _daemon = mirror.start(&["run"]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_mls-sync"));
    command.args(["--config", mirror.config().to_str().unwrap(), "changes", "--since", "330", "--follow"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let listings: Vec<ListingId> = mirror.truly_live(FEED).into_iter().take(20).collect();
    let mut waits = Vec::new();
    for listing in &listings {
        mirror.sandbox.with_world(|world| assert!(world.edit(FEED, listing)));
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((line["key"].as_str(), &line["kind"]), (Some(listing.0.as_str()), &json!("changed")), "{line}");
        let at = chrono::DateTime::parse_from_rfc3339(line["at"].as_str().unwrap()).unwrap();
        waits.push((chrono::Utc::now() - at.to_utc()).num_milliseconds());
    }
    waits.sort_unstable();
    // The mark is 250 ms from the commit; a machine that runs all tests at once is given more.
    assert!(waits[waits.len() / 2] < 250, "{waits:?}");
    drop(out);
    mirror.sandbox.with_world(|world| assert!(world.edit(FEED, &listings[0])));
    let begun = Instant::now();
    eventually("it ends", LIMIT, || child.try_wait().unwrap().is_some() || begun.elapsed() > LIMIT);
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn who_falls_behind_what_is_kept_is_told_so_and_nobody_else_is() {
    let mirror = loaded();
    let config = std::fs::read_to_string(mirror.config()).unwrap();
    std::fs::write(mirror.config(), config + "[history]\nkeep = \"1s\"\n").unwrap();
    let daemon = mirror.start(&["run"]);
    eventually("all are cut", LIMIT, || mirror.number("SELECT cut_seq FROM schema_meta") == 330);
    daemon.signal("TERM");
    daemon.wait(LIMIT).succeeded();
    let behind = mirror.run(&["changes", "--since", "329"]).exited(4);
    assert!(behind.stdout.is_empty() && behind.stderr.contains("the changes up to 330 were cut (history.keep)"), "{}", behind.stderr);
    assert_eq!(mirror.number("SELECT count(*) FROM changes"), 0);
    let mut consumer = Consumer::of_tables(&mirror);
    live_on(&mirror, 0);
    assert_eq!(consumer.follow(&mirror), 21);
    assert_eq!(consumer, Consumer::of_tables(&mirror));
    assert_eq!(lines(&mirror.run(&["changes"]).succeeded()).len(), 21, "without a number it begins with what is kept");
    let key = mirror.text("SELECT key FROM changes WHERE kind = 'changed'");
    let told = mirror.run(&["history", FEED, &key]).succeeded().stdout;
    assert!(told.contains("what was before is not kept"), "{told}");
    mirror.run(&["history", FEED, &key, "--at", "2000-01-01"]).exited(1);
}

#[test]
fn a_copy_that_is_put_back_uses_no_number_twice_and_who_has_read_on_is_told() {
    let mirror = loaded();
    let copy = mirror.dir().join("copy.db");
    execute(&mirror, &format!("VACUUM INTO '{}'", copy.display()));
    let epoch = || mirror.text("SELECT epoch FROM schema_meta");
    let before = epoch();
    live_on(&mirror, 0);
    assert_eq!((epoch(), mirror.number("SELECT max(seq) FROM changes")), (before.clone(), 351));
    for place in ["in its place", "over it"] {
        for suffix in ["-wal", "-shm"] {
            std::fs::remove_file(format!("{}{suffix}", mirror.database().display())).unwrap();
        }
        if place == "in its place" {
            std::fs::remove_file(mirror.database()).unwrap();
        }
        std::fs::copy(&copy, mirror.database()).unwrap();
        mirror.once();
        let (least, most) = (mirror.number("SELECT min(seq) FROM changes WHERE seq > 330"), mirror.number("SELECT max(seq) FROM changes"));
        assert!(least > 1_000_000_000 && epoch() != before, "{place}: {least}");
        let lost = mirror.run(&["changes", "--since", "351"]).exited(4);
        assert!(lost.stderr.contains("this file has no change 351"), "{}", lost.stderr);
        mirror.run(&["changes", "--since", &most.to_string(), "--epoch", &before]).exited(4);
        mirror.run(&["changes", "--since", &most.to_string(), "--epoch", &epoch()]).succeeded();
        assert_eq!(lines(&mirror.run(&["changes", "--since", "330"]).succeeded()).len(), 21, "what both files have is known");
    }
    let least = mirror.number("SELECT min(seq) FROM changes WHERE seq > 330");
    assert!(least > 2_000_000_000, "the lock file remembers the numbers of the life before: {least}");
}

#[test]
fn the_times_of_changes_never_go_back_when_the_clock_does() {
    let mirror = loaded();
    // As if our clock had been ahead when the last change was stored; by more than a day, and nobody believes it any more.
    for (round, (ahead, is_kept)) in [("+1 hour", true), ("+2 days", false)].into_iter().enumerate() {
        let moved = format!("strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '{ahead}')");
        execute(&mirror, &format!("UPDATE changes SET at = {moved} WHERE seq = (SELECT max(seq) FROM changes)"));
        let (before, then) =
            (mirror.number("SELECT max(seq) FROM changes"), mirror.text("SELECT at FROM changes ORDER BY seq DESC LIMIT 1"));
        live_on(&mirror, round);
        let after = format!("FROM changes WHERE seq > {before}");
        assert!(mirror.number(&format!("SELECT count(*) {after}")) > 0);
        assert_eq!(mirror.text(&format!("SELECT min(at) {after}")) == then, is_kept, "{ahead}");
        let rows = "SELECT count(*) FROM changes JOIN listings ON listings.change_seq = changes.seq AND listings.changed_at <> changes.at";
        assert_eq!(mirror.number(&format!("{rows} WHERE seq > {before}")), 0, "a row has the time of its change");
    }
}

#[test]
fn the_history_of_a_listing_fits_a_terminal_and_tells_what_it_was_at_any_time() {
    let mirror = loaded();
    let before = Consumer::of_tables(&mirror);
    let between = mirror.text("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now')");
    live_on(&mirror, 0);
    let key = mirror.text("SELECT key FROM changes WHERE kind = 'changed'");
    let told = mirror.run(&["history", FEED, &key]).succeeded().stdout;
    assert!(told.lines().all(|line| line.chars().count() <= 80), "{told}");
    assert!(told.starts_with(&format!("{FEED} {key}: 2 changes\n")) && told.contains(" -> "), "{told}");
    let all: Value = serde_json::from_str(&mirror.run(&["history", FEED, &key, "--json"]).succeeded().stdout).unwrap();
    assert_eq!((&all["changes"][0]["kind"], &all["changes"][1]["kind"], &all["cut"]), (&json!("added"), &json!("changed"), &json!(false)));
    for (time, rows) in [(between.as_str(), &before), ("2100-01-01", &Consumer::of_tables(&mirror))] {
        let was: Value = serde_json::from_str(&mirror.run(&["history", FEED, &key, "--json", "--at", time]).succeeded().stdout).unwrap();
        let row: Columns = serde_json::from_value(was["row"].clone()).unwrap();
        let row: Columns = row.into_iter().filter(|(_, value)| !value.is_null()).collect();
        assert_eq!((was["live"] == true, row), rows.rows[&key], "at {time}");
    }
    let early = mirror.run(&["history", FEED, &key, "--at", "2000-01-01"]).exited(1);
    assert!(early.stdout.contains("was not stored yet then"), "{}", early.stdout);
    assert!(mirror.run(&["history", FEED, "none"]).exited(1).stdout.contains("was never stored"));
}
