//! Equality that proves itself: what `verify` finds in a file, and between two.

use crate::support::{self, Ended, Mirror, feeds, small};
use mls_sync::record::ListingId;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::Value;
use std::path::{Path, PathBuf};

const FEED: &str = "GAMLS";

fn verify(mirror: &Mirror, arguments: &[&str]) -> (Option<i32>, Value) {
    let words: Vec<&str> = ["verify", "--json"].iter().chain(arguments).copied().collect();
    let Ended { code, stdout, stderr, .. } = mirror.run(&words);
    (code, serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}")))
}

fn listing(row: i64, mirror: &Mirror) -> String {
    mirror.query(&format!("SELECT listing_id FROM live_listings ORDER BY listing_id LIMIT 1 OFFSET {row}"), |row| row.get(0)).remove(0)
}

/// Another program writes into the file.
fn meddle(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

/// A copy of the file, as `VACUUM INTO` makes it.
fn copy(mirror: &Mirror, name: &str) -> PathBuf {
    let path = mirror.dir().join(name);
    mirror.open().execute("VACUUM INTO ?1", [path.to_str().unwrap()]).unwrap();
    path
}

fn number_of(path: &Path, sql: &str) -> i64 {
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn one_changed_byte_in_one_column_is_found_and_its_row_is_named() {
    let mirror = Mirror::new(small());
    mirror.backfill();
    let agreed = mirror.run(&["verify"]).succeeded().stdout;
    assert!(
        agreed.starts_with("GAMLS: 300 listings as stored, checksum ") || agreed.contains(" listings as stored, checksum "),
        "{agreed}"
    );
    let spoilt = listing(7, &mirror);
    let remarks = format!("SET remarks = substr(remarks, 1, 3) || '#' || substr(remarks, 5) WHERE listing_id = '{spoilt}'");
    meddle(&mirror.database(), &format!("UPDATE listings {remarks}"));
    let (code, told) = verify(&mirror, &[]);
    let feed = &told["verified"][0];
    assert_eq!((code, &told["agrees"], &feed["changed_count"]), (Some(1), &Value::Bool(false), &Value::from(1)), "{told}");
    assert_eq!(feed["changed"], serde_json::json!([spoilt]));
    let said = mirror.run(&["verify"]);
    assert_eq!(said.code, Some(1));
    assert!(said.stdout.contains("1 of ") && said.stdout.contains(&spoilt), "{}", said.stdout);
}

#[test]
fn a_row_that_was_taken_out_put_in_deleted_or_restored_by_another_program_is_named() {
    let spoil: [(&str, &str); 4] = [
        ("taken out", "DELETE FROM listings WHERE listing_id = '{}'"),
        ("deleted", "UPDATE listings SET deleted_at = changed_at, deleted_cause = 'vendor' WHERE listing_id = '{}'"),
        ("renamed", "UPDATE listings SET listing_id = 'ANOTHER' WHERE listing_id = '{}'"),
        ("of another feed", "UPDATE listings SET feed_id = 'ANOTHER' WHERE listing_id = '{}'"),
    ];
    let mirror = Mirror::new(small());
    mirror.backfill();
    for (what, sql) in spoil {
        let path = copy(&mirror, what);
        let listing = listing(3, &mirror);
        meddle(&path, &sql.replace("{}", &listing));
        let (code, told) = verify(&mirror, &[path.to_str().unwrap()]);
        assert_eq!(code, Some(1), "{what}: {told}");
        assert!(told["verified"][0]["misplaced"].as_array().unwrap().contains(&Value::from(listing)), "{what}: {told}");
    }
    mirror.run(&["verify"]).succeeded();
}

#[test]
fn two_mirrors_of_one_truth_have_equal_checksums_and_differ_where_the_truth_does() {
    let mirror = Mirror::new(feeds(&["A", "B"]));
    mirror.backfill();
    let live = mirror.truly_live("A");
    let (edited, deleted) = (live.first().unwrap().clone(), live.last().unwrap().clone());
    let sums = |path: &Path| -> Vec<(String, i64, String)> {
        let file = Connection::open(path).unwrap();
        let mut statement = file.prepare("SELECT feed_id, rows, hash FROM checksums ORDER BY feed_id").unwrap();
        statement.query_map([], |row| row.try_into()).unwrap().map(Result::unwrap).collect()
    };
    let second = mirror.dir().join("second.db");
    let load = || {
        std::fs::remove_file(&second).ok();
        let config = std::fs::read_to_string(mirror.config()).unwrap();
        let other = mirror.dir().join("second.toml");
        std::fs::write(&other, config.replace(mirror.database().to_str().unwrap(), second.to_str().unwrap())).unwrap();
        mirror
            .start_bare(&["--config", other.to_str().unwrap(), "run", "--backfill"], &[("MLS_SYNC_SYSTEM_ACCESS_KEY", support::KEY)])
            .wait(support::LIMIT)
            .succeeded();
    };
    load();
    let (before, against) = (sums(&mirror.database()), ["--against", second.to_str().unwrap()]);
    assert_eq!(before, sums(&second));
    assert_eq!(before.len(), 2);
    assert_eq!(verify(&mirror, &against).0, Some(0));
    mirror.sandbox.with_world(|world| {
        assert!(world.edit("A", &edited));
        assert!(world.delete("A", &deleted));
    });
    mirror.quiet();
    mirror.once();
    let after = sums(&mirror.database());
    assert_ne!(after[0], before[0], "A has changed");
    assert_eq!(after[1], before[1], "B has not");
    let (code, told) = verify(&mirror, &against);
    assert_eq!((code, &told["agrees"]), (Some(1), &Value::Bool(false)));
    let differing = told["compared"][0]["differing"].as_array().unwrap();
    let of = |listing: &ListingId| differing.iter().find(|row| row["id"] == listing.0).unwrap_or_else(|| panic!("{listing}: {told}"));
    assert!(of(&edited)["columns"].as_array().unwrap().contains(&Value::from("mls_update_date")), "{told}");
    assert_eq!(of(&deleted)["live_only"], "there");
    assert_eq!(told["compared"][1]["differing_count"], 0);
    load();
    assert_eq!(sums(&second), after, "a mirror that is begun later holds the same");
}

#[test]
fn a_consumers_copy_can_be_compared_and_a_file_without_the_columns_is_refused() {
    let mirror = Mirror::new(small());
    mirror.backfill();
    let copy = mirror.dir().join("consumer.db");
    let file = Connection::open(&copy).unwrap();
    file.execute("ATTACH ?1 AS mls", [mirror.database().to_str().unwrap()]).unwrap();
    file.execute_batch("CREATE TABLE listings AS SELECT * FROM mls.live_listings; ALTER TABLE listings DROP COLUMN content_hash").unwrap();
    let against = ["verify", "--against", copy.to_str().unwrap()];
    let said = mirror.run(&against).succeeded().stdout;
    assert!(said.contains(&format!("{FEED}: ")) && said.contains(" are deleted in one file and not there in the other"), "{said}");
    file.execute("UPDATE listings SET price = price + 1 WHERE rowid = 1", []).unwrap();
    let said = mirror.run(&against);
    assert_eq!(said.code, Some(1));
    assert!(said.stdout.contains(": price\n"), "{}", said.stdout);
    for (sql, words) in [
        (
            "UPDATE listings SET price = price - 1 WHERE rowid = 1; UPDATE listings SET extra = '' WHERE rowid = 2 AND extra IS NULL",
            ": extra\n",
        ),
        (
            "UPDATE listings SET extra = NULL WHERE rowid = 2; UPDATE listings SET address = CAST(address AS BLOB) WHERE rowid = 3",
            ": address\n",
        ),
        (
            "UPDATE listings SET address = CAST(address AS TEXT); INSERT INTO listings SELECT * FROM listings WHERE rowid = 4",
            ": more than once in the other file\n",
        ),
        ("DELETE FROM listings WHERE rowid > 300; UPDATE listings SET media = replace(media, '.jpg', '.jpg?x=1')", ": media\n"),
        ("INSERT INTO listings (listing_id) VALUES ('X')", "live in the other file only"),
    ] {
        file.execute_batch(sql).unwrap();
        let said = mirror.run(&against);
        assert!(said.code == Some(1) && said.stdout.contains(words), "{sql}: {}{}", said.stdout, said.stderr);
    }
    file.execute_batch("DELETE FROM listings WHERE feed_id IS NULL").unwrap();
    let ignoring = [&against[..], &["--ignore-queries"]].concat();
    let said = mirror.run(&ignoring).succeeded().stdout;
    assert!(said.contains(" more differ in the queries of URLs alone"), "{said}");
    file.execute_batch("ALTER TABLE listings DROP COLUMN beds; ALTER TABLE listings DROP COLUMN zip").unwrap();
    let said = mirror.run(&against);
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("lacks 2 columns that are compared, beds first"), "{}", said.stderr);
    file.execute_batch("DROP TABLE listings").unwrap();
    assert!(mirror.run(&against).stderr.contains("it has no table listings"));
    let missing = mirror.run(&["verify", "nowhere.db"]);
    assert_eq!(missing.code, Some(2), "{}", missing.stderr);
}

/// The rule of docs/consumers.md, "Do two files hold the same?", followed by a stranger.
#[test]
fn the_checksum_is_what_the_documents_say() {
    let mirror = Mirror::new(small());
    mirror.backfill();
    let file = mirror.open();
    let mut statement = file.prepare("SELECT * FROM listings").unwrap();
    let last = statement.column_index("media").unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut lanes = [0_u32; 4];
    let mut deleted = 0;
    while let Some(row) = rows.next().unwrap() {
        let mut bytes = Vec::new();
        for index in 0..=last {
            match row.get_ref(index).unwrap() {
                ValueRef::Integer(number) => bytes.extend([b"i".as_slice(), &number.to_le_bytes()].concat()),
                ValueRef::Real(number) => bytes.extend([b"r".as_slice(), &number.to_le_bytes()].concat()),
                ValueRef::Text(text) => bytes.extend([b"t".as_slice(), &(text.len() as u64).to_le_bytes(), text].concat()),
                ValueRef::Null | ValueRef::Blob(_) => bytes.push(b'-'),
            }
        }
        bytes.push(b'x');
        bytes.extend(row.get::<_, Option<String>>("extra").unwrap().unwrap_or_default().into_bytes());
        if row.get::<_, Option<String>>("deleted_at").unwrap().is_some() {
            let (feed, listing): (String, String) = (row.get("feed_id").unwrap(), row.get("listing_id").unwrap());
            bytes = format!("deleted {}:{feed} {listing}", feed.len()).into_bytes();
            deleted += 1;
        }
        let hash = blake3::hash(&bytes);
        for (lane, part) in lanes.iter_mut().zip(hash.as_bytes().chunks(4)) {
            *lane = lane.wrapping_add(u32::from_be_bytes(part.try_into().unwrap()));
        }
    }
    assert!(deleted > 0);
    let said: String = lanes.iter().map(|lane| format!("{lane:08x}")).collect();
    let stored: String = file.query_row("SELECT hash FROM checksums", [], |row| row.get(0)).unwrap();
    assert_eq!(said, stored);
}

#[test]
fn an_index_that_does_not_hold_its_table_is_damage() {
    let mirror = Mirror::new(small());
    mirror.backfill();
    let copy = copy(&mirror, "damaged");
    let root: i64 = number_of(&copy, "SELECT rootpage FROM sqlite_schema WHERE name = 'listings_zip'");
    let size: i64 = number_of(&copy, "SELECT page_size FROM pragma_page_size");
    // The index becomes an empty one.
    let mut bytes = std::fs::read(&copy).unwrap();
    let page = usize::try_from((root - 1) * size).unwrap();
    bytes[page..page + 8].copy_from_slice(&[0x0a, 0, 0, 0, 0, (size >> 8) as u8, 0, 0]);
    std::fs::write(&copy, bytes).unwrap();
    let said = mirror.run(&["verify", copy.to_str().unwrap()]);
    assert!(said.code == Some(1) && said.stdout.contains("the file is damaged: "), "{}{}", said.stdout, said.stderr);
}

#[test]
fn a_feed_that_is_removed_and_listings_that_come_back_keep_the_checksum_true() {
    let mirror = Mirror::new(feeds(&["A", "B"]));
    mirror.backfill();
    let live: Vec<ListingId> = mirror.truly_live("A").into_iter().take(6).collect();
    mirror.sandbox.with_world(|world| live.iter().for_each(|listing| assert!(world.delete("A", listing))));
    mirror.quiet();
    mirror.once();
    assert_eq!(mirror.number("SELECT count(*) FROM changes WHERE kind = 'deleted' AND diff IS NOT NULL"), 6);
    mirror.sandbox.with_world(|world| live.iter().take(3).for_each(|listing| assert!(world.revive("A", listing))));
    mirror.quiet();
    mirror.once();
    assert_eq!(mirror.number("SELECT count(*) FROM changes WHERE kind = 'restored'"), 3);
    mirror.run(&["verify"]).succeeded();
    mirror.run(&["feeds", "remove", "B", "--yes"]).succeeded();
    let said = mirror.run(&["verify"]).succeeded().stdout;
    assert!(said.contains("B: "), "{said}");
}
