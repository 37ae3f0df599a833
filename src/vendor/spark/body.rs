//! The bodies of the requests that write.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

/// A request's body: everything lies in `D`.
pub(super) fn enveloped(members: &impl Serialize) -> String {
    json!({ "D": members }).to_string()
}

/// An identity to be made. The first three are required by the vendor's document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct IdentityDetails {
    /// The e-mail address, which need not be unique.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Option<String>>,
    /// The phone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<Option<String>>,
    /// The web site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website: Option<Option<String>>,
    /// Comments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comments: Option<Option<String>>,
    /// The user that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<SparkUser>,
    /// Its other contacts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_contacts: Option<Vec<Contact>>,
}

/// A user, as the vendor's document lets one be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SparkUser {
    /// `User.Id`, 26 digits.
    Id(String),
    /// `User.LoginName`, which is never read back.
    LoginName(String),
}

impl Serialize for SparkUser {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let user: Value = match self {
            SparkUser::Id(id) => json!({ "Id": id }),
            SparkUser::LoginName(name) => json!({ "LoginName": name }),
        };
        user.serialize(to)
    }
}

/// Another contact of an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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
}
