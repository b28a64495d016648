-- Made by `cargo xtask gen sql` from the record of table transfer. Do not edit.

-- name: load
SELECT bucket, transfer_id, debit, credit, amount, kind, order_id, line_no, due_id, generation, channel, merchant, txn_id, refund_no, transit_id, channel_day, book_day, at
FROM transfer
WHERE bucket = ?1 AND transfer_id = ?2

-- name: insert
INSERT INTO transfer (bucket, transfer_id, debit, credit, amount, kind, order_id, line_no, due_id, generation, channel, merchant, txn_id, refund_no, transit_id, channel_day, book_day, at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)

-- name: by_order
SELECT bucket, transfer_id, debit, credit, amount, kind, order_id, line_no, due_id, generation, channel, merchant, txn_id, refund_no, transit_id, channel_day, book_day, at
FROM transfer
WHERE bucket = ?1 AND order_id = ?2
ORDER BY bucket, transfer_id

-- name: scan
SELECT bucket, transfer_id, debit, credit, amount, kind, order_id, line_no, due_id, generation, channel, merchant, txn_id, refund_no, transit_id, channel_day, book_day, at
FROM transfer
ORDER BY bucket, transfer_id

-- name: scan_buckets
SELECT bucket, transfer_id, debit, credit, amount, kind, order_id, line_no, due_id, generation, channel, merchant, txn_id, refund_no, transit_id, channel_day, book_day, at
FROM transfer
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, transfer_id
