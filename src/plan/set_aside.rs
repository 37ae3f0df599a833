//! Windows whose only page lacked records that its Total counted: they are read again a few seconds later.
//!
//! A vendor that counts the Total shortly before it reads the records still counts those that have just left the window. That
//! passes by itself, so other windows are read first. A window that lacks records after that is halved, to find the smallest
//! stretch that does.

use super::clock::Now;
use super::coverage::Coverage;
use super::due::Due;
use crate::record::{Stream, Window};
use std::time::Duration;

/// The wait before a window is read again.
const WAIT: Duration = Duration::from_secs(5);
/// How often a window is set aside.
const TIMES: u32 = 2;
/// So many may wait at once. Where more fail, the vendor does not only count early.
const MOST: usize = 40;

#[derive(Clone, Copy, Debug)]
struct Waiting {
    stream: Stream,
    claim: Window,
    times: u32,
    /// When it is read again, by [`Now::monotonic`]; `None` while it is being read.
    at: Option<Duration>,
}

/// The windows of a feed that wait to be read again. Nothing of it is saved: a new process reads them as what is unread.
#[derive(Clone, Debug, Default)]
pub(super) struct SetAside {
    waiting: Vec<Waiting>,
}

impl SetAside {
    /// A window lacked records; tells whether it is set aside.
    pub(super) fn add(&mut self, stream: Stream, claim: Window, now: Now) -> bool {
        let same = |waiting: &Waiting| waiting.stream == stream && waiting.claim == claim;
        let times = self.waiting.extract_if(.., |waiting| same(waiting)).map(|waiting| waiting.times).max().unwrap_or(0) + 1;
        if times > TIMES || self.waiting.len() >= MOST {
            return false;
        }
        self.waiting.push(Waiting { stream, claim, times, at: Some(now.monotonic + WAIT) });
        true
    }

    /// What was read and proven need not be read again.
    pub(super) fn proven(&mut self, stream: Stream, proven: Window) {
        let proven = Coverage::new([proven]);
        self.waiting.retain(|waiting| waiting.stream != stream || !proven.gaps(waiting.claim).is_empty());
    }

    /// The window that has waited longest, if its time has come.
    pub(super) fn next(&self, streams: &[Stream], now: Now) -> Option<(Stream, Window)> {
        let may = |waiting: &&Waiting| streams.contains(&waiting.stream) && waiting.at.is_some_and(|at| at <= now.monotonic);
        let next = self.waiting.iter().filter(may).min_by_key(|waiting| waiting.at)?;
        Some((next.stream, next.claim))
    }

    /// A window of a stream is begun. If it is one of those that wait, it is being read now. The one that was being read before is
    /// forgotten, and so are those that the new one is only a part of: what is left of them is unread like anything else.
    pub(super) fn begun(&mut self, stream: Stream, claim: Window) {
        let apart = |other: Window| other.to <= claim.from || claim.to <= other.from;
        self.waiting.retain(|waiting| waiting.stream != stream || waiting.claim == claim || waiting.at.is_some() && apart(waiting.claim));
        let same = self.waiting.iter_mut().filter(|waiting| waiting.stream == stream && waiting.claim == claim);
        same.for_each(|waiting| waiting.at = None);
    }

    /// The windows of a stream that wait. They are left out where unread stretches are looked for.
    pub(super) fn of(&self, stream: Stream) -> impl Iterator<Item = Window> {
        self.waiting.iter().filter(move |waiting| waiting.stream == stream && waiting.at.is_some()).map(|waiting| waiting.claim)
    }

    /// When the next one is read again.
    pub(super) fn due(&self, now: Now) -> Due {
        self.waiting.iter().filter_map(|waiting| waiting.at).min().map_or(Due::Never, |at| Due::at(at, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Stamp;

    fn now(seconds: u64) -> Now {
        let monotonic = Duration::from_secs(seconds);
        Now { vendor: Stamp(0), earliest: Stamp(0), ours: Stamp(0), monotonic }
    }

    fn window(from: i64, to: i64) -> Window {
        Window { from: Stamp(from), to: Stamp(to) }
    }

    #[test]
    fn a_window_waits_twice_and_is_not_forgotten_before_it_is_proven() {
        let mut aside = SetAside::default();
        assert!(aside.add(Stream::All, window(10, 20), now(0)));
        assert_eq!(aside.next(&[Stream::All], now(4)), None);
        assert_eq!(aside.due(now(4)), Due::At(WAIT));
        assert_eq!(aside.next(&[Stream::All], now(5)), Some((Stream::All, window(10, 20))));
        assert_eq!(aside.next(&[Stream::Deleted], now(5)), None);
        aside.begun(Stream::All, window(10, 20));
        assert_eq!((aside.next(&[Stream::All], now(5)), aside.of(Stream::All).count()), (None, 0), "it is being read");
        assert!(aside.add(Stream::All, window(10, 20), now(5)));
        aside.proven(Stream::All, window(10, 19));
        aside.proven(Stream::Deleted, window(0, 30));
        assert_eq!(aside.of(Stream::All).count(), 1);
        assert!(!aside.add(Stream::All, window(10, 20), now(10)), "the search begins");
        assert_eq!(aside.due(now(10)), Due::Never);
    }

    #[test]
    fn a_window_that_was_begun_and_became_another_is_forgotten() {
        let mut aside = SetAside::default();
        aside.add(Stream::All, window(10, 20), now(0));
        aside.begun(Stream::All, window(10, 20));
        aside.begun(Stream::All, window(15, 20));
        aside.add(Stream::All, window(30, 40), now(0));
        aside.begun(Stream::All, window(35, 40));
        assert_eq!(aside.due(now(9)), Due::Never, "the rest is unread like anything else");
        assert!((0..2).all(|_| aside.add(Stream::All, window(10, 20), now(0))), "it counts anew");
    }

    #[test]
    fn what_is_proven_waits_no_longer() {
        let mut aside = SetAside::default();
        aside.add(Stream::All, window(10, 20), now(0));
        aside.proven(Stream::All, window(0, 30));
        assert_eq!(aside.due(now(0)), Due::Never);
    }
}
