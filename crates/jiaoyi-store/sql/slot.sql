-- Made by `cargo xtask gen sql` from the record of table slot. Do not edit.

-- name: load
SELECT bucket, due_id, generation, person_id, scheme, benefit_year, order_id, line_no, fact_bucket, fact_channel, fact_merchant, fact_txn, reversible_until, own, gross, subsidies, accepted_at, filled_at, benefit_first, benefit_last, voucher_no, ended_at, end_reason, version
FROM slot
WHERE bucket = ?1 AND due_id = ?2 AND generation = ?3

-- name: insert
INSERT INTO slot (bucket, due_id, generation, person_id, scheme, benefit_year, order_id, line_no, fact_bucket, fact_channel, fact_merchant, fact_txn, reversible_until, own, gross, subsidies, accepted_at, filled_at, benefit_first, benefit_last, voucher_no, ended_at, end_reason, version)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24)

-- name: update
UPDATE slot
SET person_id = ?4, scheme = ?5, benefit_year = ?6, order_id = ?7, line_no = ?8, fact_bucket = ?9, fact_channel = ?10, fact_merchant = ?11, fact_txn = ?12, reversible_until = ?13, own = ?14, gross = ?15, subsidies = ?16, accepted_at = ?17, filled_at = ?18, benefit_first = ?19, benefit_last = ?20, voucher_no = ?21, ended_at = ?22, end_reason = ?23, version = ?24
WHERE bucket = ?1 AND due_id = ?2 AND generation = ?3 AND version = ?25

-- name: assert
SELECT version
FROM slot
WHERE bucket = ?1 AND due_id = ?2 AND generation = ?3

-- name: by_person
SELECT bucket, due_id, generation, person_id, scheme, benefit_year, order_id, line_no, fact_bucket, fact_channel, fact_merchant, fact_txn, reversible_until, own, gross, subsidies, accepted_at, filled_at, benefit_first, benefit_last, voucher_no, ended_at, end_reason, version
FROM slot
WHERE bucket = ?1 AND person_id = ?2
ORDER BY bucket, due_id, generation

-- name: scan
SELECT bucket, due_id, generation, person_id, scheme, benefit_year, order_id, line_no, fact_bucket, fact_channel, fact_merchant, fact_txn, reversible_until, own, gross, subsidies, accepted_at, filled_at, benefit_first, benefit_last, voucher_no, ended_at, end_reason, version
FROM slot
ORDER BY bucket, due_id, generation

-- name: scan_buckets
SELECT bucket, due_id, generation, person_id, scheme, benefit_year, order_id, line_no, fact_bucket, fact_channel, fact_merchant, fact_txn, reversible_until, own, gross, subsidies, accepted_at, filled_at, benefit_first, benefit_last, voucher_no, ended_at, end_reason, version
FROM slot
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, due_id, generation
