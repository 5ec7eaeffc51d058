-- The first schema. Times that end in _at are Unix seconds, as the clock had them; times that end in _s are uptime: the
-- seconds that the gateway has run, over all runs, which no change of a clock moves.

----------------------------------------------------------------------------------------------------------------------
-- Cameras

-- Cameras that were found, and those that a person made managed. Whether one is online now is only in memory.
CREATE TABLE camera (
    sn TEXT PRIMARY KEY,               -- serial number
    managed INTEGER NOT NULL CHECK (managed IN (0, 1)),
    address TEXT NOT NULL,             -- host:port to try first; empty when none is known
    mac TEXT NOT NULL,
    model TEXT NOT NULL,
    name TEXT NOT NULL,
    software_version TEXT NOT NULL,
    activation TEXT NOT NULL CHECK (activation IN ('unknown', 'not_activated', 'activated', 'other_owner')),
    certificate_sha256 TEXT NOT NULL,  -- the pin; empty when none was learned
    clock TEXT NOT NULL CHECK (clock IN ('', 'camera', 'cloud', 'own')), -- by which it accepted a signed call last
    first_seen INTEGER NOT NULL        -- Unix seconds
) STRICT;

-- Provisioning under way, one job for each camera. The state may hold a Wi-Fi password or an activation number.
CREATE TABLE provisioning_job (
    sn TEXT PRIMARY KEY,               -- serial number of the camera
    state TEXT NOT NULL                -- JSON
) STRICT;

----------------------------------------------------------------------------------------------------------------------
-- The site plan

-- The one plan of the shop, without its cameras, and the state of its run.
CREATE TABLE site_plan (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    plan TEXT NOT NULL,                -- JSON
    run TEXT NOT NULL                  -- JSON
) STRICT;

-- The cameras of the plan: what each shall be, and what came of its steps.
CREATE TABLE site_plan_camera (
    position INTEGER PRIMARY KEY,      -- in the list, from 0
    planned TEXT NOT NULL,             -- JSON without secrets
    progress TEXT NOT NULL             -- JSON
) STRICT;

-- The secrets of the plan that are still needed.
CREATE TABLE site_plan_secret (
    position INTEGER PRIMARY KEY,      -- of the camera whose activation number it is; 500 for the Wi-Fi password
    secret BLOB NOT NULL               -- UTF-8
) STRICT;

-- The docking demonstration that was begun last: its camera, and what came of its steps.
CREATE TABLE demonstration (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    document TEXT NOT NULL             -- JSON
) STRICT;

----------------------------------------------------------------------------------------------------------------------
-- Access to the REST API

-- The tokens of callers, and the sessions of people at the console. The secret itself is shown once and not stored.
CREATE TABLE token (
    name TEXT PRIMARY KEY,
    scope TEXT NOT NULL,               -- names of scopes, separated by blanks
    sha256 TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER,              -- up to a day behind
    expires_s REAL                     -- when a session ends; NULL for a token
) STRICT;

-- Who changed what through the REST API, the console or a command. Only names, no secrets.
CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,             -- Unix seconds
    who TEXT NOT NULL,                 -- name of the token or session; empty on the local socket
    via TEXT NOT NULL CHECK (via IN ('console', 'api', 'local', 'head_office')),
    action TEXT NOT NULL,              -- English words
    object TEXT NOT NULL,
    recorded_s REAL NOT NULL
) STRICT;

----------------------------------------------------------------------------------------------------------------------
-- Outbox: calls for the cloud

-- The one row: the seconds that the gateway has run, over all runs.
CREATE TABLE uptime (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seconds REAL NOT NULL
) STRICT;
INSERT INTO uptime VALUES (1, 0);

-- The one row.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    next_sequence INTEGER NOT NULL,    -- numbers of items are never given twice
    account INTEGER,                   -- the account of the settings at the last start
    held_at INTEGER                    -- Unix seconds; after a restore nothing is sent until a person releases it
) STRICT;
INSERT INTO outbox (id, next_sequence) VALUES (1, 1);

-- The accounts at the cloud that the settings have described.
CREATE TABLE account (
    id INTEGER PRIMARY KEY,
    base_url TEXT NOT NULL,
    app_id TEXT NOT NULL,
    shop_id TEXT NOT NULL,             -- empty where it is not known; likewise the next
    sunmi_shop_no TEXT NOT NULL,
    proof INTEGER NOT NULL CHECK (proof IN (0, 1, 2))  -- 1: the cloud accepted a call; 2: one for this shop
) STRICT;

