//! Changes at Spark and Spotahome by the real program: compared, written down, sent once, and settled by reading alone.

use crate::accounts::account::{Account, SPARK_TOKEN, TOKEN, spark as of_spark, spotahome as of_spotahome};
use crate::support::{Ended, LIMIT, Program, eventually};
use mls_sync::sandbox::spark::{self, SparkSandbox};
use mls_sync::sandbox::spotahome::{self, SpotahomeSandbox};
use serde_json::Value;
use std::time::Duration;

const LISTING: &str = "20080917142739989238000000";
const CREATE: [&str; 9] = ["identities", "create", "--first", "Ann", "--last", "Lost", "--company", "Lost Ltd", "--yes"];

fn small() -> spark::Options {
    spark::Options { identities: 20, deleted_identities: 3, ..spark::Options::default() }
}

/// An account of Spark that was read whole. What was written is to be seen after this time.
fn read_spark(options: spark::Options, read_lag: &str) -> Account<SparkSandbox> {
    let account = of_spark(options);
    let (url, token) = (account.sandbox.url(), account.path("token"));
    account.configure(&format!(
        "[spark]\nbase_url = {url:?}\naccess_token_file = {token:?}\nevery = \"1s\"\nread_lag = {read_lag:?}\nupload_hosts = [\"127.0.0.1\"]\n\
         [spark.rate]\nrequests_per_second = 1000.0\n"
    ));
    account.run(&["run", "--once"]).succeeded();
    account
}

fn read_spotahome(read_lag: &str) -> Account<SpotahomeSandbox> {
    let account = of_spotahome(spotahome::Options { processes: 40, ..spotahome::Options::default() });
    let (url, token) = (account.sandbox.url(), account.path("token"));
    account.configure(&format!(
        "[spotahome]\nbase_url = {url:?}\ntoken_file = {token:?}\nevery = \"1s\"\nread_lag = {read_lag:?}\n[spotahome.rate]\n\
         requests_per_second = 1000.0\n"
    ));
    account.run(&["run", "--once"]).succeeded();
    account
}

impl<S> Account<S> {
    fn intents(&self) -> Value {
        serde_json::from_str(&self.run(&["intents", "--all", "--json"]).succeeded().stdout).unwrap()
    }

    /// The state of the newest intent, once it is known.
    fn state(&self) -> String {
        self.intents().as_array().and_then(|all| all.last()).unwrap()["state"].as_str().unwrap().to_owned()
    }

    fn says(&self, ended: &Ended, words: &str) {
        assert!(ended.both().contains(words), "{}", ended.both());
    }
}

impl Account<SparkSandbox> {
    fn writes(&self) -> u64 {
        self.sandbox.with_world(|world| world.writes())
    }

    fn set(&self, change: impl FnOnce(&mut spark::Options)) {
        self.sandbox.with_world(|world| change(&mut world.options));
    }

    /// How many requests of this method came.
    fn asked(&self, method: &str) -> usize {
        self.sandbox.with_world(|world| world.asked().iter().filter(|asked| asked.method == method).count())
    }

    fn live(&self) -> Vec<i64> {
        self.sandbox.with_world(|world| world.live())
    }
}

impl Account<SpotahomeSandbox> {
    fn writes(&self) -> usize {
        self.sandbox.requests().iter().filter(|asked| asked.method != "GET").count()
    }
}

#[test]
fn an_identity_is_created_changed_and_deleted_and_the_file_shows_it_at_once() {
    let account = read_spark(small(), "20m");
    let made = account.run(&CREATE).succeeded();
    account.says(&made, "created (intent 1)");
    let id = account.number("SELECT identity_id FROM live_identities WHERE last_name = 'Lost'").to_string();
    account.says(&made, &format!("identity {id}"));
    let update = ["identities", "update", &id, "--email", "ann@example.com", "--contact", "Bob;Billing;bob@example.com", "--yes"];
    account.run(&update).succeeded();
    assert_eq!(account.number("SELECT count(*) FROM identity_contacts WHERE email = 'bob@example.com'"), 1);
    assert_eq!(account.number("SELECT count(*) FROM live_identities WHERE email = 'ann@example.com'"), 1);
    let again = account.run(&update).succeeded();
    account.says(&again, "already has these values; nothing was sent");
    // A login name is never read back, so nothing tells that it is set already.
    account.run(&["identities", "update", &id, "--login", "ann", "--yes"]).succeeded();
    account.run(&["identities", "delete", &id, "--yes"]).succeeded();
    assert_eq!(account.number(&format!("SELECT deleted_cause = 'vendor' FROM identities WHERE identity_id = {id}")), 1);
    assert_eq!(account.writes(), 4);
    let marked = "SELECT count(*) FROM intents JOIN changes ON seq = change_seq WHERE state = 'done' AND key = target AND fields IS NULL";
    assert_eq!(account.number(marked), 4, "each change is known to be ours");
    account.run(&["verify"]).succeeded();
    account.holds_none_of(&[SPARK_TOKEN]);
}

