//! What batch jobs take from the file: `wait`, `snapshot` and `export`.

use crate::support::{self, Ended, LIMIT, Mirror, always, eventually, feeds, small};
use mls_sync::record::ListingId;
use mls_sync::sandbox::Options;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const FEED: &str = "GAMLS";
const AHEAD: &str = "a clock ahead of ours";

fn loaded() -> Mirror {
    let mirror = Mirror::new(small());
    mirror.backfill();
    mirror
}

fn execute(mirror: &Mirror, sql: &str) {
    Connection::open(mirror.database()).unwrap().execute_batch(sql).unwrap();
}

/// Looks once, and does not find what is waited for.
fn not_yet(mirror: &Mirror, arguments: &[&str], expected: &str) -> Ended {
    let ended = mirror.run(&[&["wait", "--timeout", "0s"], arguments].concat()).exited(1);
    assert!(ended.stderr.contains(expected) && ended.stdout.is_empty(), "{}", ended.both());
    ended
}

/// Edits listings and waits after each; what was edited is in the file then. Other listings change all the time, so that nothing
/// that a poll found is written later than it could be.
fn what_was_changed_before_is_there_after(mirror: &Mirror, vendor: &str) {
    mirror.sandbox.reconfigure(|options| options.churn_per_second = 5.0);
    let _daemon = mirror.start(&["run"]);
    let listings: Vec<ListingId> = mirror.truly_live(FEED).into_iter().step_by(30).collect();
    let edited = listings.into_iter().filter(|listing| mirror.sandbox.with_world(|world| world.edit(FEED, listing))).take(5);
    let mut waits = 0;
    for listing in edited {
        // Its stamp lies behind the moment that is waited for. What has come by then depends on how long the vendor's answers take.
        if vendor == AHEAD {
            std::thread::sleep(Duration::from_secs(3));
        }
        mirror.run(&["wait"]).succeeded();
        let changes = format!("SELECT count(*) FROM changes WHERE key = '{listing}' AND kind <> 'added'");
        assert!(mirror.number(&changes) > 0, "{vendor}: {listing} is not there yet");
        waits += 1;
    }
    assert_eq!(waits, 5);
}

#[test]
fn what_was_changed_before_a_wait_began_is_in_the_file_when_it_ends() {
    support::side_by_side(vec!["a clock as ours", AHEAD, "another zone"], |vendor| {
        let zone_hours = if vendor == "another zone" { -8 } else { 0 };
        let mirror = Mirror::new(Options { zone_hours, ..small() });
        if vendor == AHEAD {
            mirror.sandbox.with_world(|world| world.advance(Duration::from_secs(3600)));
        }
        let config = std::fs::read_to_string(mirror.config()).unwrap();
        std::fs::write(mirror.config(), config.replace("client = ", &format!("timestamp_zone = \"{zone_hours:+03}:00\"\nclient = ")))
            .unwrap();
        mirror.backfill();
        what_was_changed_before_is_there_after(&mirror, vendor);
    });
}

#[test]
fn nothing_is_claimed_where_the_vendors_dates_are_ahead_of_the_zone_that_is_set() {
    let mirror = Mirror::new(Options { zone_hours: 2, ..small() });
    mirror.sandbox.with_world(|world| world.advance(Duration::from_secs(10)));
    mirror.backfill();
    let past = ["--until", "2020-01-01"];
    let told = not_yet(&mirror, &past, "the vendor's dates are 2 h ahead of its clock").stderr;
    assert!(told.contains("not within 0s: GAMLS: read as"), "{told}");
}

#[test]
fn a_wait_that_ends_early_says_why_a_feed_is_not_complete_and_each_reason_once() {
    let mirror = Mirror::new(feeds(&["GAMLS", "NWMLS"]));
    mirror.backfill();
    let note = "the vendor''s dates are 5 h behind its clock";
    execute(&mirror, &format!("INSERT INTO notices SELECT feed_id, 'zone', '{note}', '' FROM feeds"));
    execute(
        &mirror,
        "INSERT INTO late_listings (feed_id, listing_id, stamp, late_s, found_by, found_at) VALUES ('NWMLS', 'x', '', 21600, 'scan', strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))",
    );
    let told = not_yet(&mirror, &[], "; GAMLS, NWMLS: the vendor's dates are 5 h behind its clock").stderr;
    assert_eq!(told.matches("5 h behind").count(), 1, "{told}");
    assert!(told.contains("NWMLS: listings come up to 6h late, so completeness is told up to that long ago"), "{told}");
}

