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
    acre_search                     REAL,    -- acres
    address                         TEXT,    -- whole street address
    address2                        TEXT,    -- unit
    agent_remarks                   TEXT,    -- not for the public
    air                             TEXT,
    air_search                      TEXT,
    appliances                      TEXT,
    assessments                     TEXT,
    available_utilities             TEXT,
    back_on_market_date             TEXT,    -- date-time
    bathroom_description            TEXT,
    baths_full                      INTEGER,
    baths_location                  TEXT,
    baths_partial                   INTEGER,
    baths_three_quarter             INTEGER,
    baths_total                     REAL,    -- number, may have a fraction
    bedroom_description             TEXT,
    beds                            INTEGER,
    below_ground_sq_ft              INTEGER, -- square feet
    boat_amenities                  TEXT,
    body_of_water                   TEXT,
    breakfast_description           TEXT,
    builder                         TEXT,
    building_number                 TEXT,
    buyer_commission                TEXT,
    carport_spaces                  TEXT,
    city                            TEXT,
    co_listing_agent_code           TEXT,
    comment_allowed                 TEXT,    -- the table names it so; the class has allow_comment
    commission                      TEXT,
    common_walls                    TEXT,
    condo_fee                       TEXT,
    condo_fee_frequency             TEXT,
    construction                    TEXT,
    construction_search             TEXT,
    contingent_date                 TEXT,    -- date-time
    contract_date                   TEXT,    -- date-time
    country                         TEXT,
    county                          TEXT,
    covered_parking_spaces          TEXT,
    cross_street                    TEXT,
    current_use                     TEXT,
    date_available                  TEXT,    -- date-time
    days_on_market                  INTEGER, -- days
    den_description                 TEXT,
    development_name                TEXT,
    development_status              TEXT,
    dimensions_units                TEXT,
    dining_room_description         TEXT,
    directions                      TEXT,
    dock_height                     TEXT,    -- text, or true/false, because the document says string and bool
    doors_windows                   TEXT,
    driveway_description            TEXT,
    dwelling_type                   TEXT,
    energy_features                 TEXT,
    entry_location                  TEXT,
    expiration_date                 TEXT,    -- date-time
    exposure                        TEXT,
    exterior                        TEXT,
    family_room_description         TEXT,
    farm_type                       TEXT,
    fence_description               TEXT,
    finished_square_feet            TEXT,    -- square feet; text because the document says string and int
    fireplace_count                 TEXT,    -- text because the document says int and string
    fireplace_description           TEXT,
    floor_description               TEXT,
    floor_search                    TEXT,
    florida_room_description        TEXT,
    foundation                      TEXT,
    foundation_size                 TEXT,
    front_dimensions                TEXT,
    garage                          TEXT,
    garage_size                     TEXT,
    garage_spaces                   TEXT,    -- text because the document says string and float
    grade_school                    TEXT,
    great_room_description          TEXT,
    guest_facilities                TEXT,
    handicap_features               TEXT,
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
    headline                        TEXT,
    heat                            TEXT,
    heating_delivery                TEXT,
    heating_delivery_search         TEXT,
    heating_source                  TEXT,
    heating_source_search           TEXT,
    high_rise_amenities             TEXT,
    high_school                     TEXT,
    hoa_description                 TEXT,
    hoa_dues                        TEXT,
    hoa_fee                         TEXT,
    hoa_fee_frequency               TEXT,
    horse_features                  TEXT,
    hotline_code                    TEXT,
    inclusions                      TEXT,
    interior                        TEXT,
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
    kitchen_description             TEXT,
    land_inclusion                  TEXT,
    landscape_back_desc             TEXT,
    landscape_front_desc            TEXT,
    land_tenure                     TEXT,
    last_price_change_date          TEXT,    -- date-time
    last_listing_status_change_date TEXT,    -- date-time
    latitude                        REAL,    -- degrees, north positive
    laundry_description             TEXT,
    left_dimensions                 TEXT,
    legal_description               TEXT,
    list_date                       TEXT,    -- date-time
    listing_agent                   TEXT,
    listing_agent_id                TEXT,
    listing_office                  TEXT,
    listing_office_id               TEXT,
    listing_office_phone            TEXT,
    listing_status                  TEXT,    -- the MLS's words
    listing_status_search           TEXT,    -- standardised
    list_price_high                 REAL,    -- units of currency
    list_price_low                  REAL,    -- units of currency
    living_area_high                INTEGER, -- in living_area_units
    living_area_low                 INTEGER, -- in living_area_units
    living_area_source              TEXT,
    living_area_units               TEXT,
    living_room_description         TEXT,
    lock_box                        TEXT,
    longitude                       REAL,    -- degrees, east positive
    lot_area_high                   REAL,    -- in lot_area_units
    lot_area_low                    REAL,    -- in lot_area_units
    lot_area_units                  TEXT,
    lot_description                 TEXT,
    lot_dimensions                  TEXT,
    lot_number                      TEXT,
    lot_size_source                 TEXT,
    master_bath_description         TEXT,
    master_bedroom_description      TEXT,
    middle_school                   TEXT,
    mls_area                        TEXT,
    mls_association                 TEXT,
    mls_modification_timestamp      TEXT,    -- date-time; the MLS's own modification time; not used for syncing
    mls_stories                     TEXT,
    mls_update_date                 TEXT,    -- date-time; when the listing last changed at the vendor; what the mirror is kept true by
    mobile_home_description         TEXT,
    model_name                      TEXT,
    neighborhood                    TEXT,
    num1_bedroom_units              INTEGER,
    num2_bedroom_units              INTEGER,
    num3_bedroom_units              INTEGER,
    num4_bedroom_units              INTEGER,
    number_of_units                 INTEGER, -- the document says int and short; 64 bits hold both
    num_efficiency_units            INTEGER,
    onsite_utilities                TEXT,
    original_list_price             REAL,    -- units of currency; the document calls it the previous list price
    other_rooms_description         TEXT,
    outbuildings                    TEXT,
    ownership_type                  TEXT,
    parcel_number                   TEXT,
    parking                         TEXT,
    parking_spaces                  TEXT,
    patio_description               TEXT,
    pet_description                 TEXT,
    photo_retrieved_date            TEXT,    -- date-time; null when there are no photos
    plumbing                        TEXT,
    pool                            TEXT,
    potential_use                   TEXT,
    price                           INTEGER, -- asking price, whole units of the currency of the country
    price_per_sqft                  REAL,    -- units of currency per square foot
    property_type                   TEXT,
    property_type_search            TEXT,
    rear_dimensions                 TEXT,
    remarks                         TEXT,    -- public remarks
    result_code                     TEXT,    -- accuracy of the geocoding
    right_dimensions                TEXT,
    road_frontage_dimensions        TEXT,
    roof                            TEXT,
    roof_search                     TEXT,
    sale_date                       TEXT,    -- date-time
    sale_price                      INTEGER, -- whole units of currency; only where the vendor sends it
    sale_type                       TEXT,
    school_district                 TEXT,
    security_features               TEXT,
    seller_commission               TEXT,
    selling_agent_id                TEXT,
    selling_office                  TEXT,
    selling_office_id               TEXT,
    sewer                           TEXT,
    show_address                    INTEGER, -- boolean
    show_on_map                     INTEGER, -- boolean
    spa_description                 TEXT,
    sprinklers_description          TEXT,
    square_feet                     TEXT,
    state                           TEXT,
    stories                         TEXT,
    street_dir_prefix               TEXT,
    street_dir_suffix               TEXT,
    street_name                     TEXT,
    street_number                   TEXT,
    street_suffix                   TEXT,
    structure_condition             TEXT,
    style                           TEXT,
    style_search                    TEXT,
    subdivision                     TEXT,
    subject_to                      TEXT,
    taxes                           TEXT,
    terms                           TEXT,
    topography                      TEXT,
    total_area_on_level1            REAL,    -- 0 may mean unknown
    total_area_on_level2            REAL,    -- 0 may mean unknown
    total_area_on_level3            REAL,    -- 0 may mean unknown
    total_area_on_level4            REAL,    -- 0 may mean unknown
    total_area_on_level5            REAL,    -- 0 may mean unknown
    total_rooms                     TEXT,
    township                        TEXT,
    unit_number                     TEXT,
    unit_types                      TEXT,
    utilities                       TEXT,
    utility_room_description        TEXT,
    view_description                TEXT,
    view_search                     TEXT,
    water                           TEXT,
    water_access                    TEXT,
    waterfront                      TEXT,
    water_frontage_dimensions       TEXT,
    waterfront_type                 TEXT,
    wooded_acreage                  REAL,    -- acres
    year_built                      TEXT,
    zip                             TEXT,
    zoning                          TEXT,
    actual_photo_count              INTEGER, -- photos
    allow_comment                   INTEGER, -- boolean
    assessments_search              INTEGER,
    carport_spaces_search           REAL,
    foundation_size_search          INTEGER,
    has_city_view                   INTEGER, -- boolean
    has_mountain_view               INTEGER, -- boolean
    has_ocean_view                  INTEGER, -- boolean
    has_open_house                  INTEGER, -- boolean
    has_park_view                   INTEGER, -- boolean
    has_valley_view                 INTEGER, -- boolean
    has_water_view                  INTEGER, -- boolean
    hoa_fee_search                  INTEGER,
    mls_property_type               TEXT,
    other                           TEXT,
    parking_spaces_search           REAL,
    showing_instructions            TEXT,
    total_rooms_search              INTEGER,
    virtual_tour_url                TEXT,
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

    PRIMARY KEY (feed_id, listing_id)
) STRICT;

