-- The contract between mls-sync and every program that reads its file.
--
-- Version 3. PRAGMA application_id = 0x4d4c5353 ("MLSS"), PRAGMA user_version = 3. An older file is brought up to date by the
-- first command that writes.
--
-- What is marked "public" is the contract. What is marked "internal" is how the mirror works: it may change with any version,
-- so build nothing on it.
--
-- A column's meaning never changes; a new meaning gets a new column. Read as many tables as you like in one
-- transaction: each vendor page is stored in one transaction, so a reader sees all of it or nothing.
--
-- Words
--   date-time   TEXT, ISO 8601. What the vendor writes so is kept as sent; the vendor names no zone, so none is added.
--               Another spelling of a date is written as ISO 8601.
--               It compares as text as long as the vendor writes one form. Columns named *_at are the mirror's own
--               clock: UTC, to the millisecond, with a Z.
--   boolean     INTEGER 0 or 1.
--   null        The vendor sent null (or the date 0001-01-01, which stands for none), left the field out, or sent a value
--               that does not fit the column. In the last case the value is kept in `extra`. A value of another type
--               that converts without loss, such as "3" for 3, fits. False and 0 are what the vendor sent, unless it
--               cannot say null.

-- PUBLIC: what other programs may rely on.

-- Every listing ever seen, deleted ones included. To follow changes, keep the largest change_seq that you have read:
--   SELECT * FROM listings WHERE change_seq > ?1 ORDER BY change_seq LIMIT 1000;
CREATE TABLE listings (  -- public
    feed_id                         TEXT NOT NULL,  -- the MLS feed
    listing_id                      TEXT NOT NULL,  -- the MLS number; unique only inside its feed

    -- The fields of ListingDetails: the union of the two lists in the vendor's document, in snake_case. Text is as the
    -- MLS writes it, numbers in text included.
    above_ground_sq_ft              TEXT,    -- square feet; text because the document says string and int
    acres                           TEXT,    -- acres, as text of the MLS
    acre_search                     REAL,    -- acres; the vendor's own number of acres
    address                         TEXT,    -- whole street address
    address2                        TEXT,    -- unit
    agent_remarks                   TEXT,    -- not for the public
    air                             TEXT,    -- air conditioning
    air_search                      TEXT,    -- the vendor's standardised value
    appliances                      TEXT,    -- appliances included
    assessments                     TEXT,    -- property assessments
    available_utilities             TEXT,    -- utilities available
    back_on_market_date             TEXT,    -- date-time; when it went back on the market
    bathroom_description            TEXT,    -- bathroom
    baths_full                      INTEGER, -- number of full baths
    baths_location                  TEXT,    -- where the bathrooms are
    baths_partial                   INTEGER, -- number of baths with less than all fixtures
    baths_three_quarter             INTEGER, -- number of three-quarter baths
    baths_total                     REAL,    -- number, may have a fraction
    bedroom_description             TEXT,    -- bedroom
    beds                            INTEGER, -- number of bedrooms
    below_ground_sq_ft              INTEGER, -- square feet; finished, below ground level
    boat_amenities                  TEXT,    -- boat amenities
    body_of_water                   TEXT,    -- body of water that it has access to
    breakfast_description           TEXT,    -- breakfast area
    builder                         TEXT,    -- builder's name
    building_number                 TEXT,    -- house numbering
    buyer_commission                TEXT,    -- what agents are paid, in percent; not for the public
    carport_spaces                  TEXT,    -- number of carport spaces, as text of the MLS
    city                            TEXT,    -- city, as the MLS has it
    co_listing_agent_code           TEXT,    -- second listing agent's id at the MLS
    comment_allowed                 TEXT,    -- the table names it so; the class has allow_comment
    commission                      TEXT,    -- what agents are paid; not for the public
    common_walls                    TEXT,    -- common walls
    condo_fee                       TEXT,    -- fee of the condominium
    condo_fee_frequency             TEXT,    -- how often condo_fee is due
    construction                    TEXT,    -- building's construction
    construction_search             TEXT,    -- the vendor's standardised value
    contingent_date                 TEXT,    -- date-time; when an offer was made with a contingency
    contract_date                   TEXT,    -- date-time; when it entered into a contract
    country                         TEXT,    -- country, as the MLS has it
    county                          TEXT,    -- county, as the MLS has it
    covered_parking_spaces          TEXT,    -- number of covered parking spaces, as text of the MLS
    cross_street                    TEXT,    -- nearest cross streets
    current_use                     TEXT,    -- current use
    date_available                  TEXT,    -- date-time; when the property is available
    days_on_market                  INTEGER, -- days
    den_description                 TEXT,    -- den
    development_name                TEXT,    -- the document says: the developer's name
    development_status              TEXT,    -- as the MLS has it
    dimensions_units                TEXT,    -- unit of dimensions
    dining_room_description         TEXT,    -- dining room
    directions                      TEXT,    -- directions to the property
    dock_height                     TEXT,    -- text, or true/false, because the document says string and bool
    doors_windows                   TEXT,    -- doors and windows
    driveway_description            TEXT,    -- driveway
    dwelling_type                   TEXT,    -- kind of dwelling
    energy_features                 TEXT,    -- energy features available
    entry_location                  TEXT,    -- main entry location
    expiration_date                 TEXT,    -- date-time; when the listing expires
    exposure                        TEXT,    -- exposure or shade
    exterior                        TEXT,    -- building's exterior
    family_room_description         TEXT,    -- family room
    farm_type                       TEXT,    -- kind of farm
    fence_description               TEXT,    -- fence
    finished_square_feet            TEXT,    -- square feet; text because the document says string and int
    fireplace_count                 TEXT,    -- text because the document says int and string
    fireplace_description           TEXT,    -- fireplaces
    floor_description               TEXT,    -- floors and floor coverings
    floor_search                    TEXT,    -- the vendor's standardised value
    florida_room_description        TEXT,    -- florida room
    foundation                      TEXT,    -- building's foundation
    foundation_size                 TEXT,    -- square feet, as text of the MLS
    front_dimensions                TEXT,    -- dimensions of the front
    garage                          TEXT,    -- kind of garage
    garage_size                     TEXT,    -- square feet, as text of the MLS
    garage_spaces                   TEXT,    -- text because the document says string and float
    grade_school                    TEXT,    -- elementary school
    great_room_description          TEXT,    -- great room
    guest_facilities                TEXT,    -- guest area
    handicap_features               TEXT,    -- handicap features
    has_ac                          INTEGER, -- boolean
    has_advanced_electrical         INTEGER, -- boolean
    has_age_restrictions            INTEGER, -- boolean
    has_attached_parking            INTEGER, -- boolean
    has_balcony                     INTEGER, -- boolean
    has_barn                        INTEGER, -- boolean
    has_basement                    INTEGER, -- boolean
    has_basement_finished           INTEGER, -- boolean
    has_carport                     INTEGER, -- boolean
    has_covenants_deed_restriction  INTEGER, -- boolean
    has_deck                        INTEGER, -- boolean
    has_dining_room                 INTEGER, -- boolean
    has_disclosure                  INTEGER, -- boolean
    has_dock_facilities             INTEGER, -- boolean
    has_elevators                   INTEGER, -- boolean
    has_exclusions                  INTEGER, -- boolean
    has_existing_financing          INTEGER, -- boolean
    has_fenced_yard                 INTEGER, -- boolean
    has_fireplace                   INTEGER, -- boolean
    has_forced_air                  INTEGER, -- boolean
    has_garage                      INTEGER, -- boolean
    has_garden                      INTEGER, -- boolean
    has_handicap_baths              INTEGER, -- boolean
    has_handicap_doors              INTEGER, -- boolean
    has_handicap_features           INTEGER, -- boolean
    has_handicap_ramps              INTEGER, -- boolean
    has_horse_facilities            INTEGER, -- boolean
    has_interior_steps              INTEGER, -- boolean
    has_irrigation_rights           INTEGER, -- boolean
    has_lease_options               INTEGER, -- boolean
    has_master_on_main              INTEGER, -- boolean
    has_outbuildings                INTEGER, -- boolean
    has_parking                     INTEGER, -- boolean
    has_patio                       INTEGER, -- boolean
    has_pool                        INTEGER, -- boolean
    has_porch                       INTEGER, -- boolean
    has_rail_access                 INTEGER, -- boolean
    has_spa                         INTEGER, -- boolean
    has_split_bedroom_plan          INTEGER, -- boolean
    has_sprinkler_system            INTEGER, -- boolean
    has_storage_area                INTEGER, -- boolean
    has_tennis_court                INTEGER, -- boolean
    has_variable_commission         INTEGER, -- boolean
    has_view                        INTEGER, -- boolean
    has_water_access                INTEGER, -- boolean
    has_waterfront                  INTEGER, -- boolean
    headline                        TEXT,    -- special headline
    heat                            TEXT,    -- kind of heat
    heating_delivery                TEXT,    -- heating equipment
    heating_delivery_search         TEXT,    -- the vendor's standardised value
    heating_source                  TEXT,    -- source of heating
    heating_source_search           TEXT,    -- the vendor's standardised value
    high_rise_amenities             TEXT,    -- high-rise amenities
    high_school                     TEXT,    -- high school
    hoa_description                 TEXT,    -- homeowners' association
    hoa_dues                        TEXT,    -- amount of the homeowners' association's fees
    hoa_fee                         TEXT,    -- the homeowners' association's fee
    hoa_fee_frequency               TEXT,    -- how often hoa_fee is due
    horse_features                  TEXT,    -- horse features
    hotline_code                    TEXT,    -- code of a hotline
    inclusions                      TEXT,    -- what comes with the property
    interior                        TEXT,    -- interior
    is_assumable                    INTEGER, -- boolean
    is_cable_available              INTEGER, -- boolean
    is_corner_lot                   INTEGER, -- boolean
    is_cul_de_sac_lot               INTEGER, -- boolean
    is_drivein                      INTEGER, -- boolean
    is_fixer_upper                  INTEGER, -- boolean
    is_flood_plain                  INTEGER, -- boolean
    is_foreclosured                 INTEGER, -- boolean
    is_furnished                    INTEGER, -- boolean
    is_gated_community              INTEGER, -- boolean
    is_golf_course_lot              INTEGER, -- boolean
    is_horses_allowed               INTEGER, -- boolean
    is_model_home                   INTEGER, -- boolean
    is_mountain_lot                 INTEGER, -- boolean
    is_new_construction             INTEGER, -- boolean
    is_owner_occupied               INTEGER, -- boolean
    is_pets_allowed                 INTEGER, -- boolean
    is_rural_area                   INTEGER, -- boolean
    is_short_sale                   INTEGER, -- boolean
    is_subdividable_lot             INTEGER, -- boolean
    is_trade_considered             INTEGER, -- boolean
    is_treed_lot                    INTEGER, -- boolean
    is_utilities_included           INTEGER, -- boolean
    kitchen_description             TEXT,    -- kitchen
    land_inclusion                  TEXT,    -- what of the land is included
    landscape_back_desc             TEXT,    -- back landscape
    landscape_front_desc            TEXT,    -- front landscape
    land_tenure                     TEXT,    -- right in the land
    last_price_change_date          TEXT,    -- date-time; when the price last changed
    last_listing_status_change_date TEXT,    -- date-time; when the status last changed
    latitude                        REAL,    -- degrees, north positive
    laundry_description             TEXT,    -- laundry room
    left_dimensions                 TEXT,    -- dimension of the left side
    legal_description               TEXT,    -- legal description
    list_date                       TEXT,    -- date-time; when it was listed in the MLS
    listing_agent                   TEXT,    -- listing agent's name
    listing_agent_id                TEXT,    -- listing agent's id at the MLS; unique only inside its feed
    listing_office                  TEXT,    -- listing office's name
    listing_office_id               TEXT,    -- listing office's id at the MLS; unique only inside its feed
    listing_office_phone            TEXT,    -- listing office's phone
    listing_status                  TEXT,    -- the MLS's words
    listing_status_search           TEXT,    -- standardised
    list_price_high                 REAL,    -- units of currency; high end of a price range
    list_price_low                  REAL,    -- units of currency; low end of a price range
    living_area_high                INTEGER, -- in living_area_units; high end of a living area range
    living_area_low                 INTEGER, -- in living_area_units; low end of a living area range
    living_area_source              TEXT,    -- where the living area comes from
    living_area_units               TEXT,    -- unit of living_area_low and living_area_high
    living_room_description         TEXT,    -- living room
    lock_box                        TEXT,    -- whether there is one; not for the public
    longitude                       REAL,    -- degrees, east positive
    lot_area_high                   REAL,    -- in lot_area_units; high end of a lot area range
    lot_area_low                    REAL,    -- in lot_area_units; low end of a lot area range
    lot_area_units                  TEXT,    -- unit of lot_area_low and lot_area_high
    lot_description                 TEXT,    -- lot
    lot_dimensions                  TEXT,    -- dimensions of the lot or land parcel
    lot_number                      TEXT,    -- number of the lot
    lot_size_source                 TEXT,    -- where the lot size comes from
    master_bath_description         TEXT,    -- master bathroom
    master_bedroom_description      TEXT,    -- master bedroom
    middle_school                   TEXT,    -- middle school
    mls_area                        TEXT,    -- the MLS's area
    mls_association                 TEXT,    -- as the MLS gives it
    mls_modification_timestamp      TEXT,    -- date-time; the MLS's own modification time; not used for syncing
    mls_stories                     TEXT,    -- the MLS's stories
    mls_update_date                 TEXT,    -- date-time; when the listing last changed at the vendor; what the mirror is kept true by
    mobile_home_description         TEXT,    -- mobile home
    model_name                      TEXT,    -- model of the building
    neighborhood                    TEXT,    -- neighborhood assigned
    num1_bedroom_units              INTEGER, -- the number of one-bedroom units in a multi-family
    num2_bedroom_units              INTEGER, -- the number of two-bedroom units in a multi-family
    num3_bedroom_units              INTEGER, -- the number of three-bedroom units in a multi-family
    num4_bedroom_units              INTEGER, -- the number of four-bedroom units in a multi-family
    number_of_units                 INTEGER, -- the document says int and short; 64 bits hold both
    num_efficiency_units            INTEGER, -- the number of efficiency units in a multi-family
    onsite_utilities                TEXT,    -- utilities available on property
    original_list_price             REAL,    -- units of currency; the document calls it the previous list price
    other_rooms_description         TEXT,    -- other rooms
    outbuildings                    TEXT,    -- outbuildings
    ownership_type                  TEXT,    -- current type of ownership
    parcel_number                   TEXT,    -- current parcel number
    parking                         TEXT,    -- parking area
    parking_spaces                  TEXT,    -- number of parking spaces, as text of the MLS
    patio_description               TEXT,    -- patio
    pet_description                 TEXT,    -- pets
    photo_retrieved_date            TEXT,    -- date-time; null when there are no photos
    plumbing                        TEXT,    -- plumbing
    pool                            TEXT,    -- details of the pool
    potential_use                   TEXT,    -- potential uses
    price                           INTEGER, -- asking price, whole units of the currency of the country
    price_per_sqft                  REAL,    -- units of currency per square foot
    property_type                   TEXT,    -- the MLS's words
    property_type_search            TEXT,    -- the vendor's standardised value
    rear_dimensions                 TEXT,    -- dimensions of the back
    remarks                         TEXT,    -- public remarks
    result_code                     TEXT,    -- accuracy of the geocoding
    right_dimensions                TEXT,    -- dimension of the right side
    road_frontage_dimensions        TEXT,    -- road front dimension
    roof                            TEXT,    -- roof
    roof_search                     TEXT,    -- the vendor's standardised value
    sale_date                       TEXT,    -- date-time; of the transaction
    sale_price                      INTEGER, -- whole units of currency; only where the vendor sends it
    sale_type                       TEXT,    -- kind of transaction: sale, lease, rental ...
    school_district                 TEXT,    -- school district
    security_features               TEXT,    -- security features
    seller_commission               TEXT,    -- what agents are paid; not for the public
    selling_agent_id                TEXT,    -- selling agent's id at the MLS
    selling_office                  TEXT,    -- selling office's name
    selling_office_id               TEXT,    -- selling office's id at the MLS
    sewer                           TEXT,    -- water and sewer hook-ups
    show_address                    INTEGER, -- boolean
    show_on_map                     INTEGER, -- boolean
    spa_description                 TEXT,    -- spa
    sprinklers_description          TEXT,    -- sprinkler system
    square_feet                     TEXT,    -- square feet, as text of the MLS
    state                           TEXT,    -- state, as the MLS has it
    stories                         TEXT,    -- number of floors, as text of the MLS
    street_dir_prefix               TEXT,    -- direction before the street name
    street_dir_suffix               TEXT,    -- direction after the street name
    street_name                     TEXT,    -- taken from the address
    street_number                   TEXT,    -- taken from the address
    street_suffix                   TEXT,    -- street suffix
    structure_condition             TEXT,    -- the document says: other structures
    style                           TEXT,    -- style of the building
    style_search                    TEXT,    -- the vendor's standardised value
    subdivision                     TEXT,    -- subdivision
    subject_to                      TEXT,    -- a condition on the property
    taxes                           TEXT,    -- the total tax amount; for which time, the document does not say
    terms                           TEXT,    -- terms of sale
    topography                      TEXT,    -- lot topography
    total_area_on_level1            REAL,    -- 0 may mean unknown
    total_area_on_level2            REAL,    -- 0 may mean unknown
    total_area_on_level3            REAL,    -- 0 may mean unknown
    total_area_on_level4            REAL,    -- 0 may mean unknown
    total_area_on_level5            REAL,    -- 0 may mean unknown
    total_rooms                     TEXT,    -- number of rooms, as text of the MLS
    township                        TEXT,    -- township of the listing
    unit_number                     TEXT,    -- unit
    unit_types                      TEXT,    -- kinds of the building's units
    utilities                       TEXT,    -- hook-ups
    utility_room_description        TEXT,    -- utilities room
    view_description                TEXT,    -- views available
    view_search                     TEXT,    -- the vendor's standardised value
    water                           TEXT,    -- source of the water
    water_access                    TEXT,    -- water access
    waterfront                      TEXT,    -- waterfront
    water_frontage_dimensions       TEXT,    -- waterfront dimensions
    waterfront_type                 TEXT,    -- waterfront type
    wooded_acreage                  REAL,    -- acres
    year_built                      TEXT,    -- as text of the MLS
    zip                             TEXT,    -- ZIP code
    zoning                          TEXT,    -- zoning
    actual_photo_count              INTEGER, -- photos
    allow_comment                   INTEGER, -- boolean
    assessments_search              INTEGER, -- number of assessments; the vendor's own
    carport_spaces_search           REAL,    -- the vendor's own number of carport_spaces
    foundation_size_search          INTEGER, -- square feet; the vendor's own number of foundation_size
    has_city_view                   INTEGER, -- boolean
    has_mountain_view               INTEGER, -- boolean
    has_ocean_view                  INTEGER, -- boolean
    has_open_house                  INTEGER, -- boolean
    has_park_view                   INTEGER, -- boolean
    has_valley_view                 INTEGER, -- boolean
    has_water_view                  INTEGER, -- boolean
    hoa_fee_search                  INTEGER, -- the vendor's own number of hoa_fee
    mls_property_type               TEXT,    -- not described by the document
    other                           TEXT,    -- not described by the document
    parking_spaces_search           REAL,    -- the vendor's own number of parking_spaces
    showing_instructions            TEXT,    -- not for the public
    total_rooms_search              INTEGER, -- the vendor's own number of total_rooms
    virtual_tour_url                TEXT,    -- not described by the document
    open_houses                     TEXT,    -- JSON array; see the view listing_open_houses
    media                           TEXT,    -- JSON object; see the view listing_photos

    -- What the mirror adds.
    extra                           TEXT,           -- JSON object by the vendor's names: fields unknown here, and
                                                    -- values that do not fit their column; null when there are none
    first_seen_at                   TEXT NOT NULL,  -- when the mirror first stored it
    changed_at                      TEXT NOT NULL,  -- when the mirror last stored a real change
    deleted_at                      TEXT,           -- when the mirror learnt that it was deleted; null while live.
                                                    -- A deleted row keeps the values that it last had
    deleted_cause                   TEXT CHECK (deleted_cause IN ('vendor', 'absent', 'feed_removed')),
                                                    -- how it was learnt: the vendor said so; it was missing from a
                                                    -- whole reading and the vendor confirmed; a person removed the feed.
                                                    -- Null while live
    change_seq                      INTEGER NOT NULL UNIQUE,
                                                    -- rises with every real change of any listing, and with nothing else

    -- Internal, in spite of the table: do not rely on these.
    stamp                           TEXT,           -- date-time of the newest thing heard of it, live or deleted
    raw_hash                        BLOB NOT NULL,  -- of the record as it was sent
    content_hash                    BLOB NOT NULL,  -- of the columns

    -- Public again.
    purged_at                       TEXT,           -- when its contents were taken out, because the licence does not let them be
                                                    -- kept: all but its key, dates and status; null while they are there

    PRIMARY KEY (feed_id, listing_id)
) STRICT;

