//! The tables for searches: they hold what the live listings say, after whatever happened to these.

use crate::support::{LIMIT, Mirror, Program, eventually, small};
use mls_sync::sandbox::Options;
use rusqlite::{Connection, params};
use std::fs;
use std::time::Duration;

const SCHEMA: &str = include_str!("../schema.sql");
/// A live listing of the feed `F`.
const ADD: &str = "INSERT INTO listings (feed_id, listing_id, address, show_address, city, remarks, latitude, longitude, first_seen_at,
        changed_at, change_seq, raw_hash, content_hash)
    VALUES ('F', ?1, ?2, ?3, ?4, ?5, ?6, ?7, '', '', (SELECT count(*) FROM listings), x'00', x'00')";

struct Listing<'a> {
    address: &'a str,
    shown: Option<bool>,
    remarks: &'a str,
    place: Option<(f64, f64)>,
}

impl Default for Listing<'_> {
    fn default() -> Self {
        Listing { address: "12 Elm Street", shown: Some(true), remarks: "Near the lake", place: Some((33.75, -84.39)) }
    }
}

/// A file without a daemon, in memory.
fn file() -> Connection {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(SCHEMA).unwrap();
    db
}

fn add(db: &Connection, id: &str, listing: &Listing) {
    let Listing { address, shown, remarks, place } = listing;
    db.execute(ADD, params![id, address, shown, "Décatur", remarks, place.map(|place| place.0), place.map(|place| place.1)]).unwrap();
    db.execute("INSERT INTO listing_ids (feed_id, listing_id) VALUES ('F', ?1)", [id]).unwrap();
}

