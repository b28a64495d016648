-- What only the embedded engine is asked.

-- name: has_schema
SELECT count(*)
FROM sqlite_schema
WHERE type = 'table' AND name = 'schema_version'

-- name: integrity
PRAGMA integrity_check(100)

-- name: pages
PRAGMA quick_check(100)