CREATE INDEX listings_deleted ON listings (feed_id, deleted_at, purged_at) WHERE deleted_at IS NOT NULL;

-- What a listing site asks for. They leave out deleted listings, so they serve the views that do so, too.
CREATE INDEX listings_city ON listings (city, listing_status_search, price, beds, property_type_search, deleted_at, purged_at) WHERE deleted_at IS NULL;
CREATE INDEX listings_zip ON listings (zip, listing_status_search, price) WHERE deleted_at IS NULL;
CREATE INDEX listings_type ON listings (feed_id, listing_status_search, property_type_search, price, beds, deleted_at, purged_at) WHERE deleted_at IS NULL;
CREATE INDEX listings_updated ON listings (feed_id, mls_update_date) WHERE deleted_at IS NULL;
CREATE INDEX listings_agent ON listings (feed_id, listing_agent_id, deleted_at) WHERE deleted_at IS NULL;
CREATE INDEX listings_office ON listings (feed_id, listing_office_id, deleted_at) WHERE deleted_at IS NULL;

-- What changed when, deleted listings included.
CREATE INDEX listings_changed ON listings (feed_id, changed_at, change_seq, deleted_at);

-- What was sold when.
CREATE INDEX listings_sold ON listings (feed_id, coalesce(sale_date, last_listing_status_change_date, mls_update_date))
WHERE lower(listing_status_search) IN ('sold', 'closed') AND purged_at IS NULL;

-- When the last open house of a listing ends, and its city; the view open_houses_upcoming has the same words.
CREATE INDEX listings_open_houses ON listings (CASE WHEN json_array_length(open_houses) > 4 THEN '9999' ELSE max(
    coalesce(open_houses ->> '$[0].EndDate', open_houses ->> '$[0].StartDate', ''),
    coalesce(open_houses ->> '$[1].EndDate', open_houses ->> '$[1].StartDate', ''),
    coalesce(open_houses ->> '$[2].EndDate', open_houses ->> '$[2].StartDate', ''),
    coalesce(open_houses ->> '$[3].EndDate', open_houses ->> '$[3].StartDate', '')) END, city) WHERE deleted_at IS NULL AND open_houses LIKE '[{%';

-- Every listing that is not deleted. It is not filtered for the public: hidden addresses and agent remarks are in it.
CREATE VIEW live_listings AS  -- public
SELECT * FROM listings WHERE deleted_at IS NULL;

