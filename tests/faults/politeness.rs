//! One budget, whatever runs and however often it dies.

use super::seconds;
use crate::support::{KEY, LIMIT, Mirror, always, eventually, feeds, side_by_side, small};
use mls_sync::sandbox::{Fault, Options};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The whole of `status --json`.
fn status(mirror: &Mirror) -> Value {
    serde_json::from_str(&mirror.run(&["status", "--json"]).succeeded().stdout).unwrap()
}

fn account(mirror: &Mirror) -> Value {
    status(mirror)["accounts"][0].clone()
}

#[test]
fn a_second_instance_is_refused_and_told_who_holds_the_file() {
    let mirror = Mirror::new(small());
    let daemon = mirror.start(&["run"]);
    eventually("the daemon is at work", LIMIT, || mirror.live("GAMLS") == 300);
    for command in [&["run"][..], &["run", "--once"], &["run", "--backfill"]] {
        let refused = mirror.run(command).exited(3);
        let told = refused.stderr.contains("`mls-sync run`") && refused.stderr.contains(&format!("PID {}", daemon.pid()));
        assert!(told, "{}", refused.stderr);
    }
    assert_eq!(status(&mirror)["process"]["pid"], daemon.pid());
    assert!(mirror.run(&["status"]).stdout.starts_with(&format!("mls-sync run (PID {}) for ", daemon.pid())));
    // The lock ends with its process, however that ends.
    daemon.kill();
    assert!(status(&mirror)["process"].is_null());
    mirror.once();
}

#[test]
fn a_load_that_is_under_way_lets_nobody_else_ask() {
    let mirror = Mirror::new(small()).with(|settings| settings.requests_per_second = 5.0);
    let load = mirror.start(&["run", "--backfill"]);
    eventually("the load is under way", LIMIT, || mirror.live("GAMLS") > 0);
    for command in [&["run"][..], &["reconcile"], &["why", "GAMLS", "x", "--ask"]] {
        let refused = mirror.run(command).exited(3);
        assert!(refused.stderr.contains("run --backfill") && refused.stderr.contains(&load.pid().to_string()), "{}", refused.stderr);
    }
}

#[test]
fn reconcile_beside_the_daemon_is_done_by_the_daemon() {
    let mirror =
        Mirror::new(feeds(&["GAMLS", "NWMLS"])).with(|settings| (settings.max_in_flight, settings.requests_per_second) = (1, 100.0));
    let daemon = mirror.start(&["run"]);
    eventually("everything is loaded", LIMIT, || mirror.live("GAMLS") == 300 && mirror.live("NWMLS") == 300);
    let gone = mirror.truly_live("GAMLS").into_iter().next().unwrap();
    mirror.sandbox.with_world(|world| world.remove_silently("GAMLS", &gone));
    let config = mirror.config().to_str().unwrap().to_owned();
    let reconcile = |more: &[&str]| {
        let arguments = [&["--config", &config, "reconcile", "--json"], more].concat();
        // Without the key: whoever asks the vendor is the daemon.
        let ended = mirror.start_bare(&arguments, &[]).wait(LIMIT).succeeded();
        serde_json::from_str::<Vec<Value>>(&ended.stdout).unwrap()
    };
    let dry = reconcile(&["--dry-run", "--feed", "GAMLS"]);
    assert_eq!((dry.len(), &dry[0]["absent"], &dry[0]["deleted"], &dry[0]["dry_run"]), (1, &1.into(), &0.into(), &true.into()), "{dry:?}");
    assert_eq!(mirror.live("GAMLS"), 300, "a dry run changes nothing");
    let runs = reconcile(&[]);
    let of = |feed: &str| runs.iter().find(|run| run["feed_id"] == feed).unwrap();
    assert_eq!((&of("GAMLS")["state"], &of("GAMLS")["deleted"]), (&"done".into(), &1.into()), "{runs:?}");
    assert_eq!((&of("NWMLS")["state"], &of("NWMLS")["deleted"]), (&"done".into(), &0.into()), "{runs:?}");
    assert_eq!(mirror.number(&format!("SELECT count(*) FROM listings WHERE listing_id = '{}' AND deleted_cause = 'absent'", gone.0)), 1);
    daemon.signal("TERM");
    daemon.wait(seconds(5)).succeeded();
    mirror.verify_changes("after a reconcile beside the daemon");
}

