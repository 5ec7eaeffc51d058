-- Callers' tokens. The token itself is shown once and not kept.
CREATE TABLE token (
    name TEXT PRIMARY KEY,
    scope TEXT NOT NULL CHECK (scope IN ('pos', 'installer', 'admin')),
    sha256 TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,       -- Unix seconds
    last_used_at INTEGER               -- Unix seconds, up to a day behind
) STRICT;
