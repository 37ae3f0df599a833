//! What each service can be asked, typed. What is `None` or empty is not sent: the vendor has no preference then.

use crate::record::{Location, Stamp};
use serde::ser::Error;
use serde::{Serialize, Serializer};

/// The filters that the five searches share. The bounds belong to the range unless another thing is said.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Filters {
    /// The feeds, at least one. The vendor leaves out those that the client may not see.
    pub feed_id_list: Vec<String>,
    /// Property types; which there are depends on the feed.
    pub property_type_list: Vec<String>,
    /// Kinds of transaction, as `Resale/New`.
    pub sale_type_list: Vec<String>,
    /// Kinds of view.
    pub view_list: Vec<String>,
    /// Styles.
    pub style_list: Vec<String>,
    /// Statuses, as `Active`.
    pub status_list: Vec<String>,
    /// The listing agent.
    pub agent_id: Option<String>,
    /// The listing office.
    pub office_id: Option<String>,
    /// The school district.
    pub school_district: Option<String>,
    /// A phrase in the description.
    pub remarks: Option<String>,
    /// The subdivision.
    pub subdivision: Option<String>,
    /// `Free Hold` or `Lease Hold`.
    pub land_tenure: Option<String>,
    /// The lowest price, in whole units of its currency, as the other prices.
    pub min_price: Option<i64>,
    /// The highest price.
    pub max_price: Option<i64>,
    /// The smallest living area, in square feet.
    pub min_square_feet: Option<i64>,
    /// The largest living area, in square feet.
    pub max_square_feet: Option<i64>,
    /// The smallest lot, in acres.
    #[serde(serialize_with = "finite")]
    pub min_acres: Option<f64>,
    /// The largest lot, in acres.
    #[serde(serialize_with = "finite")]
    pub max_acres: Option<f64>,
    /// The fewest bedrooms.
    pub beds: Option<i64>,
    /// The fewest bathrooms.
    #[serde(serialize_with = "finite")]
    pub baths_total: Option<f64>,
    /// The earliest year of building.
    pub min_year_built: Option<i64>,
    /// The latest year of building.
    pub max_year_built: Option<i64>,
    /// `true`: it has a view. `false` means no preference here.
    pub has_view: Option<bool>,
    /// `true`: an open house lies ahead. `false` means no preference here.
    pub has_open_house: Option<bool>,
    /// `true`: it has air conditioning. `false` means no preference here.
    pub has_ac: Option<bool>,
    /// Whether it is restricted to seniors. For this and the following filters, `false` asks for those that have it not.
    pub has_age_restrictions: Option<bool>,
    /// Whether it has outbuildings.
    pub has_barn: Option<bool>,
    /// Whether it has a basement.
    pub has_basement: Option<bool>,
    /// Whether it has a fireplace.
    pub has_fireplace: Option<bool>,
    /// Whether it has a garage.
    pub has_garage: Option<bool>,
    /// Whether it has accessibility features.
    pub has_handicap_features: Option<bool>,
    /// Whether a main bedroom is on the main floor.
    pub has_master_on_main: Option<bool>,
    /// Whether it has a pool.
    pub has_pool: Option<bool>,
    /// Whether it lies at the water.
    pub has_water_front: Option<bool>,
    /// On the market for fewer days than this.
    pub days_on_market: Option<i64>,
    /// Updated after this.
    #[serde(serialize_with = "date")]
    pub mls_update_date: Option<Stamp>,
    /// Inserted after this.
    #[serde(serialize_with = "date")]
    pub mls_insert_date: Option<Stamp>,
    /// The order, as `Price`. Only the document's sample has it and the two lists that follow.
    pub sort_by: Option<String>,
    /// Areas of search.
    pub search_area_list: Vec<String>,
    /// Levels.
    pub level_list: Vec<String>,
    /// A further page, where an answer named one. The document knows no pages of a search.
    pub page: Option<u32>,
}

/// A search around an address.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ByAddress {
    /// The street address.
    pub address: String,
    /// Its city.
    pub city: String,
    /// Its state.
    pub state: String,
    /// Its ZIP code.
    pub zip: String,
    /// Miles around it, 25 at most; 10 if it is not said.
    pub distance: Option<u32>,
    /// What else is asked.
    #[serde(flatten)]
    pub filters: Filters,
}

/// A search by the name of a place.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ByGeography {
    /// The neighborhood.
    pub neighborhood: Option<String>,
    /// The ZIP code.
    pub zip: Option<String>,
    /// The city.
    pub city: Option<String>,
    /// What else is asked.
    #[serde(flatten)]
    pub filters: Filters,
}

