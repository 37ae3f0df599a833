//! The entity "identity" of this vendor: a developer's contact record.

use super::fields::{ACCOUNT, IDENTITY};
use crate::entity::{Confirmed, Deletions, Entity, Quiet};
use crate::record::{Cell, Content, Cut, FeedId, Field, Kind, ListingId, ListingKey, NamedBy, Record, Reject, Stamp, raw_hash};
use crate::vendor::value::{Extra, Members, canonical, cell, members, object, portable, quoted, text};
use serde_json::value::RawValue;

/// A developer identity, in the table `identities`. No search finds what changed (ModificationTimestamp is not searchable),
/// so the whole set is read each time.
pub static IDENTITIES: Entity = Entity {
    name: "identity",
    table: "identities",
    numbers: None,
    fields: &IDENTITY,
    aliases: &[],
    deletions: Deletions::Absence(Confirmed::Both),
    stamp: None,
    lapses: None,
    likeness: &[],
    sold: None,
    headline: &["first_name", "last_name", "company"],
    read,
    decode,
    looks_deleted,
    same_but_for_queries: |_, _| false,
    unlisted: None,
    scope: Some(("mls_id", "the MLS")),
    quiet: Some(Quiet { columns: &["last_active", "modification_timestamp", "editable", "resource_uri"], read: volatile }),
    beside: &[],
};

/// Members that move without a change, or differ by who reads: they are no part of the content.
const VOLATILE: [&str; 4] = ["LastActive", "ModificationTimestamp", "Editable", "ResourceUri"];
/// An API key. The document's note on it contradicts itself, so it is dropped wherever it comes up.
const SECRET: &str = "Key";
/// What the vendor sends instead of a value that the API key may not see.
const MASK: &str = "\"********\"";

/// The cells of the columns that move without a change.
fn volatile(record: &Record) -> Vec<Cell<'static>> {
    let members = members(&record.raw).unwrap_or_default();
    let kinds = [("LastActive", Kind::Time), ("ModificationTimestamp", Kind::Time), ("Editable", Kind::Bool), ("ResourceUri", Kind::Text)];
    let field = |(wire, kind)| Field { wire, column: "", kind, nullable: true, named_by: NamedBy::Both };
    // What does not fit is no part of the content, and so not kept.
    kinds.map(field).iter().map(|field| cell(field, members.get(field.wire).copied(), &mut Extra::new())).collect()
}

/// What moves in an identity without a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// When one of its keys was last used; accurate to the day.
    pub last_active: Option<Stamp>,
    /// When the vendor last updated it. Whether the use of a key counts as an update is not documented.
    pub modified: Option<Stamp>,
    /// Whether the user who reads may change it.
    pub editable: Option<bool>,
    /// Its path, as sent.
    pub resource_uri: Option<String>,
}

/// Reads from a record what is no part of its content.
#[must_use]
pub fn activity(record: &Record) -> Activity {
    let members = members(&record.raw).unwrap_or_default();
    let word = |name: &str| members.get(name).and_then(|value| text(value.get()));
    let stamp = |name: &str| word(name).and_then(|text| Stamp::parse(&text));
    Activity {
        last_active: stamp("LastActive"),
        modified: stamp("ModificationTimestamp"),
        editable: members.get("Editable").and_then(|value| value.get().parse().ok()),
        resource_uri: word("ResourceUri"),
    }
}

/// A record as the vendor sends it becomes one of the account: without the member `Key`, with the account.
pub(super) fn of_account(sent: &str, account: &str) -> Result<Record, Reject> {
    let raw = match members(sent) {
        Some(mut members) => {
            members.remove(ACCOUNT);
            members.retain(|name, _| !name.eq_ignore_ascii_case(SECRET));
            let account = (ACCOUNT.to_owned(), quoted(account));
            object(members.into_iter().map(|(name, value)| (name, value.get().to_owned())).chain([account]))
        }
        None => sent.to_owned(),
    };
    read(&raw).map_err(|reason| Reject { reason, listing: None, raw_hash: raw_hash(raw.as_bytes()), raw })
}

