-- Version 2 to 3. Known gaps are kept; a feed may have a window open for each stream; misfits are counted; what the vendor has taken back gives way.

CREATE TABLE known_gaps (
    feed_id TEXT NOT NULL,
    status INTEGER NOT NULL,
    from_date TEXT NOT NULL,
    to_date TEXT NOT NULL,
    reason TEXT NOT NULL,
    tried INTEGER NOT NULL,
    found_at TEXT NOT NULL,
    retry_at TEXT NOT NULL,
    PRIMARY KEY (feed_id, status, from_date)
) STRICT, WITHOUT ROWID;

DROP INDEX windows_open;
CREATE UNIQUE INDEX windows_open ON windows (feed_id, purpose, status) WHERE state = 'open';

-- Which system and account the file mirrors; the next run writes it down.
CREATE TABLE source (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    vendor TEXT NOT NULL,
    place TEXT NOT NULL,
    client TEXT NOT NULL,
    named_at TEXT NOT NULL,
    adopted_at TEXT,
    since TEXT NOT NULL
) STRICT;

-- Which values did not fit their columns. A number that was rounded is in `extra`, too, and is none of them.
CREATE TABLE misfits (
    feed_id TEXT NOT NULL,
    entity TEXT NOT NULL,
    key TEXT NOT NULL,
    field TEXT NOT NULL,
    PRIMARY KEY (feed_id, entity, key, field)
) STRICT, WITHOUT ROWID;
INSERT INTO misfits (feed_id, entity, key, field)
SELECT listings.feed_id, 'listing', listings.listing_id, member.key
FROM listings, json_each(listings.extra) AS member
WHERE lower(member.key) IN (SELECT replace(name, '_', '') FROM pragma_table_info('listings') WHERE cid < 317)
    AND NOT (member.type = 'text' AND length(member.value) > 17 AND member.value GLOB '[-0-9]*')
UNION
SELECT feed_id, 'listing', listing_id, 'MlsUpdateDate' FROM listings WHERE stamp IS NULL;

-- What a first load costs is counted. What an earlier version has loaded is not known.
ALTER TABLE feeds ADD COLUMN load_requests INTEGER NOT NULL DEFAULT 0;
ALTER TABLE feeds ADD COLUMN page_size INTEGER;
ALTER TABLE feeds ADD COLUMN loaded_at TEXT;
ALTER TABLE feeds ADD COLUMN omitted TEXT NOT NULL DEFAULT '';
UPDATE feeds SET loaded_at = added_at WHERE feed_id IN (SELECT feed_id FROM covered);

-- What the vendor says that is older than the row.
ALTER TABLE reconcile_runs ADD COLUMN taken_back INTEGER NOT NULL DEFAULT 0;
CREATE TEMP TABLE seen_before AS SELECT run_id, listing_id FROM reconcile_seen;
DROP TABLE reconcile_seen;
CREATE TABLE reconcile_seen (
    run_id INTEGER NOT NULL,
    listing_id TEXT NOT NULL,
    live INTEGER NOT NULL,
    present INTEGER NOT NULL,
    PRIMARY KEY (run_id, listing_id)
) STRICT, WITHOUT ROWID;
INSERT INTO reconcile_seen (run_id, listing_id, live, present) SELECT run_id, listing_id, 1, 1 FROM seen_before;
DROP TABLE seen_before;
CREATE TABLE contested (
    feed_id TEXT NOT NULL,
    listing_id TEXT NOT NULL,
    deleted INTEGER NOT NULL,
    stamp TEXT,
    raw_hash BLOB NOT NULL,
    raw TEXT,
    first_seen_at TEXT NOT NULL,
    vendor_seen_at TEXT,
    run_id INTEGER,
    PRIMARY KEY (feed_id, listing_id)
) STRICT;

-- How fresh changes are.
CREATE TABLE freshness_counts (
    feed_id TEXT NOT NULL,
    began_at TEXT NOT NULL,
    within_s REAL NOT NULL,
    changes INTEGER NOT NULL,
    PRIMARY KEY (feed_id, began_at, within_s)
) STRICT, WITHOUT ROWID;

