//! The vocabulary of invented listings: a plausible text for any text field, by its name.

use super::random::Random;

const STREETS: [&str; 16] = [
    "Peachtree",
    "Magnolia",
    "Cedar Ridge",
    "Lakeview",
    "Piedmont",
    "O'Farrell",
    "Rainier",
    "Evergreen",
    "Día de Fiesta",
    "Sunset",
    "Chestnut",
    "Old Mill",
    "Kailua",
    "Fernside",
    "Saint-André",
    "Willow Creek",
];
const SUFFIXES: [&str; 8] = ["St", "Ave", "Rd", "Ct", "Ln", "Blvd", "Way", "Pl"];
const FIRST: [&str; 14] =
    ["Ann", "José", "Mei", "Zoë", "Luis", "Siobhán", "Priya", "Carl", "Dana", "Óscar", "Keiko", "Tom", "Renée", "Igor"];
const LAST: [&str; 14] = [
    "Smith",
    "García",
    "Nguyễn",
    "O'Brien",
    "Müller",
    "Kim",
    "Johnson",
    "Ivanov",
    "Brown",
    "de la Cruz",
    "Lee",
    "Ødegård",
    "Patel",
    "Young",
];
const OFFICES: [&str; 8] = [
    "Harbor & Main Realty",
    "North Star Homes, LLC",
    "Peak \"Premier\" Properties",
    "Blue Door Group",
    "Cornerstone Realty",
    "Hearth & Key",
    "Summit/Valley Brokers",
    "Casa Bonita Bienes Raíces",
];
const FEATURES: [&str; 24] = [
    "Hardwood",
    "Carpet",
    "Tile",
    "Granite Counters",
    "Walk-In Closet(s)",
    "Forced Air",
    "Natural Gas",
    "Central Air",
    "Composition",
    "Metal",
    "Brick",
    "Wood Siding",
    "Public",
    "Septic Tank",
    "Level",
    "Wooded",
    "Cul-de-sac",
    "Ceiling Fan(s)",
    "Deck",
    "Covered Patio",
    "Double Oven",
    "Dishwasher",
    "Smoke Detector(s)",
    "Vaulted Ceiling",
];
const SENTENCES: [&str; 12] = [
    "Charming home near parks, schools & transit.",
    "Chef's kitchen with 36\" range and quartz island.",
    "Agents: see private remarks <b>before</b> showing.",
    "New roof in 2021; furnace <2 yrs old.",
    "Café-style breakfast nook — bright all day.",
    "Vue imprenable sur la forêt, très calme.",
    "Owner will consider terms (5% down).",
    "Priced to sell at ½ the builder's cost!",
    "Wide\u{a0}plank\u{a0}floors throughout.",
    "Sold as-is\\no repairs; bring your C:\\tools.",
    "海の見える家。内覧歓迎。",
    "Walk to the lake 🏞️ and the farmers' market 🥕.",
];
const JOINTS: [&str; 5] = [" ", "  ", "\r\n", "\r\n\r\n", "<br/>"];
const SCHOOLS: [&str; 6] = ["Lincoln", "Martin Luther King Jr.", "Cascade", "San Rafael", "Riverside", "Oak Hill"];

pub(super) fn street(random: &mut Random) -> (&'static str, &'static str) {
    (random.pick(&STREETS), random.pick(&SUFFIXES))
}

pub(super) fn person(random: &mut Random) -> String {
    format!("{} {}", random.pick(&FIRST), random.pick(&LAST))
}

pub(super) fn office(random: &mut Random) -> &'static str {
    random.pick(&OFFICES)
}

pub(super) fn phone(random: &mut Random) -> String {
    format!("({}) {}-{:04}", 200 + random.below(700), 200 + random.below(700), random.below(10_000))
}

/// Several sentences with what real remarks hold: other scripts, NBSP, CRLF, HTML, quotes, backslashes.
pub(super) fn remarks(random: &mut Random) -> String {
    let mut text = random.pick(&SENTENCES).to_owned();
    for _ in 0..random.below(6) {
        text.push_str(random.pick(&JOINTS));
        text.push_str(random.pick(&SENTENCES));
    }
    text
}

