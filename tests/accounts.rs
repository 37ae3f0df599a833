//! What is read whole of other vendors, by the real program: mirrored, deleted with proof alone, and beside the listings.

pub mod account;

use crate::support::{self, LIMIT, always, eventually};
use account::{Account, SPARK_TOKEN, TOKEN, spark as of_spark, spotahome as of_spotahome};
use mls_sync::sandbox::spark;
use mls_sync::sandbox::spotahome::{self, SpotahomeSandbox};
use serde_json::Value;
use std::time::Duration;

const OTHER_TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJib2IiLCJleHAiOjQwNzA5MDg4MDB9.othersecretothersecret";

impl Account<SpotahomeSandbox> {
    fn there(&self) -> Vec<i64> {
        self.sandbox.with_world(|world| world.ids())
    }

    /// So many that are not cancelled.
    pub fn open(&self, count: usize) -> Vec<i64> {
        self.sandbox.with_world(|world| {
            let is_open = |id: &i64| world.process(*id).is_some_and(|process| !process.is_cancelled());
            world.ids().into_iter().filter(is_open).take(count).collect()
        })
    }

    /// The rows of the file that are live, against the vendor's.
    fn verify(&self, what: &str) {
        let live = self.ids("SELECT process_id FROM listing_processes WHERE deleted_at IS NULL ORDER BY 1");
        assert_eq!(live, self.there(), "{what}");
    }
}

const LIVE: &str = "SELECT count(*) FROM listing_processes WHERE deleted_at IS NULL";

#[test]
fn processes_are_mirrored_followed_and_deleted_once_two_readings_and_the_vendor_agree() {
    let account = of_spotahome(spotahome::Options { processes: 90, ..spotahome::Options::default() });
    let loaded = account.run(&["run", "--once"]).succeeded();
    assert!(loaded.stdout.contains("spotahome  90 listing processes live, 0 deleted"), "{}", loaded.both());
    account.verify("after one run");
    assert_eq!(account.number("SELECT count(*) FROM changes WHERE entity = 'process' AND kind = 'added'"), 90);
    let daemon = account.start(&["run"]);
    let [first, second] = account.open(2).try_into().unwrap();
    assert!(account.sandbox.with_world(|world| world.edit(first, |facts| facts.agent = Some("an-agent".to_owned()))));
    let assigned = format!("SELECT count(*) FROM changes WHERE key = '{first}' AND diff ->> '$.agent_id[1]' = 'an-agent'");
    eventually("the agent is there", LIMIT, || account.number(&assigned) == 1);
    assert!(account.sandbox.with_world(|world| world.vanish(second)));
    let gone = format!("SELECT count(*) FROM listing_processes WHERE process_id = {second} AND deleted_cause = 'absent'");
    eventually("the one that left is deleted", LIMIT, || account.number(&gone) == 1);
    account.verify("after one left");
    eventually("status tells it", LIMIT, || {
        let status = account.status();
        status["live"] == 89 && status["deleted"] == 1 && status["proven_rows"] == 89 && status["problem"].is_null()
    });
    account.stop(daemon);
    let listed = account.run(&["processes", "--agent", "an-agent", "--json"]).succeeded();
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(listed[0]["process_id"], first);
    assert!(account.run(&["verify"]).succeeded().both().contains("90 listing processes as stored"), "{}", account.run(&["verify"]).both());
}

#[test]
fn what_a_narrower_token_cannot_see_is_deleted_by_a_person_alone() {
    let account = of_spotahome(spotahome::Options { processes: 60, ..spotahome::Options::default() });
    account.run(&["run", "--once"]).succeeded();
    let lost = account.open(3);
    account.sandbox.reconfigure(|options| options.token = OTHER_TOKEN.parse().unwrap());
    account.sandbox.with_world(|world| lost.iter().for_each(|id| assert!(world.vanish(*id))));
    account.write("token", OTHER_TOKEN);
    let daemon = account.start(&["run"]);
    eventually("it is withheld", LIMIT, || account.status()["problem"].as_str().is_some_and(|why| why.contains("another one")));
    always("nothing is deleted", Duration::from_secs(3), || account.number(LIVE) == 60);
    let run = account.number("SELECT run_id FROM reconcile_runs WHERE state = 'withheld'");
    let approved = account.run(&["reconcile", "--approve", &run.to_string()]).succeeded();
    assert!(approved.stdout.contains("3 "), "{}", approved.both());
    account.verify("after the approval");
    eventually("all is well again", LIMIT, || account.status()["problem"].is_null());
    account.stop(daemon);
    account.holds_none_of(&[TOKEN, OTHER_TOKEN]);
}

