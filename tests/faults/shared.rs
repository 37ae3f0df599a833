//! Polls that feeds share: what is wrong with one feed, or with lists of feeds, costs the others nothing.

use super::seconds;
use crate::support::{KEY, LIMIT, Mirror, Program, eventually, side_by_side};
use mls_sync::sandbox::{Asked, Fault, FeedList, Key, Options};
use serde_json::json;
use std::collections::BTreeSet;

const FEEDS: usize = 40;
const BAD: &str = "FEED17";

/// Feeds with a few listings each; one page holds the listings of many feeds.
fn world() -> Options {
    let feeds = (0..FEEDS).map(|feed| format!("FEED{feed:02}")).collect();
    Options { feeds, key: Key(KEY.to_owned()), listings: 5, deleted: 1, bulk: 0, ..Options::default() }
}

/// A daemon of all these feeds that has nothing left to load.
fn followed(options: Options) -> (Mirror, Program) {
    let mirror = Mirror::new(options).with(|settings| (settings.interval, settings.discover, settings.timeout) = ("1s", "1h", "60s"));
    let daemon = mirror.start(&["run"]);
    eventually("everything is loaded", LIMIT, || mirror.is_ready() && mirror.verdict().is_ok_and(|verdict| verdict.agrees()));
    mirror.sandbox.clear_requests();
    (mirror, daemon)
}

/// Waits until the daemon asks for all feeds together: before, it finds out whether the vendor answers for each feed of a list.
fn shares(mirror: &Mirror) {
    eventually("all feeds are asked for together", LIMIT, || in_seconds(mirror, 2).0 >= 2);
}

fn is_list(asked: &Asked) -> bool {
    asked.feeds.len() > 1
}

/// Lists that named all feeds, and other requests, in so many seconds.
fn in_seconds(mirror: &Mirror, count: u64) -> (usize, usize) {
    mirror.sandbox.clear_requests();
    std::thread::sleep(seconds(count));
    let (lists, others): (Vec<Asked>, Vec<Asked>) = mirror.requests().into_iter().partition(|asked| asked.feeds.len() == FEEDS);
    (lists.len(), others.len())
}

/// Changes a listing of each of these feeds, and waits until the file shows it.
fn arrives(mirror: &Mirror, feeds: impl Fn(&str) -> bool, limit: u64) {
    let names = mirror.options().feeds;
    let edited: BTreeSet<(String, String)> = mirror.sandbox.with_world(|world| {
        let of = |name: &String| {
            let listing = world.truth(name).into_iter().find(|(_, truth)| !truth.deleted)?.0;
            world.edit(name, &listing);
            Some((name.clone(), listing.0))
        };
        names.iter().filter(|name| feeds(name)).filter_map(of).collect()
    });
    let last = mirror.number("SELECT coalesce(max(seq), 0) FROM changes");
    let changed = format!("SELECT feed_id, key FROM changes WHERE seq > {last}");
    eventually("every change has arrived", seconds(limit), || edited.is_subset(&mirror.keys(&changed)));
}

#[test]
fn all_feeds_are_polled_with_one_request_for_each_stream_and_every_change_arrives() {
    let (mirror, _daemon) = followed(world());
    eventually("lists are asked", LIMIT, || mirror.requests().iter().any(is_list));
    let (lists, others) = in_seconds(&mirror, 5);
    assert!((8..=12).contains(&lists) && others <= 2, "{lists} lists and {others} others in 5 rounds");
    arrives(&mirror, |_| true, 10);
    mirror.sandbox.with_world(|world| (0..60).for_each(|_| drop(world.random_change())));
    mirror.quiet();
    eventually("the file is true", LIMIT, || mirror.verdict().unwrap().agrees());
    mirror.verify_changes("shared polls");
}