fn read(raw: &str) -> Result<Record, String> {
    let members = members(raw).ok_or("it is no JSON object")?;
    let account = members.get(ACCOUNT).and_then(|value| text(value.get())).ok_or("it does not say whose it is")?;
    let id = members.get("Id").and_then(|value| value.get().parse::<i64>().ok()).ok_or("its Id is no integer")?;
    let key = ListingKey { feed: FeedId(account), listing: ListingId(id.to_string()) };
    // Of two answers, the one that the vendor says is newer holds.
    let stamp = members.get("ModificationTimestamp").and_then(|value| text(value.get())).and_then(|sent| Stamp::parse(&sent));
    Ok(Record { key, stamp, mirrored_at: None, raw_hash: raw_hash(raw.as_bytes()), raw: raw.to_owned(), cut: Cut::default() })
}

fn decode(record: &Record) -> Content<'static> {
    let members = members(&record.raw).unwrap_or_default();
    let user = members.get("User").and_then(|user| crate::vendor::value::members(user.get())).unwrap_or_default();
    let mut extra = unplaced(&members);
    let cells = IDENTITY.iter().map(|field| {
        let value = match field.wire.split_once('.') {
            Some((_, inner)) => user.get(inner),
            None => members.get(field.wire),
        };
        let value = value.copied();
        if value.is_some_and(|value| value.get() == MASK) {
            extra.insert(field.wire.to_owned(), MASK.to_owned());
            return Cell::Null;
        }
        match (field.wire, cell(field, value, &mut extra)) {
            ("AdditionalContacts", Cell::Text(contacts)) => Cell::Text(by_email(&contacts).into()),
            (_, cell) => cell,
        }
    });
    let cells = cells.collect();
    let extra = (!extra.is_empty()).then(|| object(extra));
    Content { cells, extra }
}

fn unplaced(members: &Members) -> Extra {
    let has_place = |name: &str| VOLATILE.contains(&name) || IDENTITY.iter().any(|field| field.wire == name);
    let unplaced = members.iter().filter(|(name, _)| !has_place(name) && !name.eq_ignore_ascii_case(SECRET));
    unplaced.map(|(name, value)| (name.clone(), portable(value.get()))).collect()
}

/// Contacts in one order: an Email is unique inside an identity, and nothing is said of their order.
fn by_email(contacts: &str) -> String {
    let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(contacts) else { return contacts.to_owned() };
    let email = |item: &RawValue| members(item.get()).and_then(|contact| text(contact.get("Email")?.get()));
    let mut items: Vec<(Option<String>, String)> = items.into_iter().map(|item| (email(item), portable(item.get()))).collect();
    items.sort();
    let items: Vec<String> = items.into_iter().map(|(_, item)| item).collect();
    canonical(&format!("[{}]", items.join(","))).unwrap_or_else(|| contacts.to_owned())
}

