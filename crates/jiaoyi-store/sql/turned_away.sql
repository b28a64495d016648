-- Made by `cargo xtask gen sql` from the record of table turned_away. Do not edit.

-- name: load
SELECT bucket, due_id, generation, at, reason, until
FROM turned_away
WHERE bucket = ?1 AND due_id = ?2 AND generation = ?3 AND at = ?4

-- name: insert
INSERT INTO turned_away (bucket, due_id, generation, at, reason, until)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)

-- name: load_many
SELECT t.bucket, t.due_id, t.generation, t.at, t.reason, t.until
FROM turned_away AS t
JOIN unnest(?1::bigint[], ?2::bytes[], ?3::bigint[], ?4::bigint[]) AS k (bucket, due_id, generation, at)
    ON t.bucket = k.bucket AND t.due_id = k.due_id AND t.generation = k.generation AND t.at = k.at
WHERE t.bucket = ANY(?5::bigint[])

-- name: by_due_many
SELECT t.bucket, t.due_id, t.generation, t.at, t.reason, t.until
FROM turned_away AS t
JOIN unnest(?1::bigint[], ?2::bytes[], ?3::bigint[]) AS k (bucket, due_id, generation)
    ON t.bucket = k.bucket AND t.due_id = k.due_id AND t.generation = k.generation
WHERE t.bucket = ANY(?4::bigint[])

-- name: insert_many
INSERT INTO turned_away (bucket, due_id, generation, at, reason, until)
SELECT k.bucket, k.due_id, k.generation, k.at, k.reason, k.until
FROM unnest(?1::bigint[], ?2::bytes[], ?3::bigint[], ?4::bigint[], ?5::text[], ?6::bigint[]) AS k (bucket, due_id, generation, at, reason, until)

-- name: by_due
SELECT bucket, due_id, generation, at, reason, until
FROM turned_away
WHERE bucket = ?1 AND due_id = ?2 AND generation = ?3
ORDER BY bucket, due_id, generation, at

-- name: scan
SELECT bucket, due_id, generation, at, reason, until
FROM turned_away
ORDER BY bucket, due_id, generation, at

-- name: scan_as_it_lies
SELECT bucket, due_id, generation, at, reason, until
FROM turned_away

-- name: scan_buckets
SELECT bucket, due_id, generation, at, reason, until
FROM turned_away
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, due_id, generation, at
