//! The bodies of the requests that write.

use super::identity::IDENTITIES;
use crate::record::{Fields, Verb, Write};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// A request's body: everything lies in `D`.
pub(super) fn enveloped(members: &impl Serialize) -> String {
    json!({ "D": members }).to_string()
}

/// An identity to be made. The first three are required by the vendor's document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NewIdentity {
    /// The developer's first name.
    pub first_name: String,
    /// The developer's last name.
    pub last_name: String,
    /// The developer's company.
    pub company: String,
    /// What else is known.
    #[serde(flatten)]
    pub details: IdentityDetails,
}

/// What is to be different in an identity; a part that is `None` is not sent, and so stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct IdentityChange {
    /// The first name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// The last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// The company.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// The rest.
    #[serde(flatten)]
    pub details: IdentityDetails,
}

/// The parts of an identity that it may lack. A part that is `None` is not sent; `Some(None)` sends null. Whether the vendor
/// clears a value by null is not documented, nor whether contacts replace those that it has: read after writing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IdentityDetails {
    /// The e-mail address, which need not be unique.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub email: Option<Option<String>>,
    /// The phone number.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub phone: Option<Option<String>>,
    /// The web site.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub website: Option<Option<String>>,
    /// Comments.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub comments: Option<Option<String>>,
    /// The user that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<SparkUser>,
    /// Its other contacts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_contacts: Option<Vec<Contact>>,
}

/// A part that is named is to be set, and be it to null.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// The creation of an identity of these fields, by the vendor's names.
///
/// # Errors
/// What the vendor's document does not allow.
pub fn creation(fields: Map<String, Value>) -> Result<Write, String> {
    let new: NewIdentity = serde_json::from_value(Value::Object(fields.clone()))
        .map_err(|error| format!("{error}; the vendor wants FirstName, LastName and Company"))?;
    let required = [("FirstName", &new.first_name), ("LastName", &new.last_name), ("Company", &new.company)];
    if let Some((name, _)) = required.into_iter().find(|(_, value)| value.trim().is_empty()) {
        return Err(format!("{name} is empty, and the vendor wants one"));
    }
    check(&fields, (&new, &new.details))?;
    Ok(Write { entity: IDENTITIES.name.to_owned(), verb: Verb::Create, target: None, fields: Fields(fields) })
}

/// A change of these fields of an identity; the others stay.
///
/// # Errors
/// What the vendor's document does not allow.
pub fn change(id: i64, fields: Map<String, Value>) -> Result<Write, String> {
    let change: IdentityChange = serde_json::from_value(Value::Object(fields.clone())).map_err(|error| error.to_string())?;
    if fields.is_empty() {
        return Err("no field is named that is to be changed".to_owned());
    }
    check(&fields, (&change, &change.details))?;
    Ok(Write { entity: IDENTITIES.name.to_owned(), verb: Verb::Update, target: Some(id.to_string()), fields: Fields(fields) })
}

/// The deletion of an identity.
#[must_use]
pub fn deletion(id: i64) -> Write {
    Write { entity: IDENTITIES.name.to_owned(), verb: Verb::Delete, target: Some(id.to_string()), fields: Fields::default() }
}

/// Everything that was named must be understood, and the addresses of contacts must differ.
fn check(fields: &Map<String, Value>, (read, details): (&impl Serialize, &IdentityDetails)) -> Result<(), String> {
    let sent = serde_json::to_value(read).map_err(|error| error.to_string())?;
    if let Some(name) = fields.keys().find(|name| sent.get(name) != fields.get(*name)) {
        return Err(format!("{name} is no field of an identity that can be written, or its value does not fit"));
    }
    let mut seen = BTreeSet::new();
    for contact in details.additional_contacts.iter().flatten() {
        if contact.name.trim().is_empty() || contact.email.trim().is_empty() {
            return Err("a contact needs a name and an e-mail address".to_owned());
        }
        if !seen.insert(contact.email.to_lowercase()) {
            return Err(format!("two contacts have the e-mail address {}, which must be unique inside an identity", contact.email));
        }
    }
    Ok(())
}

/// A user, as the vendor's document lets one be named: an object with this one member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SparkUser {
    /// `User.Id`, 26 digits.
    Id(String),
    /// `User.LoginName`, which is never read back.
    LoginName(String),
}

/// Another contact of an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Contact {
    /// Who it is.
    pub name: String,
    /// What for.
    pub r#type: ContactType,
    /// The e-mail address, unique inside the identity.
    pub email: String,
    /// The phone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

/// What a contact is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContactType {
    /// Bills.
    Billing,
    /// Technical matters.
    Technical,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(members: &impl Serialize, expected: Value) {
        assert_eq!(serde_json::from_str::<Value>(&enveloped(members)).expect("JSON"), json!({ "D": expected }));
    }

    #[test]
    fn only_what_is_set_is_sent() {
        let of = |email: Option<Option<&str>>| {
            let details = IdentityDetails { email: email.map(|to| to.map(str::to_owned)), ..IdentityDetails::default() };
            IdentityChange { details, ..IdentityChange::default() }
        };
        check(&of(None), json!({}));
        check(&of(Some(None)), json!({ "Email": null }));
        check(&of(Some(Some("joe@fbsdata.com"))), json!({ "Email": "joe@fbsdata.com" }));
        let contact = Contact { name: "J".to_owned(), r#type: ContactType::Billing, email: "j@x".to_owned(), phone: None };
        let details = IdentityDetails {
            user: Some(SparkUser::LoginName("joe".to_owned())),
            additional_contacts: Some(vec![contact]),
            ..IdentityDetails::default()
        };
        let new = NewIdentity { first_name: "A".to_owned(), last_name: "B".to_owned(), company: "C".to_owned(), details };
        let contacts = json!([{ "Name": "J", "Type": "Billing", "Email": "j@x" }]);
        let user = json!({ "LoginName": "joe" });
        check(&new, json!({ "FirstName": "A", "LastName": "B", "Company": "C", "User": user, "AdditionalContacts": contacts }));
    }

    fn refused(fields: Value, told: &str) {
        let Value::Object(fields) = fields else { panic!("no object") };
        let outcome = if fields.contains_key("LastName") { creation(fields.clone()) } else { change(5, fields.clone()) };
        assert!(outcome.as_ref().is_err_and(|why| why.contains(told)), "{fields:?}: {outcome:?}");
    }

    #[test]
    fn what_the_document_does_not_allow_is_never_sent() {
        refused(json!({ "FirstName": "A", "LastName": "B" }), "Company");
        refused(json!({ "FirstName": " ", "LastName": "B", "Company": "C" }), "FirstName is empty");
        refused(json!({ "Emial": "x" }), "Emial");
        refused(json!({ "Email": 5 }), "string");
        refused(json!({ "Id": 6 }), "Id");
        refused(json!({}), "no field");
        let contact = |email: &str| json!({ "Name": "J", "Type": "Billing", "Email": email });
        refused(json!({ "AdditionalContacts": [contact("a@x"), contact("A@x")] }), "unique");
        refused(json!({ "AdditionalContacts": [contact("")] }), "needs");
        refused(json!({ "AdditionalContacts": [{ "Name": "J", "Type": "Other", "Email": "a@x" }] }), "Other");
        let Value::Object(fields) = json!({ "Email": null, "User": { "Id": "1" }, "AdditionalContacts": [contact("a@x")] }) else {
            panic!("no object")
        };
        assert_eq!(change(5, fields).map(|write| (write.verb, write.target)), Ok((Verb::Update, Some("5".to_owned()))));
    }
}
