-- Made by `cargo xtask gen sql` from the record of table claim. Do not edit.

-- name: load
SELECT bucket, inst_id, seq, verb, body_hash, target, at
FROM claim
WHERE bucket = ?1 AND inst_id = ?2 AND seq = ?3

-- name: insert
INSERT INTO claim (bucket, inst_id, seq, verb, body_hash, target, at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)

-- name: load_many
SELECT t.bucket, t.inst_id, t.seq, t.verb, t.body_hash, t.target, t.at
FROM claim AS t
JOIN unnest(?1::bigint[], ?2::text[], ?3::text[]) AS k (bucket, inst_id, seq)
    ON t.bucket = k.bucket AND t.inst_id = k.inst_id AND t.seq = k.seq
WHERE t.bucket = ANY(?4::bigint[])

-- name: insert_many
INSERT INTO claim (bucket, inst_id, seq, verb, body_hash, target, at)
SELECT k.bucket, k.inst_id, k.seq, k.verb, k.body_hash, k.target, k.at
FROM unnest(?1::bigint[], ?2::text[], ?3::text[], ?4::text[], ?5::bytes[], ?6::bigint[], ?7::bigint[]) AS k (bucket, inst_id, seq, verb, body_hash, target, at)

-- name: scan
SELECT bucket, inst_id, seq, verb, body_hash, target, at
FROM claim
ORDER BY bucket, inst_id, seq

-- name: scan_as_it_lies
SELECT bucket, inst_id, seq, verb, body_hash, target, at
FROM claim

-- name: scan_buckets
SELECT bucket, inst_id, seq, verb, body_hash, target, at
FROM claim
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, inst_id, seq
