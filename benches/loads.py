"""What the tables for searches cost a first load: loads the same listings with and without them, in turns. `run --backfill` makes them,
and most indexes, at the end; `run --once` keeps them up to date row by row.

    cargo build --release --bins --example throughput
    python3 benches/loads.py [listings] [rounds]

It prints the CPU time of each kind of load, divided by that of `run --backfill` without these tables.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parent.parent
RELEASE = ROOT / "target" / "release"
SEARCHES = {"neither": (False, False), "location": (False, True), "text": (True, False), "both": (True, True)}


def load(directory, vendor, command, text, location):
    """CPU seconds, and bytes of the file."""
    path = pathlib.Path(directory) / "mls.db"
    config = path.with_suffix(".toml")
    with open(config, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(f"""
            database = {json.dumps(str(path))}
            constellation1 = {{ base_url = "{vendor}", client = "demo", feeds = ["GAMLS"] }}
            rate = {{ requests_per_second = 1000.0 }}
            poll = {{ settle = "0s" }}
            search = {{ text = {str(text).lower()}, location = {str(location).lower()} }}
        """)
    environment = {**os.environ, "MLS_SYNC_SYSTEM_ACCESS_KEY": "demo-key"}
    arguments = [RELEASE / "mls-sync", "--config", config, "run", command]
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
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
        found = {(command, search): [] for command in ("--backfill", "--once") for search in SEARCHES}
        for _ in range(rounds):
            for command, search in found:
                with tempfile.TemporaryDirectory() as directory:
                    found[command, search].append(load(directory, vendor, command, *SEARCHES[search]))
        server.stdin.close()
    least = statistics.median(time for time, _ in found["--backfill", "neither"])
    for (command, search), loads in found.items():
        time, size = statistics.median(time for time, _ in loads), loads[0][1]
        print(f"{command:10} {search:8} {time * 1e6 / listings:5.0f} us of CPU time a listing, {time / least:.2f} of the first, {size / listings:.0f} bytes")


main()
