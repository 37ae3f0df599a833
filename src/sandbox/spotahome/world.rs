//! The world behind the API: processes that begin, advance, are cancelled, change their agents, or vanish.

use super::forms::{StateWeight, Transitions};
use super::options::Options;
use super::process::{CANCELLED, Facts, Process};
use crate::record::Stamp;
use crate::sandbox::random::{Random, mix};
use crate::vendor::spotahome::fields::STATES;
use chrono::Utc;
use std::collections::BTreeMap;
use std::time::Duration;

/// The id of the first process, as in the document.
const FIRST_ID: i64 = 111;
/// Accounts among which processes are spread.
const ACCOUNTS: usize = 5;
/// The most changes that are made up for before one answer.
const MOST_CHANGES: u32 = 10_000;
/// How long ago the processes of the start may have changed.
const HISTORY: Duration = Duration::from_secs(90 * 86_400);

/// The processes, with what happens to them. The same seed and the same calls make the same world.
#[derive(Clone)]
pub struct World {
    pub(super) options: Options,
    pub(super) processes: BTreeMap<i64, Process>,
    pub(super) accounts: Vec<String>,
    pub(super) agents: Vec<String>,
    /// Ids of those that vanished, which may be used again.
    pub(super) vanished: Vec<i64>,
    next_id: i64,
    random: Random,
    /// What answers draw from, so that a request does not change what happens to processes.
    pub(super) answer_random: Random,
    stopped_at: Option<Stamp>,
    churned_at: Stamp,
    /// Changes that are due: any, vanishing, coming back to life.
    owed: [f64; 3],
}

impl World {
    /// Makes the world that the options describe.
    #[must_use]
    pub fn new(options: Options) -> World {
        let mut random = Random::new(mix(options.seed, 0x5B07));
        let accounts = (0..ACCOUNTS).map(|_| uuid(&mut random)).collect();
        let agents = (0..options.agents).map(|_| uuid(&mut random)).collect();
        let stopped_at = options.frozen_at.map(|at| at.0);
        let answer_random = Random::new(mix(options.seed, 0x3417));
        let mut world = World {
            options,
            processes: BTreeMap::new(),
            accounts,
            agents,
            vanished: Vec::new(),
            next_id: FIRST_ID,
            random,
            answer_random,
            stopped_at,
            churned_at: Stamp::FIRST,
            owed: [0.0; 3],
        };
        world.churned_at = world.now();
        world.fill();
        world
    }

    fn fill(&mut self) {
        if self.options.as_printed {
            let text = str::to_owned;
            let facts = Facts { property: Some(text("bbbbb-aaaaa-bbbbb")), agent: Some(text("bbbbb-aaaaa-ccccc")), state: text(CANCELLED) };
            let [locator, account] = ["ABC123-01", "aaaaa-bbbbb-ccccc"].map(text);
            self.processes.insert(FIRST_ID, Process { id: FIRST_ID, locator, account, facts, updated: self.now(), before: None });
            return;
        }
        for _ in 0..self.options.processes {
            let state = self.first_state();
            let id = self.add_in(&state);
            let age = HISTORY.mul_f64(self.random.share());
            let (now, assigned) = (self.now(), self.random.chance(0.6));
            let agent = self.some_agent().filter(|_| assigned);
            if let Some(process) = self.processes.get_mut(&id) {
                process.facts.agent = agent;
                process.updated = now.minus(age);
            }
        }
    }

    fn first_state(&mut self) -> String {
        if let Some(extra) = self.options.extra_state.clone().filter(|_| self.random.chance(0.1)) {
            return extra;
        }
        let mix = &self.options.states_mix;
        let mut drawn = self.random.below(mix.iter().map(|weight| weight.weight).sum());
        let found = mix.iter().find(|StateWeight { weight, .. }| {
            let is_it = drawn < *weight;
            drawn = drawn.saturating_sub(*weight);
            is_it
        });
        found.map_or(STATES[4], |weight| &weight.state).to_owned()
    }

    /// The world's clock, UTC.
    #[must_use]
    pub fn now(&self) -> Stamp {
        self.stopped_at.unwrap_or_else(|| Stamp::from_utc(Utc::now()))
    }

    /// Moves the clock; a running one is stopped.
    pub fn advance_clock(&mut self, by: Duration) {
        self.stopped_at = Some(self.now().plus(by));
    }

    /// The ids of all processes.
    #[must_use]
    pub fn ids(&self) -> Vec<i64> {
        self.processes.keys().copied().collect()
    }

    /// What is true of a process.
    #[must_use]
    pub fn process(&self, id: i64) -> Option<&Process> {
        self.processes.get(&id)
    }

    /// The ids of the agents.
    #[must_use]
    pub fn agents(&self) -> &[String] {
        &self.agents
    }

