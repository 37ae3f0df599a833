//! One round of a shared request: its parts, asked one after the other, and what each feed is told.

use super::sharing::{Question, Sharing, parts};
use crate::record::{Failure, FeedId, ListingKey, Page, PageRequest, Record, Stamp, Stream};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A part that was not answered whole is asked again in so many parts.
const PARTS: usize = 8;
/// Requests of one round at most; whoever is left then asks alone.
const MOST_REQUESTS: u32 = 48;

/// What a feed is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its own part of the answer.
    Page(Page),
    /// The request failed, and would fail for this feed alone.
    Failed,
    /// It is to ask alone.
    Alone,
}

/// A round under way.
#[derive(Debug)]
pub struct Gathering {
    stream: Stream,
    parts: VecDeque<Vec<Question>>,
    /// Feeds that take part.
    asked: usize,
    requests: u32,
    answered: bool,
    /// A single feed was not answered, and nothing else was so far.
    one_failed: bool,
    troubled: bool,
    /// Nothing of it can be learned, because the vendor answered nobody.
    all_failed: bool,
    whole_most: usize,
    singled: Vec<FeedId>,
}

impl Gathering {
    /// Begins a round.
    #[must_use]
    pub fn begin(sharing: &mut Sharing, stream: Stream, questions: Vec<Question>) -> Gathering {
        let parts = sharing.divide(questions);
        let asked = parts.iter().map(Vec::len).sum();
        Gathering {
            stream,
            parts: parts.into(),
            asked,
            requests: 0,
            answered: false,
            one_failed: false,
            troubled: false,
            all_failed: false,
            whole_most: 0,
            singled: Vec::new(),
        }
    }

    /// The next request; `None` when the round is over, also after too many requests. Whoever was told nothing asks alone, and so does
    /// a single feed that has caused no trouble.
    pub fn next(&mut self, sharing: &Sharing) -> Option<PageRequest> {
        if self.requests >= MOST_REQUESTS {
            return None;
        }
        if !self.troubled {
            self.parts.retain(|part| part.len() > 1);
        }
        let part = self.parts.front()?;
        self.requests += 1;
        let feeds = part.iter().map(|question| question.feed.clone()).collect();
        Some(PageRequest { feeds, stream: self.stream, window: sharing.window(part), page: 1 })
    }

    /// Takes in an answer: what each feed of the request is told.
    pub fn answered(&mut self, sharing: &mut Sharing, page: Page) -> Vec<(FeedId, Outcome)> {
        let Some(part) = self.parts.pop_front() else { return Vec::new() };
        self.answered = true;
        let window = sharing.window(&part);
        if !is_whole(&page, &part) {
            self.troubled = true;
            return match part.len() {
                1 => self.single_out(part),
                _ => {
                    self.split(part);
                    Vec::new()
                }
            };
        }
        if sharing.lacks_newest(&part, window, &page) {
            self.parts.push_front(part);
            return Vec::new();
        }
        sharing.saw(&page, window.to);
        self.whole_most = self.whole_most.max(part.len());
        divided(page, &part, window.from)
    }

    /// Takes in a failure. Returns what is told to the feeds that are asked for no more in this round.
    pub fn failed(&mut self, failure: &Failure) -> Vec<(FeedId, Outcome)> {
        let Some(part) = self.parts.pop_front() else { return Vec::new() };
        self.troubled = true;
        let all_fail = match failure {
            Failure::Throttled { .. } => true,
            // The vendor answers nobody: the list, and two feeds alone. One of them may be the cause of the trouble.
            Failure::Unavailable | Failure::Unauthorized => part.len() == 1 && self.one_failed && !self.answered,
            Failure::Refused | Failure::Malformed => false,
        };
        if all_fail {
            self.all_failed = true;
            let left = std::iter::once(part).chain(self.parts.drain(..)).flatten();
            return left.map(|question| (question.feed, Outcome::Failed)).collect();
        }
        let tries_one = matches!(failure, Failure::Unavailable | Failure::Unauthorized) && !self.answered;
        if part.len() == 1 {
            self.one_failed |= tries_one;
            if tries_one {
                self.last_first();
            }
            return self.single_out(part);
        }
        match tries_one {
            true => self.one_first(part),
            false => self.split(part),
        }
        Vec::new()
    }

