//! One feed: asks the plan, obeys, reports back; it decides nothing itself.

use super::digest::{self, Moment};
use super::reporter::Reporter;
use crate::entity::Entity;
use crate::plan::backoff;
use crate::plan::brake::{Limits, Ruling};
use crate::plan::command::{Command, Options, Purpose, Verdict};
use crate::plan::feed::FeedPlan;
use crate::plan::merge::Action;
use crate::record::{Failure, FeedId, ListingId, Page, PageRequest, Reject, Stream, Window};
use crate::store::{Committed, Confirmation, Error as StoreError, Store};
use crate::sync::clock::{Clock, mirror_time};
use crate::sync::control::{Order, Reply};
use crate::sync::heartbeat::Beat;
use crate::sync::progress::Progress;
use crate::vendor::{Error as VendorError, Priority, Vendor};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A one-shot run gives up after this many failed transactions in a row.
const ONCE_STORE_FAULTS: u32 = 5;
/// Deletions are counted over this long.
const BURST: Duration = Duration::from_secs(3600);

/// What every worker works with.
#[derive(Clone, Debug)]
pub struct Tools {
    /// What is mirrored.
    pub entity: &'static Entity,
    /// The vendor, with the budget of its credential.
    pub vendor: Arc<Vendor>,
    /// The file.
    pub store: Store,
    /// The clocks.
    pub clock: Arc<Clock>,
    /// The counters.
    pub progress: Progress,
    /// Ends every wait.
    pub stop: CancellationToken,
}

/// Above which numbers deletions are suspicious.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Watch {
    /// Of inferred deletions, in a run.
    pub brake: Limits,
    /// Of stated deletions, within an hour.
    pub burst: Limits,
}

/// How a worker ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was stopped.
    Stopped,
    /// A one-shot run is over; what is missing, if anything.
    Finished {
        /// Why the feed is not complete; empty if it is.
        missing: Vec<String>,
    },
}

/// A reconcile that was ordered.
#[derive(Debug)]
struct Ordered {
    dry_run: bool,
    reply: mpsc::Sender<Reply>,
}

/// The worker of one feed.
#[derive(Debug)]
pub struct Worker {
    tools: Tools,
    feed: FeedId,
    options: Options,
    watch: Watch,
    plan: FeedPlan,
    reporter: Reporter,
    orders: mpsc::Receiver<Order>,
    /// The ordered reconciles that have not begun, in their order.
    ordered: VecDeque<Ordered>,
    /// The ordered reconcile that is under way.
    reconciling: Option<Ordered>,
    store_fails: u32,
    stated_deletions: VecDeque<(Duration, u64)>,
}

