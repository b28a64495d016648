-- Made by `cargo xtask gen sql` from the record of table roster. Do not edit.

-- name: load
SELECT roster_id, state, region, benefit_year, source, serial, file_hash, rows_read, rows_good, rows_bad, rows_published, created_at, activated_at, version
FROM roster
WHERE roster_id = ?1

-- name: insert
INSERT INTO roster (roster_id, state, region, benefit_year, source, serial, file_hash, rows_read, rows_good, rows_bad, rows_published, created_at, activated_at, version)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)

-- name: update
UPDATE roster
SET state = ?2, region = ?3, benefit_year = ?4, source = ?5, serial = ?6, file_hash = ?7, rows_read = ?8, rows_good = ?9, rows_bad = ?10, rows_published = ?11, created_at = ?12, activated_at = ?13, version = ?14
WHERE roster_id = ?1 AND version = ?15

-- name: assert
SELECT version
FROM roster
WHERE roster_id = ?1

-- name: by_source
SELECT roster_id, state, region, benefit_year, source, serial, file_hash, rows_read, rows_good, rows_bad, rows_published, created_at, activated_at, version
FROM roster
WHERE source = ?1 AND region = ?2 AND benefit_year = ?3
ORDER BY roster_id

-- name: scan
SELECT roster_id, state, region, benefit_year, source, serial, file_hash, rows_read, rows_good, rows_bad, rows_published, created_at, activated_at, version
FROM roster
ORDER BY roster_id
