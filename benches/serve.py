"""How fast `mls-sync serve` answers, and what its clients cost the daemon that writes the file meanwhile.

    cargo build --release --bins
    python3 benches/queries.py 500000 big.db    # makes the file; it stays because its name is given
    python3 benches/serve.py big.db             # latency of each service over it
    python3 benches/serve.py big.db --broad     # searches that take longest over it
    python3 benches/serve.py --beside 60        # a small mirror under churn, without clients and with eight

The first tells how long the first search after the start takes and how much memory it leaves, and asks each service 300 random questions,
one after the other, over one connection. The second asks for each search three times,
with Page, and prints the shortest and the longest time. The third counts how long the
transactions of the daemon's pages take, from its log, first for the given seconds without a client, and then with eight clients that ask without a pause.
Times are those that pass, so other programs on the machine lengthen them.
"""

import argparse
import hashlib
import http.client
import json
import os
import pathlib
import random
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).parent.parent
PROGRAM = ROOT / "target" / "release" / "mls-sync"
QUESTIONS, CLIENTS = 300, 8
KEY = "bench-key"
PARTNER = "/services/partner/"


def free_address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def until_it_listens(address):
    for _ in range(300):
        with socket.socket() as probe:
            host, port = address.split(":")
            if probe.connect_ex((host, int(port))) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"nothing listens on {address}")


def private(path, text):
    with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)


def configure(directory, database, vendor, served):
    private(f"{directory}/client.key", KEY)
    private(f"{directory}/config.toml", f"""
        database = {json.dumps(str(database))}
        constellation1 = {{ base_url = "http://{vendor}", client = "demo", feeds = ["GAMLS"] }}
        rate = {{ requests_per_second = 1000.0 }}
        poll = {{ interval = "1s", settle = "0s" }}
        [serve]
        listen = "{served}"
        requests_per_second = 100000.0
        [serve.clients.bench]
        key_file = "{directory}/client.key"
    """)
    return [PROGRAM, "--config", f"{directory}/config.toml"]


class Client:
    """One connection that is kept."""

    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address, timeout=60)

    def ask(self, method, path, body=None):
        at = time.strftime("%Y%m%d%H%M%S", time.gmtime())
        digest = hashlib.md5(f"bench {KEY} x-ml-timestamp:{at}".encode()).hexdigest()
        headers = {"ml-auth": f"client=bench&systemaccesskey={KEY}&signature={digest}", "x-ml-timestamp": at}
        self.connection.request(method, path, body and json.dumps(body), headers)
        answer = self.connection.getresponse()
        text = answer.read()
        return answer.status, text