#[test]
fn what_is_not_meant_or_not_as_expected_is_never_sent() {
    let account = read_spark(small(), "20m");
    let id = account.live()[0];
    let text = id.to_string();
    let unmeant = account.run(&["identities", "delete", &text]).exited(2);
    account.says(&unmeant, "use --yes");
    account.run(&["identities", "update", &text, "--email", "x@example.com", "--dry-run"]).succeeded();
    let unknown = account.run(&["identities", "update", "999999", "--email", "x@example.com", "--yes"]).exited(2);
    account.says(&unknown, "the file holds no identity 999999");
    account.run(&["identities", "create", "--first", "A", "--last", "B", "--yes"]).exited(2);
    account.run(&["identities", "update", &text, "--contact", "Bob;Boss;b@example.com", "--yes"]).exited(2);
    let stale = account.run(&["identities", "update", &text, "--email", "x@example.com", "--if-modified", "2001-01-01T00:00:00Z", "--yes"]);
    account.says(&stale.exited(1), "nothing was sent: the record at the vendor differs from what is expected: modification_timestamp");
    account.sandbox.with_world(|world| world.remove(id));
    let gone = account.run(&["identities", "update", &text, "--email", "x@example.com", "--yes"]).exited(1);
    account.says(&gone, "nothing was sent");
    assert_eq!((account.writes(), account.asked("POST"), account.asked("PUT"), account.asked("DELETE")), (0, 0, 0, 0));
    account.says(&account.run(&["intents", "--all"]).succeeded(), "Nothing was ever sent.");
}

#[test]
fn a_creation_whose_answer_was_lost_is_found_by_reading_and_not_sent_again() {
    let account = read_spark(spark::Options { lose_answers: 1.0, ..small() }, "20m");
    // Settled at once: the list shows it.
    let made = account.run(&CREATE).succeeded();
    account.says(&made, "reading shows that it is done");
    assert_eq!((account.asked("POST"), account.writes()), (1, 1));
    assert_eq!(account.number("SELECT count(*) FROM live_identities WHERE last_name = 'Lost'"), 1);
    // A list that lags shows it later.
    account.set(|options| options.records.cache_s = 3600);
    account.run(&["reconcile", "--vendor", "spark"]).succeeded();
    let lost = account.run(&CREATE).exited(1);
    account.says(&lost, "it may have happened (intent 2)");
    assert!(!lost.both().contains("failed"), "{}", lost.both());
    account.says(&account.run(&CREATE).exited(1), "the outcome of intent 2 is not known");
    account.run(&["intents", "settle", "2"]).exited(1);
    account.set(|options| options.records.cache_s = 0);
    account.run(&["intents", "settle", "2"]).succeeded();
    assert_eq!((account.asked("POST"), account.writes()), (2, 2), "two identities of one name, each sent once");
    let targets = account.ids("SELECT CAST(target AS INTEGER) FROM intents WHERE state = 'done' ORDER BY 1");
    let made = account.ids("SELECT identity_id FROM live_identities WHERE last_name = 'Lost' ORDER BY 1");
    assert_eq!(targets, made, "each intent has an identity of its own");
}

#[test]
fn a_creation_that_never_arrived_is_known_after_the_lag() {
    let account = read_spark(spark::Options { lose_requests: 1.0, ..small() }, "2s");
    let lost = account.run(&CREATE).exited(1);
    account.says(&lost, "reading shows that it was not done");
    assert_eq!((account.state().as_str(), account.writes(), account.asked("POST")), ("not_done", 0, 1));
    account.set(|options| options.lose_requests = 0.0);
    account.run(&CREATE).succeeded();
    assert_eq!(account.writes(), 1);
}

