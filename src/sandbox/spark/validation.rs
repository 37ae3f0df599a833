//! The rules of the Spark sandbox for listings.

use super::choices::{ValidationErrors, WarnAs};
use super::envelope::Answer;
use super::identities::body;
use super::routes::Asking;
use super::world::World;
use serde_json::{Map, Value, json};

/// What a rule wants of a field.
#[derive(Clone, Copy)]
enum Want {
    Value,
    AtMost(f64),
}

/// Each rule: its field, what it wants, and whether it only warns.
const RULES: [(&str, Want, bool); 12] = [
    ("PropertyType", Want::Value, false),
    ("ListPrice", Want::Value, false),
    ("ListPrice", Want::AtMost(100_000_000.0), false),
    ("StreetName", Want::Value, false),
    ("City", Want::Value, false),
    ("StateOrProvince", Want::Value, false),
    ("PostalCode", Want::Value, false),
    ("ListAgentId", Want::Value, false),
    ("BedsTotal", Want::AtMost(100.0), false),
    ("YearBuilt", Want::Value, true),
    ("YearBuilt", Want::AtMost(2100.0), false),
    ("SubdivisionName", Want::Value, true),
];

/// A rule that was violated: its number and the value.
type Violation = (usize, Value);

/// Validates a creation, or an update, which says nothing of what it leaves out.
pub(super) fn validate(world: &World, asking: &Asking, is_update: bool) -> Result<Answer, Answer> {
    let sent = body(asking)?;
    if sent.get("CustomFields").is_some_and(|custom| !custom.is_object()) {
        return Err(Answer::refusal(400, 1053, "CustomFields must be objects"));
    }
    let violations: Vec<Violation> = RULES
        .iter()
        .enumerate()
        .filter(|(_, (field, ..))| !is_update || sent.contains_key(*field))
        .filter(|(_, (field, want, _))| is_violated(*want, sent.get(*field).unwrap_or(&Value::Null)))
        .map(|(number, (field, ..))| (number, sent.get(*field).cloned().unwrap_or_default()))
        .collect();
    Ok(answer(world, &sent, &violations))
}

fn is_violated(want: Want, value: &Value) -> bool {
    match want {
        Want::Value => value.is_null() || value == "",
        Want::AtMost(most) => value.as_f64().is_some_and(|value| value > most),
    }
}

fn answer(world: &World, sent: &Map<String, Value>, violations: &[Violation]) -> Answer {
    let options = &world.options.records;
    let warns_alone = violations.iter().all(|(number, _)| RULES[*number].2);
    if violations.is_empty() {
        return Answer::success(200, json!({}));
    }
    let told = told(options.validation_errors, sent, violations);
    if warns_alone && options.validation_warn == WarnAs::Success {
        return Answer::success(200, told);
    }
    Answer::refusal_with(options.validation_status, 1053, "The listing is not valid", told)
}

fn told(form: ValidationErrors, sent: &Map<String, Value>, violations: &[Violation]) -> Value {
    let flat: Vec<Value> = violations.iter().map(|(number, _)| entry(*number)).collect();
    let details: Vec<Value> = violations.iter().map(|(number, value)| detail(*number, value)).collect();
    match form {
        ValidationErrors::Nested => json!({ "Errors": [{ "Type": "InvalidRecord", "Record": sent, "Errors": flat }] }),
        ValidationErrors::Flat => json!({ "Errors": flat }),
        ValidationErrors::Details => json!({ "Details": details }),
        ValidationErrors::Mixed => json!({ "Errors": flat[..flat.len().min(1)], "Details": details[1.min(details.len())..] }),
    }
}

fn entry(number: usize) -> Value {
    let (field, want, warns) = RULES[number];
    let action = if matches!(want, Want::Value) { "SET_REQUIRED" } else { "SET_MAXIMUM" };
    let status = if warns { "Warn" } else { "Fatal" };
    let rule = json!({
        "Id": number, "Status": status, "ResourceUri": format!("/vX/listings/rules/{number}"), "Domain": "StandardFields",
        "Field": field, "Action": action, "Expression": ".TRUE.",
    });
    json!({ "Type": "RuleViolation", "Message": null, "Rule": rule })
}

fn detail(number: usize, value: &Value) -> Value {
    let (field, want, _) = RULES[number];
    let rule = match want {
        Want::Value => json!({ "RuleName": "Required", "Value": value }),
        Want::AtMost(most) => json!({ "RuleName": "MaxValue", "RuleValue": most, "Value": value }),
    };
    json!({ field: [rule] })
}
