-- What is handed over for the cloud. Times end in _s: seconds that the gateway has run, in all its lives; no clock has them.
CREATE TABLE running (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seconds REAL NOT NULL,
    next_sequence INTEGER NOT NULL     -- numbers are never given twice
) STRICT;
INSERT INTO running VALUES (1, 0, 1);

-- One call of one token: its items have the numbers from its own on, unless `members` lists them.
CREATE TABLE submission (
    id INTEGER PRIMARY KEY,
    token TEXT NOT NULL,               -- name of the token; empty on the local socket
    idempotency_key TEXT,
    digest BLOB,                       -- of the whole call; only with a key
    path TEXT NOT NULL,
    items INTEGER NOT NULL,            -- how many of its own
    members TEXT,                      -- JSON array of numbers, where some are repeats of earlier ones
    accepted_s REAL NOT NULL
) STRICT;
CREATE UNIQUE INDEX submission_key ON submission (token, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- The state of each item. Narrow, so that a change of state writes little; being sent is not a state of the disk.
CREATE TABLE item (
    sequence INTEGER PRIMARY KEY,
    submission INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'superseded', 'expired', 'refused')),
    priority INTEGER NOT NULL,
    path TEXT NOT NULL,
    sent_to TEXT NOT NULL,             -- the endpoint it goes to: its path, or another that the vendor's answer led to
    shared TEXT NOT NULL,              -- JSON of the parameters beside the list
    order_key TEXT NOT NULL,
    other_keys TEXT,                   -- JSON array
    reference TEXT NOT NULL,
    size INTEGER NOT NULL,             -- bytes in a form
    barrier INTEGER NOT NULL,
    digest BLOB,                       -- of the content, where that identifies it
    created_at INTEGER NOT NULL,       -- Unix seconds, as the clock had it
    accepted_s REAL NOT NULL,
    expires_s REAL,
    finished_s REAL,
    attempts INTEGER NOT NULL DEFAULT 0,
    listed TEXT NOT NULL DEFAULT '',
    vendor_code INTEGER,
    vendor_meaning TEXT NOT NULL DEFAULT '',
    vendor_answer TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX item_key ON item (order_key);
CREATE INDEX item_waiting ON item (priority, sequence) WHERE state = 'waiting';
CREATE INDEX item_expiring ON item (expires_s) WHERE state = 'waiting' AND expires_s IS NOT NULL;
CREATE INDEX item_refused ON item (sequence) WHERE state = 'refused';
CREATE INDEX item_finished ON item (finished_s) WHERE state IN ('delivered', 'superseded', 'expired');

CREATE TABLE content (
    sequence INTEGER PRIMARY KEY,
    text TEXT NOT NULL                 -- JSON
) STRICT;

CREATE TABLE file (
    sequence INTEGER NOT NULL,
    name TEXT NOT NULL,
    filename TEXT NOT NULL,
    content_type TEXT NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (sequence, name)
) STRICT;
