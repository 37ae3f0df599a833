//! What the licence does not let be kept: fields that are never stored, and contents whose time is over.

use crate::support::{LIMIT, Mirror, eventually, small};
use mls_sync::record::ListingId;
use mls_sync::sandbox::Options;
use rusqlite::Connection;
use serde_json::Value;
use std::fs;
use std::time::Duration;

const FEED: &str = "GAMLS";

/// Puts this section into the configuration, in the place of what stood there.
fn licence(mirror: &Mirror, lines: &str) {
    let text = fs::read_to_string(mirror.config()).unwrap();
    let before = text.split("[licence]").next().unwrap().trim_end();
    fs::write(mirror.config(), format!("{before}\n\n[licence]\n{lines}\n")).unwrap();
}

/// Another program writes into the file.
fn meddle(mirror: &Mirror, sql: &str) {
    Connection::open(mirror.database()).unwrap().execute_batch(sql).unwrap();
}

/// Whether any byte of the database's files is part of this text.
fn holds(mirror: &Mirror, text: &str) -> bool {
    let files = fs::read_dir(mirror.dir()).unwrap().map(|entry| entry.unwrap().path());
    let of_database = files.filter(|path| path.file_name().unwrap().to_str().unwrap().contains(".db"));
    of_database.map(|path| fs::read(path).unwrap()).any(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
}

/// A live listing and its address.
fn addressed(mirror: &Mirror) -> (String, String) {
    let sql = "SELECT listing_id, address FROM live_listings WHERE address <> '' ORDER BY listing_id LIMIT 1";
    mirror.query(sql, |row| Ok((row.get(0)?, row.get(1)?))).remove(0)
}

#[test]
fn a_field_that_is_omitted_is_never_stored() {
    let (open, omitting) = (Mirror::new(small()), Mirror::new(small()));
    open.backfill();
    let (listing, address) = addressed(&open);
    licence(&omitting, "omit = [\"address\"]");
    omitting.backfill();
    assert!(holds(&open, &address));
    assert!(!holds(&omitting, &address));
    assert_eq!(omitting.number("SELECT count(*) FROM listings WHERE address IS NOT NULL"), 0);
    assert_eq!(omitting.number(&format!("SELECT count(*) FROM listings WHERE listing_id = '{listing}'")), 1);
    omitting.verify_changes("with an omitted field");
    // Read again, nothing looks like a change.
    let before = omitting.number("SELECT max(seq) FROM changes");
    omitting.reread();
    assert_eq!(omitting.number("SELECT max(seq) FROM changes"), before);
}

#[test]
fn a_field_that_is_omitted_later_is_taken_out_of_rows_history_and_rejects_and_comes_back_with_reconcile() {
    let mirror = Mirror::new(small());
    mirror.backfill();
    let (listing, address) = addressed(&mirror);
    mirror.sandbox.with_world(|world| assert!(world.edit(FEED, &ListingId(listing))));
    mirror.quiet();
    mirror.once();
    // A change whose diff holds it.
    let former = "json_set(diff, '$.address', json('[\"FORMER WORDS\",null]'))";
    meddle(&mirror, &format!("UPDATE changes SET diff = {former} WHERE kind = 'changed'"));
    assert!(mirror.number("SELECT count(*) FROM changes WHERE diff LIKE '%FORMER WORDS%'") > 0);
    licence(&mirror, "omit = [\"Address\"]");
    mirror.once();
    assert_eq!(mirror.number("SELECT count(*) FROM listings WHERE address IS NOT NULL"), 0);
    assert_eq!(mirror.number("SELECT count(*) FROM changes WHERE diff LIKE '%FORMER WORDS%'"), 0);
    let purged = "SELECT diff FROM changes WHERE kind = 'purged' AND cause = 'omit'";
    let diffs: Vec<String> = mirror.query(purged, |row| row.get(0));
    assert!(!diffs.is_empty() && diffs.iter().all(|diff| diff == r#"{"address":[null,null]}"#), "{diffs:?}");
    assert!(!holds(&mirror, &address), "the bytes are gone from the file");
    let before = mirror.number("SELECT max(seq) FROM changes");
    mirror.once();
    assert_eq!(mirror.number("SELECT max(seq) FROM changes"), before, "once is enough");
    licence(&mirror, "omit = []");
    mirror.once();
    mirror.run(&["reconcile"]).succeeded();
    assert_eq!(addressed(&mirror).1, address);
    mirror.verify("with the field again");
}

#[test]
fn the_contents_of_a_deleted_listing_go_after_their_time_and_come_back_with_it() {
    let mirror = Mirror::new(small());
    mirror.backfill();
    let (listing, address) = addressed(&mirror);
    mirror.sandbox.with_world(|world| assert!(world.delete(FEED, &ListingId(listing.clone()))));
    mirror.quiet();
    mirror.once();
    let row = |column: &str| -> Value {
        let sql = format!("SELECT json_array({column}) FROM listings WHERE listing_id = '{listing}'");
        let told: String = mirror.query(&sql, |row| row.get(0)).remove(0);
        serde_json::from_str::<Value>(&told).unwrap()[0].clone()
    };
    licence(&mirror, "keep_deleted = \"30d\"");
    mirror.once();
    assert!(row("purged_at").is_null() && row("address").is_string(), "its time is not over");
    let long_ago = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-31 days')";
    meddle(&mirror, &format!("UPDATE listings SET deleted_at = {long_ago} WHERE listing_id = '{listing}'"));
    let (deleted_at, dated) = (row("deleted_at"), row("mls_update_date"));
    mirror.once();
    assert!(row("purged_at").is_string() && row("address").is_null() && row("price").is_null() && row("media").is_null());
    assert_eq!((row("deleted_at"), row("mls_update_date"), row("listing_id")), (deleted_at, dated, Value::from(listing.clone())));
    assert!(!holds(&mirror, &address), "the bytes are gone from the file");
    let last = mirror.query("SELECT key, kind, cause, diff IS NULL FROM changes ORDER BY seq DESC LIMIT 1", |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get::<_, bool>(3)?))
    });
    assert_eq!(last, [(listing.clone(), "purged".to_owned(), "keep_deleted".to_owned(), true)]);
    let said = mirror.run(&["history", FEED, &listing]).succeeded().stdout;
    assert!(said.contains("purged (keep_deleted)") && !said.contains(&address), "{said}");
    let line = mirror.run(&["changes", "--since", &(row("change_seq").as_i64().unwrap() - 1).to_string()]).succeeded().stdout;
    let line: Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    assert_eq!((&line["kind"], &line["diff"]["price"]), (&Value::from("purged"), &serde_json::json!([null, null])), "{line}");
    let (seq, run) = (mirror.number("SELECT max(seq) FROM changes"), "once is enough");
    mirror.once();
    assert_eq!(mirror.number("SELECT max(seq) FROM changes"), seq, "{run}");
    mirror.run(&["verify"]).succeeded();
    mirror.sandbox.with_world(|world| assert!(world.revive(FEED, &ListingId(listing.clone()))));
    mirror.quiet();
    mirror.once();
    assert!(row("purged_at").is_null() && row("deleted_at").is_null() && row("address").is_string());
    mirror.verify("after it came back");
}