#[test]
fn changes_and_deletions_whose_answer_was_lost_are_settled_by_what_the_vendor_has() {
    let account = read_spark(small(), "2s");
    let [first, second] = [account.live()[0].to_string(), account.live()[1].to_string()];
    account.set(|options| options.lose_answers = 1.0);
    account.run(&["identities", "update", &first, "--phone", "1", "--yes"]).succeeded();
    account.run(&["identities", "delete", &second, "--yes"]).succeeded();
    account.set(|options| (options.lose_answers, options.lose_requests) = (0.0, 1.0));
    account.run(&["identities", "update", &first, "--phone", "2", "--yes"]).exited(1);
    account.run(&["identities", "delete", &first, "--yes"]).exited(1);
    let states: Vec<String> = account.intents().as_array().unwrap().iter().map(|intent| intent["state"].to_string()).collect();
    assert_eq!(states, ["\"done\"", "\"done\"", "\"not_done\"", "\"not_done\""]);
    account.set(|options| (options.lose_requests, options.accepted) = (0.0, 1.0));
    account.run(&["identities", "update", &first, "--phone", "3", "--yes"]).succeeded();
    assert_eq!((account.asked("PUT"), account.asked("DELETE")), (3, 2));
}

#[test]
fn a_refusal_is_told_in_the_vendors_words() {
    let account = read_spark(small(), "20m");
    account.set(|options| options.records.read_only_key = true);
    let refused = account.run(&CREATE).exited(1);
    account.says(&refused, "refused (intent 1)");
    account.says(&refused, "may only read");
    assert_eq!((account.state().as_str(), account.writes()), ("refused", 0));
}

#[test]
fn processes_are_assigned_taken_back_and_cancelled() {
    let account = read_spotahome("2s");
    let id = account.open(1)[0].to_string();
    let agent = account.sandbox.with_world(|world| world.agents()[0].clone());
    let of = |sql: &str| account.number(&format!("SELECT {sql} FROM listing_processes WHERE process_id = {id}"));
    account.run(&["processes", "unassign", &id, "--yes"]).succeeded();
    account.run(&["processes", "assign", &id, &agent, "--if-agent", "none", "--yes"]).succeeded();
    assert_eq!(of(&format!("agent_id = '{agent}'")), 1);
    let other = account.run(&["processes", "assign", &id, "somebody", "--if-agent", "none", "--yes"]).exited(1);
    account.says(&other, "nothing was sent: the record at the vendor differs from what is expected: agent_id");
    let unknown = account.run(&["processes", "assign", &id, "nobody-knows", "--yes"]).exited(1);
    account.says(&unknown, "422");
    account.run(&["processes", "unassign", &id, "--yes"]).succeeded();
    assert_eq!(of("agent_id IS NULL"), 1);
    account.run(&["processes", "cancel", &id, "--yes"]).succeeded();
    assert_eq!(of("state = 'cancelled' AND deleted_at IS NULL"), 1);
    assert_eq!(account.number(&format!("SELECT count(*) FROM open_processes WHERE process_id = {id}")), 0);
    account.holds_none_of(&[TOKEN]);
}

#[test]
fn a_cancellation_is_sent_once_whatever_becomes_of_its_answer() {
    for (lost, state, is_cancelled) in [(true, "done", true), (false, "not_done", false)] {
        let account = read_spotahome("2s");
        let id = account.open(1)[0];
        account.sandbox.reconfigure(|options| match lost {
            true => options.lose_answers = 1.0,
            false => options.lose_requests = 1.0,
        });
        let command = ["processes", "cancel", &id.to_string(), "--yes"];
        account.run(&command).exited(i32::from(!is_cancelled));
        assert_eq!(account.state(), state);
        assert!(account.writes() <= 1);
        assert_eq!(account.sandbox.with_world(|world| world.process(id).unwrap().is_cancelled()), is_cancelled);
    }
}

#[test]
fn reads_that_lag_are_waited_for() {
    let account = read_spotahome("4s");
    let id = account.open(1)[0].to_string();
    account.sandbox.reconfigure(|options| (options.lose_answers, options.read_lag_ms) = (1.0, 1500));
    account.run(&["processes", "cancel", &id, "--yes"]).succeeded();
    assert_eq!((account.state().as_str(), account.writes()), ("done", 1));
}

