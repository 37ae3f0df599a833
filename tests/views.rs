//! The views that others build on: what they show, what they hide, and which index answers their usual questions.

use crate::support::{Mirror, small};
use mls_sync::vendor::constellation1::fields::LISTING_DETAILS;
use rusqlite::types::{Null, Value};
use rusqlite::{Connection, OpenFlags, params_from_iter};
use std::collections::BTreeSet;
use std::fs;

const SCHEMA: &str = include_str!("../schema.sql");
const CONSUMERS: &str = include_str!("../docs/consumers.md");
const RESO: &str = include_str!("../docs/reso.md");

/// A file without a daemon, in memory.
struct File(Connection);

impl File {
    fn new() -> File {
        let connection = Connection::open_in_memory().expect("SQLite opens");
        connection.execute_batch(SCHEMA).expect("schema.sql is valid");
        File(connection)
    }

    /// Adds a listing of the feed `F`.
    fn add(&self, listing_id: &str, cells: &[(&str, Value)]) {
        let number = self.number("SELECT count(*) FROM listings") + 1;
        let own: [(&str, Value); 7] = [
            ("feed_id", "F".to_owned().into()),
            ("listing_id", listing_id.to_owned().into()),
            ("first_seen_at", "2026-01-01T00:00:00.000Z".to_owned().into()),
            ("changed_at", "2026-01-01T00:00:00.000Z".to_owned().into()),
            ("change_seq", number.into()),
            ("raw_hash", vec![0_u8].into()),
            ("content_hash", vec![0_u8].into()),
        ];
        let all: Vec<&(&str, Value)> = own.iter().chain(cells).collect();
        let columns: Vec<&str> = all.iter().map(|(column, _)| *column).collect();
        let marks = vec!["?"; all.len()].join(", ");
        let sql = format!("INSERT INTO listings ({}) VALUES ({marks})", columns.join(", "));
        self.0.execute(&sql, params_from_iter(all.iter().map(|(_, value)| value))).expect("a listing");
    }

    fn rows(&self, sql: &str) -> Vec<Vec<Value>> {
        let mut statement = self.0.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let width = statement.column_count();
        let rows = statement.query_map([], |row| (0..width).map(|column| row.get(column)).collect()).expect(sql);
        rows.collect::<rusqlite::Result<_>>().expect(sql)
    }

    /// The rows as text, a row each.
    fn told(&self, sql: &str) -> Vec<String> {
        let line = |row: Vec<Value>| row.iter().map(told).collect::<Vec<_>>().join(" ");
        self.rows(sql).into_iter().map(line).collect()
    }

    fn number(&self, sql: &str) -> i64 {
        self.0.query_row(sql, [], |row| row.get(0)).expect(sql)
    }

    fn columns(&self, view: &str) -> Vec<String> {
        self.told(&format!("SELECT name FROM pragma_table_info('{view}') ORDER BY cid"))
    }

    /// The text of a view with single spaces.
    fn view(&self, name: &str) -> String {
        let text = self.told(&format!("SELECT sql FROM sqlite_schema WHERE name = '{name}'")).concat();
        let lines = text.lines().map(|line| line.split("  -- ").next().unwrap_or_default());
        lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
    }
}

