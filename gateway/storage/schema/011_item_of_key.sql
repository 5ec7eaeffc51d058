-- Which items have an order key. An index would be written with every item, at another place for each till; this table
-- is written for many items at once, and those that it lacks yet are in memory.
CREATE TABLE item_of_key (
    order_key TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (order_key, sequence)
) STRICT, WITHOUT ROWID;
CREATE TABLE keyed (
    until INTEGER PRIMARY KEY          -- the items up to this number are in it
) STRICT, WITHOUT ROWID;
INSERT INTO item_of_key SELECT order_key, sequence FROM item ORDER BY order_key, sequence;
INSERT INTO keyed SELECT coalesce(max(sequence), 0) FROM item;
DROP INDEX item_key;
CREATE TRIGGER item_gone AFTER DELETE ON item BEGIN
    DELETE FROM item_of_key WHERE order_key = old.order_key AND sequence = old.sequence;
END;
CREATE TRIGGER item_has_other_key AFTER UPDATE OF order_key ON item BEGIN
    DELETE FROM item_of_key WHERE order_key = old.order_key AND sequence = old.sequence;
    INSERT OR IGNORE INTO item_of_key VALUES (new.order_key, new.sequence);
END;
