-- Made by `cargo xtask gen sql` from the record of table outbox. Do not edit.

-- name: load
SELECT bucket, outbox_id, topic, subject, state, created_at, next_at, tries, lease, lease_until, done_at, version
FROM outbox
WHERE bucket = ?1 AND outbox_id = ?2

-- name: insert
INSERT INTO outbox (bucket, outbox_id, topic, subject, state, created_at, next_at, tries, lease, lease_until, done_at, version)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)

-- name: update
UPDATE outbox
SET topic = ?3, subject = ?4, state = ?5, created_at = ?6, next_at = ?7, tries = ?8, lease = ?9, lease_until = ?10, done_at = ?11, version = ?12
WHERE bucket = ?1 AND outbox_id = ?2 AND version = ?13

-- name: assert
SELECT version
FROM outbox
WHERE bucket = ?1 AND outbox_id = ?2

-- name: scan
SELECT bucket, outbox_id, topic, subject, state, created_at, next_at, tries, lease, lease_until, done_at, version
FROM outbox
ORDER BY bucket, outbox_id

-- name: scan_buckets
SELECT bucket, outbox_id, topic, subject, state, created_at, next_at, tries, lease, lease_until, done_at, version
FROM outbox
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, outbox_id