#[test]
fn a_wait_does_not_wait_for_a_database_that_is_a_pipe() {
    let mirror = Mirror::new(small());
    pipe(&mirror.database());
    let ended = mirror.run(&["wait", "--timeout", "0s"]).exited(2);
    assert!(ended.stderr.contains("mls.db: it is no regular file"), "{}", ended.stderr);
}

fn pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_wait_begins_before_there_is_a_file_and_ends_when_everything_is_loaded() {
    let mirror = Mirror::new(Options { churn_per_second: 5.0, ..small() });
    not_yet(&mirror, &[], "mls.db does not exist yet. Nobody mirrors into the file");
    let mut wait = mirror.start(&["wait"]);
    always("it waits", Duration::from_millis(300), || wait.is_running());
    let _daemon = mirror.start(&["run"]);
    wait.wait(LIMIT).succeeded();
    let polled = "SELECT count(*) FROM coverage WHERE complete_until IS NOT NULL AND gaps = 0";
    assert_eq!((mirror.number(polled), mirror.live(FEED) > 250), (1, true));
}

#[test]
fn without_a_daemon_a_wait_tells_what_is_missing_and_never_claims_more_than_the_file() {
    let mirror = Mirror::new(feeds(&["GAMLS", "NWMLS"]));
    mirror.backfill();
    let until = mirror.text("SELECT complete_until FROM coverage WHERE feed_id = 'NWMLS'");
    let told = not_yet(&mirror, &[], &format!("NWMLS is complete until {until}")).stderr;
    assert!(told.contains("GAMLS is complete until 2") && told.contains("Nobody mirrors into the file"), "{told}");
    let late = mirror.run(&["wait", "--timeout", "700ms"]).exited(1);
    assert!(late.took >= Duration::from_millis(700) && late.stderr.contains("not within 700ms"), "{late:?}");
    mirror.run(&["wait", "--until", "2020-01-01", "--timeout", "0s"]).succeeded();
    let earliest = mirror.text("SELECT min(complete_until) FROM coverage");
    mirror.run(&["wait", "--until", &earliest, "--timeout", "0s"]).succeeded();
    not_yet(&mirror, &["--until", &format!("{}9", mirror.text("SELECT substr(max(complete_until), 1, 19) || '.999' FROM coverage"))], "");
    mirror.run(&["wait", "--until", &until, "--feed", "nwmls", "--timeout", "0s"]).succeeded();
    not_yet(&mirror, &["--feed", "OTHER"], "OTHER is not in the file yet");
    for wrong in ["--until=yesterday", "--timeout=soon", "--seq=-1"] {
        mirror.run(&["wait", wrong]).exited(2);
    }
    // Another is named than the file has, one is not mirrored any more, one was removed.
    let past = ["--until", "2020-01-01"];
    let mut mirror = mirror;
    mirror.set(|settings| settings.feeds = vec!["GAMLS".to_owned(), "THIRD".to_owned()]);
    not_yet(&mirror, &past, "THIRD is not in the file yet");
    mirror.set(|settings| settings.feeds = vec!["GAMLS".to_owned()]);
    mirror.once();
    mirror.run(&["wait", "--until", &mirror.text("SELECT complete_until FROM coverage WHERE feed_id = 'GAMLS'")]).succeeded();
    mirror.run(&["feeds", "remove", "GAMLS", "--yes"]).succeeded();
    not_yet(&mirror, &past, "GAMLS was removed at 2");
    mirror.set(|settings| settings.feeds = Vec::new());
    not_yet(&mirror, &past, "no feed is known yet");
}

#[test]
fn a_wait_for_a_change_ends_when_it_is_stored_and_knows_one_of_another_life() {
    let mirror = loaded();
    let seq = |number: i64| mirror.run(&["wait", "--timeout", "0s", "--seq", &number.to_string()]);
    for there in [0, 1, 330] {
        seq(there).succeeded();
    }
    not_yet(&mirror, &["--seq", "331"], "the last change is 330");
    let wait = mirror.start(&["wait", "--seq", "331"]);
    let edited = mirror.truly_live(FEED).into_iter().next().unwrap();
    mirror.sandbox.with_world(|world| assert!(world.edit(FEED, &edited)));
    mirror.quiet();
    mirror.once();
    wait.wait(LIMIT).succeeded();
    execute(&mirror, "UPDATE sqlite_sequence SET seq = 1000000000 WHERE name = 'changes'");
    assert!(seq(332).exited(4).stderr.contains("this file has no change 332"));
    execute(&mirror, "DELETE FROM changes WHERE seq < 5; UPDATE schema_meta SET cut_seq = 4");
    seq(3).succeeded();
}

