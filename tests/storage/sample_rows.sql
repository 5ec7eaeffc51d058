-- Some rows in every table of the newest schema, with what is easily lost: empty and missing values, quotes, semicolons,
-- other scripts, bytes. The secrets are invented.
DELETE FROM event_log;
DELETE FROM uptime;
DELETE FROM outbox;
INSERT INTO camera (sn, managed, address, mac, model, name, software_version, activation, certificate_sha256, clock,
    first_seen) VALUES ('FM02D96S00001', 1, '192.168.1.31:443', '0C:25:76:00:00:01', 'FM020', 'Entrance; left', '1.2.6',
    'activated', '9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f', 'cloud', 1763767000);
INSERT INTO camera (sn, managed, address, mac, model, name, software_version, activation, certificate_sha256, clock,
    first_seen) VALUES ('FM01D96S00002', 0, '', '', 'FM010', 'Kasse ''zwei'' 收银台', '', 'unknown', '', '', 1763768000);
INSERT INTO provisioning_job (sn, state)
    VALUES ('FM01D96S00002', '{"state": "wifi", "ssid": "Shop", "password": "an invented one"}');
INSERT INTO site_plan (id, plan, run)
    VALUES (1, '{"ssid": "Shop; \"upstairs\"", "hidden": false, "ignored": []}', '{"state": "stopped"}');
INSERT INTO site_plan_camera (position, planned, progress)
    VALUES (0, '{"row": 2, "sn": "FM01D96S00002", "mac": "", "name": "Kasse 收银台", "place": "it''s left", "settings": {}}',
    '{"sn": "FM01D96S00002", "may_activate": true, "steps": []}');
INSERT INTO site_plan_secret (position, secret) VALUES (0, CAST('908012345678901234567890' AS BLOB));
INSERT INTO site_plan_secret (position, secret) VALUES (500, CAST('an invented "one"; it''s long' AS BLOB));
INSERT INTO demonstration (id, document)
    VALUES (1, '{"sn": "FM02D96S00001", "shop": {"shop_id": "10096"}, "host": "it''s \"here\"; 店", "state": "stopped", "steps": []}');
INSERT INTO token (name, scope, sha256, created_at, last_used_at)
    VALUES ('till 1', 'pos', 'f425a5bb41b4f891b370c75e5c70777ca276b726861cbfc9398bd989a2b127b0', 1763768878, NULL);
INSERT INTO token (name, scope, sha256, created_at, last_used_at) VALUES ('Müller''s laptop', 'admin',
    'a38d7a7f35a7ab32e5cdc98a7c2e448f4a1d7b427063637be7e11ee2fb86e601', 1763768878, 1763850000);
INSERT INTO token (name, scope, sha256, created_at, last_used_at, expires_s) VALUES ('李的手机', 'pos installer',
    'b38d7a7f35a7ab32e5cdc98a7c2e448f4a1d7b427063637be7e11ee2fb86e602', 1763768878, NULL, 3370400.5);
INSERT INTO audit (number, time, who, via, action, object, recorded_s)
    VALUES (7, 1763850000, '李的手机', 'console', 'Manage a camera; it''s "new"', 'FM02D96S00001', 778000.5);
INSERT INTO audit (number, time, who, via, action, object, recorded_s)
    VALUES (8, 1763850001, '', 'local', 'Make a token', 'till 1', 778001.5);
INSERT INTO uptime (id, seconds) VALUES (1, 778400.5);
INSERT INTO account (id, base_url, app_id, shop_id, sunmi_shop_no, proof)
    VALUES (1, 'https://store.sunmi.com', 'EF3OG8R5B32X0', '10096', '', 1);
INSERT INTO outbox (id, next_sequence, account, held_at) VALUES (1, 12, 1, 1763850000);
INSERT INTO submission (id, account, token, idempotency_key, digest, path, items, members, accepted_s)
    VALUES (1, 1, 'till 1', 'first', X'A943555DCA33FDBA16D5A833462C773D', 'order/update', 2, NULL, 777607.5);
INSERT INTO submission (id, account, token, idempotency_key, digest, path, items, members, accepted_s)
    VALUES (3, 1, 'till 1', NULL, NULL, 'order/update', 1, '[1, 3]', 777622.5);
INSERT INTO item (sequence, submission, account, token, state, priority, path, target_path, shared, order_key, reference,
    size, barrier, digest, created_at, accepted_s, finished_s, attempts, result_list, vendor_meaning)
    VALUES (1, 1, 1, 'till 1', 'refused', 1, 'order/update', 'order/update', '{"shop_id":"10096"}', 'order:10096:A-1', 'A-1',
    73, 0, X'9E41FF23CDD790FCD643B82459A4E600', 1763900001, 777607.5, 777608.7, 1, 'invalid_list', 'named in invalid_list');
