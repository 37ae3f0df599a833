-- Version 1 to 2. A sweep is called a scan; a feed has at most one open window per purpose, and at most one reconcile run
-- under way.

-- Of several runs under way the newest goes on.
UPDATE reconcile_runs
SET state = 'failed', note = 'it was broken off', ended_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
WHERE state IN ('sweeping', 'confirming')
    AND run_id < (SELECT max(later.run_id) FROM reconcile_runs AS later
        WHERE later.feed_id = reconcile_runs.feed_id AND later.state IN ('sweeping', 'confirming'));
DELETE FROM reconcile_seen WHERE run_id NOT IN (SELECT run_id FROM reconcile_runs WHERE state IN ('sweeping', 'confirming'));

-- Of several open windows the newest goes on, and none whose run is over.
UPDATE windows
SET state = 'cut', closed_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
WHERE state = 'open'
    AND (run_id IS NOT NULL AND run_id NOT IN (SELECT run_id FROM reconcile_runs WHERE state IN ('sweeping', 'confirming'))
        OR window_id < (SELECT max(later.window_id) FROM windows AS later
            WHERE later.feed_id = windows.feed_id AND later.purpose = windows.purpose AND later.state = 'open'));
DELETE FROM window_marks WHERE window_id NOT IN (SELECT window_id FROM windows WHERE state = 'open');

-- A CHECK cannot be changed, so the tables are made anew. sqlite_sequence goes with them: a number is never used twice.
ALTER TABLE reconcile_runs RENAME TO reconcile_runs_1;
CREATE TABLE reconcile_runs (
    run_id INTEGER PRIMARY KEY AUTOINCREMENT,
    feed_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('scanning', 'confirming', 'done', 'withheld', 'approved', 'failed')),
    dry_run INTEGER NOT NULL,
    from_date TEXT NOT NULL,
    to_date TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    read INTEGER NOT NULL DEFAULT 0,
    missing INTEGER NOT NULL DEFAULT 0,
    stale INTEGER NOT NULL DEFAULT 0,
    live_before INTEGER NOT NULL DEFAULT 0,
    absent INTEGER NOT NULL DEFAULT 0,
    deleted INTEGER NOT NULL DEFAULT 0,
    note TEXT
) STRICT;
INSERT INTO reconcile_runs (
    run_id, feed_id, state, dry_run, from_date, to_date, started_at, ended_at, read, missing, stale,
    live_before, absent, deleted, note
)
SELECT
    run_id, feed_id, iif(state = 'sweeping', 'scanning', state), dry_run, from_date, to_date, started_at,
    ended_at, read, missing, stale, live_before, absent, deleted, note
FROM reconcile_runs_1 ORDER BY 1;
DELETE FROM sqlite_sequence WHERE name = 'reconcile_runs';
UPDATE sqlite_sequence SET name = 'reconcile_runs' WHERE name = 'reconcile_runs_1';
DROP TABLE reconcile_runs_1;
CREATE UNIQUE INDEX reconcile_runs_under_way ON reconcile_runs (feed_id) WHERE state IN ('scanning', 'confirming');

DROP INDEX windows_of_feed;
ALTER TABLE windows RENAME TO windows_1;
CREATE TABLE windows (
    window_id INTEGER PRIMARY KEY AUTOINCREMENT,
    feed_id TEXT NOT NULL,
    status INTEGER NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('poll', 'lookback', 'fill', 'scan')),
    run_id INTEGER,
    state TEXT NOT NULL CHECK (state IN ('open', 'complete', 'suspect', 'cut')),
    from_date TEXT NOT NULL,
    to_date TEXT NOT NULL,
    claim_from TEXT NOT NULL,
    claim_to TEXT NOT NULL,
    next_page INTEGER NOT NULL,
    page_size INTEGER NOT NULL,
    total_first INTEGER NOT NULL,
    total_last INTEGER NOT NULL,
    keys_seen INTEGER NOT NULL,
    passes INTEGER NOT NULL,
    grew INTEGER NOT NULL,
    strict INTEGER NOT NULL,
    opened TEXT NOT NULL,
    opened_at TEXT NOT NULL,
    closed_at TEXT
) STRICT;
INSERT INTO windows (
    window_id, feed_id, status, purpose, run_id, state, from_date, to_date, claim_from, claim_to, next_page,
    page_size, total_first, total_last, keys_seen, passes, grew, strict, opened, opened_at, closed_at
)
SELECT
    window_id, feed_id, status, iif(purpose = 'sweep', 'scan', purpose), run_id, state, from_date, to_date,
    claim_from, claim_to, next_page, page_size,
    -- Version 1 saved a Total that does not fit 63 bits as a negative number.
    iif(total_first < 0, 9223372036854775807, total_first), iif(total_last < 0, 9223372036854775807, total_last),
    keys_seen, passes, grew, strict,
    opened, opened_at, closed_at
FROM windows_1 ORDER BY 1;
DELETE FROM sqlite_sequence WHERE name = 'windows';
UPDATE sqlite_sequence SET name = 'windows' WHERE name = 'windows_1';
DROP TABLE windows_1;
CREATE INDEX windows_of_feed ON windows (feed_id, state, closed_at);
CREATE UNIQUE INDEX windows_open ON windows (feed_id, purpose) WHERE state = 'open';

DROP INDEX late_listings_of_feed;
ALTER TABLE late_listings RENAME TO late_listings_1;
CREATE TABLE late_listings (
    late_id INTEGER PRIMARY KEY AUTOINCREMENT,
    feed_id TEXT NOT NULL,
    listing_id TEXT NOT NULL,
    stamp TEXT NOT NULL,
    late_s REAL NOT NULL,
    found_by TEXT NOT NULL CHECK (found_by IN ('poll', 'lookback', 'fill', 'scan')),
    found_at TEXT NOT NULL
) STRICT;
INSERT INTO late_listings (
    late_id, feed_id, listing_id, stamp, late_s, found_by, found_at
)
SELECT
    late_id, feed_id, listing_id, stamp, late_s, iif(found_by = 'sweep', 'scan', found_by), found_at
FROM late_listings_1 ORDER BY 1;
DELETE FROM sqlite_sequence WHERE name = 'late_listings';
UPDATE sqlite_sequence SET name = 'late_listings' WHERE name = 'late_listings_1';
DROP TABLE late_listings_1;
CREATE INDEX late_listings_of_feed ON late_listings (feed_id, late_s);

-- Other commands speak with the process over a socket.
DROP TABLE errands;
