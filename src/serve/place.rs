//! Where a search looks: around a point, within a boundary, or around an address that the mirror knows.

use super::columns::{IS_ON_MAP, Matches};
use super::values::{Number, Value};
use super::view::View;
use crate::record::{Location, Position};
use crate::vendor::constellation1::fields::binding::Bound;
use crate::vendor::constellation1::fields::filters::{DEFAULT_MILES, MOST_MILES};
use rusqlite::{Connection, OptionalExtension, params};

/// A degree of latitude has at least so many miles.
const MILES_OF_DEGREE: f64 = 68.7;
/// The most positions of a boundary.
const MOST_POSITIONS: usize = 1000;

/// Keeps what lies at the place that a request names, if it names one. What is wrong with it is told in `bound`.
pub(super) fn keep(matches: &mut Matches, connection: &Connection, view: &View, bound: &mut Bound) -> rusqlite::Result<()> {
    let miles = bound.integer("Distance").unwrap_or(DEFAULT_MILES);
    if !(0..=MOST_MILES).contains(&miles) {
        bound.refuse("Distance", format!("The field Distance must be between 0 and {MOST_MILES}."));
    }
    let (name, location) = match (bound.text("WktLocation"), bound.text("Address")) {
        (Some(text), _) => ("WktLocation", written(text)),
        (None, Some(address)) => ("Address", addressed(connection, view, bound, address)?),
        (None, None) => return Ok(()),
    };
    match location {
        Ok(location) => keep_within(matches, view, &location, miles as f64),
        Err(why) => bound.refuse(name, why),
    }
    Ok(())
}

/// The bounding box comes first, because it takes less time than a distance.
fn keep_within(matches: &mut Matches, view: &View, location: &Location, miles: f64) {
    let [west, east, south, north] = bounds(location, miles);
    matches.keep_by_position(|at| (west..=east).contains(&at.longitude) && (south..=north).contains(&at.latitude));
    if view.is_public() {
        matches.keep(&[IS_ON_MAP], |value| *value == Value::Number(Number::new(1.0)));
    }
    matches.keep_by_position(|at| location.holds(at, miles));
}

fn written(text: &str) -> Result<Location, String> {
    let location: Location = text.parse().map_err(|why| format!("The field WktLocation is not valid: {why}."))?;
    let positions = corners(&location).len();
    if positions > MOST_POSITIONS { Err(format!("The field WktLocation has more than {MOST_POSITIONS} positions.")) } else { Ok(location) }
}

/// Only the addresses of mirrored listings are known.
fn addressed(connection: &Connection, view: &View, bound: &Bound, address: &str) -> rusqlite::Result<Result<Location, String>> {
    let sql = format!(
        "SELECT longitude, latitude FROM {} WHERE feed_id IN (SELECT value FROM json_each(?1)) AND zip = ?2 AND address = ?3 COLLATE NOCASE
             AND city = ?4 COLLATE NOCASE AND state = ?5 COLLATE NOCASE AND (longitude <> 0 OR latitude <> 0)
         ORDER BY feed_id, listing_id LIMIT 1",
        view.source()
    );
    let asked = params![view.feeds_json(), bound.text("Zip"), address, bound.text("City"), bound.text("State")];
    let position = |row: &rusqlite::Row| Ok(Position { longitude: row.get(0)?, latitude: row.get(1)? });
    let found = connection.prepare_cached(&sql)?.query_row(asked, position).optional()?;
    Ok(found.map(Location::Point).ok_or_else(|| "The field Address is not the address of a listing with coordinates.".to_owned()))
}

fn corners(location: &Location) -> Vec<Position> {
    match location {
        Location::Point(middle) => vec![*middle],
        Location::Polygon(rings) => rings.iter().flatten().copied().collect(),
    }
}

/// The bounding box of all that can match, in degrees: west, east, south, north.
fn bounds(location: &Location, miles: f64) -> [f64; 4] {
    let corners = corners(location);
    let wider = |(least, most): (f64, f64), degrees: f64| (least.min(degrees), most.max(degrees));
    let span = |of: fn(&Position) -> f64| corners.iter().map(of).fold((f64::INFINITY, f64::NEG_INFINITY), wider);
    let ((west, east), (south, north)) = (span(|at| at.longitude), span(|at| at.latitude));
    let height = if matches!(location, Location::Point(_)) { miles / MILES_OF_DEGREE } else { 0.0 };
    let (south, north) = (south - height, north + height);
    // Towards a pole, a degree of longitude becomes as short as can be.
    let narrowest = south.abs().max(north.abs()).to_radians().cos();
    let width = if narrowest > 0.01 { height / narrowest } else { 360.0 };
    let (west, east) = (west - width, east + width);
    // Across the date line, all longitudes are looked at.
    if west < -180.0 || east > 180.0 { [-180.0, 180.0, south, north] } else { [west, east, south, north] }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Positions at nearly this distance in all directions lie within the bounds.
    fn check(longitude: f64, latitude: f64) {
        let middle = Position { longitude, latitude };
        let [west, east, south, north] = bounds(&Location::Point(middle), 25.0);
        let mut near = 0;
        for step in 0..3600 {
            let angle = f64::from(step).to_radians() / 10.0;
            let height = 24.9 / 69.1 * angle.sin();
            let width = 24.9 / 69.1 * angle.cos() / latitude.to_radians().cos().max(0.001);
            let at = Position { longitude: (longitude + width + 540.0) % 360.0 - 180.0, latitude: (latitude + height).min(90.0) };
            if middle.miles_to(at) <= 25.0 {
                near += 1;
                assert!((west..=east).contains(&at.longitude) && (south..=north).contains(&at.latitude), "{at:?} of {middle:?}");
            }
        }
        assert!(near > 900, "{near} positions were near {middle:?}");
    }

    #[test]
    fn what_lies_near_lies_between_the_bounds() {
        for (longitude, latitude) in [(-77.0, 38.9), (0.0, 0.0), (179.95, -16.5), (-179.9, 10.0), (25.0, 89.9), (-149.9, 61.2)] {
            check(longitude, latitude);
        }
        let triangle: Location = "POLYGON ((-77 38, -76 39, -78 40, -77 38))".parse().expect("well-known text");
        assert_eq!(bounds(&triangle, 25.0), [-78.0, -76.0, 38.0, 40.0]);
    }
}
