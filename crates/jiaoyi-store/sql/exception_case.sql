-- Made by `cargo xtask gen sql` from the record of table exception_case. Do not edit.

-- name: load
SELECT bucket, case_id, kind, state, order_id, subject, detail, opened_at, version
FROM exception_case
WHERE bucket = ?1 AND case_id = ?2

-- name: insert
INSERT INTO exception_case (bucket, case_id, kind, state, order_id, subject, detail, opened_at, version)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)

-- name: update
UPDATE exception_case
SET kind = ?3, state = ?4, order_id = ?5, subject = ?6, detail = ?7, opened_at = ?8, version = ?9
WHERE bucket = ?1 AND case_id = ?2 AND version = ?10

-- name: assert
SELECT version
FROM exception_case
WHERE bucket = ?1 AND case_id = ?2

-- name: by_subject
SELECT bucket, case_id, kind, state, order_id, subject, detail, opened_at, version
FROM exception_case
WHERE bucket = ?1 AND subject = ?2
ORDER BY bucket, case_id

-- name: scan
SELECT bucket, case_id, kind, state, order_id, subject, detail, opened_at, version
FROM exception_case
ORDER BY bucket, case_id

-- name: scan_buckets
SELECT bucket, case_id, kind, state, order_id, subject, detail, opened_at, version
FROM exception_case
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, case_id
