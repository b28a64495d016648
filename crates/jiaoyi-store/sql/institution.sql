-- Made by `cargo xtask gen sql` from the record of table institution. Do not edit.

-- name: load
SELECT inst_id, name, front_ends, scopes, addresses, cut_over, hours_from, hours_until, live, webhook, created_at, version
FROM institution
WHERE inst_id = ?1

-- name: insert
INSERT INTO institution (inst_id, name, front_ends, scopes, addresses, cut_over, hours_from, hours_until, live, webhook, created_at, version)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)

-- name: update
UPDATE institution
SET name = ?2, front_ends = ?3, scopes = ?4, addresses = ?5, cut_over = ?6, hours_from = ?7, hours_until = ?8, live = ?9, webhook = ?10, version = ?12
WHERE inst_id = ?1 AND version = ?13

-- name: assert
SELECT version
FROM institution
WHERE inst_id = ?1

-- name: load_many
SELECT t.inst_id, t.name, t.front_ends, t.scopes, t.addresses, t.cut_over, t.hours_from, t.hours_until, t.live, t.webhook, t.created_at, t.version
FROM institution AS t
JOIN unnest(?1::text[]) AS k (inst_id)
    ON t.inst_id = k.inst_id

-- name: insert_many
INSERT INTO institution (inst_id, name, front_ends, scopes, addresses, cut_over, hours_from, hours_until, live, webhook, created_at, version)
SELECT k.inst_id, k.name, k.front_ends, k.scopes, k.addresses, k.cut_over, k.hours_from, k.hours_until, k.live, k.webhook, k.created_at, k.version
FROM unnest(?1::text[], ?2::text[], ?3::text[], ?4::text[], ?5::text[], ?6::bigint[], ?7::bigint[], ?8::bigint[], ?9::bigint[], ?10::text[], ?11::bigint[], ?12::bigint[]) AS k (inst_id, name, front_ends, scopes, addresses, cut_over, hours_from, hours_until, live, webhook, created_at, version)

-- name: update_many
UPDATE institution AS t
SET name = k.name, front_ends = k.front_ends, scopes = k.scopes, addresses = k.addresses, cut_over = k.cut_over, hours_from = k.hours_from, hours_until = k.hours_until, live = k.live, webhook = k.webhook, version = k.version
FROM unnest(?1::text[], ?2::text[], ?3::text[], ?4::text[], ?5::text[], ?6::bigint[], ?7::bigint[], ?8::bigint[], ?9::bigint[], ?10::text[], ?11::bigint[], ?12::bigint[]) AS k (inst_id, name, front_ends, scopes, addresses, cut_over, hours_from, hours_until, live, webhook, version, expected_version)
WHERE t.inst_id = k.inst_id AND t.version = k.expected_version

-- name: assert_many
SELECT t.version
FROM institution AS t
JOIN unnest(?1::text[], ?2::bigint[]) AS k (inst_id, expected_version)
    ON t.inst_id = k.inst_id
WHERE t.version = k.expected_version
ORDER BY t.inst_id
FOR SHARE OF t

-- name: assert_many_unlocked
SELECT t.version
FROM institution AS t
JOIN unnest(?1::text[], ?2::bigint[]) AS k (inst_id, expected_version)
    ON t.inst_id = k.inst_id
WHERE t.version = k.expected_version
ORDER BY t.inst_id

-- name: scan
SELECT inst_id, name, front_ends, scopes, addresses, cut_over, hours_from, hours_until, live, webhook, created_at, version
FROM institution
ORDER BY inst_id

-- name: scan_as_it_lies
SELECT inst_id, name, front_ends, scopes, addresses, cut_over, hours_from, hours_until, live, webhook, created_at, version
FROM institution