/// A search around a point or within a boundary.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ByLocation {
    /// The point or the boundary.
    #[serde(rename = "WktLocation")]
    pub location: Wkt,
    /// Miles around a point, 25 at most; 10 if it is not said.
    pub distance: Option<u32>,
    /// Of sold listings, when they were sold, as `Last 3 months`. Only [`Vendor::sold_listings_by_location`] takes it.
    ///
    /// [`Vendor::sold_listings_by_location`]: crate::vendor::Vendor::sold_listings_by_location
    pub sold_date_range: Option<String>,
    /// What else is asked.
    #[serde(flatten)]
    pub filters: Filters,
}

/// A location in the spelling that is sent: which of the two for a point a vendor takes is not known before it is tried.
#[derive(Clone, Debug, PartialEq)]
pub enum Wkt {
    /// Well-known text, without a comma in a point.
    Plain(Location),
    /// As the document's example, which has one.
    WithComma(Location),
}

impl Serialize for Wkt {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let text = match self {
            Wkt::Plain(location) => location.to_string(),
            Wkt::WithComma(location) => location.with_comma(),
        };
        // A boundary that is not closed or a place outside the earth can be made, and not asked for.
        let _: Location = text.parse().map_err(|why| S::Error::custom(format!("the location cannot be sent: {why}")))?;
        to.serialize_str(&text)
    }
}

/// Agents of a feed, by when they were updated; the document's default is today, from midnight.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AgentsRequest {
    /// The feed.
    pub feed_id: String,
    /// One agent.
    pub agent_id: Option<String>,
    /// Those of one office.
    pub office_id: Option<String>,
    /// From when on; the time of day may be dropped by the vendor.
    #[serde(serialize_with = "date")]
    pub from_updated_date: Option<Stamp>,
    /// Until when.
    #[serde(serialize_with = "date")]
    pub to_updated_date: Option<Stamp>,
    /// The page, from 1.
    pub page: Option<u32>,
}

/// Offices of a feed, in the same way.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OfficesRequest {
    /// The feed.
    pub feed_id: String,
    /// One office.
    pub office_id: Option<String>,
    /// From when on; the time of day may be dropped by the vendor.
    #[serde(serialize_with = "date")]
    pub from_updated_date: Option<Stamp>,
    /// Until when.
    #[serde(serialize_with = "date")]
    pub to_updated_date: Option<Stamp>,
    /// The page, from 1.
    pub page: Option<u32>,
}

/// Open houses by their dates.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OpenHousesRequest {
    /// The feeds, at least one.
    pub feed_id_list: Vec<String>,
    /// Those of one office.
    pub office_id: Option<String>,
    /// Those of one agent.
    pub agent_id: Option<String>,
    /// From when on.
    #[serde(serialize_with = "date")]
    pub open_from_date: Option<Stamp>,
    /// Until when.
    #[serde(serialize_with = "date")]
    pub open_to_date: Option<Stamp>,
}

/// JSON has no other numbers: they would become null, which asks for everything.
fn finite<S: Serializer>(number: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) if !number.is_finite() => Err(S::Error::custom(format!("{number} is no number that can be sent"))),
        number => number.serialize(to),
    }
}

fn date<S: Serializer>(stamp: &Option<Stamp>, to: S) -> Result<S::Ok, S::Error> {
    stamp.map(Stamp::to_wire).serialize(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Position;
    use crate::vendor::constellation1::fields::services::{
        GET_AGENTS, GET_LISTINGS, GET_LISTINGS_BY_ADDRESS, GET_LISTINGS_BY_GEOGRAPHY, GET_LISTINGS_OPEN_HOUSE, GET_OFFICES,
        GET_SOLD_LISTINGS_BY_LOCATION, Service,
    };
    use std::collections::BTreeSet;

    /// The request can say each parameter of the service, and nothing else.
    fn check(service: &Service, request: &impl Serialize) {
        let value = serde_json::to_value(request).expect("JSON");
        let said: BTreeSet<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(said, service.parameters().map(|(name, _)| name).collect(), "{}", service.name);
    }

    #[test]
    fn each_request_has_the_parameters_of_its_service() {
        let location = Wkt::Plain(Location::Point(Position { longitude: 1.0, latitude: 2.0 }));
        check(&GET_LISTINGS, &Filters::default());
        check(&GET_LISTINGS_BY_ADDRESS, &ByAddress::default());
        check(&GET_LISTINGS_BY_GEOGRAPHY, &ByGeography::default());
        let by_location = ByLocation { location, distance: None, sold_date_range: None, filters: Filters::default() };
        check(&GET_SOLD_LISTINGS_BY_LOCATION, &by_location);
        check(&GET_AGENTS, &AgentsRequest::default());
        check(&GET_OFFICES, &OfficesRequest::default());
        check(&GET_LISTINGS_OPEN_HOUSE, &OpenHousesRequest::default());
    }
}
