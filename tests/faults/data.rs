//! Records as no document describes them: each is stored, or kept as sent, and nothing beside it suffers.

use super::seconds;
use crate::support::{Ended, LIMIT, Mirror, eventually, small};
use mls_sync::sandbox::{Fault, Options};
use rusqlite::types::ValueRef;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the unit of systemd allows.
const MEMORY_MAX: u64 = 1 << 30;
/// Stands behind every other member, so that what takes its place is read last.
const MARK: &str = "\u{10ffff}odd";

/// A mirror of a feed some of whose listings are sent with odd members.
struct Odd {
    mirror: Mirror,
    /// The listings, in the order of their members.
    ids: Vec<String>,
    /// Their keys as they are to be found in the file.
    keys: Vec<String>,
}

impl Odd {
    /// Each text is put behind the last member of a listing of its own, so it wins over members of the same names.
    fn new<M: AsRef<[u8]>>(members: &[M]) -> Odd {
        let mirror = Mirror::new(Options { listings: 60, deleted: 5, unknown_members: false, ..small() });
        let ids: Vec<String> = mirror.truly_live("GAMLS").into_iter().map(|id| id.0).take(members.len()).collect();
        let odd: Vec<(String, Vec<u8>)> = ids.iter().cloned().zip(members.iter().map(|members| members.as_ref().to_vec())).collect();
        mirror.sandbox.set_fault(None, Some(Fault::edit_text(move |page| spoilt(&page, &odd))));
        Odd { mirror, keys: ids.clone(), ids }
    }

    /// The listings come under these keys.
    fn under_keys(self, keys: &[&str]) -> Odd {
        Odd { keys: keys.iter().map(|key| (*key).to_owned()).collect(), ..self }
    }

    /// Loads the feed, follows what changes then, and claims what holds for every odd listing.
    fn survive(self) -> Odd {
        let what = self.mirror.backfill();
        speaks_plainly(&what);
        self.is_sound("loaded");
        let changes = self.mirror.number("SELECT count(*) FROM changes");
        self.mirror.reread();
        assert_eq!(self.mirror.number("SELECT count(*) FROM changes"), changes, "read again, a record has changed");
        self.mirror.sandbox.with_world(|world| {
            for id in world.truth("GAMLS").into_keys().rev().take(3) {
                world.edit("GAMLS", &id);
            }
            world.add("GAMLS");
        });
        self.mirror.quiet();
        self.mirror.once();
        self.is_sound("followed");
        self
    }

    fn is_sound(&self, when: &str) {
        let verdict = self.mirror.verdict().unwrap();
        let known: BTreeSet<&String> = self.ids.iter().chain(&self.keys).collect();
        let others: Vec<_> = verdict.differences.iter().filter(|difference| !known.contains(&difference.listing.0)).collect();
        assert!(others.is_empty(), "{when}: {others:?}\n{}", self.mirror.windows());
        assert!(verdict.difference_count < 1000, "{when}: {verdict}");
        self.mirror.verify_changes(when);
        consumers_can_read(&self.mirror);
        for command in [&["status"][..], &["rejects"], &["feeds"], &["status", "--json"], &["rejects", "--json"], &["feeds", "--json"]] {
            speaks_plainly(&self.mirror.run(command).succeeded());
        }
        for key in self.keys.iter().filter(|key| !key.contains('\0')) {
            speaks_plainly(&self.mirror.run(&["why", "--", "GAMLS", key]));
            speaks_plainly(&self.mirror.run(&["why", "--json", "--", "GAMLS", key]));
        }
    }

    /// A column of the row of a listing, as text.
    fn column(&self, index: usize, column: &str) -> Option<String> {
        let db = self.mirror.open();
        let sql = format!("SELECT CAST({column} AS TEXT) FROM listings WHERE listing_id = ?1");
        db.query_row(&sql, [&self.keys[index]], |row| row.get(0)).unwrap_or_else(|error| panic!("{:?}: {error}", self.keys[index]))
    }

    fn extra(&self, index: usize) -> Value {
        self.column(index, "extra").map_or(Value::Null, |extra| serde_json::from_str(&extra).unwrap())
    }

    fn rejects(&self) -> i64 {
        self.mirror.number("SELECT count(*) FROM rejects")
    }
}

