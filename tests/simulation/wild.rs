//! What vendors do that no document tells of. Most seeds have none of it.
//!
//! A listing that is counted and never shown, a listing whose page cannot be sent, and a vendor that cannot answer for many
//! matches stay as they are when the world stands still. Totals that lag, answers of a stale replica, and answers that are
//! falsely empty end then.

use super::answers::empty_page;
use super::driver::Driver;
use super::oracle;
use super::scenario::{Dice, FEED};
use super::shared::is_own;
use mls_sync::record::{Failure, ListingId, Page, PageRequest, Stamp};
use mls_sync::sandbox::{Backup, FromMode, Options as Vendor, Truths, World};
use mls_sync::vendor::constellation1;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// Answers of a stale replica are as old as this at most.
const STALEST: Duration = Duration::from_secs(30);
/// The world is remembered whenever it has changed, which takes so long at most.
const CHANGING: Duration = Duration::from_secs(5);
/// What may be left unread after quiet, in all streams together: a few of the smallest stretches, as they are cut.
const MOST_UNREAD: Duration = Duration::from_secs(60);
/// A stretch is cut no further when it is shorter than this, and is asked for a little wider, so that a listing may lie in two.
const SMALLEST: Duration = Duration::from_secs(8);

/// How long a listing cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Poison {
    /// From the beginning, for ever.
    Ever,
    /// From the beginning, until it changes.
    UntilChanged,
    /// From a change on that happens while the mirror runs, for ever.
    Fresh,
}

/// What the vendor does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wild {
    /// A listing is counted and never shown.
    pub(super) phantom: bool,
    /// Each page that holds a certain listing fails.
    pub(super) poison: Option<Poison>,
    /// A window of more matches than this fails.
    pub(super) widest: Option<u64>,
    /// Total is that of so long ago.
    pub(super) total_lag: Duration,
    /// Of a hundred answers, so many are of a stale replica.
    pub(super) stale_percent: u64,
    /// Of a hundred answers, so many are falsely empty.
    pub(super) empty_percent: u64,
    /// After so many of a hundred answers that are a part of a window, one listing leaves it and one is published into it.
    pub(super) swap_percent: u64,
    /// A backup is put back, so that stamps go back.
    pub(super) restores: bool,
}

impl Wild {
    /// From dice of its own, so that a seed stands for the world that it stood for without.
    pub(super) fn draw(seed: u64, vendor: &Vendor) -> Wild {
        let mut dice = Dice::new(!seed ^ 0x311D);
        let mut wild = Wild::default();
        let faults = if dice.percent(60) { 0 } else { dice.pick(&[1, 1, 1, 2]) };
        let forced = std::env::var("MLS_SYNC_SIM_WILD").ok();
        let forced = forced.iter().flat_map(|names| names.split(',')).map(|name| match name {
            "phantom" => 0,
            "poison" => 1,
            "wide" => 2,
            "lag" => 3,
            "stale" => 4,
            "empty" => 5,
            "swap" => 6,
            "restore" => 7,
            "none" => 8,
            other => panic!("{other} is no fault of MLS_SYNC_SIM_WILD"),
        });
        let mut kinds: Vec<u64> = forced.collect();
        if kinds.is_empty() {
            kinds = (0..faults).map(|_| dice.below(6)).collect();
            // Most seeds stand for the world that they stood for before there were these.
            kinds.extend((kinds.is_empty() && seed.is_multiple_of(4)).then(|| dice.pick(&[6, 7])));
        }
        // Where From is not obeyed exactly, a day or all listings have the trouble, and no scan can be proven.
        let exact = vendor.from_mode == FromMode::Exact;
        for kind in kinds {
            match kind {
                0..3 if !exact => {}
                0 => wild.phantom = true,
                1 => wild.poison = Some(dice.pick(&[Poison::Ever, Poison::UntilChanged, Poison::Fresh])),
                2 => wild.widest = Some((vendor.page_size * (1 + dice.index(4))) as u64 + dice.below(3)),
                3 => wild.total_lag = Duration::from_secs(2 + dice.below(20)),
                4 => wild.stale_percent = dice.pick(&[5, 20, 50]),
                5 => wild.empty_percent = dice.pick(&[3, 10, 25]),
                6 => wild.swap_percent = dice.pick(&[20, 80]),
                7 => wild.restores = true,
                _ => {}
            }
        }
        wild
    }

    /// Whether any of it ends when the world stands still.
    pub(super) fn passes(&self) -> bool {
        !self.total_lag.is_zero() || self.stale_percent > 0 || self.empty_percent > 0 || self.swap_percent > 0 || self.restores
    }

    /// Whether any of it goes on when the world stands still.
    pub(super) fn stays(&self) -> bool {
        self.phantom || self.poison.is_some() || self.widest.is_some()
    }

    pub(super) fn any(&self) -> bool {
        self.passes() || self.stays()
    }