#[test]
fn many_that_vanish_wait_for_a_person_and_an_empty_list_deletes_nothing() {
    let account = of_spotahome(spotahome::Options { processes: 200, ..spotahome::Options::default() });
    account.run(&["run", "--once"]).succeeded();
    let all = account.there();
    let lost = account.open(150);
    account.sandbox.with_world(|world| lost.iter().for_each(|id| assert!(world.vanish(*id))));
    let ended = account.run(&["reconcile", "--vendor", "spotahome"]).exited(1);
    assert!(ended.stdout.contains("no longer returns 150 of"), "{}", ended.both());
    assert_eq!(account.number(LIVE), 200);
    account.sandbox.with_world(|world| all.iter().for_each(|id| _ = world.vanish(*id)));
    let ended = account.run(&["reconcile", "--vendor", "spotahome"]).exited(1);
    assert!(ended.stdout.contains("returned none although"), "{}", ended.both());
    assert_eq!(account.number(LIVE), 200);
}

#[test]
fn identities_are_mirrored_and_deleted_ones_are_tombstones_that_the_vendor_stated() {
    let account = of_spark(spark::Options { identities: 60, deleted_identities: 12, ..spark::Options::default() });
    let loaded = account.run(&["run", "--once"]).succeeded();
    assert!(loaded.stdout.contains("spark  60 identities live, 12 deleted"), "{}", loaded.both());
    let live = "SELECT identity_id FROM live_identities ORDER BY 1";
    let deleted = "SELECT identity_id FROM identities WHERE deleted_cause = 'vendor' ORDER BY 1";
    let agree = || {
        let (there, gone) = account.sandbox.with_world(|world| (world.live(), world.deleted()));
        account.ids(live) == there && account.ids(deleted) == gone
    };
    assert!(agree(), "after one run");
    assert!(account.number("SELECT count(*) FROM identity_contacts WHERE email LIKE 'c%@example.com'") > 10);
    assert_eq!(account.number("SELECT count(*) FROM identities WHERE last_active IS NULL OR modification_timestamp IS NULL"), 0);
    let daemon = account.start(&["run"]);
    let (leaves, comes) = account.sandbox.with_world(|world| {
        let leaves = world.live()[3];
        world.remove(leaves);
        (leaves, world.add())
    });
    eventually("both are seen", LIMIT, agree);
    let told = format!(
        "SELECT count(*) FROM changes WHERE entity = 'identity' AND (key, kind) IN (('{leaves}', 'deleted'), ('{comes}', 'added'))"
    );
    assert_eq!(account.number(&told), 2);
    eventually("status tells it", LIMIT, || {
        let status = account.status();
        status["live"] == 60 && status["deleted"] == 13 && status["problem"].is_null() && status["active"].is_u64()
    });
    let before = account.number("SELECT max(seq) FROM changes");
    let proven = || account.status()["proven_at"].as_str().map(str::to_owned);
    let first = proven();
    eventually("it is read again", LIMIT, || proven() > first);
    assert_eq!(account.number("SELECT max(seq) FROM changes"), before, "what moves by itself is no change");
    account.stop(daemon);
    assert!(account.run(&["verify"]).succeeded().stdout.contains("73 identities as stored"));
    let listed = account.run(&["identities", "--deleted"]).succeeded();
    assert_eq!(listed.stdout.lines().count(), 13, "{}", listed.both());
    account.holds_none_of(&[SPARK_TOKEN]);
}

#[test]
fn a_key_that_sees_one_mls_less_deletes_nothing() {
    let records = spark::RecordOptions { scope_shrinks_after: Some(30), ..spark::Options::default().records };
    let account = of_spark(spark::Options { identities: 30, deleted_identities: 0, mlses: 2, records, ..spark::Options::default() });
    account.run(&["run", "--once"]).succeeded();
    let daemon = account.start(&["run"]);
    eventually("it is withheld", LIMIT, || account.status()["problem"].as_str().is_some_and(|why| why.contains("nothing of the MLS")));
    always("nothing is deleted", Duration::from_secs(3), || account.number("SELECT count(*) FROM live_identities") == 30);
    account.stop(daemon);
}