/// The page with the odd members, byte for byte.
fn spoilt(page: &str, odd: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut page: Value = serde_json::from_str(page).unwrap();
    for record in page["Results"].as_array_mut().unwrap() {
        if let Some(index) = odd.iter().position(|(id, _)| record["ListingId"] == id.as_str()) {
            record[MARK] = json!(index);
        }
    }
    let mut bytes = page.to_string().into_bytes();
    for (index, (_, members)) in odd.iter().enumerate() {
        let mark = format!("\"{MARK}\":{index}}}").into_bytes();
        if let Some(at) = bytes.windows(mark.len()).position(|window| window == mark) {
            bytes.splice(at..at + mark.len() - 1, members.iter().copied());
        }
    }
    bytes
}

/// No byte of a vendor's reaches the terminal that it could steer.
fn speaks_plainly(ended: &Ended) {
    let said = ended.both();
    let control = said.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(control, None, "in: {said:?}");
    assert!(!said.contains("panicked"), "{said}");
}

/// Every table and view that the contract names, every row, every column, and the JSON in it.
fn consumers_can_read(mirror: &Mirror) {
    let db = mirror.open();
    for source in ["live_listings", "listing_photos", "listing_open_houses", "listings", "changes", "rejects", "coverage"] {
        let mut statement = db.prepare(&format!("SELECT * FROM {source}")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap_or_else(|error| panic!("{source}: {error}")) {
            for column in 0..columns {
                if let ValueRef::Text(text) = row.get_ref(column).unwrap() {
                    assert!(str::from_utf8(text).is_ok(), "{source}: column {column}");
                }
            }
        }
    }
    let json = "SELECT count(*) FROM listings WHERE NOT (json_valid(ifnull(extra, '{}')) AND json_valid(ifnull(media, '{}'))
        AND json_valid(ifnull(open_houses, '[]')))";
    assert_eq!(mirror.number(json), 0, "a column holds what SQLite reads no JSON in");
    mirror.number("SELECT count(*) FROM listings, json_tree(extra)");
    let halved = "SELECT count(*) FROM listings WHERE instr(CAST(city AS BLOB), x'00') OR instr(CAST(remarks AS BLOB), x'00')";
    assert_eq!(mirror.number(halved), 0, "a column holds a NUL");
}

