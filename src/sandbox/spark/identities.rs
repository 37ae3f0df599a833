//! The identities services of the Spark sandbox.

use super::choices::{ByIdDeleted, CreateAnswer, CreateTwice, DeletedPaging, LimitOver, Order};
use super::envelope::Answer;
use super::identity::Identity;
use super::routes::Asking;
use super::world::World;
use chrono::TimeDelta;
use serde_json::{Map, Value, json};

/// Where a request names no `_limit`.
const DEFAULT_LIMIT: usize = 10;
const REQUIRED: [&str; 3] = ["FirstName", "LastName", "Company"];

/// The live list, or the deleted one.
pub(super) fn list(world: &mut World, asking: &Asking, of_deleted: bool) -> Answer {
    let mut more = json!({});
    if asking.parameter("_orderby").is_some() && !world.options.orderby_accept {
        return Answer::refusal(400, 1040, "The field is not searchable");
    }
    let mut rows = rows(world, of_deleted);
    if let Some(filter) = asking.parameter("_filter") {
        match filtered(filter, &mut rows) {
            true => {}
            false if world.options.unknown_filter_drop => {
                more = json!({ "SparkQLErrors": [{ "Token": filter, "Status": "Dropped", "Message": "not searchable" }] });
            }
            false => return Answer::refusal(400, 1040, "The field is not searchable"),
        }
    }
    sort(world, &mut rows);
    let paging = if of_deleted { world.options.deleted_paging } else { DeletedPaging::AsList };
    let mut d = match paging {
        DeletedPaging::AsList => match paged(world, asking, rows) {
            Ok(d) => d,
            Err(refusal) => return refusal,
        },
        DeletedPaging::Ignored => json!({ "Results": records(world, &rows) }),
        DeletedPaging::FirstTen => json!({ "Results": records(world, &rows[..rows.len().min(DEFAULT_LIMIT)]) }),
    };
    if let (Value::Object(d), Value::Object(more)) = (&mut d, more) {
        d.extend(more);
    }
    Answer::success(200, d)
}

fn rows(world: &mut World, of_deleted: bool) -> Vec<Identity> {
    let is_narrow = world.options.records.scope_shrinks_after.is_some_and(|most| world.requests > most);
    let forgotten = world.options.deleted_list_days.map(|days| world.now() - TimeDelta::days(i64::try_from(days).unwrap_or(0)));
    let mut rows: Vec<Identity> = world.seen().into_values().collect();
    rows.retain(|row| row.deleted.is_some() == of_deleted && !(is_narrow && row.mls > 0));
    rows.retain(|row| row.deleted.zip(forgotten).is_none_or(|(deleted, forgotten)| deleted >= forgotten));
    rows
}

/// `MlsId Eq '...'` and `"User"."Id" Eq '...'` are searchable; whether the filter is one of them.
fn filtered(filter: &str, rows: &mut Vec<Identity>) -> bool {
    let Some((field, value)) = filter.split_once(" Eq ") else { return false };
    let value = value.trim_matches('\'').to_owned();
    match field {
        "MlsId" => rows.retain(|row| row.mls_id() == value),
        "\"User\".\"Id\"" => rows.retain(|row| row.members.get("User").and_then(|user| user.get("Id")) == Some(&json!(value))),
        _ => return false,
    }
    true
}

fn sort(world: &mut World, rows: &mut [Identity]) {
    match world.options.order {
        Order::Id => {}
        Order::IdDesc => rows.reverse(),
        Order::ModifiedDesc => rows.sort_by_key(|row| std::cmp::Reverse((row.modified, row.id))),
        Order::LastActive => rows.sort_by_key(|row| (row.last_active, row.id)),
        Order::Unstable => world.random.shuffle(rows),
    }
}

fn records(world: &mut World, rows: &[Identity]) -> Vec<Value> {
    rows.iter().map(|row| row.record(&world.options.records, &mut world.random)).collect()
}

fn paged(world: &mut World, asking: &Asking, rows: Vec<Identity>) -> Result<Value, Answer> {
    let number = |name: &str, usual: usize| asking.parameter(name).map_or(Some(usual), |value| value.parse().ok());
    let out_of_bounds = || Answer::refusal(400, 1053, "_limit or _page is outside its bounds");
    let (limit, page) = number("_limit", DEFAULT_LIMIT).zip(number("_page", 1)).ok_or_else(out_of_bounds)?;
    let limit = match (limit > world.options.limit_max, world.options.limit_over) {
        (true, LimitOver::Refuse) => return Err(out_of_bounds()),
        (true, LimitOver::Clamp) => world.options.limit_max,
        (false, _) => limit,
    };
    if limit == 0 || page == 0 {
        return Err(out_of_bounds());
    }
    let begin = (page - 1).saturating_mul(limit).min(rows.len());
    let shown = records(world, &rows[begin..(begin + limit).min(rows.len())]);
    let pagination = json!({
        "TotalRows": rows.len(), "PageSize": limit, "TotalPages": rows.len().div_ceil(limit), "CurrentPage": page,
    });
    Ok(match asking.parameter("_pagination") {
        Some("1") => json!({ "Results": shown, "Pagination": pagination }),
        Some("count") => json!({ "Pagination": pagination }),
        _ => json!({ "Results": shown }),
    })
}