/// Where a copy is written.
fn target(mirror: &Mirror, name: &str) -> PathBuf {
    mirror.dir().join(name)
}

fn snapshot(mirror: &Mirror, file: &Path, more: &[&str]) -> Ended {
    mirror.run(&[&["snapshot", file.to_str().unwrap()], more].concat())
}

/// What is being written, or was not finished.
fn parts(mirror: &Mirror) -> Vec<String> {
    let names = std::fs::read_dir(mirror.dir()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains(".part")).collect()
}

fn number(copy: &Connection, sql: &str) -> i64 {
    copy.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_snapshot_is_a_file_of_one_moment_while_the_daemon_writes() {
    let mirror = Mirror::new(Options { churn_per_second: 100.0, ..small() });
    let daemon = mirror.start(&["run"]);
    eventually("it is loaded", LIMIT, || mirror.live(FEED) > 250);
    let mut last = 0;
    for round in 0..5 {
        let file = target(&mirror, &format!("copy-{round}.db"));
        snapshot(&mirror, &file, &[]).succeeded();
        let copy = Connection::open(&file).unwrap();
        assert_eq!(copy.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap(), "ok");
        let astray = "SELECT count(*) FROM listings l WHERE change_seq IS NOT
            (SELECT max(seq) FROM changes c WHERE c.feed_id = l.feed_id AND key = listing_id)";
        assert_eq!(number(&copy, astray), 0);
        let newest = number(&copy, "SELECT max(seq) FROM changes");
        assert!(newest >= last && newest == number(&copy, "SELECT seq FROM sqlite_sequence WHERE name = 'changes'"), "{newest}");
        last = newest;
    }
    drop(daemon);
    assert!(parts(&mirror).is_empty(), "{:?}", parts(&mirror));
}

#[test]
fn a_snapshot_holds_every_row_has_the_mode_of_the_file_and_replaces_nothing() {
    let mirror = loaded();
    std::fs::set_permissions(mirror.database(), std::fs::Permissions::from_mode(0o640)).unwrap();
    let file = target(&mirror, "copy.db");
    snapshot(&mirror, &file, &[]).succeeded();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    for table in mirror.query("SELECT name FROM sqlite_schema WHERE type = 'table'", |row| row.get::<_, String>(0)) {
        let differing = format!("SELECT count(*) FROM (SELECT * FROM main.{table} EXCEPT SELECT * FROM copy.{table})");
        let both = Connection::open(mirror.database()).unwrap();
        both.execute_batch(&format!("ATTACH '{}' AS copy", file.display())).unwrap();
        assert_eq!(number(&both, &differing), 0, "{table}");
        assert_eq!(
            number(&both, &format!("SELECT count(*) FROM main.{table}")),
            number(&both, &format!("SELECT count(*) FROM copy.{table}"))
        );
    }
    let before = std::fs::read(&file).unwrap();
    for more in [&[][..], &["--public"]] {
        assert!(snapshot(&mirror, &file, more).exited(2).stderr.contains("copy.db exists"));
    }
    assert!(std::fs::read(&file).unwrap() == before);
    // The copy is a file that commands read.
    let config = std::fs::read_to_string(mirror.config()).unwrap().replace("mls.db", "copy.db");
    std::fs::write(mirror.config(), config).unwrap();
    mirror.run(&["status"]).succeeded();
    for nowhere in ["none/copy.db", "new/", "copy.db-wal"] {
        snapshot(&mirror, &target(&mirror, nowhere), &[]).exited(2);
    }
}

#[test]
fn a_snapshot_is_where_it_was_asked_for_whatever_its_name_means_to_sqlite() {
    let mirror = loaded();
    std::fs::set_permissions(mirror.database(), std::fs::Permissions::from_mode(0o640)).unwrap();
    for (name, more) in [("file:copy.db", &[][..]), ("file:other.db?mode=rwc", &["--public"])] {
        mirror.start_behind(&["sh", "-c", "exec \"$0\" \"$@\""], &[&["snapshot", name], more].concat()).wait(LIMIT).succeeded();
        let file = target(&mirror, name);
        assert!(number(&Connection::open(&file).unwrap(), "SELECT count(*) FROM sqlite_schema") > 0, "{name}");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640, "{name}");
    }
    let odd = ["sh", "-c", "exec \"$0\" \"$@\" \"$(printf 'odd\\377')\""];
    for more in [&[][..], &["--public"]] {
        let ended = mirror.start_behind(&odd, &[&["snapshot"], more].concat()).wait(LIMIT).exited(2);
        assert!(ended.stderr.contains("is not UTF-8"), "{}", ended.stderr);
    }
    let names = std::fs::read_dir(mirror.dir()).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let strange: Vec<String> = names.filter(|name| ["odd", "copy", "other", "part"].iter().any(|word| name.contains(word))).collect();
    assert_eq!(strange.len(), 2, "{strange:?}");
}

