-- Tills that events are pushed to.
CREATE TABLE webhook (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    secret TEXT NOT NULL,              -- signs what is pushed, so it has to be kept as it is
    types TEXT NOT NULL,               -- which events, separated by commas; empty: all
    camera TEXT NOT NULL,
    created_at INTEGER NOT NULL,       -- Unix seconds
    delivered INTEGER NOT NULL         -- number of the last event that was dealt with
) STRICT;
