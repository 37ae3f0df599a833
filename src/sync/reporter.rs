//! What a worker says: to the log, to the row of its feed, and to the notices.

use crate::plan::attempts::Retry;
use crate::plan::command::Purpose;
use crate::plan::window::{FromRule, StreamState};
use crate::plan::zone::ZoneFinding;
use crate::record::{Failure, FeedId, PageRequest, Reject, Stream};
use crate::store::{Error as StoreError, FeedNote, Notice};
use crate::sync::clock::mirror_time;
use crate::sync::worker::Tools;
use crate::vendor::Error as VendorError;
use std::collections::BTreeMap;
use std::time::Duration;

/// Clocks that differ by more than this are worth a notice.
const SKEW_S: i64 = 30;
/// A difference is told anew when it has changed by more than this: its last second is never the same twice.
const SKEW_GRAIN_S: u64 = 15;

/// The reporter of one feed's worker. It says nothing twice.
#[derive(Debug)]
pub(super) struct Reporter {
    tools: Tools,
    feed: FeedId,
    noted: Option<(&'static str, Option<String>)>,
    notices: BTreeMap<&'static str, Option<String>>,
    skew_s: Option<i64>,
}

impl Reporter {
    pub(super) fn new(tools: Tools, feed: FeedId) -> Reporter {
        Reporter { tools, feed, noted: None, notices: BTreeMap::new(), skew_s: None }
    }

    pub(super) fn in_trouble(&self) -> bool {
        self.noted.as_ref().is_some_and(|(activity, _)| matches!(*activity, "retrying" | "blocked"))
    }

    /// The vendor answers again.
    pub(super) async fn recovered(&mut self, purpose: Purpose, request: &PageRequest) -> Result<(), StoreError> {
        if !self.in_trouble() {
            return Ok(());
        }
        tracing::info!(feed = %self.feed, "the vendor answers again");
        self.noted = None;
        self.working(purpose, request).await
    }

    pub(super) async fn working(&mut self, purpose: Purpose, request: &PageRequest) -> Result<(), StoreError> {
        self.tools.progress.update(&self.feed, |counters| counters.doing = format!("{} {}", purpose.word(), request.window));
        let activity = match purpose {
            // While a fault lasts, its reason stays to be seen.
            _ if self.in_trouble() => return Ok(()),
            // A poll in between does not change what a feed is busy with.
            Purpose::Poll | Purpose::Lookback if self.noted.is_some() => return Ok(()),
            Purpose::Poll | Purpose::Lookback => "polling",
            Purpose::Fill => "filling",
            Purpose::Scan => "reconciling",
        };
        self.note(activity, None, false).await
    }

    pub(super) async fn waiting(&mut self) -> Result<(), StoreError> {
        self.tools.progress.update(&self.feed, |counters| counters.doing = "waiting".to_owned());
        if self.in_trouble() { Ok(()) } else { self.note("waiting", None, false).await }
    }

    pub(super) async fn note(&mut self, activity: &'static str, note: Option<String>, polled: bool) -> Result<(), StoreError> {
        let fresh = Some((activity, note.clone()));
        if fresh == self.noted && !polled {
            return Ok(());
        }
        self.noted = fresh;
        let in_trouble = self.in_trouble();
        self.tools.progress.update(&self.feed, |counters| counters.in_trouble = in_trouble);
        let note = FeedNote { feed: self.feed.clone(), activity, note, polled, at: mirror_time() };
        self.bear(self.tools.store.note(note).await)
    }

    /// What is shown is not worth a stop; what is stored has its own retries.
    fn bear(&self, done: Result<(), StoreError>) -> Result<(), StoreError> {
        match done {
            Err(error @ (StoreError::Sqlite(_) | StoreError::Strange(_))) => {
                tracing::warn!(feed = %self.feed, %error, "the feed's state could not be written down");
                Ok(())
            }
            done => done,
        }
    }

