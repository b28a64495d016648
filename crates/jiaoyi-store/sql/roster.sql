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
SET state = ?2, file_hash = ?7, rows_read = ?8, rows_good = ?9, rows_bad = ?10, rows_published = ?11, activated_at = ?13, version = ?14
WHERE roster_id = ?1 AND version = ?15

-- name: assert
SELECT version
FROM roster
WHERE roster_id = ?1

-- name: load_many
SELECT t.roster_id, t.state, t.region, t.benefit_year, t.source, t.serial, t.file_hash, t.rows_read, t.rows_good, t.rows_bad, t.rows_published, t.created_at, t.activated_at, t.version
FROM roster AS t
JOIN unnest(?1::bytes[]) AS k (roster_id)
    ON t.roster_id = k.roster_id

-- name: by_source_many
SELECT t.roster_id, t.state, t.region, t.benefit_year, t.source, t.serial, t.file_hash, t.rows_read, t.rows_good, t.rows_bad, t.rows_published, t.created_at, t.activated_at, t.version
FROM roster AS t
JOIN unnest(?1::text[], ?2::text[], ?3::bigint[]) AS k (source, region, benefit_year)
    ON t.source = k.source AND t.region = k.region AND t.benefit_year = k.benefit_year

-- name: insert_many
INSERT INTO roster (roster_id, state, region, benefit_year, source, serial, file_hash, rows_read, rows_good, rows_bad, rows_published, created_at, activated_at, version)
SELECT k.roster_id, k.state, k.region, k.benefit_year, k.source, k.serial, k.file_hash, k.rows_read, k.rows_good, k.rows_bad, k.rows_published, k.created_at, k.activated_at, k.version
FROM unnest(?1::bytes[], ?2::text[], ?3::text[], ?4::bigint[], ?5::text[], ?6::bigint[], ?7::bytes[], ?8::bigint[], ?9::bigint[], ?10::bigint[], ?11::bigint[], ?12::bigint[], ?13::bigint[], ?14::bigint[]) AS k (roster_id, state, region, benefit_year, source, serial, file_hash, rows_read, rows_good, rows_bad, rows_published, created_at, activated_at, version)

-- name: update_many
UPDATE roster AS t
SET state = k.state, file_hash = k.file_hash, rows_read = k.rows_read, rows_good = k.rows_good, rows_bad = k.rows_bad, rows_published = k.rows_published, activated_at = k.activated_at, version = k.version
FROM unnest(?1::bytes[], ?2::text[], ?3::bytes[], ?4::bigint[], ?5::bigint[], ?6::bigint[], ?7::bigint[], ?8::bigint[], ?9::bigint[], ?10::bigint[]) AS k (roster_id, state, file_hash, rows_read, rows_good, rows_bad, rows_published, activated_at, version, expected_version)
WHERE t.roster_id = k.roster_id AND t.version = k.expected_version

-- name: assert_many
SELECT t.version
FROM roster AS t
JOIN unnest(?1::bytes[], ?2::bigint[]) AS k (roster_id, expected_version)
    ON t.roster_id = k.roster_id
WHERE t.version = k.expected_version
ORDER BY t.roster_id
FOR SHARE OF t

-- name: assert_many_unlocked
SELECT t.version
FROM roster AS t
JOIN unnest(?1::bytes[], ?2::bigint[]) AS k (roster_id, expected_version)
    ON t.roster_id = k.roster_id
WHERE t.version = k.expected_version
ORDER BY t.roster_id

-- name: by_source
SELECT roster_id, state, region, benefit_year, source, serial, file_hash, rows_read, rows_good, rows_bad, rows_published, created_at, activated_at, version
FROM roster
WHERE source = ?1 AND region = ?2 AND benefit_year = ?3
ORDER BY roster_id

-- name: scan
SELECT roster_id, state, region, benefit_year, source, serial, file_hash, rows_read, rows_good, rows_bad, rows_published, created_at, activated_at, version
FROM roster
ORDER BY roster_id

-- name: scan_as_it_lies
SELECT roster_id, state, region, benefit_year, source, serial, file_hash, rows_read, rows_good, rows_bad, rows_published, created_at, activated_at, version
FROM roster