fn told(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Blob(_) => "blob".to_owned(),
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// The rows of the Markdown table below a heading row that begins so, as cells without their backticks.
fn table(document: &str, heading: &str) -> Vec<Vec<String>> {
    let lines = document.lines().skip_while(|line| !line.starts_with(heading)).skip(2).take_while(|line| line.starts_with('|'));
    let cell = |cell: &str| cell.trim().trim_matches('`').to_owned();
    let cells = |line: &str| line.trim_matches('|').split(" |").map(cell).collect::<Vec<_>>();
    lines.map(cells).collect()
}

#[test]
fn a_text_is_a_number_only_where_it_can_be_read_in_one_way() {
    let columns = ["square_feet", "acres", "taxes", "parking_spaces", "year_built"];
    let cases = table(CONSUMERS, "| Text | `square_feet` |");
    assert!(cases.len() >= 20, "{cases:?}");
    for case in cases {
        let (file, sent) = (File::new(), if case[0] == "(empty)" { "" } else { &case[0] });
        file.add("1", &columns.map(|column| (column, text(sent))));
        let numbers = columns.map(|column| format!("{column}_number")).join(", ");
        assert_eq!(file.told(&format!("SELECT {numbers} FROM numeric_listings")), [case[1..].join(" ")], "{sent:?}");
    }
}

#[test]
fn every_number_is_made_by_the_same_rule() {
    let file = File::new();
    let view = file.view("numeric_listings");
    let numbers: Vec<String> = file.columns("numeric_listings").into_iter().filter(|column| column.ends_with("_number")).collect();
    let numbers: Vec<&str> = numbers.iter().filter_map(|column| column.strip_suffix("_number")).collect();
    // Three columns of the vendor are named so and are no numbers of texts.
    let made: Vec<&str> = numbers.into_iter().filter(|column| !["building", "lot", "parcel", "street", "unit"].contains(column)).collect();
    assert_eq!(made.len(), 16, "{made:?}");
    let mut rules = BTreeSet::new();
    for column in made.iter().filter(|column| **column != "year_built") {
        let end = view.find(&format!(" END AS {column}_number")).expect("its expression");
        let begin = view[..end].rfind("CASE WHEN NOT ").expect("it begins");
        let rule = view[begin..end].replace(column, "X").replace("'$ '", "' '");
        let (before, units) = rule.split_once("WHERE u IN (").expect("the units");
        let (_, after) = units.split_once(") AND").expect("their end");
        rules.insert(format!("{before}{after}"));
    }
    assert_eq!(rules.len(), 1, "{rules:#?}");
}

#[test]
fn each_field_has_its_meaning_in_the_schema() {
    let lines: Vec<&str> = SCHEMA.lines().skip_while(|line| !line.starts_with("CREATE TABLE listings ")).collect();
    for field in &LISTING_DETAILS {
        let begins = format!("    {} ", field.column);
        let line = lines.iter().find(|line| line.starts_with(&begins)).expect("its column");
        assert!(line.contains(" -- "), "{line}");
    }
}

/// A row of docs/reso.md: column, RESO field, expression, whether it is shown, remark.
fn mapping() -> Vec<[String; 5]> {
    let rows = table(RESO, "| Column | RESO field |");
    rows.into_iter().map(|row| row.try_into().unwrap_or_else(|row| panic!("not five cells: {row:?}"))).collect()
}

#[test]
fn the_page_on_reso_tells_of_each_field_and_why_it_has_no_name() {
    let columns: Vec<String> = mapping().into_iter().map(|[column, ..]| column).collect();
    assert_eq!(columns, LISTING_DETAILS.iter().map(|field| field.column.to_owned()).collect::<Vec<_>>());
    for [column, reso, _, shown, remark] in mapping() {
        assert!(reso != "-" || !remark.is_empty(), "{column} has no name and no reason");
        assert!(shown != "yes" || !remark.is_empty(), "{column} is shown without a reason");
        assert!(["IDX", "IDX, address", "address", "map", "yes", "no"].contains(&shown.as_str()), "{column}: {shown}");
        assert!(!shown.contains("IDX") || reso != "-", "{column} is in the payload under which name?");
    }
}

#[test]
fn reso_property_has_the_names_and_the_expressions_of_the_page() {
    let file = File::new();
    let view = file.view("reso_property").replace("( ", "(");
    let mut expected: BTreeSet<String> = ["ListingKey", "LivingAreaUnits"].map(str::to_owned).into();
    for [column, reso, expression, ..] in mapping().into_iter().filter(|row| row[1] != "-") {
        let expression = if expression.is_empty() { column } else { expression };
        assert!(view.contains(&format!(" {expression} AS {reso}")), "{expression} AS {reso} is not in\n{view}");
        expected.insert(reso);
    }
    let columns = file.columns("reso_property");
    assert_eq!(columns.iter().cloned().collect::<BTreeSet<_>>(), expected);
    assert_eq!(columns.len(), expected.len(), "no name comes twice");
    for name in &expected {
        assert!(RESO.contains(name.as_str()), "docs/reso.md does not name {name}");
    }
}

#[test]
fn public_listings_has_the_columns_of_the_page_and_no_other() {
    let file = File::new();
    let shown = mapping().into_iter().filter(|row| row[3] != "no").map(|[column, ..]| column);
    let numbers: BTreeSet<String> = file.columns("numeric_listings").into_iter().filter(|column| column.ends_with("_number")).collect();
    let own = ["first_seen_at", "changed_at", "change_seq"].map(str::to_owned);
    let with_number = |column: String| {
        let number = Some(format!("{column}_number")).filter(|number| numbers.contains(number));
        [Some(column), number].into_iter().flatten()
    };
    assert_eq!(file.columns("public_listings"), shown.flat_map(with_number).chain(own).collect::<Vec<_>>());
}

#[test]
fn what_is_not_for_the_public_is_in_no_column_of_public_listings() {
    let file = File::new();
    let hidden = mapping().into_iter().filter(|row| row[3] == "no").map(|[column, ..]| column);
    let is_text = |column: &String| LISTING_DETAILS.iter().any(|field| field.column == column && field.kind.column_type() == "TEXT");
    let hidden: Vec<String> = hidden.filter(|column| is_text(column) && column != "media" && column != "open_houses").collect();
    for column in ["agent_remarks", "showing_instructions", "lock_box", "commission", "buyer_commission", "seller_commission"] {
        assert!(hidden.iter().any(|hidden| hidden == column), "{column}");
    }
    let cells: Vec<(&str, Value)> = hidden.iter().map(|column| (column.as_str(), text("not for the public"))).collect();
    file.add("1", &[cells, vec![("extra", text("not for the public")), ("show_address", 1.into())]].concat());
    let shown = file.told("SELECT * FROM public_listings");
    assert!(shown.len() == 1 && !shown[0].contains("not for the public"), "{shown:?}");
}

#[test]
fn an_address_is_shown_only_where_the_vendor_allows_it_and_a_place_only_with_it() {
    let addresses = mapping().into_iter().filter(|row| row[3].contains("address")).map(|[column, ..]| column);
    let addresses: Vec<String> = addresses.collect();
    for column in ["address", "directions", "parcel_number", "street_name", "street_number", "unit_number"] {
        assert!(addresses.iter().any(|address| address == column), "{column}");
    }
    let cases =
        [(Some(1), Some(1)), (Some(1), Some(0)), (Some(1), None), (Some(0), Some(1)), (Some(0), None), (None, Some(1)), (None, None)];
    for (address, map) in cases {
        let file = File::new();
        let cells = addresses.iter().map(|column| (column.as_str(), text("Elm Street")));
        let places = [("latitude", Value::Real(33.5)), ("longitude", Value::Real(-84.5))];
        let rules = [("show_address", address), ("show_on_map", map)].map(|(column, rule)| (column, Value::from(rule)));
        file.add("1", &cells.chain(places).chain(rules).collect::<Vec<_>>());
        let row = file.told("SELECT * FROM public_listings").concat();
        let shown = if address == Some(1) { addresses.len() } else { 0 };
        assert_eq!(row.matches("Elm Street").count(), shown, "{address:?} {map:?}: {row}");
        let place = if (address, map) == (Some(1), Some(1)) { "33.5 -84.5" } else { "null null" };
        assert_eq!(file.told("SELECT latitude, longitude FROM public_listings"), [place], "{address:?} {map:?}");
    }
}

#[test]
fn deleted_listings_are_in_none_of_the_views_for_use() {
    let file = File::new();
    let media = r#"{"Photos":[{"Sequence":1,"LargeSizeUrl":"l"}]}"#;
    let houses = r#"[{"IsActive":true,"StartDate":"2999-01-01T10:00:00"}]"#;
    let cells = [("media", text(media)), ("open_houses", text(houses)), ("roof_search", text("Metal"))];
    let count = |view: &str| file.number(&format!("SELECT count(*) FROM {view}"));
    let views = ["numeric_listings", "public_listings", "primary_photo", "open_houses_upcoming", "lookups"];
    let views: Vec<&str> = views.into_iter().chain(["reso_property", "reso_media", "reso_open_house"]).collect();
    file.add("1", &cells);
    assert!(views.iter().all(|view| count(view) == 1));
    file.0.execute("UPDATE listings SET deleted_at = '2026-01-01T00:00:00.000Z', deleted_cause = 'vendor'", []).expect("deleted");
    for view in views {
        assert_eq!(count(view), 0, "{view}");
    }
}

#[test]
fn the_primary_photo_is_the_one_of_the_lowest_sequence_and_each_listing_has_one_row() {
    let file = File::new();
    let photo = |sequence: &str, name: &str| format!(r#"{{"Sequence":{sequence},"NormalSizeUrl":"{name}n","LargeSizeUrl":"{name}l"}}"#);
    let media = |photos: &[String]| text(&format!(r#"{{"Photos":[{}]}}"#, photos.join(",")));
    file.add("ordered", &[("media", media(&[photo("1", "a"), photo("2", "b")]))]);
    file.add("mixed", &[("media", media(&[photo("10", "a"), photo("null", "b"), photo("2", "c")]))]);
    file.add("unnumbered", &[("media", media(&["null".to_owned(), photo("null", "a"), photo("null", "b")]))]);
    file.add("empty", &[("media", media(&[]))]);
    file.add("null photos", &[("media", text(r#"{"Photos":null}"#))]);
    file.add("no media", &[]);
    let expected = ["empty null null", "mixed cn cl", "no media null null", "null photos null null", "ordered an al", "unnumbered an al"];
    assert_eq!(file.told("SELECT listing_id, normal_size_url, large_size_url FROM primary_photo ORDER BY listing_id"), expected);
}

#[test]
fn an_open_house_is_upcoming_until_a_day_after_its_end_unless_it_is_inactive() {
    let file = File::new();
    let at = |hours: i64| file.told(&format!("SELECT strftime('%Y-%m-%dT%H:%M:%S', 'now', '{hours} hours')")).concat();
    let house = |active: &str, start: i64, end: Option<i64>| {
        let end = end.map_or("null".to_owned(), |end| format!("{:?}", at(end)));
        format!(r#"{{"IsActive":{active},"StartDate":{:?},"EndDate":{end}}}"#, at(start))
    };
    let houses = |houses: &[String]| ("open_houses", text(&format!("[{}]", houses.join(","))));
    let past = || house("true", -50, Some(-48));
    file.add("next week", &[houses(&[past(), house("true", 168, Some(170))])]);
    file.add("under way for days", &[houses(&[house("true", -72, Some(10))])]);
    file.add("earlier today", &[houses(&[house("true", -6, None), past()])]);
    file.add("not said to be active", &[houses(&[house("null", 5, Some(6))])]);
    file.add("the last of many", &[houses(&[past(), past(), past(), past(), past(), house("true", 30, None)])]);
    file.add("inactive", &[houses(&[house("false", 5, Some(6))])]);
    file.add("over", &[houses(&[past(), house("true", -30, None)])]);
    file.add("without a date", &[houses(&[r#"{"IsActive":true}"#.to_owned()])]);
    file.add("none", &[houses(&[])]);
    let upcoming = ["earlier today", "next week", "not said to be active", "the last of many", "under way for days"];
    assert_eq!(file.told("SELECT listing_id FROM open_houses_upcoming ORDER BY 1"), upcoming);
}

#[test]
fn the_histories_tell_each_change_of_a_price_and_of_a_status() {
    let file = File::new();
    let change = |at: i64, key: &str, kind: &str, diff: Option<&str>| {
        let sql = "INSERT INTO changes (entity, feed_id, key, kind, cause, at, diff) VALUES ('listing', 'F', ?1, ?2, 'vendor', ?3, ?4)";
        file.0.execute(sql, rusqlite::params![key, kind, at.to_string(), diff]).expect("a change");
    };
    file.add("1", &[("price", 90.into())]);
    file.add("2", &[("deleted_at", text("2026-01-01T00:00:00.000Z"))]);
    change(1, "1", "added", None);
    change(2, "1", "changed", Some(r#"{"price":[100,95]}"#));
    change(3, "1", "changed", Some(r#"{"beds":[2,3]}"#));
    change(4, "1", "changed", Some(r#"{"listing_status":["Active","Pending"],"price":[95,97]}"#));
    change(5, "1", "deleted", Some("{}"));
    change(6, "1", "restored", Some(r#"{"price":[97,null]}"#));
    change(7, "1", "changed", Some(r#"{"price":[null,90]}"#));
    change(8, "2", "changed", Some(r#"{"price":[100,90]}"#));
    let prices = ["2 100 95", "4 95 97", "6 97 null", "7 null 90"];
    assert_eq!(file.told("SELECT at, old_price, new_price FROM price_history WHERE listing_id = '1' ORDER BY seq"), prices);
    let status = ["4 changed Active Pending", "5 deleted null null", "6 restored null null"];
    assert_eq!(file.told("SELECT at, kind, old_status, new_status FROM status_history WHERE listing_id = '1' ORDER BY seq"), status);
    assert_eq!(file.told("SELECT listing_id, at, old_price, new_price, price FROM price_reductions"), ["1 2 100 95 90"]);
}

#[test]
fn process_changes_tell_each_value_before_and_after_whatever_was_cut() {
    let file = File::new();
    let process =
        "INSERT INTO listing_processes (account, process_id, state, first_seen_at, changed_at, change_seq, raw_hash, content_hash)
         VALUES ('a', 7, 'cancelled', '', '', 6, x'00', x'00')";
    file.0.execute(process, []).expect("a process");
    let changes: [(&str, Option<&str>); 6] = [
        ("added", None),
        ("changed", Some(r#"{"state":["waitingProperty","waitingContent"],"agent_id":[null,"g"]}"#)),
        ("changed", Some(r#"{"property_id":[null,"p"]}"#)),
        ("deleted", Some("{}")),
        ("restored", Some(r#"{"agent_id":["g",null]}"#)),
        ("changed", Some(r#"{"state":["waitingContent","cancelled"]}"#)),
    ];
    for (at, (kind, diff)) in changes.into_iter().enumerate() {
        let sql = "INSERT INTO changes (entity, feed_id, key, kind, cause, at, diff, not_before) VALUES ('process', 'a', '7', ?1, '', ?2, ?3, ?4)";
        file.0.execute(sql, rusqlite::params![kind, format!("by{at}"), diff, format!("after{at}")]).expect("a change");
    }
    let all = [
        "1 insert null null waitingProperty after0 by0",
        "2 assign agent_id null g after1 by1",
        "2 state state waitingProperty waitingContent after1 by1",
        "3 update property_id null p after2 by2",
        "4 vanish null waitingContent null after3 by3",
        "5 assign agent_id g null after4 by4",
        "5 revive null null waitingContent after4 by4",
        "6 state state waitingContent cancelled after5 by5",
    ];
    let told = "SELECT seq, kind, field, old_value, new_value, after, by FROM process_changes WHERE account = 'a' AND process_id = 7
         ORDER BY seq, kind";
    assert_eq!(file.told(told), all);
    assert_eq!(file.told("SELECT DISTINCT typeof(process_id) FROM process_changes"), ["integer"]);
    file.0.execute("DELETE FROM changes WHERE seq <= 3", []).expect("the history is cut");
    assert_eq!(file.told(told), all[4..]);
}

#[test]
fn lookups_count_each_value_as_it_was_sent() {
    let file = File::new();
    for (listing, status, roof) in [("1", "Active", "Metal"), ("2", "Active", "Metal, Slate"), ("3", "Sold", ""), ("4", "active", "Metal")]
    {
        file.add(listing, &[("listing_status_search", text(status)), ("roof_search", text(roof))]);
    }
    let expected =
        ["F ListingStatus Active 2", "F ListingStatus Sold 1", "F ListingStatus active 1", "F Roof Metal 2", "F Roof Metal, Slate 1"];
    assert_eq!(file.told("SELECT * FROM lookups ORDER BY lookup, value"), expected);
}

#[test]
fn photos_and_open_houses_have_the_names_of_reso() {
    let file = File::new();
    let media = r#"{"Photos":[{"Sequence":7,"NormalSizeUrl":"n","LargeSizeUrl":"l"},{"Sequence":8,"NormalSizeUrl":"n"},null]}"#;
    let houses =
        r#"[{"IsActive":true,"StartDate":"2026-06-06T10:00:00","EndDate":"2026-06-06T12:00:00","Remarks":"r"},{"IsActive":false}]"#;
    file.add("1", &[("media", text(media)), ("open_houses", text(houses))]);
    assert_eq!(file.told("SELECT * FROM reso_media"), ["F:1:0 Property F:1 1 F Photo 7 l", "F:1:1 Property F:1 1 F Photo 8 n"]);
    let first = "F:1:0 F:1 1 F 2026-06-06 2026-06-06T10:00:00 2026-06-06T12:00:00 Active r";
    assert_eq!(file.told("SELECT * FROM reso_open_house"), [first, "F:1:1 F:1 1 F null null null null null"]);
}

#[test]
fn what_the_table_of_lookups_does_not_name_has_no_standard_status_or_type() {
    let file = File::new();
    file.0
        .execute_batch(
            "INSERT INTO reso_lookup VALUES ('StandardStatus', 'Sold', 'Closed'), ('PropertyType', 'House', 'Residential'),
                 ('PropertyType', 'Flat to let', 'Residential Lease')",
        )
        .expect("rows");
    let cases = [
        ("1", "Sold", "House", None),
        ("2", "sold", "Castle", None),
        ("3", "Closed", "House", Some("Rental")),
        ("4", "Sold", "Flat to let", Some("lease")),
    ];
    for (listing, status, kind, sale) in cases {
        let sale = sale.map_or(Value::Null, text);
        file.add(listing, &[("listing_status_search", text(status)), ("property_type_search", text(kind)), ("sale_type", sale)]);
    }
    let expected = ["1 Closed Residential", "2 null null", "3 null null", "4 Closed Residential Lease"];
    assert_eq!(file.told("SELECT ListingId, StandardStatus, PropertyType FROM reso_property ORDER BY 1"), expected);
}

/// The plan of a query. Steps inside subqueries are indented.
fn plan(file: &File, sql: &str) -> Vec<String> {
    // The SQLite of this test has no math functions; for the plan, any function of one number will do.
    let sql = ["asin", "sin", "cos", "radians", "sqrt"].iter().fold(sql.to_owned(), |sql, name| sql.replace(&format!("{name}("), "abs("));
    let sql = sql.replace("pow(", "max(");
    let mut statement = file.0.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let nulls = params_from_iter(vec![Null; statement.parameter_count()]);
    let step = |row: &rusqlite::Row| {
        let (parent, detail): (i64, String) = (row.get("parent")?, row.get("detail")?);
        Ok(if parent == 0 { detail } else { format!("  {detail}") })
    };
    statement.query_map(nulls, step).expect("a plan").map(Result::unwrap).collect()
}

/// The queries of the page that name what they use, with that.
fn queries() -> Vec<(&'static str, &'static str)> {
    let blocks = CONSUMERS.split("```sql\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    blocks.flat_map(|block| block.split("-- by ").skip(1)).filter_map(|query| query.split_once('\n')).collect()
}

#[test]
fn each_query_of_a_listing_site_uses_the_index_that_the_page_names() {
    let (file, queries) = (File::new(), queries());
    assert!(queries.len() >= 16, "{queries:?}");
    let unused: Vec<String> = file
        .told(
            "SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL%'
                 OR type = 'index' AND tbl_name = 'listings' AND sql IS NOT NULL AND name NOT IN ('listings_changed', 'listings_deleted', 'listings_sold')",
        )
        .into_iter()
        .filter(|index| !queries.iter().any(|(named, _)| named == index))
        .collect();
    assert_eq!(unused, Vec::<String>::new(), "docs/consumers.md has no query for these indexes");
    for (index, sql) in queries {
        let plan = plan(&file, sql);
        let tables = [" listings ", " changes ", " number ", " listing_ids ", " listing_text ", " listing_location "];
        let steps: Vec<&String> = plan.iter().filter(|step| tables.iter().any(|table| step.contains(table))).collect();
        let virtual_table = format!("SCAN {index} VIRTUAL TABLE INDEX ");
        let uses = |step: &&String| step.contains(&format!("INDEX {index} (")) || step.starts_with(&virtual_table);
        assert!(steps.iter().any(&uses), "{sql}\ndoes not use {index}: {plan:#?}");
        let narrow = steps.iter().all(|step| step.starts_with("SEARCH") || uses(step));
        assert!(narrow, "{sql}\nreads a whole table: {plan:#?}");
        let sorts = plan.iter().any(|step| step.starts_with("USE TEMP B-TREE FOR ORDER BY"));
        let few = ["start_date BETWEEN", "ORDER BY sequence", "ORDER BY distance"];
        assert!(!sorts || few.iter().any(|few| sql.contains(few)), "{sql}\nsorts: {plan:#?}");
    }
}

#[test]
fn counts_for_a_city_or_a_feed_read_the_index_alone() {
    let file = File::new();
    let by = |place: &str| {
        format!(
            "SELECT property_type_search, beds, count(*) FROM public_listings WHERE {place} = ? AND listing_status_search = ? GROUP BY 1, 2"
        )
    };
    for (place, index) in [("city", "listings_city"), ("feed_id", "listings_type")] {
        let plan = plan(&file, &by(place));
        assert!(plan.iter().any(|step| step.contains(&format!("COVERING INDEX {index} "))), "{plan:#?}");
    }
}

#[test]
fn the_configuration_says_what_reso_calls_a_status_and_the_file_tells_how_fresh_it_is() {
    let mirror = Mirror::new(small());
    mirror.run(&["run", "--backfill"]).succeeded();
    let file = || File(Connection::open_with_flags(mirror.database(), OpenFlags::SQLITE_OPEN_READ_ONLY).expect("it opens"));
    let lookup = "SELECT reso_value FROM reso_lookup WHERE vendor_value IN ('Active', 'Sold', 'Contingent') ORDER BY vendor_value";
    assert_eq!(file().told(lookup), ["Active", "Closed"]);
    let standard = "SELECT count(*) FROM reso_property WHERE StandardStatus = 'Active'";
    assert!(file().number(standard) > 0);
    let fresh = "SELECT feed_id, age_s BETWEEN 0 AND 120, last_success_at IS NOT NULL, complete_until IS NOT NULL FROM sync_status";
    assert_eq!(file().told(fresh), ["GAMLS 1 1 1"]);
    let config = fs::read_to_string(mirror.config()).expect("it is read");
    fs::write(mirror.config(), format!("{config}[reso]\nstandard_status = {{ Contingent = \"Pending\" }}\n")).expect("it is written");
    mirror.run(&["run", "--once"]).succeeded();
    assert_eq!(file().told(lookup), ["Pending"]);
    assert_eq!(file().number(standard), 0);
    fs::write(mirror.config(), format!("{config}[reso]\nproperty_type = {{ Flat = \"Apartment\" }}\n")).expect("it is written");
    let refused = mirror.run(&["run", "--once"]);
    assert!(
        refused.stderr.contains("reso.property_type") && refused.stderr.contains("write one of Business Opportunity"),
        "{}",
        refused.stderr
    );
}
