-- Made by `cargo xtask gen sql` from the record of table fact. Do not edit.

-- name: load
SELECT bucket, channel, merchant, txn_id, kind, attempt_no, order_id, amount, paid_at, channel_day, source, seen_at, confirmed_at, premium, surplus, returned_or_reserved, version
FROM fact
WHERE bucket = ?1 AND channel = ?2 AND merchant = ?3 AND txn_id = ?4 AND kind = ?5

-- name: insert
INSERT INTO fact (bucket, channel, merchant, txn_id, kind, attempt_no, order_id, amount, paid_at, channel_day, source, seen_at, confirmed_at, premium, surplus, returned_or_reserved, version)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)

-- name: update
UPDATE fact
SET confirmed_at = ?13, premium = ?14, surplus = ?15, returned_or_reserved = ?16, version = ?17
WHERE bucket = ?1 AND channel = ?2 AND merchant = ?3 AND txn_id = ?4 AND kind = ?5 AND version = ?18

-- name: assert
SELECT version
FROM fact
WHERE bucket = ?1 AND channel = ?2 AND merchant = ?3 AND txn_id = ?4 AND kind = ?5

-- name: load_many
SELECT t.bucket, t.channel, t.merchant, t.txn_id, t.kind, t.attempt_no, t.order_id, t.amount, t.paid_at, t.channel_day, t.source, t.seen_at, t.confirmed_at, t.premium, t.surplus, t.returned_or_reserved, t.version
FROM fact AS t
JOIN unnest(?1::bigint[], ?2::text[], ?3::text[], ?4::text[], ?5::text[]) AS k (bucket, channel, merchant, txn_id, kind)
    ON t.bucket = k.bucket AND t.channel = k.channel AND t.merchant = k.merchant AND t.txn_id = k.txn_id AND t.kind = k.kind
WHERE t.bucket = ANY(?6::bigint[])

-- name: by_attempt_many
SELECT t.bucket, t.channel, t.merchant, t.txn_id, t.kind, t.attempt_no, t.order_id, t.amount, t.paid_at, t.channel_day, t.source, t.seen_at, t.confirmed_at, t.premium, t.surplus, t.returned_or_reserved, t.version
FROM fact AS t
JOIN unnest(?1::bigint[], ?2::text[]) AS k (bucket, attempt_no)
    ON t.bucket = k.bucket AND t.attempt_no = k.attempt_no
WHERE t.bucket = ANY(?3::bigint[])

-- name: insert_many
INSERT INTO fact (bucket, channel, merchant, txn_id, kind, attempt_no, order_id, amount, paid_at, channel_day, source, seen_at, confirmed_at, premium, surplus, returned_or_reserved, version)
SELECT k.bucket, k.channel, k.merchant, k.txn_id, k.kind, k.attempt_no, k.order_id, k.amount, k.paid_at, k.channel_day, k.source, k.seen_at, k.confirmed_at, k.premium, k.surplus, k.returned_or_reserved, k.version
FROM unnest(?1::bigint[], ?2::text[], ?3::text[], ?4::text[], ?5::text[], ?6::text[], ?7::bytes[], ?8::bigint[], ?9::bigint[], ?10::text[], ?11::text[], ?12::bigint[], ?13::bigint[], ?14::bigint[], ?15::bigint[], ?16::bigint[], ?17::bigint[]) AS k (bucket, channel, merchant, txn_id, kind, attempt_no, order_id, amount, paid_at, channel_day, source, seen_at, confirmed_at, premium, surplus, returned_or_reserved, version)

-- name: update_many
UPDATE fact AS t
SET confirmed_at = k.confirmed_at, premium = k.premium, surplus = k.surplus, returned_or_reserved = k.returned_or_reserved, version = k.version
FROM unnest(?1::bigint[], ?2::text[], ?3::text[], ?4::text[], ?5::text[], ?6::bigint[], ?7::bigint[], ?8::bigint[], ?9::bigint[], ?10::bigint[], ?11::bigint[]) AS k (bucket, channel, merchant, txn_id, kind, confirmed_at, premium, surplus, returned_or_reserved, version, expected_version)
WHERE t.bucket = k.bucket AND t.channel = k.channel AND t.merchant = k.merchant AND t.txn_id = k.txn_id AND t.kind = k.kind AND t.version = k.expected_version
    AND t.bucket = ANY(?12::bigint[])

-- name: assert_many
SELECT t.version
FROM fact AS t
JOIN unnest(?1::bigint[], ?2::text[], ?3::text[], ?4::text[], ?5::text[], ?6::bigint[]) AS k (bucket, channel, merchant, txn_id, kind, expected_version)
    ON t.bucket = k.bucket AND t.channel = k.channel AND t.merchant = k.merchant AND t.txn_id = k.txn_id AND t.kind = k.kind
WHERE t.version = k.expected_version
    AND t.bucket = ANY(?7::bigint[])
ORDER BY t.bucket, t.channel, t.merchant, t.txn_id, t.kind
FOR SHARE OF t

-- name: by_attempt
SELECT bucket, channel, merchant, txn_id, kind, attempt_no, order_id, amount, paid_at, channel_day, source, seen_at, confirmed_at, premium, surplus, returned_or_reserved, version
FROM fact
WHERE bucket = ?1 AND attempt_no = ?2
ORDER BY bucket, channel, merchant, txn_id, kind

-- name: scan
SELECT bucket, channel, merchant, txn_id, kind, attempt_no, order_id, amount, paid_at, channel_day, source, seen_at, confirmed_at, premium, surplus, returned_or_reserved, version
FROM fact
ORDER BY bucket, channel, merchant, txn_id, kind

-- name: scan_as_it_lies
SELECT bucket, channel, merchant, txn_id, kind, attempt_no, order_id, amount, paid_at, channel_day, source, seen_at, confirmed_at, premium, surplus, returned_or_reserved, version
FROM fact

-- name: scan_buckets
SELECT bucket, channel, merchant, txn_id, kind, attempt_no, order_id, amount, paid_at, channel_day, source, seen_at, confirmed_at, premium, surplus, returned_or_reserved, version
FROM fact
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, channel, merchant, txn_id, kind