#[test]
fn the_running_process_sends_and_settles() {
    let account = read_spark(small(), "20m");
    let daemon = account.start(&["run"]);
    eventually("it takes requests", LIMIT, || account.path("mls.db.sock").exists());
    account.run(&CREATE).succeeded();
    let id = account.number("SELECT identity_id FROM live_identities WHERE last_name = 'Lost'").to_string();
    account.set(|options| options.lose_answers = 1.0);
    account.run(&["identities", "update", &id, "--phone", "77", "--yes"]).succeeded();
    let lost = account.run(&[&CREATE[..], &["--phone", "5"]].concat());
    account.says(&lost.succeeded(), "reading shows that it is done");
    let ticket = account.run(&["tickets", "create", LISTING]).exited(1);
    account.says(&ticket, "it may have happened");
    account.says(&account.run(&["tickets", "create", LISTING]).exited(1), "the outcome of intent 4 is not known");
    account.run(&["intents", "forget", "4"]).succeeded();
    account.set(|options| options.lose_answers = 0.0);
    account.run(&["tickets", "create", LISTING]).succeeded();
    account.stop(daemon);
    assert_eq!(account.asked("POST"), 4);
}

/// Kills it while the vendor has the request and has not answered.
#[test]
fn a_kill_leaves_an_outcome_that_reading_settles() {
    let account = read_spark(small(), "20m");
    let stuck = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = std::fs::read_to_string(account.path("config.toml")).unwrap();
    let id = account.live()[0].to_string();
    let proxy = pass_reads(&stuck, account.sandbox.url());
    account.write("config.toml", &config.replace(&account.sandbox.url(), &format!("http://{}", stuck.local_addr().unwrap())));
    let program: Program = account.start(&["identities", "update", &id, "--phone", "9", "--yes"]);
    eventually("it is sent", LIMIT, || account.number("SELECT count(*) FROM intents WHERE state = 'sent'") == 1 && proxy.is_finished());
    program.signal("KILL");
    program.wait(Duration::from_secs(10));
    account.write("config.toml", &config);
    assert_eq!(account.state(), "sent");
    account.run(&["run", "--once"]).succeeded();
    assert_eq!(account.state(), "unknown", "whoever holds the file next knows that nobody waits for the answer");
    let unsettled = account.run(&["intents", "settle", "1"]).exited(1);
    account.says(&unsettled, "The vendor does not show it yet; run");
    assert_eq!((account.state().as_str(), account.asked("PUT")), ("unknown", 0));
    account.says(&account.run(&["identities", "delete", &id, "--yes"]).exited(1), "the outcome of intent 1 is not known");
    account.run(&["intents", "forget", "1"]).succeeded();
    assert_eq!(account.number("SELECT count(*) FROM intents WHERE fields IS NOT NULL OR before IS NOT NULL"), 0);
}

#[test]
fn what_is_being_sent_is_not_settled_and_a_client_that_goes_away_withdraws() {
    let account = read_spark(small(), "20m");
    let stuck = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = std::fs::read_to_string(account.path("config.toml")).unwrap();
    let id = account.live()[0].to_string();
    let proxy = pass_reads(&stuck, account.sandbox.url());
    let slow = config.replace(&account.sandbox.url(), &format!("http://{}", stuck.local_addr().unwrap()));
    account.write("config.toml", &slow.replace("every = \"1s\"", "every = \"1h\""));
    let daemon = account.serving();
    let client = account.start(&["identities", "update", &id, "--phone", "9", "--yes"]);
    eventually("it is sent", LIMIT, || account.number("SELECT count(*) FROM intents WHERE state = 'sent'") == 1 && proxy.is_finished());
    account.says(&account.run(&["intents", "settle", "1"]).exited(1), "is being sent at this moment");
    account.run(&["intents", "forget", "1"]).exited(2);
    client.signal("INT");
    account.says(&client.wait(Duration::from_secs(10)).exited(1), "it may have happened; run `mls-sync intents`");
    eventually("the daemon writes down that it is not known", LIMIT, || account.state() == "unknown");
    account.stop(daemon);
}

#[test]
fn a_masked_value_proves_nothing() {
    let account = read_spark(small(), "1s");
    account.set(|options| (options.records.masked, options.lose_requests) = (true, 1.0));
    account.run(&["reconcile", "--vendor", "spark"]).succeeded();
    let id = account.live()[0].to_string();
    let lost = account.run(&["identities", "update", &id, "--phone", "9", "--yes"]).exited(1);
    account.says(&lost, "or does not show them");
    account.set(|options| options.lose_requests = 0.0);
    account.run(&["intents", "forget", "1"]).succeeded();
    account.run(&["identities", "update", &id, "--clear", "Phone", "--yes"]).succeeded();
    assert_eq!(account.writes(), 1, "that it is masked does not mean that it is empty");
}

