-- Made by `cargo xtask gen sql` from the record of table pay_order. Do not edit.

-- name: load
SELECT bucket, order_id, order_no, state, amount, line_count, attempt_count, holder, relation, region, created_at, until, ended_at, version
FROM pay_order
WHERE bucket = ?1 AND order_id = ?2

-- name: insert
INSERT INTO pay_order (bucket, order_id, order_no, state, amount, line_count, attempt_count, holder, relation, region, created_at, until, ended_at, version)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)

-- name: update
UPDATE pay_order
SET state = ?4, attempt_count = ?7, until = ?12, ended_at = ?13, version = ?14
WHERE bucket = ?1 AND order_id = ?2 AND version = ?15

-- name: assert
SELECT version
FROM pay_order
WHERE bucket = ?1 AND order_id = ?2

-- name: load_many
SELECT t.bucket, t.order_id, t.order_no, t.state, t.amount, t.line_count, t.attempt_count, t.holder, t.relation, t.region, t.created_at, t.until, t.ended_at, t.version
FROM pay_order AS t
JOIN unnest(?1::bigint[], ?2::bytes[]) AS k (bucket, order_id)
    ON t.bucket = k.bucket AND t.order_id = k.order_id
WHERE t.bucket = ANY(?3::bigint[])

-- name: insert_many
INSERT INTO pay_order (bucket, order_id, order_no, state, amount, line_count, attempt_count, holder, relation, region, created_at, until, ended_at, version)
SELECT k.bucket, k.order_id, k.order_no, k.state, k.amount, k.line_count, k.attempt_count, k.holder, k.relation, k.region, k.created_at, k.until, k.ended_at, k.version
FROM unnest(?1::bigint[], ?2::bytes[], ?3::text[], ?4::text[], ?5::bigint[], ?6::bigint[], ?7::bigint[], ?8::bytes[], ?9::text[], ?10::text[], ?11::bigint[], ?12::bigint[], ?13::bigint[], ?14::bigint[]) AS k (bucket, order_id, order_no, state, amount, line_count, attempt_count, holder, relation, region, created_at, until, ended_at, version)

-- name: update_many
UPDATE pay_order AS t
SET state = k.state, attempt_count = k.attempt_count, until = k.until, ended_at = k.ended_at, version = k.version
FROM unnest(?1::bigint[], ?2::bytes[], ?3::text[], ?4::bigint[], ?5::bigint[], ?6::bigint[], ?7::bigint[], ?8::bigint[]) AS k (bucket, order_id, state, attempt_count, until, ended_at, version, expected_version)
WHERE t.bucket = k.bucket AND t.order_id = k.order_id AND t.version = k.expected_version
    AND t.bucket = ANY(?9::bigint[])

-- name: assert_many
SELECT t.version
FROM pay_order AS t
JOIN unnest(?1::bigint[], ?2::bytes[], ?3::bigint[]) AS k (bucket, order_id, expected_version)
    ON t.bucket = k.bucket AND t.order_id = k.order_id
WHERE t.version = k.expected_version
    AND t.bucket = ANY(?4::bigint[])
ORDER BY t.bucket, t.order_id
FOR SHARE OF t

-- name: scan
SELECT bucket, order_id, order_no, state, amount, line_count, attempt_count, holder, relation, region, created_at, until, ended_at, version
FROM pay_order
ORDER BY bucket, order_id

-- name: scan_as_it_lies
SELECT bucket, order_id, order_no, state, amount, line_count, attempt_count, holder, relation, region, created_at, until, ended_at, version
FROM pay_order

-- name: scan_buckets
SELECT bucket, order_id, order_no, state, amount, line_count, attempt_count, holder, relation, region, created_at, until, ended_at, version
FROM pay_order
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, order_id
