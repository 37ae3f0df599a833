//! What a worker tells people: in the log, in the row of its feed, and in the notices.

use super::clock::mirror_time;
use super::intake::Stored;
use super::messages::Report;
use super::notices;
use super::pace::Round;
use super::tools::Tools;
use super::trouble_log::{Kind, log_failure};
use crate::plan::attempts::Retry;
use crate::plan::options::Purpose;
use crate::plan::window::FromRule;
use crate::plan::zone::ZoneFinding;
use crate::record::{Failure, FeedId, PageRequest, spoken};
use crate::store::{Committed, Error as StoreError, FeedNote, Notice};
use crate::vendor::Error as VendorError;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Clocks that differ by more than this are worth a notice.
const SKEW_S: i64 = 30;
/// The notice is rewritten only when the difference has changed by more than this: it is a little different at each answer.
const SKEW_GRAIN_S: u64 = 15;

/// So many changes in the queries of URLs alone are no accident.
const SIGNED_ANEW: u64 = 50;

/// Writes what one feed's worker reports: log lines, the feed's activity, and its notices. Activity and notices are written
/// only when they have changed. Rejects are logged each time, failures when trouble begins and when it is over.
#[derive(Debug)]
pub(super) struct Reporter {
    tools: Tools,
    feed: FeedId,
    /// The activity that was written last, with its reason.
    noted: Option<(&'static str, Option<String>)>,
    /// The notices that were written last, by kind; `None` for one that was taken back.
    notices: BTreeMap<&'static str, Option<String>>,
    /// The difference of the clocks that the notice tells.
    skew_s: Option<i64>,
    /// From one round of polls to the next, at most, as configured.
    interval: Duration,
    /// The requests of a round that finds nothing new.
    round_requests: usize,
    /// When the last round was over, if nothing has failed since.
    polled: Option<Instant>,
    /// Changes in the queries of URLs alone.
    signed_anew: u64,
}

impl Reporter {
    pub(super) fn new(tools: Tools, feed: FeedId, (interval, round_requests): (Duration, usize)) -> Reporter {
        Reporter {
            tools,
            feed,
            noted: None,
            notices: BTreeMap::new(),
            skew_s: None,
            interval,
            round_requests,
            polled: None,
            signed_anew: 0,
        }
    }

    /// Writes a report. If the database refuses it for now, that is logged and the worker goes on.
    pub(super) async fn tell(&mut self, report: Report) -> Result<(), StoreError> {
        match self.told(report).await {
            Err(error) if error.is_passing() => {
                tracing::warn!(feed = %self.feed, %error, "the state of the feed could not be written to the database");
                Ok(())
            }
            told => told,
        }
    }

    async fn told(&mut self, report: Report) -> Result<(), StoreError> {
        match report {
            Report::Working(purpose, request) => self.working(purpose, &request).await,
            Report::Waiting => self.waiting().await,
            Report::Failed(purpose, request, error, retry) => self.failed(purpose, &request, &error, retry).await,
            Report::OneFailed(listing, error, retry) => {
                let begins = self.tools.troubles.failed(Kind::of(&error.failure), Some(&self.feed), &error.message);
                let (host, retry_in) = (self.tools.vendor.host(), spoken(retry.wait));
                log_failure!(begins, feed = %self.feed, host, %listing, retry_in, "the vendor could not be asked whether it still has a listing \
                     that the reconcile run did not find: {}", error.message);
                Ok(())
            }
            Report::Stored(stored) => self.stored(&stored).await,
            Report::StoreFailed(error, wait) => {
                let begins = self.tools.troubles.failed(Kind::Database, Some(&self.feed), &error);
                let retry_in = spoken(wait);
                log_failure!(begins, feed = %self.feed, error, retry_in, "the database cannot be used; nothing is lost, what was read will be read again");
                Ok(())
            }
            Report::ScanBegun(run, range, _) => {
                tracing::info!(feed = %self.feed, run, %range, "reconciling: reading everything again");
                Ok(())
            }
            Report::NotWithheld => self.notice("withheld", None).await,
            Report::Withheld(run, why) => {
                let note = format!(
                    "deletions are withheld: {why}. Compare some listings by `mls-sync why {} LISTING --ask`; if they are gone, \
                     `mls-sync reconcile --approve {run}`",
                    self.feed
                );
                self.notice("withheld", Some(note)).await
            }
            Report::ScanFailed(run, why) => {
                tracing::error!(feed = %self.feed, run, "the reconcile run failed: {why}");
                Ok(())
            }
            // Whoever asked for it is told by the worker.
            Report::ScanOver(_) => Ok(()),
            Report::Gaps(note) => self.notice("known_gap", note).await,
            Report::Trouble(note) => self.notice("trouble", note).await,
            Report::Burst(note) => self.notice("burst", Some(note)).await,
            // Only the first reason is noted: `status` shows the unread gaps by itself.
            Report::Finished(None) => self.note("waiting", None).await,
            Report::Finished(reason) => self.note("blocked", reason).await,
        }
    }

