//! A vendor that answers late, never, too much, in circles or with lies, against the real program.

use super::seconds;
use crate::support::{Ended, KEY, LIMIT, Mirror, Program, always, eventually, feeds, side_by_side, small};
use mls_sync::record::Stamp;
use mls_sync::sandbox::{Asked, Fault, Options, SortOrder};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write, copy};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// No lie may make the program ask more often than this for the world of [`told`], which takes about 20 requests.
const MOST_REQUESTS: usize = 1_500;

fn note(mirror: &Mirror, feed: &str) -> String {
    // The file may be there before its feeds are.
    let report = mirror.status().into_iter().find(|report| report["feed_id"] == feed).unwrap_or_default();
    report["note"].as_str().unwrap_or_default().to_owned()
}

fn agrees(mirror: &Mirror) -> bool {
    mirror.verdict().is_ok_and(|verdict| verdict.agrees())
}

fn change(mirror: &Mirror, times: usize) {
    mirror.sandbox.with_world(|world| (0..times).for_each(|_| drop(world.random_change())));
}

/// A mirror that is true, with a daemon that follows.
fn followed(options: Options) -> (Mirror, Program) {
    let mirror = Mirror::new(options);
    mirror.backfill();
    let daemon = mirror.start(&["run"]);
    eventually("it polls", LIMIT, || mirror.status().iter().all(|report| report["activity"] == "waiting"));
    (mirror, daemon)
}

fn gaps(asked: &[Asked]) -> Vec<Duration> {
    asked.windows(2).map(|two| two[1].came - two[0].at).collect()
}

// ---- 429

fn unreadable(body: &str, retry_after: Option<&str>, said: &str) {
    let mirror = Mirror::new(small());
    let fault = Fault::ThrottledRaw { body: body.to_owned(), retry_after: retry_after.map(str::to_owned) };
    mirror.sandbox.set_fault(None, Some(fault));
    let mut daemon = mirror.start(&["run"]);
    eventually(&format!("status tells of {body}"), LIMIT, || mirror.is_ready() && note(&mirror, "GAMLS").contains("no request until"));
    assert!(note(&mirror, "GAMLS").contains(&format!("waiting {said};")), "{body}: {}", note(&mirror, "GAMLS"));
    let before = mirror.requests().len();
    assert!(before <= 2, "{body}: {before} requests");
    always("nobody asks while the gate is closed", seconds(4), || daemon.is_running() && mirror.requests().len() == before);
    daemon.signal("TERM");
    daemon.wait(seconds(5)).succeeded();
}

#[test]
fn a_429_with_an_absurd_or_unreadable_wait_closes_the_gate_for_a_sensible_time() {
    let available = |wait: &str| format!("{{\"Message\":\"Too many requests. Api will be available in {wait} seconds\"}}");
    let cases = [
        (available("-5"), None, "30 s"),
        (available("NaN"), None, "30 s"),
        (available("soon, in some"), None, "30 s"),
        ("<html>slow down</html>".to_owned(), None, "30 s"),
        (available("1e300"), None, "1 d"),
        (available("99999999"), None, "1 d"),
        (available("7200.0000000"), None, "2 h"),
        (String::new(), Some("-1"), "30 s"),
    ];
    for four in cases.chunks(4) {
        side_by_side(four.to_vec(), |(body, retry_after, said)| unreadable(&body, retry_after, said));
    }
}

// ---- outages