#[test]
fn a_deletion_is_known_from_the_list_of_deleted_ones() {
    let account = read_spark(spark::Options { lose_answers: 1.0, ..small() }, "1s");
    account.set(|options| options.records.deleted_flag = spark::DeletedFlag::Absent);
    let id = account.live()[0].to_string();
    account.run(&["identities", "delete", &id, "--yes"]).succeeded();
    assert_eq!((account.state().as_str(), account.asked("DELETE")), ("done", 1));
}

#[test]
fn an_intent_is_settled_by_its_own_account_alone() {
    let account = read_spark(spark::Options { lose_requests: 1.0, ..small() }, "20m");
    account.run(&CREATE).exited(1);
    let config = std::fs::read_to_string(account.path("config.toml")).unwrap();
    account.write("config.toml", &config.replace("[spark]\n", "[spark]\naccount = \"other\"\n"));
    account.says(&account.run(&["intents", "settle", "1"]).exited(1), "is of the account spark of spark");
    assert_eq!(account.state(), "unknown");
}

/// Hands requests on until one comes that is no GET; that one is never answered.
fn pass_reads(listener: &std::net::TcpListener, url: String) -> std::thread::JoinHandle<Vec<std::net::TcpStream>> {
    use std::io::{Read, Write};
    let listener = listener.try_clone().unwrap();
    let target = url.trim_start_matches("http://").to_owned();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        loop {
            let (mut client, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            if head.is_empty() {
                continue;
            }
            if !head.starts_with(b"GET") {
                kept.push(client);
                return kept;
            }
            let head = String::from_utf8(head).unwrap().replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
            let mut server = std::net::TcpStream::connect(&target).unwrap();
            server.write_all(head.as_bytes()).unwrap();
            let mut answer = Vec::new();
            server.read_to_end(&mut answer).unwrap();
            client.write_all(&answer).unwrap();
        }
    })
}

#[test]
fn a_ticket_is_printed_once_and_stands_nowhere_else() {
    let account = read_spark(small(), "20m");
    let made = account.run(&["tickets", "create", LISTING, "--json"]).succeeded();
    let ticket: Value = serde_json::from_str(&made.stdout).unwrap();
    let token = ticket["token"].as_str().unwrap().to_owned();
    assert!(token.len() == 32 && ticket["ends_at"].is_string(), "{}", made.both());
    account.write("a.jpg", "a photo");
    let file = account.path("a.jpg");
    let uploaded = account.run(&["tickets", "upload", LISTING, file.to_str().unwrap(), "--caption", "Front", "--primary"]).succeeded();
    account.says(&uploaded, "a.jpg of listing 20080917142739989238000000: uploaded");
    account.run(&["tickets", "create", "12345x"]).exited(2);
    account.run(&["tickets", "create", LISTING, "--path", "documents"]).exited(2);
    account.configure(
        &std::fs::read_to_string(account.path("config.toml"))
            .unwrap()
            .replace("127.0.0.1\"]", "example.com\"]")
            .lines()
            .skip(1)
            .collect::<Vec<_>>()
            .join("\n"),
    );
    let elsewhere = account.run(&["tickets", "upload", LISTING, file.to_str().unwrap()]).exited(1);
    account.says(&elsewhere, "which upload_hosts does not allow");
    assert!(!uploaded.both().contains(&token), "{}", uploaded.both());
    // It was printed to standard output, which this test keeps in a file.
    std::fs::remove_file(account.path("run-1")).ok();
    let tokens = account.sandbox.with_world(|world| world.tickets());
    assert_eq!(tokens.len(), 3);
    let printed: Vec<&str> = tokens.iter().map(String::as_str).filter(|other| *other != token).collect();
    account.holds_none_of(&printed);
    assert!(!std::fs::read(account.path("mls.db")).unwrap().windows(32).any(|window| window == token.as_bytes()));
}

