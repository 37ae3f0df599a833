#!/usr/bin/env python3
"""Prints the market of each city, by DuckDB: python3 market.py MLS_DB

It needs the packages duckdb and duckdb-extension-sqlite-scanner, both from PyPI and of the same version. The file is only read,
while the mirror writes to it.
"""
import pathlib
import sys

import duckdb
import duckdb_extension_sqlite_scanner as scanner

extension = next(pathlib.Path(scanner.__path__[0]).rglob("sqlite_scanner.duckdb_extension"))
market = duckdb.connect()
market.execute(f"LOAD '{extension}'")
market.execute(f"ATTACH '{sys.argv[1]}' AS mls (TYPE sqlite, READ_ONLY)")
market.sql("""
    SELECT city, count(*) AS listings, median(price)::BIGINT AS median_price, round(median(price_per_sqft)) AS median_per_sqft
    FROM mls.public_listings WHERE listing_status_search = 'Active'
    GROUP BY city ORDER BY listings DESC, city LIMIT 10
""").show()
