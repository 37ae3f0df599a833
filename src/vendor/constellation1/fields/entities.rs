//! The fields of what other services than SyncListings return.

use super::{LISTING_DETAILS, field};
use crate::record::{Field, Kind, NamedBy};
use std::sync::LazyLock;

/// Agent: the document has its class alone. It names neither its feed nor the date of its last change.
pub static AGENT: [Field; 18] = [
    text("AgentId", "agent_id"),
    text("FirstName", "first_name"),
    text("LastName", "last_name"),
    text("MemberType", "member_type"),
    text("Association", "association"),
    text("Designation", "designation"),
    text("LicenseNumber", "license_number"),
    text("NsdrId", "nsdr_id"),
    text("CellPhone", "cell_phone"),
    text("HomePhone", "home_phone"),
    text("OfficePhone", "office_phone"),
    text("Fax", "fax"),
    text("Email", "email"),
    text("Url", "url"),
    text("Status", "status"),
    text("Specialty", "specialty"),
    text("Language", "language"),
    text("PhotoUrl", "photo_url"),
];

/// What is stored of an agent: the feed comes from the request.
pub static STORED_AGENT: [Field; 19] = behind([FEED], AGENT);

/// Office: the same holds.
pub static OFFICE: [Field; 17] = [
    text("OfficeId", "office_id"),
    text("Name", "name"),
    text("Type", "type"),
    text("Address", "address"),
    text("City", "city"),
    text("State", "state"),
    text("Zip", "zip"),
    text("Phone", "phone"),
    text("Fax", "fax"),
    text("LicenseNumber", "license_number"),
    text("Nrds", "nrds"),
    text("OfficeType", "office_type"),
    text("BrokerId", "broker_id"),
    text("Status", "status"),
    text("Association", "association"),
    text("Email", "email"),
    text("Url", "url"),
];

/// What is stored of an office.
pub static STORED_OFFICE: [Field; 18] = behind([FEED], OFFICE);

/// What is stored of an open house, which has no id of its own.
pub static STORED_OPEN_HOUSE: [Field; 9] = [
    FEED,
    text("OpenHouseId", "open_house_id"),
    LISTING_OPEN_HOUSE[1],
    LISTING_OPEN_HOUSE[2],
    LISTING_OPEN_HOUSE[3],
    LISTING_OPEN_HOUSE[4],
    LISTING_OPEN_HOUSE[5],
    LISTING_OPEN_HOUSE[6],
    LISTING_OPEN_HOUSE[7],
];

/// ListingOpenHouse.
pub static LISTING_OPEN_HOUSE: [Field; 8] = [
    text("FeedId", "feed_id"),
    text("ListingId", "listing_id"),
    of_class("IsPublic", "is_public", Kind::Bool, false),
    of_class("AllowIDX", "allow_idx", Kind::Bool, false),
    of_class("IsActive", "is_active", Kind::Bool, false),
    of_class("StartDate", "start_date", Kind::Time, true),
    of_class("EndDate", "end_date", Kind::Time, true),
    text("Remarks", "remarks"),
];

const FEED: Field = text("FeedId", "feed_id");

const fn behind<const K: usize, const N: usize, const ALL: usize>(key: [Field; K], fields: [Field; N]) -> [Field; ALL] {
    let mut all = [key[0]; ALL];
    let mut index = 0;
    while index < ALL {
        all[index] = if index < K { key[index] } else { fields[index - K] };
        index += 1;
    }
    all
}

const fn text(wire: &'static str, column: &'static str) -> Field {
    of_class(wire, column, Kind::Text, true)
}

const fn of_class(wire: &'static str, column: &'static str, kind: Kind, nullable: bool) -> Field {
    field(wire, column, kind, nullable, NamedBy::ClassOnly)
}

const SUMMARY: [&str; 30] = [
    "FeedId",
    "ListingId",
    "Latitude",
    "Longitude",
    "Price",
    "PropertyType",
    "SaleType",
    "Beds",
    "BathsTotal",
    "SquareFeet",
    "Address",
    "Address2",
    "City",
    "State",
    "Zip",
    "ListingAgent",
    "ListingAgentId",
    "ListingOffice",
    "ListingOfficeId",
    "ListingOfficePhone",
    "ShowOnMap",
    "ShowAddress",
    "OpenHouses",
    "AllowComment",
    "Remarks",
    "ListDate",
    "MlsUpdateDate",
    "LastListingStatusChangeDate",
    "PhotoRetrievedDate",
    "DaysOnMarket",
];
const SUMMARY_CLASS: [&str; 7] =
    ["Style", "ViewDescription", "ListingStatus", "HasOpenHouse", "ActualPhotoCount", "VirtualTourUrl", "SaleDate"];

/// ListingSummary: fields of ListingDetails, and `Status`, as its table calls the status. `Media` is `ListingMedia` in the table.
pub static LISTING_SUMMARY: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let named = |names: &[&str], named_by| {
        let fields = LISTING_DETAILS.iter().filter(|field| names.contains(&field.wire));
        fields.map(|field| Field { named_by, ..*field }).collect::<Vec<_>>()
    };
    let status = field("Status", "status", Kind::Text, true, NamedBy::TableOnly);
    let both = [&SUMMARY[..], &["Media"]].concat();
    [named(&both, NamedBy::Both), named(&SUMMARY_CLASS, NamedBy::ClassOnly), named(&["SalePrice"], NamedBy::TableOnly), vec![status]]
        .concat()
});
