-- Every item tells who brought it: from now on a call of one item without an idempotency key has no row beside that.
ALTER TABLE item ADD COLUMN token TEXT;  -- name of the token that brought it, empty on the local socket; null if unknown
UPDATE item SET token = (SELECT token FROM submission WHERE id = item.submission);
