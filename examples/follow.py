#!/usr/bin/env python3
"""Keeps a copy of the listings: python3 follow.py MLS_DB COPY_DB [--once]

It needs the standard library alone. The copy and the place up to which it was read are stored in one transaction, so it can be
killed at any moment. Deleted listings keep their row, with deleted_at. It ends where MLS_DB is put back from a backup: start it
again, as systemd does with Restart=always.
"""
import os
import pathlib
import sqlite3
import sys
import time


def follow(copy, columns):
    """Takes over the next changed rows in one transaction; tells how many."""
    copy.execute("BEGIN IMMEDIATE")
    (epoch,) = copy.execute("SELECT epoch FROM mls.schema_meta").fetchone()
    seen, last = copy.execute("SELECT epoch, seq FROM position").fetchone()
    if seen != epoch:  # an older copy of the file was put back: nothing that was read before counts
        copy.execute("DELETE FROM listings")
        last = 0
    rows = f"SELECT {columns} FROM mls.listings WHERE change_seq > ? ORDER BY change_seq LIMIT 500"
    count, newest = copy.execute(f"SELECT count(*), max(change_seq) FROM ({rows})", (last,)).fetchone()
    copy.execute(f"INSERT OR REPLACE INTO listings ({columns}) {rows}", (last,))
    copy.execute("UPDATE position SET epoch = ?, seq = ?", (epoch, newest or last))
    copy.execute("COMMIT")
    return count


if len(sys.argv) < 3 or not os.path.exists(sys.argv[1]):
    sys.exit(__doc__)
source, target, *words = sys.argv[1:]
inode = os.stat(source).st_ino
copy = sqlite3.connect(target, isolation_level=None, timeout=30)
copy.execute("ATTACH ? AS mls", (pathlib.Path(source).absolute().as_uri() + "?mode=ro",))
(contract,) = copy.execute("SELECT contract FROM mls.schema_meta").fetchone()
if contract.split(".")[0] != "3":
    sys.exit(f"this program knows version 3 of the contract, and the file has {contract}")
there = [name for (name,) in copy.execute("SELECT name FROM pragma_table_info('listings', 'mls')")]
here = [name for (name,) in copy.execute("SELECT name FROM pragma_table_info('listings', 'main')")]
if here != there:  # the copy is new, or a newer mirror has more columns
    copy.executescript("""
        BEGIN;
        DROP TABLE IF EXISTS main.listings;
        DROP TABLE IF EXISTS position;
        CREATE TABLE listings AS SELECT * FROM mls.listings WHERE 0;
        CREATE UNIQUE INDEX listings_key ON listings (feed_id, listing_id);
        CREATE TABLE position AS SELECT '' AS epoch, 0 AS seq;
        COMMIT;
    """)
while follow(copy, ", ".join(there)) or "--once" not in words:
    time.sleep(0.1)
    if not os.path.exists(source) or os.stat(source).st_ino != inode:
        sys.exit(f"{source} is another file now")
