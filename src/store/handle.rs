//! The way to the one thread that writes: a bounded queue, shared by everybody.

use super::commit::{Committed, PageCommit};
use super::instance::{self, Instance};
use super::reconcile_run::{Approval, Confirmation, Judgement};
use super::rejects::{KeptReject, Replayed};
use super::writer::{FeedNote, Notice, Reply, Request, Writer};
use super::{Error, OpenError};
use crate::entity::Entity;
use crate::plan::brake::Limits;
use crate::plan::command::Saved;
use crate::record::{FeedId, Hash, Ledger, ListingId, ListingKey, Stamp, Stream, Window};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

/// Requests that may wait for the writer. Each holds a page at most.
const QUEUE: usize = 4;

/// The way to the writer. Clones share it; the last one to go closes the file.
#[derive(Clone, Debug)]
pub struct Store {
    queue: mpsc::Sender<Request>,
    hurry: Arc<AtomicBool>,
}

impl Store {
    /// Opens the file, or creates it, and starts the writer. The handle ends when the last [`Store`] is dropped: by
    /// then every accepted request is done and the WAL is folded into the file.
    ///
    /// # Errors
    /// When the file cannot be used; nothing has been created or changed then.
    pub fn open(path: &Path, entity: &'static Entity) -> Result<(Store, JoinHandle<()>), OpenError> {
        Store::start(path, entity, None)
    }

    /// The same for the process that mirrors into the file; its lock is kept until the file is closed.
    ///
    /// # Errors
    /// When the file cannot be used; nothing has been created or changed then.
    pub fn open_held(instance: Instance, entity: &'static Entity) -> Result<(Store, JoinHandle<()>), OpenError> {
        let path = instance.database().to_owned();
        Store::start(&path, entity, Some(instance))
    }

    fn start(path: &Path, entity: &'static Entity, instance: Option<Instance>) -> Result<(Store, JoinHandle<()>), OpenError> {
        if instance.is_none() {
            instance::check_shared(path)?;
        }
        let hurry = Arc::new(AtomicBool::new(false));
        let writer = Writer::open(path, entity, instance, Arc::clone(&hurry))?;
        let (queue, requests) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new().name("writer".to_owned()).spawn(move || writer.work(requests));
        let thread = thread.map_err(|error| OpenError::Unusable { path: path.to_owned(), why: format!("no thread for it: {error}") })?;
        Ok((Store { queue, hurry }, thread))
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.queue.send(request(reply)).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// From now on nothing waits for another program that holds the write lock: a stop must not take long.
    pub fn hurry(&self) {
        self.hurry.store(true, Ordering::Relaxed);
    }

    /// Makes sure that a feed has a row; tells the oldest stamp that the mirror is to hold of it. `insist` replaces
    /// what an earlier run has set.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub async fn adopt(&self, feed: &FeedId, since: Stamp, insist: bool, at: String) -> Result<Stamp, Error> {
        self.ask(|reply| Request::Adopt(feed.clone(), since, insist, at, reply)).await
    }

