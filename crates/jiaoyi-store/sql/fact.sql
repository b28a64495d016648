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
SET attempt_no = ?6, order_id = ?7, amount = ?8, paid_at = ?9, channel_day = ?10, source = ?11, seen_at = ?12, confirmed_at = ?13, premium = ?14, surplus = ?15, returned_or_reserved = ?16, version = ?17
WHERE bucket = ?1 AND channel = ?2 AND merchant = ?3 AND txn_id = ?4 AND kind = ?5 AND version = ?18

-- name: assert
SELECT version
FROM fact
WHERE bucket = ?1 AND channel = ?2 AND merchant = ?3 AND txn_id = ?4 AND kind = ?5

-- name: by_attempt
SELECT bucket, channel, merchant, txn_id, kind, attempt_no, order_id, amount, paid_at, channel_day, source, seen_at, confirmed_at, premium, surplus, returned_or_reserved, version
FROM fact
WHERE bucket = ?1 AND attempt_no = ?2
ORDER BY bucket, channel, merchant, txn_id, kind

-- name: scan
SELECT bucket, channel, merchant, txn_id, kind, attempt_no, order_id, amount, paid_at, channel_day, source, seen_at, confirmed_at, premium, surplus, returned_or_reserved, version
FROM fact
ORDER BY bucket, channel, merchant, txn_id, kind

-- name: scan_buckets
SELECT bucket, channel, merchant, txn_id, kind, attempt_no, order_id, amount, paid_at, channel_day, source, seen_at, confirmed_at, premium, surplus, returned_or_reserved, version
FROM fact
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, channel, merchant, txn_id, kind
