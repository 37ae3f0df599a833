//! The one thread that writes, behind a bounded queue.

use super::commit::{Committed, PageCommit};
use super::errands::{self, Errand, ErrandKind, ErrandResult};
use super::files::Files;
use super::instance::{self, Instance};
use super::reconcile_run::{self, Approval, Confirmation, Judgement};
use super::rejects::{self, KeptReject, Replayed};
use super::row::ListingSql;
use super::{Error, OpenError, checkpoint, commit, feeds, ledger, notice, snapshots, sqlite};
use crate::plan::brake::Limits;
use crate::plan::command::Saved;
use crate::record::{FeedId, Field, Hash, Ledger, ListingId, ListingKey, Stamp, Stream, Window};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long a statement waits for another process during a stop.
const HURRIED: Duration = Duration::from_millis(20);
/// Requests that may wait for the writer. Each holds a page at most.
const QUEUE: usize = 4;

type Reply<T> = oneshot::Sender<Result<T, Error>>;

enum Request {
    Adopt(FeedId, Stamp, bool, String, Reply<Stamp>),
    Poll(FeedId, Vec<Stream>, Reply<()>),
    Load(FeedId, Reply<Saved>),
    Hashes(Vec<ListingKey>, Reply<BTreeMap<ListingKey, Hash>>),
    Commit(Box<PageCommit>, Reply<Committed>),
    Note(FeedNote, Reply<()>),
    Notice(Notice, Reply<()>),
    Live(FeedId, Reply<u64>),
    BeginRun(FeedId, Window, bool, String, Reply<i64>),
    Judge(i64, bool, Limits, String, Reply<Judgement>),
    Confirm(i64, ListingId, Confirmation, String, Reply<()>),
    EndRun(i64, String, Reply<()>),
    Abandon(FeedId, String, Reply<()>),
    Feeds(Reply<Vec<FeedId>>),
    Approve(i64, String, Reply<Approval>),
    Rejects(i64, Reply<Vec<KeptReject>>),
    Replay(Vec<Replayed>, String, Reply<Committed>),
    Remove(FeedId, String, Reply<Option<u64>>),
    Ledger(String, Reply<Ledger>),
    SaveLedger(String, Ledger, String, Reply<()>),
    Tidy(String, Reply<()>),
    LeaveErrand(ErrandKind, String, Reply<i64>),
    WithdrawErrand(i64, String, Reply<()>),
    TakeErrands(String, Reply<Vec<Errand>>),
    BeginErrand(i64, i64, Reply<()>),
    EndErrand(i64, ErrandResult, String, Reply<()>),
    ClearErrands(String, Reply<()>),
    Wanted(i64, Reply<bool>),
}

/// What a feed is doing, for `status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedNote {
    /// The feed.
    pub feed: FeedId,
    /// One of the words of the column `feeds.activity`.
    pub activity: &'static str,
    /// Why, for a person.
    pub note: Option<String>,
    /// Whether a round of polls was just proven complete.
    pub polled: bool,
    /// The mirror's clock.
    pub at: String,
}

