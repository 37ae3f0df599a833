"""Loads all listings with dlt, into SQLite by its SQLAlchemy destination: dlt_load.py ADDRESS FILE"""

import sys

import dlt

from pages import pages

address, file = sys.argv[1:]


# Nested values stay JSON in one column, as in the mirror; a table for each of them takes longer.
@dlt.resource(name="listings", write_disposition="append", max_table_nesting=0)
def listings():
    yield from pages(address)


pipeline = dlt.pipeline("listings", pipelines_dir=f"{file}.dlt", destination=dlt.destinations.sqlalchemy(f"sqlite:///{file}"), dataset_name="main")
pipeline.run(listings())
