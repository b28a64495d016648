-- Made by `cargo xtask gen sql` from the record of table inbox. Do not edit.

-- name: load
SELECT bucket, channel, notice_id, received_at, body_sealed
FROM inbox
WHERE bucket = ?1 AND channel = ?2 AND notice_id = ?3

-- name: insert
INSERT INTO inbox (bucket, channel, notice_id, received_at, body_sealed)
VALUES (?1, ?2, ?3, ?4, ?5)

-- name: scan
SELECT bucket, channel, notice_id, received_at, body_sealed
FROM inbox
ORDER BY bucket, channel, notice_id

-- name: scan_buckets
SELECT bucket, channel, notice_id, received_at, body_sealed
FROM inbox
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, channel, notice_id