    /// An answer may be as old as this, or a part of it.
    pub(super) fn staleness(&self) -> Duration {
        let stale = if self.stale_percent > 0 { STALEST } else { Duration::ZERO };
        let lag = stale.max(self.total_lag);
        if lag.is_zero() { lag } else { lag + CHANGING }
    }
}

/// What the vendor does it with.
pub(super) struct Wilderness {
    dice: Dice,
    pub(super) phantom: Option<ListingId>,
    poison: Option<ListingId>,
    /// The stamp with which it cannot be sent, where that ends with its next change.
    poisoned_until: Option<Stamp>,
    backup: Option<Backup>,
    /// The window of the last answer, if that was a part of it alone.
    part_of: Option<PageRequest>,
    /// The world as it was.
    before: VecDeque<(Stamp, World)>,
}

impl Wilderness {
    pub(super) fn new(seed: u64) -> Wilderness {
        let dice = Dice::new(!seed ^ 0x3115);
        Wilderness { dice, phantom: None, poison: None, poisoned_until: None, backup: None, part_of: None, before: VecDeque::new() }
    }
}

impl Driver {
    pub(super) fn begin_in_the_wild(&mut self) {
        let wild = self.scenario.wild;
        if wild.phantom {
            self.wild.phantom = self.any_listing();
            self.oracle.phantom = self.wild.phantom.as_ref().map(|listing| listing.0.clone());
        }
        if matches!(wild.poison, Some(Poison::Ever | Poison::UntilChanged)) {
            self.wild.poison = self.any_listing();
        }
        if wild.poison == Some(Poison::UntilChanged) {
            self.wild.poisoned_until = self.wild.poison.as_ref().and_then(|poison| Some(self.world.truth(FEED).get(poison)?.stamp));
        }
        self.remember();
    }

    fn any_listing(&mut self) -> Option<ListingId> {
        let truths = self.world.truth(FEED);
        let all: Vec<&ListingId> = truths.keys().filter(|listing| Some(*listing) != self.wild.phantom.as_ref()).collect();
        (!all.is_empty()).then(|| all[self.wild.dice.index(all.len())].clone())
    }

    /// Half way through, a listing is changed so that it cannot be sent any more; a backup is made before that, and put back after.
    pub(super) fn spoil_in_the_wild(&mut self, command: u32) {
        if self.scenario.wild.restores && command == self.scenario.commands / 4 {
            self.wild.backup = Some(self.world.backup(FEED));
        }
        if command == self.scenario.commands * 3 / 4
            && let Some(backup) = self.wild.backup.take()
        {
            self.put_back(&backup);
        }
        self.swap();
        if self.scenario.wild.poison == Some(Poison::Fresh) && command == self.scenario.commands / 2 {
            self.wild.poison = self.any_listing();
            let poison = self.wild.poison.clone();
            self.moved |= poison.is_some_and(|poison| self.world.edit(FEED, &poison));
        }
    }

    fn put_back(&mut self, backup: &Backup) {
        let before = self.world.truth(FEED);
        self.world.put_back(backup);
        self.moved = true;
        for (listing, truth) in self.world.truth(FEED) {
            let was = &before[&listing];
            if (was.stamp, was.deleted) != (truth.stamp, truth.deleted) {
                *self.oracle.revivals.entry(listing.0.clone()).or_default() += u64::from(was.deleted && !truth.deleted);
                self.oracle.put_back.insert(listing.0, truth.stamp);
            }
        }
    }

    /// While a window is read page by page, a listing leaves it and one with a stamp at an edge of it is published into it, so that
    /// Total stays and the records between them move by one.
    fn swap(&mut self) {
        let Some(part_of) = self.wild.part_of.take() else { return };
        let Some(leaves) = self.last_page.get(self.wild.dice.index(self.last_page.len())).cloned() else { return };
        let truths = self.world.truth(FEED);
        let inside = |stamp: &Stamp| part_of.window.from <= *stamp && *stamp <= part_of.window.to;
        let stamps = truths.values().map(|truth| truth.stamp).filter(inside);
        let Some((oldest, newest)) = stamps.fold(None, |ends: Option<(Stamp, Stamp)>, stamp| {
            Some(ends.map_or((stamp, stamp), |(oldest, newest)| (oldest.min(stamp), newest.max(stamp))))
        }) else {
            return;
        };
        let second = self.wild.dice.pick(&[Duration::ZERO, Duration::from_secs(1)]);
        let stamp = self.wild.dice.pick(&[oldest.minus(second), newest.plus(second)]);
        let stamped_at = Stamp(stamp.0 - i64::from(self.scenario.vendor.zone_hours) * 36_000_000_000);
        if !inside(&stamp) || stamped_at >= self.time || !self.world.edit(FEED, &leaves) {
            return;
        }
        self.world.set_clock(stamped_at);
        self.world.add_late(FEED, self.time.since(stamped_at));
        self.world.set_clock(self.time);
        self.moved = true;
        self.stats.swaps += 1;
    }

    pub(super) fn is_poison(&self, listing: &ListingId) -> bool {
        let stamp = || self.world.truth(FEED).get(listing).map(|truth| truth.stamp);
        self.wild.poison.as_ref() == Some(listing) && self.wild.poisoned_until.is_none_or(|until| stamp() == Some(until))
    }

