-- Made by `cargo xtask gen sql` from the record of table institution_key. Do not edit.

-- name: load
SELECT inst_id, key_id, scheme, public_key, valid_from, valid_until, version
FROM institution_key
WHERE inst_id = ?1 AND key_id = ?2

-- name: insert
INSERT INTO institution_key (inst_id, key_id, scheme, public_key, valid_from, valid_until, version)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)

-- name: update
UPDATE institution_key
SET valid_until = ?6, version = ?7
WHERE inst_id = ?1 AND key_id = ?2 AND version = ?8

-- name: assert
SELECT version
FROM institution_key
WHERE inst_id = ?1 AND key_id = ?2

-- name: load_many
SELECT t.inst_id, t.key_id, t.scheme, t.public_key, t.valid_from, t.valid_until, t.version
FROM institution_key AS t
JOIN unnest(?1::text[], ?2::text[]) AS k (inst_id, key_id)
    ON t.inst_id = k.inst_id AND t.key_id = k.key_id

-- name: insert_many
INSERT INTO institution_key (inst_id, key_id, scheme, public_key, valid_from, valid_until, version)
SELECT k.inst_id, k.key_id, k.scheme, k.public_key, k.valid_from, k.valid_until, k.version
FROM unnest(?1::text[], ?2::text[], ?3::text[], ?4::bytes[], ?5::bigint[], ?6::bigint[], ?7::bigint[]) AS k (inst_id, key_id, scheme, public_key, valid_from, valid_until, version)

-- name: update_many
UPDATE institution_key AS t
SET valid_until = k.valid_until, version = k.version
FROM unnest(?1::text[], ?2::text[], ?3::bigint[], ?4::bigint[], ?5::bigint[]) AS k (inst_id, key_id, valid_until, version, expected_version)
WHERE t.inst_id = k.inst_id AND t.key_id = k.key_id AND t.version = k.expected_version

-- name: assert_many
SELECT t.version
FROM institution_key AS t
JOIN unnest(?1::text[], ?2::text[], ?3::bigint[]) AS k (inst_id, key_id, expected_version)
    ON t.inst_id = k.inst_id AND t.key_id = k.key_id
WHERE t.version = k.expected_version
ORDER BY t.inst_id, t.key_id
FOR SHARE OF t

-- name: assert_many_unlocked
SELECT t.version
FROM institution_key AS t
JOIN unnest(?1::text[], ?2::text[], ?3::bigint[]) AS k (inst_id, key_id, expected_version)
    ON t.inst_id = k.inst_id AND t.key_id = k.key_id
WHERE t.version = k.expected_version
ORDER BY t.inst_id, t.key_id

-- name: scan
SELECT inst_id, key_id, scheme, public_key, valid_from, valid_until, version
FROM institution_key
ORDER BY inst_id, key_id

-- name: scan_as_it_lies
SELECT inst_id, key_id, scheme, public_key, valid_from, valid_until, version
FROM institution_key
