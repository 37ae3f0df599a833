//! What pages have shown of the vendor: its page size, its order, how densely its stamps lie, and the zone of its dates.

use super::clock::Now;
use super::options::Purpose;
use super::page::{Mark, PageSeen};
use super::window::{PAD, SMALLEST_SPAN};
use super::zone::{self, ZoneFinding, ZoneWatch};
use crate::record::{Presence, Stamp, Stream, Window};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Records on a page, until a page has shown it.
const USUAL_PAGE: u64 = 200;

/// How full a window is to be of what may be read in one: fuller ones often turn out too deep.
pub(super) const FILLED: f64 = 0.8;
/// A window is at most so many times as long as the one before, which says nothing of what lies behind it.
const MOST_GROWTH: f64 = 16.0;
/// Polls in a row that may lack the newest record before it is taken to be gone.
const MOST_LACKING: u32 = 2;
/// A limit that is longer than this is none.
const LONGEST_SPAN: Duration = Duration::from_secs(3_000 * 366 * 86_400);

/// What was seen so far. Nothing of it outlives the process.
#[derive(Clone, Debug)]
pub(super) struct Observations {
    /// A window with more pages than this is cut.
    window_pages: u64,
    /// From the beginning of one poll to the beginning of the next.
    interval: Duration,
    /// Records on a full page.
    page_size: u64,
    /// The most records that were seen on one page.
    largest_page: u64,
    /// How long the next window may be, by stream, and by whether one answer must hold it whole; no entry means no limit.
    spans: BTreeMap<(Stream, bool), Duration>,
    /// Where windows of several pages were too wide for the vendor, or could not be proven: as many records as one was proven with.
    most: BTreeMap<Stream, u64>,
    /// Streams whose order was seen to change from page to page.
    disordered: BTreeSet<Stream>,
    /// The newest record of each stream: a poll whose window holds its stamp must show it.
    newest: BTreeMap<Stream, (Stamp, Mark)>,
    /// Polls in a row that did not.
    lacking: BTreeMap<Stream, u32>,
    /// The vendor takes no dates as early as 0001-01-01.
    no_first_date: bool,
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
            largest_page: 0,
            spans: BTreeMap::new(),
            most: BTreeMap::new(),
            disordered: BTreeSet::new(),
            newest: BTreeMap::new(),
            lacking: BTreeMap::new(),
            no_first_date: false,
            zone: ZoneWatch::default(),
            zone_found: None,
            ahead: None,
            ahead_so_far: None,
        }
    }

    /// Above how many pages a window of the stream is cut: one page where one answer must hold it whole (`snapshot`), or where the
    /// order is known to change.
    pub(super) fn deepest(&self, stream: Stream, snapshot: bool) -> u64 {
        if snapshot || self.disordered.contains(&stream) { 1 } else { self.window_pages }
    }

    /// How long windows may be, stream by stream.
    pub(super) fn spans(&self, snapshot: bool) -> BTreeMap<Stream, Duration> {
        self.spans.iter().filter(|((_, of), _)| *of == snapshot).map(|((stream, _), span)| (*stream, *span)).collect()
    }

    /// How many pages so many records fill.
    pub(super) fn pages(&self, records: u64) -> u64 {
        records.div_ceil(self.page_size)
    }

    /// As many records as were seen on one page.
    pub(super) fn largest_page(&self) -> u64 {
        self.largest_page
    }

    /// A page held so many records; `full` if it was a first page that others follow.
    pub(super) fn saw_page(&mut self, records: u64, full: bool) {
        self.largest_page = self.largest_page.max(records);
        if full {
            self.page_size = records.max(1);
        }
    }

    pub(super) fn saw_disorder(&mut self, stream: Stream) {
        self.disordered.insert(stream);
    }

    /// A window was cut to this length.
    pub(super) fn cut_to(&mut self, stream: Stream, snapshot: bool, span: Duration) {
        self.spans.insert((stream, snapshot), span);
    }

    /// A window matched too much: the vendor could not answer it at all, or its records could not be proven whole.
    pub(super) fn saw_too_wide(&mut self, stream: Stream) {
        self.most.entry(stream).or_default();
    }

    /// A window was proven that held so many records: the next one may hold a little less than what may be read in one. One
    /// that turns out too deep is cut. A window that was shorter than it might have been tells nothing of longer ones.
    pub(super) fn proven(&mut self, stream: Stream, snapshot: bool, claim: Window, records: u64) {
        // The length of a page may have been learned since the vendor failed.
        let page_size = self.page_size;
        let most = self.most.get_mut(&stream).map(|most| {
            *most = records.max(*most);
            page_size.max(*most)
        });
        // A quarter more than what was sent is tried, so that a single bad record does not make all windows short for ever.
        let limit = (self.deepest(stream, snapshot) * page_size).min(most.map_or(u64::MAX, |most| most + most / 4));
        let factor = (limit as f64 * FILLED / records.max(1) as f64).clamp(1.0, MOST_GROWTH);
        let limiting = self.spans.get_mut(&(stream, snapshot)).filter(|span| claim.from <= claim.to.minus(**span));
        if let Some(span) = limiting {
            *span = span.mul_f64(factor).clamp(SMALLEST_SPAN, LONGEST_SPAN);
        }
    }

    /// The server does not obey From: a short window is as deep as a long one.
    pub(super) fn saw_from_ignored(&mut self, stream: Stream) {
        self.spans.retain(|(of, _), _| *of != stream);
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

    /// Takes note of the newest record of a page. Deletions tell that a listing is not to be expected any more.
    pub(super) fn saw_newest(&mut self, stream: Stream, page: &PageSeen) {
        if stream.presence() == Presence::Deleted {
            self.newest.retain(|of, (_, mark)| *of == stream || !page.facts.marks.contains(mark));
        }
        if let Some(newest) = &page.newest
            && self.newest.get(&stream).is_none_or(|known| known < newest)
        {
            self.newest.insert(stream, newest.clone());
        }
    }

    /// Whether a poll of this window lacks the newest record that was seen before. It may be an answer that is stale or falsely
    /// empty, so it is asked for again, twice; then the record is gone without a word.
    pub(super) fn lacks_newest(&mut self, stream: Stream, asked: Window, shows: impl Fn(&Mark) -> bool) -> bool {
        let inside = |(stamp, _): &&(Stamp, Mark)| asked.from.plus(PAD) < *stamp && *stamp < asked.to.minus(PAD);
        let lacks = self.newest.get(&stream).filter(inside).is_some_and(|(_, mark)| !shows(mark));
        let times = self.lacking.entry(stream).or_default();
        *times = if lacks { *times + 1 } else { 0 };
        if *times > MOST_LACKING {
            self.newest.remove(&stream);
            *times = 0;
            return false;
        }
        lacks
    }

    /// The vendor did not answer a window that begins on 0001-01-01.
    pub(super) fn saw_no_first_date(&mut self) {
        self.no_first_date = true;
    }

    /// Whether windows of the oldest stretch may begin on 0001-01-01.
    pub(super) fn may_ask_first_date(&self) -> bool {
        !self.no_first_date
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

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn windows_grow_by_what_windows_of_full_length_have_shown_and_by_nothing_shorter() {
        let mut seen = Observations::new(20, DAY);
        let span = |seen: &Observations| seen.spans(false)[&Stream::All];
        let claim = |days: u32| Window { from: Stamp(0), to: Stamp(0).plus(DAY * days) };
        seen.cut_to(Stream::All, false, DAY * 8);
        (0..17).for_each(|_| seen.proven(Stream::All, false, claim(1), 1));
        assert_eq!(span(&seen), DAY * 8);
        seen.proven(Stream::All, false, claim(8), 1_600);
        assert_eq!(span(&seen), DAY * 16);
        seen.proven(Stream::All, false, claim(16), 0);
        assert_eq!(span(&seen), DAY * 256);
    }
}