-- The same with a number beside each text that holds one (docs/consumers.md, "Numbers in text"). It is null where the text is
-- null, says more than a number and the column's unit, or can be read in two ways. Digits alone are a number. Otherwise t is the
-- text, u what follows the number, and n the number: commas must group thousands, and three digits after a single point could be
-- thousands as well. LIMIT 1 has SQLite compute each of them once.
CREATE VIEW numeric_listings AS  -- public
SELECT *,
    CASE WHEN NOT above_ground_sq_ft GLOB '*[^0-9]*' THEN CAST(nullif(above_ground_sq_ft, '') AS DOUBLE)
        WHEN above_ground_sq_ft GLOB '*[0-9]*' THEN (
            SELECT CAST(replace(n, ',', '') AS DOUBLE) FROM (
                SELECT u, rtrim(substr(t, 1, length(t) - length(u))) AS n FROM (
                    SELECT t, ltrim(t, '0123456789,. ') AS u FROM (SELECT lower(trim(above_ground_sq_ft, ' ')) AS t LIMIT 1) LIMIT 1) LIMIT 1)
            WHERE u IN ('', 'sqft', 'sq ft', 'sq. ft.', 'sq.ft.', 'sf', 'square feet')
                AND n GLOB '*[0-9]' AND NOT n GLOB '*.*[.,]*' AND NOT n GLOB '* *'
                AND (NOT n GLOB '*,*' OR n GLOB printf('%,d', CAST(replace(n, ',', '') AS BIGINT)) || '*')
                AND NOT (n GLOB '[1-9]*.[0-9][0-9][0-9]' AND length(n) <= 7)
        ) END AS above_ground_sq_ft_number,  -- square feet
    CASE WHEN NOT acres GLOB '*[^0-9]*' THEN CAST(nullif(acres, '') AS DOUBLE)
        WHEN acres GLOB '*[0-9]*' THEN (
            SELECT CAST(replace(n, ',', '') AS DOUBLE) FROM (
                SELECT u, rtrim(substr(t, 1, length(t) - length(u))) AS n FROM (
                    SELECT t, ltrim(t, '0123456789,. ') AS u FROM (SELECT lower(trim(acres, ' ')) AS t LIMIT 1) LIMIT 1) LIMIT 1)
            WHERE u IN ('', 'ac', 'ac.', 'acre', 'acres')
                AND n GLOB '*[0-9]' AND NOT n GLOB '*.*[.,]*' AND NOT n GLOB '* *'
                AND (NOT n GLOB '*,*' OR n GLOB printf('%,d', CAST(replace(n, ',', '') AS BIGINT)) || '*')
                AND NOT (n GLOB '[1-9]*.[0-9][0-9][0-9]' AND length(n) <= 7)
        ) END AS acres_number,  -- acres
    CASE WHEN NOT carport_spaces GLOB '*[^0-9]*' THEN CAST(nullif(carport_spaces, '') AS DOUBLE)
        WHEN carport_spaces GLOB '*[0-9]*' THEN (
            SELECT CAST(replace(n, ',', '') AS DOUBLE) FROM (
                SELECT u, rtrim(substr(t, 1, length(t) - length(u))) AS n FROM (
                    SELECT t, ltrim(t, '0123456789,. ') AS u FROM (SELECT lower(trim(carport_spaces, ' ')) AS t LIMIT 1) LIMIT 1) LIMIT 1)
            WHERE u IN ('')
                AND n GLOB '*[0-9]' AND NOT n GLOB '*.*[.,]*' AND NOT n GLOB '* *'
                AND (NOT n GLOB '*,*' OR n GLOB printf('%,d', CAST(replace(n, ',', '') AS BIGINT)) || '*')
                AND NOT (n GLOB '[1-9]*.[0-9][0-9][0-9]' AND length(n) <= 7)
        ) END AS carport_spaces_number,  -- spaces
    CASE WHEN NOT condo_fee GLOB '*[^0-9]*' THEN CAST(nullif(condo_fee, '') AS DOUBLE)
        WHEN condo_fee GLOB '*[0-9]*' THEN (
            SELECT CAST(replace(n, ',', '') AS DOUBLE) FROM (
                SELECT u, rtrim(substr(t, 1, length(t) - length(u))) AS n FROM (
                    SELECT t, ltrim(t, '0123456789,. ') AS u FROM (SELECT lower(trim(condo_fee, '$ ')) AS t LIMIT 1) LIMIT 1) LIMIT 1)
            WHERE u IN ('')
                AND n GLOB '*[0-9]' AND NOT n GLOB '*.*[.,]*' AND NOT n GLOB '* *'
                AND (NOT n GLOB '*,*' OR n GLOB printf('%,d', CAST(replace(n, ',', '') AS BIGINT)) || '*')
                AND NOT (n GLOB '[1-9]*.[0-9][0-9][0-9]' AND length(n) <= 7)
        ) END AS condo_fee_number,  -- units of currency, per condo_fee_frequency
    CASE WHEN NOT covered_parking_spaces GLOB '*[^0-9]*' THEN CAST(nullif(covered_parking_spaces, '') AS DOUBLE)
        WHEN covered_parking_spaces GLOB '*[0-9]*' THEN (
            SELECT CAST(replace(n, ',', '') AS DOUBLE) FROM (
                SELECT u, rtrim(substr(t, 1, length(t) - length(u))) AS n FROM (
                    SELECT t, ltrim(t, '0123456789,. ') AS u FROM (SELECT lower(trim(covered_parking_spaces, ' ')) AS t LIMIT 1) LIMIT 1) LIMIT 1)
            WHERE u IN ('')
                AND n GLOB '*[0-9]' AND NOT n GLOB '*.*[.,]*' AND NOT n GLOB '* *'
                AND (NOT n GLOB '*,*' OR n GLOB printf('%,d', CAST(replace(n, ',', '') AS BIGINT)) || '*')
                AND NOT (n GLOB '[1-9]*.[0-9][0-9][0-9]' AND length(n) <= 7)
        ) END AS covered_parking_spaces_number,  -- spaces
    CASE WHEN NOT finished_square_feet GLOB '*[^0-9]*' THEN CAST(nullif(finished_square_feet, '') AS DOUBLE)
        WHEN finished_square_feet GLOB '*[0-9]*' THEN (
            SELECT CAST(replace(n, ',', '') AS DOUBLE) FROM (
                SELECT u, rtrim(substr(t, 1, length(t) - length(u))) AS n FROM (
                    SELECT t, ltrim(t, '0123456789,. ') AS u FROM (SELECT lower(trim(finished_square_feet, ' ')) AS t LIMIT 1) LIMIT 1) LIMIT 1)
            WHERE u IN ('', 'sqft', 'sq ft', 'sq. ft.', 'sq.ft.', 'sf', 'square feet')
                AND n GLOB '*[0-9]' AND NOT n GLOB '*.*[.,]*' AND NOT n GLOB '* *'
                AND (NOT n GLOB '*,*' OR n GLOB printf('%,d', CAST(replace(n, ',', '') AS BIGINT)) || '*')
                AND NOT (n GLOB '[1-9]*.[0-9][0-9][0-9]' AND length(n) <= 7)
        ) END AS finished_square_feet_number,  -- square feet
    CASE WHEN NOT fireplace_count GLOB '*[^0-9]*' THEN CAST(nullif(fireplace_count, '') AS DOUBLE)
        WHEN fireplace_count GLOB '*[0-9]*' THEN (
            SELECT CAST(replace(n, ',', '') AS DOUBLE) FROM (
                SELECT u, rtrim(substr(t, 1, length(t) - length(u))) AS n FROM (
                    SELECT t, ltrim(t, '0123456789,. ') AS u FROM (SELECT lower(trim(fireplace_count, ' ')) AS t LIMIT 1) LIMIT 1) LIMIT 1)
            WHERE u IN ('')
                AND n GLOB '*[0-9]' AND NOT n GLOB '*.*[.,]*' AND NOT n GLOB '* *'
                AND (NOT n GLOB '*,*' OR n GLOB printf('%,d', CAST(replace(n, ',', '') AS BIGINT)) || '*')
                AND NOT (n GLOB '[1-9]*.[0-9][0-9][0-9]' AND length(n) <= 7)
        ) END AS fireplace_count_number,
    CASE WHEN NOT garage_spaces GLOB '*[^0-9]*' THEN CAST(nullif(garage_spaces, '') AS DOUBLE)
        WHEN garage_spaces GLOB '*[0-9]*' THEN (
            SELECT CAST(replace(n, ',', '') AS DOUBLE) FROM (
                SELECT u, rtrim(substr(t, 1, length(t) - length(u))) AS n FROM (
                    SELECT t, ltrim(t, '0123456789,. ') AS u FROM (SELECT lower(trim(garage_spaces, ' ')) AS t LIMIT 1) LIMIT 1) LIMIT 1)
            WHERE u IN ('')
                AND n GLOB '*[0-9]' AND NOT n GLOB '*.*[.,]*' AND NOT n GLOB '* *'
                AND (NOT n GLOB '*,*' OR n GLOB printf('%,d', CAST(replace(n, ',', '') AS BIGINT)) || '*')
                AND NOT (n GLOB '[1-9]*.[0-9][0-9][0-9]' AND length(n) <= 7)
        ) END AS garage_spaces_number,  -- spaces
    CASE WHEN NOT hoa_dues GLOB '*[^0-9]*' THEN CAST(nullif(hoa_dues, '') AS DOUBLE)
        WHEN hoa_dues GLOB '*[0-9]*' THEN (
            SELECT CAST(replace(n, ',', '') AS DOUBLE) FROM (
                SELECT u, rtrim(substr(t, 1, length(t) - length(u))) AS n FROM (
                    SELECT t, ltrim(t, '0123456789,. ') AS u FROM (SELECT lower(trim(hoa_dues, '$ ')) AS t LIMIT 1) LIMIT 1) LIMIT 1)
            WHERE u IN ('')
                AND n GLOB '*[0-9]' AND NOT n GLOB '*.*[.,]*' AND NOT n GLOB '* *'
                AND (NOT n GLOB '*,*' OR n GLOB printf('%,d', CAST(replace(n, ',', '') AS BIGINT)) || '*')
                AND NOT (n GLOB '[1-9]*.[0-9][0-9][0-9]' AND length(n) <= 7)
        ) END AS hoa_dues_number,  -- units of currency
    CASE WHEN NOT hoa_fee GLOB '*[^0-9]*' THEN CAST(nullif(hoa_fee, '') AS DOUBLE)
        WHEN hoa_fee GLOB '*[0-9]*' THEN (
            SELECT CAST(replace(n, ',', '') AS DOUBLE) FROM (
                SELECT u, rtrim(substr(t, 1, length(t) - length(u))) AS n FROM (
                    SELECT t, ltrim(t, '0123456789,. ') AS u FROM (SELECT lower(trim(hoa_fee, '$ ')) AS t LIMIT 1) LIMIT 1) LIMIT 1)
            WHERE u IN ('')
                AND n GLOB '*[0-9]' AND NOT n GLOB '*.*[.,]*' AND NOT n GLOB '* *'
                AND (NOT n GLOB '*,*' OR n GLOB printf('%,d', CAST(replace(n, ',', '') AS BIGINT)) || '*')
                AND NOT (n GLOB '[1-9]*.[0-9][0-9][0-9]' AND length(n) <= 7)
        ) END AS hoa_fee_number,  -- units of currency, per hoa_fee_frequency
    CASE WHEN NOT parking_spaces GLOB '*[^0-9]*' THEN CAST(nullif(parking_spaces, '') AS DOUBLE)
        WHEN parking_spaces GLOB '*[0-9]*' THEN (
            SELECT CAST(replace(n, ',', '') AS DOUBLE) FROM (
                SELECT u, rtrim(substr(t, 1, length(t) - length(u))) AS n FROM (
                    SELECT t, ltrim(t, '0123456789,. ') AS u FROM (SELECT lower(trim(parking_spaces, ' ')) AS t LIMIT 1) LIMIT 1) LIMIT 1)
            WHERE u IN ('')
                AND n GLOB '*[0-9]' AND NOT n GLOB '*.*[.,]*' AND NOT n GLOB '* *'
                AND (NOT n GLOB '*,*' OR n GLOB printf('%,d', CAST(replace(n, ',', '') AS BIGINT)) || '*')
                AND NOT (n GLOB '[1-9]*.[0-9][0-9][0-9]' AND length(n) <= 7)
        ) END AS parking_spaces_number,  -- spaces
    CASE WHEN NOT square_feet GLOB '*[^0-9]*' THEN CAST(nullif(square_feet, '') AS DOUBLE)
        WHEN square_feet GLOB '*[0-9]*' THEN (
            SELECT CAST(replace(n, ',', '') AS DOUBLE) FROM (
                SELECT u, rtrim(substr(t, 1, length(t) - length(u))) AS n FROM (
                    SELECT t, ltrim(t, '0123456789,. ') AS u FROM (SELECT lower(trim(square_feet, ' ')) AS t LIMIT 1) LIMIT 1) LIMIT 1)
            WHERE u IN ('', 'sqft', 'sq ft', 'sq. ft.', 'sq.ft.', 'sf', 'square feet')
                AND n GLOB '*[0-9]' AND NOT n GLOB '*.*[.,]*' AND NOT n GLOB '* *'
                AND (NOT n GLOB '*,*' OR n GLOB printf('%,d', CAST(replace(n, ',', '') AS BIGINT)) || '*')
                AND NOT (n GLOB '[1-9]*.[0-9][0-9][0-9]' AND length(n) <= 7)
        ) END AS square_feet_number,  -- square feet
    CASE WHEN NOT stories GLOB '*[^0-9]*' THEN CAST(nullif(stories, '') AS DOUBLE)
        WHEN stories GLOB '*[0-9]*' THEN (
            SELECT CAST(replace(n, ',', '') AS DOUBLE) FROM (
                SELECT u, rtrim(substr(t, 1, length(t) - length(u))) AS n FROM (
                    SELECT t, ltrim(t, '0123456789,. ') AS u FROM (SELECT lower(trim(stories, ' ')) AS t LIMIT 1) LIMIT 1) LIMIT 1)
            WHERE u IN ('')
                AND n GLOB '*[0-9]' AND NOT n GLOB '*.*[.,]*' AND NOT n GLOB '* *'
                AND (NOT n GLOB '*,*' OR n GLOB printf('%,d', CAST(replace(n, ',', '') AS BIGINT)) || '*')
                AND NOT (n GLOB '[1-9]*.[0-9][0-9][0-9]' AND length(n) <= 7)
        ) END AS stories_number,
    CASE WHEN NOT taxes GLOB '*[^0-9]*' THEN CAST(nullif(taxes, '') AS DOUBLE)
        WHEN taxes GLOB '*[0-9]*' THEN (
            SELECT CAST(replace(n, ',', '') AS DOUBLE) FROM (
                SELECT u, rtrim(substr(t, 1, length(t) - length(u))) AS n FROM (
                    SELECT t, ltrim(t, '0123456789,. ') AS u FROM (SELECT lower(trim(taxes, '$ ')) AS t LIMIT 1) LIMIT 1) LIMIT 1)
            WHERE u IN ('')
                AND n GLOB '*[0-9]' AND NOT n GLOB '*.*[.,]*' AND NOT n GLOB '* *'
                AND (NOT n GLOB '*,*' OR n GLOB printf('%,d', CAST(replace(n, ',', '') AS BIGINT)) || '*')
                AND NOT (n GLOB '[1-9]*.[0-9][0-9][0-9]' AND length(n) <= 7)
        ) END AS taxes_number,  -- units of currency
    CASE WHEN NOT total_rooms GLOB '*[^0-9]*' THEN CAST(nullif(total_rooms, '') AS DOUBLE)
        WHEN total_rooms GLOB '*[0-9]*' THEN (
            SELECT CAST(replace(n, ',', '') AS DOUBLE) FROM (
                SELECT u, rtrim(substr(t, 1, length(t) - length(u))) AS n FROM (
                    SELECT t, ltrim(t, '0123456789,. ') AS u FROM (SELECT lower(trim(total_rooms, ' ')) AS t LIMIT 1) LIMIT 1) LIMIT 1)
            WHERE u IN ('')
                AND n GLOB '*[0-9]' AND NOT n GLOB '*.*[.,]*' AND NOT n GLOB '* *'
                AND (NOT n GLOB '*,*' OR n GLOB printf('%,d', CAST(replace(n, ',', '') AS BIGINT)) || '*')
                AND NOT (n GLOB '[1-9]*.[0-9][0-9][0-9]' AND length(n) <= 7)
        ) END AS total_rooms_number,  -- rooms
    CASE WHEN trim(year_built) GLOB '[12][0-9][0-9][0-9]' THEN CAST(trim(year_built) AS INTEGER) END AS year_built_number  -- a year of four digits
FROM live_listings;

-- What may be displayed of the listings that are not deleted: the columns that RESO's IDX payload holds, and some that say no more
-- (docs/reso.md has the reason for each column). What leads to an address is null unless the vendor says that the address
-- may be shown (show_address = 1); coordinates are null unless a map may be shown as well (show_on_map = 1). Free text is as
-- sent. Your agreement with the MLS decides; where it says less, show less.
CREATE VIEW public_listings AS  -- public
SELECT
    feed_id, listing_id, above_ground_sq_ft, above_ground_sq_ft_number, acres, acres_number, acre_search,
    CASE WHEN show_address = 1 THEN address END AS address,
    CASE WHEN show_address = 1 THEN address2 END AS address2,
    air, air_search, appliances, baths_full, baths_partial, baths_three_quarter, baths_total, beds, below_ground_sq_ft,
    body_of_water, carport_spaces, carport_spaces_number, city, co_listing_agent_code, construction, construction_search,
    country, county, current_use,
    CASE WHEN show_address = 1 THEN directions END AS directions,
    dwelling_type, exterior, fence_description, finished_square_feet, finished_square_feet_number, fireplace_count,
    fireplace_count_number, fireplace_description, floor_description, floor_search, foundation, garage_spaces,
    garage_spaces_number, grade_school, handicap_features, has_ac, has_age_restrictions, has_attached_parking, has_balcony,
    has_basement, has_basement_finished, has_carport, has_deck, has_elevators, has_fenced_yard, has_fireplace,
    has_forced_air, has_garage, has_handicap_baths, has_handicap_doors, has_handicap_features, has_handicap_ramps,
    has_master_on_main, has_parking, has_patio, has_pool, has_porch, has_spa, has_view, has_waterfront, heat,
    heating_delivery_search, heating_source_search, high_school, hoa_fee, hoa_fee_number, hoa_fee_frequency, interior,
    is_corner_lot, is_cul_de_sac_lot, is_foreclosured, is_golf_course_lot, is_mountain_lot, is_new_construction,
    is_short_sale, last_price_change_date, last_listing_status_change_date,
    CASE WHEN show_address = 1 AND show_on_map = 1 THEN latitude END AS latitude,
    laundry_description, list_date, listing_agent, listing_agent_id, listing_office, listing_office_id, listing_status,
    listing_status_search, living_area_source,
    CASE WHEN show_address = 1 AND show_on_map = 1 THEN longitude END AS longitude,
    lot_description, lot_dimensions, middle_school, mls_area, mls_update_date, neighborhood,
    CASE WHEN show_address = 1 THEN parcel_number END AS parcel_number,
    parking, parking_spaces, parking_spaces_number, patio_description, photo_retrieved_date, pool, potential_use, price,
    price_per_sqft, property_type, property_type_search, remarks, roof, roof_search, sale_date, sale_price, sale_type,
    selling_agent_id, selling_office, selling_office_id, sewer, show_address, show_on_map, spa_description, square_feet,
    square_feet_number, state, stories, stories_number,
    CASE WHEN show_address = 1 THEN street_dir_prefix END AS street_dir_prefix,
    CASE WHEN show_address = 1 THEN street_dir_suffix END AS street_dir_suffix,
    CASE WHEN show_address = 1 THEN street_name END AS street_name,
    CASE WHEN show_address = 1 THEN street_number END AS street_number,
    CASE WHEN show_address = 1 THEN street_suffix END AS street_suffix,
    style, style_search, subdivision, taxes, taxes_number, topography, total_rooms, total_rooms_number,
    CASE WHEN show_address = 1 THEN unit_number END AS unit_number,
    utilities, view_description, view_search, water, waterfront, year_built, year_built_number, zip, zoning,
    actual_photo_count, carport_spaces_search, has_city_view, has_mountain_view, has_ocean_view, has_open_house,
    has_park_view, has_valley_view, has_water_view, hoa_fee_search, parking_spaces_search, total_rooms_search, first_seen_at,
    changed_at, change_seq
