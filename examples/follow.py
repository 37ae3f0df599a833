#!/usr/bin/env python3
"""Keeps a copy of the listings: python3 follow.py MLS_DB COPY_DB [--once]

It needs the standard library alone. The copy and the place up to which it was read are stored in one transaction, so it can be
killed at any moment. Deleted listings keep their row, with deleted_at.
"""
import sqlite3
import sys
import time


def follow(copy):
    """Takes over the next changed rows in one transaction; tells how many."""
    copy.execute("BEGIN IMMEDIATE")
    (epoch,) = copy.execute("SELECT epoch FROM mls.schema_meta").fetchone()
    seen, last = copy.execute("SELECT epoch, seq FROM position").fetchone()
    if seen != epoch:  # an older copy of the file was put back: nothing that was read before counts
        copy.execute("DELETE FROM listings")
        last = 0
    rows = "FROM mls.listings WHERE change_seq > ? ORDER BY change_seq LIMIT 500"
    count, newest = copy.execute(f"SELECT count(*), max(change_seq) FROM (SELECT change_seq {rows})", (last,)).fetchone()
    copy.execute(f"INSERT OR REPLACE INTO listings SELECT * {rows}", (last,))
    copy.execute("UPDATE position SET epoch = ?, seq = ?", (epoch, newest or last))
    copy.execute("COMMIT")
    return count


source, target, *words = sys.argv[1:]
copy = sqlite3.connect(target, isolation_level=None, uri=True, timeout=30)
copy.execute("ATTACH ? AS mls", (f"file:{source}?mode=ro",))
(contract,) = copy.execute("SELECT contract FROM mls.schema_meta").fetchone()
if contract.split(".")[0] != "3":
    sys.exit(f"this program knows version 3 of the contract, and the file has {contract}")
copy.executescript("""
    BEGIN;
    CREATE TABLE IF NOT EXISTS listings AS SELECT * FROM mls.listings WHERE 0;
    CREATE UNIQUE INDEX IF NOT EXISTS listings_key ON listings (feed_id, listing_id);
    CREATE TABLE IF NOT EXISTS position AS SELECT '' AS epoch, 0 AS seq;
    COMMIT;
""")
while follow(copy) or "--once" not in words:
    time.sleep(0.1)
