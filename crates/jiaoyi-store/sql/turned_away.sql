-- Made by `cargo xtask gen sql` from the record of table turned_away. Do not edit.

-- name: load
SELECT bucket, due_id, generation, at, reason, until
FROM turned_away
WHERE bucket = ?1 AND due_id = ?2 AND generation = ?3 AND at = ?4

-- name: insert
INSERT INTO turned_away (bucket, due_id, generation, at, reason, until)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)

-- name: by_due
SELECT bucket, due_id, generation, at, reason, until
FROM turned_away
WHERE bucket = ?1 AND due_id = ?2 AND generation = ?3
ORDER BY bucket, due_id, generation, at

-- name: scan
SELECT bucket, due_id, generation, at, reason, until
FROM turned_away
ORDER BY bucket, due_id, generation, at

-- name: scan_buckets
SELECT bucket, due_id, generation, at, reason, until
FROM turned_away
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, due_id, generation, at