#[test]
fn why_ask_beside_the_daemon_is_asked_by_the_daemon() {
    let mirror = Mirror::new(small());
    let listing = mirror.truly_live("GAMLS").into_iter().next().unwrap().0;
    let _daemon = mirror.start(&["run"]);
    eventually("everything is loaded", LIMIT, || mirror.live("GAMLS") == 300);
    let config = mirror.config().to_str().unwrap().to_owned();
    let asked = mirror.start_bare(&["--config", &config, "why", "GAMLS", &listing, "--ask"], &[]).wait(LIMIT).succeeded();
    assert!(asked.stdout.contains("the vendor has it, live"), "{}", asked.stdout);
    let asked = mirror.start_bare(&["--config", &config, "why", "GAMLS", "nonsense", "--ask"], &[]).wait(LIMIT).exited(1);
    assert!(asked.stdout.contains("the vendor does not have it"), "{}", asked.stdout);
}

#[test]
fn a_control_request_ends_with_the_daemon_that_was_to_do_it() {
    let mirror = Mirror::new(small());
    mirror.backfill();
    mirror.sandbox.set_fault(None, Some(Fault::Throttled { seconds: 600.0 }));
    let daemon = mirror.start(&["run"]);
    eventually("the gate is closed", LIMIT, || mirror.requests().iter().any(|asked| asked.answered == 429));
    let waiting = mirror.start(&["reconcile"]);
    eventually("the request has come", LIMIT, || daemon.stderr().contains("a control request"));
    daemon.kill();
    let ended = waiting.wait(seconds(10)).exited(1);
    assert!(ended.stdout.contains("has ended"), "{}", ended.both());
}

/// What other programs may write into the control socket; tells what they read before it is closed.
fn converse(mirror: &Mirror, sent: &[u8]) -> String {
    let mut stream = UnixStream::connect(mirror.dir().join("mls.db.sock")).unwrap();
    stream.set_read_timeout(Some(seconds(20))).unwrap();
    stream.write_all(sent).unwrap();
    let mut read = String::new();
    stream.read_to_string(&mut read).unwrap();
    read
}

#[test]
fn a_control_socket_survives_what_other_programs_send() {
    let mirror = Mirror::new(small());
    let daemon = mirror.start(&["run"]);
    eventually("everything is loaded", LIMIT, || mirror.live("GAMLS") == 300);
    let silent: Vec<UnixStream> = (0..50).map(|_| UnixStream::connect(mirror.dir().join("mls.db.sock")).unwrap()).collect();
    for (sent, told) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "this is no control request"),
        (b"{\"reconcile\":{}}\n", "this is no control request: missing field `feed`"),
        (b"{\"reconcile\":{\"feed\":\"NOSUCH\",\"dry_run\":true}}\n", "does not mirror the feed NOSUCH"),
        (&[0xff, 0, b'\n'], "this is no control request"),
        (&[b'x'; 1 << 20], "a line of more than 1048576 bytes"),
        (b"", "timed out"),
    ] {
        let read = converse(&mirror, sent);
        assert!(read.starts_with("{\"failed\":") && read.ends_with('\n') && read.contains(told), "{told}: {read}");
    }
    drop(silent);
    side_by_side((0..3).collect(), |_| {
        let ended = mirror.start(&["reconcile", "--dry-run"]).wait(LIMIT).succeeded();
        assert!(ended.stdout.contains("done"), "{}", ended.both());
    });
    assert_eq!(mirror.number("SELECT count(*) FROM reconcile_runs WHERE dry_run AND state = 'done'"), 3);
    daemon.signal("TERM");
    daemon.wait(seconds(5)).succeeded();
    assert!(!mirror.dir().join("mls.db.sock").exists(), "the socket goes with its process");
}