FROM numeric_listings
WHERE purged_at IS NULL;

-- One row per photo, in the vendor's order. Photos of deleted listings are included, so join it with live_listings. URLs may
-- be null.
CREATE VIEW listing_photos AS  -- public
SELECT
    listings.feed_id,
    listings.listing_id,
    photo.value ->> '$.Sequence' AS sequence,
    photo.value ->> '$.NormalSizeUrl' AS normal_size_url,  -- at most 300 pixels
    photo.value ->> '$.LargeSizeUrl' AS large_size_url     -- at most 1024 pixels
FROM listings, json_each(listings.media, '$.Photos') AS photo
WHERE lower(photo.type) = 'object';  -- other readers of the file name JSON types in upper case

-- One row per open house. Those of deleted listings are included, so join it with live_listings. Times have no zone; they are
-- probably local to the home.
CREATE VIEW listing_open_houses AS  -- public
SELECT
    listings.feed_id,
    listings.listing_id,
    house.value ->> '$.IsActive' AS is_active,    -- boolean
    house.value ->> '$.StartDate' AS start_date,  -- date-time
    house.value ->> '$.EndDate' AS end_date,      -- date-time
    house.value ->> '$.Remarks' AS remarks
FROM listings, json_each(listings.open_houses) AS house
WHERE lower(house.type) = 'object';

-- One row per listing that is not deleted: the photo to show first, which is the one with the lowest sequence. The URLs are null
-- where it has no photo, or where the vendor sends none.
CREATE VIEW primary_photo AS  -- public
SELECT
    feed_id,
    listing_id,
    (
        SELECT photo.value ->> '$.NormalSizeUrl' FROM json_each(listings.media, '$.Photos') AS photo
        WHERE lower(photo.type) = 'object'
        ORDER BY CAST(photo.value ->> '$.Sequence' AS INTEGER) NULLS LAST, photo.key
        LIMIT 1
    ) AS normal_size_url,  -- at most 300 pixels
    (
        SELECT photo.value ->> '$.LargeSizeUrl' FROM json_each(listings.media, '$.Photos') AS photo
        WHERE lower(photo.type) = 'object'
        ORDER BY CAST(photo.value ->> '$.Sequence' AS INTEGER) NULLS LAST, photo.key
        LIMIT 1
    ) AS large_size_url    -- at most 1024 pixels
FROM listings
WHERE deleted_at IS NULL;

-- One row per open house that is not over, of listings that are not deleted. Those that the vendor calls inactive are left out.
-- Times have no zone, so it stays in the view for a day after its end: compare it with the time at the home.
CREATE VIEW open_houses_upcoming AS  -- public
SELECT
    listings.feed_id,
    listings.listing_id,
    +listings.city AS city,                       -- of the listing; the plus leaves the choice to the index listings_open_houses
    house.value ->> '$.StartDate' AS start_date,  -- date-time
    house.value ->> '$.EndDate' AS end_date,      -- date-time; null where the vendor sends none
    house.value ->> '$.Remarks' AS remarks
FROM listings, json_each(listings.open_houses) AS house
WHERE listings.deleted_at IS NULL
    AND listings.open_houses LIKE '[{%'
    -- The expression of the index listings_open_houses: when the last one ends, or 9999 where there are more than four.
    AND CASE WHEN json_array_length(open_houses) > 4 THEN '9999' ELSE max(
        coalesce(open_houses ->> '$[0].EndDate', open_houses ->> '$[0].StartDate', ''),
        coalesce(open_houses ->> '$[1].EndDate', open_houses ->> '$[1].StartDate', ''),
        coalesce(open_houses ->> '$[2].EndDate', open_houses ->> '$[2].StartDate', ''),
        coalesce(open_houses ->> '$[3].EndDate', open_houses ->> '$[3].StartDate', '')) END > strftime('%Y-%m-%dT%H:%M:%S', 'now', '-1 day')
    AND lower(house.type) = 'object'
    AND coalesce(house.value ->> '$.IsActive', 1)
    AND coalesce(house.value ->> '$.EndDate', house.value ->> '$.StartDate') > strftime('%Y-%m-%dT%H:%M:%S', 'now', '-1 day');

-- One row per feed, lookup of the vendor's document and value that occurs in listings that are not deleted. The vendor's lookup
-- PropertySubType has no column of its own. It reads every listing, so keep what it returns.
CREATE VIEW lookups AS  -- public
SELECT
    feed_id,
    lookup.key AS lookup,       -- the vendor's name of it
    lookup.value AS value,      -- as sent, several in one text included
    count(*) AS listings
FROM listings, json_each(json_object(
    'PropertyType', property_type_search,
    'ListingStatus', listing_status_search,
    'Air', air_search,
    'HeatingDelivery', heating_delivery_search,
    'HeatingSource', heating_source_search,
    'StylesStories', style_search,
    'Roof', roof_search,
    'Construction', construction_search,
    'Flooring', floor_search,
    'View', view_search,
    'SaleType', sale_type
)) AS lookup
WHERE listings.deleted_at IS NULL AND lookup.value <> ''
GROUP BY feed_id, lookup.key, lookup.value;

-- The listings that are not deleted, with the names of RESO's Data Dictionary 2.0. docs/reso.md says of each column of `listings`
-- where it is here, or why it is not. It is not filtered for the public. Values are the vendor's words unless docs/reso.md says
-- otherwise. Date-times have no zone, because the vendor names none.
CREATE VIEW reso_property AS  -- public
SELECT
    feed_id || ':' || listing_id AS ListingKey,
    feed_id AS OriginatingSystemName,
    listing_id AS ListingId,
    above_ground_sq_ft_number AS AboveGradeFinishedArea,
    coalesce(acres_number, acre_search) AS LotSizeAcres,
    address AS UnparsedAddress,
    agent_remarks AS PrivateRemarks,
    air AS Cooling,
    appliances AS Appliances,
    baths_full AS BathroomsFull,
    baths_partial AS BathroomsPartial,
    baths_three_quarter AS BathroomsThreeQuarter,
    beds AS BedroomsTotal,
    below_ground_sq_ft AS BelowGradeFinishedArea,
    body_of_water AS WaterBodyName,
    builder AS BuilderName,
    coalesce(carport_spaces_number, carport_spaces_search) AS CarportSpaces,
    city AS City,
    co_listing_agent_code AS CoListAgentMlsId,
    common_walls AS CommonWalls,
    construction AS ConstructionMaterials,
    substr(contingent_date, 1, 10) AS ContingentDate,
    country AS Country,
    county AS CountyOrParish,
    covered_parking_spaces_number AS CoveredSpaces,
    cross_street AS CrossStreet,
    current_use AS CurrentUse,
    substr(date_available, 1, 10) AS AvailabilityDate,
    days_on_market AS DaysOnMarket,
    development_status AS DevelopmentStatus,
    directions AS Directions,
    entry_location AS EntryLocation,
    substr(expiration_date, 1, 10) AS ExpirationDate,
    exterior AS ExteriorFeatures,
    fence_description AS Fencing,
    fireplace_count_number AS FireplacesTotal,
    fireplace_description AS FireplaceFeatures,
    floor_description AS Flooring,
    foundation AS FoundationDetails,
    garage_spaces_number AS GarageSpaces,
    grade_school AS ElementarySchool,
    handicap_features AS AccessibilityFeatures,
    has_ac AS CoolingYN,
    has_basement AS BasementYN,
    has_carport AS CarportYN,
    has_fireplace AS FireplaceYN,
    has_garage AS GarageYN,
    has_spa AS SpaYN,
    has_view AS ViewYN,
    has_waterfront AS WaterfrontYN,
    heat AS Heating,
    high_school AS HighSchool,
    coalesce(hoa_fee_number, hoa_fee_search) AS AssociationFee,
    hoa_fee_frequency AS AssociationFeeFrequency,
    horse_features AS HorseAmenities,
    inclusions AS Inclusions,
    interior AS InteriorFeatures,
    CASE WHEN is_foreclosured AND is_short_sale THEN 'In Foreclosure,Short Sale'
        WHEN is_foreclosured THEN 'In Foreclosure'
        WHEN is_short_sale THEN 'Short Sale' END AS SpecialListingConditions,
    CASE WHEN is_furnished THEN 'Furnished' END AS Furnished,
    is_horses_allowed AS HorseYN,
    is_new_construction AS NewConstructionYN,
    CASE WHEN is_owner_occupied THEN 'Owner' END AS OccupantType,
    CASE WHEN is_pets_allowed THEN 'Yes' END AS PetsAllowed,
    last_price_change_date AS PriceChangeTimestamp,
    last_listing_status_change_date AS StatusChangeTimestamp,
    latitude AS Latitude,
    laundry_description AS LaundryFeatures,
    legal_description AS TaxLegalDescription,
    listing_agent AS ListAgentFullName,
    listing_agent_id AS ListAgentMlsId,
    listing_office AS ListOfficeName,
    listing_office_id AS ListOfficeMlsId,
    listing_office_phone AS ListOfficePhone,
    listing_status AS MlsStatus,
    (SELECT reso_value FROM reso_lookup WHERE lookup = 'StandardStatus' AND vendor_value = listing_status_search) AS StandardStatus,
    list_price_low AS ListPriceLow,
    living_area_source AS LivingAreaSource,
    longitude AS Longitude,
    lot_description AS LotFeatures,
    lot_dimensions AS LotSizeDimensions,
    lot_size_source AS LotSizeSource,
    middle_school AS MiddleOrJuniorSchool,
    mls_area AS MLSAreaMajor,
    mls_update_date AS ModificationTimestamp,
    model_name AS BuilderModel,
    number_of_units AS NumberOfUnitsInCommunity,
    outbuildings AS OtherStructures,
    parcel_number AS ParcelNumber,
    parking AS ParkingFeatures,
    coalesce(parking_spaces_number, parking_spaces_search) AS ParkingTotal,
    patio_description AS PatioAndPorchFeatures,
    photo_retrieved_date AS PhotosChangeTimestamp,
    pool AS PoolFeatures,
    potential_use AS PossibleUse,
    price AS ListPrice,
    (SELECT reso_value FROM reso_lookup WHERE lookup = 'PropertyType'
        AND vendor_value = property_type_search
        AND NOT (reso_value = 'Residential' AND (coalesce(sale_type, '') LIKE '%lease%' OR coalesce(sale_type, '') LIKE '%rent%'))) AS PropertyType,
    remarks AS PublicRemarks,
    roof AS Roof,
    substr(sale_date, 1, 10) AS CloseDate,
    sale_price AS ClosePrice,
    security_features AS SecurityFeatures,
    selling_agent_id AS BuyerAgentMlsId,
    selling_office AS BuyerOfficeName,
    selling_office_id AS BuyerOfficeMlsId,
    sewer AS Sewer,
    show_address AS InternetAddressDisplayYN,
    spa_description AS SpaFeatures,
    square_feet_number AS LivingArea,
    CASE WHEN square_feet_number IS NOT NULL THEN 'Square Feet' END AS LivingAreaUnits,
    state AS StateOrProvince,
    stories_number AS Stories,
    street_dir_prefix AS StreetDirPrefix,
    street_dir_suffix AS StreetDirSuffix,
    street_name AS StreetName,
    street_number AS StreetNumber,
    street_suffix AS StreetSuffix,
    style AS ArchitecturalStyle,
    subdivision AS SubdivisionName,
    terms AS ListingTerms,
    topography AS Topography,
    coalesce(total_rooms_number, total_rooms_search) AS RoomsTotal,
    township AS Township,
    unit_number AS UnitNumber,
    utilities AS Utilities,
    view_description AS View,
    water AS WaterSource,
    waterfront AS WaterfrontFeatures,
    year_built_number AS YearBuilt,
    zip AS PostalCode,
    zoning AS Zoning,
    actual_photo_count AS PhotosCount,
    foundation_size_search AS FoundationArea,
    showing_instructions AS ShowingInstructions
FROM numeric_listings;

-- One row per photo of a listing that is not deleted, with the names of RESO's Data Dictionary 2.0.
CREATE VIEW reso_media AS  -- public
SELECT
    feed_id || ':' || listing_id || ':' || photo.key AS MediaKey,  -- the place in the vendor's list: another photo may take it over
    'Property' AS ResourceName,
    feed_id || ':' || listing_id AS ResourceRecordKey,             -- ListingKey of reso_property
    listing_id AS ResourceRecordID,
    feed_id AS OriginatingSystemName,
    'Photo' AS MediaCategory,
    photo.value ->> '$.Sequence' AS "Order",
    coalesce(photo.value ->> '$.LargeSizeUrl', photo.value ->> '$.NormalSizeUrl') AS MediaURL  -- null where the vendor sends none
FROM listings, json_each(listings.media, '$.Photos') AS photo
WHERE listings.deleted_at IS NULL AND lower(photo.type) = 'object';

-- One row per open house of a listing that is not deleted, with the names of RESO's Data Dictionary 2.0.
CREATE VIEW reso_open_house AS  -- public
SELECT
    feed_id || ':' || listing_id || ':' || house.key AS OpenHouseKey,  -- the place in the vendor's list: another may take it over
    feed_id || ':' || listing_id AS ListingKey,
    listing_id AS ListingId,
    feed_id AS OriginatingSystemName,
    substr(house.value ->> '$.StartDate', 1, 10) AS OpenHouseDate,
    house.value ->> '$.StartDate' AS OpenHouseStartTime,               -- date-time without a zone
    house.value ->> '$.EndDate' AS OpenHouseEndTime,                   -- date-time without a zone
    CASE WHEN house.value ->> '$.IsActive' THEN 'Active' END AS OpenHouseStatus,  -- null: Canceled or Ended, or not sent
    house.value ->> '$.Remarks' AS OpenHouseRemarks
