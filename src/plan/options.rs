//! What a plan is told to do.

use crate::entity::Deletions;
use crate::record::{Presence, Stamp, Stream};
use std::time::Duration;

/// What a feed is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The streams polled.
    pub streams: Vec<Stream>,
    /// How the vendor tells that a thing is gone.
    pub deletions: Deletions,
    /// From the beginning of one poll to the beginning of the next.
    pub interval: Duration,
    /// How short it becomes while polls bring changes; `None` where it does not.
    pub interval_min: Option<Duration>,
    /// How long it becomes while they bring none; `None` where it does not.
    pub interval_max: Option<Duration>,
    /// How far a poll reaches back behind the cursor.
    pub overlap: Duration,
    /// How far a window's end stays behind the vendor's clock.
    pub settle: Duration,
    /// The oldest stamp that the mirror is to hold.
    pub since: Stamp,
    /// A window with more pages than this is cut into shorter stretches of time.
    pub window_pages: u64,
    /// Second readings of what was complete, for listings that are published later than they are stamped.
    pub lookbacks: Vec<LookbackRule>,
    /// How often stamps ahead of the vendor's clock are looked for; `None` for never.
    pub ahead_every: Option<Duration>,
    /// From the beginning of one reconcile to the beginning of the next; `None` for never.
    pub scan_every: Option<Duration>,
    /// Reconcile now.
    pub scan_now: bool,
    /// Whether nothing is to be changed.
    pub dry_run: bool,
    /// How many absent rows the vendor is asked about in one reconcile.
    pub confirm_budget: u64,
    /// Stop when everything is read, instead of polling for ever.
    pub once: bool,
    /// Polls and short look-backs share their requests with other feeds: they begin at the same moments, and polls begin where
    /// the last one ended.
    pub shared: bool,
    /// Spreads clients that failed together.
    pub seed: u64,
}

impl Options {
    /// How far back listings are looked for that come late.
    #[must_use]
    pub(super) fn longest_reach(&self) -> Duration {
        self.lookbacks.iter().map(|rule| rule.reach).max().unwrap_or_default()
    }

    /// The streams that a scan reads: everything that is live, and the deletions where they have a stream of their own.
    #[must_use]
    pub(super) fn scan_streams(&self) -> Vec<Stream> {
        let deletions = self.streams.iter().copied().filter(|stream| stream.presence() == Presence::Deleted);
        match self.deletions {
            Deletions::Stream => std::iter::once(Stream::All).chain(deletions).collect(),
            Deletions::Absence(_) => vec![Stream::All],
        }
    }
}

/// A look-back: every so often, what is stamped as late as this is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LookbackRule {
    /// How often.
    pub every: Duration,
    /// How far back.
    pub reach: Duration,
}

/// The kinds of work, the most urgent first. A feed has at most one open window for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Bringing what changed since the last poll.
    Poll,
    /// Reading again what was complete, for listings that came late.
    Lookback,
    /// Filling a gap of the past.
    Fill,
    /// Reading the whole set again, to set it against the file.
    Scan,
}

impl Purpose {
    /// All of them, the most urgent first.
    pub const ALL: [Purpose; 4] = [Purpose::Poll, Purpose::Lookback, Purpose::Fill, Purpose::Scan];

    /// What a feed that does this is shown to be doing.
    #[must_use]
    pub(crate) fn doing(self) -> &'static str {
        match self {
            Purpose::Poll => "polling",
            Purpose::Lookback => "looking back",
            Purpose::Fill => "filling",
            Purpose::Scan => "reconciling",
        }
    }

    /// The word for it in the database.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Purpose::Poll => "poll",
            Purpose::Lookback => "lookback",
            Purpose::Fill => "fill",
            Purpose::Scan => "scan",
        }
    }
}
