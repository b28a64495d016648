-- What only the embedded engine is asked.

-- name: has_schema
SELECT count(*)
FROM sqlite_schema
WHERE type = 'table' AND name = 'schema_version'

-- name: is_copying
SELECT count(*)
FROM sqlite_schema
WHERE type = 'table' AND name = 'copying'

-- name: pages
PRAGMA quick_check(100)

-- name: indexes
SELECT t.name, i.name, i."unique", m.sql, iif(t.wr, p.name, NULL)
FROM pragma_table_list AS t
JOIN pragma_index_list(t.name) AS i
LEFT JOIN pragma_index_list(t.name) AS p ON p.origin = 'pk'
LEFT JOIN sqlite_schema AS m ON m.name = i.name
WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite_%'
    AND NOT (t.wr AND i.origin = 'pk')

-- name: index_columns
SELECT name, key, NOT key OR (cid >= 0 AND NOT "desc" AND coll = 'BINARY')
FROM pragma_index_xinfo(?1)
ORDER BY seqno

-- name: statistics
INSERT INTO sqlite_stat1 (tbl, idx, stat)
SELECT
    t.name,
    iif(t.wr AND i.origin = 'pk', t.name, i.name),
    '4096000' || (
        SELECT group_concat(iif(c.seqno > 0, ' 1', iif(c.name = 'bucket', ' 1000', ' 2')), '')
        FROM pragma_index_info(i.name) AS c
    )
FROM pragma_table_list AS t
JOIN pragma_index_list(t.name) AS i
WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite_%'