    /// Begins a process; its id.
    pub fn add(&mut self) -> i64 {
        self.add_in(STATES[4])
    }

    fn add_in(&mut self, state: &str) -> i64 {
        let reused = if self.options.reuse_ids { self.vanished.pop() } else { None };
        let id = reused.unwrap_or(self.next_id);
        self.next_id = self.next_id.max(id + 1);
        let property = (state != STATES[4]).then(|| uuid(&mut self.random));
        let account = self.accounts[self.random.index(ACCOUNTS)].clone();
        let locator = if self.options.same_locator { "ABC123-01".to_owned() } else { format!("SAH{}-{:02}", 1000 + id / 3, 1 + id % 3) };
        let facts = Facts { property, agent: None, state: state.to_owned() };
        self.processes.insert(id, Process { id, locator, account, facts, updated: self.now(), before: None });
        id
    }

    /// Takes a process away, as nothing in the document does; whether there was one.
    pub fn vanish(&mut self, id: i64) -> bool {
        let was = self.processes.remove(&id).is_some();
        if was {
            self.vanished.push(id);
        }
        was
    }

    /// Changes a process; whether there is one.
    pub fn edit(&mut self, id: i64, change: impl FnOnce(&mut Facts)) -> bool {
        let now = self.now();
        self.processes.get_mut(&id).map(|process| process.write(now, now, change)).is_some()
    }

    /// One random change: new, advance, cancel, assign or unassign.
    pub fn random_change(&mut self) {
        let Some(id) = self.pick(|process| !process.is_cancelled()) else {
            self.add();
            return;
        };
        match self.random.below(100) {
            0..15 => drop(self.add()),
            15..55 => self.advance(id),
            55..65 => drop(self.edit(id, |facts| CANCELLED.clone_into(&mut facts.state))),
            65..85 => {
                let agent = self.some_agent();
                self.edit(id, |facts| facts.agent = agent);
            }
            _ => drop(self.edit(id, |facts| facts.agent = None)),
        }
    }

    fn advance(&mut self, id: i64) {
        let property = uuid(&mut self.random);
        let any = self.random.pick(&STATES).to_owned();
        let transitions = self.options.transitions;
        self.edit(id, |facts| {
            let next = match transitions {
                Transitions::Machine => after(&facts.state),
                Transitions::Any => &any,
            };
            next.clone_into(&mut facts.state);
            if facts.state != STATES[4] {
                facts.property.get_or_insert(property);
            }
        });
    }

    fn some_agent(&mut self) -> Option<String> {
        self.agents.get(self.random.index(self.agents.len())).cloned()
    }

    fn pick(&mut self, test: impl Fn(&Process) -> bool) -> Option<i64> {
        let ids: Vec<i64> = self.processes.values().filter(|process| test(process)).map(|process| process.id).collect();
        ids.get(self.random.index(ids.len())).copied()
    }

    /// Takes a random process away.
    pub fn vanish_any(&mut self) {
        if let Some(id) = self.pick(|_| true) {
            self.vanish(id);
        }
    }

    fn revive_any(&mut self) {
        if let Some(id) = self.pick(Process::is_cancelled) {
            self.edit(id, |facts| STATES[3].clone_into(&mut facts.state));
        }
    }

    /// Applies the changes that are due before a request is answered.
    pub(super) fn churn(&mut self) {
        let now = self.now();
        let seconds = now.since(self.churned_at).as_secs_f64();
        self.churned_at = now;
        let rates = [self.options.churn_per_second, self.options.vanish_per_second, self.options.revive_per_second];
        let changes: [fn(&mut World); 3] = [World::random_change, World::vanish_any, World::revive_any];
        for (index, change) in changes.into_iter().enumerate() {
            self.owed[index] = (self.owed[index] + rates[index] * seconds).min(f64::from(MOST_CHANGES));
            while self.owed[index] >= 1.0 {
                self.owed[index] -= 1.0;
                change(self);
            }
        }
    }

    /// Stops all changes that nobody asks for.
    pub(super) fn quiet(&mut self) {
        let options = &mut self.options;
        (options.churn_per_second, options.vanish_per_second, options.revive_per_second) = (0.0, 0.0, 0.0);
        (options.insert_while_paging, options.remove_while_paging) = (false, false);
        self.owed = [0.0; 3];
    }
}

/// The state that follows.
fn after(state: &str) -> &'static str {
    match state {
        "waitingProperty" => "waitingContent",
        "propertyUnverified" => "propertyVerified",
        _ => "propertyUnverified",
    }
}

fn uuid(random: &mut Random) -> String {
    let (high, low) = (random.draw(), random.draw());
    let digits = format!("{high:016x}{low:016x}");
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}
