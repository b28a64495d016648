-- Made by `cargo xtask gen sql` from the record of table slot. Do not edit.

-- name: load
SELECT bucket, due_id, generation, person_id, scheme, benefit_year, order_id, line_no, fact_bucket, fact_channel, fact_merchant, fact_txn, reversible_until, own, gross, subsidies, accepted_at, filled_at, benefit_first, benefit_last, voucher_no, ended_at, end_reason, version, next_refund
FROM slot
WHERE bucket = ?1 AND due_id = ?2 AND generation = ?3

-- name: insert
INSERT INTO slot (bucket, due_id, generation, person_id, scheme, benefit_year, order_id, line_no, fact_bucket, fact_channel, fact_merchant, fact_txn, reversible_until, own, gross, subsidies, accepted_at, filled_at, benefit_first, benefit_last, voucher_no, ended_at, end_reason, version, next_refund)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25)

-- name: update
UPDATE slot
SET reversible_until = ?13, ended_at = ?22, end_reason = ?23, version = ?24, next_refund = ?25
WHERE bucket = ?1 AND due_id = ?2 AND generation = ?3 AND version = ?26

-- name: assert
SELECT version
FROM slot
WHERE bucket = ?1 AND due_id = ?2 AND generation = ?3

-- name: load_many
SELECT t.bucket, t.due_id, t.generation, t.person_id, t.scheme, t.benefit_year, t.order_id, t.line_no, t.fact_bucket, t.fact_channel, t.fact_merchant, t.fact_txn, t.reversible_until, t.own, t.gross, t.subsidies, t.accepted_at, t.filled_at, t.benefit_first, t.benefit_last, t.voucher_no, t.ended_at, t.end_reason, t.version, t.next_refund
FROM slot AS t
JOIN unnest(?1::bigint[], ?2::bytes[], ?3::bigint[]) AS k (bucket, due_id, generation)
    ON t.bucket = k.bucket AND t.due_id = k.due_id AND t.generation = k.generation
WHERE t.bucket = ANY(?4::bigint[])

-- name: insert_many
INSERT INTO slot (bucket, due_id, generation, person_id, scheme, benefit_year, order_id, line_no, fact_bucket, fact_channel, fact_merchant, fact_txn, reversible_until, own, gross, subsidies, accepted_at, filled_at, benefit_first, benefit_last, voucher_no, ended_at, end_reason, version, next_refund)
SELECT k.bucket, k.due_id, k.generation, k.person_id, k.scheme, k.benefit_year, k.order_id, k.line_no, k.fact_bucket, k.fact_channel, k.fact_merchant, k.fact_txn, k.reversible_until, k.own, k.gross, k.subsidies, k.accepted_at, k.filled_at, k.benefit_first, k.benefit_last, k.voucher_no, k.ended_at, k.end_reason, k.version, k.next_refund
FROM unnest(?1::bigint[], ?2::bytes[], ?3::bigint[], ?4::bytes[], ?5::text[], ?6::bigint[], ?7::bytes[], ?8::bigint[], ?9::bigint[], ?10::text[], ?11::text[], ?12::text[], ?13::bigint[], ?14::bigint[], ?15::bigint[], ?16::text[], ?17::bigint[], ?18::bigint[], ?19::text[], ?20::text[], ?21::text[], ?22::bigint[], ?23::text[], ?24::bigint[], ?25::text[]) AS k (bucket, due_id, generation, person_id, scheme, benefit_year, order_id, line_no, fact_bucket, fact_channel, fact_merchant, fact_txn, reversible_until, own, gross, subsidies, accepted_at, filled_at, benefit_first, benefit_last, voucher_no, ended_at, end_reason, version, next_refund)

-- name: update_many
UPDATE slot AS t
SET reversible_until = k.reversible_until, ended_at = k.ended_at, end_reason = k.end_reason, version = k.version, next_refund = k.next_refund
FROM unnest(?1::bigint[], ?2::bytes[], ?3::bigint[], ?4::bigint[], ?5::bigint[], ?6::text[], ?7::bigint[], ?8::text[], ?9::bigint[]) AS k (bucket, due_id, generation, reversible_until, ended_at, end_reason, version, next_refund, expected_version)
WHERE t.bucket = k.bucket AND t.due_id = k.due_id AND t.generation = k.generation AND t.version = k.expected_version
    AND t.bucket = ANY(?10::bigint[])

-- name: assert_many
SELECT t.version
FROM slot AS t
JOIN unnest(?1::bigint[], ?2::bytes[], ?3::bigint[], ?4::bigint[]) AS k (bucket, due_id, generation, expected_version)
    ON t.bucket = k.bucket AND t.due_id = k.due_id AND t.generation = k.generation
WHERE t.version = k.expected_version
    AND t.bucket = ANY(?5::bigint[])
ORDER BY t.bucket, t.due_id, t.generation
FOR SHARE OF t

-- name: scan
SELECT bucket, due_id, generation, person_id, scheme, benefit_year, order_id, line_no, fact_bucket, fact_channel, fact_merchant, fact_txn, reversible_until, own, gross, subsidies, accepted_at, filled_at, benefit_first, benefit_last, voucher_no, ended_at, end_reason, version, next_refund
FROM slot
ORDER BY bucket, due_id, generation

-- name: scan_as_it_lies
SELECT bucket, due_id, generation, person_id, scheme, benefit_year, order_id, line_no, fact_bucket, fact_channel, fact_merchant, fact_txn, reversible_until, own, gross, subsidies, accepted_at, filled_at, benefit_first, benefit_last, voucher_no, ended_at, end_reason, version, next_refund
FROM slot

-- name: scan_buckets
SELECT bucket, due_id, generation, person_id, scheme, benefit_year, order_id, line_no, fact_bucket, fact_channel, fact_merchant, fact_txn, reversible_until, own, gross, subsidies, accepted_at, filled_at, benefit_first, benefit_last, voucher_no, ended_at, end_reason, version, next_refund
FROM slot
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, due_id, generation
