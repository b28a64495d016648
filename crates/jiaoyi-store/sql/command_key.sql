-- Made by `cargo xtask gen sql` from the record of table command_key. Do not edit.

-- name: load
SELECT bucket, key_hash, body_hash, answer, at
FROM command_key
WHERE bucket = ?1 AND key_hash = ?2

-- name: insert
INSERT INTO command_key (bucket, key_hash, body_hash, answer, at)
VALUES (?1, ?2, ?3, ?4, ?5)

-- name: scan
SELECT bucket, key_hash, body_hash, answer, at
FROM command_key
ORDER BY bucket, key_hash

-- name: scan_buckets
SELECT bucket, key_hash, body_hash, answer, at
FROM command_key
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, key_hash
