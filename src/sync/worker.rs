//! The worker of one feed: it does what the session says, and tells the session what happened.

use super::clock::mirror_time;
use super::control::{Order, Reply};
use super::heartbeat::Beat;
use super::intake;
use super::messages::{Command, Event, Report};
use super::reporter::Reporter;
use super::session::{Session, SessionOptions};
use super::tools::Tools;
use crate::plan::options::Purpose;
use crate::plan::scans::ScanRequest;
use crate::record::{Failure, FeedId, ListingId, PageRequest, Record, Window};
use crate::store::Error as StoreError;
use crate::vendor::{Error as VendorError, Priority};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;

/// So many listings that a scan has just read are asked for, to see whether the vendor answers for single ones at all: a few of them
/// may be deleted meanwhile.
const WITNESSES: usize = 3;

/// How a worker ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was stopped.
    Stopped,
    /// A one-shot run is over.
    Finished {
        /// Why the feed is not complete; empty if it is.
        missing: Vec<String>,
    },
}

/// What follows from a command that was carried out.
enum Done {
    /// The session is to be told this event.
    Told(Event),
    /// The session is to be asked for its next command.
    Nothing,
    /// The worker ends.
    Ended(Ended),
}

/// The worker of one feed.
#[derive(Debug)]
pub(crate) struct Worker {
    tools: Tools,
    feed: FeedId,
    session: Session,
    reporter: Reporter,
    orders: mpsc::Receiver<Order>,
    /// Who is told of a scan that was asked for, by the number given to the asker.
    askers: BTreeMap<u64, mpsc::Sender<Reply>>,
    /// The number of the next asker.
    next_asker: u64,
    /// In this scan, the vendor has answered for a single listing that it was asked for.
    knows_listings: bool,
    /// The last error of the database; the worker ends with it when the session gives up.
    store_error: Option<StoreError>,
}