#[test]
fn cancelled_processes_that_are_not_listed_any_more_stay_cancelled() {
    let account = of_spotahome(spotahome::Options { processes: 60, ..spotahome::Options::default() });
    account.run(&["run", "--once"]).succeeded();
    let cancelled = account.number("SELECT count(*) FROM listing_processes WHERE state = 'cancelled'");
    account.sandbox.reconfigure(|options| options.cancelled = spotahome::Cancelled::Hidden);
    account.run(&["reconcile", "--vendor", "spotahome"]).succeeded();
    assert!(cancelled > 0);
    assert_eq!(account.number("SELECT count(*) FROM listing_processes WHERE state = 'cancelled' AND deleted_at IS NULL"), cancelled);
    let about_one = account.sandbox.requests().iter().filter(|asked| asked.query.contains("id=")).count();
    assert_eq!(about_one, 0, "none is asked about again and again");
}

#[test]
fn a_new_token_is_used_at_once() {
    let account = of_spotahome(spotahome::Options { processes: 30, ..spotahome::Options::default() });
    account.write("token", "wrong.wrong.wrong");
    let daemon = account.start(&["run"]);
    eventually("it is refused", LIMIT, || daemon.stderr().contains("HTTP 401"));
    account.write("token", TOKEN);
    eventually("everything is there", Duration::from_secs(20), || account.number(LIVE) == 30 && account.status()["problem"].is_null());
    account.stop(daemon);
}

#[test]
fn an_approval_is_of_the_rows_that_were_shown() {
    let account = of_spotahome(spotahome::Options { processes: 60, ..spotahome::Options::default() });
    account.run(&["run", "--once"]).succeeded();
    let lost = account.open(5);
    account.sandbox.reconfigure(|options| options.token = OTHER_TOKEN.parse().unwrap());
    account.write("token", OTHER_TOKEN);
    let mut runs = Vec::new();
    for more in [&lost[..2], &lost[2..]] {
        account.sandbox.with_world(|world| more.iter().for_each(|id| assert!(world.vanish(*id))));
        account.run(&["reconcile", "--vendor", "spotahome"]).exited(1);
        runs.push(account.number("SELECT run_id FROM reconcile_runs WHERE state = 'withheld'").to_string());
    }
    assert_ne!(runs[0], runs[1]);
    account.run(&["reconcile", "--approve", &runs[0]]).exited(2);
    assert_eq!(account.number(LIVE), 60, "of five, two were shown");
    account.run(&["reconcile", "--approve", &runs[1]]).succeeded();
    account.verify("after the approval");
}

#[test]
fn a_dry_run_of_identities_counts_those_that_the_vendor_lists_as_deleted() {
    let account = of_spark(spark::Options { identities: 30, deleted_identities: 2, ..spark::Options::default() });
    account.run(&["run", "--once"]).succeeded();
    account.sandbox.with_world(|world| {
        world.remove(world.live()[3]);
        world.add();
    });
    let told = account.run(&["reconcile", "--vendor", "spark", "--dry-run"]).succeeded();
    assert!(told.stdout.contains("1 would be added  0 changed  1 deleted  0 absent"), "{}", told.both());
    assert_eq!(account.number("SELECT count(*) FROM identities WHERE deleted_at IS NULL"), 30);
    assert_eq!(account.number("SELECT count(*) FROM identities"), 32);
}

/// Reads until the last two readings were whole: where the order is not stable, one may take several attempts.
fn reconciled<S>(account: &Account<S>, vendor: &str) {
    eventually("two readings are whole", LIMIT, || account.run(&["reconcile", "--vendor", vendor]).stdout.contains("last whole reading"));
}