#[test]
fn an_outage_is_asked_ever_more_seldom_and_the_feed_catches_up_from_its_cursor() {
    let (mirror, mut daemon) = followed(small());
    let polls = mirror.requests().len();
    eventually("the cursor has come to rest", LIMIT, || mirror.requests().len() > polls + 8);
    mirror.sandbox.set_fault(None, Some(Fault::Status(503, "<html>down</html>".to_owned())));
    eventually("status says so", LIMIT, || mirror.status_of("GAMLS")["activity"] == "retrying");
    assert!(note(&mirror, "GAMLS").contains("HTTP 503"), "{}", note(&mirror, "GAMLS"));
    // The first request that fails is from the cursor, too: what was answered just before may have moved it.
    let until_it_failed = mirror.requests().into_iter().scan(false, |failed, asked| {
        let is_first = !std::mem::replace(failed, *failed || asked.answered == 503);
        is_first.then_some((asked.status, asked.from))
    });
    let before: BTreeSet<_> = until_it_failed.collect();
    thread::sleep(seconds(9));
    assert!(daemon.is_running());
    let asked: Vec<Asked> = mirror.requests().into_iter().filter(|asked| asked.answered == 503).collect();
    let gaps = gaps(&asked);
    assert!((3..=6).contains(&asked.len()) && gaps.is_sorted(), "{} requests, apart by {gaps:?}", asked.len());
    assert!(gaps.iter().enumerate().all(|(at, gap)| *gap >= Duration::from_millis(490) * (1 << at)), "{gaps:?}");
    change(&mirror, 40);
    mirror.sandbox.clear_requests();
    mirror.sandbox.set_fault(None, None);
    eventually("the file is true again", LIMIT, || agrees(&mirror));
    mirror.verify("after the outage");
    let first = mirror.requests().remove(0);
    assert!(before.contains(&(first.status, first.from.clone())), "it went on with {first:?}");
    eventually("status tells that all is well", LIMIT, || mirror.status_of("GAMLS")["note"].is_null());
}

/// Lines of the log that hold these words.
fn lines(log: &str, words: &[&str]) -> Vec<String> {
    log.lines().filter(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned).collect()
}

#[test]
fn an_outage_is_one_line_at_its_beginning_and_one_at_its_end_however_many_feeds_notice_it() {
    let (mirror, daemon) = followed(feeds(&["GAMLS", "NWMLS", "SFAR"]));
    mirror.sandbox.set_fault(None, Some(Fault::Status(500, "<html>down</html>".to_owned())));
    eventually("each feed has failed twice", LIMIT, || {
        let asked = mirror.requests();
        ["GAMLS", "NWMLS", "SFAR"]
            .iter()
            .all(|feed| asked.iter().filter(|asked| asked.answered == 500 && asked.feeds.iter().any(|of| of == feed)).count() > 1)
    });
    mirror.sandbox.set_fault(None, None);
    eventually("the end is told", LIMIT, || daemon.stderr().contains("the vendor answers again"));
    let log = daemon.stderr();
    let began = lines(&log, &["WARN", "HTTP 500"]);
    assert!(began.len() == 1 && ["host=\"127.0.0.1\"", "retry_in=\"0.", "feed="].iter().all(|word| began[0].contains(word)), "{log}");
    let ended = lines(&log, &["INFO", "the vendor answers again, after", "requests failed (feeds: GAMLS, NWMLS, SFAR)"]);
    assert!(ended.len() == 1 && lines(&log, &["answers again"]).len() == 1, "{log}");
}

/// One failure in five must not make a line of each.
#[test]
fn failures_now_and_then_do_not_fill_the_log() {
    let (mirror, daemon) = followed(small());
    mirror.sandbox.reconfigure(|options| options.fault_rate = 0.2);
    let asked = |mirror: &Mirror| mirror.requests().iter().filter(|asked| asked.answered != 200).count();
    eventually("many requests have failed", LIMIT, || asked(&mirror) > 10);
    let told = lines(&daemon.stderr(), &["127.0.0.1"]);
    assert!((1..=2).contains(&told.len()), "{told:#?}");
}

#[test]
fn a_refusal_names_the_feed_that_it_concerns() {
    let (mirror, daemon) = followed(feeds(&["GAMLS", "NWMLS"]));
    mirror.sandbox.set_fault(Some("NWMLS".to_owned()), Some(Fault::Forbidden));
    eventually("it is told", LIMIT, || !lines(&daemon.stderr(), &["WARN", "HTTP 403"]).is_empty());
    let told = lines(&daemon.stderr(), &["WARN", "HTTP 403"]);
    assert!(told.len() == 1 && told[0].contains("feed=NWMLS") && told[0].contains("retry_in=\"") && told[0].contains(" s\""), "{told:?}");
}

