-- Made by `cargo xtask gen sql` from the record of table access_link. Do not edit.

-- name: load
SELECT inst_id, link_id, device, made_at, valid_until, version
FROM access_link
WHERE inst_id = ?1 AND link_id = ?2

-- name: insert
INSERT INTO access_link (inst_id, link_id, device, made_at, valid_until, version)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)

-- name: update
UPDATE access_link
SET device = ?3, valid_until = ?5, version = ?6
WHERE inst_id = ?1 AND link_id = ?2 AND version = ?7

-- name: assert
SELECT version
FROM access_link
WHERE inst_id = ?1 AND link_id = ?2

-- name: load_many
SELECT t.inst_id, t.link_id, t.device, t.made_at, t.valid_until, t.version
FROM access_link AS t
JOIN unnest(?1::text[], ?2::text[]) AS k (inst_id, link_id)
    ON t.inst_id = k.inst_id AND t.link_id = k.link_id

-- name: insert_many
INSERT INTO access_link (inst_id, link_id, device, made_at, valid_until, version)
SELECT k.inst_id, k.link_id, k.device, k.made_at, k.valid_until, k.version
FROM unnest(?1::text[], ?2::text[], ?3::bytes[], ?4::bigint[], ?5::bigint[], ?6::bigint[]) AS k (inst_id, link_id, device, made_at, valid_until, version)

-- name: update_many
UPDATE access_link AS t
SET device = k.device, valid_until = k.valid_until, version = k.version
FROM unnest(?1::text[], ?2::text[], ?3::bytes[], ?4::bigint[], ?5::bigint[], ?6::bigint[]) AS k (inst_id, link_id, device, valid_until, version, expected_version)
WHERE t.inst_id = k.inst_id AND t.link_id = k.link_id AND t.version = k.expected_version

-- name: assert_many
SELECT t.version
FROM access_link AS t
JOIN unnest(?1::text[], ?2::text[], ?3::bigint[]) AS k (inst_id, link_id, expected_version)
    ON t.inst_id = k.inst_id AND t.link_id = k.link_id
WHERE t.version = k.expected_version
ORDER BY t.inst_id, t.link_id
FOR SHARE OF t

-- name: assert_many_unlocked
SELECT t.version
FROM access_link AS t
JOIN unnest(?1::text[], ?2::text[], ?3::bigint[]) AS k (inst_id, link_id, expected_version)
    ON t.inst_id = k.inst_id AND t.link_id = k.link_id
WHERE t.version = k.expected_version
ORDER BY t.inst_id, t.link_id

-- name: scan
SELECT inst_id, link_id, device, made_at, valid_until, version
FROM access_link
ORDER BY inst_id, link_id

-- name: scan_as_it_lies
SELECT inst_id, link_id, device, made_at, valid_until, version
FROM access_link
