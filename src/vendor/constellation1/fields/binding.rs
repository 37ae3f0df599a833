//! The parameters of a request, as a server of this API binds them: from a query or from a JSON body.

use super::services::{ParameterKind, Service};
use crate::record::Stamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a request says. A parameter without a value is not among the values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bound {
    values: BTreeMap<&'static str, Value>,
    /// What did not bind, by the parameter's name.
    pub(crate) errors: BTreeMap<&'static str, String>,
}

impl Bound {
    pub(crate) fn from_query(service: &Service, pairs: &[(String, String)]) -> Bound {
        let mut members: BTreeMap<&'static str, Value> = BTreeMap::new();
        for (name, value) in pairs {
            match service.parameter(name) {
                Some((name, ParameterKind::List)) => {
                    if let Value::Array(list) = members.entry(name).or_insert_with(|| json!([])) {
                        list.push(json!(value));
                    }
                }
                Some((name, _)) => drop(members.insert(name, json!(value))),
                None => {}
            }
        }
        Bound::bind(service, members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    pub(crate) fn from_body(service: &Service, body: &[u8]) -> Bound {
        match serde_json::from_slice(body) {
            Ok(members) => Bound::bind(service, members),
            Err(_) => {
                let errors = BTreeMap::from([("request", "The request payload can't be parsed.".to_owned())]);
                Bound { errors, ..Bound::default() }
            }
        }
    }

    /// Members that the service does not know are ignored.
    fn bind(service: &Service, members: Map<String, Value>) -> Bound {
        let mut bound = Bound::default();
        for (name, value) in members {
            let Some((name, kind)) = service.parameter(&name) else { continue };
            match self::value(kind, &value) {
                Some(Value::Null) => {}
                Some(value) => drop(bound.values.insert(name, value)),
                None => bound.refuse(name, format!("The value '{value}' is not valid for {name}.")),
            }
        }
        bound
    }

    /// Refuses the request where it lacks what the document requires.
    pub(crate) fn requiring(mut self, service: &Service) -> Bound {
        service.required.iter().for_each(|name| self.require(name));
        self
    }

    pub(crate) fn require(&mut self, name: &'static str) {
        if !self.values.contains_key(name) && !self.errors.contains_key(name) {
            self.refuse(name, format!("The {name} field is required."));
        }
    }

    pub(crate) fn refuse(&mut self, name: &'static str, why: String) {
        self.errors.insert(name, why);
    }

    pub(crate) fn is_refused(&self) -> bool {
        !self.errors.is_empty()
    }

    /// What was bound, by the parameter's name.
    pub(crate) fn values(&self) -> &BTreeMap<&'static str, Value> {
        &self.values
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let list = self.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        self.get(name)?.as_i64()
    }

    /// The page that is asked for; one before the first is the first.
    pub(crate) fn page(&self) -> u32 {
        self.integer("Page").and_then(|page| u32::try_from(page).ok()).unwrap_or(1).max(1)
    }

    pub(crate) fn time(&self, name: &str) -> Option<Stamp> {
        Stamp::parse(self.text(name)?)
    }
}

/// The value as the parameter holds it: null where it says nothing, `None` where it does not bind.
fn value(kind: ParameterKind, sent: &Value) -> Option<Value> {
    let says_nothing = sent.is_null() || *sent == "" || sent.as_array().is_some_and(Vec::is_empty);
    if says_nothing {
        return Some(Value::Null);
    }
    let text = sent.as_str();
    match kind {
        ParameterKind::Text => text.map(|text| json!(text)),
        ParameterKind::List => sent.as_array().filter(|list| list.iter().all(Value::is_string)).map(|list| json!(list)),
        ParameterKind::Integer => sent.as_i64().or_else(|| text?.parse().ok()).map(|number| json!(number)),
        ParameterKind::Real => sent.as_f64().or_else(|| text?.parse().ok()).filter(|number| number.is_finite()).map(|number| json!(number)),
        ParameterKind::Bool => match (sent, text) {
            (Value::Bool(truth), _) => Some(json!(truth)),
            (_, Some("true" | "True" | "1")) => Some(json!(true)),
            (_, Some("false" | "False" | "0")) => Some(json!(false)),
            _ => sent.as_i64().filter(|number| matches!(number, 0 | 1)).map(|number| json!(number == 1)),
        },
        ParameterKind::Time => text.filter(|text| Stamp::parse(text).is_some()).map(|text| json!(text)),
    }
}
