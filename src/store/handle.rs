//! The way to the one thread that writes: a bounded queue, shared by everybody.

use super::commit::{self, Committed, PageCommit};
use super::database::Database;
use super::error::Error;
use super::feeds::{self, FeedNote};
use super::instance::{self, Instance};
use super::licences::StoreOptions;
use super::load::{self, Load};
use super::notice::{self, Notice};
use super::open_error::{OpenError, unusable};
use super::reconcile_absent::{self, Judgement};
use super::reconcile_end;
use super::reconcile_run::{self, Confirmation, Occasion};
use super::rejects::{self, KeptReject, Replayed};
use super::reso::{self, LookupRow};
use super::source::{self, Taken, Takeover};
use super::writer::{Job, Writer};
use super::{bulk_load, checkpoint, known_gaps, ledger, removal, search};
use crate::entity::Entity;
use crate::plan::brake::BrakeLimits;
use crate::plan::checkpoint::Saved;
use crate::plan::known_gaps::KnownGap;
use crate::plan::merge::ActionKind;
use crate::record::{FeedId, Ledger, ListingId, Record, Stamp, Stream, Window};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

/// Jobs that may wait for the writer. Each holds a page at most.
const QUEUE: usize = 4;

/// The way to the writer. Clones share it; the last one to go closes the file.
///
/// Each method is one job of the writer's thread; the jobs are done in the order of their asking, also if whoever asked has
/// stopped waiting. A method fails when SQLite refuses or the file was taken away; nothing has changed then. Times named `at`
/// are the mirror's clock: UTC, RFC 3339.
#[derive(Clone, Debug)]
pub struct Store {
    queue: mpsc::Sender<Job>,
    hurry: Arc<AtomicBool>,
}

