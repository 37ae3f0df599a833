//! A point or a boundary on the earth, in well-known text.

use std::fmt;
use std::str::FromStr;

/// The mean radius of the earth.
const RADIUS_MILES: f64 = 3958.7613;
/// The most positions of a boundary: a request with more is a mistake or an attack.
const MOST_POSITIONS: usize = 10_000;

/// A position in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// East is positive.
    pub longitude: f64,
    /// North is positive.
    pub latitude: f64,
}

impl Position {
    /// The distance to another position on the sphere, by the haversine formula.
    #[must_use]
    pub fn miles_to(self, other: Position) -> f64 {
        let (here, there) = (self.latitude.to_radians(), other.latitude.to_radians());
        let half = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
        let square = half(there.to_degrees() - here.to_degrees()) + here.cos() * there.cos() * half(other.longitude - self.longitude);
        2.0 * RADIUS_MILES * square.sqrt().min(1.0).asin()
    }

    fn read(numbers: &[&str]) -> Result<Position, String> {
        let wrong = || format!("\"{}\" is no longitude and latitude", numbers.join(" "));
        let [longitude, latitude] = numbers else { return Err(wrong()) };
        let degrees = |text: &str, most: f64| text.parse::<f64>().ok().filter(|number| number.abs() <= most);
        let (longitude, latitude) = degrees(longitude, 180.0).zip(degrees(latitude, 90.0)).ok_or_else(wrong)?;
        Ok(Position { longitude, latitude })
    }
}

/// What a search by location looks around, or within.
///
/// It is read from well-known text, longitude first: `POINT (-77.03653 38.897676)` or `POLYGON ((-73.9 40.7, ...))`. The vendor's
/// document writes its point with a comma between the two numbers, which well-known text does not know; both are read.
#[derive(Clone, Debug, PartialEq)]
pub enum Location {
    /// The middle of a circle.
    Point(Position),
    /// A closed boundary, and after it those of its holes.
    Polygon(Vec<Vec<Position>>),
}

impl Location {
    /// As text, a point with the comma of the vendor's example. [`fmt::Display`] writes it without.
    #[must_use]
    pub fn with_comma(&self) -> String {
        match self {
            Location::Point(at) => format!("POINT ({}, {})", at.longitude, at.latitude),
            Location::Polygon(_) => self.to_string(),
        }
    }

    /// Whether a position lies within `miles` of the point, or within the boundary: there the lines between two positions are
    /// straight in degrees.
    #[must_use]
    pub fn holds(&self, position: Position, miles: f64) -> bool {
        match self {
            Location::Point(middle) => middle.miles_to(position) <= miles,
            // A position in a hole is within two boundaries.
            Location::Polygon(rings) => rings.iter().filter(|ring| is_within(ring, position)).count() % 2 == 1,
        }
    }
}

/// Whether a line from the position to the east crosses the boundary an odd number of times.
fn is_within(ring: &[Position], position: Position) -> bool {
    let crosses = |side: &&[Position]| {
        let (a, b) = (side[0], side[1]);
        let is_beside = (a.latitude > position.latitude) != (b.latitude > position.latitude);
        let share = (position.latitude - a.latitude) / (b.latitude - a.latitude);
        is_beside && position.longitude < a.longitude + share * (b.longitude - a.longitude)
    };
    ring.windows(2).filter(crosses).count() % 2 == 1
}

impl FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Location, String> {
        let wrong = || "it is neither POINT (longitude latitude) nor POLYGON ((longitude latitude, ...))".to_owned();
        let (kind, rest) = text.trim().split_once('(').ok_or_else(wrong)?;
        let inner = rest.strip_suffix(')').ok_or_else(wrong)?.trim();
        match kind.trim().to_ascii_uppercase().as_str() {
            "POINT" => {
                let numbers: Vec<&str> = inner.split([',', ' ', '\t', '\r', '\n']).filter(|number| !number.is_empty()).collect();
                Position::read(&numbers).map(Location::Point)
            }
            "POLYGON" => rings(inner).ok_or_else(wrong)?.into_iter().map(ring).collect::<Result<_, _>>().map(Location::Polygon),
            _ => Err(wrong()),
        }
    }
}

/// The contents of `(...), (...)`.
fn rings(text: &str) -> Option<Vec<&str>> {
    let mut rings = Vec::new();
    let mut rest = text;
    loop {
        let (ring, after) = rest.strip_prefix('(')?.split_once(')')?;
        rings.push(ring);
        rest = after.trim_start();
        if rest.is_empty() {
            return Some(rings);
        }
        rest = rest.strip_prefix(',')?.trim_start();
    }
}

