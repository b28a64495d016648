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
SET due_bucket = ?4, due_id = ?5, generation = ?6, revision_no = ?7, state = ?8, own = ?9, gross = ?10, items = ?11, subsidies = ?12, policy_version = ?13, region = ?14, phase = ?15, window_until = ?16, after_close = ?17, difference_rule = ?18, benefit_first = ?19, benefit_first_next = ?20, benefit_last = ?21, quoted_at = ?22, version = ?23
WHERE bucket = ?1 AND order_id = ?2 AND line_no = ?3 AND version = ?24

-- name: assert
SELECT version
FROM order_line
WHERE bucket = ?1 AND order_id = ?2 AND line_no = ?3

-- name: by_order
SELECT bucket, order_id, line_no, due_bucket, due_id, generation, revision_no, state, own, gross, items, subsidies, policy_version, region, phase, window_until, after_close, difference_rule, benefit_first, benefit_first_next, benefit_last, quoted_at, version
FROM order_line
WHERE bucket = ?1 AND order_id = ?2
ORDER BY bucket, order_id, line_no

-- name: scan
SELECT bucket, order_id, line_no, due_bucket, due_id, generation, revision_no, state, own, gross, items, subsidies, policy_version, region, phase, window_until, after_close, difference_rule, benefit_first, benefit_first_next, benefit_last, quoted_at, version
FROM order_line
ORDER BY bucket, order_id, line_no

-- name: scan_buckets
SELECT bucket, order_id, line_no, due_bucket, due_id, generation, revision_no, state, own, gross, items, subsidies, policy_version, region, phase, window_until, after_close, difference_rule, benefit_first, benefit_first_next, benefit_last, quoted_at, version
FROM order_line
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, order_id, line_no
