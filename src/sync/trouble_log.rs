//! The troubles of all feeds together, and their lines in the log.

use super::pace::{Pace, Round};
use super::trouble::{Line, Trouble};
use crate::record::{Failure, FeedId};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Feeds whose refusal is told at once. An outage concerns all feeds, so only the first that notices it is told.
const REFUSED_FEEDS: usize = 3;

/// What kind of trouble a failure belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The vendor does not answer as it should, or wants no request for a while.
    Outage,
    /// The vendor refuses what it is asked, which concerns single feeds.
    Refusal,
    /// The database cannot be used.
    Database,
}

impl Kind {
    /// The kind of a failed request.
    pub(crate) fn of(failure: &Failure) -> Kind {
        match failure {
            Failure::Throttled { .. } | Failure::Unavailable | Failure::Malformed => Kind::Outage,
            Failure::Unauthorized | Failure::Refused => Kind::Refusal,
        }
    }
}

/// All troubles. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct TroubleLog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The vendor, as a person knows it.
    host: String,
    started: Instant,
    troubles: Mutex<Troubles>,
}

#[derive(Debug)]
struct Troubles {
    outage: Trouble,
    refusal: Trouble,
    database: Trouble,
    pace: Pace,
}

impl TroubleLog {
    pub(crate) fn new(host: &str) -> TroubleLog {
        let (outage, refusal) = (Trouble::new("request", 1), Trouble::new("request", REFUSED_FEEDS));
        let troubles = Troubles { outage, refusal, database: Trouble::new("attempt", 1), pace: Pace::default() };
        TroubleLog(Arc::new(Inner { host: host.to_owned(), started: Instant::now(), troubles: Mutex::new(troubles) }))
    }

    /// Takes in a failure. Returns whether it begins a trouble, so that it is to be told; later ones are told together.
    pub(crate) fn failed(&self, kind: Kind, feed: Option<&FeedId>, reason: &str) -> bool {
        let (mut troubles, now) = self.locked();
        let (trouble, what) = match kind {
            Kind::Outage => (&mut troubles.outage, "the vendor has not answered as it should"),
            Kind::Refusal => (&mut troubles.refusal, "the vendor has refused requests"),
            Kind::Database => (&mut troubles.database, "the database could not be used"),
        };
        let news = trouble.failed(feed, now);
        if let Some(Line::Lasts(summary)) = &news {
            tracing::warn!(host = self.0.host, "{what} for {summary}; the last reason: {reason}");
        }
        news == Some(Line::Begins)
    }

    /// A request of a feed, or of none, was answered as it should be.
    pub(crate) fn answered(&self, feed: Option<&FeedId>) {
        let (mut troubles, now) = self.locked();
        if let Some(Line::Ends(summary)) = troubles.outage.answered(feed, now) {
            tracing::info!(host = self.0.host, "the vendor answers again, after {summary}");
        }
        if let Some(Line::Ends(summary)) = troubles.refusal.answered(feed, now) {
            tracing::info!(host = self.0.host, "the vendor refuses nothing any more, after {summary}");
        }
    }

    /// Something was stored for a feed, or for none.
    pub(crate) fn stored(&self, feed: Option<&FeedId>) {
        let (mut troubles, now) = self.locked();
        if let Some(Line::Ends(summary)) = troubles.database.answered(feed, now) {
            tracing::info!("the database can be used again, after {summary}");
        }
    }

    /// A feed is not mirrored any more.
    pub(crate) fn forget(&self, feed: &FeedId) {
        let (mut troubles, _) = self.locked();
        let Troubles { outage, refusal, database, .. } = &mut *troubles;
        [outage, refusal, database].into_iter().for_each(|trouble| trouble.forget(feed));
    }

    /// A feed's round of polls is over.
    pub(crate) fn polled(&self, round: Round) {
        if let Some(line) = self.locked().0.pace.polled(round) {
            tracing::info!(host = self.0.host, "{line}");
        }
    }

    fn locked(&self) -> (MutexGuard<'_, Troubles>, Duration) {
        (self.0.troubles.lock().unwrap_or_else(PoisonError::into_inner), self.0.started.elapsed())
    }
}

/// Logs a failure: one that begins a trouble for everybody, another one for those who look closely.
macro_rules! log_failure {
    ($begins:expr, $($what:tt)*) => {
        if $begins { tracing::warn!($($what)*) } else { tracing::debug!($($what)*) }
    };
}
pub(crate) use log_failure;