#[test]
fn a_listing_that_is_first_heard_of_when_it_is_deleted_is_stored_without_contents() {
    let mirror = Mirror::new(small());
    licence(&mirror, "keep_deleted = \"30d\"");
    mirror.backfill();
    let deleted = "SELECT count(*) FROM listings WHERE deleted_at IS NOT NULL";
    assert!(mirror.number(deleted) > 0);
    assert_eq!(mirror.number(&format!("{deleted} AND (purged_at IS NULL OR price IS NOT NULL OR address IS NOT NULL)")), 0);
    let before = mirror.number("SELECT max(seq) FROM changes");
    mirror.reread();
    assert_eq!(mirror.number("SELECT max(seq) FROM changes"), before);
    mirror.verify_changes("with tombstones that have no contents");
}

#[test]
fn sold_listings_are_purged_and_reading_them_again_brings_nothing_back() {
    let mirror = Mirror::new(small());
    mirror.backfill();
    let sold = "lower(listing_status_search) IN ('sold', 'closed') AND deleted_at IS NULL";
    let count = |what: &str| mirror.number(&format!("SELECT count(*) FROM listings WHERE {sold} AND {what}"));
    assert!(count("price IS NOT NULL") > 0, "the sandbox has sold listings");
    let others = mirror.number(&format!("SELECT count(*) FROM live_listings WHERE NOT ({sold}) AND price IS NOT NULL"));
    licence(&mirror, "keep_sold = \"1s\"");
    mirror.once();
    assert_eq!(count("(price IS NOT NULL OR purged_at IS NULL)"), 0);
    assert_eq!(mirror.number(&format!("SELECT count(*) FROM live_listings WHERE NOT ({sold}) AND price IS NOT NULL")), others);
    assert_eq!(mirror.number("SELECT count(*) FROM public_listings WHERE lower(listing_status_search) IN ('sold', 'closed')"), 0);
    let before = mirror.number("SELECT max(seq) FROM changes");
    mirror.reread();
    assert_eq!(mirror.number("SELECT max(seq) FROM changes"), before);
    mirror.verify_changes("with sold listings that were purged");
    licence(&mirror, "[licence.feeds.GAMLS]\nkeep_sold = \"forever\"");
    mirror.run(&["reconcile"]).succeeded();
    assert!(count("price IS NOT NULL AND purged_at IS NULL") > 0, "they are kept again");
    mirror.verify("with sold listings again");
}

