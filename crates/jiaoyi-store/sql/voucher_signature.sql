-- Made by `cargo xtask gen sql` from the record of table voucher_signature. Do not edit.

-- name: load
SELECT bucket, voucher_no, key_id, algorithm, host, cose, signed_at
FROM voucher_signature
WHERE bucket = ?1 AND voucher_no = ?2

-- name: insert
INSERT INTO voucher_signature (bucket, voucher_no, key_id, algorithm, host, cose, signed_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)

-- name: load_many
SELECT t.bucket, t.voucher_no, t.key_id, t.algorithm, t.host, t.cose, t.signed_at
FROM voucher_signature AS t
JOIN unnest(?1::bigint[], ?2::text[]) AS k (bucket, voucher_no)
    ON t.bucket = k.bucket AND t.voucher_no = k.voucher_no
WHERE t.bucket = ANY(?3::bigint[])

-- name: insert_many
INSERT INTO voucher_signature (bucket, voucher_no, key_id, algorithm, host, cose, signed_at)
SELECT k.bucket, k.voucher_no, k.key_id, k.algorithm, k.host, k.cose, k.signed_at
FROM unnest(?1::bigint[], ?2::text[], ?3::text[], ?4::text[], ?5::text[], ?6::bytes[], ?7::bigint[]) AS k (bucket, voucher_no, key_id, algorithm, host, cose, signed_at)

-- name: scan
SELECT bucket, voucher_no, key_id, algorithm, host, cose, signed_at
FROM voucher_signature
ORDER BY bucket, voucher_no

-- name: scan_as_it_lies
SELECT bucket, voucher_no, key_id, algorithm, host, cose, signed_at
FROM voucher_signature

-- name: scan_buckets
SELECT bucket, voucher_no, key_id, algorithm, host, cose, signed_at
FROM voucher_signature
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, voucher_no
