//! One round of a shared request: its parts, asked one after the other, and what each feed is told.

use super::{Question, Sharing};
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
    /// Feeds of which it is known already that they ask alone.
    alone: Vec<FeedId>,
    /// Feeds that take part.
    asked: usize,
    requests: u32,
    answered: bool,
    troubled: bool,
    whole_most: usize,
    singled: Vec<FeedId>,
}

impl Gathering {
    /// Begins a round.
    #[must_use]
    pub fn begin(sharing: &mut Sharing, stream: Stream, questions: Vec<Question>) -> Gathering {
        let (parts, alone) = sharing.divide(questions);
        let asked = parts.iter().map(Vec::len).sum();
        Gathering {
            stream,
            parts: parts.into(),
            alone,
            asked,
            requests: 0,
            answered: false,
            troubled: false,
            whole_most: 0,
            singled: Vec::new(),
        }
    }

    /// The next request; `None` when the round is over. A single feed that has caused no trouble is left to ask alone, and so are
    /// all that are left when there were too many requests.
    pub fn next(&mut self, sharing: &Sharing) -> Option<PageRequest> {
        if self.requests >= MOST_REQUESTS || !self.troubled {
            let enough = self.requests >= MOST_REQUESTS;
            let (kept, alone): (VecDeque<_>, VecDeque<_>) = self.parts.drain(..).partition(|part| part.len() > 1 && !enough);
            self.alone.extend(alone.into_iter().flatten().map(|question| question.feed));
            self.parts = kept;
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
                _ => self.split(part),
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

    /// Takes in a failure: what each feed is told by which nothing is to be asked any more.
    pub fn failed(&mut self, failure: &Failure) -> Vec<(FeedId, Outcome)> {
        let Some(part) = self.parts.pop_front() else { return Vec::new() };
        self.troubled = true;
        let all_fail = match failure {
            Failure::Throttled { .. } => true,
            // The vendor answers nobody: one feed alone was tried, or is tried next.
            Failure::Unavailable | Failure::Unauthorized => part.len() == 1 && !self.answered,
            Failure::Refused | Failure::Malformed => false,
        };
        if all_fail {
            // Nothing was learned of any feed.
            (self.troubled, self.singled) = (false, Vec::new());
            let left = std::iter::once(part).chain(self.parts.drain(..)).flatten();
            return left.map(|question| (question.feed, Outcome::Failed)).collect();
        }
        if part.len() == 1 {
            return self.single_out(part);
        }
        let tries_one = matches!(failure, Failure::Unavailable | Failure::Unauthorized) && !self.answered;
        if tries_one {
            let mut part = part;
            let rest = part.split_off(1);
            self.split(rest);
            self.parts.push_front(part);
            return Vec::new();
        }
        self.split(part)
    }

    /// Ends the round: the feeds that are to ask alone.
    pub fn end(self, sharing: &mut Sharing) -> Vec<FeedId> {
        let left = self.parts.into_iter().flatten().map(|question| question.feed);
        let alone = self.alone.into_iter().chain(left).collect();
        sharing.learn(self.asked, self.whole_most, self.troubled, self.singled);
        alone
    }

    fn single_out(&mut self, part: Vec<Question>) -> Vec<(FeedId, Outcome)> {
        let feeds: Vec<FeedId> = part.into_iter().map(|question| question.feed).collect();
        self.singled.extend(feeds.iter().cloned());
        feeds.into_iter().map(|feed| (feed, Outcome::Alone)).collect()
    }

    fn split(&mut self, part: Vec<Question>) -> Vec<(FeedId, Outcome)> {
        let most = part.len().div_ceil(PARTS);
        for smaller in super::parts(part, most).into_iter().rev() {
            self.parts.push_front(smaller);
        }
        Vec::new()
    }
}

/// Whether an answer holds all that matched, and nothing else.
fn is_whole(page: &Page, part: &[Question]) -> bool {
    let own = |key: &ListingKey| part.iter().any(|question| question.feed == key.feed);
    let keys: BTreeSet<&ListingKey> = page.records.iter().map(|record| &record.key).collect();
    page.rejects.is_empty() && page.next_page.is_none_or(|next| next <= 1) && keys.len() as u64 == page.total && keys.into_iter().all(own)
}

/// Each feed's part, as it would have been answered alone: what is stamped outside its own window is left out, if the vendor was to
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
        own.retain(|record| !for_others(record.stamp));
        let keys: BTreeSet<&ListingKey> = own.iter().map(|record| &record.key).collect();
        let total = keys.len() as u64;
        let part = Page { records: own, rejects: Vec::new(), total, next_page: None, vendor_now: page.vendor_now };
        told.push((question.feed.clone(), Outcome::Page(part)));
    }
    told
}
