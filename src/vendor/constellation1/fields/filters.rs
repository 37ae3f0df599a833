//! The filters of the searches as data, and what else a server of this API makes of a search's parameters.

/// What a filter asks of the value that a listing has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    /// It is one of these.
    OneOf,
    /// One of its parts, which commas part, is one of these.
    PartOneOf,
    /// It is this, in any case of letters.
    Is,
    /// It is this: the id of something else.
    Same,
    /// It holds these words.
    Holds,
    AtLeast,
    AtMost,
    Below,
    After,
    /// True asks for it, and false for nothing.
    Wanted,
    /// False asks for what has it not.
    Exactly,
    /// As `Wanted`, of an active open house that ended less than a day ago or later: the zone of its times is not known.
    Ahead,
}

/// Each filter of the document: its parameter, the fields that it looks at, of which one must pass, and how. Both a word of the MLS and the
/// vendor's standardised value of it are found.
pub(crate) const FILTERS: [(&str, &[&str], Test); 39] = [
    ("PropertyTypeList", &["PropertyType", "PropertyTypeSearch"], Test::OneOf),
    ("SaleTypeList", &["SaleType"], Test::OneOf),
    ("ViewList", &["ViewSearch"], Test::PartOneOf),
    ("StyleList", &["StyleSearch"], Test::PartOneOf),
    ("StatusList", &["ListingStatus", "ListingStatusSearch"], Test::OneOf),
    ("AgentId", &["ListingAgentId"], Test::Same),
    ("OfficeId", &["ListingOfficeId"], Test::Same),
    ("SchoolDistrict", &["SchoolDistrict"], Test::Is),
    ("Remarks", &["Remarks"], Test::Holds),
    ("Subdivision", &["Subdivision"], Test::Is),
    ("LandTenure", &["LandTenure"], Test::Is),
    ("MinPrice", &["Price"], Test::AtLeast),
    ("MaxPrice", &["Price"], Test::AtMost),
    ("MinSquareFeet", &["SquareFeet"], Test::AtLeast),
    ("MaxSquareFeet", &["SquareFeet"], Test::AtMost),
    ("MinAcres", &["AcreSearch"], Test::AtLeast),
    ("MaxAcres", &["AcreSearch"], Test::AtMost),
    ("Beds", &["Beds"], Test::AtLeast),
    ("BathsTotal", &["BathsTotal"], Test::AtLeast),
    ("MinYearBuilt", &["YearBuilt"], Test::AtLeast),
    ("MaxYearBuilt", &["YearBuilt"], Test::AtMost),
    ("DaysOnMarket", &["DaysOnMarket"], Test::Below),
    ("MlsUpdateDate", &["MlsUpdateDate"], Test::After),
    ("MlsInsertDate", &[BORN], Test::After),
    ("HasView", &["HasView"], Test::Wanted),
    ("HasOpenHouse", &["OpenHouses"], Test::Ahead),
    ("HasAc", &["HasAc"], Test::Wanted),
    ("HasAgeRestrictions", &["HasAgeRestrictions"], Test::Exactly),
    ("HasBarn", &["HasBarn"], Test::Exactly),
    ("HasBasement", &["HasBasement"], Test::Exactly),
    ("HasFireplace", &["HasFireplace"], Test::Exactly),
    ("HasGarage", &["HasGarage"], Test::Exactly),
    ("HasHandicapFeatures", &["HasHandicapFeatures"], Test::Exactly),
    ("HasMasterOnMain", &["HasMasterOnMain"], Test::Exactly),
    ("HasPool", &["HasPool"], Test::Exactly),
    ("HasWaterFront", &["HasWaterfront"], Test::Exactly),
    ("Neighborhood", &["Neighborhood"], Test::Is),
    ("City", &["City"], Test::Is),
    ("Zip", &["Zip"], Test::Same),
];
/// No field: when the listing came to be.
pub(crate) const BORN: &str = "";

pub(crate) const DEFAULT_MILES: i64 = 10;
pub(crate) const MOST_MILES: i64 = 25;

/// How many days back a range of sales begins, such as `All` or `Last 3 months`; a month counts 30 days. `Ok(None)` is without a
/// beginning, and an error what is no value of the lookup.
pub(crate) fn sold_days(range: Option<&str>) -> Result<Option<u64>, String> {
    let range = range.unwrap_or("All").to_ascii_lowercase();
    let words: Vec<&str> = range.split_whitespace().collect();
    let days = match words.as_slice() {
        ["all"] => return Ok(None),
        ["last", number, unit] => number.parse::<u64>().ok().zip(days_of(unit)).map(|(number, days)| number.saturating_mul(days)),
        _ => None,
    };
    days.map(Some).ok_or_else(|| "The field SoldDateRange is not a value of its lookup.".to_owned())
}

fn days_of(unit: &str) -> Option<u64> {
    let units = [("day", 1), ("week", 7), ("month", 30), ("year", 365)];
    units.into_iter().find(|(name, _)| unit.trim_end_matches('s') == *name).map(|(_, days)| days)
}
