-- What only PostgreSQL is asked.

-- name: begin
BEGIN

-- name: commit
COMMIT

-- name: rollback
ROLLBACK

-- name: mark_import
LOCK TABLE schema_version IN ROW SHARE MODE

-- name: no_import
LOCK TABLE schema_version IN EXCLUSIVE MODE NOWAIT

-- name: wait
SET synchronous_commit = on

-- name: session
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET jit = off

-- name: has_schema
SELECT count(*)
FROM pg_catalog.pg_class
WHERE relname = 'schema_version' AND relkind = 'r' AND pg_catalog.pg_table_is_visible(oid)

-- name: is_copying
SELECT count(*)
FROM pg_catalog.pg_class
WHERE relname = 'copying' AND relkind = 'r' AND pg_catalog.pg_table_is_visible(oid)

-- name: settings
SELECT name, setting
FROM pg_catalog.pg_settings
WHERE name = ANY(?1)
ORDER BY name

-- name: role
SELECT current_user::text

-- name: process
SELECT pg_catalog.pg_backend_pid()

-- name: size
SELECT pg_catalog.pg_database_size(pg_catalog.current_database())

-- name: nearest_documents
SELECT k.place, d.bucket, d.doc_hmac, d.person_bucket, d.person_id
FROM (
    SELECT unnest(?1::bigint[]) AS bucket, unnest(?2::bytes[]) AS doc_hmac, generate_subscripts(?1::bigint[], 1) AS place
) AS k
CROSS JOIN LATERAL (
    SELECT t.bucket, t.doc_hmac, t.person_bucket, t.person_id
    FROM document AS t
    WHERE (t.bucket, t.doc_hmac) >= (k.bucket, k.doc_hmac)
    ORDER BY t.bucket, t.doc_hmac
    LIMIT 1
) AS d
