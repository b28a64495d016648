-- Made by `cargo xtask gen sql` from the record of table notice_link. Do not edit.

-- name: load
SELECT bucket, due_id, tries, shut, devices, changed_at, version
FROM notice_link
WHERE bucket = ?1 AND due_id = ?2

-- name: insert
INSERT INTO notice_link (bucket, due_id, tries, shut, devices, changed_at, version)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)

-- name: update
UPDATE notice_link
SET tries = ?3, shut = ?4, devices = ?5, changed_at = ?6, version = ?7
WHERE bucket = ?1 AND due_id = ?2 AND version = ?8

-- name: assert
SELECT version
FROM notice_link
WHERE bucket = ?1 AND due_id = ?2

-- name: scan
SELECT bucket, due_id, tries, shut, devices, changed_at, version
FROM notice_link
ORDER BY bucket, due_id

-- name: scan_buckets
SELECT bucket, due_id, tries, shut, devices, changed_at, version
FROM notice_link
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, due_id