-- One call of one token. Its items have the numbers from its own on, unless `members` lists them.
CREATE TABLE submission (
    id INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    token TEXT NOT NULL,               -- name of the token; empty on the local socket
    idempotency_key TEXT,
    digest BLOB,                       -- of the whole call; only with a key
    path TEXT NOT NULL,
    items INTEGER NOT NULL,            -- how many of its own
    members TEXT,                      -- JSON array of numbers, where some are repeats of earlier ones
    accepted_s REAL NOT NULL
) STRICT;
CREATE UNIQUE INDEX submission_key ON submission (account, token, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- The state of each item. The row is short, so that a change of state writes little; whether an item is being sent now
-- is only in memory.
CREATE TABLE item (
    sequence INTEGER PRIMARY KEY,
    submission INTEGER NOT NULL,
    account INTEGER NOT NULL,          -- only items of the current account are sent
    token TEXT,                        -- name of the token that brought it; empty on the local socket
    state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'superseded', 'expired', 'refused')),
    priority INTEGER NOT NULL,
    path TEXT NOT NULL,
    target_path TEXT NOT NULL,         -- the endpoint it goes to: its path, or another that a response led to
    shared TEXT NOT NULL,              -- JSON of the parameters beside the list
    order_key TEXT NOT NULL,
    other_keys TEXT,                   -- JSON array
    reference TEXT NOT NULL,
    size INTEGER NOT NULL,             -- bytes in a form
    barrier INTEGER NOT NULL,
    digest BLOB,                       -- of the content, where that identifies it
    created_at INTEGER NOT NULL,
    accepted_s REAL NOT NULL,
    expires_s REAL,
    finished_s REAL,
    content_removed INTEGER NOT NULL DEFAULT 0,  -- 1: its content was deleted to make room for others
    attempts INTEGER NOT NULL DEFAULT 0,
    result_list TEXT NOT NULL DEFAULT '', -- the list of the response that names it
    vendor_code INTEGER,
    vendor_meaning TEXT NOT NULL DEFAULT '',
    vendor_response TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX item_order_key ON item (order_key);
CREATE INDEX item_waiting ON item (priority, sequence) WHERE state = 'waiting';
CREATE INDEX item_expiring ON item (expires_s) WHERE state = 'waiting' AND expires_s IS NOT NULL;
CREATE INDEX item_refused ON item (sequence) WHERE state = 'refused';
CREATE INDEX item_finished ON item (content_removed, finished_s) WHERE state IN ('delivered', 'superseded', 'expired');

-- The content of an item.
CREATE TABLE item_content (
    sequence INTEGER PRIMARY KEY,
    text TEXT NOT NULL                 -- JSON
) STRICT;

-- The files of an item.
CREATE TABLE item_file (
    sequence INTEGER NOT NULL,
    name TEXT NOT NULL,
    filename TEXT NOT NULL,
    content_type TEXT NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (sequence, name)
) STRICT;

----------------------------------------------------------------------------------------------------------------------
-- Products

-- The shop's products: as its lists want them, and as the cloud has taken them.
CREATE TABLE product (
    number INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    product_id TEXT NOT NULL,          -- the product's own number
    name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('settled', 'open', 'sent', 'refused')),
    wanted TEXT,                       -- JSON of all fields; NULL: it shall not be at the cloud
    revision INTEGER NOT NULL,         -- how often lists have changed it
    base TEXT,                         -- JSON of what the lists say, where prices for a time are in force instead
    confirmed TEXT,                    -- JSON of what the cloud has taken; NULL: it does not have it
    change TEXT,                       -- JSON of the last change that was handed over
    item INTEGER,                      -- number of the outbox item that carries the change
    problem TEXT NOT NULL,             -- why the cloud refused the change
    changed_at INTEGER NOT NULL,       -- when a list changed it last
    confirmed_at INTEGER,              -- when the cloud took a change last
    source TEXT NOT NULL               -- of the list that changed it last
) STRICT;
CREATE UNIQUE INDEX product_key ON product (account, product_id);
CREATE INDEX product_timed ON product (account) WHERE base IS NOT NULL;
CREATE INDEX product_state ON product (account, state, number);

-- Prices as they came into effect at the cloud.
CREATE TABLE product_price (
    number INTEGER PRIMARY KEY,
    product INTEGER NOT NULL,          -- number of the product
    field TEXT NOT NULL,               -- price, promote_price or member_price
    value TEXT,                        -- decimal; NULL: it has none from then on
    time INTEGER NOT NULL              -- Unix seconds
) STRICT;
CREATE INDEX product_price_product ON product_price (product, number);

