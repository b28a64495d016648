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
