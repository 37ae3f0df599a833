//! Requests that several feeds share: who asks together, and which part of the answer is whose.
//!
//! An answer that holds everything that matched, in one page, holds all that each of its feeds would have been answered alone. So each
//! feed is given its part as if it had asked alone, and proves its window with it as ever. Any other answer is no proof for anybody:
//! the feeds are asked in smaller parts, until those that cause it stand alone.

use super::options::Purpose;
use crate::record::{FeedId, ListingKey, Page, PageRequest, Presence, Stamp, Stream, Window};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The longest window that is shared, from its beginning to now: as long as an idle feed asks for whose stamps may be of any zone.
pub(crate) const LONGEST: Duration = Duration::from_secs(15 * 3600);
/// Usual polls reach no further back.
const SHORT: Duration = Duration::from_secs(3600);
/// The longest list of feeds in an address, in bytes. Servers begin to refuse addresses at about 8,000.
const LONGEST_LIST: usize = 7_500;
/// What stands before each feed of a list, in bytes.
const BEFORE_FEED: usize = 12;
/// After so many rounds without trouble, more feeds are asked together again; after twice as many each time that a list was too long.
const CALM_ROUNDS: u32 = 16;
const MOST_CALM_ROUNDS: u32 = 1_024;
/// A feed that was found to cause trouble tries to share again in so many rounds, and in twice as many each time.
const APART_ROUNDS: u32 = 4;
const MOST_APART_ROUNDS: u32 = 256;
/// Answers in a row that may lack the newest record before it is taken to be gone.
const MOST_LACKING: u32 = 2;

/// What one feed asks for. Its window may lie inside the one that is asked for in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The feed.
    pub feed: FeedId,
    /// The stamps that it asks for.
    pub window: Window,
}

/// How far a question reaches back. Those that reach about equally far are asked together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// It has no end.
    Ahead,
    /// No further than an hour.
    Short,
    /// No further than 15 hours.
    Long,
    /// So far that it holds more than a page for many feeds.
    Alone,
}

impl Question {
    /// What a request asks, if that is asked together with other feeds; `None` where the feed asks alone.
    #[must_use]
    pub fn of(purpose: Purpose, request: &PageRequest) -> Option<Question> {
        let [feed] = request.feeds.as_slice() else { return None };
        let question = Question { feed: feed.clone(), window: request.window };
        let shares = match purpose {
            // A poll without an end belongs to a first load.
            Purpose::Poll => matches!(question.reach(), Reach::Short | Reach::Long),
            Purpose::Lookback => question.reach() != Reach::Alone,
            Purpose::Fill | Purpose::Scan => false,
        };
        (shares && request.page == 1).then_some(question)
    }

    /// How far it reaches back.
    #[must_use]
    pub fn reach(&self) -> Reach {
        match self.window.to.since(self.window.from) {
            _ if self.window.to == Stamp::NO_END => Reach::Ahead,
            span if span <= SHORT => Reach::Short,
            span if span <= LONGEST => Reach::Long,
            _ => Reach::Alone,
        }
    }
}

/// What can be asked in one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alike {
    /// How far it reaches back.
    pub reach: Reach,
    /// Which stream it asks for.
    pub stream: Stream,
}

/// What was learned of each kind of request.
#[derive(Clone, Debug, Default)]
pub struct Learned(BTreeMap<Alike, Sharing>);

impl Learned {
    /// Takes what was learned of one kind, for a round of it; [`Learned::put`] brings it back.
    pub fn take(&mut self, alike: Alike) -> Sharing {
        self.0.remove(&alike).unwrap_or_default()
    }

    /// Keeps what was learned in a round.
    pub fn put(&mut self, alike: Alike, sharing: Sharing) {
        self.0.insert(alike, sharing);
    }

    /// What an answer shows to be deleted, no answer of live listings need show any more.
    pub fn answered(&mut self, stream: Stream, page: &Page) {
        if stream.presence() == Presence::Deleted {
            let deleted: BTreeSet<ListingKey> = page.records.iter().map(|record| record.key.clone()).collect();
            self.0.values_mut().for_each(|sharing| sharing.forget(&deleted));
        }
    }
}

/// A feed that asks alone for a while.
#[derive(Clone, Copy, Debug)]
struct Apart {
    rounds: u32,
    left: u32,
}

/// What was learned of sharing, for one kind of work with one stream.
#[derive(Clone, Debug)]
pub struct Sharing {
    /// So many feeds at most are asked together.
    most: usize,
    calm: u32,
    calm_wanted: u32,
    apart: BTreeMap<FeedId, Apart>,
    /// The newest record that an answer has shown. Each window reaches back to it, so that an answer which is stale or falsely empty
    /// is known by lacking it.
    newest: Option<(Stamp, ListingKey)>,
    lacking: u32,
}

impl Default for Sharing {
    fn default() -> Sharing {
        Sharing { most: usize::MAX, calm: 0, calm_wanted: CALM_ROUNDS, apart: BTreeMap::new(), newest: None, lacking: 0 }
    }
}

