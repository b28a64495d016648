-- Made by `cargo xtask gen sql` from the record of table bank_transfer. Do not edit.

-- name: load
SELECT bucket, refund_no, order_id, amount, reference, paid_on, account_tail, recorded_by, at
FROM bank_transfer
WHERE bucket = ?1 AND refund_no = ?2

-- name: insert
INSERT INTO bank_transfer (bucket, refund_no, order_id, amount, reference, paid_on, account_tail, recorded_by, at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)

-- name: load_many
SELECT t.bucket, t.refund_no, t.order_id, t.amount, t.reference, t.paid_on, t.account_tail, t.recorded_by, t.at
FROM bank_transfer AS t
JOIN unnest(?1::bigint[], ?2::text[]) AS k (bucket, refund_no)
    ON t.bucket = k.bucket AND t.refund_no = k.refund_no
WHERE t.bucket = ANY(?3::bigint[])

-- name: insert_many
INSERT INTO bank_transfer (bucket, refund_no, order_id, amount, reference, paid_on, account_tail, recorded_by, at)
SELECT k.bucket, k.refund_no, k.order_id, k.amount, k.reference, k.paid_on, k.account_tail, k.recorded_by, k.at
FROM unnest(?1::bigint[], ?2::text[], ?3::bytes[], ?4::bigint[], ?5::text[], ?6::text[], ?7::text[], ?8::text[], ?9::bigint[]) AS k (bucket, refund_no, order_id, amount, reference, paid_on, account_tail, recorded_by, at)

-- name: scan
SELECT bucket, refund_no, order_id, amount, reference, paid_on, account_tail, recorded_by, at
FROM bank_transfer
ORDER BY bucket, refund_no

-- name: scan_as_it_lies
SELECT bucket, refund_no, order_id, amount, reference, paid_on, account_tail, recorded_by, at
FROM bank_transfer

-- name: scan_buckets
SELECT bucket, refund_no, order_id, amount, reference, paid_on, account_tail, recorded_by, at
FROM bank_transfer
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, refund_no
