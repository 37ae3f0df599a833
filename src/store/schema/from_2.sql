-- Version 2 to 3.

-- Which system and account the file mirrors; the next run writes it down.
CREATE TABLE source (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    vendor TEXT NOT NULL,
    place TEXT NOT NULL,
    client TEXT NOT NULL,
    named_at TEXT NOT NULL,
    adopted_at TEXT,
    since TEXT NOT NULL
) STRICT;
