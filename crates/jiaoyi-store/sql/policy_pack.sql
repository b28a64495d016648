-- Made by `cargo xtask gen sql` from the record of table policy_pack. Do not edit.

-- name: load
SELECT pack_id, region, benefit_year, status, file_name, text, imported_on, imported_at, version
FROM policy_pack
WHERE pack_id = ?1

-- name: insert
INSERT INTO policy_pack (pack_id, region, benefit_year, status, file_name, text, imported_on, imported_at, version)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)

-- name: update
UPDATE policy_pack
SET region = ?2, benefit_year = ?3, status = ?4, file_name = ?5, text = ?6, imported_on = ?7, imported_at = ?8, version = ?9
WHERE pack_id = ?1 AND version = ?10

-- name: assert
SELECT version
FROM policy_pack
WHERE pack_id = ?1

-- name: load_many
SELECT t.pack_id, t.region, t.benefit_year, t.status, t.file_name, t.text, t.imported_on, t.imported_at, t.version
FROM policy_pack AS t
JOIN unnest(?1::text[]) AS k (pack_id)
    ON t.pack_id = k.pack_id

-- name: insert_many
INSERT INTO policy_pack (pack_id, region, benefit_year, status, file_name, text, imported_on, imported_at, version)
SELECT k.pack_id, k.region, k.benefit_year, k.status, k.file_name, k.text, k.imported_on, k.imported_at, k.version
FROM unnest(?1::text[], ?2::text[], ?3::bigint[], ?4::text[], ?5::text[], ?6::text[], ?7::text[], ?8::bigint[], ?9::bigint[]) AS k (pack_id, region, benefit_year, status, file_name, text, imported_on, imported_at, version)

-- name: update_many
UPDATE policy_pack AS t
SET region = k.region, benefit_year = k.benefit_year, status = k.status, file_name = k.file_name, text = k.text, imported_on = k.imported_on, imported_at = k.imported_at, version = k.version
FROM unnest(?1::text[], ?2::text[], ?3::bigint[], ?4::text[], ?5::text[], ?6::text[], ?7::text[], ?8::bigint[], ?9::bigint[], ?10::bigint[]) AS k (pack_id, region, benefit_year, status, file_name, text, imported_on, imported_at, version, expected_version)
WHERE t.pack_id = k.pack_id AND t.version = k.expected_version

-- name: assert_many
SELECT t.version
FROM policy_pack AS t
JOIN unnest(?1::text[], ?2::bigint[]) AS k (pack_id, expected_version)
    ON t.pack_id = k.pack_id
WHERE t.version = k.expected_version
ORDER BY t.pack_id
FOR SHARE OF t

-- name: assert_many_unlocked
SELECT t.version
FROM policy_pack AS t
JOIN unnest(?1::text[], ?2::bigint[]) AS k (pack_id, expected_version)
    ON t.pack_id = k.pack_id
WHERE t.version = k.expected_version
ORDER BY t.pack_id

-- name: scan
SELECT pack_id, region, benefit_year, status, file_name, text, imported_on, imported_at, version
FROM policy_pack
ORDER BY pack_id

-- name: scan_as_it_lies
SELECT pack_id, region, benefit_year, status, file_name, text, imported_on, imported_at, version
FROM policy_pack
