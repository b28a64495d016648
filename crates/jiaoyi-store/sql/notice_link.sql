-- Made by `cargo xtask gen sql` from the record of table notice_link. Do not edit.

-- name: load
SELECT bucket, due_id, tries, shut, devices, changed_at, version
FROM notice_link
WHERE bucket = ?1 AND due_id = ?2

-- name: insert
INSERT INTO notice_link (bucket, due_id, tries, shut, devices, changed_at, version)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)

-- name: update
UPDATE notice_link
SET tries = ?3, shut = ?4, devices = ?5, changed_at = ?6, version = ?7
WHERE bucket = ?1 AND due_id = ?2 AND version = ?8

-- name: assert
SELECT version
FROM notice_link
WHERE bucket = ?1 AND due_id = ?2

-- name: load_many
SELECT t.bucket, t.due_id, t.tries, t.shut, t.devices, t.changed_at, t.version
FROM notice_link AS t
JOIN unnest(?1::bigint[], ?2::bytes[]) AS k (bucket, due_id)
    ON t.bucket = k.bucket AND t.due_id = k.due_id
WHERE t.bucket = ANY(?3::bigint[])

-- name: insert_many
INSERT INTO notice_link (bucket, due_id, tries, shut, devices, changed_at, version)
SELECT k.bucket, k.due_id, k.tries, k.shut, k.devices, k.changed_at, k.version
FROM unnest(?1::bigint[], ?2::bytes[], ?3::bigint[], ?4::bigint[], ?5::bytes[], ?6::bigint[], ?7::bigint[]) AS k (bucket, due_id, tries, shut, devices, changed_at, version)

-- name: update_many
UPDATE notice_link AS t
SET tries = k.tries, shut = k.shut, devices = k.devices, changed_at = k.changed_at, version = k.version
FROM unnest(?1::bigint[], ?2::bytes[], ?3::bigint[], ?4::bigint[], ?5::bytes[], ?6::bigint[], ?7::bigint[], ?8::bigint[]) AS k (bucket, due_id, tries, shut, devices, changed_at, version, expected_version)
WHERE t.bucket = k.bucket AND t.due_id = k.due_id AND t.version = k.expected_version
    AND t.bucket = ANY(?9::bigint[])

-- name: assert_many
SELECT t.version
FROM notice_link AS t
JOIN unnest(?1::bigint[], ?2::bytes[], ?3::bigint[]) AS k (bucket, due_id, expected_version)
    ON t.bucket = k.bucket AND t.due_id = k.due_id
WHERE t.version = k.expected_version
    AND t.bucket = ANY(?4::bigint[])
ORDER BY t.bucket, t.due_id
FOR SHARE OF t

-- name: scan
SELECT bucket, due_id, tries, shut, devices, changed_at, version
FROM notice_link
ORDER BY bucket, due_id

-- name: scan_as_it_lies
SELECT bucket, due_id, tries, shut, devices, changed_at, version
FROM notice_link

-- name: scan_buckets
SELECT bucket, due_id, tries, shut, devices, changed_at, version
FROM notice_link
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, due_id
