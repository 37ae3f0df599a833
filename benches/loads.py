"""What the indexes and the tables for searches cost a first load: loads the same listings with and without them, in turns.

    cargo build --release --bins --example throughput
    python3 benches/loads.py [listings] [rounds]

It prints the CPU time of each kind of load, divided by that of the load without any of them.
"""

import json
import os
import pathlib
import sqlite3
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parent.parent
RELEASE = ROOT / "target" / "release"
INDEXES = "type = 'index' AND tbl_name = 'listings' AND sql IS NOT NULL AND name NOT IN ('listings_deleted', 'listings_sold')"
# What is dropped of an empty file before the load, and what the configuration says.
CASES = {
    "nothing": (f"{INDEXES} OR type = 'trigger'", "text = false\nlocation = false"),
    "indexes": ("type = 'trigger'", "text = false\nlocation = false"),
    "indexes, location": ("0", "text = false\nlocation = true"),
    "indexes, text": ("0", "text = true\nlocation = false"),
    "everything": ("0", "text = true\nlocation = true"),
}


def load(directory, vendor, dropped, search):
    """CPU seconds, and bytes of the file."""
    path = pathlib.Path(directory) / "mls.db"
    db = sqlite3.connect(path)
    db.executescript("PRAGMA page_size = 16384;" + (ROOT / "schema.sql").read_text())
    db.executescript("PRAGMA application_id = 0x4d4c5353; PRAGMA user_version = 3;")
    for kind, name in db.execute(f"SELECT type, name FROM sqlite_schema WHERE {dropped}").fetchall():
        db.execute(f"DROP {kind} {name}")
    if dropped != "0":  # Tables without their triggers: the program drops what is there.
        db.executescript("DROP TABLE listing_text; DROP TABLE listing_location;")
    db.close()
    config = path.with_suffix(".toml")
    with open(config, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(f"""
            database = {json.dumps(str(path))}
            constellation1 = {{ base_url = "{vendor}", client = "demo", feeds = ["GAMLS"] }}
            rate = {{ requests_per_second = 1000.0 }}
            poll = {{ settle = "0s" }}
            [search]
            {search}
        """)
    environment = {**os.environ, "MLS_SYNC_SYSTEM_ACCESS_KEY": "demo-key"}
    command = [RELEASE / "mls-sync", "--config", config, "run", "--backfill"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"a load ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, path.stat().st_size


def main():
    listings, rounds = (int(word) for word in (sys.argv[1:] + ["20000", "5"][len(sys.argv) - 1 :]))
    serve = [RELEASE / "examples" / "throughput", "--listings", str(listings), "--serve"]
    with subprocess.Popen(serve, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        vendor = f"{server.stdout.readline().strip()}/{listings}"
        found = {case: [] for case in CASES}
        for _ in range(rounds):
            for case, (dropped, search) in CASES.items():
                with tempfile.TemporaryDirectory() as directory:
                    found[case].append(load(directory, vendor, dropped, search))
        server.stdin.close()
    least = statistics.median(time for time, _ in found["nothing"])
    for case, loads in found.items():
        time, size = statistics.median(time for time, _ in loads), loads[0][1]
        print(f"{case:18} {time * 1e6 / listings:5.0f} us of CPU time a listing, {time / least:.2f} of nothing, {size / listings:.0f} bytes")


main()
