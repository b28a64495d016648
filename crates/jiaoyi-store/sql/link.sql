-- Made by `cargo xtask gen sql` from the record of table link. Do not edit.

-- name: load
SELECT bucket, chain_id, link_no, previous, hash, event_hashes, book_day, at
FROM link
WHERE bucket = ?1 AND chain_id = ?2 AND link_no = ?3

-- name: insert
INSERT INTO link (bucket, chain_id, link_no, previous, hash, event_hashes, book_day, at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)

-- name: load_many
SELECT t.bucket, t.chain_id, t.link_no, t.previous, t.hash, t.event_hashes, t.book_day, t.at
FROM link AS t
JOIN unnest(?1::bigint[], ?2::bytes[], ?3::bigint[]) AS k (bucket, chain_id, link_no)
    ON t.bucket = k.bucket AND t.chain_id = k.chain_id AND t.link_no = k.link_no
WHERE t.bucket = ANY(?4::bigint[])

-- name: insert_many
INSERT INTO link (bucket, chain_id, link_no, previous, hash, event_hashes, book_day, at)
SELECT k.bucket, k.chain_id, k.link_no, k.previous, k.hash, k.event_hashes, k.book_day, k.at
FROM unnest(?1::bigint[], ?2::bytes[], ?3::bigint[], ?4::bytes[], ?5::bytes[], ?6::bytes[], ?7::text[], ?8::bigint[]) AS k (bucket, chain_id, link_no, previous, hash, event_hashes, book_day, at)

-- name: scan
SELECT bucket, chain_id, link_no, previous, hash, event_hashes, book_day, at
FROM link
ORDER BY bucket, chain_id, link_no

-- name: scan_as_it_lies
SELECT bucket, chain_id, link_no, previous, hash, event_hashes, book_day, at
FROM link

-- name: scan_buckets
SELECT bucket, chain_id, link_no, previous, hash, event_hashes, book_day, at
FROM link
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, chain_id, link_no