fn ring(text: &str) -> Result<Vec<Position>, String> {
    let read = |pair: &str| Position::read(&pair.split_whitespace().collect::<Vec<_>>());
    let ring: Vec<Position> = text.split(',').take(MOST_POSITIONS + 1).map(read).collect::<Result<_, _>>()?;
    match ring.len() {
        ..4 => Err("a boundary has three corners or more, and ends where it begins".to_owned()),
        _ if ring.len() > MOST_POSITIONS => Err(format!("a boundary has more than {MOST_POSITIONS} positions")),
        _ if ring.first() != ring.last() => Err("a boundary ends where it begins".to_owned()),
        _ => Ok(ring),
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pair = |at: &Position| format!("{} {}", at.longitude, at.latitude);
        match self {
            Location::Point(at) => write!(f, "POINT ({})", pair(at)),
            Location::Polygon(rings) => {
                let ring = |ring: &Vec<Position>| format!("({})", ring.iter().map(pair).collect::<Vec<_>>().join(", "));
                write!(f, "POLYGON ({})", rings.iter().map(ring).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARK: &str = "POLYGON((-73.976269 40.765591,-73.978672 40.762341,-73.97644 40.759351\n\n,-73.971806 40.761593,-73.971934 40.764909,-73.976269 40.765591))";

    fn at(longitude: f64, latitude: f64) -> Position {
        Position { longitude, latitude }
    }

    #[test]
    fn the_documents_examples_are_read_and_written_again() {
        let point = Location::Point(at(-77.03653, 38.897_676));
        for text in ["POINT (-77.03653, 38.897676)", "POINT(-77.03653 38.897676)", " point ( -77.03653\n38.897676 ) "] {
            assert_eq!(text.parse(), Ok(point.clone()), "{text}");
        }
        assert_eq!(point.to_string(), "POINT (-77.03653 38.897676)");
        assert_eq!(point.with_comma(), "POINT (-77.03653, 38.897676)");
        let park: Location = PARK.parse().expect("a polygon");
        assert_eq!(park.to_string().parse(), Ok(park.clone()));
        assert!(park.holds(at(-73.975, 40.7625), 0.0) && !park.holds(at(-73.979, 40.7625), 99.0));
    }

    #[test]
    fn what_is_no_location_is_refused() {
        for text in [
            "",
            "POINT",
            "POINT ()",
            "POINT (1)",
            "POINT (1 2 3)",
            "POINT (181 2)",
            "POINT (1 91)",
            "POINT (1 NaN)",
            "POINT (1 inf)",
            "LINESTRING (1 2, 3 4)",
            "POINT (1 2) x",
            "POLYGON (0 0, 0 1, 1 1, 0 0)",
            "POLYGON ((0 0, 0 1, 1 1))",
            "POLYGON ((0 0, 0 1, 0 0))",
            "POLYGON ((0 0, 0 1, 1 1, 0 0)",
            "POLYGON ((0 0, 0 1, 1 1, 0 0) (0 0, 0 1, 1 1, 0 0))",
        ] {
            assert!(text.parse::<Location>().is_err(), "{text}");
        }
        let long = format!("POLYGON (({}0 0))", "0 0,".repeat(MOST_POSITIONS + 1));
        assert!(long.parse::<Location>().is_err_and(|why| why.contains("more than")));
    }

    #[test]
    fn a_hole_is_outside() {
        let ring: Location = "POLYGON ((0 0, 0 9, 9 9, 9 0, 0 0), (3 3, 3 6, 6 6, 6 3, 3 3))".parse().expect("a polygon");
        assert!(ring.holds(at(1.0, 1.0), 0.0) && !ring.holds(at(4.0, 4.0), 0.0) && !ring.holds(at(10.0, 4.0), 0.0));
    }

    #[test]
    fn miles_are_on_the_sphere() {
        // A degree of a great circle is a 360th of the circumference; 60 degrees north, one of longitude is half of that.
        let degree = RADIUS_MILES.to_radians();
        let close = |a: f64, b: f64| (a - b).abs() < 0.01;
        assert!(close(at(0.0, 0.0).miles_to(at(0.0, 1.0)), degree) && close(at(0.0, 60.0).miles_to(at(1.0, 60.0)), degree / 2.0));
        assert!(close(at(179.5, 0.0).miles_to(at(-179.5, 0.0)), degree), "across the date line");
        assert!(close(at(0.0, 90.0).miles_to(at(50.0, -90.0)), 180.0 * degree));
    }
}
