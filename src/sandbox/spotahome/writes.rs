//! Cancelling, assigning and unassigning.

use super::answer::Answer;
use super::process::{CANCELLED, Facts, Process};
use super::readings::{AssignCancelled, CancelTwice, Cancellable, Reassign, UnassignTwice, UnknownAgent};
use super::world::World;
use serde_json::Value;
use std::time::Duration;

/// The document's example of a rule: fewer letters are no agent.
const SHORTEST_AGENT: usize = 6;

/// `DELETE /listing-processes/{id}`.
pub(super) fn cancel(world: &mut World, id: i64, account: Option<&str>) -> Answer {
    let Some(process) = seen(world, id, account) else { return Answer::problem(404) };
    if process.is_cancelled() {
        return Answer::problem_or_done(match world.options.cancel_twice {
            CancelTwice::NoContent => 204,
            CancelTwice::Conflict => 409,
            CancelTwice::NotFound => 404,
        });
    }
    if world.options.cancellable == Cancellable::Waiting && !process.facts.state.starts_with("waiting") {
        return Answer::problem(409);
    }
    write(world, id, |facts| CANCELLED.clone_into(&mut facts.state))
}

/// `PUT /listing-processes/{id}/assignation`.
pub(super) fn assign(world: &mut World, id: i64, account: Option<&str>, body: &[u8]) -> Answer {
    let agent = match agent(body, world.options.as_printed) {
        Ok(agent) => agent,
        Err(refusal) => return refusal,
    };
    let Some(process) = seen(world, id, account) else { return Answer::problem(404) };
    let (is_cancelled, other) = (process.is_cancelled(), process.facts.agent.as_ref().is_some_and(|other| *other != agent));
    let is_known = world.agents.contains(&agent);
    let options = &world.options;
    let unprocessable = |rule, message| Answer::invalid("agentId", rule, message, options.as_printed);
    match (options.assign_cancelled, options.unknown_agent, options.reassign) {
        (AssignCancelled::Conflict, _, _) if is_cancelled => Answer::problem(409),
        (AssignCancelled::Unprocessable, _, _) if is_cancelled => unprocessable("state", "The process is cancelled"),
        (_, UnknownAgent::Unprocessable, _) if !is_known => unprocessable("notFound", "The agent does not exist"),
        (_, UnknownAgent::NotFound, _) if !is_known => Answer::problem(404),
        (_, _, Reassign::Conflict) if other => Answer::problem(409),
        (
            AssignCancelled::Conflict | AssignCancelled::Unprocessable | AssignCancelled::NoContent,
            UnknownAgent::Unprocessable | UnknownAgent::NotFound | UnknownAgent::NoContent,
            Reassign::Conflict | Reassign::Replace,
        ) => write(world, id, |facts| facts.agent = Some(agent)),
    }
}

fn agent(body: &[u8], is_printed: bool) -> Result<String, Answer> {
    let body: Value = serde_json::from_slice(body).map_err(|_| Answer::problem(400))?;
    let invalid = |rule, message| Err(Answer::invalid("agentId", rule, message, is_printed));
    match body.get("agentId") {
        None => invalid("isEmpty", "Value is required and can't be empty"),
        Some(Value::String(agent)) if agent.len() < SHORTEST_AGENT => invalid("stringLength", "The input is less than 6 characters long"),
        Some(Value::String(agent)) => Ok(agent.clone()),
        Some(_) => invalid("stringLengthInvalid", "Invalid type given. String expected"),
    }
}

/// `DELETE /listing-processes/{id}/assignation`.
pub(super) fn unassign(world: &mut World, id: i64, account: Option<&str>) -> Answer {
    let Some(process) = seen(world, id, account) else { return Answer::problem(404) };
    if process.facts.agent.is_none() && world.options.unassign_twice == UnassignTwice::NotFound {
        return Answer::problem(404);
    }
    write(world, id, |facts| facts.agent = None)
}

fn seen<'a>(world: &'a World, id: i64, account: Option<&str>) -> Option<&'a Process> {
    world.processes.get(&id).filter(|process| account.is_none_or(|account| account == process.account))
}

fn write(world: &mut World, id: i64, change: impl FnOnce(&mut Facts)) -> Answer {
    let now = world.now();
    let shown_from = now.plus(Duration::from_millis(world.options.read_lag_ms));
    if let Some(process) = world.processes.get_mut(&id) {
        process.write(now, shown_from, change);
    }
    Answer::bare(204)
}
