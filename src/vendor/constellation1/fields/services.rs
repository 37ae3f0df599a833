//! The ten services of the document as data: their paths, and the parameters that each takes.

/// How a service is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The parameters stand in the query; a list repeats its name.
    Get,
    /// The parameters are the members of a JSON object.
    Post,
}

/// What a parameter holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// A text.
    Text,
    /// Any number of texts.
    List,
    /// A whole number.
    Integer,
    /// A number.
    Real,
    /// Yes or no.
    Bool,
    /// A date-time without a zone.
    Time,
}

/// Parameters of one kind.
type Group = (ParameterKind, Names);
/// Names of parameters.
type Names = &'static [&'static str];

/// One service of the vendor.
#[derive(Debug)]
pub struct Service {
    /// Its name, as the heading of the document has it.
    pub name: &'static str,
    /// Its path with the capitals of the document, which are not everywhere those of the name.
    pub path: &'static str,
    /// How it is asked.
    pub method: Method,
    /// The parameters that the document requires.
    pub required: Names,
    groups: &'static [&'static [Group]],
}

impl Service {
    /// The service of a name, in any case of letters.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Service> {
        SERVICES.iter().copied().find(|service| service.name.eq_ignore_ascii_case(name))
    }

    /// Its parameters with what they hold.
    pub fn parameters(&self) -> impl Iterator<Item = (&'static str, ParameterKind)> {
        self.groups.iter().copied().flatten().flat_map(|(kind, names)| names.iter().map(|name| (*name, *kind)))
    }

    /// The parameter of a name, in any case of letters: the document's own spelling, and what it holds.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<(&'static str, ParameterKind)> {
        self.parameters().find(|(known, _)| known.eq_ignore_ascii_case(name))
    }
}

/// The filters that the five searches share. The last group is in the document's sample alone. `Page` is in neither: a vendor whose
/// answers name a next page must take it.
const FILTERS: &[Group] = &[
    (ParameterKind::List, &["FeedIdList", "PropertyTypeList", "SaleTypeList", "ViewList", "StyleList", "StatusList"]),
    (ParameterKind::Text, &["AgentId", "OfficeId", "SchoolDistrict", "Remarks", "Subdivision", "LandTenure"]),
    (ParameterKind::Integer, &["MinPrice", "MaxPrice", "MinSquareFeet", "MaxSquareFeet", "Beds", "MinYearBuilt", "MaxYearBuilt"]),
    (ParameterKind::Integer, &["DaysOnMarket", "Page"]),
    (ParameterKind::Real, &["MinAcres", "MaxAcres", "BathsTotal"]),
    (ParameterKind::Bool, &["HasView", "HasOpenHouse", "HasAc", "HasAgeRestrictions", "HasBarn", "HasBasement", "HasFireplace"]),
    (ParameterKind::Bool, &["HasGarage", "HasHandicapFeatures", "HasMasterOnMain", "HasPool", "HasWaterFront"]),
    (ParameterKind::Time, &["MlsUpdateDate", "MlsInsertDate"]),
    (ParameterKind::List, &["SearchAreaList", "LevelList"]),
    (ParameterKind::Text, &["SortBy"]),
];
const ADDRESS: &[Group] = &[(ParameterKind::Text, &["Address", "City", "State", "Zip"]), (ParameterKind::Integer, &["Distance"])];
const GEOGRAPHY: &[Group] = &[(ParameterKind::Text, &["Neighborhood", "Zip", "City"])];
const LOCATION: &[Group] = &[(ParameterKind::Text, &["WktLocation"]), (ParameterKind::Integer, &["Distance"])];
const SOLD: &[Group] = &[(ParameterKind::Text, &["SoldDateRange"])];
const DETAIL: &[Group] = &[(ParameterKind::Text, &["FeedId", "ListingId"])];
const UPDATED: &[Group] = &[(ParameterKind::Time, &["FromUpdatedDate", "ToUpdatedDate"]), (ParameterKind::Integer, &["Page"])];
const AGENTS: &[Group] = &[(ParameterKind::Text, &["FeedId", "AgentId", "OfficeId"])];
const OFFICES: &[Group] = &[(ParameterKind::Text, &["FeedId", "OfficeId"])];
const OPEN_HOUSES: &[Group] = &[
    (ParameterKind::List, &["FeedIdList"]),
    (ParameterKind::Text, &["OfficeId", "AgentId"]),
    (ParameterKind::Time, &["OpenFromDate", "OpenToDate"]),
];
/// `PageSize` stands in the samples of errors alone.
const SYNC: &[Group] = &[(ParameterKind::List, &["FeedIdList"]), (ParameterKind::Integer, &["Status", "PageSize"])];

