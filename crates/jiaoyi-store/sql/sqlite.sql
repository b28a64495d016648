-- What only the embedded engine is asked.

-- name: has_schema
SELECT count(*)
FROM sqlite_schema
WHERE type = 'table' AND name = 'schema_version'

-- name: integrity
PRAGMA quick_check(100)