    fn in_trouble(&self) -> bool {
        self.noted.as_ref().is_some_and(|(activity, _)| matches!(*activity, "retrying" | "blocked"))
    }

    async fn working(&mut self, purpose: Purpose, request: &PageRequest) -> Result<(), StoreError> {
        self.tools.progress.update(&self.feed, |counters| counters.doing = format!("{} {}", purpose.doing(), request.window));
        let activity = match purpose {
            // While a fault lasts, its reason stays to be seen.
            _ if self.in_trouble() => return Ok(()),
            // A poll in between does not change what a feed is busy with.
            Purpose::Poll | Purpose::Lookback if self.noted.is_some() => return Ok(()),
            Purpose::Poll | Purpose::Lookback => "polling",
            Purpose::Fill => "filling",
            Purpose::Scan => "reconciling",
        };
        self.note(activity, None).await
    }

    async fn waiting(&mut self) -> Result<(), StoreError> {
        self.tools.progress.update(&self.feed, |counters| counters.doing = "waiting".to_owned());
        if self.in_trouble() { Ok(()) } else { self.note("waiting", None).await }
    }

    async fn note(&mut self, activity: &'static str, note: Option<String>) -> Result<(), StoreError> {
        let fresh = Some((activity, note.clone()));
        if fresh == self.noted {
            return Ok(());
        }
        self.noted = fresh;
        let in_trouble = self.in_trouble();
        self.tools.progress.update(&self.feed, |counters| counters.in_trouble = in_trouble);
        self.tools.store.note(FeedNote { feed: self.feed.clone(), activity, note, at: mirror_time() }).await
    }

    async fn failed(&mut self, purpose: Purpose, request: &PageRequest, error: &VendorError, retry: Retry) -> Result<(), StoreError> {
        if retry.fails == 0 {
            tracing::debug!(feed = %self.feed, "a request failed and is not repeated; nothing is missing for that: {}", error.message);
            return Ok(());
        }
        self.polled = None;
        let activity = match error.failure {
            Failure::Unauthorized | Failure::Refused => "blocked",
            Failure::Throttled { .. } | Failure::Unavailable | Failure::Malformed => "retrying",
        };
        let wait = self.tools.vendor.closed_for().unwrap_or_default().max(retry.wait);
        let begins = self.tools.troubles.failed(Kind::of(&error.failure), Some(&self.feed), &error.message);
        log_failure!(
            begins,
            feed = %self.feed,
            host = self.tools.vendor.host(),
            work = purpose.word(),
            requested_status = request.stream.number(),
            page = request.page,
            window = %request.window,
            failures_in_a_row = retry.fails,
            retry_in = spoken(wait),
            "{}",
            error.message
        );
        let until = chrono::Utc::now() + wait;
        let note = match &error.failure {
            Failure::Throttled { .. } => {
                // Without the date, a time is unambiguous for half a day only.
                let form = if wait.as_secs() < 12 * 3600 { "%H:%M:%S UTC" } else { "%Y-%m-%d %H:%M:%S UTC" };
                format!("{}; no request until {}", error.message, until.format(form))
            }
            Failure::Unavailable | Failure::Unauthorized | Failure::Refused | Failure::Malformed => error.message.clone(),
        };
        self.note(activity, Some(note)).await
    }

