-- Made by `cargo xtask gen sql` from the record of table voucher_signature. Do not edit.

-- name: load
SELECT bucket, voucher_no, key_id, algorithm, host, cose, signed_at
FROM voucher_signature
WHERE bucket = ?1 AND voucher_no = ?2

-- name: insert
INSERT INTO voucher_signature (bucket, voucher_no, key_id, algorithm, host, cose, signed_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)

-- name: scan
SELECT bucket, voucher_no, key_id, algorithm, host, cose, signed_at
FROM voucher_signature
ORDER BY bucket, voucher_no

-- name: scan_buckets
SELECT bucket, voucher_no, key_id, algorithm, host, cose, signed_at
FROM voucher_signature
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, voucher_no
