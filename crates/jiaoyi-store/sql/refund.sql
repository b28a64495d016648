-- Made by `cargo xtask gen sql` from the record of table refund. Do not edit.

-- name: load
SELECT bucket, refund_no, state, cause, channel, merchant, txn_id, attempt_no, order_id, line_no, amount, channel_no, closes, request, held_until, created_at, sent_at, done_at, detail, ask_at, asks, version
FROM refund
WHERE bucket = ?1 AND refund_no = ?2

-- name: insert
INSERT INTO refund (bucket, refund_no, state, cause, channel, merchant, txn_id, attempt_no, order_id, line_no, amount, channel_no, closes, request, held_until, created_at, sent_at, done_at, detail, ask_at, asks, version)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)

-- name: update
UPDATE refund
SET state = ?3, cause = ?4, channel = ?5, merchant = ?6, txn_id = ?7, attempt_no = ?8, order_id = ?9, line_no = ?10, amount = ?11, channel_no = ?12, closes = ?13, request = ?14, held_until = ?15, created_at = ?16, sent_at = ?17, done_at = ?18, detail = ?19, ask_at = ?20, asks = ?21, version = ?22
WHERE bucket = ?1 AND refund_no = ?2 AND version = ?23

-- name: assert
SELECT version
FROM refund
WHERE bucket = ?1 AND refund_no = ?2

-- name: by_attempt
SELECT bucket, refund_no, state, cause, channel, merchant, txn_id, attempt_no, order_id, line_no, amount, channel_no, closes, request, held_until, created_at, sent_at, done_at, detail, ask_at, asks, version
FROM refund
WHERE bucket = ?1 AND attempt_no = ?2
ORDER BY bucket, refund_no

-- name: by_order
SELECT bucket, refund_no, state, cause, channel, merchant, txn_id, attempt_no, order_id, line_no, amount, channel_no, closes, request, held_until, created_at, sent_at, done_at, detail, ask_at, asks, version
FROM refund
WHERE bucket = ?1 AND order_id = ?2
ORDER BY bucket, refund_no

-- name: scan
SELECT bucket, refund_no, state, cause, channel, merchant, txn_id, attempt_no, order_id, line_no, amount, channel_no, closes, request, held_until, created_at, sent_at, done_at, detail, ask_at, asks, version
FROM refund
ORDER BY bucket, refund_no

-- name: scan_buckets
SELECT bucket, refund_no, state, cause, channel, merchant, txn_id, attempt_no, order_id, line_no, amount, channel_no, closes, request, held_until, created_at, sent_at, done_at, detail, ask_at, asks, version
FROM refund
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, refund_no
