-- Made by `cargo xtask gen sql` from the record of table hook_event. Do not edit.

-- name: load
SELECT bucket, hook_id, inst_id, kind, body, at, state, tries, log, ended_at, version
FROM hook_event
WHERE bucket = ?1 AND hook_id = ?2

-- name: insert
INSERT INTO hook_event (bucket, hook_id, inst_id, kind, body, at, state, tries, log, ended_at, version)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)

-- name: update
UPDATE hook_event
SET state = ?7, tries = ?8, log = ?9, ended_at = ?10, version = ?11
WHERE bucket = ?1 AND hook_id = ?2 AND version = ?12

-- name: assert
SELECT version
FROM hook_event
WHERE bucket = ?1 AND hook_id = ?2

-- name: load_many
SELECT t.bucket, t.hook_id, t.inst_id, t.kind, t.body, t.at, t.state, t.tries, t.log, t.ended_at, t.version
FROM hook_event AS t
JOIN unnest(?1::bigint[], ?2::bytes[]) AS k (bucket, hook_id)
    ON t.bucket = k.bucket AND t.hook_id = k.hook_id
WHERE t.bucket = ANY(?3::bigint[])

-- name: insert_many
INSERT INTO hook_event (bucket, hook_id, inst_id, kind, body, at, state, tries, log, ended_at, version)
SELECT k.bucket, k.hook_id, k.inst_id, k.kind, k.body, k.at, k.state, k.tries, k.log, k.ended_at, k.version
FROM unnest(?1::bigint[], ?2::bytes[], ?3::text[], ?4::text[], ?5::text[], ?6::bigint[], ?7::text[], ?8::bigint[], ?9::text[], ?10::bigint[], ?11::bigint[]) AS k (bucket, hook_id, inst_id, kind, body, at, state, tries, log, ended_at, version)

-- name: update_many
UPDATE hook_event AS t
SET state = k.state, tries = k.tries, log = k.log, ended_at = k.ended_at, version = k.version
FROM unnest(?1::bigint[], ?2::bytes[], ?3::text[], ?4::bigint[], ?5::text[], ?6::bigint[], ?7::bigint[], ?8::bigint[]) AS k (bucket, hook_id, state, tries, log, ended_at, version, expected_version)
WHERE t.bucket = k.bucket AND t.hook_id = k.hook_id AND t.version = k.expected_version
    AND t.bucket = ANY(?9::bigint[])

-- name: assert_many
SELECT t.version
FROM hook_event AS t
JOIN unnest(?1::bigint[], ?2::bytes[], ?3::bigint[]) AS k (bucket, hook_id, expected_version)
    ON t.bucket = k.bucket AND t.hook_id = k.hook_id
WHERE t.version = k.expected_version
    AND t.bucket = ANY(?4::bigint[])
ORDER BY t.bucket, t.hook_id
FOR SHARE OF t

-- name: scan
SELECT bucket, hook_id, inst_id, kind, body, at, state, tries, log, ended_at, version
FROM hook_event
ORDER BY bucket, hook_id

-- name: scan_as_it_lies
SELECT bucket, hook_id, inst_id, kind, body, at, state, tries, log, ended_at, version
FROM hook_event

-- name: scan_buckets
SELECT bucket, hook_id, inst_id, kind, body, at, state, tries, log, ended_at, version
FROM hook_event
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, hook_id
