-- Made by `cargo xtask gen sql` from the record of table event. Do not edit.

-- name: load
SELECT bucket, chain_id, link_no, seq, command, actor, at, touched
FROM event
WHERE bucket = ?1 AND chain_id = ?2 AND link_no = ?3 AND seq = ?4

-- name: insert
INSERT INTO event (bucket, chain_id, link_no, seq, command, actor, at, touched)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)

-- name: scan
SELECT bucket, chain_id, link_no, seq, command, actor, at, touched
FROM event
ORDER BY bucket, chain_id, link_no, seq

-- name: scan_buckets
SELECT bucket, chain_id, link_no, seq, command, actor, at, touched
FROM event
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, chain_id, link_no, seq
