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

-- name: scan
SELECT pack_id, region, benefit_year, status, file_name, text, imported_on, imported_at, version
FROM policy_pack
ORDER BY pack_id
