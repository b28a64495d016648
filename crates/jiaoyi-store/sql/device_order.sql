-- Made by `cargo xtask gen sql` from the record of table device_order. Do not edit.

-- name: load
SELECT bucket, device, order_bucket, order_id, added_at
FROM device_order
WHERE bucket = ?1 AND device = ?2 AND order_bucket = ?3 AND order_id = ?4

-- name: insert
INSERT INTO device_order (bucket, device, order_bucket, order_id, added_at)
VALUES (?1, ?2, ?3, ?4, ?5)

-- name: by_device
SELECT bucket, device, order_bucket, order_id, added_at
FROM device_order
WHERE bucket = ?1 AND device = ?2
ORDER BY bucket, device, order_bucket, order_id

-- name: scan
SELECT bucket, device, order_bucket, order_id, added_at
FROM device_order
ORDER BY bucket, device, order_bucket, order_id

-- name: scan_buckets
SELECT bucket, device, order_bucket, order_id, added_at
FROM device_order
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, device, order_bucket, order_id
