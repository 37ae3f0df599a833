//! The fields of a developer identity, as data.

use crate::record::{Field, Kind, NamedBy};

/// The member that the client adds to each record: whose mirror it is. The vendor sends no such thing.
pub const ACCOUNT: &str = "Account";

/// An identity as it is stored. A wire name with a dot is a member of the object before the dot. `LastActive`,
/// `ModificationTimestamp`, `Editable` and `ResourceUri` have no field: they move although nothing was changed.
pub static IDENTITY: [Field; 20] = [
    field(ACCOUNT, "account", Kind::Text),
    field("Id", "identity_id", Kind::Integer),
    field("MlsId", "mls_id", Kind::Text),
    field("FirstName", "first_name", Kind::Text),
    field("LastName", "last_name", Kind::Text),
    field("Company", "company", Kind::Text),
    field("Email", "email", Kind::Text),
    field("Phone", "phone", Kind::Text),
    field("Website", "website", Kind::Text),
    field("Comments", "comments", Kind::Text),
    field("Deleted", "deleted", Kind::Bool),
    field("CreatedTimestamp", "created_timestamp", Kind::Time),
    field("User.Id", "user_id", Kind::Text),
    field("User.Name", "user_name", Kind::Text),
    field("User.UserType", "user_type", Kind::Text),
    field("User.OfficeId", "user_office_id", Kind::Text),
    field("User.Office", "user_office", Kind::Text),
    field("User.MlsId", "user_mls_id", Kind::Text),
    field("User", "user", Kind::Json),
    field("AdditionalContacts", "additional_contacts", Kind::Json),
];

const fn field(wire: &'static str, column: &'static str, kind: Kind) -> Field {
    Field { wire, column, kind, nullable: true, named_by: NamedBy::Both }
}