fn looks_deleted(content: &Content) -> bool {
    let deleted = IDENTITY.iter().zip(&content.cells).find(|(field, _)| field.column == "deleted");
    deleted.is_some_and(|(_, cell)| *cell == Cell::Integer(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The document's sample, closed up.
    const SAMPLE: &str = r#"{"Id":5,"ResourceUri":"/vX/developers/identities/5","FirstName":"Joe","LastName":"Developer","Company":"FBS Data Systems","Email":"joe@fbsdata.com","Website":"http://joe.fbsdata.com","Phone":"555-5555","Comments":null,"MlsId":"20160223165020414374000000","LastActive":"2012-03-07T21:13:11Z","Editable":true,"Deleted":false,"ModificationTimestamp":"2014-06-27T10:01:06-05:00","CreatedTimestamp":"2014-06-27T10:01:06-05:00","AdditionalContacts":[{"Name":"John Developer","Type":"Technical","Email":"john@fbsdata.com","Phone":"5559261221"}],"User":{"Id":"20110112234857732941000000","ResourceUri":"/v1/accounts/20110112234857732941000000","UserType":"Member","Name":"Joe Realtor","OfficeId":"20100113238853732842000000","Office":"Joe's Realty","CompanyId":null,"Company":null,"FbsIdxCustomer":false,"MlsId":"20100127075503180752000000"}}"#;

    fn content(sent: &str) -> Content<'static> {
        decode(&of_account(sent, "mls").expect("a record"))
    }

    fn cell_of(content: &Content<'static>, column: &str) -> Cell<'static> {
        let at = IDENTITY.iter().position(|field| field.column == column).expect("a column");
        content.cells[at].clone()
    }

    fn check(sent: &str, column: &str, expected: Cell, extra: Option<&str>) {
        let content = content(sent);
        assert_eq!((cell_of(&content, column), content.extra.as_deref()), (expected, extra), "{sent}");
    }

    fn t(text: &str) -> Cell<'static> {
        Cell::Text(text.to_owned().into())
    }

    #[test]
    fn the_sample_of_the_document_fills_the_cells() {
        check(SAMPLE, "account", t("mls"), None);
        check(SAMPLE, "identity_id", Cell::Integer(5), None);
        check(SAMPLE, "mls_id", t("20160223165020414374000000"), None);
        check(SAMPLE, "comments", Cell::Null, None);
        check(SAMPLE, "deleted", Cell::Integer(0), None);
        check(SAMPLE, "created_timestamp", t("2014-06-27T10:01:06-05:00"), None);
        check(SAMPLE, "user_id", t("20110112234857732941000000"), None);
        check(SAMPLE, "user_office", t("Joe's Realty"), None);
        let record = of_account(SAMPLE, "mls").expect("a record");
        let activity = activity(&record);
        assert_eq!(activity.last_active.map(|stamp| stamp.to_string()).as_deref(), Some("2012-03-07T21:13:11"));
        assert_eq!(activity.modified.map(|stamp| stamp.to_string()).as_deref(), Some("2014-06-27T15:01:06"));
        assert_eq!((activity.editable, activity.resource_uri.as_deref()), (Some(true), Some("/vX/developers/identities/5")));
        assert_eq!((IDENTITIES.read)(&record.raw).as_ref(), Ok(&record));
    }

    #[test]
    fn what_moves_by_itself_is_no_part_of_the_content() {
        let moved =
            SAMPLE.replace("2012-03-07", "2026-03-07").replace("2014-06-27T10:01:06-05:00\",\"Cr", "2026-06-27T10:01:06-05:00\",\"Cr");
        let moved = moved.replace("\"Editable\":true", "\"Editable\":false").replace("/vX/dev", "/v1/dev");
        assert_ne!(moved, SAMPLE);
        assert_eq!(content(&moved).hash(), content(SAMPLE).hash());
        assert_ne!(content(&SAMPLE.replace("Joe Realtor", "Jo Realtor")).hash(), content(SAMPLE).hash());
    }

    #[test]
    fn contacts_are_a_set() {
        let [one, other] = [r#"{"Email":"a@x","Name":"A"}"#, r#"{"Name":"B","Email":"b@x"}"#];
        let sorted = t(r#"[{"Email":"a@x","Name":"A"},{"Email":"b@x","Name":"B"}]"#);
        check(&format!(r#"{{"Id":1,"AdditionalContacts":[{other},{one}]}}"#), "additional_contacts", sorted.clone(), None);
        check(&format!(r#"{{"Id":1,"AdditionalContacts":[{one},{other}]}}"#), "additional_contacts", sorted, None);
        check(r#"{"Id":1,"AdditionalContacts":"x"}"#, "additional_contacts", Cell::Null, Some(r#"{"AdditionalContacts":"x"}"#));
    }

    #[test]
    fn a_masked_value_is_null_and_stays_in_extra() {
        check(r#"{"Id":1,"Email":"********"}"#, "email", Cell::Null, Some(r#"{"Email":"********"}"#));
        check(r#"{"Id":1,"User":{"Name":"********"}}"#, "user_name", Cell::Null, Some(r#"{"User.Name":"********"}"#));
    }

    #[test]
    fn a_key_is_dropped_before_anything_else_sees_it() {
        for sent in [r#"{"Id":1,"Key":"s3cret"}"#, r#"{"Id":1,"key":"s3cret","Z":1}"#] {
            let record = of_account(sent, "mls").expect("a record");
            assert!(!format!("{record:?}{:?}", decode(&record)).contains("s3cret"), "{sent}");
        }
        let reject = of_account(r#"{"Key":"s3cret"}"#, "mls").expect_err("it has no Id");
        assert!(!format!("{reject:?}").contains("s3cret"));
    }

    #[test]
    fn an_older_shape_and_unknown_members_are_survived() {
        check(r#"{"Id":1,"FirstName":"A"}"#, "user_id", Cell::Absent, None);
        check(r#"{"Id":1,"Z":{"b":1,"a":2},"Account":"other"}"#, "account", t("mls"), Some(r#"{"Z":{"a":2,"b":1}}"#));
        for reject in [r#"{"Id":"x"}"#, r#"{"Id":null}"#, r#"{"Id":1.5}"#, "{}", "[]", "5"] {
            assert!(of_account(reject, "mls").is_err(), "{reject}");
        }
        assert!(looks_deleted(&content(r#"{"Id":1,"Deleted":true}"#)) && !looks_deleted(&content(SAMPLE)));
    }
}