/// Polls and the load of the past would each have probes of their own otherwise.
#[test]
fn a_feed_in_an_outage_sends_one_probe_at_a_time_whatever_work_it_has() {
    let mirror = Mirror::new(Options { listings: 500, page_size: 10, ..small() }).with(|settings| settings.requests_per_second = 30.0);
    let daemon = mirror.start(&["run"]);
    eventually("the load is under way", LIMIT, || mirror.live("GAMLS") > 60);
    mirror.sandbox.set_fault(None, Some(Fault::Reset));
    eventually("it fails", LIMIT, || mirror.requests().iter().any(|asked| asked.answered == 0));
    mirror.sandbox.clear_requests();
    thread::sleep(seconds(7));
    let asked = mirror.requests();
    assert!((2..=4).contains(&asked.len()) && gaps(&asked).is_sorted(), "{} probes, apart by {:?}", asked.len(), gaps(&asked));
    mirror.sandbox.clear_requests();
    mirror.sandbox.set_fault(None, None);
    eventually("it asks again", LIMIT, || mirror.requests().len() > 20);
    // The probe was answered, and nothing is held back any more: neither polls nor the load.
    let asked = mirror.requests();
    assert!(asked[20].came - asked[0].at < seconds(4), "{:?}", gaps(&asked));
    eventually("the load is over and the file is true", LIMIT, || agrees(&mirror));
    drop(daemon);
}

/// Passes bytes on between a port and the sandbox.
fn forward(listener: TcpListener, to: SocketAddr) {
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let far = TcpStream::connect(to).unwrap();
            let (mut near_in, mut far_out) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            thread::spawn(move || copy(&mut near_in, &mut far_out));
            let (mut near_out, mut far_in) = (near, far);
            thread::spawn(move || copy(&mut far_in, &mut near_out));
        }
    });
}

#[test]
fn a_vendor_that_is_not_there_yet_is_waited_for() {
    let mut mirror = Mirror::new(small());
    let sandbox: SocketAddr = mirror.sandbox.url().trim_start_matches("http://").parse().unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    mirror.set(|settings| settings.base_url = format!("http://{address}"));
    let mut daemon = mirror.start(&["run"]);
    eventually("status says so", LIMIT, || mirror.is_ready() && note(&mirror, "GAMLS").to_lowercase().contains("connection refused"));
    assert_eq!(mirror.status_of("GAMLS")["activity"], "retrying");
    assert!(daemon.is_running());
    forward(TcpListener::bind(address).unwrap(), sandbox);
    eventually("the file is true", LIMIT, || agrees(&mirror));
}

// ---- the connection

/// The daemon lives, tries again, and says why in words that hold one of these.
fn no_tls(url: &str, words: &[&str], variables: &[(&str, &str)]) {
    let mirror = Mirror::new(small()).with(|settings| settings.base_url = url.to_owned());
    let variables = [&[("MLS_SYNC_SYSTEM_ACCESS_KEY", KEY)], variables].concat();
    let mut daemon = mirror.start_bare(&["--config", mirror.config().to_str().unwrap(), "run", "-v"], &variables);
    eventually(&format!("{url}: status says why"), LIMIT, || mirror.is_ready() && !note(&mirror, "GAMLS").is_empty());
    let note = note(&mirror, "GAMLS");
    assert!(words.iter().all(|word| note.contains(word)), "{url}: {note}");
    eventually(&format!("{url}: it tries again"), LIMIT, || daemon.stderr().matches("no connection").count() >= 2);
    assert!(daemon.is_running() && mirror.status_of("GAMLS")["activity"] == "retrying");
    daemon.signal("TERM");
    daemon.wait(seconds(5)).succeeded();
}

/// Does this with every connection; tells where it listens.
fn listen(with: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().flatten().for_each(with));
    format!("https://{address}")
}

#[test]
fn tls_that_fails_is_told_in_words_and_tried_again() {
    let plain = Mirror::new(small());
    let no_tls_there = ["no connection", "does not speak TLS"];
    no_tls(&plain.sandbox.url().replace("http:", "https:"), &no_tls_there, &[]);
    let garbage = listen(|mut peer| {
        let mut hello = [0; 64];
        let _ = peer.read(&mut hello).and_then(|_| peer.write(&[0x5A; 400]));
    });
    no_tls(&garbage, &no_tls_there, &[]);
    let closes = listen(|mut peer| drop(peer.read(&mut [0; 2_000])));
    no_tls(&closes, &["no connection", "closed", "TLS"], &[]);
}

/// The system's table of aliases gives the name a label of more than 63 letters, which the resolver refuses by itself: no
/// name server is asked.
#[test]
fn a_name_that_cannot_be_resolved_is_told_in_words_and_tried_again() {
    let too_long = format!("https://{}.invalid", "a".repeat(70));
    no_tls(&too_long, &["no connection", "name in base_url"], &[]);
    let directory = crate::support::directory();
    let aliases = directory.path().join("aliases");
    std::fs::write(&aliases, format!("vendor {}.invalid\n", "a".repeat(70))).unwrap();
    let aliases = ("HOSTALIASES", aliases.to_str().unwrap());
    no_tls("https://vendor", &["no connection", "name in base_url", "cannot be resolved"], &[aliases]);
}

