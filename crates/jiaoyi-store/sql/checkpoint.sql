-- Made by `cargo xtask gen sql` from the record of table checkpoint. Do not edit.

-- name: load
SELECT checkpoint_id, at, heads, key_id, signature
FROM checkpoint
WHERE checkpoint_id = ?1

-- name: insert
INSERT INTO checkpoint (checkpoint_id, at, heads, key_id, signature)
VALUES (?1, ?2, ?3, ?4, ?5)

-- name: scan
SELECT checkpoint_id, at, heads, key_id, signature
FROM checkpoint
ORDER BY checkpoint_id
