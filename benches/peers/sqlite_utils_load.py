"""Loads all listings with requests and sqlite-utils: sqlite_utils_load.py ADDRESS FILE"""

import sys

import sqlite_utils

from pages import pages

address, file = sys.argv[1:]
database = sqlite_utils.Database(file)
database.enable_wal()
for page in pages(address):
    with database.atomic():  # one transaction for each page, as in the mirror
        database["listings"].insert_all(page, pk=("FeedId", "ListingId"), replace=True, alter=True)