// ---- the body

#[test]
fn an_answer_that_never_ends_is_given_up_in_time_and_holds_nobody_up_for_longer() {
    let mirror = Mirror::new(feeds(&["BAD", "GOOD"])).with(|settings| (settings.timeout, settings.max_in_flight) = ("1s", 1));
    mirror.sandbox.set_fault(Some("BAD".to_owned()), Some(Fault::Drip));
    let mut daemon = mirror.start(&["run", "-v"]);
    eventually("the good feed is loaded", LIMIT, || mirror.live("GOOD") == 300);
    eventually("the log says why", LIMIT, || daemon.stderr().matches("the answer did not end in time").count() >= 3);
    eventually("status says why", LIMIT, || note(&mirror, "BAD").contains("did not end in time"));
    let good: Vec<Asked> = mirror.requests().into_iter().filter(|asked| asked.feeds == ["GOOD"]).collect();
    let longest = gaps(&good).into_iter().max().unwrap();
    assert!(longest < Duration::from_millis(2500), "the good feed was held up for {longest:?}");
    assert!(daemon.is_running());
    mirror.sandbox.set_fault(Some("BAD".to_owned()), None);
    eventually("the file is true", LIMIT, || agrees(&mirror));
}

/// Peak memory, in MB.
fn peak(daemon: &Program) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
fn an_answer_that_unfolds_to_a_gigabyte_is_refused_at_the_limit_in_little_memory() {
    let (mirror, daemon) = followed(small());
    drop(daemon);
    let mirror = mirror.with(|settings| settings.max_body_bytes = 4 << 20);
    mirror.sandbox.set_fault(None, Some(Fault::Bomb { blocks: 64 }));
    let mut daemon = mirror.start(&["run", "-v"]);
    eventually("the log names the limit", LIMIT, || daemon.stderr().matches("longer than the limit of 4194304 bytes").count() >= 2);
    assert!(note(&mirror, "GAMLS").contains("longer than the limit of 4194304 bytes"));
    let peak = peak(&daemon);
    assert!(daemon.is_running() && peak < 60, "{peak} MB");
    change(&mirror, 20);
    mirror.sandbox.set_fault(None, None);
    eventually("the file is true", LIMIT, || agrees(&mirror));
}

// ---- lies about pages

/// A world with a bulk load that no window can be cut below.
fn told() -> Options {
    Options { listings: 150, deleted: 15, bulk: 40, ..small() }
}

/// While the lie stands: an end, no invented listing, and no claim of more than is there. After it: the truth, by the
/// next run, and by the daemon's own polls.
fn lie(what: &str, fault: impl Fn() -> Fault + Sync) {
    let ways: Vec<fn(&str, Fault)> = vec![loaded_under, followed_under];
    side_by_side(ways, |under| under(what, fault()));
}

fn loaded_under(what: &str, fault: Fault) {
    let mirror = Mirror::new(told());
    mirror.sandbox.set_fault(None, Some(fault));
    let ended = given_up(mirror.start(&["run", "--backfill"]));
    let asked = mirror.requests().len();
    assert!(asked < MOST_REQUESTS, "{what}: {asked} requests");
    assert!(!ended.stderr.contains("panicked") && matches!(ended.code, Some(0 | 1)), "{what}: {}", ended.both());
    no_false_claim(&mirror, what);
    assert!(ended.code == Some(1) || agrees(&mirror), "{what}: it says that it is complete: {}", mirror.verdict().unwrap());
    mirror.sandbox.set_fault(None, None);
    mirror.once();
    mirror.verify(what);
}

/// A run that fails again and again needs more than a minute until it gives up by itself.
fn given_up(mut running: Program) -> Ended {
    let deadline = Instant::now() + seconds(6);
    while running.is_running() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
    if running.is_running() {
        running.signal("TERM");
    }
    running.wait(seconds(5))
}