FROM listings, json_each(listings.open_houses) AS house
WHERE listings.deleted_at IS NULL AND lower(house.type) = 'object';

-- Agents, offices and open houses, each where its section of the configuration is on. The vendor sends neither the date of their
-- last change nor deletions: a change is known by its content, and what a proven reading of all of a feed lacks is deleted.

-- Every agent ever seen, deleted ones included. listings.listing_agent_id holds an agent_id of the same feed.
CREATE TABLE agents (  -- public
    feed_id                         TEXT NOT NULL,  -- the MLS feed
    agent_id                        TEXT NOT NULL,  -- the agent's id; unique only inside its feed
    first_name                      TEXT,           -- first name
    last_name                       TEXT,           -- last name
    member_type                     TEXT,           -- kind of member
    association                     TEXT,           -- association
    designation                     TEXT,           -- designations
    license_number                  TEXT,           -- number of the license
    nsdr_id                         TEXT,           -- number at the National Association of Realtors (NRDS)
    cell_phone                      TEXT,           -- mobile phone
    home_phone                      TEXT,           -- home phone
    office_phone                    TEXT,           -- phone at the office
    fax                             TEXT,           -- fax
    email                           TEXT,           -- e-mail address
    url                             TEXT,           -- home page
    status                          TEXT,           -- status, as the MLS has it
    specialty                       TEXT,           -- specialties
    language                        TEXT,           -- languages
    photo_url                       TEXT,           -- address of a picture

    -- What the mirror adds, as in `listings`.
    extra                           TEXT,           -- JSON object by the vendor's names; null when there is none
    first_seen_at                   TEXT NOT NULL,
    changed_at                      TEXT NOT NULL,
    deleted_at                      TEXT,           -- null while live. A deleted row keeps the values that it last had
    deleted_cause                   TEXT CHECK (deleted_cause IN ('absent', 'feed_removed')),
    change_seq                      INTEGER NOT NULL UNIQUE,
    stamp                           TEXT,           -- internal, like the next two: always null
    raw_hash                        BLOB NOT NULL,
    content_hash                    BLOB NOT NULL,
    purged_at                       TEXT,           -- when its contents were taken out (licence.keep_deleted); null while they are there

    PRIMARY KEY (feed_id, agent_id)
) STRICT;

-- Every office ever seen. listings.listing_office_id holds an office_id of the same feed.
CREATE TABLE offices (  -- public
    feed_id                         TEXT NOT NULL,  -- the MLS feed
    office_id                       TEXT NOT NULL,  -- the office's id; unique only inside its feed
    name                            TEXT,           -- name
    type                            TEXT,           -- kind of office
    address                         TEXT,           -- street address
    city                            TEXT,           -- city
    state                           TEXT,           -- state
    zip                             TEXT,           -- ZIP code
    phone                           TEXT,           -- phone
    fax                             TEXT,           -- fax
    license_number                  TEXT,           -- number of the license
    nrds                            TEXT,           -- number at the National Association of Realtors (NRDS)
    office_type                     TEXT,           -- kind of office: the document does not say how it differs from type
    broker_id                       TEXT,           -- the broker; the document does not say whether this is an agent_id
    status                          TEXT,           -- status, as the MLS has it
    association                     TEXT,           -- association
    email                           TEXT,           -- e-mail address
    url                             TEXT,           -- home page

    -- What the mirror adds, as in `listings`.
    extra                           TEXT,           -- JSON object by the vendor's names; null when there is none
    first_seen_at                   TEXT NOT NULL,
    changed_at                      TEXT NOT NULL,
    deleted_at                      TEXT,           -- null while live. A deleted row keeps the values that it last had
    deleted_cause                   TEXT CHECK (deleted_cause IN ('absent', 'feed_removed')),
    change_seq                      INTEGER NOT NULL UNIQUE,
    stamp                           TEXT,           -- internal, like the next two: always null
    raw_hash                        BLOB NOT NULL,
    content_hash                    BLOB NOT NULL,
    purged_at                       TEXT,           -- when its contents were taken out (licence.keep_deleted); null while they are there

    PRIMARY KEY (feed_id, office_id)
) STRICT;

-- Every open house ever seen. One that is over stays live: it took place. One that was withdrawn before its start is deleted.
-- Its time has no zone: one that the vendor drops up to ten hours after its start may count as withdrawn.
CREATE TABLE open_houses (  -- public
    feed_id                         TEXT NOT NULL,  -- the MLS feed
    open_house_id                   TEXT NOT NULL,  -- made by the mirror, because the vendor sends none: the MLS number, a
                                                    -- slash and the start; of several that are equal in both, each after the
                                                    -- first has a slash and a number behind it
    listing_id                      TEXT,           -- the MLS number
    is_public                       INTEGER,        -- boolean: open to the public
    allow_idx                       INTEGER,        -- boolean: other brokers may show it
    is_active                       INTEGER,        -- boolean
    start_date                      TEXT,           -- date-time without a zone, probably local to the home
    end_date                        TEXT,           -- date-time without a zone
    remarks                         TEXT,           -- remarks

    -- What the mirror adds, as in `listings`.
    extra                           TEXT,           -- JSON object by the vendor's names; null when there is none
    first_seen_at                   TEXT NOT NULL,
    changed_at                      TEXT NOT NULL,
    deleted_at                      TEXT,           -- null while live. A deleted row keeps the values that it last had
    deleted_cause                   TEXT CHECK (deleted_cause IN ('absent', 'feed_removed')),
    change_seq                      INTEGER NOT NULL UNIQUE,
    stamp                           TEXT,           -- internal, like the next two: always null
    raw_hash                        BLOB NOT NULL,
    content_hash                    BLOB NOT NULL,
    purged_at                       TEXT,           -- when its contents were taken out (licence.keep_deleted); null while they are there

    PRIMARY KEY (feed_id, open_house_id)
) STRICT;

