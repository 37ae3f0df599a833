//! Scans: the whole set is read again, set against the file, and what it lacks is confirmed row by row.

use super::checkpoint::SavedScan;
use super::clock::Now;
use super::due::Due;
use super::options::Options;
use super::second_reading::SecondReading;
use super::window::Task;
use crate::record::{ListingId, Stamp, Stream, Window};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// A scan that somebody has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Whose request it is; `None` for the command that the process itself was started with.
    pub request: Option<u64>,
    /// Change nothing.
    pub dry_run: bool,
}

/// What a scan has to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ScanStep {
    /// Begin it; whoever has asked for it, if its regular time has not simply come.
    Begin(Option<Wanted>),
    /// Read this window.
    Read(Task),
    /// All was read: find out which rows the reading lacks.
    Judge {
        /// Whether every window was proven whole.
        proven: bool,
    },
    /// Ask the vendor about this row.
    Confirm(ListingId),
    /// Every row was asked about.
    End,
}

/// The scan that is under way.
#[derive(Clone, Debug)]
struct Scan {
    wanted: Option<Wanted>,
    reading: SecondReading,
    /// What is left to ask the vendor about; `None` while it is reading.
    to_confirm: Option<VecDeque<ListingId>>,
}

/// The scans of a feed.
#[derive(Clone, Debug)]
pub(crate) struct Scans {
    current: Option<Scan>,
    wanted: VecDeque<Wanted>,
    /// When the last one began, or when the feed was adopted, on our own clock.
    last: Option<Stamp>,
    every: Option<Duration>,
    /// What a scan reads.
    streams: Vec<Stream>,
}

impl Scans {
    pub(super) fn resume(options: &Options, saved: Option<SavedScan>, last: Option<Stamp>, now: Now) -> Scans {
        let current = saved.map(|saved| {
            // What an earlier process has asked is spent.
            let left = usize::try_from(options.confirm_budget.saturating_sub(saved.asked)).unwrap_or(usize::MAX);
            Scan {
                wanted: None,
                reading: SecondReading { range: saved.range, coverage: saved.coverage, doubtful: saved.doubtful },
                to_confirm: saved.to_confirm.map(|rows| rows.into_iter().take(left).collect()),
            }
        });
        let first = (options.scan_now && current.is_none()).then_some(Wanted { request: None, dry_run: options.dry_run });
        Scans {
            current,
            wanted: first.into_iter().collect(),
            // A clock that was far ahead must not put it off for years.
            last: last.map(|last| last.min(now.ours)),
            every: options.scan_every.filter(|_| !options.once),
            streams: options.scan_streams(),
        }
    }

    /// When the next step of one, or the next one, is due.
    pub(super) fn due(&self, now: Now) -> Due {
        if self.current.is_some() || !self.wanted.is_empty() {
            return Due::Now;
        }
        let next = self.every.zip(self.last).map(|(every, last)| last.plus(every));
        next.map_or(Due::Never, |next| Due::at_ours(next, now))
    }

    /// What to do about it.
    pub(super) fn next(&self, spans: &BTreeMap<Stream, Duration>) -> ScanStep {
        let Some(scan) = &self.current else { return ScanStep::Begin(self.wanted.front().copied()) };
        match &scan.to_confirm {
            Some(rows) => rows.front().cloned().map_or(ScanStep::End, ScanStep::Confirm),
            None => match scan.reading.next(spans) {
                Some(task) => ScanStep::Read(task),
                None => ScanStep::Judge { proven: !scan.reading.doubtful },
            },
        }
    }

    /// Whether anything is left to do for a one-shot run.
    pub(super) fn is_busy(&self) -> bool {
        self.current.is_some() || !self.wanted.is_empty()
    }

    /// Whether one is under way.
    pub(super) fn is_scanning(&self) -> bool {
        self.current.is_some()
    }

    /// Whether the one under way changes nothing.
    pub(crate) fn is_dry(&self) -> bool {
        self.current.as_ref().and_then(|scan| scan.wanted).is_some_and(|wanted| wanted.dry_run)
    }

    /// Scan, as soon as the file is complete and what was asked for before is done.
    pub(crate) fn want(&mut self, wanted: Wanted) {
        self.wanted.push_back(wanted);
    }

    /// Whoever asked for the next one does not want it any more.
    pub(crate) fn unwant(&mut self) {
        self.wanted.pop_front();
    }

    /// Takes over what was asked for, from before the plan was read from the database anew. A dry run is not gone on with.
    pub(super) fn take_over(&mut self, before: Scans) {
        self.wanted = before.wanted;
        let Some(wanted) = before.current.and_then(|scan| scan.wanted) else { return };
        match &mut self.current {
            Some(scan) if !wanted.dry_run => scan.wanted = Some(wanted),
            Some(_) | None => self.wanted.push_front(wanted),
        }
    }

    /// The one that was wanted next, or whose time has come, has begun; tells who had asked for it.
    pub(crate) fn begun(&mut self, range: Window, now: Now) -> Option<Wanted> {
        let wanted = self.wanted.pop_front();
        if !wanted.is_some_and(|wanted| wanted.dry_run) {
            self.last = Some(now.ours);
        }
        self.current = Some(Scan { wanted, reading: SecondReading::new(range, self.streams.iter().copied()), to_confirm: None });
        wanted
    }

    /// A window was read, with or without proof.
    pub(super) fn read(&mut self, task: Task, proven: bool) {
        if let Some(scan) = &mut self.current {
            scan.reading.read(task, proven);
        }
    }

    /// The rows that the reading lacks, to be asked about.
    pub(crate) fn judged(&mut self, to_confirm: Vec<ListingId>) {
        if let Some(scan) = &mut self.current {
            scan.to_confirm = Some(to_confirm.into());
        }
    }

    /// A row was asked about.
    pub(crate) fn confirmed(&mut self) {
        if let Some(rows) = self.current.as_mut().and_then(|scan| scan.to_confirm.as_mut()) {
            rows.pop_front();
        }
    }

    /// It is over; tells who had asked for it.
    pub(crate) fn ended(&mut self) -> Option<Wanted> {
        self.current.take()?.wanted
    }
}