    /// The first feed of a part is asked alone, and then the others in smaller parts.
    fn one_first(&mut self, mut part: Vec<Question>) {
        let rest = part.split_off(1);
        if !rest.is_empty() {
            self.split(rest);
        }
        self.parts.push_front(part);
    }

    /// The last feed of all is asked alone next: what fails may be neighbours in the list.
    fn last_first(&mut self) {
        let Some(part) = self.parts.back_mut() else { return };
        let Some(last) = part.pop() else { return };
        if part.is_empty() {
            self.parts.pop_back();
        }
        self.parts.push_front(vec![last]);
    }

    /// Ends the round.
    pub fn end(self, sharing: &mut Sharing) {
        if !self.all_failed {
            sharing.learn(self.asked, self.whole_most, self.troubled, self.singled);
        }
    }

    fn single_out(&mut self, part: Vec<Question>) -> Vec<(FeedId, Outcome)> {
        let feeds: Vec<FeedId> = part.into_iter().map(|question| question.feed).collect();
        self.singled.extend(feeds.iter().cloned());
        feeds.into_iter().map(|feed| (feed, Outcome::Alone)).collect()
    }

    fn split(&mut self, part: Vec<Question>) {
        let most = part.len().div_ceil(PARTS);
        for smaller in parts(part, most).into_iter().rev() {
            self.parts.push_front(smaller);
        }
    }
}

/// Whether an answer holds all that matched, and nothing else.
fn is_whole(page: &Page, part: &[Question]) -> bool {
    let own = |key: &ListingKey| part.iter().any(|question| question.feed == key.feed);
    let keys: BTreeSet<&ListingKey> = page.records.iter().map(|record| &record.key).collect();
    page.rejects.is_empty() && page.next_page.is_none_or(|next| next <= 1) && keys.len() as u64 == page.total && keys.into_iter().all(own)
}

