-- Provisioning under way, one job per camera. The state may hold a Wi-Fi password or an activation number.
CREATE TABLE job (
    sn TEXT PRIMARY KEY,
    state TEXT NOT NULL                -- JSON
) STRICT;
