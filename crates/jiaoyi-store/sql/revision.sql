-- Made by `cargo xtask gen sql` from the record of table revision. Do not edit.

-- name: load
SELECT bucket, due_id, generation, revision_no, roster_id, kind, region, category, tier, aids, items, subsidies, own, gross, late_own, void_cause, policy_version, created_at
FROM revision
WHERE bucket = ?1 AND due_id = ?2 AND generation = ?3 AND revision_no = ?4

-- name: insert
INSERT INTO revision (bucket, due_id, generation, revision_no, roster_id, kind, region, category, tier, aids, items, subsidies, own, gross, late_own, void_cause, policy_version, created_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)

-- name: load_many
SELECT t.bucket, t.due_id, t.generation, t.revision_no, t.roster_id, t.kind, t.region, t.category, t.tier, t.aids, t.items, t.subsidies, t.own, t.gross, t.late_own, t.void_cause, t.policy_version, t.created_at
FROM revision AS t
JOIN unnest(?1::bigint[], ?2::bytes[], ?3::bigint[], ?4::bigint[]) AS k (bucket, due_id, generation, revision_no)
    ON t.bucket = k.bucket AND t.due_id = k.due_id AND t.generation = k.generation AND t.revision_no = k.revision_no
WHERE t.bucket = ANY(?5::bigint[])

-- name: by_due_many
SELECT t.bucket, t.due_id, t.generation, t.revision_no, t.roster_id, t.kind, t.region, t.category, t.tier, t.aids, t.items, t.subsidies, t.own, t.gross, t.late_own, t.void_cause, t.policy_version, t.created_at
FROM revision AS t
JOIN unnest(?1::bigint[], ?2::bytes[], ?3::bigint[]) AS k (bucket, due_id, generation)
    ON t.bucket = k.bucket AND t.due_id = k.due_id AND t.generation = k.generation
WHERE t.bucket = ANY(?4::bigint[])

-- name: insert_many
INSERT INTO revision (bucket, due_id, generation, revision_no, roster_id, kind, region, category, tier, aids, items, subsidies, own, gross, late_own, void_cause, policy_version, created_at)
SELECT k.bucket, k.due_id, k.generation, k.revision_no, k.roster_id, k.kind, k.region, k.category, k.tier, k.aids, k.items, k.subsidies, k.own, k.gross, k.late_own, k.void_cause, k.policy_version, k.created_at
FROM unnest(?1::bigint[], ?2::bytes[], ?3::bigint[], ?4::bigint[], ?5::bytes[], ?6::text[], ?7::text[], ?8::text[], ?9::text[], ?10::text[], ?11::text[], ?12::text[], ?13::bigint[], ?14::bigint[], ?15::bigint[], ?16::text[], ?17::text[], ?18::bigint[]) AS k (bucket, due_id, generation, revision_no, roster_id, kind, region, category, tier, aids, items, subsidies, own, gross, late_own, void_cause, policy_version, created_at)

-- name: by_due
SELECT bucket, due_id, generation, revision_no, roster_id, kind, region, category, tier, aids, items, subsidies, own, gross, late_own, void_cause, policy_version, created_at
FROM revision
WHERE bucket = ?1 AND due_id = ?2 AND generation = ?3
ORDER BY bucket, due_id, generation, revision_no

-- name: scan
SELECT bucket, due_id, generation, revision_no, roster_id, kind, region, category, tier, aids, items, subsidies, own, gross, late_own, void_cause, policy_version, created_at
FROM revision
ORDER BY bucket, due_id, generation, revision_no

-- name: scan_as_it_lies
SELECT bucket, due_id, generation, revision_no, roster_id, kind, region, category, tier, aids, items, subsidies, own, gross, late_own, void_cause, policy_version, created_at
FROM revision

-- name: scan_buckets
SELECT bucket, due_id, generation, revision_no, roster_id, kind, region, category, tier, aids, items, subsidies, own, gross, late_own, void_cause, policy_version, created_at
FROM revision
WHERE bucket >= ?1 AND bucket < ?2
ORDER BY bucket, due_id, generation, revision_no