/// Each feed's part, as it would have been answered alone: what is stamped before its own window is left out, if the vendor was to
/// send it for others. What the vendor sent although nobody asked for it is shown to its feed.
fn divided(page: Page, part: &[Question], asked_from: Stamp) -> Vec<(FeedId, Outcome)> {
    let mut records: BTreeMap<FeedId, Vec<Record>> = BTreeMap::new();
    for record in page.records {
        records.entry(record.key.feed.clone()).or_default().push(record);
    }
    let mut told = Vec::with_capacity(part.len());
    for question in part {
        let for_others = |stamp: Option<Stamp>| stamp.is_some_and(|stamp| asked_from <= stamp && stamp < question.window.from);
        let mut own = records.remove(&question.feed).unwrap_or_default();
        own.retain(|record| !for_others(record.selected_by()));
        let keys: BTreeSet<&ListingKey> = own.iter().map(|record| &record.key).collect();
        let total = keys.len() as u64;
        let part = Page { records: own, rejects: Vec::new(), total, next_page: None, vendor_now: page.vendor_now };
        told.push((question.feed.clone(), Outcome::Page(part)));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Cut, ListingId, Window, raw_hash};
    use std::time::Duration;

    fn noon() -> Stamp {
        Stamp::parse("2024-06-01T12:00:00").expect("a date")
    }

    fn minutes(minutes: i64) -> Stamp {
        Stamp(noon().0 + minutes * 600_000_000)
    }

    fn name(feed: usize) -> FeedId {
        FeedId(format!("F{feed:03}"))
    }

    /// Feeds that ask for the last ten minutes.
    fn questions(count: usize) -> Vec<Question> {
        (0..count).map(|feed| Question { feed: name(feed), window: Window { from: minutes(-10), to: noon() } }).collect()
    }

    fn record(feed: usize, listing: &str, stamp: Stamp) -> Record {
        let key = ListingKey { feed: name(feed), listing: ListingId(listing.to_owned()) };
        Record {
            key,
            stamp: Some(stamp),
            mirrored_at: None,
            raw_hash: raw_hash(listing.as_bytes()),
            raw: String::new(),
            cut: Cut::default(),
        }
    }

    fn page(records: Vec<Record>) -> Page {
        Page { total: records.len() as u64, records, rejects: Vec::new(), next_page: None, vendor_now: None }
    }

    /// A vendor that gives each feed one listing, and answers as `fails` says of the feeds of a request. What each feed was told, and
    /// the number of requests.
    fn round(sharing: &mut Sharing, count: usize, fails: impl Fn(&[usize]) -> Option<Failure>) -> (BTreeMap<FeedId, Outcome>, usize) {
        let mut gathering = Gathering::begin(sharing, Stream::All, questions(count));
        let (mut told, mut requests) = (BTreeMap::new(), 0);
        while let Some(request) = gathering.next(sharing) {
            requests += 1;
            let feeds: Vec<usize> = request.feeds.iter().map(|feed| feed.0[1..].parse().expect("a number")).collect();
            told.extend(match fails(&feeds) {
                Some(failure) => gathering.failed(&failure),
                None => gathering.answered(sharing, page(feeds.iter().map(|feed| record(*feed, "1", minutes(-3))).collect())),
            });
        }
        gathering.end(sharing);
        for feed in 0..count {
            told.entry(name(feed)).or_insert(Outcome::Alone);
        }
        (told, requests)
    }

    fn alone(told: &BTreeMap<FeedId, Outcome>) -> Vec<String> {
        told.iter().filter(|(_, outcome)| **outcome == Outcome::Alone).map(|(feed, _)| feed.0.clone()).collect()
    }

    #[test]
    fn three_hundred_feeds_are_one_request_and_each_gets_its_own_part() {
        let (told, requests) = round(&mut Sharing::default(), 300, |_| None);
        assert_eq!((told.len(), requests), (300, 1));
        for (feed, outcome) in told {
            let Outcome::Page(page) = outcome else { panic!("{feed} was not answered") };
            assert_eq!((page.total, page.records.len(), &page.records[0].key.feed), (1, 1, &feed));
        }
    }

    #[test]
    fn a_list_that_an_address_cannot_hold_is_cut() {
        assert_eq!(round(&mut Sharing::default(), 1_000, |_| None).1, 3);
    }

    #[test]
    fn a_feed_that_is_refused_is_found_by_parts_costs_the_others_nothing_and_is_left_out_then() {
        for failure in [Failure::Refused, Failure::Unauthorized, Failure::Unavailable, Failure::Malformed] {
            let mut sharing = Sharing::default();
            let fails = |feeds: &[usize]| feeds.contains(&17).then(|| failure.clone());
            let (told, requests) = round(&mut sharing, 300, fails);
            assert_eq!((alone(&told), told.len()), (vec!["F017".to_owned()], 300), "{failure:?}");
            assert!(requests <= 28, "{requests} requests");
            let (told, requests) = round(&mut sharing, 300, fails);
            assert_eq!((alone(&told), requests), (vec!["F017".to_owned()], 1), "{failure:?}");
        }
    }

    #[test]
    fn the_feed_that_is_tried_first_may_be_the_cause() {
        for (culprits, count) in [(vec![0], 300), (vec![0, 1], 300), (vec![0], 2), (vec![1], 2)] {
            let fails = |feeds: &[usize]| culprits.iter().any(|culprit| feeds.contains(culprit)).then_some(Failure::Unauthorized);
            let (told, _) = round(&mut Sharing::default(), count, fails);
            assert_eq!(alone(&told), culprits.iter().map(|culprit| name(*culprit).0).collect::<Vec<_>>());
            assert!(told.values().all(|outcome| *outcome != Outcome::Failed));
        }
    }

    #[test]
    fn a_feed_that_was_left_out_comes_back_and_is_left_out_for_longer_if_it_still_fails() {
        let mut sharing = Sharing::default();
        let rounds: Vec<usize> =
            (0..14).map(|_| round(&mut sharing, 40, |feeds| feeds.contains(&3).then_some(Failure::Refused)).1).collect();
        let tries: Vec<usize> = rounds.iter().enumerate().filter(|(_, requests)| **requests > 1).map(|(at, _)| at).collect();
        assert_eq!(tries, [0, 4, 12]);
        (0..20).for_each(|_| drop(round(&mut sharing, 40, |_| None)));
        assert_eq!(alone(&round(&mut sharing, 40, |_| None).0), Vec::<String>::new(), "it is well again");
    }

    #[test]
    fn an_outage_is_three_requests_and_everybody_is_told() {
        for failure in [Failure::Unavailable, Failure::Unauthorized] {
            let (told, requests) = round(&mut Sharing::default(), 300, |_| Some(failure.clone()));
            assert_eq!((requests, told.len(), alone(&told).len()), (3, 300, 1));
            assert_eq!(told.values().filter(|outcome| **outcome == Outcome::Failed).count(), 299);
        }
        let throttled = Failure::Throttled { wait: Duration::from_secs(1) };
        assert_eq!(round(&mut Sharing::default(), 300, |_| Some(throttled.clone())).1, 1);
    }

    #[test]
    fn a_vendor_that_refuses_long_lists_is_asked_by_shorter_ones() {
        let mut sharing = Sharing::default();
        let refuses = |feeds: &[usize]| (feeds.len() > 40).then_some(Failure::Refused);
        assert_eq!(alone(&round(&mut sharing, 300, refuses).0).len(), 0);
        let (told, requests) = round(&mut sharing, 300, refuses);
        assert_eq!((alone(&told).len(), requests), (0, 8));
    }

    #[test]
    fn a_vendor_that_refuses_every_list_is_asked_for_each_feed_alone_and_tried_again_ever_more_seldom() {
        let mut sharing = Sharing::default();
        let refuses = |feeds: &[usize]| (feeds.len() > 1).then_some(Failure::Refused);
        let spent: Vec<usize> = (0..200).map(|_| round(&mut sharing, 300, refuses).1).collect();
        assert!(spent.iter().sum::<usize>() <= 400, "{}", spent.iter().sum::<usize>());
        let (told, _) = round(&mut sharing, 300, refuses);
        assert_eq!(told.len(), 300);
    }

    #[test]
    fn an_answer_that_holds_less_than_its_total_proves_nothing_for_anybody() {
        let mut sharing = Sharing::default();
        let mut gathering = Gathering::begin(&mut sharing, Stream::All, questions(20));
        gathering.next(&sharing).expect("a request");
        let short = Page { total: 3, next_page: Some(2), ..page(vec![record(1, "1", noon()), record(2, "1", noon())]) };
        assert_eq!(gathering.answered(&mut sharing, short), []);
        assert!(gathering.next(&sharing).expect("a part").feeds.len() < 20);
    }

    #[test]
    fn records_of_feeds_that_nobody_asked_for_prove_nothing() {
        let mut sharing = Sharing::default();
        let mut gathering = Gathering::begin(&mut sharing, Stream::All, questions(20));
        gathering.next(&sharing).expect("a request");
        assert_eq!(gathering.answered(&mut sharing, page(vec![record(77, "1", noon())])), []);
    }

    #[test]
    fn each_feed_sees_no_more_than_it_would_have_seen_alone() {
        let mut sharing = Sharing::default();
        let mut asked = questions(2);
        asked[1].window.from = minutes(-5);
        let mut gathering = Gathering::begin(&mut sharing, Stream::All, asked);
        let request = gathering.next(&sharing).expect("a request");
        assert_eq!(request.window, Window { from: minutes(-10), to: noon() });
        let sent = [(0, "a", -8), (1, "b", -8), (1, "c", -2), (1, "d", -99)];
        let sent = sent.map(|(feed, listing, at)| record(feed, listing, minutes(at)));
        let told: BTreeMap<_, _> = gathering.answered(&mut sharing, page(sent.to_vec())).into_iter().collect();
        let shown = |feed: usize| match &told[&name(feed)] {
            Outcome::Page(page) => page.records.iter().map(|record| record.key.listing.0.as_str()).collect::<Vec<_>>(),
            outcome => panic!("{outcome:?}"),
        };
        // What is older than anybody asked for tells its feed what the vendor makes of From.
        assert_eq!((shown(0), shown(1)), (vec!["a"], vec!["c", "d"]));
    }

    #[test]
    fn an_answer_without_the_newest_record_is_asked_for_again_twice() {
        let mut sharing = Sharing::default();
        round(&mut sharing, 3, |_| None);
        let answers = |sharing: &mut Sharing| {
            let mut gathering = Gathering::begin(sharing, Stream::All, questions(3));
            let mut answers = 0;
            while gathering.next(sharing).is_some() {
                answers += 1;
                gathering.answered(sharing, page(Vec::new()));
            }
            answers
        };
        assert_eq!((answers(&mut sharing), answers(&mut sharing)), (3, 1), "then it is gone");
        round(&mut sharing, 3, |_| None);
        sharing.forget(&(0..3).map(|feed| record(feed, "1", noon()).key).collect());
        assert_eq!(answers(&mut sharing), 1, "its deletion is known");
    }
}
