-- Customer flow as the cloud told it, so that it is there without the cloud. Times in _s are running time.
CREATE TABLE flow (
    account TEXT NOT NULL,             -- address of the cloud and app_id: a shop_id means something in one account only
    shop TEXT NOT NULL,                -- the key and its value: shop_id=10096
    path TEXT NOT NULL,                -- the endpoint; all of the present day's together under one name
    first_day TEXT NOT NULL,           -- YYYY-MM-DD; both days empty for the present day
    last_day TEXT NOT NULL,
    data TEXT NOT NULL,                -- JSON
    final INTEGER NOT NULL CHECK (final IN (0, 1)),
    fetched_at INTEGER NOT NULL,       -- Unix seconds, as the cloud's clock had it
    fetched_s REAL NOT NULL,
    PRIMARY KEY (account, shop, path, first_day, last_day)
) STRICT;
