-- Made by `cargo xtask gen sql` from the record of table command_key. Do not edit.

-- name: load
SELECT bucket, key_hash, body_hash, answer, at
FROM command_key
WHERE bucket = ?1 AND key_hash = ?2

-- name: insert
INSERT INTO command_key (bucket, key_hash, body_hash, answer, at)
VALUES (?1, ?2, ?3, ?4, ?5)

-- name: load_many
SELECT t.bucket, t.key_hash, t.body_hash, t.answer, t.at
FROM command_key AS t
JOIN unnest(?1::bigint[], ?2::bytes[]) AS k (bucket, key_hash)
    ON t.bucket = k.bucket AND t.key_hash = k.key_hash
WHERE t.bucket = ANY(?3::bigint[])

-- name: insert_many
INSERT INTO command_key (bucket, key_hash, body_hash, answer, at)
SELECT k.bucket, k.key_hash, k.body_hash, k.answer, k.at
FROM unnest(?1::bigint[], ?2::bytes[], ?3::bytes[], ?4::text[], ?5::bigint[]) AS k (bucket, key_hash, body_hash, answer, at)

-- name: scan
SELECT bucket, key_hash, body_hash, answer, at
FROM command_key
ORDER BY bucket, key_hash

-- name: scan_as_it_lies
SELECT bucket, key_hash, body_hash, answer, at
FROM command_key

-- name: scan_buckets
SELECT bucket, key_hash, body_hash, answer, at
FROM command_key
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, key_hash
