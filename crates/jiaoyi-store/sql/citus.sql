-- What only distributed PostgreSQL (Citus) is asked.

-- name: is_there
SELECT count(*)
FROM pg_catalog.pg_extension
WHERE extname = 'citus'

-- name: session
SET plan_cache_mode = force_custom_plan

-- name: one_connection
SET citus.max_adaptive_executor_pool_size = 1

-- name: nearest_document
SELECT bucket, doc_hmac, person_bucket, person_id
FROM document
WHERE bucket = ?1 AND doc_hmac >= ?2
ORDER BY doc_hmac
LIMIT 1

-- name: placed
SELECT logicalrelid::text
FROM pg_dist_partition
ORDER BY 1

-- name: place_first
SELECT create_distributed_table(?1::text::regclass, 'bucket', colocate_with => 'none')::text

-- name: place_sharded
SELECT create_distributed_table(?1::text::regclass, 'bucket', colocate_with => ?2)::text

-- name: place_reference
SELECT create_reference_table(?1::text::regclass)::text

-- name: shards
SELECT b.bucket, get_shard_id_for_distribution_column(?1::text::regclass, b.bucket) AS shard
FROM generate_series(0::bigint, 4095::bigint) AS b (bucket)
ORDER BY b.bucket

-- name: nodes
SELECT n.nodename || ':' || n.nodeport, count(p.shardid)
FROM pg_dist_node AS n
LEFT JOIN pg_dist_placement AS p
    ON p.groupid = n.groupid
    AND p.shardid IN (SELECT shardid FROM pg_dist_shard WHERE logicalrelid = ?1::text::regclass)
WHERE n.noderole = 'primary' AND n.isactive
GROUP BY 1
ORDER BY 1

-- name: settings
SELECT n.nodename || ':' || n.nodeport, r.success::int, r.result
FROM run_command_on_all_nodes(
    'SELECT pg_catalog.json_object_agg(name, setting) FROM pg_catalog.pg_settings'
) AS r
JOIN pg_dist_node AS n ON n.nodeid = r.nodeid
ORDER BY 1

-- name: reach_all
SELECT count(*)
FROM barrier
