//! Agents, offices and open houses by the real program: loaded, followed, deleted with proof, and off where nobody asked for them.

use crate::support::{LIMIT, Mirror, always, eventually, small};
use mls_sync::sandbox::{Happened, Options};
use rusqlite::Connection;
use std::time::Duration;

/// Agents and offices are read every second, and whole every two.
const OFTEN: &str = "[agents]\nevery = \"1s\"\n[offices]\nevery = \"1s\"\n[reconcile]\nevery = \"2s\"\nbrake_count = 10\n";

fn mirror(options: Options, more: &str) -> Mirror {
    Mirror::new(options).with(|settings| settings.more = more.to_owned())
}

/// Something happens to an agent, an office, or the open houses of a listing.
fn happen(mirror: &Mirror, id: &str, change: impl Fn(Happened) -> Happened) {
    let at = mirror.sandbox.with_world(|world| world.utc());
    mirror.sandbox.reconfigure(|options| {
        let key = ("GAMLS".to_owned(), id.to_owned());
        let before = options.services.happened.get(&key).copied().unwrap_or(Happened { gone: false, edits: 0, at });
        options.services.happened.insert(key, Happened { at, ..change(before) });
    });
}

/// What no program but the mirror may do: time passes.
fn rewrite(mirror: &Mirror, sql: &str) {
    Connection::open(mirror.database()).unwrap().execute_batch(sql).unwrap();
}

/// One run in which every reading is due.
fn again(mirror: &Mirror) {
    if mirror.database().exists() {
        rewrite(mirror, "UPDATE censuses SET due_at = NULL");
    }
    mirror.once();
}

fn remove(mirror: &Mirror, id: &str) {
    happen(mirror, id, |before| Happened { gone: true, ..before });
}

fn asked(mirror: &Mirror, service: &str) -> usize {
    mirror.requests().iter().filter(|asked| asked.endpoint.contains(service)).count()
}

fn census<'a>(status: &'a serde_json::Value, entity: &str) -> &'a serde_json::Value {
    status["censuses"].as_array().unwrap().iter().find(|census| census["entity"] == entity).unwrap()
}

const LIVE_AGENTS: &str = "SELECT count(*) FROM live_agents";

#[test]
fn agents_and_offices_are_loaded_followed_deleted_and_brought_back() {
    let mirror = mirror(small(), OFTEN);
    mirror.backfill();
    mirror.verify("after one run");
    assert_eq!((mirror.number(LIVE_AGENTS), mirror.number("SELECT count(*) FROM live_offices")), (40, 8));
    assert_eq!(mirror.number("SELECT count(*) FROM dangling_ids"), 0);
    assert_eq!(mirror.number("SELECT count(*) FROM changes WHERE entity = 'agent' AND kind = 'added'"), 40);
    let daemon = mirror.start(&["run"]);
    happen(&mirror, "20003", |before| Happened { edits: before.edits + 1, ..before });
    eventually("the edit is there", LIMIT, || {
        mirror.number("SELECT count(*) FROM changes WHERE entity = 'agent' AND key = '20003' AND diff ->> '$.last_name[1]' LIKE '% 1'") == 1
    });
    remove(&mirror, "20005");
    let gone = "SELECT count(*) FROM agents WHERE agent_id = '20005' AND deleted_cause = 'absent'";
    eventually("the one that left is deleted", LIMIT, || mirror.number(gone) == 1);
    assert_eq!(mirror.number(LIVE_AGENTS), 39);
    eventually("status tells it", LIMIT, || {
        let status = mirror.status_of("GAMLS");
        let agents = census(&status, "agent");
        agents["live"] == 39 && agents["proven_rows"] == 39 && agents["problem"].is_null() && agents["dangling"].as_u64() > Some(0)
    });
    happen(&mirror, "20005", |before| Happened { gone: false, ..before });
    eventually("it is back", LIMIT, || mirror.number(LIVE_AGENTS) == 40);
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(10)).succeeded();
    mirror.verify("at the end");
    let verified = mirror.run(&["verify"]).succeeded();
    assert!(verified.both().contains("40 agents as stored") && verified.both().contains("8 offices as stored"), "{}", verified.both());
    let lines = mirror.run(&["changes", "--entity", "agent"]).succeeded().both();
    let kinds: Vec<&str> = ["deleted", "restored"].into_iter().filter(|kind| lines.contains(&format!("\"kind\":\"{kind}\""))).collect();
    assert_eq!(kinds, ["deleted", "restored"], "{lines}");
    assert!(!mirror.run(&["changes"]).succeeded().both().contains("\"agent\""), "listings alone are the default");
    let history = mirror.run(&["history", "GAMLS", "20003", "--entity", "agent"]).succeeded().both();
    assert!(history.contains("last_name"), "{history}");
}