/// No listing is in the file that the vendor does not have, and none is missing from what the file claims to hold.
fn no_false_claim(mirror: &Mirror, what: &str) {
    mirror.verify_changes(what);
    let verdict = mirror.verdict().unwrap();
    assert!(!verdict.to_string().contains("invented"), "{what}: {verdict}");
    let until = mirror.status_of("GAMLS")["complete_until"].as_str().and_then(Stamp::parse).unwrap_or(Stamp(i64::MIN));
    let loaded = mirror.keys("SELECT listing_id, feed_id FROM listings");
    let truth = mirror.sandbox.with_world(|world| world.truth("GAMLS"));
    let claimed = truth.iter().filter(|(_, truth)| !truth.deleted && truth.stamp < until);
    let missing: Vec<_> = claimed.filter(|(id, _)| !loaded.contains(&(id.0.clone(), "GAMLS".to_owned()))).collect();
    assert!(missing.is_empty(), "{what}: {} listings are missing before {until}\n{}", missing.len(), mirror.windows());
}

fn followed_under(what: &str, fault: Fault) {
    let (mirror, mut daemon) = followed(told());
    mirror.sandbox.clear_requests();
    mirror.sandbox.set_fault(None, Some(fault));
    for _ in 0..4 {
        change(&mirror, 10);
        thread::sleep(Duration::from_millis(500));
    }
    let asked = mirror.requests().len();
    assert!(asked < MOST_REQUESTS / 2, "{what}: {asked} requests in 2 s of polls");
    assert!(daemon.is_running() && !daemon.stderr().contains("panicked"), "{what}: {}", daemon.stderr());
    mirror.sandbox.set_fault(None, None);
    eventually(&format!("{what}: the polls heal it"), seconds(30), || agrees(&mirror));
    daemon.signal("TERM");
    daemon.wait(seconds(5)).succeeded();
    mirror.verify(what);
}

fn results(page: &mut Value) -> &mut Vec<Value> {
    page["Results"].as_array_mut().unwrap()
}

/// Edits the records, and counts them anew.
fn recounted(edit: impl Fn(&mut Vec<Value>) + Send + Sync + 'static) -> Fault {
    Fault::edit(move |page| {
        let before = results(page).len();
        edit(results(page));
        let after = results(page).len();
        page["Count"] = json!(after);
        page["Total"] = json!((page["Total"].as_u64().unwrap() + after as u64).saturating_sub(before as u64));
    })
}

#[test]
fn a_vendor_that_repeats_its_first_page_ends_in_no_loop() {
    lie("the first page, whichever is asked for", || Fault::FirstPage);
}

#[test]
fn a_next_page_that_loops_is_not_followed() {
    lie("NextPage is always 1", || Fault::edit(|page| page["NextPage"] = json!(1)));
    lie("NextPage is always 2", || Fault::edit(|page| page["NextPage"] = json!(2)));
}

#[test]
fn a_next_page_that_never_ends_is_not_followed_for_ever() {
    lie("NextPage is always ahead", || Fault::edit(|page| page["NextPage"] = json!(4_000_000_000_u32)));
}

#[test]
fn a_total_that_is_too_high_is_no_endless_search() {
    side_by_side(vec![1, 1_000], |more| {
        lie("Total is too high", || Fault::edit(move |page| page["Total"] = json!(page["Total"].as_u64().unwrap() + more)));
    });
}

#[test]
fn a_total_that_is_too_low_hides_nothing() {
    lie("Total is 7 too low", || Fault::edit(|page| page["Total"] = json!(page["Total"].as_u64().unwrap().saturating_sub(7))));
    lie("Total is 0", || Fault::edit(|page| page["Total"] = json!(0)));
}

#[test]
fn a_total_that_changes_with_every_answer_proves_nothing() {
    let changing = || {
        let answers = AtomicU64::new(0);
        Fault::edit(move |page| {
            let drift = answers.fetch_add(1, Ordering::Relaxed) * 7 % 40;
            page["Total"] = json!(page["Total"].as_u64().unwrap() + drift);
        })
    };
    lie("Total changes", changing);
}

fn told_total(total: Value) -> Fault {
    Fault::edit(move |page| page["Total"] = total.clone())
}

#[test]
fn a_total_that_is_negative_or_huge_is_not_believed() {
    let totals = vec![json!(-5), json!(1_000_000_000_000_000_000_u64), json!(1e30)];
    side_by_side(totals, |total| lie(&format!("Total is {total}"), || told_total(total.clone())));
}

