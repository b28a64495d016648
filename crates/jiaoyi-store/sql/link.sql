-- Made by `cargo xtask gen sql` from the record of table link. Do not edit.

-- name: load
SELECT chain_id, link_no, previous, hash, event_hashes, book_day, at
FROM link
WHERE chain_id = ?1 AND link_no = ?2

-- name: insert
INSERT INTO link (chain_id, link_no, previous, hash, event_hashes, book_day, at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)

-- name: scan
SELECT chain_id, link_no, previous, hash, event_hashes, book_day, at
FROM link
ORDER BY chain_id, link_no