-- Prices for a time. Where several are in force, those with the highest number win.
CREATE TABLE product_timed_price (
    number INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    product_id TEXT NOT NULL,
    prices TEXT NOT NULL,              -- JSON of decimals by field
    begins_at INTEGER NOT NULL,        -- Unix seconds; 0: at once
    ends_at INTEGER,                   -- Unix seconds; NULL: it never ends
    source TEXT NOT NULL,              -- of the list that has them
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX product_timed_price_product ON product_timed_price (account, product_id);

-- Shelf labels, and the pictures that they are to show.
CREATE TABLE label (
    number INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    name TEXT NOT NULL,                -- as a person named it first: the printed code, or the cloud's id
    esl_id TEXT NOT NULL,              -- the cloud's id; empty: the cloud was not asked yet
    esl_code TEXT NOT NULL,            -- the printed code; empty: as before
    model TEXT NOT NULL,               -- empty: as before
    content TEXT NOT NULL CHECK (content IN ('product', 'picture', 'vendor')),
    product_id TEXT NOT NULL,          -- empty: none
    template TEXT NOT NULL,            -- empty: none
    changes INTEGER NOT NULL,          -- how often what it shows has changed since it was drawn
    picture BLOB,                      -- PNG; NULL: not drawn yet
    pixel_hash TEXT NOT NULL,          -- of the picture; empty: none
    valid_until INTEGER,               -- when a price of the picture ends, in Unix seconds; NULL: never
    reports TEXT NOT NULL,             -- JSON: what a person should know about the picture
    state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'pushed', 'retrying', 'shown', 'failed', 'vendor')),
    problem TEXT NOT NULL,             -- why it does not show the picture
    item INTEGER,                      -- number of the outbox item that carries the picture
    shown_hash TEXT NOT NULL,          -- of the picture that it shows; empty: not known
    shown_until INTEGER,               -- when a price that it shows ends, in Unix seconds; NULL: never
    changed_at INTEGER NOT NULL,       -- when a person said last what it shows
    pushed_at INTEGER,                 -- when the cloud took a picture for it last
    shown_at INTEGER,                  -- when it confirmed a picture last
    reading TEXT NOT NULL              -- JSON: what the cloud said of it last
) STRICT;
CREATE UNIQUE INDEX label_name ON label (account, name);
CREATE INDEX label_product ON label (account, product_id);
CREATE INDEX label_open ON label (account, state) WHERE state NOT IN ('shown', 'vendor');
CREATE INDEX label_stale ON label (account, number) WHERE changes > 0;
CREATE INDEX label_expiry ON label (account, shown_until) WHERE shown_until IS NOT NULL;

-- What the labels of an account were drawn with: after a change of that, all are drawn again.
CREATE TABLE label_drawing (
    account INTEGER PRIMARY KEY,
    version TEXT NOT NULL,             -- of the gateway
    fingerprint BLOB NOT NULL          -- of the font, the zone and the included templates
) STRICT;

-- Whoever changes a product has its labels drawn again: in the same transaction, so that none is forgotten.
CREATE TRIGGER product_listed AFTER INSERT ON product BEGIN
    UPDATE label SET changes = changes + 1
    WHERE account = NEW.account AND product_id = NEW.product_id AND content = 'product';
END;
CREATE TRIGGER product_changed AFTER UPDATE OF wanted ON product WHEN NEW.wanted IS NOT OLD.wanted BEGIN
    UPDATE label SET changes = changes + 1
    WHERE account = NEW.account AND product_id = NEW.product_id AND content = 'product';
END;
CREATE TRIGGER product_gone AFTER DELETE ON product BEGIN
    UPDATE label SET changes = changes + 1
    WHERE account = OLD.account AND product_id = OLD.product_id AND content = 'product';
END;

CREATE TRIGGER timed_price_given AFTER INSERT ON product_timed_price BEGIN
    UPDATE label SET changes = changes + 1
    WHERE account = NEW.account AND product_id = NEW.product_id AND content = 'product';
END;
CREATE TRIGGER timed_price_gone AFTER DELETE ON product_timed_price BEGIN
    UPDATE label SET changes = changes + 1
    WHERE account = OLD.account AND product_id = OLD.product_id AND content = 'product';
END;

-- How the columns of a source's lists are read.
CREATE TABLE product_mapping (
    source TEXT PRIMARY KEY,
    mapping TEXT NOT NULL,             -- JSON
    used_at INTEGER NOT NULL
) STRICT;

-- The files whose lists were taken or refused, so that none is taken twice.
CREATE TABLE product_file (
    number INTEGER PRIMARY KEY,        -- the newer, the higher
    account INTEGER NOT NULL,
    file TEXT NOT NULL,                -- its name, as whoever hands it over calls it
    digest TEXT NOT NULL               -- SHA-256 of its content
) STRICT;
CREATE UNIQUE INDEX product_file_name ON product_file (account, file);

-- When the products of an account were compared with the cloud last.
CREATE TABLE product_reconciliation (
    account INTEGER PRIMARY KEY,
    began_at INTEGER NOT NULL          -- Unix seconds
) STRICT;

