//! What the vendor finds wrong with a record, in whichever form it says so.

use crate::record::printable;
use serde_json::{Map, Value};

/// How deep problems may lie in each other; the documented form has two levels.
const DEEPEST: usize = 5;
/// More problems of one record are not read.
const MOST: usize = 1000;
/// The longest text of a problem, in characters.
const TEXT_LIMIT: usize = 500;

/// One thing that is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SparkProblem {
    /// The field that it is about, where it is about one.
    pub field: Option<String>,
    /// What is wrong, in the vendor's words, or by the rule's own where there are none.
    pub message: String,
    /// The rule that was violated, as its kind: `SET_REQUIRED`, `MaxValue`.
    pub rule: Option<String>,
    /// Whether the vendor says that it is a warning (`Warn`) or that it is not (`Fatal`); `None` where it says nothing.
    pub is_warning: Option<bool>,
}

/// Every problem of a `D`: in `Errors`, flat or nested in the record that they are about, and in the older `Details`.
pub(super) fn problems(d: &Map<String, Value>) -> Vec<SparkProblem> {
    let mut found = Vec::new();
    of_errors(d.get("Errors"), DEEPEST, &mut found);
    of_details(d.get("Details"), &mut found);
    found.truncate(MOST);
    found
}

fn of_errors(errors: Option<&Value>, levels: usize, found: &mut Vec<SparkProblem>) {
    let entries = errors.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for entry in entries.iter().filter_map(Value::as_object) {
        let before = found.len();
        if levels > 0 && found.len() < MOST {
            of_errors(entry.get("Errors"), levels - 1, found);
        }
        // What only holds others says nothing by itself.
        if found.len() == before {
            found.push(of_entry(entry));
        }
    }
}

fn of_entry(entry: &Map<String, Value>) -> SparkProblem {
    let rule = entry.get("Rule").and_then(Value::as_object);
    let of_rule = |name: &str| rule.and_then(|rule| word(rule, name));
    let kind = of_rule("Action").or_else(|| of_rule("Expression"));
    let message = word(entry, "Message").or_else(|| word(entry, "Display")).or_else(|| kind.clone()).or_else(|| word(entry, "Type"));
    SparkProblem {
        field: word(entry, "Attribute").or_else(|| of_rule("Field")),
        message: message.unwrap_or_else(|| "the vendor does not say what is wrong".to_owned()),
        rule: kind.or_else(|| of_rule("Id")),
        is_warning: of_rule("Status").or_else(|| word(entry, "Status")).map(|status| status.eq_ignore_ascii_case("Warn")),
    }
}

/// `[{"ListPrice": [{"RuleName": "MaxValue", "RuleValue": 5, "Value": 6}]}]`
fn of_details(details: Option<&Value>, found: &mut Vec<SparkProblem>) {
    let fields = details.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object).flatten();
    for (field, rules) in fields {
        let rules = rules.as_array().into_iter().flatten().filter_map(Value::as_object);
        found.extend(rules.take(MOST).map(|rule| of_constraint(field, rule)));
    }
}

fn of_constraint(field: &str, rule: &Map<String, Value>) -> SparkProblem {
    let name = word(rule, "RuleName").unwrap_or_else(|| "a rule without a name".to_owned());
    let parts = [("RuleValue", "of"), ("Value", "for"), ("RuleField", "against"), ("RuleFieldValue", "which is")];
    let told = parts.into_iter().filter_map(|(part, before)| Some(format!(" {before} {}", word(rule, part)?))).collect::<String>();
    SparkProblem { field: Some(printable(field, TEXT_LIMIT)), message: format!("{name}{told}"), rule: Some(name), is_warning: None }
}

/// A member as text: a string or a number; nothing where it is absent, null or empty.
pub(super) fn word(object: &Map<String, Value>, name: &str) -> Option<String> {
    let text = match object.get(name)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    Some(printable(text.trim(), TEXT_LIMIT)).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each problem as `field|message|rule|warning`.
    fn check(d: &str, expected: &[&str]) {
        let d: Map<String, Value> = serde_json::from_str(d).expect("an object");
        let told = |problem: SparkProblem| {
            let SparkProblem { field, message, rule, is_warning } = problem;
            format!("{}|{message}|{}|{is_warning:?}", field.unwrap_or_default(), rule.unwrap_or_default())
        };
        assert_eq!(problems(&d).into_iter().map(told).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn every_form_becomes_one_list() {
        let attribute = r#"{"Type":"InvalidAttribute","Attribute":"City","Message":"is missing"}"#;
        let rule = r#"{"Type":"RuleViolation","Message":null,"Rule":{"Id":7,"Status":"Warn","Field":"YearBuilt","Action":"SET_REQUIRED"}}"#;
        let [one, other] = ["City|is missing||None", "YearBuilt|SET_REQUIRED|SET_REQUIRED|Some(true)"];
        check(&format!(r#"{{"Errors":[{attribute},{rule}]}}"#), &[one, other]);
        check(&format!(r#"{{"Errors":[{{"Type":"InvalidRecord","Record":{{}},"Errors":[{attribute},{rule}]}}]}}"#), &[one, other]);
        let details = r#""Details":[{"ListPrice":[{"RuleName":"MaxValue","RuleValue":5,"Value":6}]}]"#;
        check(&format!("{{{details}}}"), &["ListPrice|MaxValue of 5 for 6|MaxValue|None"]);
        check(&format!(r#"{{"Errors":[{attribute}],{details}}}"#), &[one, "ListPrice|MaxValue of 5 for 6|MaxValue|None"]);
        check(
            r#"{"Errors":[{"Type":"InvalidRecord"},{"Status":"Fatal"}]}"#,
            &["|InvalidRecord||None", "|the vendor does not say what is wrong||Some(false)"],
        );
        check(r#"{"Errors":"x","Details":[5,{"a":1}]}"#, &[]);
    }
}
