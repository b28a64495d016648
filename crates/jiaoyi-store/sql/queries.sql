-- Queries that are not loads of a record: pages, discovery of work, staging, verification.
-- Nothing here decides about money.

-- name: attempts_to_ask
SELECT attempt_no, channel AS lane
FROM attempt
WHERE ask_at <= ?1
ORDER BY ask_at
LIMIT ?2

-- name: attempts_to_ask_in_lane
SELECT attempt_no, channel AS lane
FROM attempt
WHERE ask_at <= ?1 AND channel = ?3
ORDER BY ask_at
LIMIT ?2

-- name: refunds_to_act
SELECT refund_no, channel AS lane
FROM refund
WHERE ask_at <= ?1
ORDER BY ask_at
LIMIT ?2

-- name: refunds_to_act_in_lane
SELECT refund_no, channel AS lane
FROM refund
WHERE ask_at <= ?1 AND channel = ?3
ORDER BY ask_at
LIMIT ?2

-- name: refunds_for_staff
SELECT refund_no
FROM refund
WHERE state = 'manual' AND refund_no > ?1
ORDER BY refund_no
LIMIT ?2

-- name: refund_of_channel_no
SELECT refund_no
FROM refund
WHERE bucket = ?1 AND channel_no = ?2

-- name: outbox_due
SELECT o.bucket, o.subject, o.outbox_id, o.topic, coalesce(a.channel, r.channel, o.topic) AS lane
FROM outbox o
LEFT JOIN attempt a ON a.bucket = o.bucket AND a.attempt_no = o.subject
LEFT JOIN refund r ON r.bucket = o.bucket AND r.refund_no = o.subject AND o.topic = 'refund'
WHERE o.state = 'waiting' AND o.next_at <= ?1 AND o.topic <> 'hook'
ORDER BY o.next_at
LIMIT ?2

-- name: outbox_due_in_lane
SELECT o.bucket, o.subject, o.outbox_id, o.topic, coalesce(a.channel, r.channel, o.topic) AS lane
FROM outbox o
LEFT JOIN attempt a ON a.bucket = o.bucket AND a.attempt_no = o.subject
LEFT JOIN refund r ON r.bucket = o.bucket AND r.refund_no = o.subject AND o.topic = 'refund'
WHERE o.state = 'waiting' AND o.next_at <= ?1 AND o.topic <> 'hook'
    AND coalesce(a.channel, r.channel, o.topic) = ?3
ORDER BY o.next_at
LIMIT ?2

-- name: hooks_due
SELECT bucket, subject, outbox_id
FROM outbox
WHERE state = 'waiting' AND topic = 'hook' AND subject > ?1 AND subject < ?2 AND next_at <= ?3
ORDER BY subject
LIMIT ?4

-- name: hook_events_of
SELECT bucket, hook_id
FROM hook_event
WHERE inst_id = ?1 AND hook_id > ?2
ORDER BY hook_id
LIMIT ?3

-- name: hook_events_newest
SELECT bucket, hook_id
FROM hook_event
WHERE inst_id = ?1
ORDER BY hook_id DESC
LIMIT ?2

-- name: outbox_of_subject
SELECT bucket, subject, outbox_id
FROM outbox
WHERE state = 'waiting' AND bucket = ?1 AND subject = ?2 AND topic = ?3

-- name: vouchers_unsigned
SELECT v.bucket, v.voucher_no, v.issued_at
FROM voucher v
LEFT JOIN voucher_signature s ON s.bucket = v.bucket AND s.voucher_no = v.voucher_no
WHERE v.issued_at >= ?1 AND s.voucher_no IS NULL
ORDER BY v.issued_at
LIMIT ?2

-- name: any_sealed
SELECT number_sealed
FROM document
ORDER BY bucket, doc_hmac
LIMIT 1

-- name: nearest_document
SELECT bucket, doc_hmac, person_bucket, person_id
FROM document
WHERE (bucket, doc_hmac) >= (?1, ?2)
ORDER BY bucket, doc_hmac
LIMIT 1

