//! One identity of the Spark sandbox: what it is, and how its record looks.

use super::choices::{DeletedFlag, KeyMember, PutContacts, PutNull, StampForm, UriVersion};
use super::record_options::RecordOptions;
use crate::sandbox::random::Random;
use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

/// What a writer may set.
const WRITABLE: [&str; 9] = ["FirstName", "LastName", "Company", "Email", "Phone", "Website", "Comments", "User", "AdditionalContacts"];
const FIRST_NAMES: [&str; 6] = ["Joe", "Zoë", "Ann", "Lee", "Mia", "Sam"];
const LAST_NAMES: [&str; 6] = ["Developer", "O'Brien", "Ng", "Smith", "Núñez", "Roe"];

#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) id: i64,
    pub(super) members: Map<String, Value>,
    pub(super) mls: u64,
    pub(super) created: DateTime<Utc>,
    pub(super) modified: DateTime<Utc>,
    pub(super) last_active: DateTime<Utc>,
    pub(super) deleted: Option<DateTime<Utc>>,
}

impl Identity {
    pub(super) fn drawn(id: i64, random: &mut Random, mls: u64, now: DateTime<Utc>) -> Identity {
        let (first, last) = (random.pick(&FIRST_NAMES), random.pick(&LAST_NAMES));
        let contact = |n: u64, kind: &str| json!({ "Name": format!("Contact {n}"), "Type": kind, "Email": format!("c{n}.{id}@example.com"), "Phone": "5559261221" });
        let contacts: Vec<Value> = (0..random.below(3)).map(|n| contact(n, random.pick(&["Billing", "Technical"]))).collect();
        let members = json!({
            "FirstName": first, "LastName": last, "Company": format!("Company {id}"), "Email": format!("dev{id}@example.com"),
            "Phone": "555-5555", "Website": format!("http://dev{id}.example.com"), "Comments": null,
            "AdditionalContacts": contacts, "User": user(&format!("{:026}", 20_110_112_u64 + random.below(1000))),
        });
        let Value::Object(members) = members else { unreachable!("an object was written") };
        Identity { id, members, mls, created: now, modified: now, last_active: now, deleted: None }
    }

    pub(super) fn made(id: i64, mls: u64, now: DateTime<Utc>) -> Identity {
        let members = WRITABLE.iter().map(|name| ((*name).to_owned(), if *name == "AdditionalContacts" { json!([]) } else { Value::Null }));
        Identity { id, members: members.collect(), mls, created: now, modified: now, last_active: now, deleted: None }
    }

    /// Sets what a writer sent; the error names what cannot be set.
    pub(super) fn set(&mut self, sent: &Map<String, Value>, options: &RecordOptions) -> Result<(), String> {
        for (name, value) in sent {
            if !WRITABLE.contains(&name.as_str()) {
                return Err(name.clone());
            }
            let value = match (name.as_str(), value) {
                (_, Value::Null) if options.put_null == PutNull::Refuse => return Err(name.clone()),
                (_, Value::Null) if options.put_null == PutNull::Ignore => continue,
                ("User", Value::Object(named)) => user(named.get("Id").and_then(Value::as_str).unwrap_or("20110112234857732941000000")),
                ("AdditionalContacts", Value::Array(contacts)) => {
                    self.contacts(contacts, options.put_contacts).ok_or_else(|| name.clone())?
                }
                (_, value) => value.clone(),
            };
            self.members.insert(name.clone(), value);
        }
        Ok(())
    }

    /// Contacts need a name, a type and an e-mail address of their own.
    fn contacts(&self, sent: &[Value], rule: PutContacts) -> Option<Value> {
        let email = |contact: &Value| contact.get("Email").and_then(Value::as_str).map(str::to_owned);
        let mut all: Vec<Value> = match rule {
            PutContacts::Replace => Vec::new(),
            PutContacts::Merge => self.members.get("AdditionalContacts")?.as_array()?.clone(),
        };
        all.retain(|old| !sent.iter().any(|new| email(new) == email(old)));
        for contact in sent {
            let is_typed = matches!(contact.get("Type").and_then(Value::as_str), Some("Billing" | "Technical"));
            let is_new = email(contact).is_some() && !all.iter().any(|other| email(other) == email(contact));
            if !is_typed || !is_new || contact.get("Name").and_then(Value::as_str).is_none() {
                return None;
            }
            all.push(contact.clone());
        }
        Some(Value::Array(all))
    }

    pub(super) fn mls_id(&self) -> String {
        format!("2016022316502041437{:07}", self.mls)
    }

    pub(super) fn uri(&self, options: &RecordOptions) -> String {
        let version = if options.uri_version == UriVersion::V1 { "v1" } else { "vX" };
        format!("/{version}/developers/identities/{}", self.id)
    }

    pub(super) fn record(&self, options: &RecordOptions, random: &mut Random) -> Value {
        let mut record = self.members.clone();
        if let Some(contacts) = record.get_mut("AdditionalContacts").and_then(Value::as_array_mut).filter(|_| options.contacts_random) {
            random.shuffle(contacts);
        }
        let is_deleted = self.deleted.is_some();
        let deleted = match options.deleted_flag {
            DeletedFlag::Right => Some(is_deleted),
            DeletedFlag::Absent => None,
            DeletedFlag::Contradicting => Some(!is_deleted),
        };
        let key = match options.key_member {
            KeyMember::Absent => None,
            KeyMember::Null => Some(Value::Null),
            KeyMember::Masked => Some(json!("********")),
            KeyMember::Present => Some(json!(format!("api-key-of-{}", self.id))),
        };
        let own = [
            ("Id", Some(json!(self.id))),
            ("ResourceUri", Some(json!(self.uri(options)))),
            ("MlsId", Some(json!(self.mls_id()))),
            ("LastActive", Some(stamp(self.last_active, options.stamp_form, true))),
            ("Editable", Some(json!(true))),
            ("Deleted", deleted.map(Value::Bool)),
            ("ModificationTimestamp", Some(stamp(self.modified, options.stamp_form, false))),
            ("CreatedTimestamp", Some(stamp(self.created, options.stamp_form, false))),
            ("Key", key),
        ];
        record.extend(own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        if options.masked {
            record.extend(["Email", "Phone"].map(|name| (name.to_owned(), json!("********"))));
        }
        Value::Object(record)
    }
}

fn user(id: &str) -> Value {
    json!({
        "Id": id, "ResourceUri": format!("/v1/accounts/{id}"), "UserType": "Member", "Name": "Joe Realtor",
        "OfficeId": "20100113238853732842000000", "Office": "Joe's Realty", "CompanyId": null, "Company": null,
        "FbsIdxCustomer": false, "MlsId": "20100127075503180752000000",
    })
}

fn stamp(at: DateTime<Utc>, form: StampForm, is_activity: bool) -> Value {
    let utc = || at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let zone = FixedOffset::west_opt(5 * 3600).expect("five hours are an offset");
    json!(match form {
        StampForm::Utc => utc(),
        StampForm::Mixed if is_activity => utc(),
        StampForm::Mixed | StampForm::Offset => at.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, false),
        StampForm::Fraction => at.to_rfc3339_opts(SecondsFormat::Millis, true),
    })
}
