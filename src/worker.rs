//! One feed: asks the plan, obeys, reports back; it decides nothing itself.

use crate::clock::{Clock, mirror_time};
use crate::plan::backoff;
use crate::plan::feed::{Checkpoint, Command, FeedPlan, Options, PageSeen, Purpose, Retry, Verdict};
use crate::plan::paging::Answer;
use crate::progress::Progress;
use crate::provider::{Error as VendorError, Priority, Vendor, constellation1};
use crate::record::{Failure, FeedId, Page, PageRequest, Record, Reject, Said, Stream};
use crate::store::{Committed, Error as StoreError, FeedNote, Incoming, PageCommit, Store};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A one-shot run gives up after this many failed transactions in a row.
const ONCE_STORE_FAULTS: u32 = 5;

/// What every worker works with.
#[derive(Clone, Debug)]
pub struct Tools {
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

/// The worker of one feed.
#[derive(Debug)]
pub struct Worker {
    tools: Tools,
    feed: FeedId,
    options: Options,
    plan: FeedPlan,
    noted: Option<(&'static str, Option<String>)>,
    store_fails: u32,
}

impl Worker {
    /// Goes on where the file says that the feed stands.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn resume(tools: Tools, feed: FeedId, options: Options) -> Result<Worker, StoreError> {
        let saved = tools.store.load(&feed).await?;
        let plan = FeedPlan::resume(feed.clone(), options.clone(), saved);
        Ok(Worker { tools, feed, options, plan, noted: None, store_fails: 0 })
    }

    /// Works until it is stopped, or until a one-shot run is over.
    ///
    /// # Errors
    /// When the file cannot be written any more.
    pub async fn run(mut self) -> Result<Ended, StoreError> {
        loop {
            match self.plan.next(self.tools.clock.now()) {
                Command::Fetch { purpose, request } => {
                    self.note_work(purpose, &request).await?;
                    let priority = match purpose {
                        Purpose::Poll => Priority::Poll,
                        Purpose::Fill => Priority::Fill,
                    };
                    let Some(answer) = self.tools.vendor.sync_listings(&request, priority, &self.tools.stop).await else {
                        return Ok(Ended::Stopped);
                    };
                    self.tools.progress.update(&self.feed, |counters| counters.requests += 1);
                    match answer {
                        Ok(page) => self.take(purpose, &request, page).await?,
                        Err(error) => self.failed(purpose, &request, &error).await?,
                    }
                }
                Command::Wait { until } => {
                    self.note_wait().await?;
                    if !self.sleep_until(until).await {
                        return Ok(Ended::Stopped);
                    }
                }
                Command::Finished { missing } => {
                    let note = (!missing.is_empty()).then(|| missing.join("; "));
                    self.note(if missing.is_empty() { "waiting" } else { "blocked" }, note, false).await?;
                    return Ok(Ended::Finished { missing });
                }
            }
        }
    }

    /// `false` when stopped.
    async fn sleep_until(&self, until: Duration) -> bool {
        let wait = until.saturating_sub(self.tools.clock.now().up);
        self.tools.stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_some()
    }

    async fn take(&mut self, purpose: Purpose, request: &PageRequest, page: Page) -> Result<(), StoreError> {
        if let Some(vendor_now) = page.vendor_now {
            self.tools.clock.hear(vendor_now);
        }
        let rounds = self.plan.proven_rounds();
        let seen = self.describe(request, &page);
        match self.plan.on_page(purpose, seen, self.tools.clock.now()) {
            Verdict::Refuse(failure, reason) => {
                let error = VendorError { failure, message: reason, vendor_now: None };
                self.say_failed(purpose, request, &error, None).await
            }
            Verdict::Store(checkpoint) => {
                let fill_total = (purpose == Purpose::Fill && request.page == 1).then_some(page.total);
                let commit = self.prepare(request, page, *checkpoint).await?;
                let records = commit.records.len() as u64;
                let Some(committed) = self.commit(purpose, commit).await? else { return Ok(()) };
                self.count(purpose, &committed, records, fill_total);
                if self.in_trouble() {
                    tracing::info!(feed = %self.feed, "the vendor answers again");
                    self.noted = None;
                    self.note_work(purpose, request).await?;
                }
                if self.plan.proven_rounds() > rounds {
                    self.tools.progress.update(&self.feed, |counters| counters.polls += 1);
                    self.note("waiting", None, true).await?;
                }
                Ok(())
            }
        }
    }

    fn describe(&self, request: &PageRequest, page: &Page) -> PageSeen {
        let own = |record: &&Record| record.key.feed == self.feed;
        let mark = |record: &Record| match own(&record) {
            true => record.key.listing.0.clone(),
            false => format!("{}\u{0}{}", record.key.feed.0, record.key.listing.0),
        };
        let rejects = page.rejects.iter().map(|reject| format!("\u{0}{:x}", u128::from_be_bytes(reject.raw_hash)));
        PageSeen {
            answer: Answer {
                page: request.page,
                marks: page.records.iter().map(mark).chain(rejects).collect(),
                total: page.total,
                more: page.next_page.is_some(),
            },
            stamps: page.records.iter().filter(own).filter_map(|record| record.stamp).collect(),
            foreign: page.records.iter().filter(|record| !own(record)).count(),
            vendor_now: page.vendor_now,
        }
    }