#[test]
fn many_that_vanish_at_once_wait_for_a_second_reading_a_day_later() {
    let mirror = mirror(small(), OFTEN);
    again(&mirror);
    for number in 0..20 {
        remove(&mirror, &(20_000 + number).to_string());
    }
    let daemon = mirror.start(&["run"]);
    eventually("the brake holds", LIMIT, || {
        let status = mirror.status_of("GAMLS");
        census(&status, "agent")["absent"] == 20 && census(&status, "agent")["problem"].as_str().is_some_and(|why| why.contains("20 of 40"))
    });
    always("nothing is deleted", Duration::from_secs(3), || mirror.number(LIVE_AGENTS) == 40);
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(10)).succeeded();
    let day_before = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-25 hours')";
    rewrite(&mirror, &format!("UPDATE census_absent SET since = {day_before}; UPDATE censuses SET proven_at = {day_before}"));
    again(&mirror);
    assert_eq!((mirror.number(LIVE_AGENTS), mirror.number("SELECT count(*) FROM census_absent")), (20, 0));
    mirror.verify("after the second reading");
}

#[test]
fn a_service_that_is_refused_leaves_the_others_alone() {
    let mut options = small();
    options.services.forbidden_services = vec!["GetAgents".to_owned()];
    let mirror = mirror(options, OFTEN);
    let daemon = mirror.start(&["run"]);
    eventually("offices are read", LIMIT, || mirror.is_ready() && mirror.number("SELECT count(*) FROM live_offices") == 8);
    eventually("it is told", LIMIT, || census(&mirror.status_of("GAMLS"), "agent")["problem"].is_string());
    eventually("the listings are there", LIMIT, || mirror.verdict().is_ok_and(|verdict| verdict.agrees()));
    let offices = asked(&mirror, "GetOffices");
    eventually("offices are read again", LIMIT, || asked(&mirror, "GetOffices") > offices + 1);
    assert_eq!(asked(&mirror, "GetAgents"), 1, "it is left for an hour");
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(10)).succeeded();
}

#[test]
fn a_total_that_is_wrong_deletes_nothing_and_repeated_records_do_no_harm() {
    let mut options = small();
    (options.services.directory_page_size, options.services.directory_repeats) = (7, true);
    let mirror = mirror(options, OFTEN);
    mirror.backfill();
    assert_eq!(mirror.number(LIVE_AGENTS), 40);
    mirror.sandbox.reconfigure(|options| options.services.directory_total_excess = 3);
    remove(&mirror, "20005");
    rewrite(&mirror, "UPDATE censuses SET proven_at = '2020-01-01T00:00:00.000Z', due_at = NULL");
    let ended = mirror.run(&["run", "--once"]).succeeded();
    assert!(ended.both().contains("the vendor counts 42, and 39 different ones were read"), "{}", ended.both());
    assert_eq!(mirror.number(LIVE_AGENTS), 40);
    mirror.verify("after a wrong total");
}

#[test]
fn a_kill_in_the_middle_of_a_reading_loses_nothing() {
    let mut options = small();
    options.services.directory_page_size = 1;
    let mirror = mirror(options, OFTEN);
    let daemon = mirror.start(&["run"]);
    eventually("some are there", LIMIT, || mirror.is_ready() && mirror.number(LIVE_AGENTS) > 5);
    daemon.kill();
    mirror.verify_changes("after the kill");
    again(&mirror);
    assert_eq!(mirror.number(LIVE_AGENTS), 40);
    mirror.verify("at the end");
}

#[test]
fn what_nobody_asked_for_is_not_read_and_what_is_switched_off_stays_as_it_is() {
    let mut mirror = mirror(small(), "");
    mirror.backfill();
    assert_eq!([asked(&mirror, "GetAgents"), asked(&mirror, "GetOffices"), asked(&mirror, "GetListingsOpen")], [0, 0, 0]);
    mirror.set(|settings| settings.more = OFTEN.to_owned());
    again(&mirror);
    mirror.set(|settings| settings.more = "[agents]\nevery = \"0s\"\n".to_owned());
    let before = asked(&mirror, "GetAgents");
    again(&mirror);
    assert_eq!((asked(&mirror, "GetAgents"), mirror.number(LIVE_AGENTS)), (before, 40));
    assert!(census(&mirror.status_of("GAMLS"), "agent")["due_at"].is_null());
}

