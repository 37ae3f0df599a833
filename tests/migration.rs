//! A file that an older version of this program wrote: it is brought up to date, or left as it is, and nothing is lost.
//!
//! `fixtures/v1.sqlite` was made by version 0.1.0: a backfill from the sandbox, changes, a reconcile, and more changes.

use mls_sync::record::{FeedId, Stamp, Window};
use mls_sync::store::verify::verify;
use mls_sync::store::{Instance, OpenError, Store, report};
use mls_sync::vendor::LISTINGS;
use rusqlite::Connection;
use rusqlite::types::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const FEED: &str = "GAMLS";
const AT: &str = "2030-01-01T00:00:00.000Z";
/// What version 0.1.0 may leave behind, too: windows of streams that are no longer polled, a reconcile that was broken off.
const LEFT_BEHIND: &str = "
    INSERT INTO reconcile_runs (run_id, feed_id, state, dry_run, from_date, to_date, started_at) VALUES
        (7, 'GAMLS', 'sweeping', 1, '2020-01-01T00:00:00', '2021-01-01T00:00:00', '2026-01-01T00:00:00.000Z'),
        (8, 'GAMLS', 'sweeping', 0, '2020-01-01T00:00:00', '2021-01-01T00:00:00', '2026-01-02T00:00:00.000Z');
    INSERT INTO reconcile_seen VALUES (7, 'A'), (8, 'B');
    INSERT INTO windows (window_id, feed_id, status, purpose, run_id, state, from_date, to_date, claim_from, claim_to, next_page,
        page_size, total_first, total_last, keys_seen, passes, grew, strict, opened, opened_at)
    SELECT column1, 'GAMLS', column2, column3, column4, 'open', '2020-01-01T00:00:00', '2020-02-01T00:00:00', '2020-01-01T00:00:01',
        '2020-01-31T00:00:00', 2, 10, 20, 20, 10, 0, 0, 0, '2020-02-01T00:00:00', '2026-01-01T00:00:00.000Z'
    FROM (VALUES (101, 1, 'poll', NULL), (102, 0, 'poll', NULL), (103, 0, 'fill', NULL), (104, 0, 'sweep', 7), (105, 0, 'sweep', 8));
    INSERT INTO window_marks VALUES (99, 'x'), (101, 'x'), (102, 'x'), (103, 'x'), (104, 'x'), (105, 'x');
    INSERT INTO late_listings (feed_id, listing_id, stamp, late_s, found_by, found_at) VALUES
        ('GAMLS', 'A', '2020-01-01T00:00:00', 60.0, 'sweep', '2026-01-01T00:00:00.000Z'),
        ('GAMLS', 'A', '2020-01-01T00:00:00', 60.0, 'poll', '2026-01-01T00:00:00.000Z');
    DELETE FROM late_listings WHERE late_id = 2;";

struct Old {
    _dir: TempDir,
    path: PathBuf,
}

impl Old {
    fn new() -> Old {
        let dir = crate::support::directory();
        let path = dir.path().join("mls.db");
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1.sqlite");
        fs::copy(fixture, &path).expect("the fixture is copied");
        Old { _dir: dir, path }
    }

    fn with_leftovers() -> Old {
        let old = Old::new();
        old.open().execute_batch(LEFT_BEHIND).expect("rows of version 0.1.0");
        old
    }

    fn open(&self) -> Connection {
        Connection::open(&self.path).expect("it opens")
    }

    fn migrate(&self) {
        let (store, writer) = Store::open(&self.path, &LISTINGS).expect("it is brought up to date");
        drop(store);
        writer.join().expect("the writer ends");
    }

    /// What a run does first.
    fn make_searches(&self) {
        let (store, writer) = Store::open(&self.path, &LISTINGS).expect("it opens");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(store.switch_search([true, true], |_, _| {})).expect("they are made");
        drop(store);
        writer.join().expect("the writer ends");
    }

