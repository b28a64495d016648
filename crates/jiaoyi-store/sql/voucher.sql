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
SET state = ?4, ended_at = ?12, version = ?13
WHERE bucket = ?1 AND voucher_no = ?2 AND version = ?14

-- name: assert
SELECT version
FROM voucher
WHERE bucket = ?1 AND voucher_no = ?2

-- name: load_many
SELECT t.bucket, t.voucher_no, t.check_code, t.state, t.order_bucket, t.order_id, t.line_no, t.due_id, t.generation, t.content, t.issued_at, t.ended_at, t.version
FROM voucher AS t
JOIN unnest(?1::bigint[], ?2::text[]) AS k (bucket, voucher_no)
    ON t.bucket = k.bucket AND t.voucher_no = k.voucher_no
WHERE t.bucket = ANY(?3::bigint[])

-- name: insert_many
INSERT INTO voucher (bucket, voucher_no, check_code, state, order_bucket, order_id, line_no, due_id, generation, content, issued_at, ended_at, version)
SELECT k.bucket, k.voucher_no, k.check_code, k.state, k.order_bucket, k.order_id, k.line_no, k.due_id, k.generation, k.content, k.issued_at, k.ended_at, k.version
FROM unnest(?1::bigint[], ?2::text[], ?3::text[], ?4::text[], ?5::bigint[], ?6::bytes[], ?7::bigint[], ?8::bytes[], ?9::bigint[], ?10::text[], ?11::bigint[], ?12::bigint[], ?13::bigint[]) AS k (bucket, voucher_no, check_code, state, order_bucket, order_id, line_no, due_id, generation, content, issued_at, ended_at, version)

-- name: update_many
UPDATE voucher AS t
SET state = k.state, ended_at = k.ended_at, version = k.version
FROM unnest(?1::bigint[], ?2::text[], ?3::text[], ?4::bigint[], ?5::bigint[], ?6::bigint[]) AS k (bucket, voucher_no, state, ended_at, version, expected_version)
WHERE t.bucket = k.bucket AND t.voucher_no = k.voucher_no AND t.version = k.expected_version
    AND t.bucket = ANY(?7::bigint[])

-- name: assert_many
SELECT t.version
FROM voucher AS t
JOIN unnest(?1::bigint[], ?2::text[], ?3::bigint[]) AS k (bucket, voucher_no, expected_version)
    ON t.bucket = k.bucket AND t.voucher_no = k.voucher_no
WHERE t.version = k.expected_version
    AND t.bucket = ANY(?4::bigint[])
ORDER BY t.bucket, t.voucher_no
FOR SHARE OF t

-- name: scan
SELECT bucket, voucher_no, check_code, state, order_bucket, order_id, line_no, due_id, generation, content, issued_at, ended_at, version
FROM voucher
ORDER BY bucket, voucher_no

-- name: scan_as_it_lies
SELECT bucket, voucher_no, check_code, state, order_bucket, order_id, line_no, due_id, generation, content, issued_at, ended_at, version
FROM voucher

-- name: scan_buckets
SELECT bucket, voucher_no, check_code, state, order_bucket, order_id, line_no, due_id, generation, content, issued_at, ended_at, version
FROM voucher
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, voucher_no
