-- What may be stripped is found at once, whatever was stripped before.
ALTER TABLE item ADD COLUMN stripped INTEGER NOT NULL DEFAULT 0;  -- its content has made room for others
UPDATE item SET stripped = 1 WHERE sequence NOT IN (SELECT sequence FROM content);
DROP INDEX item_finished;
CREATE INDEX item_finished ON item (stripped, finished_s) WHERE state IN ('delivered', 'superseded', 'expired');
