-- Run when rows were recovered from a damaged database, or a backup was restored: its content may have gone back in time.

-- Readers of events notice that the same ids may now mean other events.
UPDATE event_log SET epoch = lower(hex(randomblob(8)));

-- Events that come now take the numbers of those that are gone: the head office gets them, too.
UPDATE fleet_cursor SET (number, since) = (
    SELECT min(fleet_cursor.number, newest), min(fleet_cursor.since, newest)
    FROM (
        SELECT max(coalesce((SELECT next_number - 1 FROM event_log), 0), coalesce((SELECT max(number) FROM event), 0))
            AS newest
    )
);
