//! mls-sync keeps a local SQLite file true to a vendor's listings API.
//!
//! # The flow
//!
//! ```text
//!  API page ──► provider ──► records ──► store: one transaction ─► row | tombstone | change | reject | checkpoint
//!                  ▲                        │ asks plan::reconcile                      │
//!                  │ Fetch                  ▼                                           ▼
//!                worker ◄─────────────── plan: (now, event) -> command        consumers: change_seq > last
//! ```
//!
//! A page becomes a row in `store::commit`. What is asked for next is decided in [`plan::feed`], and nowhere else.
//!
//! # The layers
//!
//! | module | what it is | may use |
//! |---|---|---|
//! | [`record`] | the shared nouns | nothing of ours |
//! | [`plan`] | every decision, pure: time and seed are arguments | `record` |
//! | [`vendor`] | the outside world, in: client, decoder, budget | `record` |
//! | [`store`] | the outside world, out: the SQLite file | `record`, `plan` |
//! | [`worker`] | one feed: asks the plan, obeys | `vendor`, `plan`, `store` |
//! | [`daemon`], [`discovery`] | the process, its control requests, and which feeds there are | `worker`, `config` |
//! | [`cli`] | words to calls, results to prints | all of them |
//! | [`sandbox`] | the other side of the wire | `record`, the field tables |
//!
//! # Words
//!
//! - **feed**: one MLS, as the vendor names it. **stream**: one `Status` value of a feed. **page**: one answer.
//! - **window**: a range of stamps that is asked for. What is *claimed* of it is a second narrower on both sides.
//! - **stamp**: a listing's `MlsUpdateDate`. **cursor**: where the next poll begins. **checkpoint**: a saved cursor.
//! - **coverage**: the windows that were proven whole, merged. **gap**: what lies between them.
//! - **listing**: a row. **deletion**: what the vendor says. **tombstone**: what we keep. **change**: a row of the change
//!   feed. **reject**: a record that could not be stored.
//! - **look-back**: reading again what was complete, for listings that came late. **scan**: reading everything again, to
//!   set it against the file. **reconcile**: a scan and what follows from it.
//!
//! # Decisions
//!
//! - *Backward pages.* A window's end lies in the past, so its set can only shrink, and reading it from the last page to
//!   the first misses nothing that stays ([`plan::paging`]). Where the order is seen to change between pages, only a set
//!   that stood still and was seen in full is proof, and windows are cut down to single pages.
//! - *Work is what coverage lacks.* Polls, backfill and the repair of outages are one thing: a poll that would be too deep
//!   keeps its newest part, and the rest is a gap like any other, filled newest first. So a restart needs no other state.
//! - *One process asks.* A lock beside the file names it; other commands send it control requests. So one limiter in one
//!   process is the budget of the credential, and the polls' precedence holds over everything ([`vendor::Limiter`]).
//! - *Control requests go through a Unix socket beside the file*, one JSON line each way. A table in the file would need
//!   polling on both sides, a second writer, and clearing after a crash; a connection is answered at once, and its end tells
//!   each side that the other is gone. Only the process's own user may connect (mode 0600).
//! - *A watchdog beside the restart.* A process that ended is restarted by systemd; one that is stuck would only grow stale.
//!   So each worker says what it does ([`sync::heartbeat`]), and systemd hears of the process only while none is overdue.
//! - *Counted before it leaves.* Budgets by hour and day are saved before they are spent, in small blocks: a crash wastes a
//!   few requests and never spends one twice. It also means that a database that cannot be written stops the asking.
//! - *One probe in an outage.* Where the vendor does not answer, a feed's kinds of work wait for one request together; a
//!   refusal concerns its own kind alone ([`plan::feed`]).
//! - *Claimed by the earlier clock.* A poll ends by the vendor's clock and claims no further than ours, so that a `Date` that
//!   runs ahead claims nothing that is to come.
//! - *Every commit is synced.* A power cut that took back commits would use a `change_seq` twice, and a consumer that had seen
//!   the first would never see the second.
//! - *Deletions first.* `Status=0` may or may not return deleted listings. For every stretch of time the deletions are
//!   read before the listings, up to the same moment, so that no consumer sees a deleted listing come up.
//! - *The cursor follows the stamps, not the clock.* The zone of the vendor's dates is not documented. The next poll begins
//!   at the newest stamp that was seen, less the time its window had been open; so a wrong zone costs requests, and no
//!   listing ([`plan::window`]).
//! - *A deleted row keeps its values.* A deletion may come as a key and a date alone, so it only marks the row.
//! - *A tombstone that was inferred gives way* to any live copy that is not older; one that the vendor stated only to a
//!   later one ([`plan::reconcile`]).
//! - *The same version in two shapes is one version.* Answers may follow the document's table or its class. Where the
//!   stamp is the same, a field that an answer leaves out keeps its value; where the stamp is newer, it becomes null.
//! - *Photos and open houses are views* over the JSON columns: one write a listing, and no second place to be wrong.
//! - *Stated types are taken literally.* A value of another JSON type is kept in `extra`; only where the document
//!   contradicts itself does a column take several types ([`record::Kind::Loose`]).
//! - *Feeds that nobody named* are found from totals, because the vendor has no list of them ([`plan::discover`]).

#![warn(missing_docs)]

mod cli;

pub mod config;
mod daemon;
pub mod entity;

pub mod plan;

pub mod record;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod store;
pub mod sync;
pub mod vendor;

pub use cli::main;