    fn rows(&self, sql: &str) -> Vec<Vec<Value>> {
        rows(&self.open(), sql)
    }

    /// One row of one text or number per line.
    fn told(&self, sql: &str) -> String {
        let told = |value: Value| match value {
            Value::Null => "-".to_owned(),
            Value::Integer(number) => number.to_string(),
            Value::Text(text) => text,
            other => format!("{other:?}"),
        };
        let line = |row: Vec<Value>| row.into_iter().map(told).collect::<Vec<_>>().join(" ");
        self.rows(sql).into_iter().map(line).collect::<Vec<_>>().join(", ")
    }
}

fn rows(connection: &Connection, sql: &str) -> Vec<Vec<Value>> {
    let mut statement = connection.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let width = statement.column_count();
    let rows = statement.query_map([], |row| (0..width).map(|column| row.get(column)).collect()).expect(sql);
    rows.collect::<rusqlite::Result<_>>().expect(sql)
}

/// The schema without its comments and its layout: type, name and text of everything, and the columns of each table.
fn schema(connection: &Connection) -> Vec<String> {
    let plain = |sql: String| {
        let lines = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
        // A column that was added stands where SQLite put it.
        lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ").replace(" ,", ",").replace(" )", ")")
    };
    let text = |value: &Value| if let Value::Text(text) = value { plain(text.clone()) } else { format!("{value:?}") };
    let columns = "SELECT 'column', m.name, c.cid, c.name, c.type, c.\"notnull\", c.dflt_value, c.pk
        FROM sqlite_schema AS m, pragma_table_xinfo(m.name) AS c WHERE m.type IN ('table', 'view') ORDER BY m.name, c.cid";
    let all = [rows(connection, "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"), rows(connection, columns)];
    all.concat().iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join(" | ")).collect()
}

#[test]
fn a_file_of_version_1_gets_the_schema_of_a_fresh_one() {
    let (old, fresh) = (Old::new(), crate::support::directory());
    old.migrate();
    let path = fresh.path().join("fresh.db");
    drop(Store::open(&path, &LISTINGS).expect("it is created"));
    old.make_searches();
    let held = ["listing_ids", "listing_text_docsize", "listing_location"].map(|table| old.told(&format!("SELECT count(*) FROM {table}")));
    assert_eq!(held, ["36", "30", "30"], "every listing has a number, and the live ones are found");
    let fresh = Connection::open(&path).expect("it opens");
    let (migrated, created) = (schema(&old.open()), schema(&fresh));
    assert!(created.len() > 400, "{}", created.len());
    for (migrated, created) in migrated.iter().zip(&created) {
        assert_eq!(migrated, created);
    }
    assert_eq!(migrated.len(), created.len());
    for pragma in ["application_id", "user_version", "journal_mode"] {
        let sql = format!("PRAGMA {pragma}");
        assert_eq!(old.rows(&sql), rows(&fresh, &sql), "{pragma}");
    }
    assert_eq!(old.told("PRAGMA integrity_check"), "ok");
}

