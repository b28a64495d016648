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
SET state = ?3, amount = ?11, channel_no = ?12, closes = ?13, request = ?14, held_until = ?15, sent_at = ?17, done_at = ?18, detail = ?19, ask_at = ?20, asks = ?21, version = ?22
WHERE bucket = ?1 AND refund_no = ?2 AND version = ?23

-- name: assert
SELECT version
FROM refund
WHERE bucket = ?1 AND refund_no = ?2

-- name: load_many
SELECT t.bucket, t.refund_no, t.state, t.cause, t.channel, t.merchant, t.txn_id, t.attempt_no, t.order_id, t.line_no, t.amount, t.channel_no, t.closes, t.request, t.held_until, t.created_at, t.sent_at, t.done_at, t.detail, t.ask_at, t.asks, t.version
FROM refund AS t
JOIN unnest(?1::bigint[], ?2::text[]) AS k (bucket, refund_no)
    ON t.bucket = k.bucket AND t.refund_no = k.refund_no
WHERE t.bucket = ANY(?3::bigint[])

-- name: by_attempt_many
SELECT t.bucket, t.refund_no, t.state, t.cause, t.channel, t.merchant, t.txn_id, t.attempt_no, t.order_id, t.line_no, t.amount, t.channel_no, t.closes, t.request, t.held_until, t.created_at, t.sent_at, t.done_at, t.detail, t.ask_at, t.asks, t.version
FROM refund AS t
JOIN unnest(?1::bigint[], ?2::text[]) AS k (bucket, attempt_no)
    ON t.bucket = k.bucket AND t.attempt_no = k.attempt_no
WHERE t.bucket = ANY(?3::bigint[])

-- name: by_order_many
SELECT t.bucket, t.refund_no, t.state, t.cause, t.channel, t.merchant, t.txn_id, t.attempt_no, t.order_id, t.line_no, t.amount, t.channel_no, t.closes, t.request, t.held_until, t.created_at, t.sent_at, t.done_at, t.detail, t.ask_at, t.asks, t.version
FROM refund AS t
JOIN unnest(?1::bigint[], ?2::bytes[]) AS k (bucket, order_id)
    ON t.bucket = k.bucket AND t.order_id = k.order_id
WHERE t.bucket = ANY(?3::bigint[])

-- name: insert_many
INSERT INTO refund (bucket, refund_no, state, cause, channel, merchant, txn_id, attempt_no, order_id, line_no, amount, channel_no, closes, request, held_until, created_at, sent_at, done_at, detail, ask_at, asks, version)
SELECT k.bucket, k.refund_no, k.state, k.cause, k.channel, k.merchant, k.txn_id, k.attempt_no, k.order_id, k.line_no, k.amount, k.channel_no, k.closes, k.request, k.held_until, k.created_at, k.sent_at, k.done_at, k.detail, k.ask_at, k.asks, k.version
FROM unnest(?1::bigint[], ?2::text[], ?3::text[], ?4::text[], ?5::text[], ?6::text[], ?7::text[], ?8::text[], ?9::bytes[], ?10::bigint[], ?11::bigint[], ?12::text[], ?13::bigint[], ?14::bytes[], ?15::bigint[], ?16::bigint[], ?17::bigint[], ?18::bigint[], ?19::text[], ?20::bigint[], ?21::bigint[], ?22::bigint[]) AS k (bucket, refund_no, state, cause, channel, merchant, txn_id, attempt_no, order_id, line_no, amount, channel_no, closes, request, held_until, created_at, sent_at, done_at, detail, ask_at, asks, version)

-- name: update_many
UPDATE refund AS t
SET state = k.state, amount = k.amount, channel_no = k.channel_no, closes = k.closes, request = k.request, held_until = k.held_until, sent_at = k.sent_at, done_at = k.done_at, detail = k.detail, ask_at = k.ask_at, asks = k.asks, version = k.version
FROM unnest(?1::bigint[], ?2::text[], ?3::text[], ?4::bigint[], ?5::text[], ?6::bigint[], ?7::bytes[], ?8::bigint[], ?9::bigint[], ?10::bigint[], ?11::text[], ?12::bigint[], ?13::bigint[], ?14::bigint[], ?15::bigint[]) AS k (bucket, refund_no, state, amount, channel_no, closes, request, held_until, sent_at, done_at, detail, ask_at, asks, version, expected_version)
WHERE t.bucket = k.bucket AND t.refund_no = k.refund_no AND t.version = k.expected_version
    AND t.bucket = ANY(?16::bigint[])

-- name: assert_many
SELECT t.version
FROM refund AS t
JOIN unnest(?1::bigint[], ?2::text[], ?3::bigint[]) AS k (bucket, refund_no, expected_version)
    ON t.bucket = k.bucket AND t.refund_no = k.refund_no
WHERE t.version = k.expected_version
    AND t.bucket = ANY(?4::bigint[])
ORDER BY t.bucket, t.refund_no
FOR SHARE OF t

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

-- name: scan_as_it_lies
SELECT bucket, refund_no, state, cause, channel, merchant, txn_id, attempt_no, order_id, line_no, amount, channel_no, closes, request, held_until, created_at, sent_at, done_at, detail, ask_at, asks, version
FROM refund

-- name: scan_buckets
SELECT bucket, refund_no, state, cause, channel, merchant, txn_id, attempt_no, order_id, line_no, amount, channel_no, closes, request, held_until, created_at, sent_at, done_at, detail, ask_at, asks, version
FROM refund
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, refund_no
