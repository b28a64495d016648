-- Made by `cargo xtask gen sql` from the record of table device_order. Do not edit.

-- name: load
SELECT bucket, device, order_bucket, order_id, added_at
FROM device_order
WHERE bucket = ?1 AND device = ?2 AND order_bucket = ?3 AND order_id = ?4

-- name: insert
INSERT INTO device_order (bucket, device, order_bucket, order_id, added_at)
VALUES (?1, ?2, ?3, ?4, ?5)

-- name: load_many
SELECT t.bucket, t.device, t.order_bucket, t.order_id, t.added_at
FROM device_order AS t
JOIN unnest(?1::bigint[], ?2::bytes[], ?3::bigint[], ?4::bytes[]) AS k (bucket, device, order_bucket, order_id)
    ON t.bucket = k.bucket AND t.device = k.device AND t.order_bucket = k.order_bucket AND t.order_id = k.order_id
WHERE t.bucket = ANY(?5::bigint[])

-- name: by_device_many
SELECT t.bucket, t.device, t.order_bucket, t.order_id, t.added_at
FROM device_order AS t
JOIN unnest(?1::bigint[], ?2::bytes[]) AS k (bucket, device)
    ON t.bucket = k.bucket AND t.device = k.device
WHERE t.bucket = ANY(?3::bigint[])

-- name: insert_many
INSERT INTO device_order (bucket, device, order_bucket, order_id, added_at)
SELECT k.bucket, k.device, k.order_bucket, k.order_id, k.added_at
FROM unnest(?1::bigint[], ?2::bytes[], ?3::bigint[], ?4::bytes[], ?5::bigint[]) AS k (bucket, device, order_bucket, order_id, added_at)

-- name: by_device
SELECT bucket, device, order_bucket, order_id, added_at
FROM device_order
WHERE bucket = ?1 AND device = ?2
ORDER BY bucket, device, order_bucket, order_id

-- name: scan
SELECT bucket, device, order_bucket, order_id, added_at
FROM device_order
ORDER BY bucket, device, order_bucket, order_id

-- name: scan_as_it_lies
SELECT bucket, device, order_bucket, order_id, added_at
FROM device_order

-- name: scan_buckets
SELECT bucket, device, order_bucket, order_id, added_at
FROM device_order
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, device, order_bucket, order_id