INSERT INTO item (sequence, submission, account, token, state, priority, path, target_path, shared, order_key, other_keys,
    reference, size, barrier, created_at, accepted_s)
    VALUES (11, 11, 1, '', 'waiting', 2, 'product/create', 'product/update', '{}', 'product:10096:7',
    '["label:10096:SKDI39DN"]', '7', 80, 1, 1763900011, 777682.5);
INSERT INTO item_content (sequence, text) VALUES (1, '{"order_no":"A-1","remark":"it''s; done"}');
INSERT INTO item_content (sequence, text) VALUES (11, '{"id":"7","name":"Cola","price":"1.50"}');
INSERT INTO item_file (sequence, name, filename, content_type, data)
    VALUES (11, 'pic', 'label.png', 'image/png', X'89504E470D0A1A0A0000000D49484452');
INSERT INTO event_log (id, epoch, next_number, bytes, ticket_key)
    VALUES (1, '5e1f0a7c93d2b846', 4, 180, X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F');
INSERT INTO event (number, time_ms, type, source, camera, data, face_id, personal, size, recorded_s) VALUES (1, 1763850000123,
    'camera.person', 'camera', 'FM02D96S00001', '{"face_id":"29195"}', '29195', 1, 60, 778000.5);
INSERT INTO event (number, time_ms, type, source, camera, data, face_id, personal, size, recorded_s) VALUES (3, 1763850002789,
    'cloud.away', 'gateway', NULL, '{"reason":"it''s; away"}', NULL, 0, 80, 778002.0);
INSERT INTO callback (digest, accepted_s) VALUES (X'00112233445566778899AABBCCDDEEFF', 778000.5);
INSERT INTO webhook (id, name, url, secret, types, camera, created_at, delivered) VALUES ('wh_1', 'Kasse 收银台',
    'https://127.0.0.1:8443/hook', 'whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz', 'camera.person', '', 1763850000, 2);
INSERT INTO fleet_cursor (id, epoch, number, published, since, member) VALUES (1, '5e1f0a7c93d2b846', 3, 3, 0,
    'berlin-1 00112233445566778899aabbccddeeff');
INSERT INTO fleet_command (number, member, id, name, who, subject, outcome, reason, result, began_at) VALUES (1,
    'berlin-1 00112233445566778899aabbccddeeff', 'k3yk3yk3y', 'token_revoke', 'anna', 'till 1', 'done', '', '{"revoked":"till 1"}', 1763850000);
INSERT INTO fleet_content (part, content, outcome, reason) VALUES ('templates.shelf', '5e1f0a7c93d2b846', 'refused', 'it doesn''t fit');
INSERT INTO customer_flow (account, shop, path, first_day, last_day, data, final, fetched_at, fetched_s)
    VALUES ('https://store.sunmi.com EF3OG8R5B32X0', 'shop_id=10096', 'data/flow/day', '2025-11-01', '2025-11-02',
    '{"total_count":7}', 1, 1763850000, 778000.0);
INSERT INTO product (number, account, product_id, name, state, wanted, revision, confirmed, change, item, problem, changed_at, confirmed_at, source)
    VALUES (1, 1, '0007', 'Cola 可乐', 'sent', '{"id":"0007","name":"Cola 可乐","price":3.50}', 2, '{"id":"0007","name":"Cola","price":3.00}',
    '{"update":{"id":"0007","name":"Cola 可乐","price":3.50}}', 11, '', 1763900011, 1763850000, 'till');
INSERT INTO product_price (number, product, field, value, time) VALUES (1, 1, 'price', '3.00', 1763850000);
INSERT INTO product_timed_price (number, account, product_id, prices, begins_at, ends_at, source, created_at) VALUES (1, 1, '7', '{"price":2.50}', 1763850000, 1763950000, 'till', 1763840000);
INSERT INTO product_mapping (source, mapping, used_at) VALUES ('till', '{"columns":{"Art.-Nr.":"id"}}', 1763850000);
INSERT INTO label (number, account, name, esl_id, esl_code, model, content, product_id, template, changes, picture, pixel_hash, valid_until, reports, state, problem, item, shown_hash, shown_until, changed_at, pushed_at, shown_at, reading) VALUES (1, 1, 'SKDI39DN', '129200', 'SKDI39DN', 'SL121', 'product', '8', 'price', 0, X'89504e47', 'ab12', 1763950000, '[]', 'shown', '', 11, 'ab12', 1763950000, 1763850000, 1763850001, 1763850003, '{"battery":90}');
INSERT INTO product_file (number, account, file, digest) VALUES (1, 1, '/srv/products/list.csv', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
INSERT INTO label_drawing (account, version, fingerprint) VALUES (1, '0.1.0', X'ab12');
INSERT INTO product_reconciliation (account, began_at) VALUES (1, 1763850000);