/// What a person should know, until it no longer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The feed; `None` for the vendor or the machine.
    pub feed: Option<FeedId>,
    /// One word; at most one notice a kind and feed.
    pub kind: &'static str,
    /// The notice; `None` takes it back.
    pub note: Option<String>,
    /// The mirror's clock.
    pub at: String,
}

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
    pub fn open(path: &Path, fields: &'static [Field]) -> Result<(Store, JoinHandle<()>), OpenError> {
        Store::start(path, fields, None)
    }

    /// The same for the process that mirrors into the file; its lock is kept until the file is closed.
    ///
    /// # Errors
    /// When the file cannot be used; nothing has been created or changed then.
    pub fn open_held(instance: Instance, fields: &'static [Field]) -> Result<(Store, JoinHandle<()>), OpenError> {
        let path = instance.database().to_owned();
        Store::start(&path, fields, Some(instance))
    }

    fn start(path: &Path, fields: &'static [Field], instance: Option<Instance>) -> Result<(Store, JoinHandle<()>), OpenError> {
        if instance.is_none() {
            instance::check_shared(path)?;
        }
        let connection = sqlite::open(path)?;
        let mut files = Files::of(path);
        let mut instance = instance;
        if let Some(instance) = &mut instance {
            files.watch(instance.path());
            instance.opened();
        }
        let (queue, requests) = mpsc::channel(QUEUE);
        let hurry = Arc::new(AtomicBool::new(false));
        let sql = ListingSql::new(fields);
        let writer = Writer { connection, sql, files, instance, backlog: None, hurry: Arc::clone(&hurry), hurries: false };
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

    /// Leaves an errand for the process that mirrors into the file; tells its number.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub async fn leave_errand(&self, kind: ErrandKind, at: String) -> Result<i64, Error> {
        self.ask(|reply| Request::LeaveErrand(kind, at, reply)).await
    }

    /// Takes an errand back, unless its run has begun.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub async fn withdraw_errand(&self, errand: i64, at: String) -> Result<(), Error> {
        self.ask(|reply| Request::WithdrawErrand(errand, at, reply)).await
    }

    /// Whether somebody still waits for an errand.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub async fn is_wanted(&self, errand: i64) -> Result<bool, Error> {
        self.ask(|reply| Request::Wanted(errand, reply)).await
    }

    /// The next errands that nobody has taken, a few at a time.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub async fn take_errands(&self, at: String) -> Result<Vec<Errand>, Error> {
        self.ask(|reply| Request::TakeErrands(at, reply)).await
    }

    /// Tells which reconcile run does an errand.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub async fn begin_errand(&self, errand: i64, run: i64) -> Result<(), Error> {
        self.ask(|reply| Request::BeginErrand(errand, run, reply)).await
    }

    /// Tells how an errand ended.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub async fn end_errand(&self, errand: i64, result: ErrandResult, at: String) -> Result<(), Error> {
        self.ask(|reply| Request::EndErrand(errand, result, at, reply)).await
    }

    /// Ends the errands that an earlier process has left undone.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub async fn clear_errands(&self, at: String) -> Result<(), Error> {
        self.ask(|reply| Request::ClearErrands(at, reply)).await
    }

    /// Looks after the files: folds in what can be folded in, and puts up a notice where a reader is in the way.
    ///
    /// # Errors
    /// When SQLite refuses, or the files are gone.
    pub async fn tidy(&self, at: String) -> Result<(), Error> {
        self.ask(|reply| Request::Tidy(at, reply)).await
    }
}

/// The owner of the only connection that writes.
struct Writer {
    connection: Connection,
    sql: ListingSql,
    files: Files,
    /// Where troubles are told that the database itself cannot hold.
    instance: Option<Instance>,
    /// The backlog that was told of.
    backlog: Option<u64>,
    /// A stop is under way, and whether that was heard.
    hurry: Arc<AtomicBool>,
    hurries: bool,
}

impl Writer {
    fn work(mut self, mut requests: mpsc::Receiver<Request>) {
        while let Some(request) = requests.blocking_recv() {
            self.serve(request);
        }
        // What others use is not folded together with what was taken away.
        if self.files.check().is_ok() {
            close(&self.connection);
        }
    }

