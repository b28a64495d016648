-- Made by `cargo xtask gen sql` from the record of table document. Do not edit.

-- name: load
SELECT bucket, doc_hmac, person_bucket, person_id, kind, number_sealed, added_at
FROM document
WHERE bucket = ?1 AND doc_hmac = ?2

-- name: insert
INSERT INTO document (bucket, doc_hmac, person_bucket, person_id, kind, number_sealed, added_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)

-- name: load_many
SELECT t.bucket, t.doc_hmac, t.person_bucket, t.person_id, t.kind, t.number_sealed, t.added_at
FROM document AS t
JOIN unnest(?1::bigint[], ?2::bytes[]) AS k (bucket, doc_hmac)
    ON t.bucket = k.bucket AND t.doc_hmac = k.doc_hmac
WHERE t.bucket = ANY(?3::bigint[])

-- name: insert_many
INSERT INTO document (bucket, doc_hmac, person_bucket, person_id, kind, number_sealed, added_at)
SELECT k.bucket, k.doc_hmac, k.person_bucket, k.person_id, k.kind, k.number_sealed, k.added_at
FROM unnest(?1::bigint[], ?2::bytes[], ?3::bigint[], ?4::bytes[], ?5::text[], ?6::bytes[], ?7::bigint[]) AS k (bucket, doc_hmac, person_bucket, person_id, kind, number_sealed, added_at)

-- name: scan
SELECT bucket, doc_hmac, person_bucket, person_id, kind, number_sealed, added_at
FROM document
ORDER BY bucket, doc_hmac

-- name: scan_as_it_lies
SELECT bucket, doc_hmac, person_bucket, person_id, kind, number_sealed, added_at
FROM document

-- name: scan_buckets
SELECT bucket, doc_hmac, person_bucket, person_id, kind, number_sealed, added_at
FROM document
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, doc_hmac
