//! Feeds that share their requests with the one that is mirrored, and what an answer for all of them is worth to it.
//!
//! Who asks together and what each is told, the program itself decides (`plan::sharing`, `plan::gathering`). The other feeds have no
//! session: what they ask for is drawn, as a feed asks that is up to date.

use super::driver::{Driver, Sabotage};
use super::scenario::{Dice, FEED, HOUR, MINUTE};
use mls_sync::plan::gathering::{Gathering, Outcome};
use mls_sync::plan::options::Purpose;
use mls_sync::plan::sharing::{Alike, Learned, Question};
use mls_sync::record::{Failure, FeedId, ListingId, Page, PageRequest, Record, Stamp, Window};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// As `sync::gatherer` has it: whoever was not told by then asks alone.
const LONGEST_ROUND: Duration = Duration::from_secs(30);

/// What is wrong with one of the other feeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Refused,
    Unauthorized,
    Unavailable,
    Malformed,
    /// A listing of it is counted and never shown.
    Phantom,
}

/// The other feeds, from dice of their own, so that a seed stands for the same world as without them.
#[derive(Debug)]
pub(super) struct Company {
    dice: Dice,
    feeds: Vec<FeedId>,
    listings: usize,
    trouble: Option<(FeedId, Trouble)>,
    /// The trouble ends when the world stands still.
    passes: bool,
    /// Longer lists are refused.
    longest: Option<usize>,
    /// Of a hundred steps, so many change one of them.
    busy_percent: u64,
    learned: BTreeMap<Purpose, Learned>,
}

/// What is asked for all, and for whom.
struct Asking<'a> {
    purpose: Purpose,
    /// What the feed that is mirrored asks for.
    own: &'a PageRequest,
    list: PageRequest,
}

impl Company {
    pub(super) fn draw(seed: u64) -> Company {
        let mut dice = Dice::new(!seed ^ 0x5AA3);
        let count = dice.pick(&[1, 1, 2, 2, 4, 12, 40]);
        // Some come before the one that is mirrored and some after it, in the order of their names.
        let feeds: Vec<FeedId> = (0..count).map(|feed| FeedId(format!("{}{feed:02}", if dice.percent(50) { 'A' } else { 'Z' }))).collect();
        let troubles = [Trouble::Refused, Trouble::Unauthorized, Trouble::Unavailable, Trouble::Malformed, Trouble::Phantom];
        let trouble = dice.percent(40).then(|| (feeds[dice.index(count)].clone(), dice.pick(&troubles)));
        let longest = dice.percent(15).then(|| 1 + dice.index(count));
        let (listings, busy_percent, passes) = (1 + dice.index(4), dice.pick(&[5, 20, 60]), dice.percent(50));
        Company { dice, feeds, listings, trouble, passes, longest, busy_percent, learned: BTreeMap::new() }
    }

    /// What the other feeds ask for at the same time: most of them, as far back as the one that is mirrored or somewhat less or more.
    fn questions(&mut self, own: &Question, settings: (Duration, Duration)) -> Vec<Question> {
        let dice = &mut self.dice;
        let joins = dice.pick(&[100, 90, 40]);
        let asking: Vec<&FeedId> = self.feeds.iter().filter(|_| dice.percent(joins)).collect();
        let questions = asking.into_iter().map(|feed| Question { feed: feed.clone(), window: beside(own.window, settings, dice) });
        questions.filter(|question| question.reach() == own.reach()).collect()
    }

    /// Why a request for these feeds is not answered.
    fn fails(&self, list: &PageRequest, quiet: bool) -> Option<Failure> {
        if self.longest.is_some_and(|longest| list.feeds.len() > longest) {
            return Some(Failure::Refused);
        }
        match self.trouble_in(list, quiet)? {
            Trouble::Refused => Some(Failure::Refused),
            Trouble::Unauthorized => Some(Failure::Unauthorized),
            Trouble::Unavailable => Some(Failure::Unavailable),
            Trouble::Malformed => Some(Failure::Malformed),
            Trouble::Phantom => None,
        }
    }

    fn trouble_in(&self, list: &PageRequest, quiet: bool) -> Option<Trouble> {
        let (feed, trouble) = self.trouble.as_ref()?;
        (list.feeds.contains(feed) && !(quiet && self.passes)).then_some(*trouble)
    }

    /// The process has ended, and what it had learned is lost.
    pub(super) fn forget(&mut self) {
        self.learned.clear();
    }
}

/// The window of a feed that asks at about the same time.
fn beside(own: Window, (overlap, interval): (Duration, Duration), dice: &mut Dice) -> Window {
    let off = Duration::from_millis(dice.pick(&[0, 0, 200, 2_000]));
    let to = match dice.percent(50) {
        _ if own.to == Stamp::NO_END => own.to,
        true => own.to.minus(off),
        false => own.to.plus(off),
    };
    let usual = to.minus(overlap + interval + Duration::from_secs(1));
    let from = match dice.below(6) {
        _ if own.to == Stamp::NO_END => own.from.minus(off),
        0 => own.from,
        1 => to.minus(MINUTE * dice.below(60) as u32),
        2 => to.minus(HOUR + MINUTE * dice.below(14 * 60) as u32),
        _ => usual,
    };
    Window { from, to }
}

