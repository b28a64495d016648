-- Made by `cargo xtask gen sql` from the record of table attempt. Do not edit.

-- name: load
SELECT bucket, attempt_no, order_id, seq, method, channel, merchant, app, state, amount, created_at, expires_at, handed_out_at, abandoned_at, request_sealed, handover_sealed, last_word, paid_at, ask_at, asks, version
FROM attempt
WHERE bucket = ?1 AND attempt_no = ?2

-- name: insert
INSERT INTO attempt (bucket, attempt_no, order_id, seq, method, channel, merchant, app, state, amount, created_at, expires_at, handed_out_at, abandoned_at, request_sealed, handover_sealed, last_word, paid_at, ask_at, asks, version)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)

-- name: update
UPDATE attempt
SET order_id = ?3, seq = ?4, method = ?5, channel = ?6, merchant = ?7, app = ?8, state = ?9, amount = ?10, created_at = ?11, expires_at = ?12, handed_out_at = ?13, abandoned_at = ?14, request_sealed = ?15, handover_sealed = ?16, last_word = ?17, paid_at = ?18, ask_at = ?19, asks = ?20, version = ?21
WHERE bucket = ?1 AND attempt_no = ?2 AND version = ?22

-- name: assert
SELECT version
FROM attempt
WHERE bucket = ?1 AND attempt_no = ?2

-- name: by_order
SELECT bucket, attempt_no, order_id, seq, method, channel, merchant, app, state, amount, created_at, expires_at, handed_out_at, abandoned_at, request_sealed, handover_sealed, last_word, paid_at, ask_at, asks, version
FROM attempt
WHERE bucket = ?1 AND order_id = ?2
ORDER BY bucket, attempt_no

-- name: scan
SELECT bucket, attempt_no, order_id, seq, method, channel, merchant, app, state, amount, created_at, expires_at, handed_out_at, abandoned_at, request_sealed, handover_sealed, last_word, paid_at, ask_at, asks, version
FROM attempt
ORDER BY bucket, attempt_no

-- name: scan_buckets
SELECT bucket, attempt_no, order_id, seq, method, channel, merchant, app, state, amount, created_at, expires_at, handed_out_at, abandoned_at, request_sealed, handover_sealed, last_word, paid_at, ask_at, asks, version
FROM attempt
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, attempt_no