-- What each change changed. Of those that are there it is not known; a deletion changes no value.
CREATE TEMP TABLE changes_before AS SELECT * FROM changes;
DROP TABLE changes;
CREATE TABLE changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    entity TEXT NOT NULL,
    feed_id TEXT NOT NULL,
    key TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('added', 'changed', 'deleted', 'restored', 'purged')),
    cause TEXT NOT NULL,
    stamp TEXT,
    at TEXT NOT NULL,
    bulk INTEGER NOT NULL DEFAULT 0,
    diff TEXT,
    not_before TEXT
) STRICT;
INSERT INTO changes (seq, entity, feed_id, key, kind, cause, at, diff)
SELECT
    before.change_seq, 'listing', before.feed_id, before.listing_id,
    CASE kind WHEN 'insert' THEN 'added' WHEN 'update' THEN 'changed' WHEN 'tombstone' THEN 'deleted' ELSE 'restored' END,
    iif(kind = 'tombstone', coalesce(listings.deleted_cause, 'vendor'), 'vendor'),
    before.changed_at,
    iif(
        kind = 'tombstone' AND lag(kind) OVER (PARTITION BY before.feed_id, before.listing_id ORDER BY before.change_seq) IS NOT NULL,
        '{}', NULL
    )
FROM changes_before AS before LEFT JOIN listings USING (change_seq)
ORDER BY before.change_seq;
DROP TABLE changes_before;
CREATE INDEX changes_of_key ON changes (entity, feed_id, key);
CREATE INDEX changes_price_falls ON changes (entity, at) WHERE diff ->> '$.price[1]' < diff ->> '$.price[0]';

-- What the file is.
CREATE TABLE schema_meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    contract TEXT NOT NULL,
    file_id TEXT NOT NULL,
    epoch TEXT NOT NULL,
    epoch_at TEXT NOT NULL,
    cut_seq INTEGER NOT NULL,
    inode TEXT
) STRICT;
INSERT INTO schema_meta VALUES (
    1, '3.0.0', lower(hex(randomblob(16))), lower(hex(randomblob(8))), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), 0, NULL);

-- What the rows come to; the program fills it in the same transaction.
CREATE TABLE checksums (
    feed_id TEXT NOT NULL,
    entity TEXT NOT NULL,
    seq INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    hash TEXT GENERATED ALWAYS AS (printf('%08x%08x%08x%08x', a, b, c, d)) VIRTUAL,
    a INTEGER NOT NULL,
    b INTEGER NOT NULL,
    c INTEGER NOT NULL,
    d INTEGER NOT NULL,
    PRIMARY KEY (feed_id, entity)
) STRICT, WITHOUT ROWID;

-- What RESO calls the vendor's values; the next run fills it.
CREATE TABLE reso_lookup (
    lookup TEXT NOT NULL CHECK (lookup IN ('StandardStatus', 'PropertyType')),
    vendor_value TEXT NOT NULL,
    reso_value TEXT NOT NULL,
    PRIMARY KEY (lookup, vendor_value)
) STRICT, WITHOUT ROWID;

