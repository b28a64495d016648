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
SET state = ?7, revision_last = ?8, lock_order = ?9, lock_order_bucket = ?10, lock_holder = ?11, lock_channel = ?12, lock_at = ?13, lock_until = ?14, lock_lapses = ?15, paid_at = ?16, version = ?17
WHERE bucket = ?1 AND due_id = ?2 AND generation = ?3 AND version = ?18

-- name: assert
SELECT version
FROM due
WHERE bucket = ?1 AND due_id = ?2 AND generation = ?3

-- name: load_many
SELECT t.bucket, t.due_id, t.generation, t.person_id, t.scheme, t.benefit_year, t.state, t.revision_last, t.lock_order, t.lock_order_bucket, t.lock_holder, t.lock_channel, t.lock_at, t.lock_until, t.lock_lapses, t.paid_at, t.version
FROM due AS t
JOIN unnest(?1::bigint[], ?2::bytes[], ?3::bigint[]) AS k (bucket, due_id, generation)
    ON t.bucket = k.bucket AND t.due_id = k.due_id AND t.generation = k.generation
WHERE t.bucket = ANY(?4::bigint[])

-- name: by_person_many
SELECT t.bucket, t.due_id, t.generation, t.person_id, t.scheme, t.benefit_year, t.state, t.revision_last, t.lock_order, t.lock_order_bucket, t.lock_holder, t.lock_channel, t.lock_at, t.lock_until, t.lock_lapses, t.paid_at, t.version
FROM due AS t
JOIN unnest(?1::bigint[], ?2::bytes[]) AS k (bucket, person_id)
    ON t.bucket = k.bucket AND t.person_id = k.person_id
WHERE t.bucket = ANY(?3::bigint[])

-- name: insert_many
INSERT INTO due (bucket, due_id, generation, person_id, scheme, benefit_year, state, revision_last, lock_order, lock_order_bucket, lock_holder, lock_channel, lock_at, lock_until, lock_lapses, paid_at, version)
SELECT k.bucket, k.due_id, k.generation, k.person_id, k.scheme, k.benefit_year, k.state, k.revision_last, k.lock_order, k.lock_order_bucket, k.lock_holder, k.lock_channel, k.lock_at, k.lock_until, k.lock_lapses, k.paid_at, k.version
FROM unnest(?1::bigint[], ?2::bytes[], ?3::bigint[], ?4::bytes[], ?5::text[], ?6::bigint[], ?7::text[], ?8::bigint[], ?9::bytes[], ?10::bigint[], ?11::bytes[], ?12::text[], ?13::bigint[], ?14::bigint[], ?15::bigint[], ?16::bigint[], ?17::bigint[]) AS k (bucket, due_id, generation, person_id, scheme, benefit_year, state, revision_last, lock_order, lock_order_bucket, lock_holder, lock_channel, lock_at, lock_until, lock_lapses, paid_at, version)

-- name: update_many
UPDATE due AS t
SET state = k.state, revision_last = k.revision_last, lock_order = k.lock_order, lock_order_bucket = k.lock_order_bucket, lock_holder = k.lock_holder, lock_channel = k.lock_channel, lock_at = k.lock_at, lock_until = k.lock_until, lock_lapses = k.lock_lapses, paid_at = k.paid_at, version = k.version
FROM unnest(?1::bigint[], ?2::bytes[], ?3::bigint[], ?4::text[], ?5::bigint[], ?6::bytes[], ?7::bigint[], ?8::bytes[], ?9::text[], ?10::bigint[], ?11::bigint[], ?12::bigint[], ?13::bigint[], ?14::bigint[], ?15::bigint[]) AS k (bucket, due_id, generation, state, revision_last, lock_order, lock_order_bucket, lock_holder, lock_channel, lock_at, lock_until, lock_lapses, paid_at, version, expected_version)
WHERE t.bucket = k.bucket AND t.due_id = k.due_id AND t.generation = k.generation AND t.version = k.expected_version
    AND t.bucket = ANY(?16::bigint[])

-- name: assert_many
SELECT t.version
FROM due AS t
JOIN unnest(?1::bigint[], ?2::bytes[], ?3::bigint[], ?4::bigint[]) AS k (bucket, due_id, generation, expected_version)
    ON t.bucket = k.bucket AND t.due_id = k.due_id AND t.generation = k.generation
WHERE t.version = k.expected_version
    AND t.bucket = ANY(?5::bigint[])
ORDER BY t.bucket, t.due_id, t.generation
FOR SHARE OF t

-- name: by_person
SELECT bucket, due_id, generation, person_id, scheme, benefit_year, state, revision_last, lock_order, lock_order_bucket, lock_holder, lock_channel, lock_at, lock_until, lock_lapses, paid_at, version
FROM due
WHERE bucket = ?1 AND person_id = ?2
ORDER BY bucket, due_id, generation

-- name: scan
SELECT bucket, due_id, generation, person_id, scheme, benefit_year, state, revision_last, lock_order, lock_order_bucket, lock_holder, lock_channel, lock_at, lock_until, lock_lapses, paid_at, version
FROM due
ORDER BY bucket, due_id, generation

-- name: scan_as_it_lies
SELECT bucket, due_id, generation, person_id, scheme, benefit_year, state, revision_last, lock_order, lock_order_bucket, lock_holder, lock_channel, lock_at, lock_until, lock_lapses, paid_at, version
FROM due

-- name: scan_buckets
SELECT bucket, due_id, generation, person_id, scheme, benefit_year, state, revision_last, lock_order, lock_order_bucket, lock_holder, lock_channel, lock_at, lock_until, lock_lapses, paid_at, version
FROM due
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, due_id, generation