#[test]
fn a_validation_parts_what_is_fatal_from_what_warns() {
    let account = read_spark(small(), "20m");
    let good = r#"{"D":{"PropertyType":"A","ListPrice":200000,"StreetName":"8th","City":"Fargo","StateOrProvince":"ND","PostalCode":"58103","ListAgentId":"20080917142739989238000000"}}"#;
    account.write("good.json", good);
    account.write("bad.json", &good.replace("200000", "200000000"));
    account.write("broken.json", "{");
    let path = |name: &str| account.path(name).to_str().unwrap().to_owned();
    let warned = account.run(&["listings", "validate", &path("good.json")]).succeeded();
    account.says(&warned, "fatal: 0, warnings: 2. The vendor's rules would take this listing.");
    let refused = account.run(&["listings", "validate", &path("bad.json")]).exited(1);
    account.says(&refused, "fatal: 1, warnings: 2");
    let update = account.run(&["listings", "validate", &path("bad.json"), "--listing", LISTING, "--json"]).exited(1);
    let found: Value = serde_json::from_str(&update.stdout).unwrap();
    assert_eq!(found["fatal"][0]["field"], "ListPrice");
    account.says(&account.run(&["listings", "validate", &path("broken.json")]).exited(2), "no JSON object");
    assert_eq!(account.number("SELECT count(*) FROM intents"), 0);
}

/// A small generator of random numbers: the same seed, the same run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn one_of<T: Clone>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.roll(of.len() as u64)).unwrap()].clone()
    }
}

impl<S> Account<S> {
    /// Runs commands one after the other beside a daemon that is killed now and then, and settles what is left open.
    fn storm(&self, dice: &mut Dice, steps: u64, mut next: impl FnMut(&mut Dice, u64) -> Vec<String>, calm: impl FnOnce()) {
        let mut daemon = self.serving();
        for step in 0..steps {
            let words = next(dice, step);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let command = self.start(&words);
            if dice.roll(4) == 0 {
                std::thread::sleep(Duration::from_millis(dice.roll(30)));
                daemon.signal("KILL");
                daemon.wait(Duration::from_secs(10));
                command.wait(LIMIT);
                daemon = self.serving();
            } else {
                command.wait(LIMIT);
            }
        }
        calm();
        let open = || self.ids("SELECT intent_id FROM intents WHERE state IN ('sent', 'unknown')");
        eventually("everything is settled", Duration::from_secs(90), || {
            for intent in open() {
                // Reads that lag may have shown an older value before it was sent: then a person looks, and gives it up.
                if self.run(&["intents", "settle", &intent.to_string()]).both().contains("shows neither") {
                    self.run(&["intents", "forget", &intent.to_string()]).succeeded();
                }
            }
            open().is_empty()
        });
        self.stop(daemon);
        // Reads of the last write may lag for a second.
        std::thread::sleep(Duration::from_millis(1500));
        self.run(&["reconcile", "--vendor", self.vendor()]).succeeded();
    }

    fn serving(&self) -> Program {
        let daemon = self.start(&["run"]);
        // A killed process leaves its socket behind; the new one answers.
        eventually("it takes requests", LIMIT, || std::os::unix::net::UnixStream::connect(self.path("mls.db.sock")).is_ok());
        daemon
    }

    fn vendor(&self) -> &'static str {
        if std::fs::read_to_string(self.path("config.toml")).unwrap().contains("[spark]") { "spark" } else { "spotahome" }
    }
}

