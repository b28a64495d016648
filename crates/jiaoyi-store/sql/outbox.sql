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

-- name: load_many
SELECT t.bucket, t.outbox_id, t.topic, t.subject, t.state, t.created_at, t.next_at, t.tries, t.lease, t.lease_until, t.done_at, t.version
FROM outbox AS t
JOIN unnest(?1::bigint[], ?2::bytes[]) AS k (bucket, outbox_id)
    ON t.bucket = k.bucket AND t.outbox_id = k.outbox_id
WHERE t.bucket = ANY(?3::bigint[])

-- name: insert_many
INSERT INTO outbox (bucket, outbox_id, topic, subject, state, created_at, next_at, tries, lease, lease_until, done_at, version)
SELECT k.bucket, k.outbox_id, k.topic, k.subject, k.state, k.created_at, k.next_at, k.tries, k.lease, k.lease_until, k.done_at, k.version
FROM unnest(?1::bigint[], ?2::bytes[], ?3::text[], ?4::text[], ?5::text[], ?6::bigint[], ?7::bigint[], ?8::bigint[], ?9::bigint[], ?10::bigint[], ?11::bigint[], ?12::bigint[]) AS k (bucket, outbox_id, topic, subject, state, created_at, next_at, tries, lease, lease_until, done_at, version)

-- name: update_many
UPDATE outbox AS t
SET topic = k.topic, subject = k.subject, state = k.state, created_at = k.created_at, next_at = k.next_at, tries = k.tries, lease = k.lease, lease_until = k.lease_until, done_at = k.done_at, version = k.version
FROM unnest(?1::bigint[], ?2::bytes[], ?3::text[], ?4::text[], ?5::text[], ?6::bigint[], ?7::bigint[], ?8::bigint[], ?9::bigint[], ?10::bigint[], ?11::bigint[], ?12::bigint[], ?13::bigint[]) AS k (bucket, outbox_id, topic, subject, state, created_at, next_at, tries, lease, lease_until, done_at, version, expected_version)
WHERE t.bucket = k.bucket AND t.outbox_id = k.outbox_id AND t.version = k.expected_version
    AND t.bucket = ANY(?14::bigint[])

-- name: assert_many
SELECT t.version
FROM outbox AS t
JOIN unnest(?1::bigint[], ?2::bytes[], ?3::bigint[]) AS k (bucket, outbox_id, expected_version)
    ON t.bucket = k.bucket AND t.outbox_id = k.outbox_id
WHERE t.version = k.expected_version
    AND t.bucket = ANY(?4::bigint[])
ORDER BY t.bucket, t.outbox_id
FOR SHARE OF t

-- name: scan
SELECT bucket, outbox_id, topic, subject, state, created_at, next_at, tries, lease, lease_until, done_at, version
FROM outbox
ORDER BY bucket, outbox_id

-- name: scan_buckets
SELECT bucket, outbox_id, topic, subject, state, created_at, next_at, tries, lease, lease_until, done_at, version
FROM outbox
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, outbox_id
