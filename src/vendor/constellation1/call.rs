//! One call of a service: its parameters, checked against those that the service has.

use super::fields::services::{Method, ParameterKind, SERVICES, Service};
use crate::record::{Failure, Stamp};
use crate::vendor::error::Error;
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
    /// A call from a JSON object of parameters. Null, an empty text (so the document's sample) and an empty list mean that a
    /// parameter says nothing, and are left out.
    ///
    /// # Errors
    /// Which name is wrong, with those that exist, or which value, or what is missing.
    pub fn new(service: &str, parameters: Map<String, Value>) -> Result<Call, String> {
        let service = named(service)?;
        let mut checked = Map::new();
        for (name, value) in parameters {
            let (name, kind) = parameter(service, &name)?;
            let says_nothing = value.is_null() || value == "" || value.as_array().is_some_and(Vec::is_empty);
            if says_nothing {
                continue;
            }
            let Some(read) = read(kind, &value) else { return Err(format!("{name} is {value}, and must be {}", expected(kind))) };
            if checked.insert(name.to_owned(), read).is_some() {
                return Err(format!("{name} is given twice"));
            }
        }
        match service.required.iter().find(|name| !checked.contains_key(**name)) {
            Some(missing) => Err(format!("{missing} is missing: {} {}", service.name, what_exists(service))),
            None => Ok(Call { service, parameters: checked }),
        }
    }

    /// A call from words as a person types them, in the place of the same parameters of a JSON object. A list takes its name
    /// several times.
    ///
    /// # Errors
    /// As [`Call::new`]; and where the body is no JSON object.
    pub fn from_words(service: &str, words: &[(String, String)], body: Option<&str>) -> Result<Call, String> {
        let found = named(service)?;
        let body = body.map(serde_json::from_str::<Map<String, Value>>).transpose();
        let body = body.map_err(|error| format!("the body is no JSON object of parameters: {error}; it {}", what_exists(found)))?;
        let mut given: BTreeMap<&str, Value> = BTreeMap::new();
        for (name, word) in words {
            let (name, kind) = parameter(found, name)?;
            let value = value(kind, word).ok_or_else(|| format!("{name} is \"{word}\", and must be {}", expected(kind)))?;
            match (given.get_mut(name), value) {
                (Some(Value::Array(list)), Value::Array(more)) => list.extend(more),
                (Some(_), _) => return Err(format!("{name} is given twice")),
                (None, value) => drop(given.insert(name, value)),
            }
        }
        let mut parameters = body.unwrap_or_default();
        parameters.retain(|name, _| !given.keys().any(|given| given.eq_ignore_ascii_case(name)));
        parameters.extend(given.into_iter().map(|(name, value)| (name.to_owned(), value)));
        Call::new(service, parameters)
    }

    /// The call of a typed request: what it leaves open is left out.
    ///
    /// # Errors
    /// As [`Call::new`], since a value may be one that cannot be sent, such as a number that is infinite.
    pub(super) fn of(service: &'static Service, request: &impl Serialize) -> Result<Call, Error> {
        let members = serde_json::to_value(request).map_err(|error| error.to_string());
        let members = members.and_then(|value| serde_json::from_value(value).map_err(|error| error.to_string()));
        let call = members.and_then(|mut members: Map<String, Value>| {
            // A request for two services says nothing of what only one of them takes.
            members.retain(|_, value| !value.is_null());
            Call::new(service.name, members)
        });
        call.map_err(|why| Error::new(Failure::Refused, &format!("{} was not asked: {why}", service.name)))
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
    let unknown = || format!("{} has no parameter \"{name}\"; it {}", service.name, what_exists(service));
    service.parameter(name).ok_or_else(unknown)
}

fn what_exists(service: &Service) -> String {
    let optional = service.parameters().map(|(name, _)| name).filter(|name| !service.required.contains(name));
    format!("needs {}, and takes {}", service.required.join(", "), optional.collect::<Vec<_>>().join(", "))
}

fn expected(kind: ParameterKind) -> &'static str {
    match kind {
        ParameterKind::Text => "a text that is not empty",
        ParameterKind::List => "a list of texts that are not empty",
        ParameterKind::Integer => "a whole number",
        ParameterKind::Real => "a number",
        ParameterKind::Bool => "true or false, or 1 or 0",
        ParameterKind::Time => "a date-time such as 2026-05-01T12:00:00",
    }
}