#[test]
fn a_number_that_no_column_holds_is_kept_in_extra() {
    let odd = Odd::new(&[
        r#""Beds":3000000000,"Price":3000000000,"HoaFeeSearch":-3000000000"#,
        r#""Beds":1e400,"BathsTotal":1e400,"Latitude":-1e400"#,
        r#""Beds":9223372036854775808,"BathsTotal":1e-400,"Price":1.5e3"#,
        r#""Beds":123456789012345678901234567890,"Unheard":-1e400,"Deep":{"x":[1e400]}"#,
    ])
    .survive();
    let column = |index, name| odd.column(index, name);
    assert_eq!((column(0, "beds").as_deref(), column(0, "price").as_deref()), (Some("3000000000"), Some("3000000000")));
    assert_eq!((odd.extra(0), column(0, "hoa_fee_search").as_deref()), (Value::Null, Some("-3000000000")));
    assert_eq!((column(1, "beds"), column(1, "baths_total"), column(1, "latitude")), (None, None, None));
    assert_eq!(odd.extra(1), json!({ "Beds": "1e400", "BathsTotal": "1e400", "Latitude": "-1e400" }));
    assert_eq!((column(2, "beds"), column(2, "price").as_deref()), (None, Some("1500")));
    assert_eq!(odd.extra(2)["BathsTotal"], "1e-400", "the digits that the double lost");
    let extra = odd.column(3, "extra").unwrap();
    assert!(extra.contains("123456789012345678901234567890") && extra.contains(r#""Unheard":"-1e400""#), "{extra}");
    assert!(extra.contains(r#""Deep":"{\"x\":[1e400]}""#), "{extra}");
}

#[test]
fn what_is_no_number_is_kept_in_extra() {
    let odd = Odd::new(&[
        r#""Beds":"NaN","BathsTotal":"Infinity","Latitude":"-Infinity""#,
        r#""Beds":NaN,"BathsTotal":Infinity,"Latitude":-Infinity,"City":NaN"#,
        r#""Deep":{"x":[NaN, -Infinity]},"OpenHouses":[{"IsActive":NaN}]"#,
    ])
    .survive();
    assert_eq!(odd.extra(0), json!({ "Beds": "NaN", "BathsTotal": "Infinity", "Latitude": "-Infinity" }));
    assert_eq!(odd.extra(1), odd.extra(0));
    assert_eq!(odd.column(1, "city").as_deref(), Some("NaN"));
    assert_eq!(odd.extra(2), json!({ "Deep": { "x": ["NaN", "-Infinity"] } }));
    assert_eq!(odd.column(2, "open_houses").as_deref(), Some(r#"[{"IsActive":"NaN"}]"#));
    assert_eq!(odd.rejects(), 0);
}

#[test]
fn half_a_surrogate_costs_its_character_and_in_a_key_its_record() {
    let odd = Odd::new(&[
        r#""City":"a\ud800b","Remarks":"\udc00""#,
        r#""\ud800":1,"\udfff x":"\ud83c"#.replace(r#""\ud83c"#, r#""\ud83c""#).as_str(),
        r#""ListingId":"\ud800""#,
        r#""FeedId":"GAMLS\udfff""#,
        r#""Media":{"Photos":[{"LargeSizeUrl":"\ud800","\udc00":1}]}"#,
    ])
    .survive();
    assert_eq!(odd.column(0, "city").as_deref(), Some("a\u{fffd}b"));
    assert_eq!(odd.extra(1), json!({ "\u{fffd}": 1, "\u{fffd} x": "\u{fffd}" }));
    assert_eq!(odd.rejects(), 2);
    assert_eq!(odd.mirror.live("GAMLS"), 59, "58 of 60, and one that was added");
    let photo = format!("SELECT large_size_url FROM listing_photos WHERE listing_id = '{}'", odd.ids[4].replace('\'', "''"));
    assert_eq!(odd.mirror.text(&photo), "\u{fffd}");
}

#[test]
fn control_characters_are_stored_and_never_printed() {
    let odd = Odd::new(&[
        r#""City":"a\u0000b","Remarks":"\u001b[31mred\u0007""#.as_bytes(),
        b"\"City\":\"a\0b\",\"Remarks\":\"\x1b[31mred\x07\"",
        b"\"City\":\"one\ntwo\tthree\r\n\x1f\x7f\"",
        b"\"Un\0known\x1b\":\"x\0\",\"ListingStatus\":\"\x1b]0;owned\x07\xc2\x9b31m\"",
        b"\"ListingId\":\"K\x1b[31m\xc2\x9b1\"",
        b"\"ListingId\":\"nul\0\"",
        b"\"ListingId\":\"\\u001b[2J\",\"FeedId\":5",
    ]);
    let keys: Vec<String> = odd.ids.clone();
    let keys = [&keys[0], &keys[1], &keys[2], &keys[3], "K\u{1b}[31m\u{9b}1", "nul\0", "\u{1b}[2J"];
    let odd = odd.under_keys(&keys).survive();
    assert_eq!((odd.extra(0), odd.column(0, "city")), (json!({ "City": "a\0b" }), None), "SQLite's functions stop at a NUL");
    assert_eq!(odd.column(0, "remarks").as_deref(), Some("\u{1b}[31mred\u{7}"));
    assert_eq!((odd.extra(1), odd.column(1, "remarks")), (odd.extra(0), odd.column(0, "remarks")), "raw or escaped, it is the same");
    assert_eq!(odd.column(2, "city").as_deref(), Some("one\ntwo\tthree\r\n\u{1f}\u{7f}"));
    assert_eq!(odd.extra(3), json!({ "Un\0known\u{1b}": "x\0" }));
    assert_eq!(odd.column(4, "deleted_at"), None, "a row under a key with an escape sequence");
    assert_eq!(odd.rejects(), 2);
    let why = odd.mirror.run(&["why", "--", "GAMLS", "\u{1b}[2J"]).exited(1);
    assert!(why.stdout.contains(r"\u{1b}[2J") && why.stdout.contains("rejected"), "{}", why.stdout);
}

#[test]
fn bytes_that_are_no_utf_8_cost_their_character() {
    let odd = Odd::new(&[
        &b"\"City\":\"Z\xfcrich\",\"Remarks\":\"\xff\xfe\xc3\""[..],
        b"\"Stra\xdfe\":\"\xed\xa0\x80\"",
        b"\"Media\":{\"Photos\":[{\"LargeSizeUrl\":\"\xc0\xaf\"}]}",
        b"\"ListingId\":\"K\xff\"",
    ]);
    let keys: Vec<String> = odd.ids.clone();
    let odd = odd.under_keys(&[&keys[0], &keys[1], &keys[2], "K\u{fffd}"]).survive();
    assert_eq!(odd.column(0, "city").as_deref(), Some("Z\u{fffd}rich"));
    assert_eq!(odd.extra(1), json!({ "Stra\u{fffd}e": "\u{fffd}\u{fffd}\u{fffd}" }));
    assert_eq!((odd.rejects(), odd.column(3, "deleted_at")), (0, None));
}

/// Loads a feed with these members in one of its listings; claims that the program needs no more than the unit allows.
fn within_memory(what: &str, members: String) -> Odd {
    let odd = Odd::new(&[members]);
    let daemon = odd.mirror.start(&["run"]);
    eventually(&format!("the feed with {what} is loaded"), LIMIT, || odd.mirror.live("GAMLS") == 60);
    let peak = daemon.peak_memory();
    daemon.signal("TERM");
    speaks_plainly(&daemon.wait(seconds(10)).succeeded());
    println!("{what}: {} MB at most", peak / 1_000_000);
    assert!(peak < MEMORY_MAX, "{what}: {} MB", peak / 1_000_000);
    odd
}

#[test]
fn a_remark_of_50_mb_is_stored_within_the_units_memory() {
    for (what, first) in [("a long remark", "x"), ("a long remark that must be mended", "\n")] {
        let odd = within_memory(what, format!("\"Remarks\":\"{first}{}\"", "x".repeat(49_999_999)));
        assert_eq!(odd.column(0, "length(remarks)").as_deref(), Some("50000000"));
        odd.is_sound(what);
    }
}

#[test]
fn millions_of_values_are_read_within_the_units_memory() {
    let members = |count: u32| (0..count).map(|n| format!("\"{n}\":{n}")).collect::<Vec<_>>().join(",");
    within_memory("many unknown fields", members(3_000_000));
    within_memory("media of many members", format!("\"Media\":{{\"a\":{{{}}}}}", members(3_000_000)));
}

#[test]
fn ten_thousand_photos_are_ten_thousand_rows() {
    let photos: Vec<Value> = (0..10_000)
        .map(|n| json!({ "Sequence": n, "NormalSizeUrl": format!("https://photos.example.com/{n}.jpg"), "LargeSizeUrl": null }))
        .collect();
    let houses: Vec<Value> = (0..2_000).map(|n| json!({ "IsActive": true, "Remarks": n })).collect();
    let odd = Odd::new(&[format!("\"Media\":{},\"OpenHouses\":{}", json!({ "Photos": photos }), json!(houses))]).survive();
    let count =
        |view: &str| odd.mirror.number(&format!("SELECT count(*) FROM {view} WHERE listing_id = '{}'", odd.ids[0].replace('\'', "''")));
    assert_eq!((count("listing_photos"), count("listing_open_houses")), (10_000, 2_000));
}

#[test]
fn media_of_another_shape_spoils_no_view() {
    let odd = Odd::new(&[
        r#""Media":{"Photos":[1,null,"x",[{}],{"NormalSizeUrl":"a\u0000b","Sequence":1e300},{}]}"#,
        r#""Media":{"Photos":{"a":{"Sequence":1},"b":2}},"OpenHouses":[[],[1],5,null,{}]"#,
        r#""Media":{"Photos":"none"},"OpenHouses":"none""#,
        r#""Media":[{"Photos":[]}],"OpenHouses":{"IsActive":true}"#,
        r#""Media":"","OpenHouses":null"#,
        r#""Media":{"Photos":5,"Photos":[{"Sequence":99999999999999999999}]}"#,
    ])
    .survive();
    assert_eq!(odd.extra(3), Value::Null);
    assert_eq!(odd.column(3, "open_houses").as_deref(), Some(r#"[{"IsActive":true}]"#));
    assert_eq!(odd.rejects(), 0);
}

#[test]
fn a_key_is_any_text() {
    let long = "k".repeat(4096);
    let keys = [
        "'; DROP TABLE listings; --",
        "\" OR 1=1 --",
        "two  words ",
        " ",
        "Ж番🏠",
        "e\u{301}",
        "\u{202e}drawkcab",
        "%_*?[a]",
        "a/b\\c#d&e=f",
        "-1",
        "--help",
        "null",
        "\r\n",
        &long,
    ];
    let members: Vec<String> = keys.iter().map(|key| format!("\"ListingId\":{}", json!(key))).collect();
    let odd = Odd::new(&members).under_keys(&keys).survive();
    let found: BTreeSet<String> = odd.mirror.query("SELECT listing_id FROM live_listings", |row| row.get(0)).into_iter().collect();
    assert!(keys.iter().all(|key| found.contains(*key)), "{found:?}");
    assert_eq!((odd.rejects(), found.len()), (0, 61));
}

#[test]
fn no_depth_of_nesting_harms() {
    let mut members = Vec::new();
    for depth in [500, 2_000, 100_000] {
        let (lists, objects) = ("[".repeat(depth) + &"]".repeat(depth), "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth));
        members.push(format!("\"Unheard\":{lists}"));
        members.push(format!("\"Unheard\":{objects}"));
        members.push(format!("\"Media\":{{\"Photos\":{lists}}}"));
        members.push(format!("\"OpenHouses\":{lists}"));
        members.push(format!("\"City\":{objects}"));
    }
    let odd = Odd::new(&members).survive();
    assert_eq!(odd.rejects(), 0);
    let text = |index: usize, name: &str| odd.extra(index)[name].as_str().map(str::len);
    assert_eq!((text(0, "Unheard"), text(3, "OpenHouses"), text(10, "Unheard")), (Some(1_000), Some(1_000), Some(200_000)));
    assert_eq!((odd.column(2, "media"), odd.column(3, "open_houses"), odd.column(4, "city")), (None, None, None));
    assert!(odd.extra(11)["_cut"].is_u64(), "600 kB are beyond what extra keeps");
}

#[test]
fn what_converts_without_loss_fits_and_the_rest_is_counted_per_field() {
    let odd = Odd::new(&[
        r#""Price":"250000","Beds":null,"beds":"3","BathsTotal":"2.5","Zip":58102,"HasPool":"True","ListDate":"2026-11-25 21:29:55""#,
        r#""Price":"1,250,000","HasPool":"Y","MlsUpdateDate":"11/25/2026 9:29:55 PM""#,
        r#""Price":"call","BathsTotal":123456789.01234567891234"#,
    ])
    .survive();
    let row = ["price", "beds", "baths_total", "zip", "has_pool", "list_date"].map(|column| odd.column(0, column).unwrap_or_default());
    assert_eq!(row, ["250000", "3", "2.5", "58102", "1", "2026-11-25T21:29:55"]);
    let read = |row: &rusqlite::Row| Ok(format!("{} {}", row.get::<_, String>(0)?, row.get::<_, i64>(1)?));
    let counts = odd.mirror.query("SELECT field, listings FROM misfit_counts ORDER BY 1", read);
    assert_eq!(counts, ["HasPool 1", "MlsUpdateDate 1", "Price 2"], "a rounded number fits");
    assert_eq!(odd.mirror.status_of("GAMLS")["misfits"][0], json!({ "field": "Price", "listings": 2 }));
    let told = odd.mirror.run(&["status"]).succeeded().both();
    assert!(told.contains("Price of 2, HasPool of 1, MlsUpdateDate of 1 listings"), "{told}");
    assert!(told.contains("no MlsUpdateDate that can be read"), "{told}");
    // What fits again is no misfit any more.
    odd.mirror.sandbox.set_fault(None, None);
    for index in [1, 2] {
        odd.mirror.sandbox.with_world(|world| world.edit("GAMLS", &mls_sync::record::ListingId(odd.ids[index].clone())));
    }
    odd.mirror.quiet();
    odd.mirror.once();
    let status = odd.mirror.status_of("GAMLS");
    assert_eq!((&status["misfits"], &status["notices"]), (&json!([]), &json!([])));
}

#[test]
fn photos_in_any_form_are_rows_in_order() {
    let odd = Odd::new(&[
        r#""Media":[{"Sequence":"2","LargeSizeUrl":"b"},{"Sequence":"10","LargeSizeUrl":"c"}]"#,
        r#""media":{"photos":{"sequence":"1","largeSizeUrl":"a"}},"openHouses":{"isActive":"true","remarks":"x"},"OpenHouses":null,"Media":null"#,
    ])
    .survive();
    let photos = |index: usize| {
        let sql = format!("SELECT sequence, large_size_url FROM listing_photos WHERE listing_id = '{}' ORDER BY sequence", odd.ids[index]);
        odd.mirror.query(&sql, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))
    };
    assert_eq!(photos(0), [(2, "b".to_owned()), (10, "c".to_owned())]);
    assert_eq!(photos(1), [(1, "a".to_owned())]);
    let houses = format!("SELECT is_active, remarks FROM listing_open_houses WHERE listing_id = '{}'", odd.ids[1]);
    assert_eq!(odd.mirror.query(&houses, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))), [(1, "x".to_owned())]);
}

#[test]
fn photo_urls_that_are_signed_anew_are_no_changes_where_the_setting_says_so() {
    let mut mirror = Mirror::new(small());
    let answers = AtomicUsize::new(0);
    mirror.sandbox.set_fault(
        None,
        Some(Fault::edit_text(move |page| {
            let signed = format!(".jpg?sig={}\"", answers.fetch_add(1, Ordering::Relaxed));
            page.replace(".jpg\"", &signed).into_bytes()
        })),
    );
    mirror.backfill();
    let changes = |mirror: &Mirror| mirror.number("SELECT count(*) FROM changes");
    let newest = |mirror: &Mirror| mirror.text("SELECT group_concat(large_size_url) FROM listing_photos");
    let told = |mirror: &Mirror| mirror.status_of("GAMLS")["notices"].to_string();
    let (loaded, first) = (changes(&mirror), newest(&mirror));
    mirror.reread();
    assert!(changes(&mirror) > loaded + 50, "each is taken for a change");
    assert!(told(&mirror).contains("media.ignore_query"), "{}", told(&mirror));
    mirror.set(|settings| settings.ignore_query = true);
    let (flooded, second) = (changes(&mirror), newest(&mirror));
    mirror.reread();
    assert_eq!(changes(&mirror), flooded, "none is a change");
    assert!(first != second && second != newest(&mirror), "the URLs of before may not work any more");
    assert_eq!(told(&mirror), "[]");
    // What else differs is a change as ever.
    let edited = mirror.truly_live("GAMLS").pop_first().unwrap();
    mirror.sandbox.with_world(|world| world.edit("GAMLS", &edited));
    mirror.quiet();
    mirror.reread();
    assert_eq!(changes(&mirror), flooded + 1);
}

#[test]
fn records_that_can_all_not_be_read_prove_nothing_and_the_reason_is_told() {
    let renamed = || Some(Fault::edit_text(|page| page.replace("\"ListingId\"", "\"Number\"").into_bytes()));
    let mirror = Mirror::new(small());
    mirror.sandbox.set_fault(None, renamed());
    let daemon = mirror.start(&["run"]);
    let status = || mirror.run(&["status"]).both();
    let reason = "records can be read; of the first: it has no ListingId; it has ";
    eventually("the reason is told", LIMIT, || mirror.is_ready() && status().contains(reason));
    assert!(status().contains("Number"), "{}", status());
    assert_eq!((mirror.live("GAMLS"), mirror.number("SELECT count(*) FROM coverage WHERE complete_until IS NOT NULL")), (0, 0));
    mirror.sandbox.set_fault(None, None);
    eventually("everything is read when the names are back", LIMIT, || mirror.live("GAMLS") == 300);
    drop(daemon);

    // A single one is kept and passed, but a load of nothing else is not complete.
    let mirror = Mirror::new(Options { listings: 1, deleted: 0, ..small() });
    mirror.sandbox.set_fault(None, renamed());
    let told = mirror.run(&["run", "--backfill"]).exited(1).both();
    assert!(told.contains("all that came was rejected (`mls-sync rejects`): it has no ListingId"), "{told}");
}

#[test]
fn a_feed_that_is_named_in_another_case_is_the_same_feed() {
    let mut mirror = Mirror::new(small());
    mirror.backfill();
    let changes = mirror.number("SELECT count(*) FROM changes");
    mirror.set(|settings| settings.feeds = vec!["gamls".to_owned(), "Gamls".to_owned()]);
    mirror.once();
    assert_eq!(mirror.text("SELECT group_concat(feed_id) FROM feeds"), "GAMLS");
    assert_eq!(mirror.number("SELECT count(*) FROM changes"), changes);
    // The vendor writes it in two ways, and lists it for whoever names no feed.
    mirror.set(|settings| settings.feeds = Vec::new());
    mirror.sandbox.set_fault(None, Some(Fault::edit_text(|page| page.replacen("\"GAMLS\"", "\"gamls\"", 10).into_bytes())));
    mirror.once();
    assert_eq!(mirror.text("SELECT group_concat(feed_id) FROM feeds"), "GAMLS");
    assert_eq!(mirror.number("SELECT count(*) FROM changes"), changes);
}

#[test]
fn dates_of_any_year_stop_no_feed() {
    let odd = Odd::new(&[
        r#""ListDate":"0001-01-01T00:00:00","SaleDate":"9999-12-31T23:59:59.9999999""#,
        r#""ListDate":"2026-02-30T00:00:00","SaleDate":"not yet","ExpirationDate":"2026-13-01","ContractDate":"+12026-01-01T00:00:00""#,
        r#""MlsUpdateDate":"0001-01-01T00:00:00""#,
        r#""MlsUpdateDate":"9999-12-31T23:59:59.9999999""#,
        r#""MlsUpdateDate":"2026-02-30T25:61:61""#,
        r#""MlsUpdateDate":null"#,
        r#""MlsUpdateDate":20260501"#,
        r#""MlsUpdateDate":"-0044-03-15T12:00:00""#,
        r#""MlsUpdateDate":"+262000-01-01T00:00:00""#,
    ])
    .survive();
    assert_eq!((odd.column(0, "list_date").as_deref(), odd.extra(0)), (None, Value::Null));
    assert_eq!(odd.column(0, "sale_date").as_deref(), Some("9999-12-31T23:59:59.9999999"));
    let kept = odd.extra(1);
    assert_eq!(
        (&kept["ListDate"], &kept["SaleDate"], &kept["ExpirationDate"]),
        (&json!("2026-02-30T00:00:00"), &json!("not yet"), &json!("2026-13-01"))
    );
    assert_eq!((odd.rejects(), odd.mirror.live("GAMLS")), (0, 61));
    let cursors = odd.mirror.query("SELECT cursor FROM cursors", |row| row.get::<_, Option<String>>(0));
    assert!(cursors.iter().flatten().all(|cursor| cursor.starts_with("20")), "{cursors:?}");
    assert!(odd.mirror.status_of("GAMLS")["complete_until"].is_string());
}

#[test]
fn of_a_name_that_comes_twice_the_last_value_counts() {
    let odd = Odd::new(&[r#""Beds":1,"Beds":"many","Beds":2,"\u0042eds":3,"New":1,"New":2,"City":"a","City":"b""#]).survive();
    assert_eq!((odd.column(0, "beds").as_deref(), odd.column(0, "city").as_deref()), (Some("3"), Some("b")));
    assert_eq!(odd.extra(0), json!({ "New": 2 }));
}

#[test]
fn any_number_of_unknown_fields_is_kept_or_told_of() {
    let fields = |count: usize| (0..count).map(|n| format!("\"Field{n}\":{{\"n\":{n}}}")).collect::<Vec<_>>().join(",");
    let odd = Odd::new(&[fields(2_000), fields(100_000)]).survive();
    assert_eq!(odd.extra(0).as_object().unwrap().len(), 2_000);
    assert!(odd.extra(1)["_cut"].as_u64().is_some_and(|bytes| bytes > 1_000_000));
    assert_eq!(odd.mirror.status_of("GAMLS")["extra_cut"], 1);
}

#[test]
fn a_feeds_name_may_hold_anything_but_reaches_no_terminal_raw() {
    let names = ["\u{1b}[31mRED\u{7}\u{9b}", "'; DROP TABLE feeds; --", "Ж 番"];
    let options = Options { listings: 20, deleted: 3, feeds: names.iter().map(|name| (*name).to_owned()).collect(), ..small() };
    let mirror = Mirror::new(options.clone()).with(|settings| settings.feeds.clear());
    speaks_plainly(&mirror.backfill());
    assert!(names.iter().all(|name| mirror.requests_of(name) > 0));
    for command in
        [&["status"][..], &["feeds"], &["rejects"], &["status", "--json"], &["why", names[0], "none"], &["why", "\u{1b}[0m", "\u{1b}[2J"]]
    {
        speaks_plainly(&mirror.run(command));
    }
    mirror.verify("strange names of feeds");
    consumers_can_read(&mirror);
}