impl Sharing {
    /// Divides the questions of a round into parts, each to be asked together. Feeds that ask alone are left out.
    pub(super) fn divide(&mut self, questions: Vec<Question>) -> Vec<Vec<Question>> {
        let shares = |question: &Question| question.reach() != Reach::Alone && !self.stands_apart(&question.feed);
        let mut together: Vec<Question> = questions.into_iter().filter(shares).collect();
        // Those that reach back equally far are asked together, so that few feeds make the window of many long.
        together.sort_by_key(|question| (std::cmp::Reverse(question.window.from), question.feed.clone()));
        parts(together, self.most)
    }

    /// Counts a round of a feed that asks alone, until it may try again to share.
    fn stands_apart(&mut self, feed: &FeedId) -> bool {
        let Some(apart) = self.apart.get_mut(feed) else { return false };
        apart.left = apart.left.saturating_sub(1);
        apart.left > 0
    }

    /// The window of a request for these feeds; it reaches back to the newest known record.
    pub(super) fn window(&self, part: &[Question]) -> Window {
        let from = part.iter().map(|question| question.window.from).min().unwrap_or(Stamp::FIRST);
        let to = part.iter().map(|question| question.window.to).max().unwrap_or(Stamp::FIRST);
        let anchor = self.anchor(part, to).map(|(stamp, _)| stamp.minus(super::window::PAD * 2));
        Window { from: anchor.map_or(from, |anchor| anchor.min(from)), to }
    }

    /// The newest known record, if one of these feeds has it and it lies near enough.
    fn anchor(&self, part: &[Question], to: Stamp) -> Option<&(Stamp, ListingKey)> {
        let near = |stamp: Stamp| to != Stamp::NO_END && stamp <= to && to.since(stamp) <= LONGEST;
        self.newest.as_ref().filter(|(stamp, key)| near(*stamp) && part.iter().any(|question| question.feed == key.feed))
    }

    /// Whether a whole answer lacks the newest known record. After [`MOST_LACKING`] such answers in a row, the record is taken to be gone.
    pub(super) fn lacks_newest(&mut self, part: &[Question], window: Window, page: &Page) -> bool {
        let inside = |stamp: Stamp| window.from.plus(super::window::PAD) < stamp && stamp < window.to.minus(super::window::PAD);
        let anchor = self.anchor(part, window.to).filter(|(stamp, _)| inside(*stamp));
        let lacks = anchor.is_some_and(|(_, key)| !page.records.iter().any(|record| record.key == *key));
        self.lacking = if lacks { self.lacking + 1 } else { 0 };
        if self.lacking > MOST_LACKING {
            (self.newest, self.lacking) = (None, 0);
            return false;
        }
        lacks
    }

    pub(super) fn saw(&mut self, page: &Page, until: Stamp) {
        let newest = page
            .records
            .iter()
            .filter_map(|record| Some((record.selected_by()?, record.key.clone())))
            .filter(|(stamp, _)| *stamp <= until)
            .max();
        self.newest = self.newest.take().max(newest);
    }

    /// These are known to be deleted, so no answer of live listings need show them.
    pub(super) fn forget(&mut self, deleted: &BTreeSet<ListingKey>) {
        self.newest = self.newest.take().filter(|(_, key)| !deleted.contains(key));
    }

    /// Learns from a round: how many feeds were asked together at most and answered whole, and which ones were left over.
    pub(super) fn learn(&mut self, asked: usize, whole_most: usize, troubled: bool, singled: Vec<FeedId>) {
        if !troubled {
            self.apart.retain(|_, apart| apart.left > 0);
            self.calm += 1;
            if self.calm >= self.calm_wanted {
                match self.most < asked {
                    true => self.most = self.most.saturating_mul(2),
                    false => self.calm_wanted = CALM_ROUNDS,
                }
                self.calm = 0;
            }
            return;
        }
        // If a few feeds cause it, they are left out; otherwise the list was too long.
        let few = !singled.is_empty() && singled.len() * 8 <= asked.max(16);
        if !few {
            self.most = whole_most.max(1);
            self.calm_wanted = (self.calm_wanted * 2).min(MOST_CALM_ROUNDS);
        }
        self.calm = 0;
        for feed in singled {
            let rounds = self.apart.get(&feed).map_or(APART_ROUNDS, |apart| (apart.rounds * 2).min(MOST_APART_ROUNDS));
            self.apart.insert(feed, Apart { rounds, left: rounds });
        }
    }
}

/// Cuts a list into parts of at most so many feeds, with lists that an address may hold.
pub(super) fn parts(questions: Vec<Question>, most: usize) -> Vec<Vec<Question>> {
    let mut parts: Vec<Vec<Question>> = Vec::new();
    let mut bytes = 0;
    for question in questions {
        let more = BEFORE_FEED + question.feed.0.len();
        match parts.last_mut() {
            Some(part) if part.len() < most && bytes + more <= LONGEST_LIST => part.push(question),
            _ => {
                bytes = 0;
                parts.push(vec![question]);
            }
        }
        bytes += more;
    }
    parts
}

/// The feeds of the longest list that an address may hold, in the order of their names.
#[must_use]
pub(crate) fn one_list(feeds: impl Iterator<Item = FeedId>) -> Vec<FeedId> {
    let window = Window { from: Stamp::FIRST, to: Stamp::FIRST };
    let feeds: BTreeSet<FeedId> = feeds.collect();
    let longest = parts(feeds.into_iter().map(|feed| Question { feed, window }).collect(), usize::MAX);
    longest.into_iter().next().unwrap_or_default().into_iter().map(|question| question.feed).collect()
}