#[test]
fn a_file_of_version_1_keeps_its_answers() {
    let old = Old::new();
    let queries = [
        "SELECT * FROM listings ORDER BY feed_id, listing_id",
        "SELECT count(*) FROM live_listings",
        "SELECT * FROM listing_photos",
        "SELECT feed_id, added_at, since, activity, activity_at, note, polled_at, removed_at, rejects_cut, extra_cut FROM feeds",
        "SELECT feed_id, since, complete_until, gaps, polled_at FROM coverage",
        "SELECT run_id, feed_id, state, dry_run, from_date, to_date, read, missing, stale, live_before, absent, deleted, note FROM reconcile_runs",
        "SELECT * FROM request_counts",
        "SELECT * FROM cursors",
        "SELECT window_id, state, from_date, to_date, claim_from, claim_to, keys_seen, closed_at FROM windows",
        "SELECT * FROM sqlite_sequence ORDER BY name",
    ];
    let before = queries.map(|sql| old.rows(sql));
    assert!(before.iter().all(|rows| !rows.is_empty()));
    old.migrate();
    for (sql, before) in queries.iter().zip(before) {
        // New columns come last.
        let width = before[0].len();
        let after: Vec<Vec<Value>> = old.rows(sql).into_iter().map(|row| row.into_iter().take(width).collect()).collect();
        assert!(after == before, "{sql}");
    }
    assert_eq!(old.told("SELECT purpose, count(*) FROM windows GROUP BY 1"), "fill 2, poll 12, scan 2");
    let sums = verify(&old.path, &LISTINGS).expect("it is read");
    assert!(sums.len() == 1 && sums[0].agrees && sums[0].rows == 36, "{sums:?}");
    let status = report::status(&old.path).expect("it is read");
    let feed = &status.feeds[0];
    assert_eq!((feed.live, feed.deleted, feed.last_reconcile.as_ref().map(|run| run.state.as_str())), (30, 6, Some("done")));
    assert!(feed.complete_until.is_some() && feed.gaps.is_empty());
}

/// What they changed is not known, but for deletions, which change no value.
#[test]
fn the_changes_of_an_older_file_keep_their_numbers_and_get_the_new_words() {
    let old = Old::new();
    let before = old.rows("SELECT change_seq, feed_id, listing_id, changed_at FROM changes ORDER BY 1");
    let counts =
        old.told("SELECT count(*) FROM changes GROUP BY kind ORDER BY replace(replace(kind, 'insert', 'added'), 'update', 'changed')");
    old.migrate();
    assert_eq!(old.rows("SELECT seq, feed_id, key, at FROM changes WHERE entity = 'listing' ORDER BY 1"), before);
    let kinds = old.told("SELECT DISTINCT kind || ' ' || ifnull(diff, 'unknown') FROM changes ORDER BY 1");
    assert_eq!(kinds, "added unknown, changed unknown, deleted unknown, deleted {}");
    assert_eq!(old.told("SELECT count(*) FROM changes GROUP BY replace(kind, 'restored', 'revive') ORDER BY kind"), counts);
    let born = "SELECT count(*) FROM changes WHERE kind = 'deleted' AND
        (diff IS NULL) <> (seq = (SELECT min(seq) FROM changes AS first WHERE (first.feed_id, first.key) = (changes.feed_id, changes.key)))";
    assert_eq!(old.told(born), "0", "a deletion that came first brought all that is known");
    assert_eq!(old.told("SELECT contract, cut_seq, length(file_id), inode IS NOT NULL FROM schema_meta"), "3.0.0 0 32 1");
}

#[test]
fn what_did_not_fit_in_an_older_file_is_counted() {
    let old = Old::new();
    let extra = r#"{"BathsTotal":"123456789.01234567891","Beds":"two","Price":"1,250","Strange":1}"#;
    old.open()
        .execute_batch(&format!(
            "UPDATE listings SET extra = '{extra}' WHERE rowid = 1; UPDATE listings SET stamp = NULL, extra = NULL WHERE rowid = 2"
        ))
        .expect("rows of version 0.1.0");
    old.migrate();
    assert_eq!(old.told("SELECT field, listings FROM misfit_counts ORDER BY 1"), "Beds 1, MlsUpdateDate 1, Price 1");
}

