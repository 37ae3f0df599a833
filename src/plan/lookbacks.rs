//! Look-backs: what was complete is read again, for listings that are published later than they are stamped.

use super::checkpoint::LookbackTimes;
use super::clock::Now;
use super::due::Due;
use super::known_gaps::KnownGap;
use super::options::{LookbackRule, Options};
use super::second_reading::SecondReading;
use super::sharing::LONGEST;
use super::window::Task;
use crate::record::{Stamp, Stream, Window};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The name of the look-back for stamps that are ahead of the vendor's clock: no window that ends now contains them.
const AHEAD_NAME: &str = "ahead";
/// A look-back that was broken off is not begun again before this.
const BEGIN_AGAIN: Duration = Duration::from_secs(10 * 60);

/// One entry of the timetable. A name stands for it in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    every: Duration,
    /// How far back; `None` for the look ahead.
    reach: Option<Duration>,
}

/// The look-backs of a feed.
#[derive(Clone, Debug)]
pub(super) struct Lookbacks {
    /// The most urgent first.
    entries: Vec<Entry>,
    times: BTreeMap<String, LookbackTimes>,
    /// The one that is under way.
    current: Option<(Entry, SecondReading)>,
    /// Streams whose polls have shown what is ahead.
    polled_ahead: BTreeSet<Stream>,
    /// From the beginning of one poll to the beginning of the next.
    interval: Duration,
    /// Feeds share the requests of short look-backs, so these are due at the same moments in all.
    shared: bool,
}

impl Lookbacks {
    pub(super) fn resume(options: &Options, mut times: BTreeMap<String, LookbackTimes>, now: Now) -> Lookbacks {
        let ahead = options.ahead_every.map(|every| Entry { name: AHEAD_NAME.to_owned(), every, reach: None });
        let usual = |rule: &LookbackRule| Entry { name: format!("{}s", rule.reach.as_secs()), every: rule.every, reach: Some(rule.reach) };
        let entries: Vec<Entry> = ahead.into_iter().chain(options.lookbacks.iter().map(usual)).collect();
        for entry in entries.iter().filter(|entry| entry.reach.is_some()) {
            // A new look-back waits for its first interval: what it would read is just being read for the first time.
            times.entry(entry.name.clone()).or_insert(LookbackTimes { begun: now.ours, done: now.ours });
        }
        Lookbacks { entries, times, current: None, polled_ahead: BTreeSet::new(), interval: options.interval, shared: options.shared }
    }

    /// When look-backs were begun and done, to be saved.
    pub(super) fn times(&self) -> &BTreeMap<String, LookbackTimes> {
        &self.times
    }

    /// When the next one is due.
    pub(super) fn due(&self, now: Now) -> Due {
        if self.current.is_some() {
            return Due::Now;
        }
        let times = self.entries.iter().filter_map(|entry| self.due_of(entry, now).time(now));
        times.min().map_or(Due::Never, |time| Due::at(time, now))
    }

    fn due_of(&self, entry: &Entry, now: Now) -> Due {
        let Some(times) = self.times.get(&entry.name) else { return Due::Now };
        let after = |at: Stamp, wait: Duration| match at <= now.ours {
            true => Due::at_ours(at.plus(wait), now),
            // A time that lies ahead was written while our clock was wrong: it says nothing, so the look-back is due.
            false => Due::Now,
        };
        let (done, begun) = (after(times.done, entry.every), after(times.begun, entry.every.min(BEGIN_AGAIN)));
        match (done.time(now), begun.time(now)) {
            (Some(done), Some(begun)) => Due::at(done.max(begun), now),
            (None, _) | (_, None) => Due::Never,
        }
    }

    /// Begins the one that is due, if none is under way. `settled` is the newest stamp that is certainly past.
    pub(super) fn begin(&mut self, all: &[Stream], known_gaps: &[KnownGap], settled: Stamp, now: Now) {
        if self.current.is_none() {
            let Some(entry) = self.entries.iter().find(|entry| self.due_of(entry, now) == Due::Now).cloned() else { return };
            let range = match entry.reach {
                None => Window { from: settled, to: Stamp::NO_END },
                Some(reach) => Window { from: settled.minus(reach), to: settled },
            };
            let done = self.times.get(&entry.name).map_or(Stamp(0), |times| times.done);
            self.times.insert(entry.name.clone(), LookbackTimes { begun: now.ours, done });
            self.current = Some((entry, SecondReading::new(range, all.iter().copied(), known_gaps)));
        }
    }

    /// The next window of these streams.
    pub(super) fn next(&self, streams: &[Stream], spans: &BTreeMap<Stream, Duration>) -> Option<Task> {
        let (entry, reading) = self.current.as_ref()?;
        // The look ahead has no end, and next to nothing to read: it is read whole.
        let no_limit = BTreeMap::new();
        reading.next(streams, if entry.reach.is_none() { &no_limit } else { spans })
    }

