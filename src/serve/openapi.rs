//! The description of what is served, made from the table of services.

use crate::record::{Field, Kind};
use crate::vendor::constellation1::fields::LISTING_DETAILS;
use crate::vendor::constellation1::fields::entities::{AGENT, LISTING_OPEN_HOUSE, LISTING_SUMMARY, OFFICE};
use crate::vendor::constellation1::fields::services::{Method, ParameterKind, SERVICES, Service};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// The OpenAPI document, which is always the same.
pub(super) static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());

fn document() -> Value {
    let mut paths: Map<String, Value> = SERVICES.iter().map(|service| (service.path.to_owned(), operation(service))).collect();
    let lookups = [("FeedId", ParameterKind::Text), ("Type", ParameterKind::Text)];
    let list = json!({ "type": "array", "items": { "type": "object" } });
    paths.insert(
        "/lookups".to_owned(),
        json!({ "get": { "operationId": "lookups", "parameters": query(lookups.into_iter(), &[]), "responses": responses(&list) } }),
    );
    paths.insert("/healthz".to_owned(), open("healthz", true));
    paths.insert("/openapi.json".to_owned(), open("openapi", false));
    let objects = [
        ("ListingDetails", &LISTING_DETAILS[..]),
        ("ListingSummary", &LISTING_SUMMARY),
        ("Agent", &AGENT),
        ("Office", &OFFICE),
        ("ListingOpenHouse", &LISTING_OPEN_HOUSE),
    ];
    let schemas: Map<String, Value> = objects.into_iter().map(|(name, fields)| (name.to_owned(), object(fields))).collect();
    let header = |name: &str| json!({ "type": "apiKey", "in": "header", "name": name });
    json!({
        "openapi": "3.0.3",
        "info": { "title": "mls-sync serve", "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "auth": header("ml-auth"), "timestamp": header("x-ml-timestamp") },
        },
        "security": [{ "auth": [], "timestamp": [] }],
    })
}

/// A path that needs no key.
fn open(id: &str, may_fail: bool) -> Value {
    let described = |text: &str| json!({ "description": text, "content": { "application/json": { "schema": { "type": "object" } } } });
    let mut responses = Map::from_iter([("200".to_owned(), described("The answer."))]);
    if may_fail {
        responses.insert("503".to_owned(), described("The file cannot be read."));
    }
    json!({ "get": { "operationId": id, "security": [], "responses": responses } })
}

fn operation(service: &Service) -> Value {
    // What the document requires of SyncListings has a default.
    let required = if service.name == "SyncListings" { &[] } else { service.required };
    let mut operation = json!({ "operationId": service.name, "responses": responses(&result(service)) });
    match service.method {
        Method::Get => {
            operation["parameters"] = query(service.parameters(), required);
            json!({ "get": operation })
        }
        Method::Post => {
            let members: Map<String, Value> = service.parameters().map(|(name, kind)| (name.to_owned(), nullable(schema(kind)))).collect();
            let body = json!({ "type": "object", "properties": members, "required": required });
            operation["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": body } } });
            json!({ "post": operation })
        }
    }
}

fn query(parameters: impl Iterator<Item = (&'static str, ParameterKind)>, required: &[&str]) -> Value {
    let parameter = |(name, kind)| json!({ "name": name, "in": "query", "required": required.contains(&name), "schema": schema(kind), "explode": true });
    parameters.map(parameter).collect()
}

fn schema(kind: ParameterKind) -> Value {
    match kind {
        ParameterKind::Text => json!({ "type": "string", "maxLength": 1000 }),
        ParameterKind::List => json!({ "type": "array", "items": { "type": "string" }, "maxItems": 200 }),
        ParameterKind::Integer => json!({ "type": "integer", "format": "int64" }),
        ParameterKind::Real => json!({ "type": "number" }),
        ParameterKind::Bool => json!({ "type": "boolean" }),
        ParameterKind::Time => json!({ "type": "string", "description": "A date-time such as 2026-05-01T12:00:00." }),
    }
}

fn nullable(mut schema: Value) -> Value {
    schema["nullable"] = true.into();
    schema
}

/// What a field holds; a value that did not fit its column comes as it was sent.
fn object(fields: &[Field]) -> Value {
    let kind = |kind: Kind| match kind {
        Kind::Text | Kind::Time => "A text.",
        Kind::Loose => "A text, or what a number or a boolean is spelled.",
        Kind::Integer => "A whole number.",
        Kind::Real => "A number.",
        Kind::Bool => "A boolean.",
        Kind::Json => "An object or a list.",
    };
    let members: Map<String, Value> =
        fields.iter().map(|field| (field.wire.to_owned(), json!({ "nullable": true, "description": kind(field.kind) }))).collect();
    json!({ "type": "object", "properties": members })
}

fn result(service: &Service) -> Value {
    let list = |name: &str| json!({ "type": "array", "items": { "$ref": format!("#/components/schemas/{name}") } });
    let paged = |name: &str| {
        let count = json!({ "type": "integer" });
        let next = json!({ "type": "integer", "nullable": true });
        let members = json!({ "Results": list(name), "Total": count, "Count": count, "NextPage": next });
        json!({ "type": "object", "properties": members, "required": ["Results", "Total", "Count", "NextPage"] })
    };
    match service.name {
        "SyncListings" => {
            let mut page = paged("ListingDetails");
            page["properties"]["MirrorChangedAt"] = json!({ "type": "array", "items": { "type": "string" } });
            page
        }
        "GetListingDetail" => json!({ "$ref": "#/components/schemas/ListingDetails" }),
        "GetAgents" => paged("Agent"),
        "GetOffices" => paged("Office"),
        "GetListingsOpenHouse" => list("ListingOpenHouse"),
        _ => json!({ "oneOf": [list("ListingSummary"), paged("ListingSummary")] }),
    }
}

fn responses(result: &Value) -> Value {
    let described = |text: &str, schema: Value| json!({ "description": text, "content": { "application/json": { "schema": schema } } });
    let error = json!({ "type": "object", "required": ["ExceptionType", "Message"] });
    let empty = |text: &str| json!({ "description": text });
    json!({
        "200": described("The answer.", result.clone()),
        "400": described("The request is invalid.", error.clone()),
        "403": empty("The signature is wrong."),
        "404": empty("There is no such thing."),
        "408": empty("The body came too slowly."),
        "413": empty("The body is too long."),
        "429": described("Too many requests.", error.clone()),
        "503": described("The file cannot be read, or not in time.", error),
    })
}
