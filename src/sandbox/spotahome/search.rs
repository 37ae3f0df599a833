//! The processes that a request's filters match, in their order.

use super::answer::Answer;
use super::forms::{ManyStates, UnknownId};
use super::process::{CANCELLED, Facts, Process};
use super::query::Query;
use super::readings::{Cancelled, Order};
use super::world::World;
use crate::record::Stamp;
use crate::vendor::spotahome::fields::UNASSIGNED;
use serde_json::Value;
use std::time::Duration;

const DAY: u64 = 86_400;

/// The matches as JSON, or what is answered in their place. `account` is the only one that the token may see.
pub(super) fn search(world: &mut World, query: &Query, account: Option<&str>) -> Result<Vec<Value>, Answer> {
    let id = query.one("id").map(|id| id.parse::<i64>().map_err(|_| Answer::problem(400))).transpose()?;
    let states = states(query, world.options.many_states)?;
    if world.options.cancelled == Cancelled::Refused && states == [CANCELLED] {
        return Err(Answer::problem(422));
    }
    let now = world.now();
    let wanted = Wanted { query, id, states, account, now };
    let mut found: Vec<&Process> = world.processes.values().filter(|process| wanted.matches(process, world)).collect();
    if found.is_empty() && id.is_some() && world.options.unknown_id == UnknownId::NotFound {
        return Err(Answer::problem(404));
    }
    match world.options.order {
        Order::Id => {}
        Order::IdDesc => found.reverse(),
        Order::UpdatedDesc => found.sort_by_key(|process| std::cmp::Reverse(process.updated)),
        Order::State => found.sort_by_key(|process| &process.shown(now).state),
        Order::Unstable => world.answer_random.shuffle(&mut found),
    }
    Ok(found.into_iter().map(|process| process.json(process.shown(now), &world.options)).collect())
}

fn states(query: &Query, many: ManyStates) -> Result<Vec<&str>, Answer> {
    let mut states: Vec<&str> = query.all("state").flat_map(|states| states.split(',')).collect();
    match many {
        ManyStates::Refuse if states.len() > 1 => return Err(Answer::problem(400)),
        ManyStates::First => states.truncate(1),
        ManyStates::Refuse | ManyStates::Any => {}
    }
    Ok(states)
}

struct Wanted<'a> {
    query: &'a Query,
    id: Option<i64>,
    states: Vec<&'a str>,
    account: Option<&'a str>,
    now: Stamp,
}

impl Wanted<'_> {
    fn matches(&self, process: &Process, world: &World) -> bool {
        let facts = process.shown(self.now);
        let is = |name: &str, value: Option<&str>| self.query.one(name).is_none_or(|asked| value == Some(asked));
        let is_in_state = || self.states.is_empty() || self.states.iter().any(|state| world.options.case.is(state, &facts.state));
        self.account.is_none_or(|account| account == process.account)
            && self.id.is_none_or(|id| id == process.id)
            && is("accountId", Some(&process.account))
            && is("propertyId", facts.property.as_deref())
            && self.is_of_agent(facts, world)
            && is_in_state()
            && !self.is_hidden(process, facts, world)
    }

    fn is_of_agent(&self, facts: &Facts, world: &World) -> bool {
        self.query.one("agentId").is_none_or(|asked| match &facts.agent {
            Some(agent) => agent == asked,
            None => world.options.case.is(asked, UNASSIGNED),
        })
    }

    fn is_hidden(&self, process: &Process, facts: &Facts, world: &World) -> bool {
        let is_old = |days: u32| self.now.since(process.updated) > Duration::from_secs(u64::from(days) * DAY);
        let is_named = self.id.is_some() || !self.states.is_empty();
        facts.state == CANCELLED
            && match world.options.cancelled {
                Cancelled::Listed => false,
                Cancelled::Hidden => !is_named,
                Cancelled::Days(days) => !is_named && is_old(days),
                Cancelled::ByState => self.states.is_empty(),
                Cancelled::Refused | Cancelled::Gone => true,
            }
    }
}