/// City, county, state, first two digits of the zip, latitude, longitude.
pub(super) type Place = (&'static str, &'static str, &'static str, &'static str, f64, f64);

const GEORGIA: [Place; 4] = [
    ("Atlanta", "Fulton", "GA", "30", 33.749, -84.388),
    ("Decatur", "DeKalb", "GA", "30", 33.7748, -84.2963),
    ("Savannah", "Chatham", "GA", "31", 32.0809, -81.0912),
    ("Peachtree City", "Fayette", "GA", "30", 33.3968, -84.5958),
];
const WASHINGTON: [Place; 4] = [
    ("Seattle", "King", "WA", "98", 47.6062, -122.3321),
    ("Bellevue", "King", "WA", "98", 47.6101, -122.2015),
    ("Sequim", "Clallam", "WA", "98", 48.0795, -123.1018),
    ("Spokane Valley", "Spokane", "WA", "99", 47.6732, -117.2394),
];
const CALIFORNIA: [Place; 4] = [
    ("San Francisco", "San Francisco", "CA", "94", 37.7749, -122.4194),
    ("Daly City", "San Mateo", "CA", "94", 37.6879, -122.4702),
    ("La Cañada Flintridge", "Los Angeles", "CA", "91", 34.1992, -118.1879),
    ("Oakland", "Alameda", "CA", "94", 37.8044, -122.2712),
];

pub(super) fn place(feed: &str, random: &mut Random) -> Place {
    let places = match feed {
        "GAMLS" => &GEORGIA,
        "NWMLS" => &WASHINGTON,
        "SFAR" => &CALIFORNIA,
        _ => [&GEORGIA, &WASHINGTON, &CALIFORNIA][random.index(3)],
    };
    places[random.index(places.len())]
}

/// A text for a field that no other field depends on.
pub(super) fn text(wire: &str, random: &mut Random) -> String {
    if random.chance(0.03) {
        return String::new();
    }
    let ends = |suffix: &str| wire.ends_with(suffix);
    if ends("Dimensions") {
        return format!("{}x{}", 20 + random.below(200), 20 + random.below(400));
    }
    if ends("Id") || ends("Code") || ends("Number") {
        return format!("{}{}", random.pick(&["", "A", "0", "R-"]), random.below(1_000_000));
    }
    if ends("Phone") {
        return phone(random);
    }
    if ends("School") {
        return random.pick(&SCHOOLS).to_owned();
    }
    if ends("Fee") || ends("Dues") || wire == "Taxes" || wire == "Assessments" {
        return random.below(9000).to_string();
    }
    if ends("Units") {
        return random.pick(&["Sq Ft", "Acres", "Feet"]).to_owned();
    }
    match wire {
        "SaleType" => return random.pick(&["Resale/New", "Short Sale", "Lease"]).to_owned(),
        "LandTenure" => return random.pick(&["Free Hold", "Lease Hold"]).to_owned(),
        _ => {}
    }
    if ends("Frequency") {
        return random.pick(&["Monthly", "Quarterly", "Annually"]).to_owned();
    }
    if ends("Spaces") || ends("Rooms") || wire == "Stories" || wire == "MlsStories" {
        return (1 + random.below(9)).to_string();
    }
    if ends("Remarks") || wire == "Directions" || wire == "Headline" || wire == "ShowingInstructions" {
        return remarks(random);
    }
    features(random)
}

fn features(random: &mut Random) -> String {
    let mut text = random.pick(&FEATURES).to_owned();
    for _ in 0..random.below(4) {
        text.push_str(", ");
        text.push_str(random.pick(&FEATURES));
    }
    text
}

/// A listing number: digits as a rule; now and then what some MLS has done.
pub(super) fn listing_id(serial: u64, random: &mut Random) -> String {
    match random.below(40) {
        0 => format!("ML-{serial}A"),
        1 => format!("{serial} B/2"),
        2 => format!("O'{serial}\"q"),
        3 => format!("Ж{serial}番"),
        4 => format!("00{serial}"),
        _ => serial.to_string(),
    }
}
