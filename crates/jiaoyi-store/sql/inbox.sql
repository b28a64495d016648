-- Made by `cargo xtask gen sql` from the record of table inbox. Do not edit.

-- name: load
SELECT bucket, channel, notice_id, received_at, body_sealed
FROM inbox
WHERE bucket = ?1 AND channel = ?2 AND notice_id = ?3

-- name: insert
INSERT INTO inbox (bucket, channel, notice_id, received_at, body_sealed)
VALUES (?1, ?2, ?3, ?4, ?5)

-- name: load_many
SELECT t.bucket, t.channel, t.notice_id, t.received_at, t.body_sealed
FROM inbox AS t
JOIN unnest(?1::bigint[], ?2::text[], ?3::text[]) AS k (bucket, channel, notice_id)
    ON t.bucket = k.bucket AND t.channel = k.channel AND t.notice_id = k.notice_id
WHERE t.bucket = ANY(?4::bigint[])

-- name: insert_many
INSERT INTO inbox (bucket, channel, notice_id, received_at, body_sealed)
SELECT k.bucket, k.channel, k.notice_id, k.received_at, k.body_sealed
FROM unnest(?1::bigint[], ?2::text[], ?3::text[], ?4::bigint[], ?5::bytes[]) AS k (bucket, channel, notice_id, received_at, body_sealed)

-- name: scan
SELECT bucket, channel, notice_id, received_at, body_sealed
FROM inbox
ORDER BY bucket, channel, notice_id

-- name: scan_as_it_lies
SELECT bucket, channel, notice_id, received_at, body_sealed
FROM inbox

-- name: scan_buckets
SELECT bucket, channel, notice_id, received_at, body_sealed
FROM inbox
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, channel, notice_id
