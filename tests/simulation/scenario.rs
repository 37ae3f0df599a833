//! What a seed stands for: a vendor, a mirror's settings, and how rough the sea is.

use super::wild::Wild;
use mls_sync::entity;
use mls_sync::plan::options::{LookbackRule, Options as PlanOptions};
use mls_sync::record::zone::TimestampZone;
use mls_sync::record::{DayTime, Stamp, Stream};
use mls_sync::sandbox::{
    Bounds, DeletedContent, DeletedDetail, FromMode, NextPage, Options as Vendor, PagePastEnd, Shape, SortOrder, StampGrain,
};
use std::time::Duration;

/// Seeded numbers (SplitMix64).
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        let mut dice = Dice(seed.wrapping_mul(0xA24B_AED4_963E_E407) ^ 0x5EED);
        dice.draw();
        dice
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `0..limit`; 0 when the limit is 0.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.draw() % limit.max(1)
    }

    pub(super) fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// True in so many of a hundred draws.
    pub(super) fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }

    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }
}

pub(super) const FEED: &str = "GAMLS";
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// A known gap is read again after this at the latest.
const LONGEST_GAP: Duration = Duration::from_secs(6 * 3600);

/// What a seed stands for.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) vendor: Vendor,
    pub(super) plan: PlanOptions,
    pub(super) zone: TimestampZone,
    /// The Date header is off by this.
    pub(super) date_skew: i64,
    pub(super) no_date: bool,
    /// Commands during which the world changes.
    pub(super) commands: u32,
    /// Of a hundred changes, so many are published late.
    pub(super) late_percent: u64,
    pub(super) latest: Duration,
    pub(super) silent: bool,
    /// Of a hundred requests, so many fail.
    pub(super) fail_percent: u64,
    /// Of a hundred commands, so many are followed by a kill.
    pub(super) kill_percent: u64,
    pub(super) longest_downtime: Duration,
    /// Our own clock steps by up to this.
    pub(super) clock_step: Duration,
    /// Of a hundred transactions, so many are refused by the database.
    pub(super) refuse_percent: u64,
    /// A one-shot run loads the empty file, and a daemon follows when it has ended.
    pub(super) loads_once: bool,
    pub(super) wild: Wild,
}