/// Writes HIDDEN wherever the public must not look; returns how many listings are shown.
fn hide(mirror: &Mirror) -> i64 {
    execute(mirror, "UPDATE listings SET show_address = iif(rowid % 2, 1, 0), deleted_at = NULL, deleted_cause = NULL");
    let hidden = "SELECT name FROM pragma_table_info('listings') WHERE type = 'TEXT' AND name NOT IN ('extra', 'media', 'open_houses')
        AND name NOT LIKE 'deleted%' AND name <> 'purged_at' AND name NOT IN (SELECT name FROM pragma_table_info('public_listings'))";
    let columns = mirror.query(hidden, |row| row.get::<_, String>(0));
    assert!(
        ["agent_remarks", "showing_instructions", "commission"].iter().all(|name| columns.contains(&(*name).to_owned())),
        "{columns:?}"
    );
    for column in columns {
        execute(mirror, &format!("UPDATE listings SET {column} = 'HIDDEN ' || rowid"));
    }
    let address = ["address", "address2", "directions", "parcel_number", "street_name", "street_number", "unit_number", "street_suffix"];
    for column in address {
        execute(mirror, &format!("UPDATE listings SET {column} = iif(show_address, 'SHOWN', 'HIDDEN') || rowid"));
    }
    execute(mirror, "UPDATE listings SET extra = '{\"A\":\"HIDDEN\"}'; UPDATE feeds SET note = 'HIDDEN'");
    let deleted = "SET deleted_at = changed_at, deleted_cause = 'vendor', remarks = 'HIDDEN', listing_id = 'HIDDEN' || listing_id";
    execute(mirror, &format!("UPDATE listings {deleted} WHERE rowid % 3 = 0"));
    execute(
        mirror,
        "UPDATE listings SET purged_at = changed_at, listing_id = 'HIDDEN' || listing_id WHERE rowid % 3 = 1 AND rowid % 7 = 0",
    );
    mirror.number("SELECT count(*) FROM public_listings")
}

fn holds(file: &Path, word: &str) -> bool {
    std::fs::read(file).unwrap().windows(word.len()).any(|part| part == word.as_bytes())
}

#[test]
fn a_snapshot_for_the_public_holds_what_may_be_displayed_and_not_one_byte_of_anything_else() {
    let mirror = loaded();
    let shown = hide(&mirror);
    let (all, file) = (target(&mirror, "all.db"), target(&mirror, "public.db"));
    snapshot(&mirror, &all, &[]).succeeded();
    assert!(holds(&all, "HIDDEN"));
    snapshot(&mirror, &file, &["--public"]).succeeded();
    assert!(holds(&file, "SHOWN") && !holds(&file, "HIDDEN"));
    let copy = Connection::open(&file).unwrap();
    copy.execute_batch(&format!("ATTACH '{}' AS main_file", mirror.database().display())).unwrap();
    let live = "(feed_id, listing_id) IN (SELECT feed_id, listing_id FROM main_file.public_listings)";
    for (table, which) in [("public_listings", "1"), ("listing_photos", live), ("open_houses_upcoming", "1")] {
        let [here, there] = ["main", "main_file"].map(|file| format!("SELECT * FROM {file}.{table} WHERE {which}"));
        for (one, other) in [(&here, &there), (&there, &here)] {
            assert_eq!(number(&copy, &format!("SELECT count(*) FROM ({one} EXCEPT {other})")), 0, "{table}");
        }
        assert!(number(&copy, &format!("SELECT count(*) FROM main.{table}")) > 0 || table == "open_houses_upcoming", "{table}");
    }
    assert_eq!(number(&copy, "SELECT count(*) FROM main.public_listings"), shown);
    let counted = |file: &str, lookup: &str| {
        number(&copy, &format!("SELECT sum(listings) FROM {file}.lookups WHERE lookup = '{lookup}' AND feed_id = '{FEED}'"))
    };
    for (lookup, column) in [("PropertyType", "property_type_search"), ("ListingStatus", "listing_status_search")] {
        let public = number(&copy, &format!("SELECT count(*) FROM main.public_listings WHERE {column} <> ''"));
        assert!(public > 0 && counted("main", lookup) == public && counted("main_file", lookup) > public, "{lookup}");
    }
    assert_eq!(number(&copy, "SELECT count(*) FROM main.sync_status WHERE complete_until IS NOT NULL"), 1);
    let about = "SELECT count(*) FROM main.snapshot JOIN main_file.schema_meta USING (contract, file_id, epoch) WHERE seq = 330";
    assert_eq!(number(&copy, about), 1);
    let tables = "SELECT group_concat(name, ' ') FROM (SELECT name FROM main.sqlite_schema WHERE type IN ('table', 'view') ORDER BY name)";
    let tables: String = copy.query_row(tables, [], |row| row.get(0)).unwrap();
    assert_eq!(tables, "listing_photos lookups open_houses_upcoming public_listings snapshot sync_status");
}

