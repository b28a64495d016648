-- Made by `cargo xtask gen sql` from the record of table biller_call. Do not edit.

-- name: load
SELECT bucket, inst_id, seq, verb, state, reason, body_hash, answer, trace_date, channel, due_id, generation, order_id, attempt_no, amount, undoes, at, undone_by, ended_at, version
FROM biller_call
WHERE bucket = ?1 AND inst_id = ?2 AND seq = ?3

-- name: insert
INSERT INTO biller_call (bucket, inst_id, seq, verb, state, reason, body_hash, answer, trace_date, channel, due_id, generation, order_id, attempt_no, amount, undoes, at, undone_by, ended_at, version)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)

-- name: update
UPDATE biller_call
SET state = ?5, undone_by = ?18, ended_at = ?19, version = ?20
WHERE bucket = ?1 AND inst_id = ?2 AND seq = ?3 AND version = ?21

-- name: assert
SELECT version
FROM biller_call
WHERE bucket = ?1 AND inst_id = ?2 AND seq = ?3

-- name: load_many
SELECT t.bucket, t.inst_id, t.seq, t.verb, t.state, t.reason, t.body_hash, t.answer, t.trace_date, t.channel, t.due_id, t.generation, t.order_id, t.attempt_no, t.amount, t.undoes, t.at, t.undone_by, t.ended_at, t.version
FROM biller_call AS t
JOIN unnest(?1::bigint[], ?2::text[], ?3::text[]) AS k (bucket, inst_id, seq)
    ON t.bucket = k.bucket AND t.inst_id = k.inst_id AND t.seq = k.seq
WHERE t.bucket = ANY(?4::bigint[])

-- name: by_order_many
SELECT t.bucket, t.inst_id, t.seq, t.verb, t.state, t.reason, t.body_hash, t.answer, t.trace_date, t.channel, t.due_id, t.generation, t.order_id, t.attempt_no, t.amount, t.undoes, t.at, t.undone_by, t.ended_at, t.version
FROM biller_call AS t
JOIN unnest(?1::bigint[], ?2::bytes[]) AS k (bucket, order_id)
    ON t.bucket = k.bucket AND t.order_id = k.order_id
WHERE t.bucket = ANY(?3::bigint[])

-- name: insert_many
INSERT INTO biller_call (bucket, inst_id, seq, verb, state, reason, body_hash, answer, trace_date, channel, due_id, generation, order_id, attempt_no, amount, undoes, at, undone_by, ended_at, version)
SELECT k.bucket, k.inst_id, k.seq, k.verb, k.state, k.reason, k.body_hash, k.answer, k.trace_date, k.channel, k.due_id, k.generation, k.order_id, k.attempt_no, k.amount, k.undoes, k.at, k.undone_by, k.ended_at, k.version
FROM unnest(?1::bigint[], ?2::text[], ?3::text[], ?4::text[], ?5::text[], ?6::text[], ?7::bytes[], ?8::text[], ?9::text[], ?10::text[], ?11::bytes[], ?12::bigint[], ?13::bytes[], ?14::text[], ?15::bigint[], ?16::text[], ?17::bigint[], ?18::text[], ?19::bigint[], ?20::bigint[]) AS k (bucket, inst_id, seq, verb, state, reason, body_hash, answer, trace_date, channel, due_id, generation, order_id, attempt_no, amount, undoes, at, undone_by, ended_at, version)

-- name: update_many
UPDATE biller_call AS t
SET state = k.state, undone_by = k.undone_by, ended_at = k.ended_at, version = k.version
FROM unnest(?1::bigint[], ?2::text[], ?3::text[], ?4::text[], ?5::text[], ?6::bigint[], ?7::bigint[], ?8::bigint[]) AS k (bucket, inst_id, seq, state, undone_by, ended_at, version, expected_version)
WHERE t.bucket = k.bucket AND t.inst_id = k.inst_id AND t.seq = k.seq AND t.version = k.expected_version
    AND t.bucket = ANY(?9::bigint[])

-- name: assert_many
SELECT t.version
FROM biller_call AS t
JOIN unnest(?1::bigint[], ?2::text[], ?3::text[], ?4::bigint[]) AS k (bucket, inst_id, seq, expected_version)
    ON t.bucket = k.bucket AND t.inst_id = k.inst_id AND t.seq = k.seq
WHERE t.version = k.expected_version
    AND t.bucket = ANY(?5::bigint[])
ORDER BY t.bucket, t.inst_id, t.seq
FOR SHARE OF t

-- name: by_order
SELECT bucket, inst_id, seq, verb, state, reason, body_hash, answer, trace_date, channel, due_id, generation, order_id, attempt_no, amount, undoes, at, undone_by, ended_at, version
FROM biller_call
WHERE bucket = ?1 AND order_id = ?2
ORDER BY bucket, inst_id, seq

-- name: scan
SELECT bucket, inst_id, seq, verb, state, reason, body_hash, answer, trace_date, channel, due_id, generation, order_id, attempt_no, amount, undoes, at, undone_by, ended_at, version
FROM biller_call
ORDER BY bucket, inst_id, seq

-- name: scan_as_it_lies
SELECT bucket, inst_id, seq, verb, state, reason, body_hash, answer, trace_date, channel, due_id, generation, order_id, attempt_no, amount, undoes, at, undone_by, ended_at, version
FROM biller_call

-- name: scan_buckets
SELECT bucket, inst_id, seq, verb, state, reason, body_hash, answer, trace_date, channel, due_id, generation, order_id, attempt_no, amount, undoes, at, undone_by, ended_at, version
FROM biller_call
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, inst_id, seq