#[test]
fn a_feed_that_fails_is_left_out_and_delays_no_other() {
    let faults = [
        Fault::Forbidden,
        Fault::BadRequest,
        Fault::Status(500, "{}".to_owned()),
        Fault::Html,
        Fault::edit(|page| page["Results"].as_array_mut().unwrap().push(json!({"FeedId": BAD}))),
        Fault::edit(|page| {
            page["Total"] = json!(page["Total"].as_u64().unwrap() + 1);
        }),
    ];
    for three in faults.chunks(3) {
        side_by_side(three.to_vec(), |fault| {
            let (mirror, _daemon) = followed(world());
            shares(&mirror);
            mirror.sandbox.set_fault(Some(BAD.to_owned()), Some(fault));
            // Two intervals are the most that a change waits when nothing fails.
            arrives(&mirror, |feed| feed != BAD, 4);
            let (_, others) = in_seconds(&mirror, 4);
            assert!(others <= 40, "{others} requests in 4 rounds");
            mirror.sandbox.set_fault(Some(BAD.to_owned()), None);
            mirror.quiet();
            eventually("the file is true", LIMIT, || mirror.verdict().unwrap().agrees());
        });
    }
}

#[test]
fn a_feed_whose_answers_hang_is_left_out_and_the_others_go_on() {
    let (mirror, _daemon) = followed(world());
    mirror.sandbox.set_fault(Some(BAD.to_owned()), Some(Fault::Hang(seconds(600))));
    arrives(&mirror, |feed| feed != BAD, 45);
    arrives(&mirror, |feed| feed != BAD, 30);
}

#[test]
fn a_vendor_that_heeds_one_feed_of_a_list_is_asked_for_each_feed_alone() {
    side_by_side(vec![FeedList::First, FeedList::Last], |feed_list| {
        let (mirror, daemon) = followed(Options { feed_list, ..world() });
        arrives(&mirror, |_| true, 15);
        assert!(daemon.stderr().contains("the vendor does not answer for each feed of a list"), "{}", daemon.stderr());
        mirror.sandbox.clear_requests();
        std::thread::sleep(seconds(3));
        assert!(!mirror.requests().iter().any(is_list), "no list is asked again");
    });
}

#[test]
fn a_vendor_that_refuses_lists_is_asked_for_each_feed_alone() {
    let (mirror, _daemon) = followed(world());
    eventually("lists are asked", LIMIT, || mirror.requests().iter().any(is_list));
    let several =
        |request: &serde_json::Value, _: &serde_json::Value| request["FeedIdList"].as_array().is_some_and(|feeds| feeds.len() > 1);
    mirror.sandbox.set_fault(None, Some(Fault::status_if(400, several)));
    arrives(&mirror, |_| true, 15);
    let (lists, others) = in_seconds(&mirror, 5);
    assert!(lists <= 2 && others <= 5 * 2 * FEEDS + FEEDS, "{lists} lists and {others} others");
}

#[test]
fn a_feed_that_changes_in_bulk_is_left_out_for_a_while_and_nothing_is_lost() {
    let (mirror, _daemon) = followed(Options { listings: 60, page_size: 50, ..world() });
    mirror.sandbox.with_world(|world| {
        let all: Vec<_> = world.truth(BAD).into_iter().filter(|(_, truth)| !truth.deleted).map(|(listing, _)| listing).collect();
        all.iter().for_each(|listing| assert!(world.edit(BAD, listing)));
    });
    arrives(&mirror, |feed| feed != BAD, 10);
    mirror.quiet();
    eventually("the file is true", LIMIT, || mirror.verdict().unwrap().agrees());
}

#[test]
fn an_outage_of_all_feeds_is_a_few_requests_and_they_catch_up_after_it() {
    let (mirror, _daemon) = followed(world());
    shares(&mirror);
    mirror.sandbox.set_fault(None, Some(Fault::Status(503, "down".to_owned())));
    mirror.sandbox.clear_requests();
    std::thread::sleep(seconds(25));
    let asked = mirror.requests().iter().filter(|asked| asked.answered == 503).count();
    // 24 are usual. On a busy machine, feeds that do not ask at the same moment make it 60. For each feed alone it would be 240.
    assert!(asked <= 100, "{asked} requests in the first 25 s of an outage");
    mirror.sandbox.with_world(|world| (0..30).for_each(|_| drop(world.random_change())));
    mirror.sandbox.set_fault(None, None);
    mirror.quiet();
    eventually("the file is true", LIMIT, || mirror.verdict().unwrap().agrees());
}