impl Driver {
    /// The other feeds change as well.
    pub(super) fn meddle_with_others(&mut self) {
        let Some(company) = &mut self.company else { return };
        let dice = &mut company.dice;
        if !dice.percent(company.busy_percent) {
            return;
        }
        let feed = company.feeds[dice.index(company.feeds.len())].0.clone();
        let all: Vec<(ListingId, bool)> = self.world.truth(&feed).into_iter().map(|(listing, truth)| (listing, truth.deleted)).collect();
        let any = (!all.is_empty()).then(|| all[dice.index(all.len())].clone());
        let late_by = if dice.percent(20) { Duration::from_secs(dice.below(60)) } else { Duration::ZERO };
        match (dice.below(20), any) {
            (0, _) => drop(self.world.bulk_touch(&feed, self.scenario.vendor.page_size * 2)),
            (1..4, _) | (_, None) => drop(self.world.add_late(&feed, late_by)),
            (_, Some((listing, true))) => drop(self.world.revive_late(&feed, &listing, late_by)),
            (4..8, Some((listing, false))) => drop(self.world.delete_late(&feed, &listing, late_by)),
            (_, Some((listing, false))) => drop(self.world.edit_late(&feed, &listing, late_by)),
        }
    }

    pub(super) fn begin_company(&mut self) {
        let Some(company) = &self.company else { return };
        company.feeds.iter().for_each(|feed| self.world.add_feed(&feed.0, company.listings));
    }

    /// Asks together with the others; `None` where the feed is to ask alone.
    pub(super) fn shared(&mut self, purpose: Purpose, request: &PageRequest) -> Option<Result<Page, Failure>> {
        let mut company = self.company.take()?;
        // A run that ends by itself shares nothing.
        let answer = if self.options.shared { self.round(&mut company, purpose, request) } else { None };
        self.company = Some(company);
        answer
    }

    fn round(&mut self, company: &mut Company, purpose: Purpose, own: &PageRequest) -> Option<Result<Page, Failure>> {
        let question = Question::of(purpose, own)?;
        let alike = Alike { reach: question.reach(), stream: own.stream };
        let mut questions = company.questions(&question, (self.options.overlap, self.options.interval));
        if questions.is_empty() {
            return None;
        }
        questions.push(question);
        let mut learned = company.learned.remove(&purpose).unwrap_or_default();
        let mut sharing = learned.take(alike);
        let mut gathering = Gathering::begin(&mut sharing, own.stream, questions);
        let latest = self.time.plus(LONGEST_ROUND);
        let mut answer = None;
        while self.time < latest
            && let Some(list) = gathering.next(&sharing)
        {
            let asking = Asking { purpose, own, list };
            let (told, emptied, failed) = match self.list_answered(company, &asking) {
                Ok((page, emptied)) => {
                    learned.answered(own.stream, &page);
                    (gathering.answered(&mut sharing, page), emptied, None)
                }
                Err(failure) => (gathering.failed(&failure), false, Some(failure)),
            };
            let own_part = told.into_iter().find(|(feed, _)| *feed == self.feed).map(|(_, outcome)| outcome);
            answer = answer.or(match (own_part, failed) {
                (Some(Outcome::Page(page)), _) => {
                    self.oracle.claims.answered(purpose, own, &page, emptied);
                    self.stats.shared += 1;
                    Some(Ok(page))
                }
                (Some(Outcome::Failed), Some(failure)) => Some(Err(failure)),
                (Some(Outcome::Failed | Outcome::Alone) | None, _) => None,
            });
        }
        gathering.end(&mut sharing);
        learned.put(alike, sharing);
        company.learned.insert(purpose, learned);
        answer
    }

    /// The answer for a list of feeds, and whether it is falsely empty.
    fn list_answered(&mut self, company: &Company, asking: &Asking<'_>) -> Result<(Page, bool), Failure> {
        let is_own = asking.list.feeds.contains(&self.feed);
        self.asks(is_own.then_some((asking.purpose, asking.own)));
        if let Some(failure) = company.fails(&asking.list, self.quiet) {
            return Err(failure);
        }
        let (mut page, emptied) = self.world_answers(&asking.list)?;
        page.vendor_now = self.date();
        if company.trouble_in(&asking.list, self.quiet) == Some(Trouble::Phantom) {
            page.total += 1;
        }
        if self.sabotage == Sabotage::ListsAreWhole {
            let keys: BTreeSet<_> = page.records.iter().map(|record| &record.key).collect();
            (page.total, page.next_page) = (keys.len() as u64, None);
        }
        Ok((page, emptied))
    }
}

/// Whether a record belongs to the feed that is mirrored.
pub(super) fn is_own(record: &Record) -> bool {
    record.key.feed.0 == FEED
}