#[test]
fn a_control_socket_of_a_killed_daemon_is_replaced() {
    let mirror = Mirror::new(small());
    let listing = mirror.truly_live("GAMLS").into_iter().next().unwrap().0;
    let daemon = mirror.start(&["run"]);
    eventually("everything is loaded", LIMIT, || mirror.live("GAMLS") == 300);
    daemon.kill();
    assert!(mirror.dir().join("mls.db.sock").exists());
    // Nobody mirrors, so the command asks by itself.
    mirror.run(&["why", "GAMLS", &listing, "--ask"]).succeeded();
    let daemon = mirror.start(&["run"]);
    eventually("it is at work", LIMIT, || status(&mirror)["process"]["pid"] == daemon.pid());
    mirror.run(&["why", "GAMLS", &listing, "--ask"]).succeeded();
    assert!(daemon.stderr().contains("a control request"), "{}", daemon.stderr());
}

#[test]
fn a_reconcile_that_is_withdrawn_before_it_begins_is_never_done() {
    let mirror = Mirror::new(small());
    mirror.backfill();
    mirror.sandbox.set_fault(None, Some(Fault::Status(503, String::new())));
    let daemon = mirror.start(&["run"]);
    eventually("the vendor is in an outage", LIMIT, || mirror.requests().iter().any(|asked| asked.answered == 503));
    let waiting = mirror.start(&["reconcile", "--dry-run"]);
    eventually("the request has come", LIMIT, || daemon.stderr().contains("a control request"));
    waiting.signal("TERM");
    let ended = waiting.wait(seconds(5)).exited(1);
    assert!(ended.stdout.contains("stopped before the end"), "{}", ended.both());
    mirror.sandbox.set_fault(None, None);
    // The next one is done, and it is the only one.
    mirror.start(&["reconcile", "--dry-run"]).wait(LIMIT).succeeded();
    assert_eq!(mirror.number("SELECT count(*) FROM reconcile_runs WHERE dry_run"), 1);
}

/// Only the superuser can be another user here.
#[test]
fn a_control_request_of_another_user_is_refused_with_advice() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let mirror = Mirror::new(small());
    let _daemon = mirror.start(&["run"]);
    eventually("everything is loaded", LIMIT, || mirror.live("GAMLS") == 300);
    let socket = std::fs::metadata(mirror.dir().join("mls.db.sock")).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    if socket.uid() != 0 {
        return;
    }
    std::fs::set_permissions(mirror.dir(), std::fs::Permissions::from_mode(0o750)).unwrap();
    let ended = mirror.start_behind(&["setpriv", "--reuid=65534", "--regid=0", "--clear-groups"], &["reconcile"]).wait(LIMIT).exited(2);
    assert!(ended.stderr.contains("run this command as the user of that process"), "{}", ended.both());
}

/// No request between the 429 and its time, although the process is killed and started again and again.
#[test]
fn a_closed_gate_and_a_halved_rate_outlive_the_process() {
    let mirror = Mirror::new(small()).with(|settings| settings.requests_per_second = 64.0);
    mirror.sandbox.fault_next(Fault::Throttled { seconds: 6.0 });
    let told = Instant::now();
    let mut daemon = mirror.start(&["run"]);
    eventually("the 429 is remembered", LIMIT, || mirror.is_ready() && account(&mirror)["closed_until"].is_string());
    let shown = mirror.run(&["status"]).stdout;
    assert!(shown.contains("; no request until ") && shown.contains("(vendor said 6.0 s); slowed to 32.00 of 64 requests"), "{shown}");
    while told.elapsed() < seconds(4) {
        daemon.kill();
        daemon = mirror.start(&["run"]);
        std::thread::sleep(Duration::from_millis(400));
        assert_eq!(mirror.requests().len(), 1, "a restart has opened the gate");
    }
    eventually("it goes on after that", LIMIT, || mirror.live("GAMLS") == 300);
    let asked = mirror.requests();
    assert!(asked[1].at - asked[0].at >= seconds(6), "{:?}", asked[1].at - asked[0].at);
    let account = account(&mirror);
    assert!(account["rate"].as_f64().is_some_and(|rate| (32.0..64.0).contains(&rate)), "{account}");
    assert!(account["closed_until"].is_null(), "{account}");
}

fn hour() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 3600
}

