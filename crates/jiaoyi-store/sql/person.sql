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

-- name: load_many
SELECT t.bucket, t.person_id, t.name_sealed, t.name_hmac, t.name_masked, t.document_masked, t.birthday_hmac, t.phone_sealed, t.merged_into, t.created_at, t.version
FROM person AS t
JOIN unnest(?1::bigint[], ?2::bytes[]) AS k (bucket, person_id)
    ON t.bucket = k.bucket AND t.person_id = k.person_id
WHERE t.bucket = ANY(?3::bigint[])

-- name: insert_many
INSERT INTO person (bucket, person_id, name_sealed, name_hmac, name_masked, document_masked, birthday_hmac, phone_sealed, merged_into, created_at, version)
SELECT k.bucket, k.person_id, k.name_sealed, k.name_hmac, k.name_masked, k.document_masked, k.birthday_hmac, k.phone_sealed, k.merged_into, k.created_at, k.version
FROM unnest(?1::bigint[], ?2::bytes[], ?3::bytes[], ?4::bytes[], ?5::text[], ?6::text[], ?7::bytes[], ?8::bytes[], ?9::bytes[], ?10::bigint[], ?11::bigint[]) AS k (bucket, person_id, name_sealed, name_hmac, name_masked, document_masked, birthday_hmac, phone_sealed, merged_into, created_at, version)

-- name: update_many
UPDATE person AS t
SET name_sealed = k.name_sealed, name_hmac = k.name_hmac, name_masked = k.name_masked, document_masked = k.document_masked, birthday_hmac = k.birthday_hmac, phone_sealed = k.phone_sealed, merged_into = k.merged_into, created_at = k.created_at, version = k.version
FROM unnest(?1::bigint[], ?2::bytes[], ?3::bytes[], ?4::bytes[], ?5::text[], ?6::text[], ?7::bytes[], ?8::bytes[], ?9::bytes[], ?10::bigint[], ?11::bigint[], ?12::bigint[]) AS k (bucket, person_id, name_sealed, name_hmac, name_masked, document_masked, birthday_hmac, phone_sealed, merged_into, created_at, version, expected_version)
WHERE t.bucket = k.bucket AND t.person_id = k.person_id AND t.version = k.expected_version
    AND t.bucket = ANY(?13::bigint[])

-- name: assert_many
SELECT t.version
FROM person AS t
JOIN unnest(?1::bigint[], ?2::bytes[], ?3::bigint[]) AS k (bucket, person_id, expected_version)
    ON t.bucket = k.bucket AND t.person_id = k.person_id
WHERE t.version = k.expected_version
    AND t.bucket = ANY(?4::bigint[])
ORDER BY t.bucket, t.person_id
FOR SHARE OF t

-- name: scan
SELECT bucket, person_id, name_sealed, name_hmac, name_masked, document_masked, birthday_hmac, phone_sealed, merged_into, created_at, version
FROM person
ORDER BY bucket, person_id

-- name: scan_as_it_lies
SELECT bucket, person_id, name_sealed, name_hmac, name_masked, document_masked, birthday_hmac, phone_sealed, merged_into, created_at, version
FROM person

-- name: scan_buckets
SELECT bucket, person_id, name_sealed, name_hmac, name_masked, document_masked, birthday_hmac, phone_sealed, merged_into, created_at, version
FROM person
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, person_id
