//! The one thread that writes.

use super::commit::{Committed, PageCommit};
use super::files::Files;
use super::instance::Instance;
use super::reconcile_run::{self, Approval, Confirmation, Judgement};
use super::rejects::{self, KeptReject, Replayed};
use super::row::ListingSql;
use super::{Error, OpenError, checkpoint, commit, feeds, ledger, notice, snapshots, sqlite};
use crate::entity::Entity;
use crate::plan::brake::Limits;
use crate::plan::command::Saved;
use crate::record::{FeedId, Hash, Ledger, ListingId, ListingKey, Stamp, Stream, Window};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long a statement waits for another process during a stop.
const HURRIED: Duration = Duration::from_millis(20);

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What may be asked of the writer.
pub(super) enum Request {
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

/// The owner of the only connection that writes.
pub(super) struct Writer {
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
    pub(super) fn open(
        path: &Path,
        entity: &'static Entity,
        mut instance: Option<Instance>,
        hurry: Arc<AtomicBool>,
    ) -> Result<Writer, OpenError> {
        let connection = sqlite::open(path)?;
        let mut files = Files::of(path);
        if let Some(instance) = &mut instance {
            files.watch(instance.path());
            instance.opened();
        }
        Ok(Writer { connection, sql: ListingSql::new(entity.fields), files, instance, backlog: None, hurry, hurries: false })
    }

    pub(super) fn work(mut self, mut requests: mpsc::Receiver<Request>) {
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