/// How many seeds are played; CONTRIBUTING.md names the variable.
fn seeds() -> u64 {
    std::env::var("MLS_SYNC_WRITE_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(1)
}

#[test]
fn no_mix_of_losses_and_kills_makes_an_identity_twice_or_loses_one() {
    for seed in 0..seeds() {
        let account =
            read_spark(spark::Options { lose_answers: 0.2, lose_requests: 0.2, accepted: 0.2, fault_rate: 0.05, ..small() }, "3s");
        account.set(|options| options.records.cache_s = 1);
        let mut ids = account.live();
        let mut dice = Dice(seed);
        let next = |dice: &mut Dice, step: u64| {
            let id = dice.one_of(&ids).to_string();
            let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
            match dice.roll(5) {
                // Twins of one name, so that an intent could take the other's.
                0 | 1 => {
                    words(&["identities", "create", "--first", "A", "--last", "Storm", "--company", &format!("C{}", step % 3), "--yes"])
                }
                2 | 3 => words(&["identities", "update", &id, "--phone", &format!("555-{step}"), "--yes"]),
                _ => {
                    ids.retain(|known| known.to_string() != id);
                    words(&["identities", "delete", &id, "--yes"])
                }
            }
        };
        account.storm(&mut dice, 25, next, || {
            account.set(|options| {
                (options.lose_answers, options.lose_requests, options.accepted, options.fault_rate) = (0.0, 0.0, 0.0, 0.0);
            });
        });
        let made = account.ids("SELECT CAST(target AS INTEGER) FROM intents WHERE verb = 'create' AND state = 'done' ORDER BY 1");
        let there: Vec<i64> = account.sandbox.with_world(|world| {
            let all = [world.live(), world.deleted()].concat();
            let mut storm: Vec<i64> =
                all.into_iter().filter(|id| world.record(*id).is_some_and(|record| record["LastName"] == "Storm")).collect();
            storm.sort_unstable();
            storm
        });
        assert_eq!(made, there, "seed {seed}: what was made is what intents say");
        let done = account.number("SELECT count(*) FROM intents WHERE state = 'done'");
        assert_eq!(
            u64::try_from(done).unwrap(),
            account.writes(),
            "seed {seed}: each write that the vendor obeyed is an intent that is done"
        );
        let (live, deleted) = account.sandbox.with_world(|world| (world.live(), world.deleted()));
        assert_eq!(account.ids("SELECT identity_id FROM live_identities ORDER BY 1"), live, "seed {seed}");
        assert_eq!(account.ids("SELECT identity_id FROM identities WHERE deleted_at IS NOT NULL ORDER BY 1"), deleted, "seed {seed}");
    }
}

#[test]
fn no_mix_of_losses_and_kills_changes_a_process_twice() {
    for seed in 0..seeds() {
        let account = read_spotahome("3s");
        let agents: Vec<String> = account.sandbox.with_world(|world| world.agents().to_vec());
        let ids: Vec<i64> = account.sandbox.with_world(|world| world.ids().into_iter().take(8).collect());
        account.sandbox.reconfigure(|options| {
            (options.lose_answers, options.lose_requests, options.fault_rate, options.read_lag_ms) = (0.3, 0.3, 0.05, 1000);
        });
        let mut dice = Dice(seed + 1000);
        let next = |dice: &mut Dice, _| {
            let (id, agent) = (dice.one_of(&ids).to_string(), dice.one_of(&agents));
            let words: &[&str] = match dice.roll(5) {
                0 => &["processes", "cancel", &id, "--yes"],
                1 => &["processes", "unassign", &id, "--yes"],
                _ => &["processes", "assign", &id, &agent, "--yes"],
            };
            words.iter().map(|word| (*word).to_owned()).collect()
        };
        let before: Vec<(i64, Option<String>)> = account.agents(&ids);
        account.storm(&mut dice, 25, next, || {
            account.sandbox.reconfigure(|options| (options.lose_answers, options.lose_requests, options.fault_rate) = (0.0, 0.0, 0.0));
        });
        let count = |verb: &str, id: i64| {
            account.number(&format!("SELECT count(*) FROM intents WHERE verb = '{verb}' AND state = 'done' AND target = '{id}'"))
        };
        for (id, agent) in before {
            let (is_cancelled, now) = account.sandbox.with_world(|world| {
                let process = world.process(id).unwrap();
                (process.is_cancelled(), process.facts.agent.clone())
            });
            assert!(count("cancel", id) == 0 || is_cancelled, "seed {seed}: {id} was cancelled");
            if count("assign", id) + count("unassign", id) == 0 {
                assert_eq!(now, agent, "seed {seed}: nobody gave {id} to another");
            }
            let row = account.agents(&[id]);
            assert_eq!(row, [(id, now)], "seed {seed}");
        }
        let sent = account.sandbox.requests().iter().filter(|asked| asked.method != "GET").count();
        let written = account.number("SELECT count(*) FROM intents");
        assert!(sent <= usize::try_from(written).unwrap(), "seed {seed}: {sent} writes for {written} intents");
    }
}

impl Account<SpotahomeSandbox> {
    /// The agents of these processes, from the file.
    fn agents(&self, ids: &[i64]) -> Vec<(i64, Option<String>)> {
        let file = rusqlite::Connection::open(self.path("mls.db")).unwrap();
        let agent =
            |id: &i64| file.query_row("SELECT agent_id FROM listing_processes WHERE process_id = ?1", [id], |row| row.get(0)).unwrap();
        ids.iter().map(|id| (*id, agent(id))).collect()
    }
}