#[test]
fn what_may_not_be_kept_of_a_deleted_agent_is_taken_out() {
    let mirror = mirror(small(), &format!("{OFTEN}[licence]\nkeep_deleted = \"1s\"\n"));
    again(&mirror);
    remove(&mirror, "20005");
    rewrite(&mirror, "UPDATE censuses SET proven_at = '2020-01-01T00:00:00.000Z'");
    eventually("its contents are taken out", LIMIT, || {
        again(&mirror);
        mirror.number("SELECT count(*) FROM agents WHERE agent_id = '20005' AND purged_at IS NOT NULL AND last_name IS NULL") == 1
    });
    assert_eq!(mirror.number("SELECT count(*) FROM changes WHERE entity = 'agent' AND kind = 'purged'"), 1);
    mirror.verify_changes("after it was taken out");
    happen(&mirror, "20005", |before| Happened { gone: false, ..before });
    again(&mirror);
    assert_eq!(mirror.number("SELECT count(*) FROM live_agents WHERE agent_id = '20005' AND last_name IS NOT NULL"), 1);
    mirror.verify_changes("after it came back");
}

#[test]
fn a_phone_number_that_is_omitted_is_taken_out_and_stays_out() {
    let mut mirror = mirror(small(), OFTEN);
    mirror.backfill();
    let phones = "SELECT count(*) FROM agents WHERE cell_phone IS NOT NULL";
    assert!(mirror.number(phones) > 0);
    mirror.set(|settings| settings.more = format!("{OFTEN}[licence]\nomit = [\"CellPhone\"]\n"));
    eventually("they are taken out", LIMIT, || {
        mirror.once();
        mirror.number(phones) == 0
    });
    rewrite(&mirror, "UPDATE censuses SET proven_at = NULL");
    again(&mirror);
    assert_eq!((mirror.number(phones), mirror.number(LIVE_AGENTS)), (0, 40));
    mirror.verify_changes("without phone numbers");
}

#[test]
fn an_empty_answer_at_first_is_no_whole_reading() {
    let mut options = small();
    options.services.agents = 0;
    let mirror = mirror(options, OFTEN);
    again(&mirror);
    assert_eq!((mirror.number(LIVE_AGENTS), mirror.number("SELECT count(*) FROM censuses WHERE proven_at IS NOT NULL")), (0, 1));
    mirror.sandbox.reconfigure(|options| options.services.agents = 40);
    again(&mirror);
    assert_eq!(mirror.number(LIVE_AGENTS), 40, "all are asked for again, and not the updates alone");
}

#[test]
fn a_removed_feed_takes_its_agents_along() {
    let mirror = mirror(small(), OFTEN);
    again(&mirror);
    mirror.run(&["feeds", "remove", "GAMLS", "--yes"]).succeeded();
    assert_eq!(mirror.number("SELECT count(*) FROM agents WHERE deleted_cause = 'feed_removed'"), 40);
    assert_eq!(mirror.number("SELECT count(*) FROM censuses"), 0);
    mirror.verify_changes("after the removal");
}

#[test]
fn open_houses_are_a_snapshot_of_what_lies_ahead() {
    let mirror = mirror(Options { listings: 600, ..small() }, "[open_houses]\nevery = \"1s\"\n");
    mirror.backfill();
    let all = mirror.number("SELECT count(*) FROM open_houses");
    assert!(all > 20, "{all}");
    assert_eq!(mirror.number("SELECT count(*) FROM open_houses WHERE open_house_id NOT LIKE listing_id || '/____-__-__T%'"), 0);
    let ahead = mirror.text("SELECT min(listing_id) FROM open_houses WHERE start_date > strftime('%Y-%m-%dT%H:%M:%S', 'now', '+1 day')");
    let of_it = format!("SELECT count(*) FROM open_houses WHERE listing_id = '{ahead}' AND deleted_at IS");
    let live = mirror.number(&format!("{of_it} NULL"));
    remove(&mirror, &ahead);
    again(&mirror);
    assert_eq!(mirror.number(&format!("{of_it} NULL")), live, "one reading is no proof");
    rewrite(&mirror, "UPDATE census_absent SET since = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-11 minutes')");
    again(&mirror);
    assert_eq!((mirror.number(&format!("{of_it} NULL")), mirror.number(&format!("{of_it} NOT NULL"))), (0, live));
    assert_eq!(mirror.number("SELECT count(*) FROM open_houses WHERE deleted_at IS NULL"), all - live);
    mirror.verify("after the second reading");
}
