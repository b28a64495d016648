-- Made by `cargo xtask gen sql` from the record of table kept_bill. Do not edit.

-- name: load
SELECT bucket, channel, merchant, sort, day, file, sha256, bytes, payments, paid, refunds, returned, others, fees, fetched_at
FROM kept_bill
WHERE bucket = ?1 AND channel = ?2 AND merchant = ?3 AND sort = ?4 AND day = ?5

-- name: insert
INSERT INTO kept_bill (bucket, channel, merchant, sort, day, file, sha256, bytes, payments, paid, refunds, returned, others, fees, fetched_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)

-- name: load_many
SELECT t.bucket, t.channel, t.merchant, t.sort, t.day, t.file, t.sha256, t.bytes, t.payments, t.paid, t.refunds, t.returned, t.others, t.fees, t.fetched_at
FROM kept_bill AS t
JOIN unnest(?1::bigint[], ?2::text[], ?3::text[], ?4::text[], ?5::text[]) AS k (bucket, channel, merchant, sort, day)
    ON t.bucket = k.bucket AND t.channel = k.channel AND t.merchant = k.merchant AND t.sort = k.sort AND t.day = k.day
WHERE t.bucket = ANY(?6::bigint[])

-- name: insert_many
INSERT INTO kept_bill (bucket, channel, merchant, sort, day, file, sha256, bytes, payments, paid, refunds, returned, others, fees, fetched_at)
SELECT k.bucket, k.channel, k.merchant, k.sort, k.day, k.file, k.sha256, k.bytes, k.payments, k.paid, k.refunds, k.returned, k.others, k.fees, k.fetched_at
FROM unnest(?1::bigint[], ?2::text[], ?3::text[], ?4::text[], ?5::text[], ?6::text[], ?7::bytes[], ?8::bigint[], ?9::bigint[], ?10::bigint[], ?11::bigint[], ?12::bigint[], ?13::bigint[], ?14::bigint[], ?15::bigint[]) AS k (bucket, channel, merchant, sort, day, file, sha256, bytes, payments, paid, refunds, returned, others, fees, fetched_at)

-- name: scan
SELECT bucket, channel, merchant, sort, day, file, sha256, bytes, payments, paid, refunds, returned, others, fees, fetched_at
FROM kept_bill
ORDER BY bucket, channel, merchant, sort, day

-- name: scan_as_it_lies
SELECT bucket, channel, merchant, sort, day, file, sha256, bytes, payments, paid, refunds, returned, others, fees, fetched_at
FROM kept_bill

-- name: scan_buckets
SELECT bucket, channel, merchant, sort, day, file, sha256, bytes, payments, paid, refunds, returned, others, fees, fetched_at
FROM kept_bill
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, channel, merchant, sort, day