    pub(super) async fn failed(
        &mut self,
        purpose: Purpose,
        request: &PageRequest,
        error: &VendorError,
        retry: Retry,
    ) -> Result<(), StoreError> {
        let activity = match error.failure {
            Failure::Unauthorized | Failure::Refused => "blocked",
            Failure::Throttled { .. } | Failure::Unavailable | Failure::Malformed => "retrying",
        };
        let wait = self.tools.vendor.closed_for().unwrap_or_default().max(retry.wait);
        tracing::warn!(
            feed = %self.feed,
            work = purpose.word(),
            status = request.stream.status(),
            page = request.page,
            window = %request.window,
            fails = retry.fails,
            retry_in = ?Duration::from_millis(wait.as_millis() as u64),
            "{}",
            error.message
        );
        let until = chrono::Utc::now() + wait;
        let note = match &error.failure {
            Failure::Throttled { wait } => {
                // The time of day alone is clear for half a day.
                let form = if wait.as_secs() < 12 * 3600 { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
                format!("rate limited until {} (vendor said {:.1} s)", until.format(form), wait.as_secs_f64())
            }
            Failure::Unavailable | Failure::Unauthorized | Failure::Refused | Failure::Malformed => error.message.clone(),
        };
        self.note(activity, Some(note), false).await
    }

    pub(super) fn rejected(&self, stream: Stream, reject: &Reject) {
        let listing = reject.listing.as_ref().map(tracing::field::display);
        tracing::warn!(feed = %self.feed, status = stream.status(), listing, "a record could not be stored and is kept in rejects: {}", reject.reason);
    }

    /// Says what the vendor's answers show of its clock, its zone and its reading of From.
    pub(super) async fn observed(&mut self, state: Option<&StreamState>, zone: Option<ZoneFinding>) -> Result<(), StoreError> {
        let now = self.tools.clock.skew_s();
        let skew = self.skew_s.filter(|told| told.abs_diff(now) <= SKEW_GRAIN_S).unwrap_or(now);
        self.skew_s = Some(skew);
        let skewed = (skew.abs() > SKEW_S).then(|| {
            let direction = if skew > 0 { "ahead of" } else { "behind" };
            format!("the vendor's clock is {} s {direction} ours; check the time of this machine", skew.abs())
        });
        self.notice("clock", skewed).await?;
        if let Some(finding) = zone {
            self.notice("zone", self.zone_note(finding)).await?;
        }
        let rule = state.map_or(FromRule::Exact, |state| state.from_rule);
        let from = match rule {
            FromRule::Exact => return Ok(()),
            FromRule::Midnight => "the vendor rounds FromUpdatedDate down to midnight: nothing is lost, but polls read the whole day",
            FromRule::Ignored => "the vendor does not obey FromUpdatedDate: nothing is lost, but every poll reads everything",
        };
        self.notice("from", Some(from.to_owned())).await
    }

    fn zone_note(&self, finding: ZoneFinding) -> Option<String> {
        let ZoneFinding::Off { minutes } = finding else { return None };
        let clock = &self.tools.clock;
        let direction = if minutes > 0 { "ahead of" } else { "behind" };
        let hours = minutes.unsigned_abs() as f64 / 60.0;
        let likely = clock.zone().likely(minutes, clock.vendor_utc());
        Some(format!(
            "the vendor's stamps are {hours} h {direction} its clock as timestamp_zone = \"{}\" reads them; it is probably \"{likely}\"",
            clock.zone()
        ))
    }

    /// Puts up a notice, or takes it back.
    pub(super) async fn notice(&mut self, kind: &'static str, note: Option<String>) -> Result<(), StoreError> {
        if self.notices.get(kind) == Some(&note) {
            return Ok(());
        }
        if let Some(note) = &note {
            tracing::warn!(feed = %self.feed, "{note}");
        }
        self.notices.insert(kind, note.clone());
        let notice = Notice { feed: Some(self.feed.clone()), kind, note, at: mirror_time() };
        self.bear(self.tools.store.notice(notice).await)
    }
}
