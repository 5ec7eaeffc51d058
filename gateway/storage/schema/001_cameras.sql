-- Cameras that were found, and those that a person made ours. Whether one answers now is not kept here.
CREATE TABLE camera (
    sn TEXT PRIMARY KEY,
    managed INTEGER NOT NULL CHECK (managed IN (0, 1)),
    address TEXT NOT NULL,             -- host:port to try first; empty when none is known
    mac TEXT NOT NULL,
    model TEXT NOT NULL,
    name TEXT NOT NULL,
    software_version TEXT NOT NULL,
    activation TEXT NOT NULL CHECK (activation IN ('unknown', 'not_activated', 'activated', 'other_owner')),
    certificate_sha256 TEXT NOT NULL,  -- the pin; empty when none was learned
    first_seen INTEGER NOT NULL        -- Unix seconds
) STRICT;
