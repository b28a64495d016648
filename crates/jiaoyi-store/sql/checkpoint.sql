-- Made by `cargo xtask gen sql` from the record of table checkpoint. Do not edit.

-- name: load
SELECT bucket, checkpoint_id, at, heads, key_id, signature
FROM checkpoint
WHERE bucket = ?1 AND checkpoint_id = ?2

-- name: insert
INSERT INTO checkpoint (bucket, checkpoint_id, at, heads, key_id, signature)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)

-- name: load_many
SELECT t.bucket, t.checkpoint_id, t.at, t.heads, t.key_id, t.signature
FROM checkpoint AS t
JOIN unnest(?1::bigint[], ?2::bytes[]) AS k (bucket, checkpoint_id)
    ON t.bucket = k.bucket AND t.checkpoint_id = k.checkpoint_id
WHERE t.bucket = ANY(?3::bigint[])

-- name: insert_many
INSERT INTO checkpoint (bucket, checkpoint_id, at, heads, key_id, signature)
SELECT k.bucket, k.checkpoint_id, k.at, k.heads, k.key_id, k.signature
FROM unnest(?1::bigint[], ?2::bytes[], ?3::bigint[], ?4::text[], ?5::text[], ?6::bytes[]) AS k (bucket, checkpoint_id, at, heads, key_id, signature)

-- name: scan
SELECT bucket, checkpoint_id, at, heads, key_id, signature
FROM checkpoint
ORDER BY bucket, checkpoint_id

-- name: scan_as_it_lies
SELECT bucket, checkpoint_id, at, heads, key_id, signature
FROM checkpoint

-- name: scan_buckets
SELECT bucket, checkpoint_id, at, heads, key_id, signature
FROM checkpoint
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, checkpoint_id
