//! Known gaps: the smallest stretches that could not be read or proven, why, and when each is tried again.

use super::clock::Now;
use super::coverage::Coverage;
use super::due::Due;
use crate::record::{Stamp, Stream, Window};
use std::time::Duration;

/// The wait before a known gap is tried again; it doubles with every try, up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(10 * 60);
const LONGEST: Duration = Duration::from_secs(6 * 3600);
/// A one-shot run tries a known gap this often before it gives up on it.
pub(super) const ONCE_READINGS: u32 = 2;

/// A stretch that could not be read or proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownGap {
    /// Which stream.
    pub stream: Stream,
    /// The stretch.
    pub claim: Window,
    /// Why, for a person.
    pub reason: String,
    /// How often it was tried.
    pub tried: u32,
    /// When it was found, on our own clock.
    pub found_at: Stamp,
    /// When it is tried again, on our own clock.
    pub retry_at: Stamp,
}

/// The known gaps of a feed.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownGaps {
    gaps: Vec<KnownGap>,
    /// A one-shot run does not wait for the next try.
    once: bool,
    /// Something changed that is not saved yet.
    changed: bool,
}

impl KnownGaps {
    /// Those that were saved. A one-shot run counts the tries of each anew.
    pub(super) fn resume(gaps: Vec<KnownGap>, once: bool, now: Now) -> KnownGaps {
        let due = |gap: KnownGap| match once {
            true => KnownGap { tried: 0, retry_at: now.ours, ..gap },
            // A clock that was far ahead must not put it off for years.
            false => KnownGap { retry_at: gap.retry_at.min(now.ours.plus(LONGEST)), ..gap },
        };
        KnownGaps { gaps: gaps.into_iter().map(due).collect(), once, changed: false }
    }

    /// A stretch could not be read, perhaps not for the first time. It becomes one with those that it touches.
    pub(super) fn add(&mut self, stream: Stream, claim: Window, reason: String, now: Now) {
        let mut added = KnownGap { stream, claim, reason, tried: 0, found_at: now.ours, retry_at: now.ours };
        let touches = |gap: &KnownGap| gap.stream == stream && gap.claim.from <= claim.to && claim.from <= gap.claim.to;
        for gap in self.gaps.extract_if(.., |gap| touches(gap)) {
            added.claim = Window { from: added.claim.from.min(gap.claim.from), to: added.claim.to.max(gap.claim.to) };
            added.found_at = added.found_at.min(gap.found_at);
            if added.claim == gap.claim {
                added.tried = gap.tried;
            }
        }
        added.tried += 1;
        let wait = FIRST.saturating_mul(1 << (added.tried - 1).min(16)).min(LONGEST);
        let again = self.once && added.tried < ONCE_READINGS;
        added.retry_at = if again { now.ours } else { now.ours.plus(wait) };
        self.gaps.push(added);
        self.changed = true;
    }

    /// A window was proven: what lies inside it is no gap any more.
    pub(super) fn proven(&mut self, stream: Stream, proven: Window) {
        let rest = |gap: &KnownGap| {
            let mut left = Coverage::new([gap.claim]);
            if gap.stream == stream {
                left.remove(proven);
            }
            left.windows().iter().map(|claim| KnownGap { claim: *claim, ..gap.clone() }).collect::<Vec<_>>()
        };
        let rest: Vec<KnownGap> = self.gaps.iter().flat_map(rest).collect();
        self.changed |= rest != self.gaps;
        self.gaps = rest;
    }

    /// Whether a stretch lies inside a known gap.
    pub(super) fn holds(&self, stream: Stream, claim: Window) -> bool {
        self.gaps.iter().any(|gap| gap.stream == stream && gap.claim.from <= claim.from && claim.to <= gap.claim.to)
    }

    /// The gaps of a stream that may not be read yet.
    pub(super) fn barred(&self, stream: Stream, now: Now) -> impl Iterator<Item = Window> {
        self.gaps.iter().filter(move |gap| gap.stream == stream && !self.is_due(gap, now)).map(|gap| gap.claim)
    }

    fn is_due(&self, gap: &KnownGap, now: Now) -> bool {
        gap.retry_at <= now.ours && !(self.once && gap.tried >= ONCE_READINGS)
    }

    /// When the next one may be read.
    pub(super) fn due(&self, now: Now) -> Due {
        match self.gaps.iter().map(|gap| gap.retry_at).filter(|at| *at > now.ours).min() {
            Some(at) if !self.once => Due::at_ours(at, now),
            Some(_) | None => Due::Never,
        }
    }

    /// How many a stream has.
    pub(super) fn of(&self, stream: Stream) -> usize {
        self.gaps.iter().filter(|gap| gap.stream == stream).count()
    }

    /// All of them.
    pub(super) fn all(&self) -> &[KnownGap] {
        &self.gaps
    }

    /// All of them, if they changed since they were last taken.
    pub(super) fn take_changed(&mut self) -> Option<Vec<KnownGap>> {
        std::mem::take(&mut self.changed).then(|| self.gaps.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(minutes: u64) -> Now {
        let up = Duration::from_secs(60 * minutes);
        let at = Stamp(0).plus(up);
        Now { vendor: at, earliest: at, ours: at, monotonic: up }
    }

    fn window(from: i64, to: i64) -> Window {
        Window { from: Stamp(from), to: Stamp(to) }
    }

    fn claims(gaps: &KnownGaps) -> Vec<(i64, i64)> {
        let mut claims: Vec<_> = gaps.all().iter().map(|gap| (gap.claim.from.0, gap.claim.to.0)).collect();
        claims.sort_unstable();
        claims
    }

    #[test]
    fn a_known_gap_is_tried_after_10_minutes_and_then_ever_more_seldom() {
        let mut gaps = KnownGaps::default();
        let mut at = 0;
        let mut waits = Vec::new();
        for _ in 0..9 {
            gaps.add(Stream::All, window(10, 20), String::new(), now(at));
            let wait = (1..).find(|wait| gaps.barred(Stream::All, now(at + wait)).next().is_none()).expect("some time");
            waits.push(wait);
            at += wait;
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 360, 360, 360]);
    }

    #[test]
    fn a_part_that_fails_again_puts_off_the_whole_gap_and_one_beside_it_is_new() {
        let mut gaps = KnownGaps::default();
        gaps.add(Stream::All, window(10, 20), String::new(), now(0));
        gaps.add(Stream::All, window(15, 20), String::new(), now(10));
        assert_eq!((claims(&gaps), gaps.all()[0].tried), (vec![(10, 20)], 2));
        gaps.add(Stream::All, window(5, 10), String::new(), now(10));
        assert_eq!((claims(&gaps), gaps.all()[0].tried, gaps.all()[0].found_at), (vec![(5, 20)], 1, now(0).ours));
    }

    #[test]
    fn what_was_proven_is_no_gap_any_more() {
        let mut gaps = KnownGaps::default();
        gaps.add(Stream::All, window(10, 40), String::new(), now(0));
        gaps.proven(Stream::Deleted, window(0, 50));
        gaps.proven(Stream::All, window(20, 30));
        assert_eq!(claims(&gaps), [(10, 20), (30, 40)]);
        gaps.proven(Stream::All, window(0, 50));
        assert!(claims(&gaps).is_empty());
    }
}