class Questions:
    """Random questions about what a file holds."""

    def __init__(self, database):
        db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        sample = "SELECT {} FROM live_listings ORDER BY listing_id LIMIT 4000"
        self.ids = [row[0] for row in db.execute(sample.format("listing_id"))]
        self.places = db.execute(sample.format("longitude, latitude")).fetchall()
        (self.largest_city,) = db.execute("SELECT city FROM live_listings GROUP BY city ORDER BY count(*) DESC LIMIT 1").fetchone()
        self.cities = sorted({row[0] for row in db.execute(sample.format("city")) if row[0]})
        self.addresses = db.execute(sample.format("address, city, state, zip")).fetchall()
        starts = sorted(row[0] for row in db.execute("SELECT start_date FROM listing_open_houses LIMIT 4000") if row[0])
        # Copies of a few listings make up the file of queries.py, so nearly all of its open houses would match.
        self.houses_from = starts[-len(starts) // 100] if starts else "2026-01-01T00:00:00"
        self.random = random.Random(1)

    def filters(self):
        price = self.random.randrange(100_000, 900_000, 10_000)
        return {"FeedIdList": ["GAMLS"], "MinPrice": price, "MaxPrice": price + 2_000, "Beds": self.random.randrange(2, 5), "StatusList": ["Active"]}

    def of(self, service):
        if service.endswith(", Page"):
            method, path, body = self.of(service.removesuffix(", Page"))
            return method, path, body | {"Page": 1}
        pick, feeds = self.random.choice, {"FeedIdList": ["GAMLS"]}
        if service in ("GetListingsByLocation", "GetSoldListingsByLocation"):
            longitude, latitude = pick(self.places)
            return "POST", service, self.filters() | {"MaxPrice": 900_000, "StatusList": ["Sold"] if "Sold" in service else ["Active"], "WktLocation": f"POINT ({longitude} {latitude})", "Distance": 5}
        if service == "GetListingsByAddress":
            names = dict(zip(("Address", "City", "State", "Zip"), pick(self.addresses)))
            return "POST", service, self.filters() | names | {"Distance": 2}
        if service == "GetListingsByGeography":
            return "POST", service, self.filters() | {"City": pick(self.cities)}
        if service == "GetListings":
            return "POST", service, self.filters() | feeds
        if service == "GetListings of many":
            return "POST", "GetListings", self.filters() | {"MinPrice": 100_000, "MaxPrice": 900_000} | feeds
        if service == "GetListings of many, sorted":
            return "POST", "GetListings", self.of("GetListings of many")[2] | {"SortBy": "Price"}
        if service == "GetListingDetail":
            return "GET", f"{service}?FeedId=GAMLS&ListingId={urllib.parse.quote(pick(self.ids))}", None
        if service in ("GetAgents", "GetOffices"):
            return "GET", f"{service}?FeedId=GAMLS&FromUpdatedDate=2000-01-01T00:00:00", None
        if service == "GetListingsOpenHouse":
            return "GET", f"GetListingsOpenhouse?FeedIdList=GAMLS&OpenFromDate={self.houses_from}", None
        return "GET", "SyncListings?FeedIdList=GAMLS&FromUpdatedDate=2000-01-01T00:00:00&Status=0&Page=1", None


SERVICES = ["GetListings", "GetListings of many, Page", "GetListings of many, sorted, Page",
            "GetListingsByAddress", "GetListingsByGeography", "GetListingsByLocation",
            "GetListingsByLocation, Page", "GetSoldListingsByLocation",
            "GetListingDetail", "GetAgents", "GetOffices", "GetListingsOpenHouse", "SyncListings"]


def percentile(times, part):
    times = sorted(times)
    return times[min(len(times) - 1, int(len(times) * part))] if times else float("nan")


def serving(database, ask):
    """Calls `ask` with a client of a server of the file and with questions about it."""
    with tempfile.TemporaryDirectory() as directory:
        address = free_address()
        command = configure(directory, database, "127.0.0.1:1", address)
        with subprocess.Popen([*command, "serve"], stdout=subprocess.DEVNULL) as server:
            try:
                until_it_listens(address)
                begun = time.perf_counter()
                Client(address).ask("POST", PARTNER + "GetListings", {"FeedIdList": ["GAMLS"], "Page": 1})
                memory = pathlib.Path(f"/proc/{server.pid}/status").read_text().split("RssAnon:")[1].split()[0]
                print(f"first search after {time.perf_counter() - begun:.1f} s, {int(memory) / 1000:.0f} MB of memory")
                ask(Client(address), Questions(database))
            finally:
                server.terminate()


def latency(client, questions):
    print(f"{'service':33} {'p50 ms':>8} {'p99 ms':>8}  answers, bytes of a mean answer")
    for service in SERVICES:
        times, statuses, sizes = [], {}, 0
        for number in range(-3, QUESTIONS):
            method, path, body = questions.of(service)
            begun = time.perf_counter()
            status, text = client.ask(method, PARTNER + path, body)
            if number >= 0:
                times.append((time.perf_counter() - begun) * 1e3)
                statuses[status] = statuses.get(status, 0) + 1
                sizes += len(text)
        print(f"{service:33} {percentile(times, 0.5):8.1f} {percentile(times, 0.99):8.1f}  {statuses}, {sizes // QUESTIONS:,}")


def broad(client, questions):
    """Searches that many listings match, or that read every listing from the file."""
    longitude, latitude = questions.places[0]
    active, sorted_by_price = {"StatusList": ["Active"]}, {"SortBy": "Price"}
    searches = [active, {"PropertyTypeList": ["Land"]}, {"HasPool": True}, {"MinSquareFeet": 3000}, {"MinYearBuilt": 2010, "HasGarage": True}]
    searches += [active | sorted_by_price, active | {"Page": 25}, active | {"Page": 200}]
    searches += [{"ViewList": ["Lake"]}, {"StyleList": ["Ranch"]}, {"SchoolDistrict": "none"}, {"DaysOnMarket": 5}]
    searches += [{"MlsInsertDate": "2026-01-01T00:00:00"}, {"HasOpenHouse": True}, {"Remarks": "no such words"}, {"SortBy": "Address"}]
    asked = [("GetListings", search) for search in searches]
    asked.append(("GetListingsByGeography", {"City": questions.largest_city}))
    asked.append(("GetListingsByLocation", {"WktLocation": f"POINT ({longitude} {latitude})", "Distance": 25}))
    for service, search in asked:
        times = []
        for _ in range(3):
            begun = time.perf_counter()
            status, text = client.ask("POST", PARTNER + service, {"FeedIdList": ["GAMLS"], "Page": 1} | search)
            times.append((time.perf_counter() - begun) * 1e3)
        if status != 200:
            raise SystemExit(f"{service} {search}: {status} {text}")
        print(f"{min(times):7.0f} to {max(times):5.0f} ms, {json.loads(text)['Total']:7,} match: {service} {search}")


def stored(log, after):
    """Milliseconds of each transaction that stored a page since then."""
    lines = (json.loads(line) for line in log.read_text().splitlines()[after:] if '"a page is stored"' in line)
    return [float(line["duration_ms"]) for line in lines]


def lines_of(log):
    return len(log.read_text().splitlines())


def beside(seconds):
    with tempfile.TemporaryDirectory() as directory:
        vendor, served, log = free_address(), free_address(), pathlib.Path(directory) / "log"
        database = pathlib.Path(directory) / "mls.db"
        command = configure(directory, database, vendor, served)
        environment = {**os.environ, "MLS_SYNC_SYSTEM_ACCESS_KEY": "demo-key"}
        sandbox = [PROGRAM, "sandbox", "--listen", vendor, "--key", "demo-key", "--feeds", "GAMLS", "--listings", "20000", "--churn-per-second", "50"]
        with subprocess.Popen(sandbox, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sandbox:
            try:
                until_it_listens(vendor)
                subprocess.run([*command, "run", "--backfill"], env=environment, capture_output=True, check=False)
                with log.open("w") as errors:
                    daemon = subprocess.Popen([*command, "--log-format", "json", "-vv", "run"], env=environment, stderr=errors)
                with daemon, subprocess.Popen([*command, "serve"], stdout=subprocess.DEVNULL) as server:
                    try:
                        until_it_listens(served)
                        time.sleep(5)
                        begun = lines_of(log)
                        time.sleep(seconds)
                        alone = stored(log, begun)
                        begun, asked = lines_of(log), load(served, database, seconds)
                        together = stored(log, begun)
                    finally:
                        server.terminate()
                        daemon.terminate()
            finally:
                sandbox.terminate()
        for name, times in (("without clients", alone), (f"with {CLIENTS} clients", together)):
            print(f"{name:18} {len(times):5} pages stored, p50 {percentile(times, 0.5)} ms, p99 {percentile(times, 0.99)} ms")
        answered = sum(asked.values())
        print(f"{answered:,} answers in {seconds} s: {asked}")


def load(address, database, seconds):
    """Eight clients that ask without a pause; how often each status came."""
    statuses, lock, end = {}, threading.Lock(), time.monotonic() + seconds

    def work(seed):
        client, questions = Client(address), Questions(database)
        questions.random.seed(seed)
        while time.monotonic() < end:
            method, path, body = questions.of(questions.random.choice(SERVICES))
            status, _ = client.ask(method, PARTNER + path, body)
            with lock:
                statuses[status] = statuses.get(status, 0) + 1

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("file", nargs="?", help="a mirrored file")
    arguments.add_argument("--broad", action="store_true", help="ask for what takes longest instead")
    arguments.add_argument("--beside", type=int, metavar="SECONDS", help="measure the daemon beside clients")
    arguments = arguments.parse_args()
    if arguments.file:
        serving(pathlib.Path(arguments.file).resolve(), broad if arguments.broad else latency)
    if arguments.beside:
        beside(arguments.beside)


main()
