-- Made by `cargo xtask gen sql` from the record of table event. Do not edit.

-- name: load
SELECT bucket, chain_id, link_no, seq, command, actor, at, touched
FROM event
WHERE bucket = ?1 AND chain_id = ?2 AND link_no = ?3 AND seq = ?4

-- name: insert
INSERT INTO event (bucket, chain_id, link_no, seq, command, actor, at, touched)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)

-- name: load_many
SELECT t.bucket, t.chain_id, t.link_no, t.seq, t.command, t.actor, t.at, t.touched
FROM event AS t
JOIN unnest(?1::bigint[], ?2::bytes[], ?3::bigint[], ?4::bigint[]) AS k (bucket, chain_id, link_no, seq)
    ON t.bucket = k.bucket AND t.chain_id = k.chain_id AND t.link_no = k.link_no AND t.seq = k.seq
WHERE t.bucket = ANY(?5::bigint[])

-- name: insert_many
INSERT INTO event (bucket, chain_id, link_no, seq, command, actor, at, touched)
SELECT k.bucket, k.chain_id, k.link_no, k.seq, k.command, k.actor, k.at, k.touched
FROM unnest(?1::bigint[], ?2::bytes[], ?3::bigint[], ?4::bigint[], ?5::text[], ?6::text[], ?7::bigint[], ?8::bytes[]) AS k (bucket, chain_id, link_no, seq, command, actor, at, touched)

-- name: scan
SELECT bucket, chain_id, link_no, seq, command, actor, at, touched
FROM event
ORDER BY bucket, chain_id, link_no, seq

-- name: scan_as_it_lies
SELECT bucket, chain_id, link_no, seq, command, actor, at, touched
FROM event

-- name: scan_buckets
SELECT bucket, chain_id, link_no, seq, command, actor, at, touched
FROM event
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, chain_id, link_no, seq