-- What the licence does not let be kept.
ALTER TABLE listings ADD COLUMN purged_at TEXT;
DROP INDEX listings_deleted;
CREATE INDEX listings_deleted ON listings (feed_id, deleted_at, purged_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX listings_sold ON listings (feed_id, coalesce(sale_date, last_listing_status_change_date, mls_update_date))
WHERE lower(listing_status_search) IN ('sold', 'closed') AND purged_at IS NULL;

-- What a listing site asks for.
CREATE INDEX listings_city ON listings (city, listing_status_search, price, beds, property_type_search, deleted_at, purged_at) WHERE deleted_at IS NULL;
CREATE INDEX listings_zip ON listings (zip, listing_status_search, price) WHERE deleted_at IS NULL;
CREATE INDEX listings_type ON listings (feed_id, listing_status_search, property_type_search, price, beds, deleted_at, purged_at) WHERE deleted_at IS NULL;
CREATE INDEX listings_updated ON listings (feed_id, mls_update_date) WHERE deleted_at IS NULL;
CREATE INDEX listings_agent ON listings (feed_id, listing_agent_id, deleted_at) WHERE deleted_at IS NULL;
CREATE INDEX listings_office ON listings (feed_id, listing_office_id, deleted_at) WHERE deleted_at IS NULL;
CREATE INDEX listings_changed ON listings (feed_id, changed_at, change_seq, deleted_at);
CREATE INDEX listings_open_houses ON listings (CASE WHEN json_array_length(open_houses) > 4 THEN '9999' ELSE max(
    coalesce(open_houses ->> '$[0].EndDate', open_houses ->> '$[0].StartDate', ''),
    coalesce(open_houses ->> '$[1].EndDate', open_houses ->> '$[1].StartDate', ''),
    coalesce(open_houses ->> '$[2].EndDate', open_houses ->> '$[2].StartDate', ''),
    coalesce(open_houses ->> '$[3].EndDate', open_houses ->> '$[3].StartDate', '')) END, city) WHERE deleted_at IS NULL AND open_houses LIKE '[{%';

-- Numbers for the tables of searches, which the next run makes.
CREATE TABLE listing_ids (
    id INTEGER PRIMARY KEY,
    feed_id TEXT NOT NULL,
    listing_id TEXT NOT NULL,
    UNIQUE (feed_id, listing_id)
) STRICT;
INSERT INTO listing_ids (feed_id, listing_id) SELECT feed_id, listing_id FROM listings ORDER BY rowid;
CREATE TRIGGER listing_ids_delete BEFORE DELETE ON listings BEGIN
    DELETE FROM listing_ids WHERE feed_id = old.feed_id AND listing_id = old.listing_id;
END;

-- Agents, offices and open houses; rejects of them.
ALTER TABLE rejects ADD COLUMN entity TEXT NOT NULL DEFAULT 'listing';
CREATE TABLE agents (
    feed_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    first_name TEXT,
    last_name TEXT,
    member_type TEXT,
    association TEXT,
    designation TEXT,
    license_number TEXT,
    nsdr_id TEXT,
    cell_phone TEXT,
    home_phone TEXT,
    office_phone TEXT,
    fax TEXT,
    email TEXT,
    url TEXT,
    status TEXT,
    specialty TEXT,
    language TEXT,
    photo_url TEXT,
    extra TEXT,
    first_seen_at TEXT NOT NULL,
    changed_at TEXT NOT NULL,
    deleted_at TEXT,
    deleted_cause TEXT CHECK (deleted_cause IN ('absent', 'feed_removed')),
    change_seq INTEGER NOT NULL UNIQUE,
    stamp TEXT,
    raw_hash BLOB NOT NULL,
    content_hash BLOB NOT NULL,
    purged_at TEXT,
    PRIMARY KEY (feed_id, agent_id)
) STRICT;
CREATE TABLE offices (
    feed_id TEXT NOT NULL,
    office_id TEXT NOT NULL,
    name TEXT,
    type TEXT,
    address TEXT,
    city TEXT,
    state TEXT,
    zip TEXT,
    phone TEXT,
    fax TEXT,
    license_number TEXT,
    nrds TEXT,
    office_type TEXT,
    broker_id TEXT,
    status TEXT,
    association TEXT,
    email TEXT,
    url TEXT,
    extra TEXT,
    first_seen_at TEXT NOT NULL,
    changed_at TEXT NOT NULL,
    deleted_at TEXT,
    deleted_cause TEXT CHECK (deleted_cause IN ('absent', 'feed_removed')),
    change_seq INTEGER NOT NULL UNIQUE,
    stamp TEXT,
    raw_hash BLOB NOT NULL,
    content_hash BLOB NOT NULL,
    purged_at TEXT,
    PRIMARY KEY (feed_id, office_id)
) STRICT;
CREATE TABLE open_houses (
    feed_id TEXT NOT NULL,
    open_house_id TEXT NOT NULL,
    listing_id TEXT,
    is_public INTEGER,
    allow_idx INTEGER,
    is_active INTEGER,
    start_date TEXT,
    end_date TEXT,
    remarks TEXT,
    extra TEXT,
    first_seen_at TEXT NOT NULL,
    changed_at TEXT NOT NULL,
    deleted_at TEXT,
    deleted_cause TEXT CHECK (deleted_cause IN ('absent', 'feed_removed')),
    change_seq INTEGER NOT NULL UNIQUE,
    stamp TEXT,
    raw_hash BLOB NOT NULL,
    content_hash BLOB NOT NULL,
    purged_at TEXT,
    PRIMARY KEY (feed_id, open_house_id)
) STRICT;
CREATE INDEX agents_deleted ON agents (feed_id, deleted_at, purged_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX offices_deleted ON offices (feed_id, deleted_at, purged_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX open_houses_deleted ON open_houses (feed_id, deleted_at, purged_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX open_houses_listing ON open_houses (feed_id, listing_id);
CREATE TABLE identities (
    account TEXT NOT NULL,
    identity_id INTEGER NOT NULL,
    mls_id TEXT,
    first_name TEXT,
    last_name TEXT,
    company TEXT,
    email TEXT,
    phone TEXT,
    website TEXT,
    comments TEXT,
    deleted INTEGER,
    created_timestamp TEXT,
    user_id TEXT,
    user_name TEXT,
    user_type TEXT,
    user_office_id TEXT,
    user_office TEXT,
    user_mls_id TEXT,
    user TEXT,
    additional_contacts TEXT,
    extra TEXT,
    first_seen_at TEXT NOT NULL,
    changed_at TEXT NOT NULL,
    deleted_at TEXT,
    deleted_cause TEXT CHECK (deleted_cause IN ('vendor', 'absent')),
    change_seq INTEGER NOT NULL UNIQUE,
    stamp TEXT,
    raw_hash BLOB NOT NULL,
    content_hash BLOB NOT NULL,
    purged_at TEXT,
    last_active TEXT,
    modification_timestamp TEXT,
    editable INTEGER,
    resource_uri TEXT,
    PRIMARY KEY (account, identity_id)
) STRICT;
CREATE TABLE listing_processes (
    account TEXT NOT NULL,
    process_id INTEGER NOT NULL,
    locator TEXT,
    account_id TEXT,
    property_id TEXT,
    agent_id TEXT,
    state TEXT,
    extra TEXT,
    first_seen_at TEXT NOT NULL,
    changed_at TEXT NOT NULL,
    deleted_at TEXT,
    deleted_cause TEXT CHECK (deleted_cause IN ('absent')),
    change_seq INTEGER NOT NULL UNIQUE,
    stamp TEXT,
    raw_hash BLOB NOT NULL,
    content_hash BLOB NOT NULL,
    purged_at TEXT,
    PRIMARY KEY (account, process_id)
) STRICT;
CREATE INDEX identities_deleted ON identities (account, deleted_at, purged_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX listing_processes_deleted ON listing_processes (account, deleted_at, purged_at) WHERE deleted_at IS NOT NULL;
CREATE TABLE process_states (
    account TEXT NOT NULL,
    counted TEXT NOT NULL CHECK (counted IN ('state', 'all', 'unassigned')),
    state TEXT NOT NULL,
    is_listed INTEGER NOT NULL,
    is_documented INTEGER NOT NULL,
    total INTEGER,
    checked_at TEXT NOT NULL,
    PRIMARY KEY (account, counted, state)
) STRICT, WITHOUT ROWID;
CREATE TABLE censuses (
    feed_id TEXT NOT NULL,
    entity TEXT NOT NULL,
    proven_at TEXT,
    proven_rows INTEGER,
    read_at TEXT,
    absent INTEGER NOT NULL DEFAULT 0,
    due_at TEXT,
    problem TEXT,
    credential TEXT,
    complete_at TEXT,
    PRIMARY KEY (feed_id, entity)
) STRICT, WITHOUT ROWID;
CREATE TABLE intents (
    intent_id INTEGER PRIMARY KEY AUTOINCREMENT,
    vendor TEXT NOT NULL,
    account TEXT NOT NULL,
    entity TEXT NOT NULL,
    verb TEXT NOT NULL,
    target TEXT,
    state TEXT NOT NULL CHECK (state IN ('sent', 'unknown', 'done', 'refused', 'not_done', 'forgotten')),
    sent_at TEXT NOT NULL,
    changed_at TEXT NOT NULL,
    note TEXT,
    change_seq INTEGER,
    body_hash TEXT NOT NULL,
    fields TEXT,
    before TEXT
) STRICT;
CREATE INDEX intents_open ON intents (account, entity) WHERE state IN ('sent', 'unknown');
CREATE TABLE census_absent (
    entity TEXT NOT NULL,
    feed_id TEXT NOT NULL,
    key TEXT NOT NULL,
    since TEXT NOT NULL,
    not_before TEXT,
    PRIMARY KEY (entity, feed_id, key)
) STRICT, WITHOUT ROWID;