    /// Decodes what is not stored already.
    async fn prepare(&self, request: &PageRequest, page: Page, checkpoint: Checkpoint) -> Result<PageCommit, StoreError> {
        let own: Vec<Record> = page.records.into_iter().filter(|record| record.key.feed == self.feed).collect();
        let stored = self.tools.store.hashes(own.iter().map(|record| record.key.clone()).collect()).await?;
        let said = request.stream.says();
        let mut commit = PageCommit { feed: self.feed.clone(), records: Vec::new(), rejects: page.rejects, checkpoint, at: mirror_time() };
        for record in own {
            let known = stored.get(&record.key);
            // A deletion of a row that is there needs no content: the row keeps what it last had.
            let needed = known.is_none_or(|hash| *hash != record.raw_hash && said == Said::Live);
            match needed.then(|| constellation1::decode(&record)).transpose() {
                Ok(content) => commit.records.push(incoming(record, said, content)),
                Err(reject) => commit.rejects.push(reject),
            }
        }
        for reject in &commit.rejects {
            self.say_rejected(request.stream, reject);
        }
        Ok(commit)
    }

    /// A commit that failed has stored nothing, so the plan is read again from the file; `None` then.
    async fn commit(&mut self, purpose: Purpose, commit: PageCommit) -> Result<Option<Committed>, StoreError> {
        match self.tools.store.commit(commit).await {
            Ok(committed) => {
                if let Some(row) = committed.window {
                    self.plan.saved(purpose, row);
                }
                self.store_fails = 0;
                Ok(Some(committed))
            }
            Err(StoreError::Closed) => Err(StoreError::Closed),
            Err(error) => {
                self.store_fails += 1;
                let wait = backoff::wait(&Failure::Unavailable, self.store_fails, self.options.seed);
                tracing::error!(feed = %self.feed, %error, retry_in = ?wait, "the page could not be stored; nothing of it was, and it will be read again");
                if self.options.once && self.store_fails >= ONCE_STORE_FAULTS {
                    return Err(error);
                }
                self.tools.stop.run_until_cancelled(tokio::time::sleep(wait)).await;
                self.plan = FeedPlan::resume(self.feed.clone(), self.options.clone(), self.tools.store.load(&self.feed).await?);
                Ok(None)
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

    async fn failed(&mut self, purpose: Purpose, request: &PageRequest, error: &VendorError) -> Result<(), StoreError> {
        if let Some(vendor_now) = error.vendor_now {
            self.tools.clock.hear(vendor_now);
        }
        let retry = self.plan.on_failure(purpose, &error.failure, self.tools.clock.now(), &error.message);
        self.say_failed(purpose, request, error, Some(retry)).await
    }

    async fn say_failed(
        &mut self,
        purpose: Purpose,
        request: &PageRequest,
        error: &VendorError,
        retry: Option<Retry>,
    ) -> Result<(), StoreError> {
        let activity = match error.failure {
            Failure::Unauthorized | Failure::Refused => "blocked",
            Failure::Throttled { .. } | Failure::Unavailable | Failure::Malformed => "retrying",
        };
        let wait = self.tools.vendor.closed_for().unwrap_or_default().max(retry.map(|retry| retry.wait).unwrap_or_default());
        tracing::warn!(
            feed = %self.feed,
            status = request.stream.status(),
            page = request.page,
            window = %request.window,
            work = ?purpose,
            fails = retry.map(|retry| retry.fails),
            retry_in = ?Duration::from_millis(wait.as_millis() as u64),
            "{}",
            error.message
        );
        let until = chrono::Utc::now() + wait;
        let note = match &error.failure {
            Failure::Throttled { wait } => {
                format!("rate limited until {} (vendor said {:.1} s)", until.format("%H:%M:%S"), wait.as_secs_f64())
            }
            Failure::Unavailable | Failure::Unauthorized | Failure::Refused | Failure::Malformed => error.message.clone(),
        };
        self.note(activity, Some(note), false).await
    }

    fn say_rejected(&self, stream: Stream, reject: &Reject) {
        let listing = reject.listing.as_ref().map(tracing::field::display);
        tracing::warn!(feed = %self.feed, status = stream.status(), listing, "a record could not be stored and is kept in rejects: {}", reject.reason);
    }

    async fn note_work(&mut self, purpose: Purpose, request: &PageRequest) -> Result<(), StoreError> {
        self.tools.progress.update(&self.feed, |counters| {
            counters.doing = format!("{} {}", if purpose == Purpose::Poll { "polling" } else { "filling" }, request.window);
        });
        match purpose {
            // While a fault lasts, its reason stays to be seen.
            _ if self.in_trouble() => Ok(()),
            // A poll in between does not change what a feed is busy with.
            Purpose::Poll if self.noted.is_some() => Ok(()),
            Purpose::Poll => self.note("polling", None, false).await,
            Purpose::Fill => self.note("filling", None, false).await,
        }
    }

    async fn note_wait(&mut self) -> Result<(), StoreError> {
        self.tools.progress.update(&self.feed, |counters| counters.doing = "waiting".to_owned());
        if self.in_trouble() { Ok(()) } else { self.note("waiting", None, false).await }
    }

    fn in_trouble(&self) -> bool {
        self.noted.as_ref().is_some_and(|(activity, _)| matches!(*activity, "retrying" | "blocked"))
    }

    async fn note(&mut self, activity: &'static str, note: Option<String>, polled: bool) -> Result<(), StoreError> {
        let fresh = Some((activity, note.clone()));
        if fresh == self.noted && !polled {
            return Ok(());
        }
        self.noted = fresh;
        let note = FeedNote { feed: self.feed.clone(), activity, note, polled, at: mirror_time() };
        match self.tools.store.note(note).await {
            // What is shown is not worth a stop; what is stored has its own retries.
            Err(error @ (StoreError::Sqlite(_) | StoreError::Strange(_))) => {
                tracing::warn!(feed = %self.feed, %error, "the feed's state could not be written down");
                Ok(())
            }
            done => done,
        }
    }
}

fn incoming(record: Record, said: Said, content: Option<crate::record::Content>) -> Incoming {
    Incoming { key: record.key, stamp: record.stamp, said, raw_hash: record.raw_hash, content }
}