    async fn stored(&mut self, stored: &Stored) -> Result<(), StoreError> {
        self.count(stored);
        self.tools.troubles.answered(Some(&self.feed));
        self.tools.troubles.stored(Some(&self.feed));
        for reject in &stored.committed.new_rejects {
            let (listing, requested_status) = (reject.listing.as_ref().map(tracing::field::display), stored.request.stream.number());
            tracing::warn!(feed = %self.feed, requested_status, listing, "a record could not be stored and is kept in the table rejects (see \
                 `mls-sync rejects`): {}", reject.reason);
        }
        if self.in_trouble() {
            self.noted = None;
            self.working(stored.purpose, &stored.request).await?;
        }
        self.looked_at_records(stored).await?;
        self.observed(stored.from_rule, stored.zone).await?;
        if !stored.round_proven {
            return Ok(());
        }
        self.round_over();
        self.note("waiting", None).await
    }

    /// Polls may come later than they should, because the rate does not allow more.
    fn round_over(&mut self) {
        let now = Instant::now();
        let Some(last) = self.polled.replace(now) else { return };
        let asking = if self.tools.shared.is_some() { 1 } else { self.tools.progress.feeds() };
        let needed = (asking * self.round_requests) as f64 / self.interval.as_secs_f64();
        let (after, interval, rate) = (now - last, self.interval, self.tools.vendor.rate());
        self.tools.troubles.polled(Round { after, interval, needed, rate });
    }

    /// Says what the records themselves show.
    async fn looked_at_records(&mut self, stored: &Stored) -> Result<(), StoreError> {
        let Committed { signed_anew, undated, .. } = &stored.committed;
        if let Some(undated) = *undated {
            let note = self.tools.entity.stamp.filter(|_| undated).map(|stamp| {
                format!(
                    "some listings have no {stamp} that can be read, so it is not known which version of them is newer: \
                     one that was deleted stays deleted. The table `misfits` names them"
                )
            });
            self.notice("undated", note).await?;
        }
        self.signed_anew += signed_anew;
        let note = (self.signed_anew >= SIGNED_ANEW).then(|| {
            "many changes are in the queries of photo URLs alone, as where URLs are signed anew in every answer. \
             Set media.ignore_query = true, then these are no changes"
                .to_owned()
        });
        self.notice("media", note).await
    }

    fn count(&self, stored: &Stored) {
        self.tools.progress.update(&self.feed, |counters| {
            counters.add(&stored.committed);
            counters.rounds += u64::from(stored.round_proven);
            if stored.purpose == Purpose::Fill {
                let of_window = if stored.request.page == 1 { counters.filled + stored.total } else { 0 };
                counters.filled += stored.records;
                counters.expected = counters.expected.max(counters.filled).max(of_window);
            }
        });
    }

    /// Says what the vendor's answers show of its clock, its zone and its reading of From.
    async fn observed(&mut self, from_rule: FromRule, zone: Option<ZoneFinding>) -> Result<(), StoreError> {
        let measured = self.tools.clock.skew_s();
        let skew = self.skew_s.filter(|told| told.abs_diff(measured) <= SKEW_GRAIN_S).unwrap_or(measured);
        self.skew_s = Some(skew);
        let skewed = (skew.abs() > SKEW_S).then(|| {
            let direction = if skew > 0 { "ahead of" } else { "behind" };
            format!("the vendor's clock is {} s {direction} ours; check the time of this machine", skew.abs())
        });
        self.notice("clock", skewed).await?;
        if let Some(finding) = zone {
            self.notice("zone", notices::zone(&self.tools.clock, finding)).await?;
        }
        let from = match from_rule {
            FromRule::Exact => return Ok(()),
            FromRule::Midnight => "the vendor rounds FromUpdatedDate down to midnight: nothing is lost, but polls read the whole day",
            FromRule::Ignored => "the vendor does not obey FromUpdatedDate: nothing is lost, but every poll reads everything",
        };
        self.notice("from", Some(from.to_owned())).await
    }

    /// Puts up a notice, or takes it back.
    async fn notice(&mut self, kind: &'static str, note: Option<String>) -> Result<(), StoreError> {
        if self.notices.get(kind) == Some(&note) {
            return Ok(());
        }
        if let Some(note) = &note {
            tracing::warn!(feed = %self.feed, "{note}");
        }
        self.notices.insert(kind, note.clone());
        self.tools.store.notice(Notice { feed: Some(self.feed.clone()), kind, note, at: mirror_time() }).await
    }
}
