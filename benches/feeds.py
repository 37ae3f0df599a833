"""Measures what it costs to mirror many feeds, most of which stand still: loads them from the sandbox, and then polls them every 10 seconds.

    cargo build --release
    python3 benches/feeds.py
"""

import argparse
import json
import subprocess
import tempfile
import time
import urllib.request

from scale import Mirror, spent

INTERVAL, CYCLES = 10, 12
VENDOR = "http://127.0.0.1:8531"


def requests():
    return len(json.load(urllib.request.urlopen(f"{VENDOR}/sandbox/requests")))


def measure(program, directory, feeds):
    mirror = Mirror(program, directory, VENDOR, feeds, f'poll = {{ interval = "{INTERVAL}s" }}')
    _, peak = mirror.run("run", "--backfill")
    print(f"first load: {requests() / len(feeds):.1f} requests for each feed, {peak:.0f} MiB at most")
    process = mirror.start("run")
    time.sleep(90)  # Until the stamps and the clock were seen to agree, and what was late was read.
    asked, (cpu, written) = requests(), spent(process)
    time.sleep(INTERVAL * CYCLES)
    asked, (cpu_after, written_after) = requests() - asked, spent(process)
    process.terminate()
    process.wait()
    print(f"a cycle of polls: {asked / CYCLES:.1f} requests, {(cpu_after - cpu) * 1e3 / CYCLES / len(feeds):.2f} CPU ms for each feed")
    print(f"bytes written: {(written_after - written) * 60 / INTERVAL / CYCLES:,.0f} in a minute")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--program", default="target/release/mls-sync")
    arguments.add_argument("--feeds", type=int, default=300)
    arguments.add_argument("--listings", type=int, default=20, help="in each feed")
    arguments = arguments.parse_args()
    feeds = [f"F{number:03}" for number in range(arguments.feeds)]
    options = ["--listen", VENDOR.removeprefix("http://"), "--feeds", ",".join(feeds), "--listings", str(arguments.listings), "--deleted", "2"]
    sandbox = subprocess.Popen([arguments.program, "sandbox", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(5)
        with tempfile.TemporaryDirectory() as directory:
            measure(arguments.program, directory, feeds)
    finally:
        sandbox.terminate()


main()
