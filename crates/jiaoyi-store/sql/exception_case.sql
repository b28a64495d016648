-- Made by `cargo xtask gen sql` from the record of table exception_case. Do not edit.

-- name: load
SELECT bucket, case_id, kind, state, order_id, subject, detail, opened_at, version
FROM exception_case
WHERE bucket = ?1 AND case_id = ?2

-- name: insert
INSERT INTO exception_case (bucket, case_id, kind, state, order_id, subject, detail, opened_at, version)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)

-- name: update
UPDATE exception_case
SET state = ?4, detail = ?7, version = ?9
WHERE bucket = ?1 AND case_id = ?2 AND version = ?10

-- name: assert
SELECT version
FROM exception_case
WHERE bucket = ?1 AND case_id = ?2

-- name: load_many
SELECT t.bucket, t.case_id, t.kind, t.state, t.order_id, t.subject, t.detail, t.opened_at, t.version
FROM exception_case AS t
JOIN unnest(?1::bigint[], ?2::bytes[]) AS k (bucket, case_id)
    ON t.bucket = k.bucket AND t.case_id = k.case_id
WHERE t.bucket = ANY(?3::bigint[])

-- name: by_subject_many
SELECT t.bucket, t.case_id, t.kind, t.state, t.order_id, t.subject, t.detail, t.opened_at, t.version
FROM exception_case AS t
JOIN unnest(?1::bigint[], ?2::text[]) AS k (bucket, subject)
    ON t.bucket = k.bucket AND t.subject = k.subject
WHERE t.bucket = ANY(?3::bigint[])

-- name: insert_many
INSERT INTO exception_case (bucket, case_id, kind, state, order_id, subject, detail, opened_at, version)
SELECT k.bucket, k.case_id, k.kind, k.state, k.order_id, k.subject, k.detail, k.opened_at, k.version
FROM unnest(?1::bigint[], ?2::bytes[], ?3::text[], ?4::text[], ?5::bytes[], ?6::text[], ?7::text[], ?8::bigint[], ?9::bigint[]) AS k (bucket, case_id, kind, state, order_id, subject, detail, opened_at, version)

-- name: update_many
UPDATE exception_case AS t
SET state = k.state, detail = k.detail, version = k.version
FROM unnest(?1::bigint[], ?2::bytes[], ?3::text[], ?4::text[], ?5::bigint[], ?6::bigint[]) AS k (bucket, case_id, state, detail, version, expected_version)
WHERE t.bucket = k.bucket AND t.case_id = k.case_id AND t.version = k.expected_version
    AND t.bucket = ANY(?7::bigint[])

-- name: assert_many
SELECT t.version
FROM exception_case AS t
JOIN unnest(?1::bigint[], ?2::bytes[], ?3::bigint[]) AS k (bucket, case_id, expected_version)
    ON t.bucket = k.bucket AND t.case_id = k.case_id
WHERE t.version = k.expected_version
    AND t.bucket = ANY(?4::bigint[])
ORDER BY t.bucket, t.case_id
FOR SHARE OF t

-- name: by_subject
SELECT bucket, case_id, kind, state, order_id, subject, detail, opened_at, version
FROM exception_case
WHERE bucket = ?1 AND subject = ?2
ORDER BY bucket, case_id

-- name: scan
SELECT bucket, case_id, kind, state, order_id, subject, detail, opened_at, version
FROM exception_case
ORDER BY bucket, case_id

-- name: scan_as_it_lies
SELECT bucket, case_id, kind, state, order_id, subject, detail, opened_at, version
FROM exception_case

-- name: scan_buckets
SELECT bucket, case_id, kind, state, order_id, subject, detail, opened_at, version
FROM exception_case
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, case_id