#[test]
fn a_snapshot_that_is_stopped_or_finds_the_disk_full_leaves_nothing_behind() {
    let mirror = loaded();
    let file = target(&mirror, "copy.db");
    let full = ["sh", "-c", "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$@\""];
    for more in [&[][..], &["--public"]] {
        let ended = mirror.start_behind(&full, &[&["snapshot", file.to_str().unwrap()], more].concat()).wait(LIMIT).exited(1);
        assert!(ended.stderr.contains("cannot write") && ended.stderr.contains("copy.db: disk"), "{}", ended.stderr);
        assert!(parts(&mirror).is_empty() && !file.exists());
    }
    // Nobody else can read the file meanwhile, so that the copy waits.
    let alone = Connection::open(mirror.database()).unwrap();
    let usual = &["env", "--default-signal=HUP"][..];
    for (signal, ways) in [("TERM", usual), ("INT", usual), ("HUP", usual), ("TERM", &["nohup"])] {
        alone.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
        let copying = mirror.start_behind(ways, &["snapshot", file.to_str().unwrap()]);
        eventually("it has begun", LIMIT, || !parts(&mirror).is_empty());
        if ways == ["nohup"] {
            copying.signal("HUP");
            always("it goes on", Duration::from_millis(200), || !parts(&mirror).is_empty());
        }
        copying.signal(signal);
        copying.wait(LIMIT).exited(1);
        assert!(parts(&mirror).is_empty() && !file.exists(), "{signal}");
        alone.execute_batch("COMMIT").unwrap();
    }
}

type Row = BTreeMap<String, Value>;

/// What an export in one format gives, in its order, and the number to go on from.
fn export(mirror: &Mirror, format: &str, more: &[&str]) -> (Vec<Row>, String) {
    let ended = mirror.run(&[&["export", format, "-"], more].concat()).succeeded();
    let rows = if format == "--csv" {
        of_csv(&ended.stdout)
    } else {
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let (told, since) = ended.stderr.trim().split_once(" listings; go on with --since ").unwrap_or_else(|| panic!("{}", ended.stderr));
    assert_eq!(told, rows.len().to_string());
    (rows, since.to_owned())
}

/// Reads CSV; every value is text, or null.
fn of_csv(text: &str) -> Vec<Row> {
    let mut lines: Vec<Vec<Value>> = vec![Vec::new()];
    let (mut field, mut quoted, mut inside) = (String::new(), false, false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if inside && letters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' => (inside, quoted) = (!inside, true),
            ',' | '\n' if !inside => {
                let value = if field.is_empty() && !quoted { Value::Null } else { json!(std::mem::take(&mut field)) };
                lines.last_mut().unwrap().push(value);
                quoted = false;
                if letter == '\n' {
                    lines.push(Vec::new());
                }
            }
            other => field.push(other),
        }
    }
    assert_eq!(lines.pop(), Some(Vec::new()), "the last line ends");
    let names: Vec<String> = lines.remove(0).into_iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    lines.into_iter().inspect(|line| assert_eq!(line.len(), names.len())).map(|line| names.iter().cloned().zip(line).collect()).collect()
}