#[test]
fn of_several_that_are_open_the_newest_goes_on() {
    let old = Old::with_leftovers();
    old.migrate();
    assert_eq!(old.told("SELECT run_id, state FROM reconcile_runs"), "1 done, 7 failed, 8 scanning");
    assert_eq!(old.told("SELECT run_id FROM reconcile_runs WHERE ended_at IS NULL"), "8");
    assert_eq!(old.told("SELECT * FROM reconcile_seen"), "8 B 1 1");
    let open = "SELECT window_id, purpose, state FROM windows WHERE window_id > 100";
    assert_eq!(old.told(open), "101 poll cut, 102 poll open, 103 fill open, 104 scan cut, 105 scan open");
    assert_eq!(old.told("SELECT count(*) FROM windows WHERE (state = 'open') <> (closed_at IS NULL)"), "0");
    assert_eq!(old.told("SELECT window_id FROM window_marks"), "102, 103, 105");
    assert_eq!(old.told("SELECT late_id, found_by FROM late_listings"), "1 scan");
    assert_eq!(old.told("SELECT name, seq FROM sqlite_sequence WHERE name = 'late_listings'"), "late_listings 2", "no number comes twice");
}

#[tokio::test]
async fn the_numbers_go_on_where_version_1_stopped() {
    let old = Old::with_leftovers();
    let last = old.told("SELECT max(change_seq) FROM listings").parse::<i64>().expect("a number");
    let (store, writer) = Store::open(&old.path, &LISTINGS).expect("it is brought up to date");
    let feed = FeedId(FEED.to_owned());
    let saved = store.load(&feed).await.expect("where it stood");
    assert_eq!(saved.scan.map(|scan| scan.unproven.len()), Some(0));
    let range = Window { from: Stamp::parse("2020-01-01").expect("a date"), to: Stamp::parse("2021-01-01").expect("a date") };
    assert_eq!(store.begin_run(&feed, range, false, AT.to_owned()).await.expect("it begins"), 9);
    assert_eq!(store.remove_feed(&feed, AT.to_owned()).await.expect("it is removed"), Some(30));
    drop(store);
    writer.join().expect("the writer ends");
    let new = format!("SELECT min(seq), max(seq), count(*) FROM changes WHERE seq > {last}");
    assert_eq!(old.told(&new), format!("{} {} 30", last + 1, last + 30));
    assert_eq!(old.told("SELECT run_id, state FROM reconcile_runs WHERE run_id > 7"), "8 failed, 9 failed");
}

/// Version 0.1.0 saved a Total above 2^63 as a negative number.
#[tokio::test]
async fn a_total_that_version_1_saved_wrongly_does_not_keep_its_window_from_being_loaded() {
    let old = Old::with_leftovers();
    old.open().execute_batch("UPDATE windows SET total_first = -9, total_last = -5 WHERE state = 'open'").expect("changed");
    let (store, writer) = Store::open(&old.path, &LISTINGS).expect("it is brought up to date");
    let saved = store.load(&FeedId(FEED.to_owned())).await.expect("where it stood");
    let totals: Vec<u64> = saved.open.iter().map(|(_, open)| open.reading.progress().total_last).collect();
    assert!(!totals.is_empty() && totals.iter().all(|total| *total == i64::MAX.unsigned_abs()), "{totals:?}");
    drop(store);
    writer.join().expect("the writer ends");
}

#[test]
fn who_only_reads_leaves_an_old_file_alone_and_says_what_to_do() {
    let old = Old::new();
    let before = fs::read(&old.path).expect("it is read");
    let said = report::status(&old.path).expect_err("it is old").to_string();
    assert!(said.contains("version 1") && said.contains("Start `mls-sync run` once"), "{said}");
    assert_eq!(fs::read(&old.path).expect("it is read"), before);
}

#[test]
fn an_old_file_is_left_alone_while_another_process_mirrors_into_it() {
    let old = Old::new();
    let held = Instance::take(&old.path, "run").expect("it is free");
    let refused = Store::open(&old.path, &LISTINGS).expect_err("it is in use");
    assert!(matches!(refused, OpenError::Held { .. }), "{refused}");
    assert_eq!(old.told("PRAGMA user_version"), "1");
    // Whoever holds it brings it up to date.
    let (store, writer) = Store::open_held(held, &LISTINGS).expect("it opens");
    drop(store);
    writer.join().expect("the writer ends");
    assert_eq!(old.told("PRAGMA user_version"), "3");
}