-- name: unpaid_dues
SELECT d.bucket, d.due_id, d.generation
FROM due d
WHERE d.state IN ('draft', 'open') AND d.bucket >= ?1
ORDER BY d.bucket, d.due_id
LIMIT ?2

-- name: chain_heads
SELECT l.chain_id, l.link_no, l.hash
FROM link l
WHERE l.link_no = (
    SELECT max(m.link_no) FROM link m WHERE m.bucket = l.bucket AND m.chain_id = l.chain_id
)
ORDER BY l.chain_id

-- name: last_book_day
SELECT max(book_day)
FROM link

-- name: last_checkpoint
SELECT checkpoint_id
FROM checkpoint
ORDER BY at DESC
LIMIT 1

-- name: barrier
INSERT INTO barrier (bucket, writer, number, at)
VALUES (?1, ?2, 1, ?3)
ON CONFLICT (bucket, writer) DO UPDATE SET number = barrier.number + 1, at = excluded.at

-- name: stage_page
INSERT INTO staged_page (bucket, roster_id, run_no, page_no, row_keys, row_data)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)

-- name: staged_runs
SELECT coalesce(max(run_no) + 1, 0)
FROM staged_page
WHERE roster_id = ?1

-- name: staged_rosters
SELECT DISTINCT roster_id
FROM staged_page

-- name: staged_keys
SELECT row_keys
FROM staged_page
WHERE roster_id = ?1 AND run_no = ?2 AND page_no = ?3

-- name: staged_rows
SELECT row_keys, row_data
FROM staged_page
WHERE roster_id = ?1 AND run_no = ?2 AND page_no = ?3

-- name: unstage_pages
DELETE FROM staged_page
WHERE roster_id = ?1 AND run_no = ?2 AND page_no >= ?3 AND page_no < ?4

-- name: rosters_in_state
SELECT roster_id
FROM roster
WHERE state = ?1
ORDER BY created_at

-- name: roster_of_file
SELECT roster_id
FROM roster
WHERE file_hash = ?1 AND source = ?2 AND serial = ?3

-- name: migrated
INSERT INTO schema_version (version, applied_at)
VALUES (?1, ?2)

-- name: count_open_cases
SELECT count(*)
FROM exception_case
WHERE state = 'open'

-- name: schema_version
SELECT coalesce(max(version), 0)
FROM schema_version

-- name: link_event_hash
SELECT substr(event_hashes, cast(?4 * 32 + 1 as integer), 32), book_day
FROM link
WHERE bucket = ?1 AND chain_id = ?2 AND link_no = ?3

-- name: count_facts
SELECT count(*)
FROM fact

-- name: order_of_number
SELECT order_id
FROM pay_order
WHERE bucket = ?1 AND order_no = ?2

-- name: voucher_hosts
SELECT DISTINCT host
FROM voucher_signature

-- name: copy_begin
CREATE TABLE copying (
    place bigint NOT NULL,
    source text NOT NULL,
    state text NOT NULL,
    tables_done bigint NOT NULL,
    rows_done bigint NOT NULL,
    CONSTRAINT copying_pk PRIMARY KEY (place)
)

-- name: copy_mark
SELECT source, state, tables_done, rows_done
FROM copying

-- name: copy_move
INSERT INTO copying (place, source, state, tables_done, rows_done)
VALUES (1, ?1, ?2, ?3, ?4)
ON CONFLICT (place) DO UPDATE SET tables_done = excluded.tables_done, rows_done = excluded.rows_done

-- name: copy_end
DROP TABLE copying

-- name: collects_over
SELECT bucket, order_id
FROM pay_order
WHERE state = 'placed' AND attempt_count = 0 AND until <= ?1
ORDER BY until
LIMIT ?2

-- name: payments_of_day
SELECT seq, state, amount, due_id, bucket, attempt_no
FROM biller_call
WHERE inst_id = ?1 AND trace_date = ?2 AND verb IN ('pay', 'told')
ORDER BY seq
