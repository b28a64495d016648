-- Made by `cargo xtask gen sql` from the record of table day_file. Do not edit.

-- name: load
SELECT bucket, inst_id, day, file_hash, received_at, body_sealed, answer, result
FROM day_file
WHERE bucket = ?1 AND inst_id = ?2 AND day = ?3 AND file_hash = ?4

-- name: insert
INSERT INTO day_file (bucket, inst_id, day, file_hash, received_at, body_sealed, answer, result)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)

-- name: load_many
SELECT t.bucket, t.inst_id, t.day, t.file_hash, t.received_at, t.body_sealed, t.answer, t.result
FROM day_file AS t
JOIN unnest(?1::bigint[], ?2::text[], ?3::text[], ?4::bytes[]) AS k (bucket, inst_id, day, file_hash)
    ON t.bucket = k.bucket AND t.inst_id = k.inst_id AND t.day = k.day AND t.file_hash = k.file_hash
WHERE t.bucket = ANY(?5::bigint[])

-- name: by_day_many
SELECT t.bucket, t.inst_id, t.day, t.file_hash, t.received_at, t.body_sealed, t.answer, t.result
FROM day_file AS t
JOIN unnest(?1::bigint[], ?2::text[], ?3::text[]) AS k (bucket, inst_id, day)
    ON t.bucket = k.bucket AND t.inst_id = k.inst_id AND t.day = k.day
WHERE t.bucket = ANY(?4::bigint[])

-- name: insert_many
INSERT INTO day_file (bucket, inst_id, day, file_hash, received_at, body_sealed, answer, result)
SELECT k.bucket, k.inst_id, k.day, k.file_hash, k.received_at, k.body_sealed, k.answer, k.result
FROM unnest(?1::bigint[], ?2::text[], ?3::text[], ?4::bytes[], ?5::bigint[], ?6::bytes[], ?7::text[], ?8::text[]) AS k (bucket, inst_id, day, file_hash, received_at, body_sealed, answer, result)

-- name: by_day
SELECT bucket, inst_id, day, file_hash, received_at, body_sealed, answer, result
FROM day_file
WHERE bucket = ?1 AND inst_id = ?2 AND day = ?3
ORDER BY bucket, inst_id, day, file_hash

-- name: scan
SELECT bucket, inst_id, day, file_hash, received_at, body_sealed, answer, result
FROM day_file
ORDER BY bucket, inst_id, day, file_hash

-- name: scan_as_it_lies
SELECT bucket, inst_id, day, file_hash, received_at, body_sealed, answer, result
FROM day_file

-- name: scan_buckets
SELECT bucket, inst_id, day, file_hash, received_at, body_sealed, answer, result
FROM day_file
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, inst_id, day, file_hash
