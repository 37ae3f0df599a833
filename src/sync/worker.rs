//! The worker of one feed: it does what the session says, and tells the session what happened.

use super::clock::mirror_time;
use super::control::{Order, Reply};
use super::fetch::{Storing, fetch, fetch_one, joined};
use super::heartbeat::Beat;
use super::intake::{self, Arrival, Stored};
use super::messages::{Command, Event, Report};
use super::reporter::Reporter;
use super::session::{Session, SessionOptions};
use super::tools::Tools;
use crate::plan::clock::Now;
use crate::plan::options::Purpose;
use crate::plan::scans::ScanRequest;
use crate::record::{FeedId, ListingId, PageRequest, Window};
use crate::store::Error as StoreError;
use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc;

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
    /// The session is to be told this event, which came at this time.
    Told(Box<Event>, Now),
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
    /// The page that is being stored.
    storing: Option<Storing>,
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
        let polls = (options.plan.interval_max.unwrap_or(options.plan.interval), options.plan.streams.len());
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
            storing: None,
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
            let (event, at) = match self.perform(command).await {
                Ok(Done::Told(event, at)) => (*event, at),
                Ok(Done::Nothing) => continue,
                Ok(Done::Ended(ended)) => return Ok(ended),
                Err(error @ StoreError::Removed(_)) => {
                    tracing::warn!(feed = %self.feed, "{error}");
                    self.tools.troubles.forget(&self.feed);
                    return Ok(Ended::Finished { missing: vec![error.to_string()] });
                }
                Err(error) => (self.refused(error)?, self.tools.clock.now()),
            };
            self.session.on(event, at);
        }
    }

    /// What the session is to be told of an error of the database that may pass; any other ends the worker.
    fn refused(&mut self, error: StoreError) -> Result<Event, StoreError> {
        if !error.is_passing() {
            return Err(error);
        }
        let reason = error.to_string();
        self.store_error = Some(error);
        Ok(Event::StoreFailed(reason))
    }

    /// Begins to store a page; the worker goes on meanwhile.
    fn begin_to_store(&mut self, arrival: Arrival) {
        let store = self.tools.store.clone();
        // It may have waited for the page before it.
        let waited = self.tools.clock.now().monotonic.saturating_sub(arrival.now.monotonic);
        self.storing = Some(tokio::spawn(async move { intake::store(&store, arrival, waited).await }));
    }

    /// Waits for the page that is being stored, if there is one, and tells the session what came of it.
    async fn await_stored(&mut self) -> Result<(), StoreError> {
        self.beat(Beat::Working { since: self.tools.clock.now().monotonic });
        match &mut self.storing {
            None => Ok(()),
            storing => {
                let stored = joined(storing.as_mut()).await;
                self.on_stored(stored)
            }
        }
    }

    fn on_stored(&mut self, stored: Result<Stored, StoreError>) -> Result<(), StoreError> {
        self.storing = None;
        let event = stored.map(Event::Stored).or_else(|error| self.refused(error))?;
        self.session.on(event, self.tools.clock.now());
        Ok(())
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
        let store = self.tools.store.clone();
        let event = match command {
            Command::Fetch(purpose, request) => return self.fetch(purpose, request).await,
            Command::AwaitStored => {
                self.await_stored().await?;
                return Ok(Done::Nothing);
            }
            Command::Store(arrival) => {
                self.begin_to_store(*arrival);
                return Ok(Done::Nothing);
            }
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
            Command::Load => Event::Loaded(Box::new(store.load(&self.feed).await?)),
        };
        Ok(self.told(event))
    }

    fn told(&self, event: Event) -> Done {
        Done::Told(Box::new(event), self.tools.clock.now())
    }

    /// Asks for a page. What comes of the page that is being stored meanwhile is told to people at once, for the vendor may take long.
    async fn fetch(&mut self, purpose: Purpose, request: PageRequest) -> Result<Done, StoreError> {
        self.beat(Beat::Queued);
        let mut fetching = pin!(fetch(self.tools.clone(), self.feed.clone(), purpose, request));
        let fetched = tokio::select! {
            fetched = &mut fetching => {
                self.await_stored().await?;
                fetched
            }
            stored = joined(self.storing.as_mut()) => {
                self.on_stored(stored)?;
                self.tell_reports().await?;
                fetching.await
            }
        };
        let Some((event, at)) = fetched else {
            // Nothing more is asked of the session after a stop.
            self.tell_reports().await?;
            return Ok(Done::Ended(Ended::Stopped));
        };
        Ok(Done::Told(Box::new(event), at))
    }

    async fn tell_reports(&mut self) -> Result<(), StoreError> {
        while let Some(report) = self.session.next_report() {
            self.reporter.tell(report).await?;
        }
        Ok(())
    }

    async fn fetch_one(&mut self, listing: ListingId) -> Result<Done, StoreError> {
        self.beat(Beat::Queued);
        let answer = fetch_one(&self.tools, &self.feed, &listing, &mut self.knows_listings).await?;
        Ok(answer.map_or(Done::Ended(Ended::Stopped), |answer| self.told(Event::One(listing, answer))))
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