#[test]
fn a_crash_loop_never_spends_an_hours_budget_twice() {
    let begun = hour();
    let mirror = Mirror::new(small()).with(|settings| settings.requests_per_hour = 12);
    for _ in 0..6 {
        let daemon = mirror.start(&["run"]);
        let before = mirror.requests().len();
        eventually("it asks, or the budget is spent", LIMIT, || {
            mirror.requests().len() > before || mirror.is_ready() && account(&mirror)["requests_this_hour"] == 12
        });
        daemon.kill();
    }
    let _daemon = mirror.start(&["run"]);
    eventually("the budget is spent", LIMIT, || mirror.run(&["status"]).stdout.contains("the hour's budget of 12 is spent"));
    always("nobody asks", seconds(1), || mirror.requests().len() <= 12 * (hour() - begun + 1) as usize);
    assert!(!mirror.requests().is_empty());
}

#[test]
fn a_backfill_leaves_a_quarter_of_a_budget_to_polls() {
    let begun = hour();
    let mirror = Mirror::new(Options { listings: 2000, ..small() }).with(|settings| settings.requests_per_hour = 40);
    let start = mirror.sandbox.with_world(|world| world.now()).to_string();
    let _daemon = mirror.start(&["run"]);
    eventually("the budget is spent", LIMIT, || mirror.requests().len() >= 40);
    // Only a poll reaches beyond the moment at which all began.
    let polls = mirror.requests().into_iter().skip(31).take(9).all(|asked| asked.to.is_some_and(|to| to > start));
    assert!(polls || hour() > begun, "{:?}", mirror.requests());
}

/// A listing that changes while a long load is under way is seen at the next poll, not behind the load.
#[test]
fn polls_go_before_a_backfill() {
    let mirror = Mirror::new(Options { listings: 3000, ..small() }).with(|settings| settings.requests_per_second = 20.0);
    let _daemon = mirror.start(&["run"]);
    // Only a poll reaches beyond the moment at which all began.
    let start = mirror.sandbox.with_world(|world| world.now()).to_string();
    let polls = || mirror.requests().iter().filter(|asked| asked.to.as_ref().is_some_and(|to| *to >= start)).count();
    eventually("the first polls are over", LIMIT, || mirror.is_ready() && polls() >= 2);
    let before = polls();
    eventually("polls go on", seconds(5), || polls() >= before + 6);
    assert!(mirror.live("GAMLS") < 2900, "the load was over before, so nothing was shown");
}

#[test]
fn while_listings_are_missing_a_third_of_the_requests_loads_them_and_the_log_says_once_that_polls_are_late() {
    let mirror =
        Mirror::new(Options { listings: 2000, ..small() }).with(|settings| (settings.requests_per_second, settings.discover) = (5.0, "1h"));
    let start = mirror.sandbox.with_world(|world| world.now()).to_string();
    let daemon = mirror.start(&["run"]);
    eventually("it has asked for a while", LIMIT, || mirror.requests().len() >= 80);
    // Only a poll reaches beyond the moment at which all began.
    let asked = mirror.requests();
    // The first requests are also look-backs.
    let fills = asked.iter().skip(20).take(60).filter(|asked| asked.to.as_ref().is_some_and(|to| *to < start)).count();
    assert!((18..=24).contains(&fills), "{fills} of 60 requests");
    let log = daemon.stderr();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("poll.interval")).collect();
    assert!(told.len() == 1 && told[0].contains("polls come every ") && told[0].contains("instead of every 0.2 s"), "{log}");
    assert!(told[0].contains("they need 10.00 requests a second, the rate is 5.00"), "{log}");
}

/// The 429s of a storm of faults have nothing to do with the rate, and must not keep it low when the storm is over.
#[test]
fn after_429s_among_other_faults_the_mirror_catches_up_within_a_minute_of_calm() {
    let mirror = Mirror::new(Options { listings: 7000, page_size: 50, ..small() })
        .with(|settings| (settings.requests_per_second, settings.interval) = (100.0, "1s"));
    mirror.sandbox.reconfigure(|options| options.fault_rate = 0.3);
    let mut daemon = mirror.start(&["run"]);
    let throttles = || mirror.requests().iter().filter(|asked| asked.answered == 429).count();
    // How soon is chance.
    eventually("the rate is low", LIMIT * 3, || throttles() >= 3 && account(&mirror)["rate"].as_f64().is_some_and(|rate| rate <= 25.0));
    assert!(mirror.live("GAMLS") < 7000, "the load was over before, so nothing was shown");
    mirror.sandbox.reconfigure(|options| options.fault_rate = 0.0);
    eventually("everything is loaded", LIMIT, || mirror.live("GAMLS") == 7000);
    eventually("the rate is high again", LIMIT, || account(&mirror)["rate"].as_f64().is_none_or(|rate| rate > 25.0));
    assert!(daemon.is_running());
}