    /// Whoever asked may have gone: a reply that nobody takes is dropped, the work is done all the same.
    fn serve(&mut self, request: Request) {
        match request {
            Request::Adopt(feed, since, insist, at, reply) => self.write(reply, |w| feeds::adopt(&w.connection, &feed, since, insist, &at)),
            Request::Poll(feed, streams, reply) => self.write(reply, |w| checkpoint::poll(&w.connection, &feed, &streams)),
            Request::Load(feed, reply) => drop(reply.send(checkpoint::load(&self.connection, &feed))),
            Request::Hashes(keys, reply) => drop(reply.send(commit::hashes(&self.connection, &keys))),
            Request::Commit(page, reply) => self.write(reply, |w| commit::commit(&mut w.connection, &w.sql, &page)),
            Request::Note(note, reply) => self.write(reply, |w| feeds::save_note(&w.connection, &note)),
            Request::Notice(note, reply) => self.write(reply, |w| notice::save(&w.connection, &note)),
            Request::Live(feed, reply) => drop(reply.send(notice::live(&self.connection, &feed))),
            Request::BeginRun(feed, range, dry, at, reply) => {
                self.write(reply, |w| reconcile_run::begin(&w.connection, &feed, range, dry, &at));
            }
            Request::Judge(run, proven, limits, at, reply) => {
                self.write(reply, |w| reconcile_run::judge(&mut w.connection, run, proven, limits, &at));
            }
            Request::Confirm(run, listing, said, at, reply) => {
                self.write(reply, |w| reconcile_run::confirm(&mut w.connection, run, &listing, said, &at));
            }
            Request::EndRun(run, at, reply) => self.write(reply, |w| reconcile_run::end(&w.connection, run, &at)),
            Request::Abandon(feed, at, reply) => self.write(reply, |w| reconcile_run::abandon(&w.connection, &feed, &at)),
            Request::Feeds(reply) => drop(reply.send(feeds::mirrored(&self.connection))),
            Request::Approve(run, at, reply) => self.write(reply, |w| reconcile_run::approve(&mut w.connection, run, &at)),
            Request::Rejects(after, reply) => drop(reply.send(rejects::kept(&self.connection, after))),
            Request::Replay(records, at, reply) => self.write(reply, |w| rejects::replay(&mut w.connection, &w.sql, &records, &at)),
            Request::Remove(feed, at, reply) => self.write(reply, |w| feeds::remove(&mut w.connection, &feed, &at)),
            Request::Ledger(account, reply) => drop(reply.send(ledger::load(&self.connection, &account))),
            Request::SaveLedger(account, ledger, at, reply) => {
                self.write(reply, |w| ledger::save(&mut w.connection, &account, &ledger, &at));
            }
            // It writes what is written already: that it succeeds does not say that anything new can be.
            Request::Tidy(at, reply) => drop(reply.send(self.files.check().and_then(|()| self.tidy(at)))),
            Request::Wanted(errand, reply) => drop(reply.send(errands::is_wanted(&self.connection, errand))),
            Request::LeaveErrand(kind, at, reply) => self.write(reply, |w| errands::leave(&w.connection, &kind, &at)),
            Request::WithdrawErrand(errand, at, reply) => self.write(reply, |w| errands::withdraw(&w.connection, errand, &at)),
            Request::TakeErrands(at, reply) => drop(reply.send(errands::take(&mut self.connection, &at))),
            Request::BeginErrand(errand, run, reply) => self.write(reply, |w| errands::begin(&w.connection, errand, run)),
            Request::EndErrand(errand, result, at, reply) => self.write(reply, |w| errands::end(&w.connection, errand, &result, &at)),
            Request::ClearErrands(at, reply) => self.write(reply, |w| errands::clear(&mut w.connection, &at)),
        }
    }

    fn write<T>(&mut self, reply: Reply<T>, write: impl FnOnce(&mut Writer) -> Result<T, Error>) {
        if self.hurry.load(Ordering::Relaxed) && !self.hurries {
            self.hurries = self.connection.busy_timeout(HURRIED).is_ok();
        }
        let checked = self.files.check();
        let done = checked.and_then(|()| write(self));
        match (&done, &mut self.instance) {
            (Ok(_), Some(instance)) => instance.tell(None),
            (Err(error @ (Error::Sqlite(_) | Error::Gone(_))), Some(instance)) => instance.tell(Some(&error.to_string())),
            (Err(_), Some(_)) | (_, None) => {}
        }
        drop(reply.send(done));
    }

    fn tidy(&mut self, at: String) -> Result<(), Error> {
        let backlog = snapshots::tidy(&self.connection)?;
        // Told anew when it has grown by a quarter: it is never the same twice.
        let same = match (self.backlog, backlog) {
            (Some(told), Some(now)) => now < told + told / 4,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if same {
            return Ok(());
        }
        let note = backlog.map(|bytes| snapshots::complaint(bytes, &snapshots::readers(self.files.database())));
        match &note {
            Some(note) => tracing::warn!("{note}"),
            None => tracing::info!("the WAL is tidied up again"),
        }
        notice::save(&self.connection, &Notice { feed: None, kind: "snapshot", note, at })?;
        self.backlog = backlog;
        Ok(())
    }
}

/// Folds the WAL into the file. Readers that hold a snapshot may prevent it; the WAL then stays, which loses nothing.
fn close(connection: &Connection) {
    if let Err(error) = connection.busy_timeout(Duration::ZERO) {
        tracing::debug!(%error, "the wait for others could not be shortened");
    }
    if let Err(error) = connection.pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(())) {
        tracing::debug!(%error, "the WAL could not be folded into the file at close");
    }
}
