//! Second readings of a feed: look-backs, and the scan of a reconcile.

use super::FeedPlan;
use crate::plan::command::{Command, LookbackTimes, Now, Purpose, SavedScan};
use crate::plan::review::{self, Review};
use crate::plan::window::Task;
use crate::plan::zone::ZoneFinding;
use crate::record::{ListingId, Presence, Stamp, Stream, Window};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// The reconcile run that is under way.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    pub(super) run: i64,
    /// It stores nothing.
    pub(super) dry_run: bool,
    pub(super) review: Review,
    /// What is left to ask the vendor about; `None` while it is reading.
    pub(super) to_confirm: Option<VecDeque<ListingId>>,
}

impl Scan {
    pub(super) fn resume(saved: SavedScan, budget: u64) -> Scan {
        // What an earlier process has asked is spent.
        let left = usize::try_from(budget.saturating_sub(saved.asked)).unwrap_or(usize::MAX);
        let review = Review { name: None, range: saved.range, coverage: saved.coverage, doubtful: saved.doubtful };
        // A dry run is not gone on with after a restart.
        Scan { run: saved.run, dry_run: false, review, to_confirm: saved.to_confirm.map(|rows| rows.into_iter().take(left).collect()) }
    }
}

impl FeedPlan {
    pub(super) fn begin_lookback(&mut self, now: Now) -> Option<()> {
        // What was never polled cannot have been missed.
        if self.rounds == 0 {
            return None;
        }
        if self.lookback.is_none() {
            let due = review::due(
                &self.options.lookbacks,
                self.options.ahead_every,
                &self.lookback_times,
                self.settled(now),
                (now.vendor, now.ours),
            );
            let (name, range) = due?;
            let done = self.lookback_times.get(&name).map_or(Stamp(0), |times| times.done);
            self.lookback_times.insert(name.clone(), LookbackTimes { begun: now.ours, done });
            self.lookback = Some(Review::new(Some(name), range, &self.options.streams));
        }
        let task = self.lookback.as_ref()?.next(&self.lookback_spans())?;
        self.begin(Purpose::Lookback, task, now);
        Some(())
    }

    /// A vendor that takes no time of the future is not asked for it again before the next turn; nothing is missing for that.
    pub(super) fn give_up_looking_ahead(&mut self, now: Now) {
        self.open.remove(&Purpose::Lookback);
        self.lookback = None;
        self.lookback_times.insert(review::AHEAD_NAME.to_owned(), LookbackTimes { begun: now.ours, done: now.ours });
    }

    pub(super) fn looks_ahead(&self) -> bool {
        self.lookback.as_ref().is_some_and(|review| review.name.as_deref() == Some(review::AHEAD_NAME))
    }

    /// The look ahead goes to the end of time, where next to nothing is: it is read whole.
    fn lookback_spans(&self) -> BTreeMap<Stream, Duration> {
        if self.looks_ahead() { BTreeMap::new() } else { self.spans.clone() }
    }

    pub(super) fn scan_step(&mut self, now: Now) -> Option<Command> {
        let Some(scan) = &self.scan else {
            // A scan is set against a file that is complete otherwise.
            let wanted = self.scans_wanted.front().copied();
            let due = wanted.is_some() || self.scan_due(now);
            let range = Window { from: self.options.since, to: self.settled(now) };
            return (due && self.rounds > 0 && self.next_fill(now).is_none()).then_some(Command::BeginScan {
                range,
                dry_run: wanted.unwrap_or(false),
                wanted: wanted.is_some(),
            });
        };
        let run = scan.run;
        if let Some(listings) = &scan.to_confirm {
            let next = listings.front().cloned();
            return Some(next.map_or(Command::EndScan { run }, |listing| Command::Confirm { run, listing }));
        }
        match scan.review.next(&self.spans) {
            Some(task) => {
                self.begin(Purpose::Scan, task, now);
                Some(self.fetch(Purpose::Scan))
            }
            None => Some(Command::Judge { run, proven: !scan.review.doubtful }),
        }
    }

    pub(super) fn scan_due(&self, now: Now) -> bool {
        let every = self.options.scan_every.filter(|_| !self.options.once);
        every.is_some_and(|every| self.last_scan.is_some_and(|last| now.ours.since(last) >= every))
    }

    /// A run got its row.
    pub fn scan_begun(&mut self, run: i64, range: Window, now: Now) {
        let dry_run = self.scans_wanted.pop_front().unwrap_or(false);
        if !dry_run {
            self.last_scan = Some(now.ours);
        }
        let mut streams = vec![Stream::All];
        streams.extend(self.options.streams.iter().copied().filter(|stream| stream.presence() == Presence::Deleted));
        self.scan = Some(Scan { run, dry_run, review: Review::new(None, range, &streams), to_confirm: None });
    }

    /// The rows that a run's reading lacks, to be asked about.
    pub fn judged(&mut self, to_confirm: Vec<ListingId>) {
        if let Some(scan) = &mut self.scan {
            scan.to_confirm = Some(to_confirm.into());
        }
    }

    /// A row was asked about.
    pub fn confirmed(&mut self) {
        self.answered(Purpose::Scan);
        if let Some(listings) = self.scan.as_mut().and_then(|scan| scan.to_confirm.as_mut()) {
            listings.pop_front();
        }
    }

    /// A run was ended.
    pub fn scanned(&mut self) {
        self.scan = None;
    }

    /// A window of a look-back or a scan is over.
    pub(super) fn reviewed(&mut self, purpose: Purpose, task: Task, proven: bool, now: Now) {
        match purpose {
            Purpose::Lookback => {
                let Some(review) = &mut self.lookback else { return };
                review.read(task, proven);
                if review.is_done() {
                    let name = review.name.clone().unwrap_or_default();
                    let times =
                        if name == review::AHEAD_NAME { self.looked_ahead(now) } else { LookbackTimes { begun: now.ours, done: now.ours } };
                    self.lookback_times.insert(name, times);
                    self.lookback = None;
                }
            }
            Purpose::Scan => {
                if let Some(scan) = &mut self.scan {
                    scan.review.read(task, proven);
                }
            }
            Purpose::Poll | Purpose::Fill => {}
        }
    }

    /// While stamps are seen ahead of the clock, they are looked for as often as the others are polled.
    fn looked_ahead(&mut self, now: Now) -> LookbackTimes {
        let found = self.ahead_so_far.take();
        if found.is_none() && self.ahead.is_some() {
            self.zone_found.get_or_insert(ZoneFinding::Agrees);
        }
        self.ahead = found;
        let usual = self.options.ahead_every.unwrap_or_default();
        let every = if found.is_some() { self.options.interval.min(usual) } else { usual };
        let done = now.ours.minus(usual.saturating_sub(every));
        LookbackTimes { begun: done, done }
    }
}
