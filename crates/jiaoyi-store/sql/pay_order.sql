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
SET order_no = ?3, state = ?4, amount = ?5, line_count = ?6, attempt_count = ?7, holder = ?8, relation = ?9, region = ?10, created_at = ?11, until = ?12, ended_at = ?13, version = ?14
WHERE bucket = ?1 AND order_id = ?2 AND version = ?15

-- name: assert
SELECT version
FROM pay_order
WHERE bucket = ?1 AND order_id = ?2

-- name: by_holder
SELECT bucket, order_id, order_no, state, amount, line_count, attempt_count, holder, relation, region, created_at, until, ended_at, version
FROM pay_order
WHERE holder = ?1
ORDER BY bucket, order_id

-- name: scan
SELECT bucket, order_id, order_no, state, amount, line_count, attempt_count, holder, relation, region, created_at, until, ended_at, version
FROM pay_order
ORDER BY bucket, order_id

-- name: scan_buckets
SELECT bucket, order_id, order_no, state, amount, line_count, attempt_count, holder, relation, region, created_at, until, ended_at, version
FROM pay_order
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, order_id
