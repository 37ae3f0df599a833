"""The pages of a vendor, asked for one after the other: what every peer has in common."""

import requests


def pages(address):
    session = requests.Session()
    for status in (0, 3):  # the listings, and the deletions
        page = 1
        while page:
            query = {"FeedIdList": "GAMLS", "Status": status, "Page": page}
            answer = session.get(f"{address}/services/partner/SyncListings", params=query, timeout=60)
            answer.raise_for_status()
            answer = answer.json()
            yield answer["Results"]
            page = answer["NextPage"]
