-- Made by `cargo xtask gen sql` from the record of table revision. Do not edit.

-- name: load
SELECT bucket, due_id, generation, revision_no, roster_id, kind, region, category, tier, aids, items, subsidies, own, gross, late_own, void_cause, policy_version, created_at
FROM revision
WHERE bucket = ?1 AND due_id = ?2 AND generation = ?3 AND revision_no = ?4

-- name: insert
INSERT INTO revision (bucket, due_id, generation, revision_no, roster_id, kind, region, category, tier, aids, items, subsidies, own, gross, late_own, void_cause, policy_version, created_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)

-- name: by_due
SELECT bucket, due_id, generation, revision_no, roster_id, kind, region, category, tier, aids, items, subsidies, own, gross, late_own, void_cause, policy_version, created_at
FROM revision
WHERE bucket = ?1 AND due_id = ?2 AND generation = ?3
ORDER BY bucket, due_id, generation, revision_no

-- name: scan
SELECT bucket, due_id, generation, revision_no, roster_id, kind, region, category, tier, aids, items, subsidies, own, gross, late_own, void_cause, policy_version, created_at
FROM revision
ORDER BY bucket, due_id, generation, revision_no

-- name: scan_buckets
SELECT bucket, due_id, generation, revision_no, roster_id, kind, region, category, tier, aids, items, subsidies, own, gross, late_own, void_cause, policy_version, created_at
FROM revision
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, due_id, generation, revision_no