impl Scenario {
    pub(super) fn draw(seed: u64, dice: &mut Dice) -> Scenario {
        let stable = [SortOrder::UpdatedAsc, SortOrder::UpdatedDesc, SortOrder::Id];
        let zone_hours = dice.pick(&[0, 0, 0, -8, -5, 9]);
        let vendor = Vendor {
            feeds: vec![FEED.to_owned()],
            listings: 8 + dice.index(45),
            deleted: dice.index(15),
            seed,
            history_days: dice.pick(&[1, 30, 400]),
            bulk: if dice.percent(40) { dice.index(30) } else { 0 },
            frozen_at: Some(DayTime(begin())),
            order: if dice.percent(75) { dice.pick(&stable) } else { dice.pick(&[SortOrder::Unstable, SortOrder::UnstableTies]) },
            bounds: dice.pick(&[Bounds::Inclusive, Bounds::Exclusive]),
            from_mode: dice.pick(&[FromMode::Exact, FromMode::Exact, FromMode::FloorToMidnight, FromMode::Ignored]),
            zone_hours,
            all_includes_deleted: dice.percent(50),
            deletions: dice.pick(&[DeletedContent::Full, DeletedContent::Sparse, DeletedContent::SparseNull]),
            deleted_detail: dice.pick(&[DeletedDetail::NotFound, DeletedDetail::Record]),
            shape: dice.pick(&[Shape::Union, Shape::Class, Shape::Table, Shape::Mixed]),
            unknown_members: dice.percent(30),
            stamp_grain: dice.pick(&[StampGrain::Tick, StampGrain::Millisecond, StampGrain::Second]),
            page_size: 3 + dice.index(8),
            next_page: dice.pick(&[NextPage::Null, NextPage::Absent]),
            page_past_end: dice.pick(&[PagePastEnd::Empty, PagePastEnd::LastAgain, PagePastEnd::NotFound]),
            ..Vendor::default()
        };
        let matched = dice.percent(85);
        let zone = if matched { format!("{}{:02}:00", if zone_hours < 0 { '-' } else { '+' }, zone_hours.abs()) } else { "UTC".to_owned() };
        let seconds = |dice: &mut Dice, choices: &[u64]| Duration::from_secs(dice.pick(choices));
        let rung = |every, reach| LookbackRule { every, reach };
        let ladders = [vec![rung(MINUTE * 20, HOUR * 2), rung(HOUR * 24, HOUR * 72)], vec![rung(MINUTE * 30, HOUR * 3)], Vec::new()];
        let interval = seconds(dice, &[20, 60, 300, 900]);
        // Some follow the changes.
        let follows = seed.is_multiple_of(5);
        let loads_once = Dice::new(seed ^ 0x10AD).percent(40);
        let plan = PlanOptions {
            streams: vec![Stream::All, Stream::Deleted],
            deletions: entity::Deletions::Stream,
            interval,
            interval_min: follows.then_some(interval / 4),
            interval_max: follows.then_some(interval * 4),
            overlap: seconds(dice, &[0, 5, 120]),
            settle: seconds(dice, &[0, 2, 30]),
            since: Stamp::parse("1900-01-01").expect("a date"),
            // A first load may read all in one window.
            window_pages: (1 + dice.below(4)) * if loads_once { 12 } else { 1 },
            lookbacks: ladders[dice.index(ladders.len())].clone(),
            ahead_every: Some(MINUTE * 20),
            // The last scan comes by this schedule; without one, by `mls-sync reconcile`.
            scan_every: if dice.percent(50) { Some(seconds(dice, &[3600, 6 * 3600, 86_400])) } else { None },
            scan_now: false,
            confirm_budget: 10_000,
            dry_run: false,
            once: false,
            shared: false,
            seed,
        };
        Scenario {
            vendor,
            plan,
            zone: zone.parse().expect("a zone"),
            date_skew: if dice.percent(60) { 0 } else { dice.pick(&[-3600, -20, -2, 1, 3, 25, 3600]) },
            no_date: dice.percent(15),
            commands: 40 + dice.below(100) as u32,
            late_percent: dice.pick(&[0, 0, 10, 30]),
            latest: seconds(dice, &[1, 30, 600, 2 * 3600, 30 * 3600]),
            silent: dice.percent(50),
            fail_percent: dice.pick(&[0, 4, 15]),
            kill_percent: dice.pick(&[0, 3, 10]),
            longest_downtime: seconds(dice, &[2, 600, 20 * 3600]),
            clock_step: if dice.percent(70) { Duration::ZERO } else { seconds(dice, &[5, 300, 7200]) },
            // From dice of its own, so that seeds of earlier versions stand for the same worlds.
            refuse_percent: Dice::new(!seed).pick(&[0, 0, 4]),
            loads_once,
            wild: Wild::default(),
        }
    }

    pub(super) fn stable_order(&self) -> bool {
        !matches!(self.vendor.order, SortOrder::Unstable | SortOrder::UnstableTies)
    }

    /// Whether the mirror promises to be true without a scan.
    ///
    /// It does not, where only a scan can tell (a removal without a word); where listings are published late, because
    /// one that enters a window while it is read hides one that leaves it (the total stays); where the order of records
    /// changes from page to page, for the same reason; and where neither our clock nor the vendor's Date header keeps
    /// time with the vendor's stamps, because a window may then end in their future.
    pub(super) fn true_without_scan(&self) -> bool {
        !self.silent
            && !self.wild.passes()
            && self.late_percent == 0
            && self.stable_order()
            && self.date_skew <= 0
            && self.zone_matches()
            && (!self.no_date || self.clock_step.is_zero())
    }

    fn zone_matches(&self) -> bool {
        let noon = begin();
        self.zone.local(noon).0 - noon.0 == i64::from(self.vendor.zone_hours) * 36_000_000_000
    }

    /// After the last change, everything that is promised has come true after this, but for the scan.
    pub(super) fn horizon(&self) -> Duration {
        let zone = if self.zone_matches() { Duration::ZERO } else { HOUR * 16 };
        let late = if self.late_percent > 0 { self.latest } else { Duration::ZERO };
        let clocks = Duration::from_secs(self.date_skew.unsigned_abs()) + self.clock_step * 2;
        let gaps = if self.wild.any() { LONGEST_GAP } else { Duration::ZERO };
        HOUR + zone + late + clocks + gaps + self.plan.settle + self.plan.interval
    }
}

pub(super) fn begin() -> Stamp {
    Stamp::parse("2026-05-04T12:00:00").expect("a date")
}
