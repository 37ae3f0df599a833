"""How long the queries of docs/consumers.md take in a file of 500,000 listings.

    cargo build --release --bins
    python3 benches/queries.py [listings] [file]

The program mirrors 2,000 listings of the sandbox. Their rows are then stored again and again through the triggers of the schema, each
time with other words, places, prices and people, until the file has its size: 2.6 GB for 500,000. The largest city has 4 of 100
listings. The file is removed afterwards, unless its name is given; a file that is there is used as it is.

Each query runs 20 times after 2 that do not count, on a connection with a cache of 64 MB. CPU time tells what it takes; the time that passes is longer where other programs
use the machine.
"""

import itertools
import json
import math
import os
import pathlib
import random
import re
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parent.parent
PROGRAM = ROOT / "target" / "release" / "mls-sync"
PAGE, RUNS = 200, 20
AGENTS, OFFICES = 20_000, 2_000
SYLLABLES = [first + second for first in "bdfghklmnprstvw" for second in ("a", "e", "i", "o", "u", "ar", "el", "in", "on", "ush")]


def mirror(directory, path):
    """The file of a small mirror."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    config = f"{directory}/config.toml"
    with open(config, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(f"""
            database = {json.dumps(path)}
            constellation1 = {{ base_url = "http://{address}", client = "demo", feeds = ["GAMLS"] }}
            rate = {{ requests_per_second = 1000.0 }}
            agents = {{ every = "1h" }}
            offices = {{ every = "1h" }}
        """)
    serve = [PROGRAM, "sandbox", "--listen", address, "--key", "demo-key", "--feeds", "GAMLS", "--listings", "2000"]
    environment = {**os.environ, "MLS_SYNC_SYSTEM_ACCESS_KEY": "demo-key"}
    with subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sandbox:
        try:
            while True:
                time.sleep(0.2)
                with socket.socket() as probe:
                    if probe.connect_ex(tuple(address.split(":")[:1]) + (int(address.split(":")[1]),)) == 0:
                        break
            subprocess.run([PROGRAM, "--config", config, "run", "--backfill"], env=environment, check=True, capture_output=True)
        finally:
            sandbox.terminate()


def word(number):
    """A word that is as long as it is rare."""
    digits = []
    while number or len(digits) < 2:
        number, digit = divmod(number, len(SYLLABLES))
        digits.append(SYLLABLES[digit])
    return "".join(digits)


class Invented:
    """What makes the copies of a row differ."""

    def __init__(self):
        self.random = random.Random(1)
        # The n-th word and the n-th city come about 1/n as often as the first.
        self.words = [word(number) for number in range(20_000)]
        self.word_weights = list(itertools.accumulate(1 / (number + 20) for number in range(20_000)))
        self.cities = [word(number).capitalize() for number in range(300)]
        self.city_weights = list(itertools.accumulate(1 / (number + 6) for number in range(300)))
        self.centres = [(self.random.uniform(31, 35), self.random.uniform(-85, -81)) for _ in self.cities]

    def listing(self, number):
        pick = self.random
        (city,) = pick.choices(range(300), cum_weights=self.city_weights)
        street = f"{pick.randrange(1, 9999)} {pick.choice(self.words[:5000]).capitalize()} St"
        latitude, longitude = (round(centre + pick.gauss(0, 0.05), 6) for centre in self.centres[city])
        days = pick.randrange(1800)
        return {
            "listing_id": f"{number:07d}",
            "address": street,
            "city": self.cities[city],
            "zip": f"{30000 + city * 10 + pick.randrange(10)}",
            "latitude": latitude,
            "longitude": longitude,
            "price": pick.randrange(80, 1500) * 1000,
            "remarks": " ".join(pick.choices(self.words, cum_weights=self.word_weights, k=80)),
            "listing_agent_id": str(pick.randrange(AGENTS)),
            "listing_office_id": str(pick.randrange(OFFICES)),
            "mls_update_date": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - days * 86400 - pick.randrange(86400))),
            "first_seen_at": "2026-01-01T00:00:00.000Z",
        }


def multiply(path, listings):
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript("PRAGMA synchronous = OFF; PRAGMA cache_size = -500000; PRAGMA temp_store = MEMORY")
    read = db.execute("SELECT * FROM listings WHERE deleted_at IS NULL")
    columns, rows = [column[0] for column in read.description], read.fetchall()
    insert = f"INSERT INTO listings ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    change = """INSERT INTO changes (seq, entity, feed_id, key, kind, cause, stamp, at, diff)
        VALUES (?, 'listing', 'GAMLS', ?, ?, 'vendor', ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ? || ' days'), ?)"""
    place = {column: index for index, column in enumerate(columns)}
    invented, sequence = Invented(), db.execute("SELECT max(seq) FROM changes").fetchone()[0]
    for number in range(len(rows), listings):
        if number % PAGE == 0:
            if db.in_transaction:
                db.execute("COMMIT")
            db.execute("BEGIN IMMEDIATE")
        row, sequence = list(rows[number % len(rows)]), sequence + 1
        new = invented.listing(number)
        for column, value in new.items():
            row[place[column]] = value
        # 3 of 100 have an open house to come.
        if number // len(rows) % 2:
            row[place["open_houses"]] = None
        db.execute(change, [sequence, new["listing_id"], "added", new["mls_update_date"], -400, None])
        # One of 50 was reduced this week.
        if number % 50 == 0:
            sequence += 1
            diff = json.dumps({"price": [new["price"] + 10_000, new["price"]]})
            db.execute(change, [sequence, new["listing_id"], "changed", new["mls_update_date"], -(number % 7), diff])
        row[place["change_seq"]] = sequence
        db.execute(insert, row)
        db.execute("INSERT INTO listing_ids (feed_id, listing_id) VALUES (?, ?)", row[:2])
    for table, key, members in (("agents", "agent_id", AGENTS), ("offices", "office_id", OFFICES)):
        read = db.execute(f"SELECT * FROM {table}")
        columns, row = [column[0] for column in read.description], list(read.fetchall()[0])
        for number in range(members):
            sequence += 1
            row[columns.index(key)], row[columns.index("change_seq")] = str(number), sequence
            db.execute(f"INSERT OR IGNORE INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def queries():
    """The queries that name what they use, with the sentence before them."""
    text = (ROOT / "docs" / "consumers.md").read_text()
    for before, block in re.findall(r"([^\n]*)\n\n```sql\n(.*?)\n```", text, re.S):
        for index, query in re.findall(r"-- by (\w+)\n(.*?;)", block, re.S):
            yield index, " ".join(query.split()), before


def values(db):
    """Something to ask for: the largest city, an agent, an area in the middle of that city."""
    listing = db.execute("""SELECT feed_id, listing_id, city, zip, listing_agent_id, listing_office_id, property_type_search FROM live_listings
        WHERE city = (SELECT city FROM live_listings GROUP BY city ORDER BY count(*) DESC LIMIT 1)
            AND listing_id IN (SELECT listing_id FROM price_reductions LIMIT 2000) LIMIT 1""").fetchone()
    named = dict(zip(["feed", "listing", "city", "zip", "agent", "office", "type"], listing))
    lat, lon = db.execute("SELECT avg(latitude), avg(longitude) FROM live_listings WHERE city = ?", [named["city"]]).fetchone()
    south, north, west, east = lat - 0.02, lat + 0.02, lon - 0.02, lon + 0.02
    corners = [[lon + 0.02 * math.cos(turn / 6 * math.pi), lat + 0.02 * math.sin(turn / 6 * math.pi)] for turn in range(12)]
    words = [word(number) for number in (0, 150, 400)]
    day = 86400
    return named | {
        "low": 200_000, "high": 600_000, "shown": 100, "since": time.strftime("%Y-%m-%d", time.gmtime(time.time() - 7 * day)),
        "saturday": time.strftime("%Y-%m-%d", time.gmtime()), "monday": time.strftime("%Y-%m-%d", time.gmtime(time.time() + 3 * day)),
        "day": time.strftime("%Y-%m-%d", time.gmtime(time.time() - 365 * day)), "south": south, "north": north, "west": west, "east": east, "lat": lat, "lon": lon, "km": 2.0, "polygon": json.dumps(corners),
        "words": f'"{words[1]}" "{words[2]}"', "common": f'"{words[0]}"',
    }  # fmt: skip


def distance(lat1, lon1, lat2, lon2):
    """Along a great circle, by another formula than that of the query."""
    one, two = ((math.radians(lat), math.radians(lon)) for lat, lon in ((lat1, lon1), (lat2, lon2)))
    cosine = math.sin(one[0]) * math.sin(two[0]) + math.cos(one[0]) * math.cos(two[0]) * math.cos(one[1] - two[1])
    return 6371 * math.acos(min(1, cosine))


def check(db, asked):
    """What lies in the circle and in the polygon, by reading every listing."""
    everyone = """SELECT listing_id, latitude, longitude FROM public_listings
        WHERE latitude BETWEEN :south - 1 AND :north + 1 AND listing_status_search = 'Active'"""
    rows = db.execute(everyone, asked).fetchall()
    near = {key for key, lat, lon in rows if distance(asked["lat"], asked["lon"], lat, lon) <= asked["km"]}
    corners = json.loads(asked["polygon"])
    edges = list(zip(corners, corners[1:] + corners[:1]))
    turns = lambda edge, x, y: (edge[1][0] - edge[0][0]) * (y - edge[0][1]) - (edge[1][1] - edge[0][1]) * (x - edge[0][0])
    inside = {key for key, lat, lon in rows if all(turns(edge, lon, lat) > 0 for edge in edges)}  # It is convex.
    for mark, wanted in (("distance", near), (":polygon", inside)):
        (query,) = [query for _, query, _ in queries() if mark in query]
        found = {row[1] for row in db.execute(re.sub(r"LIMIT \d+", "", query), asked)}
        if found != wanted or not wanted:
            sys.exit(f"the query with {mark} finds {len(found)} listings in place of {len(wanted)}")


def main():
    listings = int(sys.argv[1]) if len(sys.argv) > 1 else 500_000
    with tempfile.TemporaryDirectory() as directory:
        path = sys.argv[2] if len(sys.argv) > 2 else f"{directory}/mls.db"
        if not os.path.exists(path):
            begun = time.process_time()
            mirror(directory, path)
            multiply(path, listings)
            print(f"a file of {os.path.getsize(path) / 1e9:.1f} GB in {time.process_time() - begun:.0f} CPU s", flush=True)
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        db.execute("PRAGMA cache_size = -65536")
        asked = values(db)
        check(db, asked)
        for index, query, before in queries():
            times = []
            for _ in range(RUNS + 2):
                begun = time.perf_counter(), time.process_time()
                rows = len(db.execute(query, asked).fetchall())
                times.append((time.process_time() - begun[1], time.perf_counter() - begun[0]))
            cpu, passed = (sorted(1000 * time[kind] for time in times[2:]) for kind in (0, 1))
            told = f"{statistics.median(cpu):6.2f} ms, p99 {cpu[-1]:6.2f} ms of CPU time; {statistics.median(passed):6.2f} ms passed"
            print(f"{told}; {rows:4} rows; {index:28} {before[:60]}", flush=True)


main()