#[test]
fn a_count_that_differs_from_the_results_is_not_counted_as_read() {
    lie("Count is one too high", || Fault::edit(|page| page["Count"] = json!(page["Count"].as_u64().unwrap() + 1)));
}

#[test]
fn pages_that_are_shorter_in_the_middle_lose_nothing() {
    lie("every second page is half full", || Fault::Uneven);
    lie("the last five of a full page are missing", || {
        Fault::edit(|page| {
            if results(page).len() == 25 {
                results(page).truncate(20);
                page["Count"] = json!(20);
            }
        })
    });
}

#[test]
fn records_of_other_feeds_among_ours_change_nothing() {
    let with_strangers = || {
        recounted(|records| {
            let mut strangers: Vec<Value> = records.iter().step_by(3).cloned().collect();
            strangers.iter_mut().for_each(|record| record["FeedId"] = json!("STRANGE"));
            records.extend(strangers);
        })
    };
    lie("records of another feed", with_strangers);
}

#[test]
fn a_record_that_stands_twice_in_a_page_is_one_listing() {
    lie("each page twice", || recounted(|records| records.extend(records.clone())));
    let with_older = || {
        recounted(|records| {
            let mut older = records.clone();
            for record in &mut older {
                record["MlsUpdateDate"] = json!("2001-01-01T00:00:00");
                record["Remarks"] = json!("an older copy");
            }
            older.append(records);
            *records = older;
        })
    };
    lie("each record also in an older version", with_older);
}

#[test]
fn records_out_of_order_are_all_found() {
    lie("each page is backwards", || recounted(|records| records.reverse()));
    let (mirror, daemon) = followed(told());
    for order in [SortOrder::Unstable, SortOrder::UpdatedDesc, SortOrder::Id, SortOrder::UnstableTies] {
        mirror.sandbox.reconfigure(|options| options.order = order);
        change(&mirror, 60);
        eventually(&format!("{order:?}: the file is true"), LIMIT, || agrees(&mirror));
    }
    drop(daemon);
}

// ---- the Date header

/// The vendor's Date changes while the daemon runs; whatever it says, the file follows, and claims no time to come.
fn dates(what: &str, dates: &[Option<i64>]) {
    let (mirror, mut daemon) = followed(told());
    for skew in dates {
        mirror.sandbox.reconfigure(|options| (options.date_skew_s, options.no_date) = (skew.unwrap_or(0), skew.is_none()));
        for _ in 0..3 {
            change(&mirror, 10);
            thread::sleep(Duration::from_millis(400));
        }
    }
    mirror.sandbox.reconfigure(|options| (options.date_skew_s, options.no_date) = (0, false));
    change(&mirror, 10);
    eventually(&format!("{what}: the polls heal it"), seconds(30), || agrees(&mirror));
    claims_no_time_to_come(&mirror, what);
    assert!(daemon.is_running() && !daemon.stderr().contains("panicked"), "{what}: {}", daemon.stderr());
}

fn claims_no_time_to_come(mirror: &Mirror, what: &str) {
    let now = mirror.sandbox.with_world(|world| world.utc());
    let until = mirror.status_of("GAMLS")["complete_until"].as_str().and_then(Stamp::parse);
    assert!(until.is_none_or(|until| until <= now), "{what}: complete until {until:?}, and it is {now}");
}

const HOURS_5: i64 = 5 * 3600;

#[test]
fn a_date_that_runs_ahead_loses_nothing() {
    dates("5 h ahead", &[Some(HOURS_5)]);
}

#[test]
fn a_date_that_runs_behind_loses_nothing() {
    dates("5 h behind", &[Some(-HOURS_5)]);
}

#[test]
fn a_date_that_jumps_loses_nothing() {
    dates("ahead and behind", &[Some(HOURS_5), Some(0), Some(-HOURS_5), Some(HOURS_5)]);
}

#[test]
fn a_vendor_without_a_date_is_followed_by_our_own_clock() {
    dates("no Date", &[None]);
    dates("no Date now and then", &[None, Some(0), None, Some(3 * 3600), None]);
}

#[test]
fn a_date_that_is_no_date_is_ignored() {
    let dates = ["yesterday", "Thu, 99 Foo 2026 25:61:61 GMT", "-1", "Mon, 01 Jan 0001 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"];
    side_by_side(dates.to_vec(), |text| lie(text, || Fault::Date(text.to_owned())));
}
