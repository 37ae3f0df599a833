"""What the indexes of `listings` and the tables for searches cost: stores the rows of a mirrored file anew, with and without them.

    python3 benches/indexes.py mls.db [rows]

It prints CPU time per row, because the time that passes is mostly that of the disk.
"""

import pathlib
import random
import sqlite3
import sys
import tempfile
import time

SCHEMA = (pathlib.Path(__file__).parent.parent / "schema.sql").read_text()
PAGE = 200  # rows of one transaction, as of one page
SEARCHES = ["listing_text", "listing_location"]
KEYS = "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'listings' AND sql IS NOT NULL AND name NOT IN ('listings_changed', 'listings_deleted', 'listings_sold')"


def create(path, kept):
    """An empty file of the contract, with no index for searches and no table for them but those that are kept."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA page_size = 16384")
    db.executescript(SCHEMA)
    for (name,) in db.execute(KEYS).fetchall():
        if name not in kept:
            db.execute(f"DROP INDEX {name}")
    searches = [table for table in SEARCHES if table in kept]
    for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        if not any(name.startswith(kept) for kept in searches):
            db.execute(f"DROP TRIGGER {name}")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA temp_store = MEMORY")
    return db


def store(db, sql, rows, numbered):
    """Microseconds of CPU per row. New rows are numbered where there are searches, as the program does."""
    begun = time.process_time()
    for page in range(0, len(rows), PAGE):
        db.execute("BEGIN IMMEDIATE")
        for row in rows[page : page + PAGE]:
            db.execute(sql, row)
            if numbered:
                db.execute("INSERT INTO listing_ids (feed_id, listing_id) VALUES (?, ?)", row[:2])
        db.execute("COMMIT")
    return (time.process_time() - begun) * 1e6 / len(rows)


def measure(columns, rows, kept):
    """New rows, the same rows changed in another order, and bytes per row."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "mls.db"
        db = create(path, kept)
        new = store(db, f"INSERT INTO listings ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})", rows, not set(SEARCHES).isdisjoint(kept))
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = path.stat().st_size / len(rows)
        changed = [list(row) for row in rows]
        random.Random(1).shuffle(changed)
        for number, row in enumerate(changed):
            row[columns.index("change_seq")] = 10**9 + number
            row[columns.index("price")] = (row[columns.index("price")] or 0) + 1000
        sets = ", ".join(f"{column} = ?{place}" for place, column in enumerate(columns, 1) if place > 2)
        return new, store(db, f"UPDATE listings SET {sets} WHERE feed_id = ?1 AND listing_id = ?2", changed, False), size


def main():
    source = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    read = source.execute("SELECT * FROM listings ORDER BY change_seq LIMIT ?", [count])
    columns, rows = [column[0] for column in read.description], read.fetchall()
    memory = sqlite3.connect(":memory:")
    memory.executescript(SCHEMA)
    every = [name for (name,) in memory.execute(KEYS)]
    cases = {"none": [], "indexes": every, "indexes, searches": every + SEARCHES} | {name: [name] for name in every + SEARCHES}
    best = {}
    for _ in range(3):
        for case, kept in cases.items():
            best[case] = [min(pair) for pair in zip(best.get(case, [9e9] * 3), measure(columns, rows, kept))]
    for case, (new, changed, size) in best.items():
        ratios = f"{new / best['none'][0]:.2f} and {changed / best['none'][1]:.2f} of none"
        print(f"{case:22} new {new:5.0f} us, changed {changed:5.0f} us: {ratios}, {size:.0f} bytes a row")


main()