fn texts(db: &Connection, sql: &str) -> Vec<String> {
    db.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

fn number(db: &Connection, sql: &str) -> i64 {
    db.query_row(sql, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// The listings that a search finds.
fn found(db: &Connection, words: &str) -> Vec<String> {
    let sql = "SELECT number.listing_id FROM listing_text JOIN listing_ids AS number ON id = listing_text.rowid
        WHERE listing_text MATCH ?1 ORDER BY id";
    db.prepare(sql).unwrap().query_map([words], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

/// Holds both tables against the rows.
#[track_caller]
fn check(db: &Connection) {
    let rows = "SELECT count(*) FROM listings WHERE (SELECT count(*) FROM listing_ids AS number
        WHERE (number.feed_id, number.listing_id) = (listings.feed_id, listings.listing_id)) <> 1";
    assert_eq!(number(db, rows), 0, "each listing has one number");
    assert_eq!(number(db, "SELECT count(*) FROM listing_ids"), number(db, "SELECT count(*) FROM listings"));
    // With 1 it compares the index with the words of the rows.
    db.execute("INSERT INTO listing_text (listing_text, rank) VALUES ('integrity-check', 1)", []).expect("the words are those of the rows");
    assert_eq!(texts(db, "SELECT rtreecheck('listing_location')"), ["ok"]);
    let strange = "SELECT count(*) FROM listing_location FULL JOIN listing_location_rows AS wanted USING (id)
        WHERE listing_location.min_latitude NOT BETWEEN wanted.min_latitude - 1e-4 AND wanted.min_latitude
            OR listing_location.max_latitude NOT BETWEEN wanted.min_latitude AND wanted.min_latitude + 1e-4
            OR listing_location.min_longitude NOT BETWEEN wanted.min_longitude - 1e-4 AND wanted.min_longitude
            OR listing_location.max_longitude NOT BETWEEN wanted.min_longitude AND wanted.min_longitude + 1e-4
            OR listing_location.min_latitude IS NULL OR wanted.min_latitude IS NULL
            OR (listing_location.price, listing_location.beds, listing_location.listing_status_search)
                IS NOT (wanted.price, wanted.beds, wanted.listing_status_search)";
    assert_eq!(number(db, strange), 0, "the places, prices, beds and statuses are those of the rows");
}

#[test]
fn words_are_found_as_long_as_the_listing_is_live_and_has_them() {
    let db = file();
    add(&db, "1", &Listing::default());
    add(&db, "ML-2A", &Listing { remarks: "Near the park", ..Listing::default() });
    assert_eq!((found(&db, "decatur"), found(&db, "lake")), (vec!["1".to_owned(), "ML-2A".to_owned()], vec!["1".to_owned()]));
    assert_eq!((found(&db, "\"ML-2A\""), found(&db, "par *")), (vec!["ML-2A".to_owned()], vec!["ML-2A".to_owned()]));
    db.execute("UPDATE listings SET remarks = 'By the pond' WHERE listing_id = '1'", []).unwrap();
    assert_eq!((found(&db, "lake").len(), found(&db, "pond").len()), (0, 1));
    check(&db);
    db.execute("UPDATE listings SET deleted_at = 'now', deleted_cause = 'vendor', remarks = 'Gone' WHERE listing_id = '1'", []).unwrap();
    assert_eq!((found(&db, "decatur").len(), found(&db, "gone").len()), (1, 0));
    check(&db);
    db.execute("UPDATE listings SET deleted_at = NULL, deleted_cause = NULL, city = 'Roswell' WHERE listing_id = '1'", []).unwrap();
    assert_eq!((found(&db, "roswell").len(), found(&db, "gone").len()), (1, 1));
    check(&db);
    db.execute("DELETE FROM listings WHERE listing_id = '1'", []).unwrap();
    assert_eq!(found(&db, "gone").len(), 0);
    check(&db);
}

#[test]
fn a_hidden_address_is_found_only_where_it_is_asked_for() {
    let db = file();
    add(&db, "shown", &Listing::default());
    add(&db, "hidden", &Listing { shown: Some(false), ..Listing::default() });
    add(&db, "not said", &Listing { shown: None, ..Listing::default() });
    let public = "- hidden_address : (\"elm\")";
    assert_eq!((found(&db, public), found(&db, "elm").len()), (vec!["shown".to_owned()], 3));
    db.execute("UPDATE listings SET show_address = NOT coalesce(show_address, 0)", []).unwrap();
    assert_eq!(found(&db, public), ["hidden", "not said"]);
    check(&db);
}

#[test]
fn a_place_that_is_none_on_earth_is_left_out() {
    let db = file();
    let places = [None, Some((0.0, 0.0)), Some((91.0, 5.0)), Some((33.0, -181.0)), Some((0.0, -84.0)), Some((90.0, 180.0))];
    for (index, place) in places.into_iter().enumerate() {
        add(&db, &index.to_string(), &Listing { place, ..Listing::default() });
    }
    let held = "SELECT number.listing_id FROM listing_location JOIN listing_ids AS number USING (id) ORDER BY 1";
    assert_eq!(texts(&db, held), ["4", "5"]);
    db.execute("UPDATE listings SET latitude = iif(latitude = 90.0, NULL, 33.0), longitude = -84.0", []).unwrap();
    assert_eq!(texts(&db, held), ["0", "1", "2", "3", "4"]);
    check(&db);
}

#[test]
fn an_update_that_changes_nothing_of_the_tables_leaves_them_alone() {
    let db = file();
    add(&db, "1", &Listing::default());
    let writes = |set: &str| {
        let before = number(&db, "SELECT total_changes()");
        db.execute(&format!("UPDATE listings SET {set}"), []).unwrap();
        number(&db, "SELECT total_changes()") - before
    };
    assert_eq!(writes("year_built = '1999', price = price, remarks = remarks, latitude = latitude, deleted_at = deleted_at"), 1);
    assert!(writes("city = 'Roswell'") > 1);
    for set in ["latitude = 34.0", "price = 5", "beds = 3", "listing_status_search = 'Sold'"] {
        assert!(writes(set) > 1, "{set}");
        check(&db);
    }
}

#[test]
fn what_becomes_of_listings_in_the_mirror_becomes_of_the_searches() {
    let mirror = Mirror::new(small());
    mirror.backfill();
    mirror.sandbox.reconfigure(|options| options.churn_per_second = 100.0);
    for _ in 0..3 {
        let daemon = mirror.start(&["run"]);
        let seen = mirror.number("SELECT max(seq) FROM changes");
        eventually("changes arrive", LIMIT, || mirror.number("SELECT max(seq) FROM changes") > seen + 60);
        daemon.kill();
        check(&Connection::open(mirror.database()).unwrap());
    }
    mirror.quiet();
    mirror.once();
    assert!(mirror.number("SELECT count(*) FROM changes WHERE kind IN ('deleted', 'restored')") > 5);
    assert!(mirror.number("SELECT count(*) FROM listing_location") > 200);
    let db = Connection::open(mirror.database()).unwrap();
    check(&db);
    assert!(!found(&db, "school *").is_empty());
    db.execute_batch("DELETE FROM listings WHERE rowid % 3 = 0; VACUUM").unwrap();
    check(&db);
}

/// A mirror whose configuration says this of its searches.
fn configure(mirror: &Mirror, text: bool, location: bool) {
    let config = mirror.settings.text(&mirror.database());
    fs::write(mirror.config(), format!("{config}[search]\ntext = {text}\nlocation = {location}\n")).unwrap();
}

/// What there is of each table, its triggers and what SQLite keeps for it.
fn parts(mirror: &Mirror) -> [i64; 2] {
    ["listing_text", "listing_location"].map(|table| {
        let sql = format!("SELECT count(*) FROM sqlite_schema WHERE name GLOB '{table}*' AND type <> 'view' AND sql IS NOT NULL");
        mirror.number(&sql)
    })
}

#[test]
fn what_is_switched_off_is_gone_and_what_is_switched_on_comes_back_whole() {
    let mirror = Mirror::new(small());
    mirror.backfill();
    let whole = parts(&mirror);
    configure(&mirror, false, true);
    mirror.once();
    assert_eq!(parts(&mirror), [0, whole[1]]);
    configure(&mirror, false, false);
    mirror.sandbox.with_world(|world| (0..50).for_each(|_| drop(world.random_change())));
    mirror.once();
    assert_eq!(parts(&mirror), [0, 0]);
    mirror.quiet();
    mirror.once();
    mirror.verify("without searches");
    configure(&mirror, true, true);
    let switched = mirror.once();
    assert!(switched.stderr.contains("the table listing_text for searches is built"), "{}", switched.stderr);
    assert_eq!(parts(&mirror), whole);
    check(&Connection::open(mirror.database()).unwrap());
    assert!(!mirror.once().stderr.contains("for searches"), "nothing is built twice");
}

/// Whether a byte of the database's files is part of this text.
fn holds(mirror: &Mirror, text: &str) -> bool {
    let files = ["mls.db", "mls.db-wal"].map(|name| fs::read(mirror.dir().join(name)).unwrap_or_default());
    files.iter().any(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
}

#[test]
fn where_licences_want_anything_taken_out_the_words_leave_the_index_at_once() {
    let mirror = Mirror::new(small());
    mirror.backfill();
    let say = |remarks: &str| {
        let db = Connection::open(mirror.database()).unwrap();
        db.execute_batch("PRAGMA secure_delete = ON").unwrap();
        db.execute("UPDATE listings SET remarks = ?1 WHERE rowid = (SELECT min(rowid) FROM listings WHERE deleted_at IS NULL)", [remarks])
            .unwrap();
        db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    };
    say("zzquartermaster");
    say("Sold");
    assert!(holds(&mirror, "quartermaster"), "FTS5 would keep it, so there is something to show");
    let config = fs::read_to_string(mirror.config()).unwrap();
    fs::write(mirror.config(), format!("{config}[licence]\nkeep_deleted = \"1d\"\n")).unwrap();
    mirror.once();
    assert!(!holds(&mirror, "quartermaster"), "the index is made anew");
    say("zzharbourmaster");
    assert!(holds(&mirror, "harbourmaster"));
    say("Sold");
    assert!(!holds(&mirror, "harbourmaster"));
    check(&Connection::open(mirror.database()).unwrap());
    assert!(!mirror.once().stderr.contains("for searches"), "nothing is built twice");
}

/// Listings of a feed that nobody mirrors, and their numbers.
const MANY: &str = "WITH RECURSIVE count (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < 8000)
    INSERT INTO listings (feed_id, listing_id, remarks, latitude, longitude, first_seen_at, changed_at, change_seq, raw_hash, content_hash)
    SELECT 'OTHER', n, 'word' || n || ' word' || n % 97, 30 + n % 19, -80 - n % 23, '', '', n + 1000000, x'00', x'00' FROM count";
const NUMBER_THEM: &str = "INSERT INTO listing_ids (feed_id, listing_id) SELECT feed_id, listing_id FROM listings WHERE feed_id = 'OTHER'";

/// Whoever finds a table finds every listing in it.
#[test]
fn a_building_that_is_killed_leaves_nothing_and_begins_again() {
    let mirror = Mirror::new(small());
    configure(&mirror, false, false);
    mirror.backfill();
    let file = Connection::open(mirror.database()).unwrap();
    file.execute(MANY, []).unwrap();
    file.execute(NUMBER_THEM, []).unwrap();
    drop(file);
    configure(&mirror, true, true);
    let mut killed = 0;
    for delay in [30, 70, 110, 150] {
        let building = mirror.start(&["run", "--once"]);
        std::thread::sleep(Duration::from_millis(delay));
        building.kill();
        let there = parts(&mirror)[0] > 0;
        killed += usize::from(!there);
        if there {
            assert_eq!(mirror.number("SELECT count(*) FROM listing_text_docsize"), mirror.number("SELECT count(*) FROM live_listings"));
        }
    }
    assert!(killed > 0, "all were faster");
    mirror.once();
    check(&Connection::open(mirror.database()).unwrap());
}

/// The objects of a file's schema.
fn schema_of(db: &Connection) -> Vec<String> {
    texts(db, "SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY type, name")
}

/// The names of the indexes of listings, without those that keys have.
fn indexes(mirror: &Mirror) -> String {
    let named = "type = 'index' AND tbl_name = 'listings' AND sql IS NOT NULL";
    mirror.text(&format!("SELECT group_concat(name, ' ' ORDER BY name) FROM sqlite_schema WHERE {named}"))
}

/// How many notices tell of a bulk load that has not ended.
fn notices(mirror: &Mirror) -> i64 {
    mirror.number("SELECT count(*) FROM notices WHERE feed_id = '' AND kind = 'bulk_load'")
}

/// Starts a load of an empty file that takes some 20 seconds, and waits until it has stored listings.
fn slow_load(mirror: &mut Mirror) -> Program {
    mirror.set(|settings| settings.requests_per_second = 4.0);
    let before = mirror.requests().len();
    let load = mirror.start(&["run", "--backfill"]);
    eventually("it loads", LIMIT, || mirror.is_ready() && mirror.requests().len() > before + 6 && mirror.live("GAMLS") > 0);
    mirror.set(|settings| settings.requests_per_second = 1000.0);
    load
}

/// All listings on some 70 pages.
fn many_pages() -> Mirror {
    Mirror::new(Options { page_size: 5, ..small() })
}

/// Asserts that the file has all that `schema.sql` says, and that it is full.
#[track_caller]
fn check_whole(mirror: &Mirror) {
    assert_eq!(schema_of(&mirror.open()), schema_of(&file()));
    assert_eq!(notices(mirror), 0);
    check(&Connection::open(mirror.database()).unwrap());
    mirror.verify("after a bulk load");
}

#[test]
fn a_load_of_an_empty_file_builds_search_indexes_and_tables_at_its_end() {
    let mut mirror = many_pages();
    slow_load(&mut mirror).kill();
    let lacks = (String::from("listings_changed listings_deleted listings_sold"), [0, 0], 1);
    assert_eq!((indexes(&mirror), parts(&mirror), notices(&mirror)), lacks);
    let load = slow_load(&mut mirror);
    load.signal("TERM");
    load.wait(LIMIT).exited(1);
    assert_eq!((indexes(&mirror), parts(&mirror), notices(&mirror)), lacks, "a load that goes on leaves out the same");
    assert!(mirror.run(&["status"]).stdout.contains("most indexes of listings"));
    let ended = mirror.backfill().stderr;
    for built in ["the table listing_text for searches is built", "the indexes of listings are built"] {
        assert!(ended.contains(built), "{ended}");
    }
    check_whole(&mirror);
    let again = mirror.backfill().stderr;
    assert!(!again.contains("built"), "a file with listings keeps what it has: {again}");
}

#[test]
fn any_other_run_builds_first_what_a_load_has_left_out() {
    let mut mirror = many_pages();
    slow_load(&mut mirror).kill();
    assert_eq!((parts(&mirror), notices(&mirror)), ([0, 0], 1));
    let ended = mirror.once().stderr;
    assert!(ended.contains("the indexes of listings are built"), "{ended}");
    check_whole(&mirror);
}

/// What is built at the end of a load may be stopped: the command says so, and the notice stays until all is there.
#[test]
fn a_load_that_is_stopped_while_it_builds_says_so_and_is_ended_by_the_next() {
    let mut mirror = many_pages();
    slow_load(&mut mirror).kill();
    let file = Connection::open(mirror.database()).unwrap();
    file.execute(&MANY.replace("8000", "30000"), []).unwrap();
    file.execute(NUMBER_THEM, []).unwrap();
    drop(file);
    let load = mirror.start(&["run", "--backfill"]);
    eventually("it builds", LIMIT, || load.stderr().contains("the table listing_text for searches is being built"));
    load.signal("TERM");
    let stopped = load.wait(LIMIT).exited(1);
    assert!(stopped.stdout.contains("stopped before the end"), "{}", stopped.both());
    assert_eq!(notices(&mirror), 1);
    let ended = mirror.backfill().stderr;
    assert!(ended.contains("the indexes of listings are built"), "{ended}");
    assert_eq!(schema_of(&mirror.open()), schema_of(&self::file()));
    assert_eq!(notices(&mirror), 0);
    assert_eq!(mirror.number("SELECT count(*) FROM listing_text_docsize"), mirror.number("SELECT count(*) FROM live_listings"));
}

#[test]
fn the_daemon_loads_an_empty_file_with_all_indexes() {
    let mirror = many_pages();
    let daemon = mirror.start(&["run"]);
    eventually("it loads", LIMIT, || mirror.is_ready() && mirror.live("GAMLS") > 0);
    assert_eq!(schema_of(&mirror.open()), schema_of(&file()));
    assert_eq!(notices(&mirror), 0);
    daemon.kill();
}
