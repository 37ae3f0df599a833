//! One call of a service: its parameters, checked against those that the service has.

use super::fields::services::{Method, ParameterKind, SERVICES, Service};
use crate::record::Stamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A service, and the parameters that it is asked with.
#[derive(Clone, Debug)]
pub struct Call {
    service: &'static Service,
    parameters: Map<String, Value>,
}

impl Call {
    /// A call from a JSON object of parameters. Null and an empty text mean that a parameter says nothing.
    ///
    /// # Errors
    /// Which name is wrong, with those that exist, or which value.
    pub fn new(service: &str, parameters: Map<String, Value>) -> Result<Call, String> {
        let service = named(service)?;
        let mut checked = Map::new();
        for (name, value) in parameters {
            let (name, kind) = parameter(service, &name)?;
            if !fits(kind, &value) {
                return Err(format!("{name} is {value}, and must be {}", expected(kind)));
            }
            checked.insert(name.to_owned(), value);
        }
        Ok(Call { service, parameters: checked })
    }

    /// A call from words as a person types them, over the parameters of a JSON object. A list takes its name several times.
    ///
    /// # Errors
    /// As [`Call::new`]; and where the body is no JSON object.
    pub fn from_words(service: &str, words: &[(String, String)], body: Option<&str>) -> Result<Call, String> {
        let found = named(service)?;
        let body = body.map(serde_json::from_str::<Map<String, Value>>).transpose();
        let body = body.map_err(|error| format!("the body is no JSON object of parameters: {error}; {}", what_exists(found)))?;
        let mut parameters = Call::new(service, body.unwrap_or_default())?.parameters;
        let mut lists: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for (name, word) in words {
            let (name, kind) = parameter(found, name)?;
            match (value(kind, word), kind) {
                (Some(value), ParameterKind::List) => lists.entry(name).or_default().push(value),
                (Some(value), _) => drop(parameters.insert(name.to_owned(), value)),
                (None, _) => return Err(format!("{name} is \"{word}\", and must be {}", expected(kind))),
            }
        }
        parameters.extend(lists.into_iter().map(|(name, list)| (name.to_owned(), Value::Array(list))));
        Ok(Call { service: found, parameters })
    }

    /// The call of a typed request: what it leaves open is left out.
    pub(super) fn of(service: &'static Service, request: &impl Serialize) -> Call {
        let members = match serde_json::to_value(request) {
            Ok(Value::Object(members)) => members,
            Ok(_) | Err(_) => Map::new(),
        };
        let says_something = |value: &Value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty());
        Call { service, parameters: members.into_iter().filter(|(_, value)| says_something(value)).collect() }
    }

    /// The name of the service.
    #[must_use]
    pub fn service(&self) -> &'static str {
        self.service.name
    }

    /// The parameters.
    #[must_use]
    pub fn parameters(&self) -> &Map<String, Value> {
        &self.parameters
    }

    pub(super) fn path(&self) -> &'static str {
        self.service.path
    }

    /// The body of the request, if it has one.
    pub(super) fn body(&self) -> Option<String> {
        (self.service.method == Method::Post).then(|| Value::Object(self.parameters.clone()).to_string())
    }

    /// The query of the request: a list repeats its name.
    pub(super) fn query(&self) -> Vec<(&str, String)> {
        let mut pairs = Vec::new();
        for (name, value) in &self.parameters {
            match value {
                Value::Null => {}
                Value::Array(list) => pairs.extend(list.iter().map(|value| (name.as_str(), word(value)))),
                value => pairs.push((name.as_str(), word(value))),
            }
        }
        pairs
    }
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn named(service: &str) -> Result<&'static Service, String> {
    let names = || SERVICES.iter().map(|service| service.name).collect::<Vec<_>>().join(", ");
    Service::named(service).ok_or_else(|| format!("the vendor has no service \"{service}\"; it has {}", names()))
}

fn parameter(service: &Service, name: &str) -> Result<(&'static str, ParameterKind), String> {
    let unknown = || format!("{} has no parameter \"{name}\"; {}", service.name, what_exists(service));
    service.parameter(name).ok_or_else(unknown)
}

fn what_exists(service: &Service) -> String {
    let optional = service.parameters().map(|(name, _)| name).filter(|name| !service.required.contains(name));
    format!("it needs {}, and takes {}", service.required.join(", "), optional.collect::<Vec<_>>().join(", "))
}

