-- Made by `cargo xtask gen sql` from the record of table order_line. Do not edit.

-- name: load
SELECT bucket, order_id, line_no, due_bucket, due_id, generation, revision_no, state, own, gross, items, subsidies, policy_version, region, phase, window_until, after_close, difference_rule, benefit_first, benefit_first_next, benefit_last, quoted_at, version
FROM order_line
WHERE bucket = ?1 AND order_id = ?2 AND line_no = ?3

-- name: insert
INSERT INTO order_line (bucket, order_id, line_no, due_bucket, due_id, generation, revision_no, state, own, gross, items, subsidies, policy_version, region, phase, window_until, after_close, difference_rule, benefit_first, benefit_first_next, benefit_last, quoted_at, version)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)

-- name: update
UPDATE order_line
SET generation = ?6, state = ?8, version = ?23
WHERE bucket = ?1 AND order_id = ?2 AND line_no = ?3 AND version = ?24

-- name: assert
SELECT version
FROM order_line
WHERE bucket = ?1 AND order_id = ?2 AND line_no = ?3

-- name: load_many
SELECT t.bucket, t.order_id, t.line_no, t.due_bucket, t.due_id, t.generation, t.revision_no, t.state, t.own, t.gross, t.items, t.subsidies, t.policy_version, t.region, t.phase, t.window_until, t.after_close, t.difference_rule, t.benefit_first, t.benefit_first_next, t.benefit_last, t.quoted_at, t.version
FROM order_line AS t
JOIN unnest(?1::bigint[], ?2::bytes[], ?3::bigint[]) AS k (bucket, order_id, line_no)
    ON t.bucket = k.bucket AND t.order_id = k.order_id AND t.line_no = k.line_no
WHERE t.bucket = ANY(?4::bigint[])

-- name: by_order_many
SELECT t.bucket, t.order_id, t.line_no, t.due_bucket, t.due_id, t.generation, t.revision_no, t.state, t.own, t.gross, t.items, t.subsidies, t.policy_version, t.region, t.phase, t.window_until, t.after_close, t.difference_rule, t.benefit_first, t.benefit_first_next, t.benefit_last, t.quoted_at, t.version
FROM order_line AS t
JOIN unnest(?1::bigint[], ?2::bytes[]) AS k (bucket, order_id)
    ON t.bucket = k.bucket AND t.order_id = k.order_id
WHERE t.bucket = ANY(?3::bigint[])

-- name: insert_many
INSERT INTO order_line (bucket, order_id, line_no, due_bucket, due_id, generation, revision_no, state, own, gross, items, subsidies, policy_version, region, phase, window_until, after_close, difference_rule, benefit_first, benefit_first_next, benefit_last, quoted_at, version)
SELECT k.bucket, k.order_id, k.line_no, k.due_bucket, k.due_id, k.generation, k.revision_no, k.state, k.own, k.gross, k.items, k.subsidies, k.policy_version, k.region, k.phase, k.window_until, k.after_close, k.difference_rule, k.benefit_first, k.benefit_first_next, k.benefit_last, k.quoted_at, k.version
FROM unnest(?1::bigint[], ?2::bytes[], ?3::bigint[], ?4::bigint[], ?5::bytes[], ?6::bigint[], ?7::bigint[], ?8::text[], ?9::bigint[], ?10::bigint[], ?11::text[], ?12::text[], ?13::text[], ?14::text[], ?15::text[], ?16::bigint[], ?17::text[], ?18::text[], ?19::text[], ?20::text[], ?21::text[], ?22::bigint[], ?23::bigint[]) AS k (bucket, order_id, line_no, due_bucket, due_id, generation, revision_no, state, own, gross, items, subsidies, policy_version, region, phase, window_until, after_close, difference_rule, benefit_first, benefit_first_next, benefit_last, quoted_at, version)

-- name: update_many
UPDATE order_line AS t
SET generation = k.generation, state = k.state, version = k.version
FROM unnest(?1::bigint[], ?2::bytes[], ?3::bigint[], ?4::bigint[], ?5::text[], ?6::bigint[], ?7::bigint[]) AS k (bucket, order_id, line_no, generation, state, version, expected_version)
WHERE t.bucket = k.bucket AND t.order_id = k.order_id AND t.line_no = k.line_no AND t.version = k.expected_version
    AND t.bucket = ANY(?8::bigint[])

-- name: assert_many
SELECT t.version
FROM order_line AS t
JOIN unnest(?1::bigint[], ?2::bytes[], ?3::bigint[], ?4::bigint[]) AS k (bucket, order_id, line_no, expected_version)
    ON t.bucket = k.bucket AND t.order_id = k.order_id AND t.line_no = k.line_no
WHERE t.version = k.expected_version
    AND t.bucket = ANY(?5::bigint[])
ORDER BY t.bucket, t.order_id, t.line_no
FOR SHARE OF t

-- name: by_order
SELECT bucket, order_id, line_no, due_bucket, due_id, generation, revision_no, state, own, gross, items, subsidies, policy_version, region, phase, window_until, after_close, difference_rule, benefit_first, benefit_first_next, benefit_last, quoted_at, version
FROM order_line
WHERE bucket = ?1 AND order_id = ?2
ORDER BY bucket, order_id, line_no

-- name: scan
SELECT bucket, order_id, line_no, due_bucket, due_id, generation, revision_no, state, own, gross, items, subsidies, policy_version, region, phase, window_until, after_close, difference_rule, benefit_first, benefit_first_next, benefit_last, quoted_at, version
FROM order_line
ORDER BY bucket, order_id, line_no

-- name: scan_as_it_lies
SELECT bucket, order_id, line_no, due_bucket, due_id, generation, revision_no, state, own, gross, items, subsidies, policy_version, region, phase, window_until, after_close, difference_rule, benefit_first, benefit_first_next, benefit_last, quoted_at, version
FROM order_line

-- name: scan_buckets
SELECT bucket, order_id, line_no, due_bucket, due_id, generation, revision_no, state, own, gross, items, subsidies, policy_version, region, phase, window_until, after_close, difference_rule, benefit_first, benefit_first_next, benefit_last, quoted_at, version
FROM order_line
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, order_id, line_no
