-- Made by `cargo xtask gen sql` from the record of table voucher. Do not edit.

-- name: load
SELECT bucket, voucher_no, check_code, state, order_bucket, order_id, line_no, due_id, generation, content, issued_at, ended_at, version
FROM voucher
WHERE bucket = ?1 AND voucher_no = ?2

-- name: insert
INSERT INTO voucher (bucket, voucher_no, check_code, state, order_bucket, order_id, line_no, due_id, generation, content, issued_at, ended_at, version)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)

-- name: update
UPDATE voucher
SET check_code = ?3, state = ?4, order_bucket = ?5, order_id = ?6, line_no = ?7, due_id = ?8, generation = ?9, content = ?10, issued_at = ?11, ended_at = ?12, version = ?13
WHERE bucket = ?1 AND voucher_no = ?2 AND version = ?14

-- name: assert
SELECT version
FROM voucher
WHERE bucket = ?1 AND voucher_no = ?2

-- name: by_due
SELECT bucket, voucher_no, check_code, state, order_bucket, order_id, line_no, due_id, generation, content, issued_at, ended_at, version
FROM voucher
WHERE bucket = ?1 AND due_id = ?2 AND generation = ?3
ORDER BY bucket, voucher_no

-- name: by_order
SELECT bucket, voucher_no, check_code, state, order_bucket, order_id, line_no, due_id, generation, content, issued_at, ended_at, version
FROM voucher
WHERE order_bucket = ?1 AND order_id = ?2
ORDER BY bucket, voucher_no

-- name: scan
SELECT bucket, voucher_no, check_code, state, order_bucket, order_id, line_no, due_id, generation, content, issued_at, ended_at, version
FROM voucher
ORDER BY bucket, voucher_no

-- name: scan_buckets
SELECT bucket, voucher_no, check_code, state, order_bucket, order_id, line_no, due_id, generation, content, issued_at, ended_at, version
FROM voucher
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, voucher_no