    /// The world is remembered after it has changed.
    pub(super) fn remember(&mut self) {
        if self.scenario.wild.staleness().is_zero() {
            return;
        }
        let oldest = self.time.minus(self.scenario.wild.staleness());
        while self.wild.before.get(1).is_some_and(|(at, _)| *at <= oldest) {
            self.wild.before.pop_front();
        }
        self.wild.before.push_back((self.time, self.world.clone()));
    }

    /// What was answered so long ago.
    fn answered_before(&mut self, lag: Duration, request: &PageRequest) -> Option<Page> {
        let then = self.time.minus(lag);
        let (_, world) = self.wild.before.iter_mut().rev().find(|(at, _)| *at <= then)?;
        world.set_clock(then);
        let reply = world.answer_page(request);
        constellation1::read_page(&reply.body).ok().filter(|_| reply.status == 200)
    }

    /// The answer as a vendor gives it that does not keep to its document, and whether it is falsely empty.
    pub(super) fn in_the_wild(&mut self, request: &PageRequest, page: Page) -> Result<(Page, bool), Failure> {
        let wild = self.scenario.wild;
        let mut page = match !self.quiet && self.wild.dice.percent(wild.stale_percent) {
            true => {
                let lag = Duration::from_millis(self.wild.dice.below(STALEST.as_millis() as u64));
                self.answered_before(lag, request).unwrap_or(page)
            }
            false => page,
        };
        if page.records.iter().any(|record| is_own(record) && self.is_poison(&record.key.listing))
            || wild.widest.is_some_and(|most| page.total > most)
        {
            return Err(Failure::Unavailable);
        }
        page.records.retain(|record| !is_own(record) || Some(&record.key.listing) != self.wild.phantom.as_ref());
        if !self.quiet && !wild.total_lag.is_zero() {
            page.total = self.answered_before(wild.total_lag, request).map_or(page.total, |before| before.total);
        }
        let emptied = !self.quiet && self.wild.dice.percent(wild.empty_percent);
        if emptied {
            page = empty_page()?;
        }
        let is_part = page.total > page.records.len() as u64;
        self.wild.part_of = (is_part && wild.swap_percent > 0 && self.wild.dice.percent(wild.swap_percent)).then(|| request.clone());
        Ok((page, emptied))
    }

    /// What is to be in the file: everything but the listing that is never shown.
    pub(super) fn truths(&self) -> Truths {
        let mut truths = self.world.truths();
        truths.retain(|feed, _| *feed == self.feed);
        truths.values_mut().for_each(|listings| listings.retain(|listing, _| Some(listing) != self.wild.phantom.as_ref()));
        truths
    }

    /// What may differ from the world: the listing that is never shown, the one that cannot be sent, and what lies in a known gap.
    pub(super) fn excused(&self) -> BTreeSet<ListingId> {
        if !self.scenario.wild.stays() {
            return BTreeSet::new();
        }
        let file = oracle::look(&self.path());
        let gaps = oracle::unread(&file);
        let is_unread = |stamp: Stamp| gaps.iter().any(|gap| gap.from <= stamp && stamp <= gap.to);
        let truths = self.world.truth(FEED);
        let unread = truths.iter().filter(|(listing, truth)| is_unread(truth.stamp) || self.is_poison(listing));
        // A row stays whose listing is gone without a word, where the scan could not show that.
        let stays = oracle::stamps(&file).into_iter().filter(|(_, stamp)| stamp.is_some_and(is_unread)).map(|(listing, _)| listing);
        // Nor can it be asked whether the one that cannot be sent is gone.
        let poison = self.wild.poison.iter().filter(|listing| self.is_poison(listing)).cloned();
        unread.map(|(listing, _)| listing.clone()).chain(self.wild.phantom.clone()).chain(poison).chain(stays).collect()
    }

    /// Known gaps are no more than what the trouble takes.
    pub(super) fn known_gaps_are_small(&self) -> Result<(), String> {
        let gaps = oracle::unread(&oracle::look(&self.path()));
        if !self.scenario.wild.stays() {
            return if gaps.is_empty() { Ok(()) } else { Err(format!("known gaps are left of a vendor that is well: {gaps:?}")) };
        }
        let unread: Duration = gaps.iter().map(|gap| gap.to.since(gap.from)).sum();
        // Where listings lie so closely that each of the smallest stretches holds more than can be answered, all of these are left.
        let lies_in = |stamp: Stamp| gaps.iter().any(|gap| gap.from <= stamp && stamp <= gap.to);
        let listings = self.world.truth(FEED).values().filter(|truth| lies_in(truth.stamp)).count() as u64;
        let crowded = self.scenario.wild.widest.map_or(0, |widest| 2 * listings / (widest + 1));
        if unread <= MOST_UNREAD + SMALLEST * crowded as u32 { Ok(()) } else { Err(format!("{unread:?} are left unread: {gaps:?}")) }
    }
}