/// The rows of a query as an export in this format gives them.
fn rows(mirror: &Mirror, format: &str, sql: &str) -> Vec<Row> {
    let nested = |name: &str| ["media", "open_houses", "extra"].contains(&name) && format == "--jsonl";
    mirror.query(sql, |row| {
        let names: Vec<String> = row.as_ref().column_names().map(str::to_owned).collect();
        let value = |(index, name): (usize, &String)| match row.get_ref(index).unwrap() {
            ValueRef::Null => Value::Null,
            ValueRef::Text(text) if nested(name) => serde_json::from_slice(text).unwrap(),
            ValueRef::Text(text) => json!(std::str::from_utf8(text).unwrap()),
            ValueRef::Integer(number) if format == "--csv" => json!(number.to_string()),
            ValueRef::Real(number) if format == "--csv" => json!(number.to_string()),
            ValueRef::Integer(number) if format == "--parquet" && name.ends_with("_number") => json!(number as f64),
            ValueRef::Integer(number) => json!(number),
            ValueRef::Real(number) => json!(number),
            ValueRef::Blob(_) => panic!("{name} is internal"),
        };
        Ok(names.iter().enumerate().map(|(index, name)| (name.clone(), value((index, name)))).collect())
    })
}

/// Every column of the table but for internal ones.
fn columns(mirror: &Mirror) -> String {
    mirror.text(
        "SELECT group_concat(name, ', ') FROM (SELECT name FROM pragma_table_info('listings')
         WHERE name NOT IN ('stamp', 'raw_hash', 'content_hash') ORDER BY cid)",
    )
}

#[test]
fn an_export_holds_every_live_row_in_the_order_of_the_keys_with_every_value_as_it_is() {
    let mirror = loaded();
    execute(
        &mirror,
        "UPDATE listings SET remarks = 'say \"so\", ' || char(10) || 'é' WHERE rowid % 3 = 0; UPDATE listings SET city = '' WHERE rowid % 5 = 0",
    );
    execute(&mirror, "UPDATE listings SET extra = '{\"A\": [1.50,' || char(10) || '2]}' WHERE rowid % 7 = 0");
    let live = format!("SELECT {} FROM live_listings ORDER BY feed_id, listing_id", columns(&mirror));
    for format in ["--csv", "--jsonl"] {
        assert_eq!(export(&mirror, format, &[]), (rows(&mirror, format, &live), "330".to_owned()), "{format}");
        let file = target(&mirror, "copy.out");
        let wrote = mirror.run(&["export", format, file.to_str().unwrap(), "--public"]).succeeded();
        let printed = mirror.run(&["export", format, "-", "--public"]).succeeded();
        assert!(std::fs::read_to_string(&file).unwrap() == printed.stdout && wrote.stdout.is_empty(), "{format}");
        let public = rows(&mirror, format, "SELECT *, NULL AS deleted_at FROM public_listings ORDER BY feed_id, listing_id");
        assert!(public.len() > 250 && export(&mirror, format, &["--public"]).0 == public, "{format}");
    }
    assert!(parts(&mirror).is_empty());
}

#[test]
fn who_applies_what_has_changed_since_an_export_has_what_an_export_anew_gives() {
    let mirror = loaded();
    for more in [&[][..], &["--public"]] {
        let key = |row: &Row| (row["feed_id"].to_string(), row["listing_id"].to_string());
        let (first, since) = export(&mirror, "--jsonl", more);
        let mut kept: BTreeMap<_, Row> = first.into_iter().map(|row| (key(&row), row)).collect();
        let live: Vec<ListingId> = mirror.truly_live(FEED).into_iter().take(20).collect();
        let (edited, deleted) = live.split_at(14);
        let gone = mirror.text("SELECT min(listing_id) FROM listings WHERE deleted_at IS NOT NULL");
        mirror.sandbox.with_world(|world| {
            assert!(edited.iter().all(|listing| world.edit(FEED, listing)) && deleted.iter().all(|listing| world.delete(FEED, listing)));
            assert!(world.revive(FEED, &ListingId(gone)));
        });
        mirror.quiet();
        mirror.once();
        let (changed, next) = export(&mirror, "--jsonl", &[&["--since", since.as_str()], more].concat());
        let numbers: Vec<i64> = changed.iter().map(|row| row["change_seq"].as_i64().unwrap()).collect();
        assert!(changed.len() == 21 && numbers.is_sorted() && numbers[0] > since.parse().unwrap(), "{numbers:?}");
        for row in changed {
            match row["deleted_at"].is_null() {
                true => drop(kept.insert(key(&row), row)),
                false => {
                    let told: Vec<&str> = row.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name.as_str()).collect();
                    assert_eq!(told == ["change_seq", "deleted_at", "feed_id", "listing_id"], !more.is_empty(), "{told:?}");
                    assert!(kept.remove(&key(&row)).is_some());
                }
            }
        }
        assert_eq!(kept.into_values().collect::<Vec<Row>>(), export(&mirror, "--jsonl", more).0, "{more:?}");
        assert_eq!(export(&mirror, "--csv", &[&["--since", next.as_str()], more].concat()), (Vec::new(), next), "{more:?}");
    }
    let lost = mirror.run(&["export", "--csv", "-", "--since", "1000"]).exited(4);
    assert!(lost.stderr.contains("this file has no change 1000") && lost.stdout.is_empty(), "{}", lost.stderr);
}

