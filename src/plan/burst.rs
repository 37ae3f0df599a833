//! The alarm about very many deletions that the vendor states within an hour. They are applied; a person is told.

use std::collections::VecDeque;
use std::time::Duration;

/// Deletions are counted over this long.
const SPAN: Duration = Duration::from_secs(3600);

/// The limits above which stated deletions are reported; both must be exceeded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BurstLimits {
    /// Deletions within an hour.
    pub count: u64,
    /// Their share of the live listings that there were before.
    pub share: f64,
}

/// The deletions of the last hour.
#[derive(Clone, Debug)]
pub(crate) struct Burst {
    limits: BurstLimits,
    recent: VecDeque<(Duration, u64)>,
}

impl Burst {
    /// Nothing was deleted yet.
    #[must_use]
    pub(crate) fn new(limits: BurstLimits) -> Burst {
        Burst { limits, recent: VecDeque::new() }
    }

    /// Takes note of deletions; tells how many there were within an hour, if that may be too many.
    pub(crate) fn deleted(&mut self, count: u64, monotonic: Duration) -> Option<u64> {
        self.recent.push_back((monotonic, count));
        self.recent.retain(|(at, _)| *at + SPAN > monotonic);
        let recent = self.recent.iter().map(|(_, count)| count).sum();
        (recent > self.limits.count).then_some(recent)
    }

    /// What a person should know, where `recent` deletions within an hour have left `live` listings.
    #[must_use]
    pub(crate) fn alarm(&self, recent: u64, live: u64) -> Option<String> {
        let before = live + recent;
        (recent as f64 > self.limits.share * before as f64).then(|| {
            format!(
                "the vendor reported {recent} of {before} live listings as deleted within an hour; they are marked as deleted, and \
                 their rows are kept"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Deletions as (minute, count), and whether the last of them raises the alarm where so many live listings are left.
    fn check(deletions: &[(u32, u64)], live: u64, expected: bool) {
        let mut burst = Burst::new(BurstLimits { count: 100, share: 0.2 });
        let recent = deletions.iter().map(|(minute, count)| burst.deleted(*count, MINUTE * *minute)).last().flatten();
        assert_eq!(recent.and_then(|recent| burst.alarm(recent, live)).is_some(), expected, "{deletions:?} of {live}");
    }

    #[test]
    fn only_many_within_an_hour_raise_the_alarm() {
        check(&[(0, 100)], 0, false);
        check(&[(0, 101)], 0, true);
        check(&[(0, 60), (59, 60)], 0, true);
        check(&[(0, 60), (60, 60)], 0, false);
    }

    #[test]
    fn only_a_large_share_raises_the_alarm() {
        check(&[(0, 200)], 800, false);
        check(&[(0, 201)], 800, true);
    }
}