impl Store {
    /// Opens the file, or creates it, and starts the writer. The handle ends when the last [`Store`] is dropped: by
    /// then every accepted job is done and the WAL is folded into the file.
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
        let (queue, jobs) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new().name("writer".to_owned()).spawn(move || writer.work(jobs));
        let thread = thread.map_err(|error| unusable(path, format!("no thread for it: {error}")))?;
        Ok((Store { queue, hurry }, thread))
    }

    /// A job that is done even if nobody waits for its answer any more.
    async fn ask<T: Send + 'static>(&self, job: impl FnOnce(&mut Writer) -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(move |writer: &mut Writer| drop(reply.send(job(writer))));
        self.queue.send(job).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Database) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        self.ask(move |writer| Ok(read(&writer.database)?)).await
    }

    pub(super) async fn write<T, E>(&self, write: impl FnOnce(&mut Database) -> Result<T, E> + Send + 'static) -> Result<T, Error>
    where
        T: Send + 'static,
        E: Into<Error>,
    {
        self.ask(move |writer| writer.write(|database| write(database).map_err(Into::into))).await
    }

    /// Stores by these options from now on. What is stored already and may not be kept, [`Store::purge`] takes out.
    pub(crate) async fn configure(&self, options: StoreOptions) -> Result<(), Error> {
        self.ask(move |writer| Ok(writer.configure(options)?)).await
    }

    /// Takes a step towards what the licences allow; tells whether there may be more to do.
    pub(crate) async fn purge(&self, at: String) -> Result<bool, Error> {
        self.ask(move |writer| writer.purge(&at)).await
    }

    /// From now on nothing waits for another program that holds the write lock: a stop must not take long.
    pub(crate) fn hurry(&self) {
        self.hurry.store(true, Ordering::Relaxed);
    }

    /// Writes down which source the file mirrors, if it may; a file that mirrors another one is left as it is.
    pub(crate) async fn take(&self, takeover: Takeover) -> Result<Taken, Error> {
        self.write(move |db| source::take(db, &takeover)).await
    }

    /// Makes the table `reso_lookup` hold these rows.
    pub(crate) async fn save_reso(&self, rows: Vec<LookupRow>) -> Result<(), Error> {
        self.write(move |db| reso::save(db, &rows)).await
    }

    /// Drops what only queries need, if the file has no listing or an earlier bulk load has not ended; tells whether it did.
    pub(crate) async fn begin_bulk_load(&self, at: String) -> Result<bool, Error> {
        self.write(move |db| bulk_load::begin(db, &at)).await
    }

    /// Builds the indexes that a bulk load has left out, if there was one. It comes after [`Store::switch_search`]. A stop gives it up.
    pub(crate) async fn end_bulk_load(&self, keep_alive: fn()) -> Result<(), Error> {
        let stop = Arc::clone(&self.hurry);
        self.write(move |db| bulk_load::end(db, keep_alive, &stop)).await
    }

    /// Builds and removes `listing_text` and `listing_location`, as they are wanted. `told` hears how many listings are in, of how many.
    pub async fn switch_search(&self, wanted: [bool; 2], told: impl FnMut(i64, i64) + Send + 'static) -> Result<(), Error> {
        let stop = Arc::clone(&self.hurry);
        self.write(move |db| search::switch(db, wanted, told, &stop)).await
    }

    /// Whether a feed was not reconciled since the file was taken over from another source.
    pub(crate) async fn owes_reconcile(&self, feed: &FeedId) -> Result<bool, Error> {
        let feed = feed.clone();
        self.read(move |db| source::owes_reconcile(&db.connection, &feed)).await
    }

    /// Makes sure that a feed has a row; tells the oldest stamp that the mirror is to hold of it. `insist` replaces
    /// what an earlier run has set.
    pub async fn adopt(&self, feed: &FeedId, since: Stamp, insist: bool, at: String) -> Result<Stamp, Error> {
        let feed = feed.clone();
        self.write(move |db| feeds::adopt(&db.connection, &feed, since, insist, &at)).await
    }

    /// Tells of the feeds that the configuration no longer names; an empty list names them all.
    pub(crate) async fn tell_of_dropped(&self, named: Vec<String>, at: String) -> Result<(), Error> {
        self.write(move |db| feeds::tell_of_dropped(&db.connection, &named, &at)).await
    }

    /// The name under which the file knows a feed; as it was given where it does not. Upper and lower case do not matter.
    pub(crate) async fn named(&self, feed: &FeedId) -> Result<FeedId, Error> {
        let feed = feed.clone();
        self.read(move |db| feeds::named(&db.connection, &feed)).await
    }

    /// Tells which streams of a feed are polled from now on; the others no longer count for how complete it is.
    pub(crate) async fn poll(&self, feed: &FeedId, streams: Vec<Stream>) -> Result<(), Error> {
        let feed = feed.clone();
        self.write(move |db| checkpoint::poll(&db.connection, &feed, &streams)).await
    }

    /// What the file remembers of a feed.
    pub async fn load(&self, feed: &FeedId) -> Result<Saved, Error> {
        let feed = feed.clone();
        self.ask(move |writer| {
            writer.database.idle.forget(&feed);
            Ok(checkpoint::load(&writer.database.connection, &feed)?)
        })
        .await
    }

    /// Stores a page and its checkpoint in one transaction.
    pub(crate) async fn commit(&self, page: PageCommit) -> Result<Committed, Error> {
        self.write(move |db| commit::commit(db, page)).await
    }

    /// Puts the known gaps of a feed in the place of those that were saved.
    pub async fn save_gaps(&self, feed: &FeedId, gaps: Vec<KnownGap>) -> Result<(), Error> {
        let feed = feed.clone();
        self.write(move |db| known_gaps::save(db, &feed, &gaps)).await
    }

    /// Writes down what a feed is doing.
    pub(crate) async fn note(&self, note: FeedNote) -> Result<(), Error> {
        self.write(move |db| feeds::save_note(&db.connection, &note)).await
    }

    /// Puts up a notice, or takes it back.
    pub(crate) async fn notice(&self, notice: Notice) -> Result<(), Error> {
        self.write(move |db| notice::save(&db.connection, &notice)).await
    }

    /// A few live listings of a feed, with their stamps; those that were in the file first come first.
    pub(crate) async fn samples(&self, feed: &FeedId, count: usize) -> Result<Vec<(ListingId, Stamp)>, Error> {
        let feed = feed.clone();
        self.read(move |db| feeds::samples(&db.connection, &feed, count)).await
    }

    /// A few listings that the reconcile run under way has read, as their rows hold them.
    pub(crate) async fn just_read(&self, feed: &FeedId, count: usize) -> Result<Vec<ListingId>, Error> {
        let feed = feed.clone();
        self.read(move |db| reconcile_absent::just_read(&db.connection, &feed, count)).await
    }

    /// How many live rows a feed has.
    pub async fn live(&self, feed: &FeedId) -> Result<u64, Error> {
        let feed = feed.clone();
        self.read(move |db| db.sql.live(&db.connection, &feed)).await
    }

    /// Begins a reconcile run of a feed, in place of the one that is under way, if any; tells its number, for people.
    pub async fn begin_run(&self, feed: &FeedId, range: Window, dry_run: bool, at: String) -> Result<i64, Error> {
        let feed = feed.clone();
        self.write(move |db| reconcile_run::begin(db, Occasion { feed: &feed, at: &at }, range, dry_run)).await
    }

    /// Sets the reading of a feed's run against its rows, and rules. `unread` are the stretches that it could not read or prove.
    /// Fails when no run of the feed is under way, as the next two do.
    pub async fn judge(&self, feed: &FeedId, unread: Vec<Window>, limits: BrakeLimits, at: String) -> Result<Judgement, Error> {
        let feed = feed.clone();
        self.write(move |db| reconcile_absent::judge(db, Occasion { feed: &feed, at: &at }, &unread, limits)).await
    }

    /// Takes note of what the vendor said of a row that the run lacks or contests, and does what was confirmed.
    pub async fn confirm(&self, feed: &FeedId, listing: ListingId, said: Confirmation, at: String) -> Result<(), Error> {
        let feed = feed.clone();
        self.write(move |db| reconcile_absent::confirm(db, Occasion { feed: &feed, at: &at }, &listing, said)).await
    }

    /// Ends a feed's run, whose rows were asked about; `delete_detail_only` tells whether listings that the vendor has by their key
    /// alone are deleted.
    pub async fn end_run(&self, feed: &FeedId, delete_detail_only: bool, at: String) -> Result<(), Error> {
        let feed = feed.clone();
        self.write(move |db| reconcile_end::end(db, Occasion { feed: &feed, at: &at }, delete_detail_only)).await
    }

    /// Gives up a feed's run, if one is under way.
    pub async fn abandon_runs(&self, feed: &FeedId, at: String) -> Result<(), Error> {
        let feed = feed.clone();
        self.write(move |db| reconcile_run::give_up(db, Occasion { feed: &feed, at: &at })).await
    }

    /// The feeds that have a row and were not removed.
    pub(crate) async fn feeds(&self) -> Result<Vec<FeedId>, Error> {
        self.read(move |db| feeds::mirrored(&db.connection)).await
    }

    /// How far the loading of each mirrored feed is.
    pub(crate) async fn loads(&self) -> Result<Vec<Load>, Error> {
        self.read(|db| load::loads(&db.connection)).await
    }

    /// The next kept rejects after this one that are whole, a few at a time; empty at the end.
    pub(crate) async fn rejects(&self, after: i64) -> Result<Vec<KeptReject>, Error> {
        self.read(move |db| rejects::kept(&db.connection, after)).await
    }

    /// Stores records that were rejects, as a page's would be, in place of their rejects.
    pub(crate) async fn replay(&self, records: Vec<Replayed>, at: String) -> Result<(), Error> {
        self.write(move |db| rejects::replay(db, records, &at)).await
    }

    /// Stores a live listing that was asked for by itself.
    pub(crate) async fn refetched(&self, record: Record, at: String) -> Result<ActionKind, Error> {
        self.write(move |db| commit::single(db, &record, &at)).await
    }

    /// A person says that a feed is gone: its live rows become tombstones, and where it stood is forgotten. Tells how
    /// many rows that were; `None` if there is no such feed. It is many transactions: broken off, it goes on when asked again. Fails
    /// when the feed is adopted again meanwhile.
    pub async fn remove_feed(&self, feed: &FeedId, at: String) -> Result<Option<u64>, Error> {
        let feed = feed.clone();
        self.write(move |db| removal::remove(db, &feed, &at)).await
    }

    /// What is remembered of a credential; nothing if it is new.
    pub(crate) async fn ledger(&self, account: String) -> Result<Ledger, Error> {
        self.read(move |db| ledger::load(&db.connection, &account)).await
    }

    /// Remembers what a credential has spent.
    pub(crate) async fn save_ledger(&self, account: String, ledger: Ledger, at: String) -> Result<(), Error> {
        self.write(move |db| ledger::save(db, &account, &ledger, &at)).await
    }

    /// Looks after the files: folds in what can be folded in, and puts up a notice where a reader is in the way.
    pub async fn tidy(&self, at: String) -> Result<(), Error> {
        self.ask(move |writer| writer.tidy(at)).await
    }
}