#[test]
fn a_sold_listing_is_purged_when_it_is_deleted_and_an_edit_brings_nothing_back() {
    let mirror = Mirror::new(small());
    mirror.backfill();
    let sold = "SELECT listing_id FROM live_listings WHERE lower(listing_status_search) = 'sold' ORDER BY listing_id LIMIT 2";
    let sold: Vec<String> = mirror.query(sold, |row| row.get(0));
    let of = |listing: &str, what: &str| mirror.number(&format!("SELECT count(*) FROM listings WHERE listing_id = '{listing}' AND {what}"));
    mirror.sandbox.with_world(|world| {
        assert!(world.delete(FEED, &ListingId(sold[0].clone())));
        assert!(world.edit(FEED, &ListingId(sold[1].clone())));
    });
    mirror.quiet();
    licence(&mirror, "keep_sold = \"1s\"");
    mirror.once();
    assert_eq!(of(&sold[0], "deleted_at IS NOT NULL AND purged_at IS NOT NULL AND price IS NULL AND extra IS NULL"), 1);
    assert_eq!(of(&sold[1], "deleted_at IS NULL AND purged_at IS NOT NULL AND price IS NULL AND extra IS NULL"), 1);
    for listing in &sold {
        let last = format!("SELECT kind || ' ' || cause FROM changes WHERE key = '{listing}' ORDER BY seq DESC LIMIT 1");
        assert_eq!(mirror.query(&last, |row| row.get::<_, String>(0)), ["purged keep_sold"], "{listing}");
        let values = format!("SELECT count(*) FROM changes WHERE key = '{listing}' AND json_type(diff, '$.price') IS NOT NULL");
        assert_eq!(mirror.number(&values), 0, "the history holds no price of {listing}");
    }
    // Once more: the edit comes while the row is purged already.
    mirror.sandbox.with_world(|world| assert!(world.edit(FEED, &ListingId(sold[1].clone()))));
    mirror.quiet();
    mirror.once();
    assert_eq!(of(&sold[1], "price IS NULL AND extra IS NULL"), 1);
    mirror.verify_changes("with sold listings");
}

#[test]
fn rejects_hold_nothing_that_may_not_be_kept_and_are_stored_by_the_licence_when_they_are_tried_again() {
    let mirror = Mirror::new(small());
    mirror.backfill();
    let text = |listing: &str| {
        let record = serde_json::json!({"FeedId": FEED, "ListingId": listing, "MlsUpdateDate": "2020-01-01T00:00:00",
            "Address": "1 SECRET WAY", "ListingMedia": {"Photos": []}, "Price": 5});
        record.to_string()
    };
    let insert = |listing: &str, raw: &str, at: &str| {
        let sql = "INSERT INTO rejects (feed_id, status, listing_id, reason, raw, raw_bytes, raw_hash, rejected_at)
            VALUES ('GAMLS', 0, ?1, 'odd', ?2, length(?2), randomblob(16), ?3)";
        Connection::open(mirror.database()).unwrap().execute(sql, [listing, raw, at]).unwrap();
    };
    let (now, long_ago) = ("2099-01-01T00:00:00.000Z", "2020-01-01T00:00:00.000Z");
    insert("R1", &text("R1"), now);
    insert("R2", "{\"Address\":\"2 SECRET WAY\"", now);
    licence(&mirror, "omit = [\"Address\", \"Media\"]");
    mirror.once();
    let raws: Vec<String> = mirror.query("SELECT raw FROM rejects ORDER BY listing_id", |row| row.get(0));
    assert!(raws[0].contains("\"Price\":5") && !raws[0].contains("SECRET") && !raws[0].contains("ListingMedia"), "{raws:?}");
    assert_eq!(raws[1], "");
    let said = mirror.run(&["rejects"]).succeeded().stdout;
    assert!(said.contains("its text was taken out, because the licence"), "{said}");
    insert("R3", &text("R3"), now);
    mirror.run(&["rejects", "--retry"]).succeeded();
    assert_eq!(mirror.number("SELECT count(*) FROM listings WHERE listing_id IN ('R1', 'R3') AND price = 5 AND address IS NULL"), 2);
    insert("R4", &text("R4"), long_ago);
    insert("R5", &text("R5"), now);
    licence(&mirror, "keep_sold = \"3y\"");
    mirror.once();
    let kept: Vec<String> = mirror.query("SELECT listing_id FROM rejects WHERE raw <> '' ORDER BY 1", |row| row.get(0));
    assert_eq!(kept, ["R5"], "the older one may be of a listing that was sold long ago");
}

