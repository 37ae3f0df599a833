//! mls-sync keeps a local SQLite file true to a vendor's listings API.
//!
//! # How a page becomes rows
//!
//! Each line names the one function where it happens.
//!
//! 1. `sync::worker::Worker::run` asks [`sync::session::Session::next`] what to do, does it, and tells the session by `on`.
//! 2. `plan::feed::FeedPlan::next` chooses the kind of work that is due, its window, and the page to ask for.
//! 3. `vendor::Vendor::sync_listings` waits for the request's turn in the budget of the credential, and sends it.
//! 4. `vendor::constellation1::wire::page` judges the answer and cuts it into records: key, stamp, hash, the text as sent, and
//!    where its values lie in it.
//! 5. `plan::feed::FeedPlan::on_page` decides what the page proves, and makes the checkpoint to save with it.
//! 6. [`sync::intake::store`] gives the records to the one thread that writes. Meanwhile the session lets the worker ask for the
//!    next page, and for nothing else.
//! 7. `store::commit::commit` stores the page in one transaction: rows, changes, rejects, and the checkpoint.
//! 8. `store::row::apply` decodes a record, by [`entity::Entity::decode`], unless its row was made of the same text; changes the
//!    row, and adds its change.
//! 9. `plan::merge::merge` decides what the record does to the row.
//! 10. `store::checkpoint::save` saves cursors, coverage, look-backs and the window.
//!
//! # The modules
//!
//! | module | what it is | may use |
//! |---|---|---|
//! | [`record`] | the shared nouns: key, record, page, stamp, window, failure | nothing of ours |
//! | [`entity`] | a kind of thing that a vendor has, as data | `record` |
//! | [`plan`] | every decision, pure: time and seed are arguments | `record`, `entity` |
//! | [`vendor`] | a vendor's API becomes pages of records, within the budget of the credential | `record`, `entity` |
//! | [`store`] | the SQLite file: its schema, its rows, what readers ask of it | `record`, `entity`, `plan` |
//! | [`sync`] | one feed kept true: session (pure), worker (IO), shared requests, reporter | all of the above |
//! | [`config`] | the configuration file | `record`, `vendor` |
//! | `serve` | the partner API over the file, read-only | `record`, `store`, the field tables |
//! | `daemon` | the process: supervisor, control requests, key watch, watchdog | all of the above |
//! | `cli` | words become calls, results become prints and exit codes | all of the above |
//! | `sandbox` | the vendor in memory, behind real HTTP: the other side of the wire | `record`, the field tables |
//!
//! # Words
//!
//! - **feed**: one MLS, as the vendor names it. **stream**: one `Status` value of a feed. **page**: one answer.
//!   **source**: a vendor's system, and the account that is used there.
//! - **window**: a range of stamps that is asked for. What is *claimed* of it is a second narrower on both sides.
//! - **stamp**: when a listing last changed, by the vendor's clock (`MlsUpdateDate`). **cursor**: where the next poll begins.
//!   **checkpoint**: what is saved of a plan with each page.
//! - **coverage**: the windows that were proven whole, merged. **gap**: what lies between them.
//! - **listing**: what the vendor has. **row**: what we keep of it. **deletion**: what the vendor says. **tombstone**: the row
//!   of a deleted listing. **change**: a row of the change history. **reject**: a record that could not be stored.
//! - **merge**: a record set against the row of its key. **scan**: a proven reading of the whole set. **reconcile**: a scan
//!   and what follows from it. **look-back**: reading again what was complete, for listings that came late.
//! - **known gap**: a shortest stretch that could not be read or proven. **second reading**: a look-back or a scan. **mark**: what
//!   tells one record of a window from another. **freshness**: how long changes took from
//!   their stamp to the file. **contested**: a row of which the vendor gave an older answer. **take back**: put that answer in
//!   the place of the row.
//! - **directory**: a service that lists agents, offices or open houses, without dates. **census**: how far the readings of one
//!   directory of a feed, or of an account of another vendor, are. **account**: what a credential of such a vendor sees. **absence**: a live row that the last whole reading lacks.
//! - **purpose**: a kind of work (poll, look-back, fill, scan). **round**: one poll of each stream, up to one moment.
//! - **supervisor**: starts one worker per feed. **dispatcher**: hands control requests to workers. **control request**: what
//!   another command asks of the running daemon. **reporter**: writes logs, notes and notices. **trouble**: failures of one kind over all feeds, from the
//!   first until every feed is answered again; the log tells its beginning and its end.
//! - **limiter**: the budget of one credential. **gate**: closed by a 429. **budget**: requests per hour and per day.
//!
//! # Decisions
//!
//! - *A session between plan and IO.* It takes one event and gives one command at a time, and never sees a socket, a clock or
//!   the database. So the simulation drives the very code that the worker drives.
//! - *One page is stored while the next is asked for, and nothing else overlaps.* The plan has taken in what the page proves
//!   before it is stored. If the database refuses it, the page that came meanwhile is dropped: it would claim to follow on rows
//!   that are not there.
//! - *No row ids in the plan.* A feed has at most one open window for each kind of work and stream, and at most one reconcile run under
//!   way; the store finds both by that. Whatever the plan was told is saved once it is committed; where a commit fails, the
//!   plan is read from the file anew.
//! - *One function changes rows* (`store::row::apply`): pages, scans, replayed rejects and removed feeds go through it.
//! - *Backward pages.* A window's end lies in the past, so its set can only shrink, and reading it from the last page to
//!   the first misses nothing that stays (`plan::paging`). Where the order is seen to change between pages, only a set
//!   that stood still and was seen in full is proof, and windows are cut down to single pages.
//! - *Work is what coverage lacks.* Polls, backfill and the repair of outages are one thing: a poll that would be too deep
//!   keeps its newest part, and the rest is a gap like any other, filled newest first. So a restart needs no other state.
//! - *One process asks.* A lock beside the file names it; other commands send it control requests. So one limiter in one
//!   process is the budget of the credential, and the polls' precedence holds over everything (`vendor::limiter`).
//! - *One file mirrors one source*: a vendor's system and an account there. Taken over for another one, it keeps its rows
//!   without their stamps, so that whatever the new source says wins, and forgets everything that was claimed (`store::source`).
//! - *Control requests go through a Unix socket beside the file*, one JSON line each way. A table in the file would need
//!   polling on both sides, a second writer, and clearing after a crash; a connection is answered at once, and its end tells
//!   each side that the other is gone. Only the process's own user may connect (mode 0600).
//! - *A watchdog beside the restart.* A process that ended is restarted by systemd; one that is stuck would only grow stale.
//!   So each worker says what it does (`sync::heartbeat`), and systemd hears of the process only while none is overdue.
//! - *Counted before it leaves.* Budgets by hour and day are saved before they are spent, about once a minute: a crash wastes a
//!   few requests and never spends one twice. It also means that a database that cannot be written stops the asking.
//! - *One probe in an outage.* Where the vendor does not answer, a feed's kinds of work wait for one request together, made
//!   for what has failed least; a refusal concerns its own kind and stream alone (`plan::attempts`). Feeds that share their requests
//!   wait until the same moments, so that a few requests stand for all of them.
//! - *Proof gates the claim, never the progress.* A window that fails while others of its stream are answered is halved, and the
//!   smallest stretch is left as a known gap (`plan::narrowing`, `plan::known_gaps`).
//! - *One answer is one moment.* Where listings come late, and in each second reading, a window counts only if one answer held
//!   it whole, or two passes agree; a total alone does not tell one that came from one that left.
//! - *Idle polls are written together.* The checkpoints of polls that found nothing wait up to a minute for each other: what is
//!   lost of them in a crash is read again.
//! - *Claimed by the earlier clock.* A poll ends by the vendor's clock and claims no further than ours, so that a `Date` that
//!   runs ahead claims nothing that is to come.
//! - *Times of changes never go back.* Who follows the file by time, as `serve` lets programs do, must miss nothing when our clock is set
//!   back or a page has waited for others: a change has the time of its transaction, and none before the last one (`store::changes`).
//! - *What a mirror answers is proven.* It has one version of each row, so a second mirror that follows it through `serve` takes over what
//!   it says, whatever the stamps (`store::incoming`).
//! - *Searches compare values in memory*, which follow the file in the transaction of each search: no index of the file answers every
//!   combination of 39 filters, sorts and pages within 50 ms, and each index costs every load (`serve::columns`).
//! - *Every commit is synced.* A power cut that took back commits would use a `change_seq` twice, and a consumer that had seen
//!   the first would never see the second.
//! - *An answer that many feeds share is worth each feed's own.* A list of feeds that is answered whole, in one page, holds what each
//!   would have been answered alone, so each gets its part as such, and the plan of a feed knows of no list (`plan::sharing`). Such polls
//!   begin where the last one ended instead of at the newest stamp; every ten minutes, and oftener after a start, one reaches back as far as stamps of another
//!   zone could lie, until the feed's stamps and the clock were seen to agree. The feeds are always named: an answer for all feeds would
//!   also hold those that nobody mirrors.
//! - *A first version is not kept twice*: a change holds what differs, before and after, and the first one of a listing
//!   nothing. Every state is told backwards from the row, so the oldest changes may be cut (`store::history`).
//! - *A copy that is put back begins a new epoch*, whose numbers begin at the next thousand million (`store::life`).
//! - *What has no date is read whole.* Agents, offices and open houses are entities like listings: their records go through the same
//!   `store::row::apply`. They have no windows and no checkpoint: a reading is held in memory, and begun anew after a crash
//!   (`plan::census` decides, `sync::census` asks, `store::census` stores). Many absences wait for a second reading a day later, and for no
//!   person: each is asked about before it is deleted.
//! - *Deletions first.* `Status=0` may or may not return deleted listings. For every stretch of time the deletions are
//!   read before the listings, up to the same moment, so that no consumer sees a deleted listing come up.
//! - *The cursor follows the stamps, not the clock.* The zone of the vendor's dates is not documented. The next poll begins
//!   at the newest stamp that was seen, less the time its window had been open; so a wrong zone costs requests, and no
//!   listing ([`plan::window`]).
//! - *A deleted row keeps its values.* A deletion may come as a key and a date alone, so it only marks the row.
//! - *Newest wins between answers whose order is uncertain*, and is no reason to keep what the vendor has taken back. An older
//!   answer is noted (the table `contested`). It holds when it comes again ten minutes later or more, while the vendor was asked
//!   for what the row holds and did not show it; or when a whole scan shows it and nothing of the row. Rows that are younger
//!   than ten minutes are first asked for by themselves, so that a copy of the vendor's database that lags takes none back.
//! - *A tombstone that was inferred gives way* to any live copy that is not older; one that the vendor stated only to a
//!   later one (`plan::merge`).
//! - *The same version in two shapes is one version.* Answers may follow the document's table or its class. Where the
//!   stamp is the same, a field that an answer leaves out keeps its value; where the stamp is newer, it becomes null.
//! - *Photos and open houses are views* over the JSON columns: each listing is written once, and there is no second place that could be wrong.
//! - *Searches are kept true by triggers* of `schema.sql`, in the statement that writes the row, so no way to a row can leave them
//!   out. A table for searches is built in one transaction: whoever finds it finds every listing in it (`store::search`).
//! - *A value is converted only where nothing is lost.* What does not convert is kept in `extra` and counted per field.
//! - *Feeds that nobody named* are found from totals, because the vendor has no list of them (`plan::discover`).

#![warn(missing_docs)]

mod cli;
pub mod config;
mod daemon;
pub mod entity;
pub mod plan;
pub mod record;
#[cfg(feature = "sandbox")]
pub mod sandbox;
mod serve;
pub mod store;
pub mod sync;
pub mod vendor;

pub use cli::main;