#[test]
fn an_export_for_the_public_says_nothing_hidden() {
    let mirror = loaded();
    let shown = hide(&mirror);
    for format in ["--csv", "--jsonl"] {
        let all = mirror.run(&["export", format, "-"]).succeeded().stdout;
        let public = mirror.run(&["export", format, "-", "--public"]).succeeded().stdout;
        assert!(all.contains("HIDDEN") && public.contains("SHOWN") && !public.contains("HIDDEN"), "{format}");
        let count = if format == "--csv" { of_csv(&public).len() } else { public.lines().count() };
        assert_eq!(count as i64, shown, "{format}");
    }
}

#[test]
fn an_export_that_does_not_reach_its_end_leaves_nothing_behind_and_needs_exactly_one_format() {
    let mirror = loaded();
    let file = target(&mirror, "copy.out");
    std::fs::write(&file, "before").unwrap();
    let full = ["sh", "-c", "trap '' XFSZ; ulimit -f 100; exec \"$0\" \"$@\""];
    for format in ["--csv", "--jsonl"] {
        let ended = mirror.start_behind(&full, &["export", format, file.to_str().unwrap()]).wait(LIMIT).exited(1);
        assert!(ended.stderr.contains("cannot write") && ended.stderr.contains("too large"), "{}", ended.stderr);
        assert!(parts(&mirror).is_empty() && std::fs::read_to_string(&file).unwrap() == "before");
        let head = ["sh", "-c", "{ \"$0\" \"$@\" 2>err; echo $? > code; } | head -n 1 > first"];
        mirror.start_behind(&head, &["export", format, "-"]).wait(LIMIT).succeeded();
        let [code, told] = ["code", "err"].map(|name| std::fs::read_to_string(target(&mirror, name)).unwrap());
        assert_eq!((code.as_str(), told.as_str()), ("1\n", ""));
    }
    mirror.run(&["export"]).exited(2);
    mirror.run(&["export", "--csv", "-", "--jsonl", "-"]).exited(2);
    mirror.run(&["export", "--csv", "-", "--since=-1"]).exited(2);
    for nowhere in ["none/copy.out", "", "new/"] {
        mirror.run(&["export", "--csv", target(&mirror, nowhere).to_str().unwrap()]).exited(2);
    }
}

#[test]
fn an_export_never_replaces_what_the_mirror_needs() {
    let mirror = loaded();
    let _daemon = mirror.start(&["run"]);
    eventually("it listens", LIMIT, || target(&mirror, "mls.db.sock").exists());
    std::fs::hard_link(mirror.database(), target(&mirror, "hard")).unwrap();
    std::os::unix::fs::symlink(mirror.database(), target(&mirror, "soft")).unwrap();
    let config = mirror.config().file_name().unwrap().to_str().unwrap().to_owned();
    for name in ["mls.db", "mls.db-wal", "mls.db-shm", "mls.db-journal", "mls.db.lock", "mls.db.sock", "hard", "soft", &config] {
        let ended = mirror.run(&["export", "--jsonl", target(&mirror, name).to_str().unwrap()]).exited(2);
        assert!(ended.stderr.contains("name another file"), "{name}: {}", ended.stderr);
    }
    assert!(mirror.live(FEED) > 250 && !target(&mirror, "mls.db-journal").exists());
}