const FEEDS: &[&str] = &["FeedIdList"];

/// GetListings: a search by filters.
pub static GET_LISTINGS: Service = post("GetListings", "/Services/Partner/GetListings", FEEDS, &[FILTERS]);
/// GetListingsByAddress: a search around an address.
pub static GET_LISTINGS_BY_ADDRESS: Service = post(
    "GetListingsByAddress",
    "/services/partner/GetListingsByAddress",
    &["FeedIdList", "Address", "City", "State", "Zip"],
    &[ADDRESS, FILTERS],
);
/// GetListingsByGeography: a search by the name of a place.
pub static GET_LISTINGS_BY_GEOGRAPHY: Service =
    post("GetListingsByGeography", "/services/partner/GetListingsByGeography", FEEDS, &[GEOGRAPHY, FILTERS]);
/// GetListingsByLocation: a search around a point or within a boundary.
pub static GET_LISTINGS_BY_LOCATION: Service =
    post("GetListingsByLocation", "/services/partner/GetListingsByLocation", &["FeedIdList", "WktLocation"], &[LOCATION, FILTERS]);
/// GetSoldListingsByLocation: the same among sold listings. The document leaves open whether `SoldDateRange` is required.
pub static GET_SOLD_LISTINGS_BY_LOCATION: Service = post(
    "GetSoldListingsByLocation",
    "/services/partner/GetSoldListingsByLocation",
    &["FeedIdList", "WktLocation"],
    &[LOCATION, SOLD, FILTERS],
);
/// GetListingDetail: one listing.
pub static GET_LISTING_DETAIL: Service = get("GetListingDetail", "/services/partner/GetListingDetail", &["FeedId", "ListingId"], &[DETAIL]);
/// GetAgents: the agents of a feed.
pub static GET_AGENTS: Service = get("GetAgents", "/services/partner/GetAgents", &["FeedId"], &[AGENTS, UPDATED]);
/// GetOffices: the offices of a feed.
pub static GET_OFFICES: Service = get("GetOffices", "/services/partner/GetOffices", &["FeedId"], &[OFFICES, UPDATED]);
/// GetListingsOpenHouse: open houses by their dates.
pub static GET_LISTINGS_OPEN_HOUSE: Service = get("GetListingsOpenHouse", "/services/partner/GetListingsOpenhouse", FEEDS, &[OPEN_HOUSES]);
/// SyncListings: the listings that were updated. The document requires two parameters and gives a default to one of them.
pub static SYNC_LISTINGS: Service = get("SyncListings", "/services/partner/SyncListings", &["FromUpdatedDate", "Status"], &[SYNC, UPDATED]);

/// Every service, in the document's order.
pub static SERVICES: [&Service; 10] = [
    &GET_LISTINGS,
    &GET_LISTINGS_BY_ADDRESS,
    &GET_LISTINGS_BY_GEOGRAPHY,
    &GET_LISTINGS_BY_LOCATION,
    &GET_SOLD_LISTINGS_BY_LOCATION,
    &GET_LISTING_DETAIL,
    &GET_AGENTS,
    &GET_OFFICES,
    &GET_LISTINGS_OPEN_HOUSE,
    &SYNC_LISTINGS,
];

const fn get(name: &'static str, path: &'static str, required: Names, groups: &'static [&'static [Group]]) -> Service {
    Service { name, path, method: Method::Get, required, groups }
}

const fn post(name: &'static str, path: &'static str, required: Names, groups: &'static [&'static [Group]]) -> Service {
    Service { name, path, method: Method::Post, required, groups }
}
