-- What happened in the store. The epoch is part of every id: a new one tells readers that ids may mean something else now.
CREATE TABLE journal (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch TEXT NOT NULL,
    next_number INTEGER NOT NULL,      -- numbers are never given twice in an epoch
    bytes INTEGER NOT NULL,            -- of all events
    ticket_key BLOB NOT NULL           -- signs the tickets with which browsers read the stream
) STRICT;
INSERT INTO journal VALUES (1, lower(hex(randomblob(3))), 1, 0, randomblob(32));

CREATE TABLE event (
    number INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL,          -- Unix milliseconds, as the best clock at hand had it
    type TEXT NOT NULL,
    source TEXT NOT NULL,
    camera TEXT,                       -- serial number
    data TEXT NOT NULL,                -- JSON
    face_id TEXT,
    personal INTEGER NOT NULL,         -- 1 until what is about a person was erased
    size INTEGER NOT NULL,
    recorded_s REAL NOT NULL           -- running time
) STRICT;
CREATE INDEX event_face ON event (face_id) WHERE face_id IS NOT NULL;
CREATE INDEX event_personal ON event (number) WHERE personal = 1;

-- Callbacks that were taken, so that a repeated or replayed one is not stored twice.
CREATE TABLE callback (
    digest BLOB PRIMARY KEY,
    taken_s REAL NOT NULL
) STRICT;
CREATE INDEX callback_age ON callback (taken_s);
