-- Made by `cargo xtask gen sql` from the record of table document. Do not edit.

-- name: load
SELECT bucket, doc_hmac, person_bucket, person_id, kind, number_sealed, added_at
FROM document
WHERE bucket = ?1 AND doc_hmac = ?2

-- name: insert
INSERT INTO document (bucket, doc_hmac, person_bucket, person_id, kind, number_sealed, added_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)

-- name: scan
SELECT bucket, doc_hmac, person_bucket, person_id, kind, number_sealed, added_at
FROM document
ORDER BY bucket, doc_hmac

-- name: scan_buckets
SELECT bucket, doc_hmac, person_bucket, person_id, kind, number_sealed, added_at
FROM document
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, doc_hmac