CREATE INDEX listings_deleted ON listings (feed_id, deleted_at) WHERE deleted_at IS NOT NULL;

-- Every listing that is not deleted. It is not filtered for the public: hidden addresses and agent remarks are in it.
CREATE VIEW live_listings AS  -- public
SELECT * FROM listings WHERE deleted_at IS NULL;

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

-- One row per value that did not fit its column: the column is null, and `extra` holds the value. A row follows its listing:
-- it is gone once a value comes that fits. Deleted listings keep theirs. A stamp that is missing does not fit either.
CREATE TABLE misfits (  -- public
    feed_id                         TEXT NOT NULL,
    listing_id                      TEXT NOT NULL,
    field                           TEXT NOT NULL,  -- the vendor's name
    PRIMARY KEY (feed_id, listing_id, field)
) STRICT, WITHOUT ROWID;

-- One row per feed and field: how many stored listings have a value that did not fit. A count that jumps overnight is a type
-- that the vendor changed. Of MlsUpdateDate, it counts the listings without a stamp that can be read.
CREATE VIEW misfit_counts AS  -- public
SELECT feed_id, field, count(*) AS listings
FROM misfits
GROUP BY feed_id, field;

-- One row per real change of a row of `listings`, in the order in which the mirror stored them. What changed nothing has no
-- row. The oldest may have been cut (history.keep of the configuration): see schema_meta.
CREATE TABLE changes (  -- public
    seq                             INTEGER PRIMARY KEY AUTOINCREMENT,
                                                    -- rises in the order of the commits, and is never used twice; the row's
                                                    -- change_seq is that of its last change
    entity                          TEXT NOT NULL,  -- what changed: listing
    feed_id                         TEXT NOT NULL,
    key                             TEXT NOT NULL,  -- its id inside the feed: listing_id
    kind                            TEXT NOT NULL CHECK (kind IN ('added', 'changed', 'deleted', 'restored')),
                                                    -- a listing of which the vendor told first that it is deleted begins
                                                    -- with 'deleted'
    cause                           TEXT NOT NULL,  -- 'vendor': the vendor said so; 'taken_back': the vendor has gone back to an
                                                    -- older version; 'absent': it was missing from a whole reading and the
                                                    -- vendor confirmed; 'feed_removed': a person removed the feed. More words
                                                    -- may come
    stamp                           TEXT,           -- date-time of what was said; null where it had none
    at                              TEXT NOT NULL,  -- when the mirror stored it
    bulk                            INTEGER NOT NULL DEFAULT 0,
                                                    -- boolean: one of 50 or more changes of one transaction that are of one
                                                    -- kind and concern the same columns, mls_update_date aside
    diff                            TEXT            -- JSON object: each column of the vendor and `extra` that differs, with
                                                    -- its value before and after: {"price": [450000, 440000]}. Columns that
                                                    -- hold JSON are given as their text. Null for the first change of a key:
                                                    -- it brought every value, and what it brought is the row of `listings`
                                                    -- without what later diffs changed. Null, too, where version 3 of the
                                                    -- schema came after the change. `mls-sync changes` fills both in
) STRICT;

CREATE INDEX changes_of_key ON changes (entity, feed_id, key);

-- The same under the names of RESO's EntityEvent, for programs that follow a RESO service.
CREATE VIEW entity_event AS  -- public
SELECT
    seq AS EntityEventSequence,
    CASE entity WHEN 'listing' THEN 'Property' END AS ResourceName,
    feed_id || ':' || key AS ResourceRecordKey,  -- an MLS number alone is unique only inside its feed
    at AS EntityEventTimestamp
FROM changes;

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
    loaded_at                       TEXT            -- when everything had been read once; null before
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
    raw                             TEXT NOT NULL,  -- as sent; its beginning alone where it is longer than 1 MiB
    raw_bytes                       INTEGER NOT NULL,  -- length as sent
    raw_hash                        BLOB NOT NULL,  -- of what was sent
    rejected_at                     TEXT NOT NULL,  -- when it was first seen
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
    run_id                          INTEGER,        -- the reconcile run that asks the vendor about it; null otherwise
    PRIMARY KEY (feed_id, listing_id)
) STRICT;
