//! What pages have shown of the vendor: its page size, its order, how densely its stamps lie, and the zone of its dates.

use super::clock::Now;
use super::options::Purpose;
use super::zone::{self, ZoneFinding, ZoneWatch};
use crate::record::{Stamp, Stream};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Records on a page, until a page has shown it.
const USUAL_PAGE: u64 = 200;

/// What was seen so far. Nothing of it outlives the process.
#[derive(Clone, Debug)]
pub(super) struct Observations {
    /// A window with more pages than this is cut.
    window_pages: u64,
    /// From the beginning of one poll to the beginning of the next.
    interval: Duration,
    /// Records on a full page.
    page_size: u64,
    /// How long the next window may be, by stream; no entry means no limit.
    spans: BTreeMap<Stream, Duration>,
    /// Streams whose order was seen to change from page to page.
    disordered: BTreeSet<Stream>,
    zone: ZoneWatch,
    /// What the stamps of polls have shown of the zone.
    zone_found: Option<ZoneFinding>,
    /// Stamps ahead of the clock, as the last look ahead found them.
    ahead: Option<ZoneFinding>,
    /// The same, as the look ahead that is under way has found them so far.
    ahead_so_far: Option<ZoneFinding>,
}

impl Observations {
    pub(super) fn new(window_pages: u64, interval: Duration) -> Observations {
        Observations {
            window_pages,
            interval,
            page_size: USUAL_PAGE,
            spans: BTreeMap::new(),
            disordered: BTreeSet::new(),
            zone: ZoneWatch::default(),
            zone_found: None,
            ahead: None,
            ahead_so_far: None,
        }
    }

    /// Above how many pages a window of the stream is cut: where the order is known to change, one page is all that is safe.
    pub(super) fn deepest(&self, stream: Stream) -> u64 {
        if self.disordered.contains(&stream) { 1 } else { self.window_pages }
    }

    /// How long windows may be, stream by stream.
    pub(super) fn spans(&self) -> &BTreeMap<Stream, Duration> {
        &self.spans
    }

    /// How many pages so many records fill.
    pub(super) fn pages(&self, records: u64) -> u64 {
        records.div_ceil(self.page_size)
    }

    pub(super) fn saw_page_size(&mut self, records: u64) {
        self.page_size = self.page_size.max(records);
    }

    pub(super) fn saw_disorder(&mut self, stream: Stream) {
        self.disordered.insert(stream);
    }

    /// A window was too deep and was cut to this length.
    pub(super) fn cut_to(&mut self, stream: Stream, span: Duration) {
        self.spans.insert(stream, span);
    }

    /// A window was proven that held so many records: the next one may be longer if this one was small.
    pub(super) fn proven(&mut self, stream: Stream, records: u64) {
        if records * 2 <= self.deepest(stream) * self.page_size {
            self.spans.entry(stream).and_modify(|span| *span = span.saturating_mul(2));
        }
    }

    /// The server does not obey From: a short window is as deep as a long one.
    pub(super) fn saw_from_ignored(&mut self, stream: Stream) {
        self.spans.remove(&stream);
    }

    /// Looks at the stamps of a page. `ahead` says that the page belongs to the look ahead of the clock.
    pub(super) fn saw_stamps(&mut self, purpose: Purpose, stream: Stream, stamps: &[Stamp], ahead: bool, now: Now) {
        if ahead {
            self.ahead_so_far = zone::ahead(stamps, now.vendor).or(self.ahead_so_far);
        }
        if purpose == Purpose::Poll {
            self.zone_found = self.zone.look(stream, stamps, now.vendor, self.interval).or(self.zone_found);
        }
    }

    /// A poll was proven.
    pub(super) fn polled(&mut self, now: Now) {
        self.zone.polled(now.vendor);
    }

    /// Ends a look ahead of the clock; tells whether it found stamps there.
    pub(super) fn end_look_ahead(&mut self) -> bool {
        let found = self.ahead_so_far.take();
        if found.is_none() && self.ahead.is_some() {
            self.zone_found.get_or_insert(ZoneFinding::Agrees);
        }
        self.ahead = found;
        found.is_some()
    }

    /// What the stamps show of the zone.
    pub(super) fn zone(&self) -> Option<ZoneFinding> {
        self.ahead.or(self.zone_found)
    }
}