----------------------------------------------------------------------------------------------------------------------
-- Events

-- The one row. The epoch is part of every event's id: a new epoch tells readers that the same ids now mean other events.
-- It has 64 bits: no two of a shop are the same, and no other shop guesses it to send an id before its owner does.
CREATE TABLE event_log (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch TEXT NOT NULL,
    next_number INTEGER NOT NULL,      -- numbers are never given twice in an epoch
    bytes INTEGER NOT NULL,            -- of all events
    ticket_key BLOB NOT NULL           -- signs the tickets with which browsers read the stream
) STRICT;
INSERT INTO event_log VALUES (1, lower(hex(randomblob(8))), 1, 0, randomblob(32));

-- What happened in the store.
CREATE TABLE event (
    number INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL,          -- Unix milliseconds, as the best clock at hand had it
    type TEXT NOT NULL,
    source TEXT NOT NULL,
    camera TEXT,                       -- serial number
    data TEXT NOT NULL,                -- JSON
    face_id TEXT,
    personal INTEGER NOT NULL,         -- 1 until what is about a person was erased
    size INTEGER NOT NULL,             -- bytes
    recorded_s REAL NOT NULL
) STRICT;
CREATE INDEX event_face ON event (face_id) WHERE face_id IS NOT NULL;
CREATE INDEX event_personal ON event (number) WHERE personal = 1;

-- Callbacks that were accepted, so that a repeated or replayed one is not stored twice.
CREATE TABLE callback (
    digest BLOB PRIMARY KEY,
    accepted_s REAL NOT NULL
) STRICT;
CREATE INDEX callback_age ON callback (accepted_s);

-- How far events are sent to the head office; one row.
CREATE TABLE fleet_cursor (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch TEXT NOT NULL,               -- of the event log, when an event was acknowledged last
    number INTEGER NOT NULL,           -- everything up to this event is acknowledged, or is not to be sent
    published INTEGER NOT NULL,        -- the last event that was acknowledged; 0: none, or not known after damage
    since INTEGER NOT NULL,            -- everything up to this event is of the shop that this gateway was before
    member TEXT NOT NULL               -- which shop of which chain it is: its name, and a digest of the authority
) STRICT;

-- Commands of the head office, so that none is acted on twice.
CREATE TABLE fleet_command (
    number INTEGER PRIMARY KEY,        -- the newer, the higher
    member TEXT NOT NULL,              -- which shop of which chain was asked, as in fleet_cursor
    id TEXT NOT NULL,                  -- the idempotency key
    name TEXT NOT NULL,
    who TEXT NOT NULL,                 -- who gave it
    subject TEXT NOT NULL,             -- what it is about, as a serial number; empty: the name says it all
    outcome TEXT NOT NULL CHECK (outcome IN ('running', 'done', 'refused', 'failed', 'interrupted')),
    reason TEXT NOT NULL,
    result TEXT,                       -- JSON; NULL: none, or not kept any more
    began_at INTEGER NOT NULL,         -- Unix seconds
    UNIQUE (member, id)
) STRICT;

-- Content that the head office wants in the shop, and what became of it.
CREATE TABLE fleet_content (
    part TEXT PRIMARY KEY,             -- products, or templates. and the name of one
    content TEXT NOT NULL,             -- which content: its SHA-256, how it is taken, and for which account
    outcome TEXT NOT NULL,             -- applied or refused
    reason TEXT NOT NULL               -- why it is refused; empty if it is not
) STRICT;

-- Addresses of tills to which events are sent.
CREATE TABLE webhook (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    secret TEXT NOT NULL,              -- signs what is sent, so it is stored as it is
    types TEXT NOT NULL,               -- event types, separated by commas; empty: all
    camera TEXT NOT NULL,              -- serial number; empty: all
    created_at INTEGER NOT NULL,
    delivered INTEGER NOT NULL         -- number of the last event that was dealt with
) STRICT;

----------------------------------------------------------------------------------------------------------------------
-- Customer flow

-- Responses of the cloud, so that they are there while the cloud is away.
CREATE TABLE customer_flow (
    account TEXT NOT NULL,             -- address of the cloud and app_id: a shop_id means something in one account only
    shop TEXT NOT NULL,                -- the parameter and its value: shop_id=10096
    path TEXT NOT NULL,                -- the endpoint; all of the present day's together under one name
    first_day TEXT NOT NULL,           -- YYYY-MM-DD; both days empty for the present day
    last_day TEXT NOT NULL,
    data TEXT NOT NULL,                -- JSON
    final INTEGER NOT NULL CHECK (final IN (0, 1)),
    fetched_at INTEGER NOT NULL,
    fetched_s REAL NOT NULL,
    PRIMARY KEY (account, shop, path, first_day, last_day)
) STRICT;
