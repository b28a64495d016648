-- Made by `cargo xtask gen sql` from the record of table transfer. Do not edit.

-- name: load
SELECT bucket, order_id, transfer_id, debit, credit, amount, kind, line_no, due_id, generation, channel, merchant, txn_id, refund_no, transit_id, channel_day, book_day, at
FROM transfer
WHERE bucket = ?1 AND order_id = ?2 AND transfer_id = ?3

-- name: insert
INSERT INTO transfer (bucket, order_id, transfer_id, debit, credit, amount, kind, line_no, due_id, generation, channel, merchant, txn_id, refund_no, transit_id, channel_day, book_day, at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)

-- name: load_many
SELECT t.bucket, t.order_id, t.transfer_id, t.debit, t.credit, t.amount, t.kind, t.line_no, t.due_id, t.generation, t.channel, t.merchant, t.txn_id, t.refund_no, t.transit_id, t.channel_day, t.book_day, t.at
FROM transfer AS t
JOIN unnest(?1::bigint[], ?2::bytes[], ?3::bytes[]) AS k (bucket, order_id, transfer_id)
    ON t.bucket = k.bucket AND t.order_id = k.order_id AND t.transfer_id = k.transfer_id
WHERE t.bucket = ANY(?4::bigint[])

-- name: by_order_many
SELECT t.bucket, t.order_id, t.transfer_id, t.debit, t.credit, t.amount, t.kind, t.line_no, t.due_id, t.generation, t.channel, t.merchant, t.txn_id, t.refund_no, t.transit_id, t.channel_day, t.book_day, t.at
FROM transfer AS t
JOIN unnest(?1::bigint[], ?2::bytes[]) AS k (bucket, order_id)
    ON t.bucket = k.bucket AND t.order_id = k.order_id
WHERE t.bucket = ANY(?3::bigint[])

-- name: insert_many
INSERT INTO transfer (bucket, order_id, transfer_id, debit, credit, amount, kind, line_no, due_id, generation, channel, merchant, txn_id, refund_no, transit_id, channel_day, book_day, at)
SELECT k.bucket, k.order_id, k.transfer_id, k.debit, k.credit, k.amount, k.kind, k.line_no, k.due_id, k.generation, k.channel, k.merchant, k.txn_id, k.refund_no, k.transit_id, k.channel_day, k.book_day, k.at
FROM unnest(?1::bigint[], ?2::bytes[], ?3::bytes[], ?4::text[], ?5::text[], ?6::bigint[], ?7::text[], ?8::bigint[], ?9::bytes[], ?10::bigint[], ?11::text[], ?12::text[], ?13::text[], ?14::text[], ?15::bytes[], ?16::text[], ?17::text[], ?18::bigint[]) AS k (bucket, order_id, transfer_id, debit, credit, amount, kind, line_no, due_id, generation, channel, merchant, txn_id, refund_no, transit_id, channel_day, book_day, at)

-- name: by_order
SELECT bucket, order_id, transfer_id, debit, credit, amount, kind, line_no, due_id, generation, channel, merchant, txn_id, refund_no, transit_id, channel_day, book_day, at
FROM transfer
WHERE bucket = ?1 AND order_id = ?2
ORDER BY bucket, order_id, transfer_id

-- name: scan
SELECT bucket, order_id, transfer_id, debit, credit, amount, kind, line_no, due_id, generation, channel, merchant, txn_id, refund_no, transit_id, channel_day, book_day, at
FROM transfer
ORDER BY bucket, order_id, transfer_id

-- name: scan_as_it_lies
SELECT bucket, order_id, transfer_id, debit, credit, amount, kind, line_no, due_id, generation, channel, merchant, txn_id, refund_no, transit_id, channel_day, book_day, at
FROM transfer

-- name: scan_buckets
SELECT bucket, order_id, transfer_id, debit, credit, amount, kind, line_no, due_id, generation, channel, merchant, txn_id, refund_no, transit_id, channel_day, book_day, at
FROM transfer
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, order_id, transfer_id