type SparkSwitch = (&'static str, fn(&mut spark::Options));

#[test]
fn whatever_spark_leaves_untold_the_file_ends_equal_to_the_truth() {
    let switches: Vec<SparkSwitch> = vec![
        ("order id-desc", |options| options.order = spark::Order::IdDesc),
        ("order modified-desc", |options| options.order = spark::Order::ModifiedDesc),
        ("order last-active", |options| options.order = spark::Order::LastActive),
        ("smaller pages than asked for", |options| (options.limit_max, options.limit_over) = (7, spark::LimitOver::Clamp)),
        ("the deleted list has no pages", |options| options.deleted_paging = spark::DeletedPaging::Ignored),
        ("the use of a key is a modification", |options| options.records.last_active_bumps_modified = true),
        ("silent changes", |options| options.records.silent_changes = true),
        ("contacts in any order", |options| options.records.contacts_random = true),
        ("no flag", |options| options.records.deleted_flag = spark::DeletedFlag::Absent),
        ("deleted ones are not found", |options| options.records.deleted_by_id = spark::ByIdDeleted::NotFound),
        ("dates in UTC", |options| options.records.stamp_form = spark::StampForm::Utc),
        ("dates with an offset", |options| options.records.stamp_form = spark::StampForm::Offset),
        ("dates with fractions", |options| options.records.stamp_form = spark::StampForm::Fraction),
        ("faults", |options| options.fault_rate = 0.05),
    ];
    support::side_by_side(switches, |(what, switch)| {
        let mut options = spark::Options { identities: 40, deleted_identities: 3, ..spark::Options::default() };
        switch(&mut options);
        let account = of_spark(options);
        account.run(&["run", "--once"]);
        account.sandbox.with_world(|world| world.churn(25));
        reconciled(&account, "spark");
        let (live, deleted) = account.sandbox.with_world(|world| (world.live(), world.deleted()));
        assert_eq!(account.ids("SELECT identity_id FROM live_identities ORDER BY 1"), live, "{what}");
        // One that came and went between two readings need not be known where the list of deleted ones has no time for it.
        let gone = account.ids("SELECT identity_id FROM identities WHERE deleted_at IS NOT NULL ORDER BY 1");
        assert_eq!(gone, deleted, "{what}");
        for id in live {
            let truth = account.sandbox.with_world(|world| world.record(id)).unwrap();
            let sql = format!("SELECT count(*) FROM identities WHERE identity_id = {id} AND phone IS ?1 AND user_name IS ?2");
            let values = [truth["Phone"].as_str(), truth["User"]["Name"].as_str()];
            let file = rusqlite::Connection::open(account.path("mls.db")).unwrap();
            assert_eq!(file.query_row(&sql, values, |row| row.get::<_, i64>(0)).unwrap(), 1, "{what}: {id} {truth}");
        }
    });
}

type SpotahomeSwitch = (&'static str, fn(&mut spotahome::Options));

#[test]
fn whatever_spotahome_leaves_untold_the_file_ends_equal_to_the_truth() {
    let switches: Vec<SpotahomeSwitch> = vec![
        ("order id-desc", |options| options.order = spotahome::Order::IdDesc),
        ("order updated-desc", |options| options.order = spotahome::Order::UpdatedDesc),
        ("order state", |options| options.order = spotahome::Order::State),
        ("smaller pages than asked for", |options| options.page_size_max = 7),
        ("count is what was asked for", |options| options.count = spotahome::Count::Requested),
        ("links as printed", |options| options.links = spotahome::Links::AsPrinted),
        ("the last page again", |options| options.page_past_end = spotahome::PagePastEnd::LastAgain),
        ("no page past the end", |options| options.page_past_end = spotahome::PagePastEnd::NotFound),
        ("unassigned is absent", |options| options.unassigned = spotahome::Unassigned::Absent),
        ("unassigned is a word", |options| options.unassigned = spotahome::Unassigned::Word),
        ("no property is an empty text", |options| options.no_property = spotahome::NoProperty::Empty),
        ("a state is a text", |options| options.state_form = spotahome::StateForm::Text),
        ("an id is a float", |options| options.id_form = spotahome::IdForm::Float),
        ("cancelled ones are hidden", |options| options.cancelled = spotahome::Cancelled::Hidden),
        ("cancelled ones by their state alone", |options| options.cancelled = spotahome::Cancelled::ByState),
        ("faults", |options| options.fault_rate = 0.05),
    ];
    support::side_by_side(switches, |(what, switch)| {
        let mut options = spotahome::Options { processes: 60, ..spotahome::Options::default() };
        switch(&mut options);
        let account = of_spotahome(options);
        account.run(&["run", "--once"]);
        account.sandbox.with_world(|world| (0..25).for_each(|_| world.random_change()));
        reconciled(&account, "spotahome");
        account.verify(what);
        for id in account.there() {
            let facts = account.sandbox.with_world(|world| world.process(id).unwrap().facts.clone());
            let sql = "SELECT count(*) FROM listing_processes WHERE process_id = ?1 AND state IS ?2 AND agent_id IS ?3";
            let file = rusqlite::Connection::open(account.path("mls.db")).unwrap();
            let found: i64 = file.query_row(sql, rusqlite::params![id, facts.state, facts.agent], |row| row.get(0)).unwrap();
            assert_eq!(found, 1, "{what}: {id} {facts:?}");
        }
        assert_eq!(account.number("SELECT count(*) FROM listing_processes WHERE deleted_at IS NOT NULL"), 0, "{what}: none vanished");
    });
}
