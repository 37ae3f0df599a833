//! The state of the Spark sandbox: identities, tickets, sessions, and what was asked.

use super::identity::Identity;
use super::options::Options;
use crate::sandbox::random::Random;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// How many requests are remembered.
const LONGEST_LOG: usize = 100_000;
/// The most changes at once.
const MOST_CHANGES: u64 = 100_000;

/// The vendor's side.
pub struct World {
    /// Its switches; they may be changed while it runs.
    pub options: Options,
    pub(super) base_url: String,
    pub(super) identities: BTreeMap<i64, Identity>,
    pub(super) tickets: BTreeMap<String, Ticket>,
    pub(super) session: Option<Session>,
    pub(super) random: Random,
    pub(super) requests: u64,
    pub(super) writes: u64,
    pub(super) recent: VecDeque<Instant>,
    log: VecDeque<Asked>,
    cached: Option<(Instant, BTreeMap<i64, Identity>)>,
    churned: Instant,
}

pub(super) struct Ticket {
    pub(super) made: Instant,
    pub(super) is_used: bool,
}

pub(super) struct Session {
    pub(super) token: String,
    pub(super) made: Instant,
    pub(super) used: Instant,
    pub(super) requests: u64,
}

/// One request that was answered, or lost (status 0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// HTTP's method.
    pub method: String,
    /// The path, without the query, which may hold secrets.
    pub path: String,
    /// HTTP's status.
    pub status: u16,
}

impl World {
    pub(super) fn new(options: Options, base_url: String) -> World {
        let mut world = World {
            random: Random::new(options.seed),
            options,
            base_url,
            identities: BTreeMap::new(),
            tickets: BTreeMap::new(),
            session: None,
            requests: 0,
            writes: 0,
            recent: VecDeque::new(),
            log: VecDeque::new(),
            cached: None,
            churned: Instant::now(),
        };
        let (live, deleted) = (world.options.identities, world.options.deleted_identities);
        for _ in 0..live + deleted {
            world.add();
        }
        // The deleted ones are spread among the live ones.
        let every = (live + deleted) / deleted.max(1);
        let ids: Vec<i64> = world.identities.keys().copied().step_by(every.max(1)).take(deleted).collect();
        ids.into_iter().for_each(|id| world.remove(id));
        world
    }

    /// Now.
    pub(super) fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    pub(super) fn next_id(&self) -> i64 {
        self.identities.keys().next_back().map_or(5, |last| last + 1)
    }

    /// Draws one more identity; its Id.
    pub fn add(&mut self) -> i64 {
        let (id, now) = (self.next_id(), self.now());
        let mls = self.random.below(self.options.mlses);
        let identity = Identity::drawn(id, &mut self.random, mls, now - TimeDelta::days(30));
        self.identities.insert(id, identity);
        id
    }

    /// Deletes an identity softly.
    pub fn remove(&mut self, id: i64) {
        let now = self.now();
        if let Some(identity) = self.identities.get_mut(&id) {
            identity.deleted = Some(now);
            identity.modified = now;
        }
    }

    /// The Ids of those that are not deleted.
    #[must_use]
    pub fn live(&self) -> Vec<i64> {
        self.identities.values().filter(|identity| identity.deleted.is_none()).map(|identity| identity.id).collect()
    }

    /// The Ids of the deleted ones.
    #[must_use]
    pub fn deleted(&self) -> Vec<i64> {
        self.identities.values().filter(|identity| identity.deleted.is_some()).map(|identity| identity.id).collect()
    }

    /// The record of an identity, as the vendor would send it.
    #[must_use]
    pub fn record(&mut self, id: i64) -> Option<Value> {
        let World { identities, options, random, .. } = self;
        Some(identities.get(&id)?.record(&options.records, random))
    }

    /// The tokens of the tickets that were made.
    #[must_use]
    pub fn tickets(&self) -> Vec<String> {
        self.tickets.keys().cloned().collect()
    }

    /// How many writes were obeyed.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.writes
    }

    /// The requests so far, in the order of their answers.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.log.iter().cloned().collect()
    }

    pub(super) fn remember(&mut self, asked: Asked) {
        if self.log.len() == LONGEST_LOG {
            self.log.pop_front();
        }
        self.log.push_back(asked);
    }

    /// What reads see, which may be older than what was written.
    pub(super) fn seen(&mut self) -> BTreeMap<i64, Identity> {
        let age = Duration::from_secs(self.options.records.cache_s);
        if age.is_zero() {
            return self.identities.clone();
        }
        match &self.cached {
            Some((made, seen)) if made.elapsed() < age => seen.clone(),
            _ => {
                self.cached = Some((Instant::now(), self.identities.clone()));
                self.identities.clone()
            }
        }
    }

    /// Makes the random changes that are due.
    pub(super) fn churn_due(&mut self) {
        let due = self.churned.elapsed().as_secs_f64() * self.options.churn_per_second;
        if due >= 1.0 {
            self.churned = Instant::now();
            self.churn(due as u64);
        }
    }

    /// Makes so many random changes: new ones, edits, deletions, uses of keys, changes of users.
    pub fn churn(&mut self, changes: u64) -> u64 {
        let changes = changes.min(MOST_CHANGES);
        for _ in 0..changes {
            let live = self.live();
            let kind = self.random.below(5);
            let Some(id) = (!live.is_empty()).then(|| live[self.random.index(live.len())]).filter(|_| kind > 0) else {
                self.add();
                continue;
            };
            self.change(id, kind);
        }
        changes
    }

    fn change(&mut self, id: i64, kind: u64) {
        let (now, number) = (self.now(), self.random.below(10_000));
        let records = &self.options.records;
        let Some(identity) = self.identities.get_mut(&id) else { return };
        match kind {
            1 => {
                identity.members.insert("Phone".to_owned(), json!(format!("555-{number:04}")));
                identity.modified = now;
            }
            2 => self.remove(id),
            3 => {
                identity.last_active = now;
                if records.last_active_bumps_modified {
                    identity.modified = now;
                }
            }
            _ => {
                if let Some(user) = identity.members.get_mut("User").and_then(Value::as_object_mut) {
                    user.insert("Name".to_owned(), json!(format!("Realtor {number}")));
                }
                if !records.silent_changes {
                    identity.modified = now;
                }
            }
        }
    }
}
