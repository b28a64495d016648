-- Made by `cargo xtask gen sql` from the record of table person. Do not edit.

-- name: load
SELECT bucket, person_id, name_sealed, name_hmac, name_masked, document_masked, birthday_hmac, phone_sealed, merged_into, created_at, version
FROM person
WHERE bucket = ?1 AND person_id = ?2

-- name: insert
INSERT INTO person (bucket, person_id, name_sealed, name_hmac, name_masked, document_masked, birthday_hmac, phone_sealed, merged_into, created_at, version)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)

-- name: update
UPDATE person
SET name_sealed = ?3, name_hmac = ?4, name_masked = ?5, document_masked = ?6, birthday_hmac = ?7, phone_sealed = ?8, merged_into = ?9, created_at = ?10, version = ?11
WHERE bucket = ?1 AND person_id = ?2 AND version = ?12

-- name: assert
SELECT version
FROM person
WHERE bucket = ?1 AND person_id = ?2

-- name: scan
SELECT bucket, person_id, name_sealed, name_hmac, name_masked, document_masked, birthday_hmac, phone_sealed, merged_into, created_at, version
FROM person
ORDER BY bucket, person_id

-- name: scan_buckets
SELECT bucket, person_id, name_sealed, name_hmac, name_masked, document_masked, birthday_hmac, phone_sealed, merged_into, created_at, version
FROM person
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, person_id