#[test]
fn a_section_is_for_a_feed_in_any_case_and_status_tells_of_one_that_is_for_none() {
    let mirror = Mirror::new(small());
    licence(&mirror, "[licence.feeds.gamls]\nomit = [\"Address\"]\n[licence.feeds.GAMSL]\nkeep_sold = \"1d\"");
    mirror.backfill();
    assert_eq!(mirror.number("SELECT count(*) FROM listings WHERE address IS NOT NULL"), 0);
    let said = mirror.run(&["status"]).succeeded().stdout;
    assert!(
        said.contains("! licence: [licence.feeds.GAMSL] is for a feed that is not mirrored") && !said.contains("feeds.gamls]"),
        "{said}"
    );
}

#[test]
fn a_daemon_purges_while_it_runs_and_a_kill_loses_nothing() {
    let mirror = Mirror::new(Options { listings: 3000, ..small() });
    mirror.backfill();
    licence(&mirror, "omit = [\"Address\", \"Remarks\"]");
    let left = || mirror.number("SELECT count(*) FROM listings WHERE address IS NOT NULL OR remarks IS NOT NULL");
    let all = left();
    let daemon = mirror.start(&["run"]);
    eventually("the first step is done", LIMIT, || left() < all);
    daemon.signal("KILL");
    drop(daemon);
    mirror.run(&["verify"]).succeeded();
    let daemon = mirror.start(&["run"]);
    eventually("all are gone", LIMIT, || left() == 0);
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(5)).succeeded();
    assert_eq!(mirror.number("SELECT count(*) / 1000 FROM changes WHERE kind = 'purged' AND bulk"), 3, "they are a mass update");
    mirror.run(&["verify"]).succeeded();
}

#[test]
fn names_that_cannot_be_left_out_are_refused() {
    let mirror = Mirror::new(small());
    for (lines, why) in [
        ("omit = [\"AgentRemark\"]", "licence.omit: \"AgentRemark\" is no field of the vendor's document"),
        ("omit = [\"ListingId\"]", "\"ListingId\" is part of a key"),
        ("omit = [\"AgentId\"]", "\"AgentId\" is part of a key"),
        ("omit = [\"MlsUpdateDate\"]", "\"MlsUpdateDate\" is needed to tell what is new"),
        ("[licence.feeds.GAMLS]\nomit = [\"ListingStatus\"]", "\"ListingStatus\" is needed to tell what is new"),
        ("keep_deleted = \"0s\"", "licence.keep_deleted: \"0s\" is no time to keep it"),
        ("keep = \"1d\"", "there is no key keep"),
    ] {
        licence(&mirror, lines);
        let said = mirror.run(&["run", "--once"]);
        assert_eq!(said.code, Some(2), "{lines}");
        assert!(said.stderr.contains(why), "{lines}: {}", said.stderr);
    }
}

#[test]
fn status_says_when_the_last_proof_is_older_than_the_licence_allows() {
    let mirror = Mirror::new(small());
    mirror.backfill();
    let report = |mirror: &Mirror| mirror.status_of(FEED);
    assert_eq!((report(&mirror)["too_old"].clone(), report(&mirror)["max_age_s"].clone()), (Value::Bool(false), Value::from(43_200)));
    meddle(&mirror, "UPDATE feeds SET polled_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-13 hours')");
    assert_eq!(report(&mirror)["too_old"], true);
    let said = mirror.run(&["status"]).succeeded().stdout;
    assert!(said.contains("! licence: last proven complete 13h") && said.contains("licence.max_age allows 12h"), "{said}");
    licence(&mirror, "max_age = \"0s\"");
    assert_eq!((report(&mirror)["too_old"].clone(), report(&mirror)["max_age_s"].clone()), (Value::Bool(false), Value::Null));
}