    /// What is read.
    pub(super) fn range(&self) -> Option<Window> {
        self.current.as_ref().map(|(_, reading)| reading.range)
    }

    /// Whether one is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.current.is_some()
    }

    /// Whether the one under way looks ahead of the vendor's clock.
    pub(super) fn looks_ahead(&self) -> bool {
        self.current.as_ref().is_some_and(|(entry, _)| entry.reach.is_none())
    }

    /// When a look-back that ends now, and is due again after this time, counts as done.
    fn moment(&self, entry: &Entry, every: Duration, now: Stamp) -> Stamp {
        let short = entry.reach.is_none_or(|reach| reach < LONGEST);
        let since = now.0.rem_euclid(i64::try_from(every.as_nanos() / 100).unwrap_or(i64::MAX).max(1));
        if self.shared && short { Stamp(now.0 - since) } else { now }
    }

    /// A window was read, with or without proof. `found_ahead` tells, when a look ahead is over, whether it found stamps.
    pub(super) fn on_window(&mut self, (stream, claim): (Stream, Window), proven: bool, found_ahead: impl FnOnce() -> bool, now: Now) {
        let Some((_, reading)) = &mut self.current else { return };
        reading.on_window(stream, claim, proven);
        if !reading.is_done() {
            return;
        }
        if let Some((entry, _)) = self.current.take() {
            self.done(entry, found_ahead, now);
        }
    }

    /// A poll has shown what is ahead, too; with the last stream, that is as good as a look ahead.
    pub(super) fn polled_ahead(&mut self, stream: Stream, all: &[Stream], found_ahead: impl FnOnce() -> bool, now: Now) {
        self.polled_ahead.insert(stream);
        if all.iter().all(|stream| self.polled_ahead.contains(stream))
            && let Some(entry) = self.entries.iter().find(|entry| entry.reach.is_none()).cloned()
        {
            self.polled_ahead.clear();
            self.done(entry, found_ahead, now);
        }
    }

    fn done(&mut self, entry: Entry, found_ahead: impl FnOnce() -> bool, now: Now) {
        // While stamps are seen ahead of the clock, they are looked for as often as the others are polled.
        let sooner = entry.reach.is_none() && found_ahead();
        let every = if sooner { self.interval.min(entry.every) } else { entry.every };
        let done = self.moment(&entry, every, now.ours).minus(entry.every.saturating_sub(every));
        self.times.insert(entry.name, LookbackTimes { begun: done, done });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn noon() -> Stamp {
        Stamp::parse("2024-06-01T12:00:00").expect("a date")
    }

    fn now(ours: Stamp) -> Now {
        Now { vendor: ours, earliest: ours, ours, monotonic: HOUR }
    }

    /// When the hourly look-back is due that was done at noon, `later` than that.
    fn check(ours: Stamp, expected: Due) {
        let entry = Entry { name: "7200s".to_owned(), every: HOUR, reach: Some(HOUR * 2) };
        let times = BTreeMap::from([(entry.name.clone(), LookbackTimes { begun: noon(), done: noon() })]);
        let lookbacks =
            Lookbacks { entries: vec![entry], times, current: None, polled_ahead: BTreeSet::new(), interval: HOUR, shared: false };
        assert_eq!(lookbacks.due(now(ours)), expected, "{ours}");
    }

    #[test]
    fn a_look_back_is_due_again_after_its_interval() {
        check(noon().plus(HOUR / 2), Due::At(HOUR + HOUR / 2));
        check(noon().plus(HOUR), Due::Now);
    }

    #[test]
    fn a_look_ahead_that_has_found_stamps_is_due_again_after_the_interval_of_polls() {
        for shared in [false, true] {
            let minute = HOUR / 60;
            let entry = Entry { name: AHEAD_NAME.to_owned(), every: HOUR, reach: None };
            let read = SecondReading::new(Window { from: noon(), to: noon() }, [Stream::All], &[]);
            let mut lookbacks = Lookbacks {
                entries: vec![entry.clone()],
                times: BTreeMap::new(),
                current: Some((entry, read)),
                polled_ahead: BTreeSet::new(),
                interval: minute,
                shared,
            };
            let half_past = noon().plus(HOUR / 2);
            lookbacks.on_window((Stream::All, Window { from: noon(), to: noon() }), true, || true, now(half_past));
            assert_eq!(lookbacks.due(now(half_past)), Due::At(HOUR + minute), "shared: {shared}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_puts_no_look_back_off() {
        check(noon().minus(HOUR * 24 * 365), Due::Now);
    }
}
