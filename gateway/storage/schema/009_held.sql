-- A restored outbox: as long as there is a row, nothing is sent, since what waits may be older than what was sent since.
CREATE TABLE held (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    since INTEGER NOT NULL             -- Unix seconds
) STRICT;
