-- Made by `cargo xtask gen sql` from the record of table outbox. Do not edit.

-- name: load
SELECT bucket, subject, outbox_id, topic, state, created_at, next_at, tries, lease, lease_until, done_at, version
FROM outbox
WHERE bucket = ?1 AND subject = ?2 AND outbox_id = ?3

-- name: insert
INSERT INTO outbox (bucket, subject, outbox_id, topic, state, created_at, next_at, tries, lease, lease_until, done_at, version)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)

-- name: update
UPDATE outbox
SET state = ?5, next_at = ?7, tries = ?8, lease = ?9, lease_until = ?10, done_at = ?11, version = ?12
WHERE bucket = ?1 AND subject = ?2 AND outbox_id = ?3 AND version = ?13

-- name: assert
SELECT version
FROM outbox
WHERE bucket = ?1 AND subject = ?2 AND outbox_id = ?3

-- name: load_many
SELECT t.bucket, t.subject, t.outbox_id, t.topic, t.state, t.created_at, t.next_at, t.tries, t.lease, t.lease_until, t.done_at, t.version
FROM outbox AS t
JOIN unnest(?1::bigint[], ?2::text[], ?3::bytes[]) AS k (bucket, subject, outbox_id)
    ON t.bucket = k.bucket AND t.subject = k.subject AND t.outbox_id = k.outbox_id
WHERE t.bucket = ANY(?4::bigint[])

-- name: insert_many
INSERT INTO outbox (bucket, subject, outbox_id, topic, state, created_at, next_at, tries, lease, lease_until, done_at, version)
SELECT k.bucket, k.subject, k.outbox_id, k.topic, k.state, k.created_at, k.next_at, k.tries, k.lease, k.lease_until, k.done_at, k.version
FROM unnest(?1::bigint[], ?2::text[], ?3::bytes[], ?4::text[], ?5::text[], ?6::bigint[], ?7::bigint[], ?8::bigint[], ?9::bigint[], ?10::bigint[], ?11::bigint[], ?12::bigint[]) AS k (bucket, subject, outbox_id, topic, state, created_at, next_at, tries, lease, lease_until, done_at, version)

-- name: update_many
UPDATE outbox AS t
SET state = k.state, next_at = k.next_at, tries = k.tries, lease = k.lease, lease_until = k.lease_until, done_at = k.done_at, version = k.version
FROM unnest(?1::bigint[], ?2::text[], ?3::bytes[], ?4::text[], ?5::bigint[], ?6::bigint[], ?7::bigint[], ?8::bigint[], ?9::bigint[], ?10::bigint[], ?11::bigint[]) AS k (bucket, subject, outbox_id, state, next_at, tries, lease, lease_until, done_at, version, expected_version)
WHERE t.bucket = k.bucket AND t.subject = k.subject AND t.outbox_id = k.outbox_id AND t.version = k.expected_version
    AND t.bucket = ANY(?12::bigint[])

-- name: assert_many
SELECT t.version
FROM outbox AS t
JOIN unnest(?1::bigint[], ?2::text[], ?3::bytes[], ?4::bigint[]) AS k (bucket, subject, outbox_id, expected_version)
    ON t.bucket = k.bucket AND t.subject = k.subject AND t.outbox_id = k.outbox_id
WHERE t.version = k.expected_version
    AND t.bucket = ANY(?5::bigint[])
ORDER BY t.bucket, t.subject, t.outbox_id
FOR SHARE OF t

-- name: scan
SELECT bucket, subject, outbox_id, topic, state, created_at, next_at, tries, lease, lease_until, done_at, version
FROM outbox
ORDER BY bucket, subject, outbox_id

-- name: scan_as_it_lies
SELECT bucket, subject, outbox_id, topic, state, created_at, next_at, tries, lease, lease_until, done_at, version
FROM outbox

-- name: scan_buckets
SELECT bucket, subject, outbox_id, topic, state, created_at, next_at, tries, lease, lease_until, done_at, version
FROM outbox
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, subject, outbox_id