impl Worker {
    /// Goes on where the file says that the feed stands.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn resume(
        tools: Tools,
        feed: FeedId,
        options: Options,
        watch: Watch,
        orders: mpsc::Receiver<Order>,
    ) -> Result<Worker, StoreError> {
        let saved = tools.store.load(&feed).await?;
        let plan = FeedPlan::resume(feed.clone(), options.clone(), saved, tools.clock.now());
        let reporter = Reporter::new(tools.clone(), feed.clone());
        Ok(Worker {
            tools,
            feed,
            options,
            watch,
            plan,
            reporter,
            orders,
            ordered: VecDeque::new(),
            reconciling: None,
            store_fails: 0,
            stated_deletions: VecDeque::new(),
        })
    }

    /// Works until it is stopped, or until a one-shot run is over.
    ///
    /// # Errors
    /// When the file cannot be written any more.
    pub async fn run(mut self) -> Result<Ended, StoreError> {
        loop {
            match self.step().await {
                Ok(None) => {}
                Ok(Some(ended)) => return Ok(ended),
                Err(error @ StoreError::Removed(_)) => {
                    tracing::warn!(feed = %self.feed, "{error}");
                    return Ok(Ended::Finished { missing: vec![error.to_string()] });
                }
                Err(fatal @ (StoreError::Closed | StoreError::Gone(_))) => return Err(fatal),
                Err(error @ (StoreError::Sqlite(_) | StoreError::Strange(_))) => self.recover(error).await?,
            }
        }
    }

    /// The database refused: nothing of the step was stored, so the plan is read again from the file, when that works.
    async fn recover(&mut self, error: StoreError) -> Result<(), StoreError> {
        let mut error = error;
        loop {
            self.store_fails += 1;
            if self.options.once && self.store_fails >= ONCE_STORE_FAULTS {
                return Err(error);
            }
            let wait = backoff::wait(&Failure::Unavailable, self.store_fails, self.options.seed);
            tracing::error!(feed = %self.feed, %error, retry_in = ?wait, "the database cannot be used; nothing is lost, what was read will be read again");
            self.beat(Beat::Waiting { until: self.tools.clock.now().monotonic + wait });
            if self.tools.stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return Ok(());
            }
            self.beat_working();
            match self.tools.store.load(&self.feed).await {
                Ok(saved) => {
                    self.plan = FeedPlan::resume(self.feed.clone(), self.options.clone(), saved, self.tools.clock.now());
                    self.want_again();
                    return Ok(());
                }
                Err(fatal @ (StoreError::Closed | StoreError::Gone(_) | StoreError::Removed(_))) => return Err(fatal),
                Err(again @ (StoreError::Sqlite(_) | StoreError::Strange(_))) => error = again,
            }
        }
    }

    /// A plan that was read from the file anew knows a run that is under way, unless it was dry, and none that waits.
    fn want_again(&mut self) {
        if !self.plan.is_scanning() {
            self.reconciling.take().into_iter().for_each(|lost| self.ordered.push_front(lost));
        }
        self.ordered.iter().for_each(|ordered| self.plan.want_scan(ordered.dry_run));
    }

    /// Tells the watchdog what this worker does.
    fn beat(&self, beat: Beat) {
        self.tools.progress.beat(&self.feed, beat);
    }

    fn beat_working(&self) {
        self.beat(Beat::Working { since: self.tools.clock.now().monotonic });
    }

    async fn step(&mut self) -> Result<Option<Ended>, StoreError> {
        while let Ok(order) = self.orders.try_recv() {
            self.obey(order);
        }
        self.beat_working();
        let going = match self.plan.next(self.tools.clock.now()) {
            Command::Fetch { purpose, request } => self.fetch(purpose, request).await?,
            Command::BeginScan { range, dry_run, wanted } => self.begin_scan(range, dry_run, wanted).await?,
            Command::Judge { run, proven } => self.judge(run, proven).await?,
            Command::Confirm { run, listing } => self.confirm(run, listing).await?,
            Command::EndScan { run } => {
                self.tools.store.end_run(run, mirror_time()).await?;
                self.scanned();
                true
            }
            Command::Wait { until } => {
                self.reporter.waiting().await?;
                self.sleep_until(until).await
            }
            Command::Finished { missing } => {
                // The gaps behind the reason have lines of their own.
                let note = missing.first().cloned();
                self.reporter.note(if missing.is_empty() { "waiting" } else { "blocked" }, note, false).await?;
                return Ok(Some(Ended::Finished { missing }));
            }
        };
        Ok((!going).then_some(Ended::Stopped))
    }

    /// Until then, or until it is ordered to do something; `false` when stopped.
    async fn sleep_until(&mut self, until: Duration) -> bool {
        self.beat(Beat::Waiting { until });
        let wait = until.saturating_sub(self.tools.clock.now().monotonic);
        tokio::select! {
            () = self.tools.stop.cancelled() => return false,
            () = tokio::time::sleep(wait) => {}
            Some(order) = self.orders.recv() => self.obey(order),
        }
        true
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::TryAgain => self.plan.try_again(),
            Order::Reconcile { dry_run, reply } => {
                self.ordered.push_back(Ordered { dry_run, reply });
                self.plan.want_scan(dry_run);
            }
        }
    }

    /// `false` when stopped.
    async fn fetch(&mut self, purpose: Purpose, request: PageRequest) -> Result<bool, StoreError> {
        self.reporter.working(purpose, &request).await?;
        self.beat(Beat::Queued);
        let Some(answer) = self.tools.vendor.sync_listings(&request, priority(purpose), &self.tools.stop).await else {
            return Ok(false);
        };
        self.beat_working();
        self.tools.progress.update(&self.feed, |counters| counters.requests += 1);
        match answer {
            Ok(page) => self.take(purpose, &request, page).await?,
            Err(error) => self.failed(purpose, &request, &error).await?,
        }
        Ok(true)
    }

    async fn take(&mut self, purpose: Purpose, request: &PageRequest, page: Page) -> Result<(), StoreError> {
        let clock = self.tools.clock.clone();
        page.vendor_now.inspect(|utc| clock.hear(*utc));
        let rounds = self.plan.proven_rounds();
        let seen = digest::describe(&self.feed, request, &page, page.vendor_now.map(|utc| clock.as_written(utc)));
        match self.plan.on_page(purpose, seen, clock.now()) {
            Verdict::Refuse(failure, message, retry) => {
                self.reporter.failed(purpose, request, &VendorError { failure, message, vendor_now: None }, retry).await
            }
            Verdict::Store(checkpoint) => {
                let fill_total = (purpose == Purpose::Fill && request.page == 1).then_some(page.total);
                let (state, zone) = (checkpoint.state.clone(), checkpoint.zone);
                let stored = self.tools.store.hashes(digest::keys(&self.feed, &page)).await?;
                let moment = Moment { vendor_now: clock.vendor(), at: mirror_time() };
                let commit = digest::prepare(self.tools.entity, request, page, &stored, *checkpoint, moment);
                let (records, rejects) = (commit.records.len() as u64, commit.rejects.clone());
                let committed = self.tools.store.commit(commit).await?;
                self.store_fails = 0;
                // A reject that is kept already was told of when it came.
                let is_new = |_: &&Reject| committed.rejects > 0;
                rejects.iter().filter(is_new).for_each(|reject| self.reporter.rejected(request.stream, reject));
                if let Some(row) = committed.window {
                    self.plan.saved(purpose, row);
                }
                self.count(purpose, &committed, records, fill_total);
                self.reporter.recovered(purpose, request).await?;
                self.reporter.observed(state.as_ref(), zone).await?;
                self.watch_deletions(request.stream, &committed).await?;
                if self.plan.proven_rounds() > rounds {
                    self.tools.progress.update(&self.feed, |counters| counters.polls += 1);
                    self.reporter.note("waiting", None, true).await?;
                }
                Ok(())
            }
        }
    }

    fn count(&self, purpose: Purpose, committed: &Committed, records: u64, fill_total: Option<u64>) {
        self.tools.progress.update(&self.feed, |counters| {
            for (action, count) in &committed.counts {
                *counters.done.counts.entry(*action).or_default() += count;
            }
            counters.done.rejects += committed.rejects;
            if purpose == Purpose::Fill {
                let before = counters.filled;
                counters.filled += records;
                counters.expected = counters.expected.max(counters.filled).max(fill_total.map_or(0, |total| before + total));
            }
        });
    }

    /// The vendor's deletions are always applied; very many of them at once are reported.
    async fn watch_deletions(&mut self, stream: Stream, committed: &Committed) -> Result<(), StoreError> {
        let count = committed.counts.get(&Action::Tombstone).copied().unwrap_or(0);
        if count == 0 || stream != Stream::Deleted {
            return Ok(());
        }
        let up = self.tools.clock.now().monotonic;
        self.stated_deletions.push_back((up, count));
        self.stated_deletions.retain(|(at, _)| *at + BURST > up);
        let recent: u64 = self.stated_deletions.iter().map(|(_, count)| count).sum();
        if recent <= self.watch.burst.count {
            return Ok(());
        }
        let before = self.tools.store.live(&self.feed).await? + recent;
        if recent as f64 <= self.watch.burst.share * before as f64 {
            return Ok(());
        }
        let note =
            format!("the vendor deleted {recent} of {before} live listings within an hour; they are tombstones, their rows are kept");
        self.reporter.notice("burst", Some(note)).await
    }

    async fn failed(&mut self, purpose: Purpose, request: &PageRequest, error: &VendorError) -> Result<(), StoreError> {
        error.vendor_now.inspect(|utc| self.tools.clock.hear(*utc));
        let retry = self.plan.on_failure(purpose, &error.failure, self.tools.clock.now(), &error.message);
        if retry.fails == 0 {
            tracing::debug!(feed = %self.feed, "the vendor takes no time of the future: {}", error.message);
            return Ok(());
        }
        self.reporter.failed(purpose, request, error, retry).await
    }

    async fn begin_scan(&mut self, range: Window, dry_run: bool, wanted: bool) -> Result<bool, StoreError> {
        if wanted && self.ordered.front().is_some_and(|ordered| ordered.reply.is_closed()) {
            self.ordered.pop_front();
            self.plan.unwant_scan();
            return Ok(true);
        }
        let run = self.tools.store.begin_run(&self.feed, range, dry_run, mirror_time()).await?;
        self.reconciling = if wanted { self.ordered.pop_front() } else { None };
        if let Some(ordered) = &self.reconciling {
            ordered.reply.try_send(Reply::Begun { run }).ok();
        }
        tracing::info!(feed = %self.feed, run, %range, "reconciling: reading everything again");
        self.plan.scan_begun(run, range, self.tools.clock.now());
        Ok(true)
    }

    /// A run is over; whoever asked for it is told.
    fn scanned(&mut self) {
        self.plan.scanned();
        if let Some(ordered) = self.reconciling.take() {
            ordered.reply.try_send(Reply::Done).ok();
        }
    }

    async fn judge(&mut self, run: i64, proven: bool) -> Result<bool, StoreError> {
        let judgement = self.tools.store.judge(run, proven, self.watch.brake, mirror_time()).await?;
        match judgement.ruling {
            Ruling::Confirm if self.plan.scan_is_dry() => self.scanned(),
            Ruling::Confirm => {
                self.reporter.notice("withheld", None).await?;
                self.plan.judged(judgement.to_confirm);
            }
            // Nothing was changed, so nothing waits for an approval.
            Ruling::Withhold(_) if self.plan.scan_is_dry() => self.scanned(),
            Ruling::Withhold(why) => {
                let note = format!("deletions are withheld: {why}. Look, then `mls-sync reconcile --approve {run}`");
                self.reporter.notice("withheld", Some(note)).await?;
                self.scanned();
            }
            Ruling::Fail(why) => {
                tracing::error!(feed = %self.feed, run, "reconcile: {why}");
                self.scanned();
            }
        }
        Ok(true)
    }

    /// `false` when stopped.
    async fn confirm(&mut self, run: i64, listing: ListingId) -> Result<bool, StoreError> {
        self.beat(Beat::Queued);
        let answer = self.tools.vendor.listing_detail(&self.feed, &listing, Priority::Fill, &self.tools.stop).await;
        let Some(answer) = answer else { return Ok(false) };
        self.beat_working();
        self.tools.progress.update(&self.feed, |counters| counters.requests += 1);
        let said = match answer {
            Ok(None) => Confirmation::Gone,
            Ok(Some(record)) => match (self.tools.entity.decode)(&record) {
                Ok(content) if (self.tools.entity.looks_deleted)(&content) => Confirmation::Deleted,
                Ok(_) => Confirmation::Present,
                Err(_) => Confirmation::Unclear,
            },
            // The same question would be refused again; it is left for the next run.
            Err(error) if error.failure == Failure::Refused => Confirmation::Unclear,
            Err(error) => {
                let retry = self.plan.on_failure(Purpose::Scan, &error.failure, self.tools.clock.now(), &error.message);
                tracing::warn!(feed = %self.feed, %listing, retry_in = ?retry.wait, "asking for an absent listing: {}", error.message);
                return Ok(true);
            }
        };
        self.tools.store.confirm(run, listing, said, mirror_time()).await?;
        self.plan.confirmed();
        Ok(true)
    }
}

fn priority(purpose: Purpose) -> Priority {
    match purpose {
        Purpose::Poll => Priority::Poll,
        Purpose::Lookback | Purpose::Fill | Purpose::Scan => Priority::Fill,
    }
}