pub(super) fn one(world: &mut World, id: i64) -> Answer {
    let hides = world.options.records.deleted_by_id == ByIdDeleted::NotFound;
    match world.seen().get(&id) {
        Some(identity) if identity.deleted.is_none() || !hides => {
            let record = identity.record(&world.options.records, &mut world.random);
            Answer::success(200, json!({ "Results": [record] }))
        }
        _ => Answer::not_found(),
    }
}

pub(super) fn history(world: &World, id: i64) -> Answer {
    let Some(identity) = world.identities.get(&id) else { return Answer::not_found() };
    let entry = json!({
        "Id": id, "Action": "Update", "ModificationTimestamp": identity.modified.to_rfc3339(), "RecordType": "Identity",
        "Key": format!("api-key-of-{id}"), "ChangedFields": [], "ChangedValues": {},
    });
    Answer::success(200, json!({ "Results": [entry] }))
}

/// The members of `D`, where the body is JSON and says so.
pub(super) fn body(asking: &Asking) -> Result<Map<String, Value>, Answer> {
    let is_json = asking.header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
    let members = serde_json::from_slice::<Value>(&asking.body).ok().filter(|_| is_json);
    let members = members.and_then(|body| body.get("D")?.as_object().cloned());
    members.ok_or_else(|| Answer::refusal(400, 1035, "The body is no JSON object with D, or the header does not say so"))
}

fn outside(name: &str) -> Answer {
    let error = json!({ "Errors": [{ "Type": "InvalidAttribute", "Attribute": name, "Message": "cannot be set so" }] });
    Answer::refusal_with(400, 1053, "Invalid value", error)
}

pub(super) fn create(world: &mut World, asking: &Asking) -> Result<Answer, Answer> {
    let sent = body(asking)?;
    if let Some(missing) = REQUIRED.iter().find(|name| sent.get(**name).and_then(Value::as_str).is_none_or(str::is_empty)) {
        let error = json!({ "Errors": [{ "Type": "InvalidAttribute", "Attribute": missing, "Message": "is required" }] });
        return Err(Answer::refusal_with(400, 1050, "A parameter is missing", error));
    }
    let is_same =
        |identity: &Identity| ["FirstName", "LastName", "Email"].iter().all(|name| identity.members.get(*name) == sent.get(*name));
    if world.options.records.create_twice == CreateTwice::Conflict && world.identities.values().any(is_same) {
        return Err(Answer::refusal(409, 1055, "It exists already"));
    }
    let mut identity = Identity::made(world.next_id(), 0, world.now());
    identity.set(&sent, &world.options.records).map_err(|name| outside(&name))?;
    world.writes += 1;
    let records = &world.options.records;
    let status = records.create_status;
    let answer = match records.create_answer {
        CreateAnswer::Uri => Answer::success(status, json!({ "Results": [{ "ResourceUri": identity.uri(records) }] })),
        CreateAnswer::Record => Answer::success(status, json!({ "Results": [identity.record(records, &mut world.random)] })),
        CreateAnswer::Bare => Answer::success(status, json!({})),
        CreateAnswer::Accepted => Answer::success(202, json!({})),
    };
    world.identities.insert(identity.id, identity);
    Ok(answer)
}

pub(super) fn update(world: &mut World, asking: &Asking, id: i64) -> Result<Answer, Answer> {
    let sent = body(asking)?;
    let now = world.now();
    let World { identities, options, writes, .. } = world;
    let identity = identities.get_mut(&id).filter(|identity| identity.deleted.is_none()).ok_or_else(Answer::not_found)?;
    let mut changed = identity.clone();
    changed.set(&sent, &options.records).map_err(|name| outside(&name))?;
    *identity = Identity { modified: now, ..changed };
    *writes += 1;
    Ok(Answer::success(200, json!({})))
}

pub(super) fn delete(world: &mut World, id: i64) -> Result<Answer, Answer> {
    match world.identities.get(&id).map(|identity| identity.deleted.is_some()) {
        None => Err(Answer::not_found()),
        Some(true) if !world.options.records.delete_twice_ok => Err(Answer::not_found()),
        Some(was_deleted) => {
            if !was_deleted {
                world.remove(id);
                world.writes += 1;
            }
            Ok(Answer::success(200, json!({})))
        }
    }
}