CREATE INDEX agents_deleted ON agents (feed_id, deleted_at, purged_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX offices_deleted ON offices (feed_id, deleted_at, purged_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX open_houses_deleted ON open_houses (feed_id, deleted_at, purged_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX open_houses_listing ON open_houses (feed_id, listing_id);

-- Every developer identity of Spark ever seen. The vendor tells nobody what changed when, so each reading is of all.
CREATE TABLE identities (  -- public
    account                         TEXT NOT NULL,  -- spark.account of the configuration
    identity_id                     INTEGER NOT NULL,  -- its Id; unique only inside its account
    mls_id                          TEXT,           -- the MLS of the developer and of the keys; 26 digits
    first_name                      TEXT,           -- first name
    last_name                       TEXT,           -- last name
    company                         TEXT,           -- company
    email                           TEXT,           -- e-mail address
    phone                           TEXT,           -- phone
    website                         TEXT,           -- home page
    comments                        TEXT,           -- comments
    deleted                         INTEGER,        -- boolean: the vendor's own field Deleted, as last read. Whether the
                                                    -- row is deleted, deleted_at tells
    created_timestamp               TEXT,           -- date-time with its zone: when it was created
    user_id                         TEXT,           -- the user's Id; 26 digits
    user_name                       TEXT,           -- the user's name
    user_type                       TEXT,           -- the user's kind, such as Member
    user_office_id                  TEXT,           -- the Id of the user's office; 26 digits
    user_office                     TEXT,           -- the name of the user's office
    user_mls_id                     TEXT,           -- the MLS of the user, which may be another than mls_id
    user                            TEXT,           -- JSON object: all that the vendor says of the user
    additional_contacts             TEXT,           -- JSON array of objects Name, Type, Email, Phone, in the order of the e-mail
                                                    -- addresses; the view identity_contacts has a row for each

    -- What the mirror adds, as in `listings`.
    extra                           TEXT,           -- JSON object by the vendor's names; null when there is none
    first_seen_at                   TEXT NOT NULL,
    changed_at                      TEXT NOT NULL,
    deleted_at                      TEXT,           -- null while live. A deleted row keeps the values that it last had
    deleted_cause                   TEXT CHECK (deleted_cause IN ('vendor', 'absent')),
                                                    -- 'vendor': the vendor lists it as deleted; 'absent': two whole readings
                                                    -- lacked it, and the vendor confirmed
    change_seq                      INTEGER NOT NULL UNIQUE,
    stamp                           TEXT,           -- internal, like the next two: the newest modification_timestamp that counted
    raw_hash                        BLOB NOT NULL,
    content_hash                    BLOB NOT NULL,
    purged_at                       TEXT,           -- when its contents were taken out (licence.keep_deleted); null while they are there

    -- These columns may change without a row in `changes`, and without a new changed_at or change_seq.
    last_active                     TEXT,           -- date-time: when one of its keys was last used, exact to the day
    modification_timestamp          TEXT,           -- date-time with its zone: when the vendor says that it changed
    editable                        INTEGER,        -- boolean: whether the user of the credential may change it
    resource_uri                    TEXT,           -- where the vendor has it

    PRIMARY KEY (account, identity_id)
) STRICT;

-- Every listing process of Spotahome ever seen. One that is cancelled stays live: cancelled is a state.
CREATE TABLE listing_processes (  -- public
    account                         TEXT NOT NULL,  -- spotahome.account of the configuration
    process_id                      INTEGER NOT NULL,  -- its id; unique only inside its account
    locator                         TEXT,           -- its short name, such as ABC123-01; whether it is unique is not known
    account_id                      TEXT,           -- the id of the landlord's account at Spotahome; not the column account
    property_id                     TEXT,           -- the property; null while there is none
    agent_id                        TEXT,           -- the agent; null while unassigned
    state                           TEXT,           -- cancelled, propertyVerified, propertyUnverified, waitingContent,
                                                    -- waitingProperty; more words may come

    -- What the mirror adds, as in `listings`.
    extra                           TEXT,           -- JSON object by the vendor's names; null when there is none
    first_seen_at                   TEXT NOT NULL,
    changed_at                      TEXT NOT NULL,
    deleted_at                      TEXT,           -- null while live. A deleted row keeps the values that it last had
    deleted_cause                   TEXT CHECK (deleted_cause IN ('absent')),
                                                    -- 'absent': two whole readings lacked it, and the vendor confirmed
    change_seq                      INTEGER NOT NULL UNIQUE,
    stamp                           TEXT,           -- internal, like the next two: always null
    raw_hash                        BLOB NOT NULL,
    content_hash                    BLOB NOT NULL,
    purged_at                       TEXT,           -- when its contents were taken out (licence.keep_deleted); null while they are there

    PRIMARY KEY (account, process_id)
) STRICT;

-- How many listing processes Spotahome says that it has, as it last said (spotahome.states_every of the configuration). If the states
-- come to less than all, there is a state that is not named here, or some are hidden; if they come to more, cancelled or other
-- processes are not in the list without a filter.
CREATE TABLE process_states (  -- public
    account                         TEXT NOT NULL,  -- as in `listing_processes`
    counted                         TEXT NOT NULL CHECK (counted IN ('state', 'all', 'unassigned')),
                                                    -- 'state': those in this state; 'all': those in the list without a
                                                    -- filter; 'unassigned': those without an agent
    state                           TEXT NOT NULL,  -- the vendor's word; empty unless counted = 'state'
    is_listed                       INTEGER NOT NULL,  -- boolean: the vendor's list of states has the word
    is_documented                   INTEGER NOT NULL,  -- boolean: the vendor's document has it
    total                           INTEGER,        -- how many; null where the vendor refused to tell
    checked_at                      TEXT NOT NULL,  -- when
    PRIMARY KEY (account, counted, state)
) STRICT, WITHOUT ROWID;

CREATE INDEX identities_deleted ON identities (account, deleted_at, purged_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX listing_processes_deleted ON listing_processes (account, deleted_at, purged_at) WHERE deleted_at IS NOT NULL;

-- One row per feed or account, and kind of thing that is read in full (a census): the state of these readings.
CREATE TABLE censuses (  -- public
    feed_id                         TEXT NOT NULL,  -- the feed, or the account
    entity                          TEXT NOT NULL,  -- agent, office, open_house, identity, process
    proven_at                       TEXT,           -- when the last whole reading of all of them began
    proven_rows                     INTEGER,        -- how many it held
    read_at                         TEXT,           -- when the last proven reading began, of all or of updates alone
    absent                          INTEGER NOT NULL DEFAULT 0,  -- live rows that the last whole reading lacks
    due_at                          TEXT,           -- when the next reading is due; null while its section is off
    problem                         TEXT,           -- what is wrong, for a person; null when all is well
    credential                      TEXT,           -- internal: hash of the token's user at the last whole reading after
                                                    -- which no deletion was withheld
    complete_at                     TEXT,           -- when the last whole reading began in which every record could be read
    PRIMARY KEY (feed_id, entity)
) STRICT, WITHOUT ROWID;

-- One row per request that was to change something at Spark or Spotahome. It is written before the request is sent, so that none is sent
-- twice: what became of one whose answer was lost is found out by reading.
CREATE TABLE intents (  -- public
    intent_id                       INTEGER PRIMARY KEY AUTOINCREMENT,
    vendor                          TEXT NOT NULL,  -- spark or spotahome
    account                         TEXT NOT NULL,  -- spark.account or spotahome.account of the configuration
    entity                          TEXT NOT NULL,  -- identity, process, ticket, upload
    verb                            TEXT NOT NULL,  -- create, update, delete, cancel, assign, unassign
    target                          TEXT,           -- identity_id or process_id; of a ticket or an upload, the Id of the listing. Of what
                                                    -- is to be created, null until it is known
    state                           TEXT NOT NULL CHECK (state IN ('sent', 'unknown', 'done', 'refused', 'not_done', 'forgotten')),
                                                    -- 'sent': it is being sent; 'unknown': it may have happened or not;
                                                    -- 'done': the vendor said so, or reading showed it; 'refused': the vendor
                                                    -- said that it did not do it; 'not_done': it was not sent, or reading
                                                    -- showed that it was not done; 'forgotten': a person gave it up, or it was
                                                    -- a ticket that has expired
    sent_at                         TEXT NOT NULL,  -- when it was written down, just before it was sent
    changed_at                      TEXT NOT NULL,  -- since when it is in this state
    note                            TEXT,           -- explanation for a person; null where there is none
    change_seq                      INTEGER,        -- the row of `changes` that shows it; null if the record was not seen to change
    body_hash                       TEXT NOT NULL,  -- internal, like the next two: a hash of what is sent
    fields                          TEXT,           -- JSON object: what is sent. These two are null once the outcome is known
    before                          TEXT            -- JSON object: the columns concerned, as they were before
) STRICT;

CREATE INDEX intents_open ON intents (account, entity) WHERE state IN ('sent', 'unknown');

-- The agents that are not deleted. They are not filtered for the public.
CREATE VIEW live_agents AS  -- public
SELECT * FROM agents WHERE deleted_at IS NULL;

-- The offices that are not deleted.
CREATE VIEW live_offices AS  -- public
SELECT * FROM offices WHERE deleted_at IS NULL;

-- The identities that are not deleted.
CREATE VIEW live_identities AS  -- public
SELECT * FROM identities WHERE deleted_at IS NULL;

-- One row per additional contact of an identity that is not deleted.
CREATE VIEW identity_contacts AS  -- public
SELECT
    identities.account,
    identities.identity_id,
    contact.value ->> '$.Name' AS name,
    contact.value ->> '$.Type' AS type,  -- Billing or Technical
    contact.value ->> '$.Email' AS email,
    contact.value ->> '$.Phone' AS phone
FROM identities, json_each(identities.additional_contacts) AS contact
WHERE identities.deleted_at IS NULL;

-- The listing processes that are neither deleted nor cancelled.
CREATE VIEW open_processes AS  -- public
SELECT * FROM listing_processes WHERE deleted_at IS NULL AND state IS NOT 'cancelled';

-- One row per agent or office that listings name and that is not there, or deleted: how many listings, not counting deleted ones.
-- Feeds whose agents or offices were never read whole are left out.
CREATE VIEW dangling_ids AS  -- public
SELECT named.feed_id, 'agent' AS entity, named.listing_agent_id AS id, named.listings
FROM (
    SELECT feed_id, listing_agent_id, count(*) AS listings
    FROM listings
    WHERE deleted_at IS NULL AND listing_agent_id <> ''
    GROUP BY feed_id, listing_agent_id
) AS named JOIN censuses ON censuses.feed_id = named.feed_id AND censuses.entity = 'agent' AND censuses.proven_at IS NOT NULL
WHERE NOT EXISTS (
    SELECT 1 FROM agents WHERE agents.feed_id = named.feed_id AND agents.agent_id = named.listing_agent_id AND agents.deleted_at IS NULL)
UNION ALL
SELECT named.feed_id, 'office', named.listing_office_id, named.listings
FROM (
    SELECT feed_id, listing_office_id, count(*) AS listings
    FROM listings
    WHERE deleted_at IS NULL AND listing_office_id <> ''
    GROUP BY feed_id, listing_office_id
) AS named JOIN censuses ON censuses.feed_id = named.feed_id AND censuses.entity = 'office' AND censuses.proven_at IS NOT NULL
WHERE NOT EXISTS (
    SELECT 1 FROM offices WHERE offices.feed_id = named.feed_id AND offices.office_id = named.listing_office_id AND offices.deleted_at IS NULL);

-- The agents that are not deleted, with the names of RESO's Data Dictionary 2.0. Values are the vendor's words.
CREATE VIEW reso_member AS  -- public
SELECT
    feed_id || ':' || agent_id AS MemberKey,  -- an id alone is unique only inside its feed
    agent_id AS MemberMlsId,
    feed_id AS OriginatingSystemName,
    first_name AS MemberFirstName,
    last_name AS MemberLastName,
    member_type AS MemberType,
    association AS MemberAOR,
    designation AS MemberDesignation,
    license_number AS MemberStateLicense,
    nsdr_id AS MemberNationalAssociationId,
    cell_phone AS MemberMobilePhone,
    home_phone AS MemberHomePhone,
    office_phone AS MemberOfficePhone,
    fax AS MemberFax,
    email AS MemberEmail,
    status AS MemberStatus,
    language AS MemberLanguages,
    changed_at AS ModificationTimestamp       -- by the mirror's clock: the vendor sends no date
FROM agents
WHERE deleted_at IS NULL;

-- The offices that are not deleted, likewise.
CREATE VIEW reso_office AS  -- public
SELECT
    feed_id || ':' || office_id AS OfficeKey,
    office_id AS OfficeMlsId,
    feed_id AS OriginatingSystemName,
    name AS OfficeName,
    type AS OfficeType,
    address AS OfficeAddress1,
    city AS OfficeCity,
    state AS OfficeStateOrProvince,
    zip AS OfficePostalCode,
    phone AS OfficePhone,
    fax AS OfficeFax,
    license_number AS OfficeCorporateLicense,
    nrds AS OfficeNationalAssociationId,
    broker_id AS OfficeBrokerMlsId,
    status AS OfficeStatus,
    association AS OfficeAOR,
    email AS OfficeEmail,
    changed_at AS ModificationTimestamp
FROM offices
WHERE deleted_at IS NULL;

-- One row per row of `listings`, of deleted ones, too: the number by which the next two tables are joined with it. The sections
-- "Full text" and "On the map" of docs/consumers.md show how.
CREATE TABLE listing_ids (  -- public
    id                              INTEGER PRIMARY KEY,  -- stays the same as long as the listing has a row; rises in the order in which they came
    feed_id                         TEXT NOT NULL,
    listing_id                      TEXT NOT NULL,
    UNIQUE (feed_id, listing_id)
) STRICT;

-- The words of the listings that are not deleted, for MATCH; rowid is listing_ids.id. It is there unless `search.text` of the
-- configuration is false. It is not filtered for the public: a page that anybody can open leaves out the column hidden_address
-- by MATCH '- hidden_address : (...)', because a match alone tells an address.
CREATE VIRTUAL TABLE listing_text USING fts5 (  -- public
    listing_id,                     -- the MLS number
    address,                        -- where the vendor says that it may be shown (show_address = 1)
    hidden_address,                 -- the address elsewhere
    city,
    subdivision,
    grade_school,
    middle_school,
    high_school,
    remarks,
    content = 'listing_text_rows', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);

-- Where the listings lie that are not deleted; id is listing_ids.id. It is there unless `search.location` of the configuration is
-- false. It holds numbers of 32 bits, rounded outwards by up to 4 metres, so compare the columns of `listings` as well; those of
-- `public_listings` for the public. Coordinates that are null, both 0 or none on earth are left out. The last three columns are
-- those of `listings`: what a condition on them rejects costs no look at the listing. They have no type, so compare numbers with numbers.
CREATE VIRTUAL TABLE listing_location USING rtree (  -- public
    id, min_latitude, max_latitude, min_longitude, max_longitude, +price, +beds, +listing_status_search
);

-- What RESO calls the vendor's standardised values. It holds the section [reso] of the configuration of the last run.
CREATE TABLE reso_lookup (  -- public
    lookup                          TEXT NOT NULL CHECK (lookup IN ('StandardStatus', 'PropertyType')),  -- RESO's name of it
    vendor_value                    TEXT NOT NULL,  -- of listing_status_search or property_type_search; case counts
    reso_value                      TEXT NOT NULL,  -- a value of the lookup
    PRIMARY KEY (lookup, vendor_value)
) STRICT, WITHOUT ROWID;

-- One row per value that did not fit its column: the column is null, and `extra` holds the value. A row follows its listing, or
-- whatever its key is of: it is gone once a value comes that fits. Deleted ones keep theirs. A stamp of a listing that is missing
-- does not fit either.
CREATE TABLE misfits (  -- public
    feed_id                         TEXT NOT NULL,
    entity                          TEXT NOT NULL,  -- as in `changes`
    key                             TEXT NOT NULL,  -- its id inside the feed: listing_id
    field                           TEXT NOT NULL,  -- the vendor's name
    PRIMARY KEY (feed_id, entity, key, field)
) STRICT, WITHOUT ROWID;

-- One row per feed and field: how many stored listings have a value that did not fit. A count that jumps overnight is a type
-- that the vendor changed. Of MlsUpdateDate, it counts the listings without a stamp that can be read.
CREATE VIEW misfit_counts AS  -- public
SELECT feed_id, field, count(*) AS listings
FROM misfits
WHERE entity = 'listing'
GROUP BY feed_id, field;

-- One row per real change of a row of `listings`, `agents`, `offices`, `open_houses`, `identities` or `listing_processes`, in the
-- order in which the mirror stored them. What changed nothing has no row. The oldest may have been cut (history.keep of the configuration): see schema_meta.
CREATE TABLE changes (  -- public
    seq                             INTEGER PRIMARY KEY AUTOINCREMENT,
                                                    -- rises in the order of the commits, and is never used twice; the row's
                                                    -- change_seq is that of its last change
    entity                          TEXT NOT NULL,  -- what changed: listing; agent, office, open_house, identity or process where
                                                    -- these are mirrored
    feed_id                         TEXT NOT NULL,  -- the feed; of an identity or a process, the account
    key                             TEXT NOT NULL,  -- its id inside the feed: listing_id, agent_id, office_id, open_house_id,
                                                    -- identity_id, process_id
    kind                            TEXT NOT NULL CHECK (kind IN ('added', 'changed', 'deleted', 'restored', 'purged')),
                                                    -- a listing of which the vendor told first that it is deleted begins
                                                    -- with 'deleted'; 'purged': it stays live or deleted as it was, and what
                                                    -- the licence does not let be kept was taken out
    cause                           TEXT NOT NULL,  -- 'vendor': the vendor said so; 'taken_back': the vendor has gone back to an
                                                    -- older version; 'absent': it was missing from a whole reading and the
                                                    -- vendor confirmed; 'feed_removed': a person removed the feed; of 'purged',
                                                    -- the key of the section [licence] of the configuration. More words may
                                                    -- come
    stamp                           TEXT,           -- date-time of what was said; null where it had none
    at                              TEXT NOT NULL,  -- when the mirror stored it
    bulk                            INTEGER NOT NULL DEFAULT 0,
                                                    -- boolean: one of 50 or more changes of one transaction that are of one
                                                    -- kind and concern the same columns, mls_update_date aside
    diff                            TEXT,           -- JSON object: each column of the vendor and `extra` that differs, with
                                                    -- its value before and after: {"price": [450000, 440000]}. Columns that
                                                    -- hold JSON are given as their text. Null for the first change of a key:
                                                    -- it brought every value, and what it brought is the row of `listings`
                                                    -- without what later diffs changed. Null, too, where version 3 of the
                                                    -- schema came after the change, and where its values may not be kept.
                                                    -- `mls-sync changes` fills in what is known
    not_before                      TEXT            -- of what the vendor does not date (all but listings): when the last whole
                                                    -- reading began that may still have shown the state before. The
                                                    -- change was made between then and `at`. Null where that is not
                                                    -- known: of listings, and before the first whole reading
) STRICT;

CREATE INDEX changes_of_key ON changes (entity, feed_id, key);
-- When prices fell; the view price_reductions has the same words.
CREATE INDEX changes_price_falls ON changes (entity, at) WHERE diff ->> '$.price[1]' < diff ->> '$.price[0]';

-- What became of listing processes, at least: what was made and undone between two readings is not seen. A change of the table
-- `changes` is one row for each column that it changed, and one more where a process came, vanished or came back. The oldest rows
-- may have been cut, as in `changes`.
CREATE VIEW process_changes AS  -- public
SELECT
    told.seq,
    told.feed_id AS account,
    CAST(told.key AS INTEGER) AS process_id,
    CASE told.kind WHEN 'added' THEN 'insert' WHEN 'deleted' THEN 'vanish' ELSE 'revive' END AS kind,
                                 -- insert, vanish, revive; state, assign (of the agent) or update (of any other column)
    NULL AS field,               -- the column of `listing_processes`; null with insert, vanish and revive
    iif(told.kind = 'deleted', told.state, NULL) AS old_value,
                                 -- with vanish, the state that it had; with assign, null if there was no agent
    iif(told.kind = 'deleted', NULL, told.state) AS new_value,
                                 -- with insert and revive, the state that it had then; with assign, null if there is no agent
    told.not_before AS after,    -- it happened after this (not_before in `changes`) ...
    told.at AS by                -- ... and by this
FROM (
    SELECT
        seq, feed_id, key, kind, not_before, at,
        -- The state then is the old one of the next change of it, or else the present one.
        (SELECT state FROM (
            SELECT seq AS place, later.diff ->> '$.state[0]' AS state
            FROM changes AS later
            WHERE later.entity = 'process' AND later.feed_id = changes.feed_id AND later.key = changes.key AND later.seq > changes.seq
                AND json_type(later.diff, '$.state') IS NOT NULL
            UNION ALL
            SELECT 9223372036854775807, state FROM listing_processes WHERE account = changes.feed_id AND process_id = changes.key
            ORDER BY place LIMIT 1)) AS state
    FROM changes
    WHERE entity = 'process' AND kind IN ('added', 'deleted', 'restored')
) AS told
UNION ALL
SELECT
    changes.seq,
    changes.feed_id,
    CAST(changes.key AS INTEGER),
    CASE column.key WHEN 'state' THEN 'state' WHEN 'agent_id' THEN 'assign' ELSE 'update' END,
    column.key,
    column.value ->> '$[0]',
    column.value ->> '$[1]',
    changes.not_before,
    changes.at
FROM changes, json_each(changes.diff) AS column
WHERE changes.entity = 'process' AND changes.kind IN ('changed', 'restored');

-- The changes of all kinds under the names of RESO's EntityEvent, for programs that follow a RESO service.
CREATE VIEW entity_event AS  -- public
SELECT
    seq AS EntityEventSequence,
    CASE entity
        WHEN 'listing' THEN 'Property' WHEN 'agent' THEN 'Member' WHEN 'office' THEN 'Office' WHEN 'open_house' THEN 'OpenHouse'
        ELSE entity  -- RESO has no name for it
    END AS ResourceName,
    feed_id || ':' || key AS ResourceRecordKey,  -- an MLS number alone is unique only inside its feed
    at AS EntityEventTimestamp
FROM changes;

-- One row per change of a price, from the table `changes`: the price that a listing began with is the old one of its first row.
CREATE VIEW price_history AS  -- public
SELECT
    seq,
    feed_id,
    key AS listing_id,
    at,                                    -- when the mirror stored it
    stamp,                                 -- date-time of what was said; null where it had none
    diff ->> '$.price[0]' AS old_price,    -- null where there was none
    diff ->> '$.price[1]' AS new_price     -- null where there is none any more
FROM changes
WHERE entity = 'listing' AND json_type(diff, '$.price') IS NOT NULL;

-- One row per change of a status, and per deletion and return of a listing.
CREATE VIEW status_history AS  -- public
SELECT
    seq,
    feed_id,
    key AS listing_id,
    at,                                             -- when the mirror stored it
    stamp,                                          -- date-time of what was said; null where it had none
    kind,                                           -- added, changed, deleted or restored, as in `changes`
    diff ->> '$.listing_status[0]' AS old_status,   -- the MLS's words; null where it did not change, too
    diff ->> '$.listing_status[1]' AS new_status    -- likewise
FROM changes
WHERE entity = 'listing' AND (kind IN ('deleted', 'restored') OR json_type(diff, '$.listing_status') IS NOT NULL);

-- One row per time that the price of a listing fell. Deleted listings are left out.
CREATE VIEW price_reductions AS  -- public
SELECT
    changes.seq,
    changes.feed_id,
    changes.key AS listing_id,
    changes.at,                                                     -- when the mirror stored it
    changes.diff ->> '$.price[0]' AS old_price,
    changes.diff ->> '$.price[1]' AS new_price,
    listings.price                                                  -- now
FROM changes JOIN listings ON listings.feed_id = changes.feed_id AND listings.listing_id = changes.key
WHERE changes.entity = 'listing' AND changes.diff ->> '$.price[1]' < changes.diff ->> '$.price[0]' AND listings.deleted_at IS NULL;

-- One row: what this file is. A program that follows `changes` remembers `epoch` beside its last number. Where the epoch is
-- another, an older copy of the file was put back: the number may be of a change that is lost, so everything is to be read anew.
CREATE TABLE schema_meta (  -- public
    id                              INTEGER PRIMARY KEY CHECK (id = 1),
    contract                        TEXT NOT NULL,  -- version of this contract: MAJOR.MINOR.PATCH. Check the major
    file_id                         TEXT NOT NULL,  -- random, since the file was created; copies share it
    epoch                           TEXT NOT NULL,  -- random; another one since the mirror found a copy in the file's place. The
                                                    -- numbers of a new epoch begin at the next thousand million
    epoch_at                        TEXT NOT NULL,  -- since when
    cut_seq                         INTEGER NOT NULL,  -- the changes up to this number were cut; 0 if none were
    inode                           TEXT            -- internal: by which the mirror knows the file again
) STRICT;
INSERT INTO schema_meta VALUES (
    1, '3.0.0', lower(hex(randomblob(16))), lower(hex(randomblob(8))), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), 0, NULL);

-- One row per feed and kind of thing: a sum over its rows, kept in the transaction of each commit. Two files whose sums are
-- equal hold the same. `mls-sync verify` makes it anew from the rows (docs/consumers.md says how).
CREATE TABLE checksums (  -- public
    feed_id                         TEXT NOT NULL,
    entity                          TEXT NOT NULL,  -- as in `changes`
    seq                             INTEGER NOT NULL,  -- the newest change of it that is in the sum
    rows                            INTEGER NOT NULL,  -- deleted ones included
    hash                            TEXT GENERATED ALWAYS AS (printf('%08x%08x%08x%08x', a, b, c, d)) VIRTUAL,
                                                    -- the sum, 32 hexadecimal digits
    a                               INTEGER NOT NULL,  -- internal, like the three below: a lane of the sum
    b                               INTEGER NOT NULL,
    c                               INTEGER NOT NULL,
    d                               INTEGER NOT NULL,
    PRIMARY KEY (feed_id, entity)
) STRICT, WITHOUT ROWID;

-- One row per feed: what the mirror is doing about it.
CREATE TABLE feeds (  -- public
    feed_id                         TEXT NOT NULL PRIMARY KEY,
    added_at                        TEXT NOT NULL,
    since                           TEXT NOT NULL,  -- date-time: the oldest mls_update_date that the mirror holds
    activity                        TEXT NOT NULL CHECK (activity IN ('new', 'polling', 'filling', 'reconciling', 'waiting', 'retrying', 'blocked')),
    activity_at                     TEXT NOT NULL,
    note                            TEXT,           -- why, for a person; null when all is well
    polled_at                       TEXT,           -- when the newest changes were last proven complete; null if never. A poll
                                                    -- that found nothing is written down up to about a minute later
    removed_at                      TEXT,           -- when a person removed it; null while mirrored
    rejects_cut                     INTEGER NOT NULL DEFAULT 0,
                                                    -- rejects that were not kept because there were 10 000, or of
                                                    -- which only the first 1 MiB was kept
    extra_cut                       INTEGER NOT NULL DEFAULT 0,
                                                    -- records whose `extra` was longer than 256 KiB and was not
                                                    -- kept: it is {"_cut": bytes} then
    load_requests                   INTEGER NOT NULL DEFAULT 0,
                                                    -- requests of its first load, of every kind, failed ones included
    page_size                       INTEGER,        -- the most listings that one page held during the first load; null before,
                                                    -- and where a version before 0.2 loaded it
    loaded_at                       TEXT,           -- when everything had been read once; null before
    omitted                         TEXT NOT NULL DEFAULT ''  -- internal: the fields that were taken out everywhere, by the vendor's names
) STRICT, WITHOUT ROWID;

-- One row per feed: up to when it is complete. Everything stamped from `since` to `complete_until` was read whole; it is null
-- while the beginning is unread. `gaps` counts, over all streams, the unread stretches before something that was read; the
-- mirror fills them.
CREATE VIEW coverage AS  -- public
WITH read AS (
    SELECT feed_id, status, from_date, to_date, 0 AS gap FROM covered
    UNION ALL
    SELECT feed_id, status, from_date, to_date, 1 FROM known_gaps
), reach AS (
    -- For each stream, up to where nothing is unread, without and with its known gaps.
    SELECT feeds.feed_id, cursors.status, (
        SELECT max(read.to_date) FROM read
        WHERE read.feed_id = feeds.feed_id AND read.status = cursors.status AND NOT read.gap
            AND read.from_date <= feeds.since AND read.to_date > feeds.since
    ) AS whole, (
        SELECT coalesce(min(iif(step.from_date > step.before, step.before, NULL)), max(step.to_date))
        FROM (
            SELECT read.from_date, read.to_date, max(feeds.since, coalesce(max(read.to_date) OVER (
                ORDER BY read.from_date ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ), '')) AS before
            FROM read
            WHERE read.feed_id = feeds.feed_id AND read.status = cursors.status
        ) AS step
        HAVING min(step.from_date) <= feeds.since
    ) AS but_for_gaps
    FROM feeds JOIN cursors ON cursors.feed_id = feeds.feed_id AND cursors.polled
), late AS (
    SELECT feed_id, max(late_s) AS late_s FROM late_listings
    WHERE found_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 day')
    GROUP BY feed_id
), until AS (
    -- A feed of which only deletions were read is not complete.
    SELECT feed_id,
        iif(count(*) = count(whole) AND max(status <> 3), min(whole), NULL) AS whole,
        iif(count(*) = count(but_for_gaps) AND max(status <> 3), min(but_for_gaps), NULL) AS but_for_gaps
    FROM reach
    GROUP BY feed_id
)
SELECT
    feeds.feed_id,
    feeds.since,
    iif(late_s IS NULL, whole, strftime('%Y-%m-%dT%H:%M:%f', whole, -late_s || ' seconds')) AS complete_until,
    (
        SELECT count(*)
        FROM covered
        JOIN cursors ON cursors.feed_id = covered.feed_id AND cursors.status = covered.status AND cursors.polled
        WHERE covered.feed_id = feeds.feed_id
            AND covered.from_date > feeds.since
    ) AS gaps,
    feeds.polled_at,
    -- The same as complete_until, but for the stretches in `known_gaps`.
    iif(late_s IS NULL, but_for_gaps, strftime('%Y-%m-%dT%H:%M:%f', but_for_gaps, -late_s || ' seconds')) AS complete_but_for_known_gaps_until,
    (SELECT count(*) FROM known_gaps WHERE known_gaps.feed_id = feeds.feed_id) AS known_gaps,
    -- Listings come up to so many seconds after their stamp, as was seen during the last day; null if none came late.
    -- The two dates above are earlier by this.
    late_s,
    -- When the last reconcile run began that did not fail; null if there was none: old history was then read in long windows, page
    -- by page. Such a run reads each window in one answer, or twice with the same result, so that no change meanwhile can hide a
    -- listing. Stretches that it could not prove are left out.
    (
        SELECT max(started_at) FROM reconcile_runs
        WHERE reconcile_runs.feed_id = feeds.feed_id AND NOT dry_run AND state IN ('confirming', 'done', 'withheld', 'approved')
    ) AS proven_at
FROM feeds
LEFT JOIN until USING (feed_id)
LEFT JOIN late USING (feed_id)
WHERE feeds.removed_at IS NULL;

-- One row per feed that is mirrored: how fresh it is, for a line at the foot of a page.
CREATE VIEW sync_status AS  -- public
SELECT
    coverage.feed_id,
    coverage.complete_until,                -- date-time of the vendor's clock; null while the beginning is unread
    coverage.polled_at AS last_success_at,  -- when the newest changes were last proven complete; null if never
    -- Seconds since then; up to about a minute too many where nothing changed. Null if never.
    CAST(round((julianday('now') - julianday(coverage.polled_at)) * 86400) AS INTEGER) AS age_s,
    feeds.activity AS state,                -- new, polling, filling, reconciling, waiting, retrying or blocked
    feeds.note                              -- why, for a person; null when all is well
FROM coverage JOIN feeds USING (feed_id);

-- Stretches that the mirror could not read or prove, cut as small as it could, and why. It tries them again, ever more seldom.
-- Listings that were readable inside them are stored.
CREATE TABLE known_gaps (  -- public
    feed_id                         TEXT NOT NULL,
    status                          INTEGER NOT NULL,  -- the stream, as the vendor's Status parameter
    from_date                       TEXT NOT NULL,  -- date-time
    to_date                         TEXT NOT NULL,  -- date-time
    reason                          TEXT NOT NULL,  -- for a person
    tried                           INTEGER NOT NULL,  -- how often it was tried as it is now; one-shot runs count anew
    found_at                        TEXT NOT NULL,
    retry_at                        TEXT NOT NULL,  -- when it is tried again
    PRIMARY KEY (feed_id, status, from_date)
) STRICT, WITHOUT ROWID;

-- What a person should know about a feed, until it no longer holds.
CREATE TABLE notices (  -- public
    feed_id                         TEXT NOT NULL,  -- empty: about the vendor or the machine
    kind                            TEXT NOT NULL,  -- one word; at most one notice per feed and kind
    note                            TEXT NOT NULL,
    noticed_at                      TEXT NOT NULL,
    PRIMARY KEY (feed_id, kind)
) STRICT, WITHOUT ROWID;

-- Records of the vendor that could not become a row. They are kept, so that nothing is lost without a trace.
CREATE TABLE rejects (  -- public
    reject_id                       INTEGER PRIMARY KEY AUTOINCREMENT,
    feed_id                         TEXT NOT NULL,  -- the feed that was asked for
    status                          INTEGER NOT NULL,  -- the stream, as the vendor's Status parameter
    listing_id                      TEXT,           -- as far as it could be read
    reason                          TEXT NOT NULL,  -- for a person
    raw                             TEXT NOT NULL,  -- as sent; its beginning alone where it is longer than 1 MiB; without
                                                    -- what the licence does not let be kept
    raw_bytes                       INTEGER NOT NULL,  -- its length before it was cut, in bytes; where the licence
                                                    -- took out all of it, that of what was sent
    raw_hash                        BLOB NOT NULL,  -- of what was sent
    rejected_at                     TEXT NOT NULL,  -- when it was first seen
    entity                          TEXT NOT NULL DEFAULT 'listing',  -- as in `changes`. Of others than listings, status is 0, and
                                                    -- listing_id holds their id
    UNIQUE (feed_id, raw_hash)
) STRICT;

-- Listings that were found after their stretch of time had been read whole: the vendor stamps first and publishes later.
CREATE TABLE late_listings (  -- public
    late_id                         INTEGER PRIMARY KEY AUTOINCREMENT,
    feed_id                         TEXT NOT NULL,
    listing_id                      TEXT NOT NULL,
    stamp                           TEXT NOT NULL,  -- date-time of the record
    late_s                          REAL NOT NULL,  -- seconds from the stamp to when it was found; it was published no later
    found_by                        TEXT NOT NULL CHECK (found_by IN ('poll', 'lookback', 'fill', 'scan')),
    found_at                        TEXT NOT NULL
) STRICT;

CREATE INDEX late_listings_of_feed ON late_listings (feed_id, late_s);

-- How many changes took how long, by the vendor's clock, from their mls_update_date until they were in this file. Only changes
-- that polls found are counted, not what was loaded, filled in or read again. A change whose stamp lies further before the last
-- poll than the shortest look-back reaches (lookback.ladder) was published late. It is not counted here; it is in late_listings.
CREATE TABLE freshness_counts (  -- public
    feed_id                         TEXT NOT NULL,
    began_at                        TEXT NOT NULL,  -- the full hour; what is older than the hour before goes with the next change
    within_s                        REAL NOT NULL,  -- seconds: each took this long or less, and more than nine tenths of it (0.105: or less)
    changes                         INTEGER NOT NULL,
    PRIMARY KEY (feed_id, began_at, within_s)
) STRICT, WITHOUT ROWID;

-- One row per feed in which polls found changes in this hour or the one before: half of them took p50_s seconds or less from
-- their stamp to this file, and all but one of a hundred p99_s or less.
CREATE VIEW freshness AS  -- public
WITH recent AS (
    SELECT feed_id, within_s, sum(changes) AS changes FROM freshness_counts
    WHERE began_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-2 hours')
    GROUP BY feed_id, within_s
), ranked AS (
    SELECT feed_id, within_s,
        sum(changes) OVER (PARTITION BY feed_id ORDER BY within_s) AS up_to,
        sum(changes) OVER (PARTITION BY feed_id) AS changes
    FROM recent
)
SELECT
    feed_id,
    changes,
    min(iif(up_to * 2 >= changes, within_s, NULL)) AS p50_s,
    min(iif(up_to * 100 >= changes * 99, within_s, NULL)) AS p99_s
FROM ranked
GROUP BY feed_id;

-- One row per reconcile run: the whole feed is read again and compared with its live rows.
CREATE TABLE reconcile_runs (  -- public
    run_id                          INTEGER PRIMARY KEY AUTOINCREMENT,
    feed_id                         TEXT NOT NULL,
    state                           TEXT NOT NULL CHECK (state IN ('scanning', 'confirming', 'done', 'withheld', 'approved', 'failed')),
    dry_run                         INTEGER NOT NULL,  -- boolean: nothing is changed
    from_date                       TEXT NOT NULL,  -- date-time: the stretch that is read
    to_date                         TEXT NOT NULL,  -- date-time
    started_at                      TEXT NOT NULL,
    ended_at                        TEXT,           -- null while it runs
    read                            INTEGER NOT NULL DEFAULT 0,  -- live listings seen
    missing                         INTEGER NOT NULL DEFAULT 0,  -- listings that the file lacked; stored
    stale                           INTEGER NOT NULL DEFAULT 0,  -- listings that the file had an older version of; renewed
    live_before                     INTEGER NOT NULL DEFAULT 0,  -- live rows that were there before it began
    absent                          INTEGER NOT NULL DEFAULT 0,  -- of those, rows that the reading lacks
    deleted                         INTEGER NOT NULL DEFAULT 0,  -- of those, rows that became tombstones
    note                            TEXT,           -- for a person: why it failed or was withheld, or how many rows
                                                    -- were not asked about; null otherwise
    taken_back                      INTEGER NOT NULL DEFAULT 0  -- rows that were newer than what the vendor has now, and hold
                                                    -- that again; of a dry run, those that would
) STRICT;

-- A feed has at most one run under way.
CREATE UNIQUE INDEX reconcile_runs_under_way ON reconcile_runs (feed_id) WHERE state IN ('scanning', 'confirming');

-- One row: the vendor's system and the account that this file mirrors. It is written by the first run.
CREATE TABLE source (  -- public
    id                              INTEGER PRIMARY KEY CHECK (id = 1),
    vendor                          TEXT NOT NULL,  -- the API: constellation1
    place                           TEXT NOT NULL,  -- where it is asked: host, port where it is not the usual one, and path
    client                          TEXT NOT NULL,  -- the client's name
    named_at                        TEXT NOT NULL,  -- since when the file mirrors it
    adopted_at                      TEXT,           -- when the file was last taken over from another source; null if never
    since                           TEXT NOT NULL   -- date-time: backfill.since of the configuration of the last run
) STRICT;

-- One row per credential: how the vendor limits it at present.
CREATE TABLE accounts (  -- public
    account                         TEXT NOT NULL PRIMARY KEY,  -- the client's name and where it asks: client@host:port
    rate                            REAL,           -- requests per second at present; null at the configured ceiling
    closed_until                    TEXT,           -- date-time of the mirror's clock: no request before; null when none
    closed_for_s                    REAL,           -- seconds that the vendor asked to wait; null when none
    updated_at                      TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Requests per hour and per day of the mirror's clock, UTC. They are counted before they are sent, up to 10 at a time.
CREATE TABLE request_counts (  -- public
    account                         TEXT NOT NULL,
    period                          TEXT NOT NULL CHECK (period IN ('hour', 'day')),
    began_at                        TEXT NOT NULL,
    requests                        INTEGER NOT NULL,
    PRIMARY KEY (account, period, began_at)
) STRICT, WITHOUT ROWID;

-- INTERNAL: how the mirror works. Build nothing on it.

-- One row per feed and stream: where the next poll begins.
CREATE TABLE cursors (  -- internal
    feed_id                         TEXT NOT NULL,
    status                          INTEGER NOT NULL,  -- the stream, as the vendor's Status parameter
    cursor                          TEXT,           -- date-time; everything stamped earlier was read or is a gap
    newest                          TEXT,           -- date-time; the newest stamp that was seen
    aligned                         INTEGER NOT NULL,  -- boolean: stamps, filter and clock of the vendor were seen to agree
    from_rule                       TEXT NOT NULL CHECK (from_rule IN ('exact', 'midnight', 'ignored')),
                                                    -- what the server was seen to make of FromUpdatedDate
    polled                          INTEGER NOT NULL DEFAULT 1,  -- boolean: the configuration has this stream
    PRIMARY KEY (feed_id, status)
) STRICT, WITHOUT ROWID;

-- The stretches of the vendor's time that were read whole, merged. What lies between them is a gap.
CREATE TABLE covered (  -- internal
    feed_id                         TEXT NOT NULL,
    status                          INTEGER NOT NULL,
    from_date                       TEXT NOT NULL,  -- date-time
    to_date                         TEXT NOT NULL,  -- date-time
    PRIMARY KEY (feed_id, status, from_date)
) STRICT, WITHOUT ROWID;

-- One row per window that was asked for. Polls and look-backs that were proven are kept for 30 days.
CREATE TABLE windows (  -- internal
    window_id                       INTEGER PRIMARY KEY AUTOINCREMENT,
    feed_id                         TEXT NOT NULL,
    status                          INTEGER NOT NULL,  -- the stream, as the vendor's Status parameter
    purpose                         TEXT NOT NULL CHECK (purpose IN ('poll', 'lookback', 'fill', 'scan')),
    run_id                          INTEGER,        -- the reconcile run of a scan; null otherwise
    state                           TEXT NOT NULL CHECK (state IN ('open', 'complete', 'suspect', 'cut')),
    from_date                       TEXT NOT NULL,  -- date-time asked for
    to_date                         TEXT NOT NULL,  -- date-time asked for
    claim_from                      TEXT NOT NULL,  -- date-time: the part that is certain under every reading of the bounds
    claim_to                        TEXT NOT NULL,
    next_page                       INTEGER NOT NULL,  -- pages are read from the last to the first
    page_size                       INTEGER NOT NULL,  -- records; 0 before the first page was read
    total_first                     INTEGER NOT NULL,  -- the vendor's Total on the first page of this pass
    total_last                      INTEGER NOT NULL,  -- the vendor's Total on the last answer
    keys_seen                       INTEGER NOT NULL,  -- distinct records
    passes                          INTEGER NOT NULL,  -- readings that ended without proof
    grew                            INTEGER NOT NULL,  -- boolean: Total rose during this pass
    strict                          INTEGER NOT NULL,  -- boolean: the vendor's order is known not to stay
    opened                          TEXT NOT NULL,  -- date-time of the vendor's clock
    opened_at                       TEXT NOT NULL,
    closed_at                       TEXT            -- null while open
) STRICT;

CREATE INDEX windows_of_feed ON windows (feed_id, state, closed_at);

-- A feed has at most one open window per purpose and stream.
CREATE UNIQUE INDEX windows_open ON windows (feed_id, purpose, status) WHERE state = 'open';

-- The records that were seen in the windows that are open, from which the proof is made that a window was read whole.
CREATE TABLE window_marks (  -- internal
    window_id                       INTEGER NOT NULL,
    mark                            TEXT NOT NULL,
    PRIMARY KEY (window_id, mark)
) STRICT, WITHOUT ROWID;

-- When each look-back was last begun and last proven.
CREATE TABLE lookbacks (  -- internal
    feed_id                         TEXT NOT NULL,
    name                            TEXT NOT NULL,
    begun_at                        TEXT NOT NULL,
    done_at                         TEXT NOT NULL,
    PRIMARY KEY (feed_id, name)
) STRICT, WITHOUT ROWID;

-- The listings that were seen by runs that are under way.
CREATE TABLE reconcile_seen (  -- internal
    run_id                          INTEGER NOT NULL,
    listing_id                      TEXT NOT NULL,
    live                            INTEGER NOT NULL,  -- boolean: by a stream of live listings
    present                         INTEGER NOT NULL,  -- boolean: as its row holds it, or newer
    PRIMARY KEY (run_id, listing_id)
) STRICT, WITHOUT ROWID;

-- The rows that a run's reading lacks, and what the vendor said of each.
CREATE TABLE reconcile_absent (  -- internal
    run_id                          INTEGER NOT NULL,
    listing_id                      TEXT NOT NULL,
    verdict                         TEXT NOT NULL CHECK (verdict IN ('unasked', 'gone', 'deleted', 'present', 'unclear')),
                                                    -- what GetListingDetail said of it
    applied                         INTEGER NOT NULL DEFAULT 0,  -- boolean: it became a tombstone
    twin_id                         TEXT,           -- a listing that appeared with the same address, price and place
    PRIMARY KEY (run_id, listing_id)
) STRICT, WITHOUT ROWID;

-- Rows that the last proven reading of all lacks and that are not deleted yet: since when.
CREATE TABLE census_absent (  -- internal
    entity                          TEXT NOT NULL,
    feed_id                         TEXT NOT NULL,
    key                             TEXT NOT NULL,
    since                           TEXT NOT NULL,  -- when the first such reading began
    not_before                      TEXT,           -- as complete_at before that reading
    PRIMARY KEY (entity, feed_id, key)
) STRICT, WITHOUT ROWID;

-- What the vendor said of listings that was older than their rows. It is taken over when the vendor says it again, ten minutes
-- later or more, without showing what the row holds; or by a whole reading. It is forgotten when the row is confirmed.
CREATE TABLE contested (  -- internal
    feed_id                         TEXT NOT NULL,
    listing_id                      TEXT NOT NULL,
    deleted                         INTEGER NOT NULL,  -- boolean: a deletion; else a live copy
    stamp                           TEXT,           -- date-time of the record
    raw_hash                        BLOB NOT NULL,  -- of the record as it was sent
    raw                             TEXT,           -- a live copy as sent; null if the row was made of the same, or it is longer than 1 MiB
    first_seen_at                   TEXT NOT NULL,
    vendor_seen_at                  TEXT,           -- date-time: the same by the vendor's clock; null where it was not known
    run_id                          INTEGER,        -- the reconcile run that asks the vendor about it; null otherwise
    PRIMARY KEY (feed_id, listing_id)
) STRICT;

-- What the tables for searches hold of each listing, and how that is kept true. An update that leaves it as it is costs a comparison.
CREATE VIEW listing_text_rows AS  -- internal
SELECT
    listing_ids.id,
    listings.listing_id,
    iif(listings.show_address = 1, listings.address, NULL) AS address,
    iif(listings.show_address = 1, NULL, listings.address) AS hidden_address,
    listings.city,
    listings.subdivision,
    listings.grade_school,
    listings.middle_school,
    listings.high_school,
    listings.remarks
FROM listing_ids CROSS JOIN listings USING (feed_id, listing_id)
WHERE listings.deleted_at IS NULL;

CREATE VIEW listing_location_rows AS  -- internal
SELECT
    listing_ids.id,
    listings.latitude AS min_latitude,
    listings.latitude AS max_latitude,
    listings.longitude AS min_longitude,
    listings.longitude AS max_longitude,
    listings.price,
    listings.beds,
    listings.listing_status_search
FROM listing_ids CROSS JOIN listings USING (feed_id, listing_id)
WHERE listings.deleted_at IS NULL
    AND listings.latitude BETWEEN -90 AND 90 AND listings.longitude BETWEEN -180 AND 180
    AND (listings.latitude <> 0 OR listings.longitude <> 0);

-- The mirror deletes no row; who does so by hand leaves nothing behind. Before, so that those of listing_ids find the row as it was.
CREATE TRIGGER listing_ids_delete BEFORE DELETE ON listings BEGIN
    DELETE FROM listing_ids WHERE feed_id = old.feed_id AND listing_id = old.listing_id;
END;

CREATE TRIGGER listing_text_insert AFTER INSERT ON listing_ids BEGIN
    INSERT INTO listing_text (rowid, listing_id, address, hidden_address, city, subdivision, grade_school, middle_school, high_school, remarks)
    SELECT * FROM listing_text_rows WHERE id = new.id;
END;

-- FTS5 must be told what it takes out: exactly what was put in.
CREATE TRIGGER listing_text_update
AFTER UPDATE OF deleted_at, show_address, address, city, subdivision, grade_school, middle_school, high_school, remarks ON listings
WHEN (old.deleted_at IS NULL, old.show_address = 1, old.address, old.city, old.subdivision, old.grade_school, old.middle_school,
        old.high_school, old.remarks)
    IS NOT (new.deleted_at IS NULL, new.show_address = 1, new.address, new.city, new.subdivision, new.grade_school, new.middle_school,
        new.high_school, new.remarks)
BEGIN
    INSERT INTO listing_text (
        listing_text, rowid, listing_id, address, hidden_address, city, subdivision, grade_school, middle_school, high_school, remarks
    )
    SELECT
        'delete', id, listing_id, iif(old.show_address = 1, old.address, NULL), iif(old.show_address = 1, NULL, old.address),
        old.city, old.subdivision, old.grade_school, old.middle_school, old.high_school, old.remarks
    FROM listing_ids
    WHERE feed_id = old.feed_id AND listing_id = old.listing_id AND old.deleted_at IS NULL;
    INSERT INTO listing_text (rowid, listing_id, address, hidden_address, city, subdivision, grade_school, middle_school, high_school, remarks)
    SELECT * FROM listing_text_rows
    WHERE id = (SELECT id FROM listing_ids WHERE feed_id = new.feed_id AND listing_id = new.listing_id);
END;

CREATE TRIGGER listing_text_delete BEFORE DELETE ON listing_ids BEGIN
    INSERT INTO listing_text (
        listing_text, rowid, listing_id, address, hidden_address, city, subdivision, grade_school, middle_school, high_school, remarks
    )
    SELECT 'delete', * FROM listing_text_rows WHERE id = old.id;
END;

CREATE TRIGGER listing_location_insert AFTER INSERT ON listing_ids BEGIN
    INSERT INTO listing_location SELECT * FROM listing_location_rows WHERE id = new.id;
END;

CREATE TRIGGER listing_location_update
AFTER UPDATE OF deleted_at, latitude, longitude, price, beds, listing_status_search ON listings
WHEN (old.deleted_at IS NULL, old.latitude, old.longitude, old.price, old.beds, old.listing_status_search)
    IS NOT (new.deleted_at IS NULL, new.latitude, new.longitude, new.price, new.beds, new.listing_status_search)
BEGIN
    DELETE FROM listing_location
    WHERE id = (SELECT id FROM listing_ids WHERE feed_id = old.feed_id AND listing_id = old.listing_id);
    INSERT INTO listing_location SELECT * FROM listing_location_rows
    WHERE id = (SELECT id FROM listing_ids WHERE feed_id = new.feed_id AND listing_id = new.listing_id);
END;

CREATE TRIGGER listing_location_delete BEFORE DELETE ON listing_ids BEGIN
    DELETE FROM listing_location WHERE id = old.id;
END;
