-- Made by `cargo xtask gen sql` from the record of table due. Do not edit.

-- name: load
SELECT bucket, due_id, generation, person_id, scheme, benefit_year, state, revision_last, lock_order, lock_order_bucket, lock_holder, lock_channel, lock_at, lock_until, lock_lapses, paid_at, version
FROM due
WHERE bucket = ?1 AND due_id = ?2 AND generation = ?3

-- name: insert
INSERT INTO due (bucket, due_id, generation, person_id, scheme, benefit_year, state, revision_last, lock_order, lock_order_bucket, lock_holder, lock_channel, lock_at, lock_until, lock_lapses, paid_at, version)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)

-- name: update
UPDATE due
SET person_id = ?4, scheme = ?5, benefit_year = ?6, state = ?7, revision_last = ?8, lock_order = ?9, lock_order_bucket = ?10, lock_holder = ?11, lock_channel = ?12, lock_at = ?13, lock_until = ?14, lock_lapses = ?15, paid_at = ?16, version = ?17
WHERE bucket = ?1 AND due_id = ?2 AND generation = ?3 AND version = ?18

-- name: assert
SELECT version
FROM due
WHERE bucket = ?1 AND due_id = ?2 AND generation = ?3

-- name: by_person
SELECT bucket, due_id, generation, person_id, scheme, benefit_year, state, revision_last, lock_order, lock_order_bucket, lock_holder, lock_channel, lock_at, lock_until, lock_lapses, paid_at, version
FROM due
WHERE bucket = ?1 AND person_id = ?2
ORDER BY bucket, due_id, generation

-- name: scan
SELECT bucket, due_id, generation, person_id, scheme, benefit_year, state, revision_last, lock_order, lock_order_bucket, lock_holder, lock_channel, lock_at, lock_until, lock_lapses, paid_at, version
FROM due
ORDER BY bucket, due_id, generation

-- name: scan_buckets
SELECT bucket, due_id, generation, person_id, scheme, benefit_year, state, revision_last, lock_order, lock_order_bucket, lock_holder, lock_channel, lock_at, lock_until, lock_lapses, paid_at, version
FROM due
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, due_id, generation
