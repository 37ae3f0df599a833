"""Measures how the time of each kind of work grows with the number of listings in the file.

    cargo build --release --bins --example throughput
    python3 benches/scale.py > docs/scale.csv
    python3 benches/plot.py docs/scale.csv > docs/scale.svg

One vendor serves the same prepared listings to all sizes; each size is loaded into a new file, and all files are removed at the end. They
need 7 GB of disk, and the vendor 5 GB of memory. Times are CPU seconds, so that other programs on the machine matter less.
"""

import argparse
import contextlib
import csv
import glob
import gzip
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request

TOUCHED, POLLS, CHANGES_SEEN, SETTLED, LONGEST = 200, 30, 5, 8, 300
CHANGED_LISTINGS = """SELECT change_seq, feed_id, listing_id, deleted_at, deleted_cause, price, listing_status
    FROM listings WHERE change_seq > ? ORDER BY change_seq LIMIT 1000"""
CHANGES = "SELECT seq, feed_id, key, kind, at FROM changes WHERE seq > ? ORDER BY seq LIMIT 1000"
COLUMNS = """listings load load_requests peak_mib file_bytes open once status changed_listings changes
    idle_poll idle_poll_bytes poll poll_bytes reconcile reconcile_requests reconcile_peak_mib""".split()


class Mirror:
    """The program with a file of its own."""

    def __init__(self, program, directory, vendor, feeds, settings):
        self.program, self.vendor = program, vendor
        self.file, self.config = f"{directory}/mls.db", f"{directory}/config.toml"
        with open(self.config, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as config:
            config.write(f"""
                database = "{self.file}"
                constellation1 = {{ base_url = "{vendor}", client = "demo", feeds = {json.dumps(feeds)} }}
                rate = {{ requests_per_second = 1000.0 }}
                {settings}
            """)
        self.database = None

    def start(self, *words):
        environment = {**os.environ, "MLS_SYNC_SYSTEM_ACCESS_KEY": "demo-key"}
        return subprocess.Popen([self.program, "--config", self.config, *words], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def run(self, *words):
        """Runs a command to its end; gives its CPU seconds and its peak memory in MiB."""
        process = self.start(*words)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{words} ended with {process.returncode}")
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024

    def fastest(self, *words):
        return min(self.run(*words)[0] for _ in range(5))

    def ask(self, query, *values):
        if self.database is None:
            self.database = sqlite3.connect(f"file:{self.file}?mode=ro", uri=True)
        return self.database.execute(query, values).fetchall()

    def fastest_answer(self, query, *values):
        def once():
            begun = time.process_time()
            self.ask(query, *values)
            return time.process_time() - begun

        return min(once() for _ in range(5))

    def requests(self):
        return self.ask("SELECT sum(requests) FROM request_counts WHERE period = 'day'")[0][0]

    def newest(self):
        return self.ask("SELECT max(seq) FROM changes")[0][0]

    def touch(self, count):
        """Stamps listings anew, and waits until the file holds them."""
        wanted, begun = self.newest() + count, time.monotonic()
        urllib.request.urlopen(f"{self.vendor}/touch/{count}").read()
        while self.newest() < wanted:
            if time.monotonic() > begun + LONGEST:
                sys.exit(f"{count} listings that changed are not in the file after {LONGEST} seconds")
            time.sleep(0.05)


def oldest(vendor):
    page = urllib.request.urlopen(f"{vendor}/services/partner/SyncListings?Status=0&Page=1").read()
    return json.loads(gzip.decompress(page))["Results"][0]["MlsUpdateDate"]


def spent(process):
    """CPU seconds of all threads, and bytes written."""
    ticks = sum(int(open(file).read().split()[0]) for file in glob.glob(f"/proc/{process.pid}/task/*/schedstat"))
    written = open(f"/proc/{process.pid}/io").read().split("\nwrite_bytes: ")[1].split()[0]
    return ticks / 1e9, int(written)


def idle_polls(mirrors):
    """CPU seconds and bytes written of a poll that finds nothing, of each file. All processes run at the same time: the same poll may take
    twice as long when the machine does something else."""
    processes = [mirror.start("run") for mirror in mirrors]
    try:
        time.sleep(SETTLED)
        before = [spent(process) for process in processes]
        time.sleep(POLLS)
        return [difference(spent(process), begun, POLLS) for process, begun in zip(processes, before)]
    finally:
        end(processes)


def polls_with_changes(mirror):
    """CPU seconds and bytes written of a poll that finds changes. The vendor moves what it changes to the newest listings, which are
    those of the smaller files, so this must be measured in the order of the sizes."""
    process = mirror.start("run")
    try:
        time.sleep(SETTLED)  # It reads what was changed for the smaller files.
        mirror.touch(TOUCHED)
        before = spent(process)
        for _ in range(CHANGES_SEEN):
            mirror.touch(TOUCHED)
        return difference(spent(process), before, CHANGES_SEEN)
    finally:
        end([process])


def end(processes):
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait()


def difference(after, before, count):
    return [(after - before) / count for after, before in zip(after, before)]


def load(program, directory, vendor, listings):
    """A mirror of so many listings, and what its load and the commands and queries on its file take."""
    vendor = f"{vendor}/{listings}"
    # Everything that comes by itself is switched off, so that only what is measured runs.
    mirror = Mirror(program, directory, vendor, ["GAMLS"], f"""
        backfill = {{ since = "{oldest(vendor)}" }}
        poll = {{ interval = "1s", settle = "0s", overlap = "0s" }}
        lookback = {{ ladder = [], ahead = "0s" }}
        reconcile = {{ every = "0s" }}
    """)
    loading, peak = mirror.run("run", "--backfill")
    asked, size = mirror.requests(), os.path.getsize(mirror.file)
    commands = [mirror.fastest(*words) for words in (("rejects",), ("run", "--once"), ("status", "--json"))]
    middle = (mirror.newest() - 1000) // 2
    queries = [mirror.fastest_answer(query, middle) for query in (CHANGED_LISTINGS, CHANGES)]
    return mirror, [listings, loading, asked, peak, size, *commands, *queries]


def reconcile(mirror):
    before = mirror.requests()
    spent, peak = mirror.run("reconcile")
    return [spent, mirror.requests() - before, peak]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--program", default="target/release/mls-sync")
    arguments.add_argument("--server", default="target/release/examples/throughput")
    arguments.add_argument("--sizes", default="1000,10000,20000,50000,100000,250000,1000000")
    arguments = arguments.parse_args()
    sizes = [int(size) for size in arguments.sizes.split(",")]
    server = subprocess.Popen([arguments.server, "--serve", "--listings", str(max(sizes))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    vendor = server.stdout.readline().strip()
    with contextlib.ExitStack() as kept:
        directories = [kept.enter_context(tempfile.TemporaryDirectory()) for _ in sizes]
        loaded = [load(arguments.program, directory, vendor, size) for directory, size in zip(directories, sizes)]
        idle = idle_polls([mirror for mirror, _ in loaded])
        rows = csv.writer(sys.stdout)
        rows.writerow(COLUMNS)
        for (mirror, measures), found_nothing in zip(loaded, idle):
            rows.writerow(f"{value:.6g}" for value in [*measures, *found_nothing, *polls_with_changes(mirror), *reconcile(mirror)])
            sys.stdout.flush()
    server.stdin.close()


if __name__ == "__main__":
    main()