    /// Tells which streams of a feed are polled from now on; the others no longer count for how complete it is.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub async fn poll(&self, feed: &FeedId, streams: Vec<Stream>) -> Result<(), Error> {
        self.ask(|reply| Request::Poll(feed.clone(), streams, reply)).await
    }

    /// What the file remembers of a feed.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub async fn load(&self, feed: &FeedId) -> Result<Saved, Error> {
        self.ask(|reply| Request::Load(feed.clone(), reply)).await
    }

    /// The hashes of the records that the stored rows were made of.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub async fn hashes(&self, keys: Vec<ListingKey>) -> Result<BTreeMap<ListingKey, Hash>, Error> {
        self.ask(|reply| Request::Hashes(keys, reply)).await
    }

    /// Stores a page and its checkpoint in one transaction.
    ///
    /// # Errors
    /// When SQLite refuses; nothing of the page is stored then.
    pub async fn commit(&self, page: PageCommit) -> Result<Committed, Error> {
        self.ask(|reply| Request::Commit(Box::new(page), reply)).await
    }

    /// Writes down what a feed is doing.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub async fn note(&self, note: FeedNote) -> Result<(), Error> {
        self.ask(|reply| Request::Note(note, reply)).await
    }

    /// Puts up a notice, or takes it back.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub async fn notice(&self, notice: Notice) -> Result<(), Error> {
        self.ask(|reply| Request::Notice(notice, reply)).await
    }

    /// How many live rows a feed has.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub async fn live(&self, feed: &FeedId) -> Result<u64, Error> {
        self.ask(|reply| Request::Live(feed.clone(), reply)).await
    }

    /// Begins a reconcile run; tells its number.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub async fn begin_run(&self, feed: &FeedId, range: Window, dry_run: bool, at: String) -> Result<i64, Error> {
        self.ask(|reply| Request::BeginRun(feed.clone(), range, dry_run, at, reply)).await
    }

    /// Sets a run's reading against the rows, and rules.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub async fn judge(&self, run: i64, proven: bool, limits: Limits, at: String) -> Result<Judgement, Error> {
        self.ask(|reply| Request::Judge(run, proven, limits, at, reply)).await
    }

    /// Takes note of what the vendor said of an absent row, and deletes it if that was confirmed.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub async fn confirm(&self, run: i64, listing: ListingId, said: Confirmation, at: String) -> Result<(), Error> {
        self.ask(|reply| Request::Confirm(run, listing, said, at, reply)).await
    }

    /// Ends a run.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub async fn end_run(&self, run: i64, at: String) -> Result<(), Error> {
        self.ask(|reply| Request::EndRun(run, at, reply)).await
    }

    /// Ends the runs of a feed that are under way.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub async fn abandon_runs(&self, feed: &FeedId, at: String) -> Result<(), Error> {
        self.ask(|reply| Request::Abandon(feed.clone(), at, reply)).await
    }

    /// The feeds that have a row and were not removed.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub async fn feeds(&self) -> Result<Vec<FeedId>, Error> {
        self.ask(Request::Feeds).await
    }

    /// Applies the deletions of a withheld run.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub async fn approve(&self, run: i64, at: String) -> Result<Approval, Error> {
        self.ask(|reply| Request::Approve(run, at, reply)).await
    }

    /// The next kept rejects after this one that are whole, a few at a time; empty at the end.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub async fn rejects(&self, after: i64) -> Result<Vec<KeptReject>, Error> {
        self.ask(|reply| Request::Rejects(after, reply)).await
    }

    /// Stores records that were rejects, as a page's would be, in place of their rejects.
    ///
    /// # Errors
    /// When SQLite refuses; nothing has changed then.
    pub async fn replay(&self, records: Vec<Replayed>, at: String) -> Result<Committed, Error> {
        self.ask(|reply| Request::Replay(records, at, reply)).await
    }

    /// A person says that a feed is gone: its live rows become tombstones, and where it stood is forgotten. Tells how
    /// many rows that were; `None` if there is no such feed. Broken off, it goes on when asked again.
    ///
    /// # Errors
    /// When SQLite refuses, or the feed is adopted again meanwhile.
    pub async fn remove_feed(&self, feed: &FeedId, at: String) -> Result<Option<u64>, Error> {
        self.ask(|reply| Request::Remove(feed.clone(), at, reply)).await
    }

    /// What is remembered of a credential.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub async fn ledger(&self, account: String) -> Result<Ledger, Error> {
        self.ask(|reply| Request::Ledger(account, reply)).await
    }

    /// Remembers it.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub async fn save_ledger(&self, account: String, ledger: Ledger, at: String) -> Result<(), Error> {
        self.ask(|reply| Request::SaveLedger(account, ledger, at, reply)).await
    }

    /// Looks after the files: folds in what can be folded in, and puts up a notice where a reader is in the way.
    ///
    /// # Errors
    /// When SQLite refuses, or the files are gone.
    pub async fn tidy(&self, at: String) -> Result<(), Error> {
        self.ask(|reply| Request::Tidy(at, reply)).await
    }
}