fn expected(kind: ParameterKind) -> &'static str {
    match kind {
        ParameterKind::Text => "a text",
        ParameterKind::List => "a list of texts",
        ParameterKind::Integer => "a whole number",
        ParameterKind::Real => "a number",
        ParameterKind::Bool => "true or false",
        ParameterKind::Time => "a date-time such as 2026-05-01T12:00:00",
    }
}

/// The document's own sample sends an empty text where it has no preference.
fn fits(kind: ParameterKind, value: &Value) -> bool {
    value.is_null()
        || value == ""
        || match kind {
            ParameterKind::Text => value.is_string(),
            ParameterKind::List => value.as_array().is_some_and(|list| list.iter().all(Value::is_string)),
            ParameterKind::Integer => value.is_i64() || value.is_u64(),
            ParameterKind::Real => value.is_number(),
            ParameterKind::Bool => value.is_boolean(),
            ParameterKind::Time => value.as_str().is_some_and(|text| Stamp::parse(text).is_some()),
        }
}

/// A word as what the parameter holds; of a list, one of its texts.
fn value(kind: ParameterKind, word: &str) -> Option<Value> {
    let value = match kind {
        ParameterKind::Text | ParameterKind::List => return Some(json!(word)),
        ParameterKind::Time => json!(word),
        ParameterKind::Integer | ParameterKind::Real | ParameterKind::Bool => serde_json::from_str(word).ok()?,
    };
    (!word.is_empty() && !value.is_null() && fits(kind, &value)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(service: &str, words: &[(&str, &str)], body: Option<&str>) -> Result<Call, String> {
        let words: Vec<(String, String)> = words.iter().map(|(name, word)| ((*name).to_owned(), (*word).to_owned())).collect();
        Call::from_words(service, &words, body)
    }

    #[test]
    fn words_become_what_the_parameters_hold_in_the_documents_spelling() {
        let call = words(
            "getlistings",
            &[("feedidlist", "A"), ("FEEDIDLIST", "B"), ("minprice", "5"), ("hasview", "true"), ("MinAcres", "0.5"), ("agentid", "7")],
            Some(r#"{"Beds":3,"MinPrice":1,"PropertyTypeList":["x"],"MaxPrice":"","HasPool":null}"#),
        );
        let expected = json!({"FeedIdList":["A","B"],"MinPrice":5,"HasView":true,"MinAcres":0.5,"AgentId":"7","Beds":3,
            "PropertyTypeList":["x"],"MaxPrice":"","HasPool":null});
        assert_eq!(Value::Object(call.expect("a call").parameters), expected);
    }

    #[test]
    fn a_query_repeats_the_name_of_a_list_and_leaves_out_null() {
        let call =
            words("GetListingsOpenhouse", &[("FeedIdList", "A"), ("FeedIdList", "B&C")], Some(r#"{"AgentId":null}"#)).expect("a call");
        assert_eq!(call.query(), [("FeedIdList", "A".to_owned()), ("FeedIdList", "B&C".to_owned())]);
        assert_eq!((call.path(), call.body()), ("/services/partner/GetListingsOpenhouse", None));
    }

    #[test]
    fn what_is_wrong_is_told_with_what_exists() {
        let check = |service, given: &[(&str, &str)], body, told: &str| {
            let why = words(service, given, body).expect_err(told);
            assert!(why.contains(told), "{why}");
        };
        check("GetEverything", &[], None, "it has GetListings, GetListingsByAddress");
        check("GetOffices", &[("Name", "x")], None, "it needs FeedId, and takes OfficeId, FromUpdatedDate, ToUpdatedDate, Page");
        check("GetOffices", &[("Page", "two")], None, "Page is \"two\", and must be a whole number");
        check("GetOffices", &[("Page", "")], None, "must be a whole number");
        check("GetOffices", &[("FromUpdatedDate", "May")], None, "must be a date-time");
        check("GetListings", &[("HasView", "yes")], None, "must be true or false");
        check("GetListings", &[], Some("[]"), "the body is no JSON object");
        check("GetListings", &[], Some("{\"Bed\":1}"), "no parameter \"Bed\"");
        check("GetListings", &[], Some("{\"Beds\":1.5}"), "Beds is 1.5, and must be a whole number");
        check("GetListings", &[], Some("{\"FeedIdList\":\"A\"}"), "must be a list of texts");
    }
}