impl Worker {
    /// Goes on where the file says that the feed stands.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) async fn resume(
        tools: Tools,
        feed: FeedId,
        options: SessionOptions,
        orders: mpsc::Receiver<Order>,
    ) -> Result<Worker, StoreError> {
        let saved = tools.store.load(&feed).await?;
        let polls = (options.plan.interval, options.plan.streams.len());
        let session = Session::resume(tools.entity, feed.clone(), options, saved, tools.clock.now());
        let reporter = Reporter::new(tools.clone(), feed.clone(), polls);
        Ok(Worker {
            tools,
            feed,
            session,
            reporter,
            orders,
            askers: BTreeMap::new(),
            next_asker: 0,
            knows_listings: false,
            store_error: None,
        })
    }

    /// Works until it is stopped, or until a one-shot run is over.
    ///
    /// # Errors
    /// When the file cannot be written any more.
    pub(crate) async fn run(mut self) -> Result<Ended, StoreError> {
        loop {
            while let Ok(order) = self.orders.try_recv() {
                self.obey(order);
            }
            let now = self.tools.clock.now();
            self.beat(Beat::Working { since: now.monotonic });
            let command = self.session.next(now);
            let event = match self.perform(command).await {
                Ok(Done::Told(event)) => event,
                Ok(Done::Nothing) => continue,
                Ok(Done::Ended(ended)) => return Ok(ended),
                Err(error @ StoreError::Removed(_)) => {
                    tracing::warn!(feed = %self.feed, "{error}");
                    self.tools.troubles.forget(&self.feed);
                    return Ok(Ended::Finished { missing: vec![error.to_string()] });
                }
                Err(error) if error.is_passing() => {
                    let reason = error.to_string();
                    self.store_error = Some(error);
                    Event::StoreFailed(reason)
                }
                Err(error) => return Err(error),
            };
            self.session.on(event, self.tools.clock.now());
        }
    }

    fn obey(&mut self, order: Order) {
        let event = match order {
            Order::TryAgain => Event::TryAgain,
            Order::Reconcile { dry_run, reply } => {
                let asker = self.next_asker;
                self.next_asker += 1;
                self.askers.insert(asker, reply);
                Event::ScanRequested(ScanRequest { asker: Some(asker), dry_run })
            }
        };
        self.session.on(event, self.tools.clock.now());
    }

    /// Tells the watchdog what this worker does.
    fn beat(&self, beat: Beat) {
        self.tools.progress.beat(&self.feed, beat);
    }

    /// Replies to whoever asked for a scan, if somebody did. Nobody is waited for: a reply that finds no room is lost.
    fn reply(&self, wanted: Option<ScanRequest>, reply: Reply) {
        let asker = wanted.and_then(|wanted| wanted.asker).and_then(|asker| self.askers.get(&asker));
        asker.map(|asker| asker.try_send(reply));
    }

    async fn perform(&mut self, command: Command) -> Result<Done, StoreError> {
        let store = &self.tools.store;
        let event = match command {
            Command::Fetch(purpose, request) => return Ok(self.fetch(purpose, request).await),
            Command::FetchOne(listing) => return self.fetch_one(listing).await,
            Command::Wait(until) => return Ok(self.wait(until).await),
            Command::Tell(report) => {
                match &report {
                    Report::ScanBegun(run, _, wanted) => self.reply(*wanted, Reply::Begun { run: *run }),
                    Report::ScanOver(wanted) => {
                        self.reply(Some(*wanted), Reply::Done);
                        wanted.asker.map(|asker| self.askers.remove(&asker));
                    }
                    _ => {}
                }
                self.reporter.tell(report).await?;
                return Ok(Done::Nothing);
            }
            Command::Finished(missing) => return Ok(Done::Ended(Ended::Finished { missing })),
            Command::GiveUp => return Err(self.store_error.take().unwrap_or(StoreError::Closed)),
            Command::Store(arrival) => Event::Stored(intake::store(store, self.tools.entity, *arrival).await?),
            Command::CountLive(recent) => Event::Live { recent, live: store.live(&self.feed).await? },
            Command::BeginScan(range, wanted) => self.begin_scan(range, wanted).await?,
            Command::Judge { unread, limits } => Event::Judged(store.judge(&self.feed, unread, limits, mirror_time()).await?),
            Command::Confirm(listing, said) => {
                store.confirm(&self.feed, listing, said, mirror_time()).await?;
                Event::Confirmed
            }
            Command::SaveGaps(gaps) => {
                store.save_gaps(&self.feed, gaps).await?;
                Event::GapsSaved
            }
            Command::EndScan { delete_detail_only } => {
                store.end_run(&self.feed, delete_detail_only, mirror_time()).await?;
                Event::ScanEnded
            }
            Command::Load => Event::Loaded(store.load(&self.feed).await?),
        };
        Ok(Done::Told(event))
    }

    async fn fetch(&mut self, purpose: Purpose, request: PageRequest) -> Done {
        let priority = match purpose {
            Purpose::Poll => Priority::Poll,
            Purpose::Lookback | Purpose::Fill | Purpose::Scan => Priority::Fill,
        };
        self.beat(Beat::Queued);
        let shared = match &self.tools.shared {
            Some(shared) => shared.ask(purpose, &request).await,
            None => None,
        };
        let answer = match shared {
            Some(answer) => answer,
            None => {
                let Some(answer) = self.tools.vendor.sync_listings(&request, priority, &self.tools.stop).await else {
                    return Done::Ended(Ended::Stopped);
                };
                self.tools.progress.update(&self.feed, |counters| counters.requests += 1);
                let vendor_now = answer.as_ref().map_or_else(|error| error.vendor_now, |page| page.vendor_now);
                vendor_now.inspect(|utc| self.tools.clock.hear(*utc));
                answer
            }
        };
        Done::Told(match answer {
            Ok(page) => Event::Page(purpose, request, page),
            Err(error) => Event::Failed(purpose, request, error),
        })
    }

    async fn fetch_one(&mut self, listing: ListingId) -> Result<Done, StoreError> {
        let Some(mut answer) = self.detail(&listing).await else { return Ok(Done::Ended(Ended::Stopped)) };
        if matches!(answer, Ok(None)) && !self.knows_listings {
            // A vendor that cannot be asked for single listings lacks all of them. So the first lack counts only if it has another one.
            for other in self.tools.store.just_read(&self.feed, WITNESSES).await? {
                answer = match self.detail(&other).await {
                    None => return Ok(Done::Ended(Ended::Stopped)),
                    Some(Ok(Some(_))) => {
                        self.knows_listings = true;
                        Ok(None)
                    }
                    Some(Ok(None)) => Err(knows_none()),
                    Some(Err(error)) => Err(error),
                };
                if self.knows_listings {
                    break;
                }
            }
        }
        Ok(Done::Told(Event::One(listing, answer)))
    }

    /// Asks for one listing; `None` when stopped.
    async fn detail(&mut self, listing: &ListingId) -> Option<Result<Option<Record>, VendorError>> {
        self.beat(Beat::Queued);
        let answer = self.tools.vendor.listing_detail(&self.feed, listing, Priority::Fill, &self.tools.stop).await?;
        self.tools.progress.update(&self.feed, |counters| counters.requests += 1);
        Some(answer)
    }

    /// Waits until this time of `Now::monotonic`, or until an order comes.
    async fn wait(&mut self, until: Duration) -> Done {
        self.beat(Beat::Waiting { until });
        let wait = until.saturating_sub(self.tools.clock.now().monotonic);
        tokio::select! {
            () = self.tools.stop.cancelled() => return Done::Ended(Ended::Stopped),
            () = tokio::time::sleep(wait) => {}
            Some(order) = self.orders.recv() => self.obey(order),
        }
        Done::Nothing
    }

    async fn begin_scan(&mut self, range: Window, wanted: Option<ScanRequest>) -> Result<Event, StoreError> {
        // If the asker has gone meanwhile, its scan is not begun.
        if let Some(asker) = wanted.and_then(|wanted| wanted.asker)
            && self.askers.get(&asker).is_none_or(mpsc::Sender::is_closed)
        {
            self.askers.remove(&asker);
            return Ok(Event::ScanWithdrawn);
        }
        let dry_run = wanted.is_some_and(|wanted| wanted.dry_run);
        self.knows_listings = false;
        let run = self.tools.store.begin_run(&self.feed, range, dry_run, mirror_time()).await?;
        Ok(Event::ScanBegun(run, range))
    }
}

fn knows_none() -> VendorError {
    let message = "the vendor says of listings that it has just returned that they do not exist when they are asked for one by one, so this \
                   says nothing of those that are missing";
    VendorError { failure: Failure::Refused, message: message.to_owned(), vendor_now: None }
}
