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
SET state = ?9, handed_out_at = ?13, abandoned_at = ?14, handover_sealed = ?16, last_word = ?17, paid_at = ?18, ask_at = ?19, asks = ?20, version = ?21
WHERE bucket = ?1 AND attempt_no = ?2 AND version = ?22

-- name: assert
SELECT version
FROM attempt
WHERE bucket = ?1 AND attempt_no = ?2

-- name: load_many
SELECT t.bucket, t.attempt_no, t.order_id, t.seq, t.method, t.channel, t.merchant, t.app, t.state, t.amount, t.created_at, t.expires_at, t.handed_out_at, t.abandoned_at, t.request_sealed, t.handover_sealed, t.last_word, t.paid_at, t.ask_at, t.asks, t.version
FROM attempt AS t
JOIN unnest(?1::bigint[], ?2::text[]) AS k (bucket, attempt_no)
    ON t.bucket = k.bucket AND t.attempt_no = k.attempt_no
WHERE t.bucket = ANY(?3::bigint[])

-- name: by_order_many
SELECT t.bucket, t.attempt_no, t.order_id, t.seq, t.method, t.channel, t.merchant, t.app, t.state, t.amount, t.created_at, t.expires_at, t.handed_out_at, t.abandoned_at, t.request_sealed, t.handover_sealed, t.last_word, t.paid_at, t.ask_at, t.asks, t.version
FROM attempt AS t
JOIN unnest(?1::bigint[], ?2::bytes[]) AS k (bucket, order_id)
    ON t.bucket = k.bucket AND t.order_id = k.order_id
WHERE t.bucket = ANY(?3::bigint[])

-- name: insert_many
INSERT INTO attempt (bucket, attempt_no, order_id, seq, method, channel, merchant, app, state, amount, created_at, expires_at, handed_out_at, abandoned_at, request_sealed, handover_sealed, last_word, paid_at, ask_at, asks, version)
SELECT k.bucket, k.attempt_no, k.order_id, k.seq, k.method, k.channel, k.merchant, k.app, k.state, k.amount, k.created_at, k.expires_at, k.handed_out_at, k.abandoned_at, k.request_sealed, k.handover_sealed, k.last_word, k.paid_at, k.ask_at, k.asks, k.version
FROM unnest(?1::bigint[], ?2::text[], ?3::bytes[], ?4::bigint[], ?5::text[], ?6::text[], ?7::text[], ?8::text[], ?9::text[], ?10::bigint[], ?11::bigint[], ?12::bigint[], ?13::bigint[], ?14::bigint[], ?15::bytes[], ?16::bytes[], ?17::text[], ?18::bigint[], ?19::bigint[], ?20::bigint[], ?21::bigint[]) AS k (bucket, attempt_no, order_id, seq, method, channel, merchant, app, state, amount, created_at, expires_at, handed_out_at, abandoned_at, request_sealed, handover_sealed, last_word, paid_at, ask_at, asks, version)

-- name: update_many
UPDATE attempt AS t
SET state = k.state, handed_out_at = k.handed_out_at, abandoned_at = k.abandoned_at, handover_sealed = k.handover_sealed, last_word = k.last_word, paid_at = k.paid_at, ask_at = k.ask_at, asks = k.asks, version = k.version
FROM unnest(?1::bigint[], ?2::text[], ?3::text[], ?4::bigint[], ?5::bigint[], ?6::bytes[], ?7::text[], ?8::bigint[], ?9::bigint[], ?10::bigint[], ?11::bigint[], ?12::bigint[]) AS k (bucket, attempt_no, state, handed_out_at, abandoned_at, handover_sealed, last_word, paid_at, ask_at, asks, version, expected_version)
WHERE t.bucket = k.bucket AND t.attempt_no = k.attempt_no AND t.version = k.expected_version
    AND t.bucket = ANY(?13::bigint[])

-- name: assert_many
SELECT t.version
FROM attempt AS t
JOIN unnest(?1::bigint[], ?2::text[], ?3::bigint[]) AS k (bucket, attempt_no, expected_version)
    ON t.bucket = k.bucket AND t.attempt_no = k.attempt_no
WHERE t.version = k.expected_version
    AND t.bucket = ANY(?4::bigint[])
ORDER BY t.bucket, t.attempt_no
FOR SHARE OF t

-- name: by_order
SELECT bucket, attempt_no, order_id, seq, method, channel, merchant, app, state, amount, created_at, expires_at, handed_out_at, abandoned_at, request_sealed, handover_sealed, last_word, paid_at, ask_at, asks, version
FROM attempt
WHERE bucket = ?1 AND order_id = ?2
ORDER BY bucket, attempt_no

-- name: scan
SELECT bucket, attempt_no, order_id, seq, method, channel, merchant, app, state, amount, created_at, expires_at, handed_out_at, abandoned_at, request_sealed, handover_sealed, last_word, paid_at, ask_at, asks, version
FROM attempt
ORDER BY bucket, attempt_no

-- name: scan_as_it_lies
SELECT bucket, attempt_no, order_id, seq, method, channel, merchant, app, state, amount, created_at, expires_at, handed_out_at, abandoned_at, request_sealed, handover_sealed, last_word, paid_at, ask_at, asks, version
FROM attempt

-- name: scan_buckets
SELECT bucket, attempt_no, order_id, seq, method, channel, merchant, app, state, amount, created_at, expires_at, handed_out_at, abandoned_at, request_sealed, handover_sealed, last_word, paid_at, ask_at, asks, version
FROM attempt
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, attempt_no