#[test]
fn an_export_goes_into_a_pipe_and_to_where_a_link_leads() {
    let mirror = loaded();
    let expected = mirror.run(&["export", "--csv", "-"]).succeeded().stdout;
    let [pipe_path, file, link] = ["pipe", "file.csv", "link.csv"].map(|name| target(&mirror, name));
    pipe(&pipe_path);
    let read = ["sh", "-c", "cat pipe > read & \"$0\" \"$@\" && wait"];
    mirror.start_behind(&read, &["export", "--csv", "pipe"]).wait(LIMIT).succeeded();
    assert!(std::fs::read_to_string(target(&mirror, "read")).unwrap() == expected);
    assert!(!pipe_path.symlink_metadata().unwrap().is_file());
    // The link leads nowhere the first time.
    std::os::unix::fs::symlink("file.csv", &link).unwrap();
    for before in [None, Some("before")] {
        before.map_or(Ok(()), |before| std::fs::write(&file, before)).unwrap();
        mirror.run(&["export", "--csv", link.to_str().unwrap()]).succeeded();
        assert!(link.is_symlink() && std::fs::read_to_string(&file).unwrap() == expected, "{before:?}");
    }
    assert!(parts(&mirror).is_empty());
}

/// What the Parquet files of a directory hold, with the number of their row groups.
#[cfg(feature = "parquet")]
fn of_parquet(directory: &Path) -> BTreeMap<String, (usize, Vec<Row>)> {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;
    let value = |field: &Field| match field {
        Field::Null => Value::Null,
        Field::Str(text) => json!(text),
        Field::Long(number) => json!(number),
        Field::Double(number) => json!(number),
        Field::Bool(yes) => json!(i64::from(*yes)),
        other => panic!("{other:?}"),
    };
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let read = |file: PathBuf| {
        let reader = SerializedFileReader::new(std::fs::File::open(&file).unwrap()).unwrap();
        let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap);
        let rows = rows.map(|row| row.get_column_iter().map(|(name, field)| (name.clone(), value(field))).collect()).collect();
        (file.file_name().unwrap().to_str().unwrap().to_owned(), (reader.num_row_groups(), rows))
    };
    files.map(read).collect()
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_files_hold_the_rows_of_each_feed_with_every_value_as_it_is() {
    let mirror = Mirror::new(feeds(&["GAMLS", "NWMLS"]));
    mirror.backfill();
    execute(&mirror, "UPDATE listings SET feed_id = '../X' WHERE feed_id = 'NWMLS'");
    let first = mirror.number("SELECT min(change_seq) FROM listings WHERE feed_id = '../X'");
    let since = (first - 1).to_string();
    for (number, more) in [&[][..], &["--public"], &["--since", since.as_str()]].into_iter().enumerate() {
        let directory = target(&mirror, &format!("copy-{number}"));
        let write = || mirror.run(&[&["export", "--parquet", directory.to_str().unwrap()], more].concat());
        let told = write().succeeded().stderr;
        let which = if more == ["--public"] { "SELECT *, NULL AS deleted_at FROM public_listings" } else { "" };
        let which = if which.is_empty() { format!("SELECT {} FROM listings", columns(&mirror)) } else { which.to_owned() };
        let rows = rows(&mirror, "--parquet", &format!("{which} ORDER BY feed_id, listing_id"));
        let wanted = |row: &&Row| if more.len() == 2 { row["change_seq"].as_i64() >= Some(first) } else { row["deleted_at"].is_null() };
        let mut expected: BTreeMap<String, (usize, Vec<Row>)> = BTreeMap::new();
        for row in rows.iter().filter(wanted) {
            let name = if row["feed_id"] == "GAMLS" { "GAMLS.parquet" } else { "%2E%2E%2FX.parquet" };
            expected.entry(name.to_owned()).or_insert((1, Vec::new())).1.push(row.clone());
        }
        assert!(of_parquet(&directory) == expected, "{more:?}");
        assert!(told.starts_with(&format!("{} listings; ", expected.values().map(|(_, rows)| rows.len()).sum::<usize>())), "{told}");
        assert!(write().exited(2).stderr.contains("exists"));
    }
    let full = ["sh", "-c", "trap '' XFSZ; ulimit -f 100; exec \"$0\" \"$@\""];
    let directory = target(&mirror, "copy-full");
    mirror.start_behind(&full, &["export", "--parquet", directory.to_str().unwrap()]).wait(LIMIT).exited(1);
    assert!(parts(&mirror).is_empty() && !directory.exists());
    mirror.run(&["export", "--parquet", "-"]).exited(2);
    // Those may read it who may read the database.
    std::fs::set_permissions(mirror.database(), std::fs::Permissions::from_mode(0o640)).unwrap();
    let narrow = ["sh", "-c", "umask 077; exec \"$0\" \"$@\""];
    mirror.start_behind(&narrow, &["export", "--parquet", directory.to_str().unwrap()]).wait(LIMIT).succeeded();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&directory), mode(&directory.join("GAMLS.parquet"))), (0o750, 0o640));
}