/// The value as it is sent; `None` where the parameter cannot hold it.
///
/// The document gives booleans as 0 and 1 in its table and as true and false in its sample. A date-time with a zone would be
/// converted by some servers, so it is sent in UTC without one, as the document's examples are.
fn read(kind: ParameterKind, value: &Value) -> Option<Value> {
    let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let as_it_is = match kind {
        ParameterKind::Text => is_text(value),
        ParameterKind::List => value.as_array().is_some_and(|list| list.iter().all(is_text)),
        ParameterKind::Integer => value.is_i64() || value.is_u64(),
        ParameterKind::Real => value.is_number(),
        ParameterKind::Bool => {
            return value.as_bool().or_else(|| [false, true].into_iter().find(|truth| *value == u8::from(*truth))).map(Value::Bool);
        }
        ParameterKind::Time => return Some(json!(Stamp::parse(value.as_str()?)?.to_wire())),
    };
    as_it_is.then(|| value.clone())
}

/// A word as the value that it means; of a list, a list of it alone.
fn value(kind: ParameterKind, word: &str) -> Option<Value> {
    let value = match kind {
        ParameterKind::Text | ParameterKind::Time => json!(word),
        ParameterKind::List => json!([word]),
        ParameterKind::Integer | ParameterKind::Real | ParameterKind::Bool => serde_json::from_str(word).ok()?,
    };
    read(kind, &value)
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
            Some(
                r#"{"Beds":3,"minPrice":1,"PropertyTypeList":["x"],"MaxPrice":"","HasPool":null,"HasBarn":1,"StyleList":[],"MlsUpdateDate":"2026-05-01"}"#,
            ),
        );
        let expected = json!({"FeedIdList":["A","B"],"MinPrice":5,"HasView":true,"MinAcres":0.5,"AgentId":"7","Beds":3,
            "PropertyTypeList":["x"],"HasBarn":true,"MlsUpdateDate":"2026-05-01T00:00:00.000"});
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
        check("GetListings", &[("HasView", "2")], None, "must be true or false");
        check("GetListings", &[("FeedIdList", "A"), ("AgentId", "")], None, "must be a text that is not empty");
        check("GetListings", &[("FeedIdList", "A"), ("FeedIdList", "")], None, "must be a list of texts that are not empty");
        check("GetListings", &[("FeedIdList", "A"), ("Beds", "1"), ("beds", "2")], None, "Beds is given twice");
        check("GetListings", &[], Some("{\"FeedIdList\":[\"A\"],\"Beds\":1,\"beds\":2}"), "Beds is given twice");
        check("GetListings", &[("Beds", "1")], None, "FeedIdList is missing: GetListings needs FeedIdList, and takes PropertyTypeList");
        check("GetListings", &[], Some("{\"FeedIdList\":[]}"), "FeedIdList is missing");
        check("GetListingsByLocation", &[("SoldDateRange", "All")], None, "has no parameter \"SoldDateRange\"");
        check("GetListings", &[], Some("[]"), "the body is no JSON object");
        check("GetListings", &[], Some("{\"Bed\":1}"), "no parameter \"Bed\"");
        check("GetListings", &[], Some("{\"Beds\":1.5}"), "Beds is 1.5, and must be a whole number");
        check("GetListings", &[], Some("{\"FeedIdList\":\"A\"}"), "must be a list of texts");
    }

    #[test]
    fn a_typed_request_that_cannot_be_sent_is_not_widened() {
        use crate::record::{Location, Position};
        use crate::vendor::constellation1::fields::services::{GET_LISTINGS, GET_LISTINGS_BY_LOCATION, GET_SOLD_LISTINGS_BY_LOCATION};
        use crate::vendor::constellation1::requests::{ByLocation, Filters, Wkt};
        let filters = Filters { feed_id_list: vec!["A".to_owned()], ..Filters::default() };
        let told = |call: Result<Call, Error>| call.expect_err("refused").message;
        let endless = Filters { min_acres: Some(f64::INFINITY), ..filters.clone() };
        assert_eq!(told(Call::of(&GET_LISTINGS, &endless)), "GetListings was not asked: inf is no number that can be sent");
        let at = |longitude| Wkt::Plain(Location::Point(Position { longitude, latitude: 1.0 }));
        let around = |longitude, range: Option<&str>| ByLocation {
            location: at(longitude),
            distance: None,
            sold_date_range: range.map(str::to_owned),
            filters: filters.clone(),
        };
        assert!(told(Call::of(&GET_LISTINGS_BY_LOCATION, &around(200.0, None))).contains("the location cannot be sent"));
        assert!(told(Call::of(&GET_LISTINGS_BY_LOCATION, &around(2.0, Some("All")))).contains("no parameter \"SoldDateRange\""));
        let call = Call::of(&GET_SOLD_LISTINGS_BY_LOCATION, &around(2.0, Some("All"))).expect("a call");
        let expected = json!({"FeedIdList":["A"],"WktLocation":"POINT (2 1)","SoldDateRange":"All"});
        assert_eq!(Value::Object(call.parameters), expected);
    }
}