/// Copies bytes both ways, and tells what the client sent on each connection.
fn tap(vendor: String, connections: Arc<Mutex<Vec<Vec<u8>>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, mut server) = (client.unwrap(), TcpStream::connect(&vendor).unwrap());
            let (mut answers, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut answers, &mut to_client).map(|_| to_client.shutdown(Shutdown::Both)));
            let connections = Arc::clone(&connections);
            let number = connections.lock().unwrap().len();
            connections.lock().unwrap().push(Vec::new());
            std::thread::spawn(move || {
                let mut chunk = [0; 8192];
                while let Ok(read @ 1..) = client.read(&mut chunk) {
                    connections.lock().unwrap()[number].extend_from_slice(&chunk[..read]);
                    server.write_all(&chunk[..read]).unwrap();
                }
            });
        }
    });
    url
}

#[test]
fn requests_say_who_asks_take_gzip_and_share_a_connection() {
    let mut mirror = Mirror::new(small());
    let connections = Arc::new(Mutex::new(Vec::new()));
    let url = tap(mirror.sandbox.url().trim_start_matches("http://").to_owned(), Arc::clone(&connections));
    mirror.set(|settings| (settings.base_url, settings.max_in_flight) = (url, 1));
    mirror.backfill();
    let sent = connections.lock().unwrap().clone();
    let text = String::from_utf8(sent.concat()).unwrap().to_lowercase();
    let requests = text.matches("get /services").count();
    assert!(requests > 15, "{requests}");
    // Now and then the next request is faster than the connection's return to the pool.
    assert!(sent.len() * 5 <= requests, "{requests} requests took {} connections", sent.len());
    assert_eq!(text.matches("accept-encoding: gzip").count(), requests);
    assert_eq!(text.matches(&format!("user-agent: mls-sync/{}", env!("CARGO_PKG_VERSION"))).count(), requests);
    assert!(!text.lines().next().unwrap().contains(&KEY.to_lowercase()), "the key is in the request line");
}

#[test]
fn a_key_that_is_rotated_is_picked_up_without_a_restart() {
    let mut mirror = Mirror::new(small());
    let path = mirror.dir().join("key");
    std::fs::write(&path, format!("{KEY}\n")).unwrap();
    mirror.set(|settings| settings.key_file = Some(path.clone()));
    let config = mirror.config().to_str().unwrap().to_owned();
    let mut daemon = mirror.start_bare(&["--config", &config, "run"], &[]);
    eventually("everything is loaded", LIMIT, || mirror.live("GAMLS") == 300);
    // The vendor has changed the key; the old one is refused.
    mirror.sandbox.reconfigure(|options| options.key = mls_sync::sandbox::Key("another-KEY-77".to_owned()));
    eventually("the feed is blocked", LIMIT, || mirror.status_of("GAMLS")["activity"] == "blocked");
    let asked = mirror.requests().len();
    std::fs::write(&path, "").unwrap();
    eventually("an empty file is told of", LIMIT, || daemon.stderr().contains("so the one in use stays"));
    assert!(daemon.is_running() && mirror.requests().len() <= asked + 1);
    std::fs::write(&path, "another-KEY-77\n").unwrap();
    mirror.sandbox.with_world(|world| (0..20).for_each(|_| drop(world.random_change())));
    eventually("it goes on at once", seconds(10), || mirror.status_of("GAMLS")["activity"] == "waiting");
    assert!(daemon.stderr().contains("the system access key has changed"), "{}", daemon.stderr());
    assert!(!daemon.stderr().contains("another-KEY-77") && !daemon.stderr().contains(KEY));
    mirror.quiet();
    let polls = mirror.requests().len();
    eventually("it is polled on", LIMIT, || mirror.requests().len() > polls + 6);
    daemon.signal("TERM");
    daemon.wait(seconds(5)).succeeded();
    mirror.verify("after the key was changed");
}
