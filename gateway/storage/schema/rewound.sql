-- Run when rows were recovered from a damaged database, or a backup was restored: its content may have gone back in time.

-- Readers of events notice that the same ids may now mean other events.
UPDATE event_log SET epoch = lower(hex(randomblob(3)));
