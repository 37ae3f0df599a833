//! Whether the vendor's stamps keep time with its clock, or look like those of another zone.

use crate::record::{Stamp, Stream};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Changes that must agree before anything is said.
const SAMPLES: usize = 3;
/// A change found by a quick succession of polls is at most this old when the zone is right.
const PROMPT: Duration = Duration::from_secs(45 * 60);
/// Zones differ by multiples of this.
const ZONE_GRAIN_MINUTES: i64 = 30;
/// Changes under one zone arrive within this of each other.
const SPREAD: Duration = Duration::from_secs(30 * 60);
/// No zone is further ahead.
const FURTHEST: Duration = Duration::from_secs(15 * 3600);

/// What the stamps of fresh changes show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneFinding {
    /// They keep time with the vendor's clock.
    Agrees,
    /// They are off by this, as those of another zone would be: positive when they run ahead.
    Off {
        /// Minutes.
        minutes: i64,
    },
}

/// The ages at which fresh changes were found.
#[derive(Clone, Debug, Default)]
pub(super) struct ZoneWatch {
    ages: VecDeque<Duration>,
    polled: Option<Stamp>,
    /// The newest stamp that polls have shown, by stream.
    newest: BTreeMap<Stream, Stamp>,
}

impl ZoneWatch {
    /// Looks at a poll's page. Only changes that are newer than anything before, found soon after the poll before,
    /// tell how old a change is when it is found.
    pub(super) fn look(&mut self, stream: Stream, stamps: &[Stamp], now: Stamp, interval: Duration) -> Option<ZoneFinding> {
        let prompt = self.polled.is_some_and(|polled| now.since(polled) <= interval.saturating_mul(2).max(Duration::from_secs(60)));
        let newest = stamps.iter().copied().max();
        let known = newest.and_then(|newest| self.newest.insert(stream, newest));
        let newest = newest.filter(|newest| known.is_some_and(|known| *newest > known));
        let (true, Some(newest)) = (prompt, newest) else { return None };
        self.ages.push_back(now.since(newest));
        if self.ages.len() > SAMPLES {
            self.ages.pop_front();
        }
        let least = self.ages.iter().min().copied()?;
        let most = self.ages.iter().max().copied()?;
        if least < PROMPT {
            return Some(ZoneFinding::Agrees);
        }
        (self.ages.len() >= SAMPLES && most - least <= SPREAD).then(|| ZoneFinding::Off { minutes: -rounded(least) })
    }

    /// A poll was proven.
    pub(super) fn polled(&mut self, now: Stamp) {
        self.polled = Some(now);
    }
}

/// Looks at stamps that lie ahead of the vendor's clock.
pub(super) fn ahead(stamps: &[Stamp], now: Stamp) -> Option<ZoneFinding> {
    let lead = stamps.iter().map(|stamp| stamp.since(now)).filter(|lead| *lead <= FURTHEST).max()?;
    (lead >= PROMPT).then(|| ZoneFinding::Off { minutes: rounded(lead) })
}

fn rounded(span: Duration) -> i64 {
    let minutes = i64::try_from(span.as_secs() / 60).unwrap_or(i64::MAX);
    (minutes + ZONE_GRAIN_MINUTES / 2) / ZONE_GRAIN_MINUTES * ZONE_GRAIN_MINUTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ages_in_minutes: &[u64], expected: Option<ZoneFinding>) {
        let mut watch = ZoneWatch::default();
        let minute = |count: u64| Duration::from_secs(60 * count);
        let begin = Stamp(0).plus(minute(100_000));
        let mut found = None;
        watch.newest.insert(Stream::All, Stamp(0));
        for (poll, age) in ages_in_minutes.iter().enumerate() {
            let now = begin.plus(minute(poll as u64));
            watch.polled(now.minus(minute(1)));
            found = watch.look(Stream::All, &[now.minus(minute(*age))], now, minute(1));
        }
        assert_eq!(found, expected, "{ages_in_minutes:?}");
    }

    #[test]
    fn prompt_changes_agree() {
        check(&[0], Some(ZoneFinding::Agrees));
        check(&[481, 480, 1], Some(ZoneFinding::Agrees));
    }

    #[test]
    fn changes_that_are_all_hours_old_show_another_zone() {
        check(&[482, 481, 480], Some(ZoneFinding::Off { minutes: -480 }));
        check(&[302, 301, 300], Some(ZoneFinding::Off { minutes: -300 }));
        check(&[481, 480], None);
    }

    #[test]
    fn an_old_listing_that_is_read_again_and_again_shows_nothing() {
        let mut watch = ZoneWatch::default();
        let old = Stamp(0);
        for second in 0..100 {
            let now = Stamp(8 * 36_000_000_000).plus(Duration::from_secs(second));
            watch.polled(now);
            assert_eq!(watch.look(Stream::All, &[old], now, Duration::from_secs(1)), None);
        }
    }

    #[test]
    fn changes_of_mixed_ages_show_nothing() {
        check(&[481, 300, 90], None);
    }

    #[test]
    fn stamps_ahead_of_the_clock_show_another_zone() {
        let hour = Duration::from_secs(3600);
        let now = Stamp(0);
        assert_eq!(ahead(&[now.plus(hour * 8)], now), Some(ZoneFinding::Off { minutes: 480 }));
        assert_eq!(ahead(&[now.plus(hour * 80_000)], now), None);
        assert_eq!(ahead(&[], now), None);
    }
}
