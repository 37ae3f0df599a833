//! Scans: when the whole set of a feed is read again, and how the vendor is then asked, one by one, about the rows that
//! were not found.

use super::checkpoint::SavedScan;
use super::clock::Now;
use super::due::Due;
use super::known_gaps::KnownGap;
use super::options::Options;
use super::second_reading::SecondReading;
use super::window::Task;
use crate::record::{ListingId, Stamp, Stream, Window};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// A scan that somebody has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanRequest {
    /// The number of the asker; `None` for the command that this process was started with.
    pub asker: Option<u64>,
    /// Change nothing.
    pub dry_run: bool,
}

/// What a scan has to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ScanStep {
    /// Begin a scan: the one that was asked for, or `None` if its regular time has come.
    Begin(Option<ScanRequest>),
    /// Read this window.
    Read(Task),
    /// All was read, but for these stretches: find out which rows the reading lacks.
    Judge(Vec<Window>),
    /// Ask the vendor about this row.
    Confirm(ListingId),
    /// Every row was asked about.
    End,
}

/// The scan that is under way.
#[derive(Clone, Debug)]
struct Scan {
    wanted: Option<ScanRequest>,
    reading: SecondReading,
    /// What is left to ask the vendor about; `None` while it is reading.
    to_confirm: Option<VecDeque<ListingId>>,
}

/// The scans of a feed.
#[derive(Clone, Debug)]
pub(crate) struct Scans {
    current: Option<Scan>,
    wanted: VecDeque<ScanRequest>,
    /// When the last one began, or when the feed was adopted, on our own clock.
    last: Option<Stamp>,
    every: Option<Duration>,
    /// What a scan reads.
    streams: Vec<Stream>,
}

impl Scans {
    pub(super) fn resume(options: &Options, saved: Option<SavedScan>, last: Option<Stamp>, now: Now) -> Scans {
        let current = saved.map(|saved| {
            // The budget is for the whole scan: what an earlier process has asked counts against it.
            let left = usize::try_from(options.confirm_budget.saturating_sub(saved.asked)).unwrap_or(usize::MAX);
            Scan {
                wanted: None,
                reading: SecondReading { range: saved.range, coverage: saved.coverage, unproven: saved.unproven },
                to_confirm: saved.to_confirm.map(|rows| rows.into_iter().take(left).collect()),
            }
        });
        let first = (options.scan_now && current.is_none()).then_some(ScanRequest { asker: None, dry_run: options.dry_run });
        Scans {
            current,
            wanted: first.into_iter().collect(),
            // A clock that was far ahead must not put it off for years.
            last: last.map(|last| last.min(now.ours)),
            every: options.scan_every.filter(|_| !options.once),
            streams: options.scan_streams(),
        }
    }

    /// When the scan under way has a next step, or the next scan is due.
    pub(super) fn due(&self, now: Now) -> Due {
        if self.current.is_some() || !self.wanted.is_empty() {
            return Due::Now;
        }
        let next = self.every.zip(self.last).map(|(every, last)| last.plus(every));
        next.map_or(Due::Never, |next| Due::at_ours(next, now))
    }

    /// The next step of the scan under way, where these streams may be read; where there is none, to begin one.
    pub(super) fn next(&self, streams: &[Stream], spans: &BTreeMap<Stream, Duration>) -> Option<ScanStep> {
        let Some(scan) = &self.current else { return Some(ScanStep::Begin(self.wanted.front().copied())) };
        match &scan.to_confirm {
            Some(rows) => Some(rows.front().cloned().map_or(ScanStep::End, ScanStep::Confirm)),
            None if scan.reading.is_done() => Some(ScanStep::Judge(scan.reading.unproven())),
            None => scan.reading.next(streams, spans).map(ScanStep::Read),
        }
    }

    /// What is read by the one under way.
    pub(super) fn range(&self) -> Option<Window> {
        self.current.as_ref().map(|scan| scan.reading.range)
    }

    /// What a scan reads.
    pub(super) fn streams(&self) -> &[Stream] {
        &self.streams
    }

    /// Whether windows are still to be read by the one under way.
    pub(super) fn is_reading(&self) -> bool {
        self.current.as_ref().is_some_and(|scan| scan.to_confirm.is_none() && !scan.reading.is_done())
    }

    /// Whether the one under way asks the vendor about single rows.
    pub(super) fn is_confirming(&self) -> bool {
        self.current.as_ref().is_some_and(|scan| scan.to_confirm.is_some())
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

    /// Asks for a scan; it begins when the file is complete otherwise and the scans asked for before are over.
    pub(crate) fn want(&mut self, wanted: ScanRequest) {
        self.wanted.push_back(wanted);
    }

    /// Drops the next scan that was asked for: its asker has gone.
    pub(crate) fn withdraw(&mut self) {
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
    pub(super) fn begun(&mut self, range: Window, known_gaps: &[KnownGap], now: Now) -> Option<ScanRequest> {
        let wanted = self.wanted.pop_front();
        if !wanted.is_some_and(|wanted| wanted.dry_run) {
            self.last = Some(now.ours);
        }
        let reading = SecondReading::new(range, self.streams.iter().copied(), known_gaps);
        self.current = Some(Scan { wanted, reading, to_confirm: None });
        wanted
    }

    /// A window is over, with or without proof.
    pub(super) fn on_window(&mut self, (stream, claim): (Stream, Window), proven: bool) {
        if let Some(scan) = &mut self.current {
            scan.reading.on_window(stream, claim, proven);
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
    pub(crate) fn ended(&mut self) -> Option<ScanRequest> {
        self.current.take()?.wanted
    }
}
