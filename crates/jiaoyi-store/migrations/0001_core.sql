-- The core: dues, orders, money, books, vouchers, messages, audit chain.
-- One text for every engine: `bytes` and `clustered` are replaced by the engine's words. A key marked
-- `by time` leads with what grows with time, and in the embedded file the bucket stands last in it.
-- `clustered` has the embedded file keep whole rows in the tree of the key; wide rows whose key is
-- drawn at random are not, for each would change a page of few rows, and the pages above it.

-- Answers of mutating calls. Inserted first: a command cannot commit twice.
create table command_key (
    bucket bigint not null,
    key_hash bytes not null,
    body_hash bytes not null,
    answer text not null,
    at bigint not null,
    constraint command_key_pk primary key (bucket, key_hash),
    constraint command_key_bucket check (bucket between 0 and 4095)
);

create table inbox (
    bucket bigint not null,
    channel text not null,
    notice_id text not null,
    received_at bigint not null,
    body_sealed bytes not null,
    constraint inbox_pk primary key (bucket, channel, notice_id),
    constraint inbox_bucket check (bucket between 0 and 4095)
);

create table roster (
    roster_id bytes not null,
    state text not null,
    region text not null,
    benefit_year bigint not null,
    source text not null,
    serial bigint not null,
    file_hash bytes not null,
    rows_read bigint not null,
    rows_good bigint not null,
    rows_bad bigint not null,
    rows_published bigint not null,
    created_at bigint not null,
    activated_at bigint,
    version bigint not null,
    constraint roster_pk primary key (roster_id),
    constraint roster_state check (state in ('staging','publishing','active','rejected'))
) clustered;

create table policy_pack (
    pack_id text not null,
    region text not null,
    benefit_year bigint not null,
    status text not null,
    file_name text not null,
    text text not null,
    imported_on text not null,
    imported_at bigint not null,
    version bigint not null,
    constraint policy_pack_pk primary key (pack_id)
);

create table person (
    bucket bigint not null,
    person_id bytes not null,
    name_sealed bytes not null,
    name_hmac bytes not null,
    name_masked text not null,
    document_masked text not null,
    birthday_hmac bytes,
    phone_sealed bytes,
    merged_into bytes,
    created_at bigint not null,
    version bigint not null,
    constraint person_pk primary key (bucket, person_id),
    constraint person_bucket check (bucket between 0 and 4095)
) clustered;

create table document (
    bucket bigint not null,
    doc_hmac bytes not null,
    person_bucket bigint not null,
    person_id bytes not null,
    kind text not null,
    number_sealed bytes not null,
    added_at bigint not null,
    constraint document_pk primary key (bucket, doc_hmac),
    constraint document_bucket check (bucket between 0 and 4095)
) clustered;

-- What one insured person owes for one benefit year, by generation.
create table due (
    bucket bigint not null,
    due_id bytes not null,
    generation bigint not null,
    person_id bytes not null,
    scheme text not null,
    benefit_year bigint not null,
    state text not null,
    revision_last bigint not null,
    lock_order bytes,
    lock_order_bucket bigint,
    lock_holder bytes,
    lock_channel text,
    lock_at bigint,
    lock_until bigint,
    lock_lapses bigint not null,
    paid_at bigint,
    version bigint not null,
    constraint due_pk primary key (bucket, due_id, generation),
    constraint due_state check (state in ('draft','open','locked','paid','returned','void','expired')),
    constraint due_bucket check (bucket between 0 and 4095)
) clustered;

create table revision (
    bucket bigint not null,
    due_id bytes not null,
    generation bigint not null,
    revision_no bigint not null,
    roster_id bytes not null,
    kind text not null,
    region text not null,
    category text not null,
    tier text not null,
    aids text not null,
    items text not null,
    subsidies text not null,
    own bigint not null,
    gross bigint not null,
    late_own bigint,
    void_cause text,
    policy_version text not null,
    created_at bigint not null,
    constraint revision_pk primary key (bucket, due_id, generation, revision_no),
    constraint revision_kind check (kind in ('price','void')),
    constraint revision_bucket check (bucket between 0 and 4095),
    constraint revision_price check (own >= 0 and gross >= own)
) clustered;

-- The one place per due that premium can fill: what makes a second premium impossible.
create table slot (
    bucket bigint not null,
    due_id bytes not null,
    generation bigint not null,
    person_id bytes not null,
    scheme text not null,
    benefit_year bigint not null,
    order_id bytes not null,
    line_no bigint not null,
    fact_bucket bigint,
    fact_channel text,
    fact_merchant text,
    fact_txn text,
    reversible_until bigint,
    own bigint not null,
    gross bigint not null,
    subsidies text not null,
    accepted_at bigint not null,
    filled_at bigint not null,
    benefit_first text not null,
    benefit_last text not null,
    voucher_no text not null,
    ended_at bigint,
    end_reason text,
    version bigint not null,
    constraint slot_pk primary key (bucket, due_id, generation),
    constraint slot_bucket check (bucket between 0 and 4095),
    constraint slot_price check (own >= 0 and gross >= own)
);

create table turned_away (
    bucket bigint not null,
    due_id bytes not null,
    generation bigint not null,
    at bigint not null,
    reason text not null,
    until bigint not null,
    constraint turned_away_pk primary key (bucket, due_id, generation, at),
    constraint turned_away_bucket check (bucket between 0 and 4095)
) clustered;

create table pay_order (
    bucket bigint not null,
    order_id bytes not null,
    order_no text not null,
    state text not null,
    amount bigint not null,
    line_count bigint not null,
    attempt_count bigint not null,
    holder bytes not null,
    relation text not null,
    region text not null,
    created_at bigint not null,
    until bigint not null,
    ended_at bigint,
    version bigint not null,
    constraint pay_order_pk primary key (bucket, order_id), -- by time
    constraint pay_order_state check (state in ('placed','abandoned','closed','paid','mixed','surplus')),
    constraint pay_order_bucket check (bucket between 0 and 4095),
    constraint pay_order_amount check (amount >= 0)
) clustered;

create table order_line (
    bucket bigint not null,
    order_id bytes not null,
    line_no bigint not null,
    due_bucket bigint not null,
    due_id bytes not null,
    generation bigint not null,
    revision_no bigint not null,
    state text not null,
    own bigint not null,
    gross bigint not null,
    items text not null,
    subsidies text not null,
    policy_version text not null,
    region text not null,
    phase text not null,
    window_until bigint not null,
    after_close text not null,
    difference_rule text not null,
    benefit_first text not null,
    benefit_first_next text not null,
    benefit_last text not null,
    quoted_at bigint not null,
    version bigint not null,
    constraint order_line_pk primary key (bucket, order_id, line_no), -- by time
    constraint order_line_state check (state in ('waiting','premium','surplus','returned')),
    constraint order_line_bucket check (bucket between 0 and 4095),
    constraint order_line_price check (own >= 0 and gross >= own)
) clustered;

create table attempt (
    bucket bigint not null,
    attempt_no text not null,
    order_id bytes not null,
    seq bigint not null,
    method text not null,
    channel text not null,
    merchant text not null,
    app text not null,
    state text not null,
    amount bigint not null,
    created_at bigint not null,
    expires_at bigint not null,
    handed_out_at bigint,
    abandoned_at bigint,
    request_sealed bytes not null,
    handover_sealed bytes,
    last_word text,
    paid_at bigint,
    ask_at bigint,
    asks bigint not null,
    version bigint not null,
    constraint attempt_pk primary key (bucket, attempt_no), -- by time
    constraint attempt_state check (state in ('drafted','offered','unknown','closing','disputed','dropped','refused','closed','expired','paid')),
    constraint attempt_bucket check (bucket between 0 and 4095),
    constraint attempt_amount check (amount > 0)
);

-- Money seen at a channel: one row for one number of the channel, for ever.
create table fact (
    bucket bigint not null,
    channel text not null,
    merchant text not null,
    txn_id text not null,
    kind text not null,
    attempt_no text not null,
    order_id bytes not null,
    amount bigint not null,
    paid_at bigint not null,
    channel_day text not null,
    source text not null,
    seen_at bigint not null,
    confirmed_at bigint,
    premium bigint not null,
    surplus bigint not null,
    returned_or_reserved bigint not null,
    version bigint not null,
    constraint fact_pk primary key (bucket, channel, merchant, txn_id, kind), -- by time
    constraint fact_kind check (kind in ('success','refund','reversal','chargeback')),
    constraint fact_bucket check (bucket between 0 and 4095),
    constraint fact_amount check (amount > 0),
    constraint fact_split check (premium >= 0 and surplus >= 0 and premium + surplus <= amount),
    constraint fact_returned check (returned_or_reserved >= 0 and returned_or_reserved <= amount)
) clustered;

-- The books. A row carries both accounts, so any set of rows balances.
create table transfer (
    bucket bigint not null,
    order_id bytes not null,
    transfer_id bytes not null,
    debit text not null,
    credit text not null,
    amount bigint not null,
    kind text not null,
    line_no bigint not null,
    due_id bytes,
    generation bigint,
    channel text,
    merchant text,
    txn_id text,
    refund_no text,
    transit_id bytes,
    channel_day text,
    book_day text not null,
    at bigint not null,
    constraint transfer_pk primary key (bucket, order_id, transfer_id), -- by time
    constraint transfer_bucket check (bucket between 0 and 4095),
    constraint transfer_amount check (amount > 0),
    constraint transfer_two_accounts check (debit <> credit)
) clustered;

create table refund (
    bucket bigint not null,
    refund_no text not null,
    state text not null,
    cause text not null,
    channel text not null,
    merchant text not null,
    txn_id text not null,
    attempt_no text not null,
    order_id bytes not null,
    line_no bigint not null,
    amount bigint not null,
    channel_no text not null,
    closes bigint not null,
    request bytes,
    held_until bigint,
    created_at bigint not null,
    sent_at bigint,
    done_at bigint,
    detail text,
    ask_at bigint,
    asks bigint not null,
    version bigint not null,
    constraint refund_pk primary key (bucket, refund_no), -- by time
    constraint refund_state check (state in ('held','requested','approved','sent','unknown','done','manual','cancelled')),
    constraint refund_bucket check (bucket between 0 and 4095),
    constraint refund_amount check (amount > 0)
) clustered;

create table voucher (
    bucket bigint not null,
    voucher_no text not null,
    check_code text not null,
    state text not null,
    order_bucket bigint not null,
    order_id bytes not null,
    line_no bigint not null,
    due_id bytes not null,
    generation bigint not null,
    content text not null,
    issued_at bigint not null,
    ended_at bigint,
    version bigint not null,
    constraint voucher_pk primary key (bucket, voucher_no),
    constraint voucher_state check (state in ('valid','refunded','superseded')),
    constraint voucher_bucket check (bucket between 0 and 4095)
);

create table voucher_signature (
    bucket bigint not null,
    voucher_no text not null,
    key_id text not null,
    algorithm text not null,
    host text not null,
    cose bytes not null,
    signed_at bigint not null,
    constraint voucher_signature_pk primary key (bucket, voucher_no),
    constraint voucher_signature_bucket check (bucket between 0 and 4095)
);

create table device_order (
    bucket bigint not null,
    device bytes not null,
    order_bucket bigint not null,
    order_id bytes not null,
    added_at bigint not null,
    constraint device_order_pk primary key (bucket, device, order_bucket, order_id),
    constraint device_order_bucket check (bucket between 0 and 4095)
) clustered;

create table notice_link (
    bucket bigint not null,
    due_id bytes not null,
    tries bigint not null,
    shut bigint not null,
    devices bytes not null,
    changed_at bigint not null,
    version bigint not null,
    constraint notice_link_pk primary key (bucket, due_id),
    constraint notice_link_bucket check (bucket between 0 and 4095)
) clustered;

create table outbox (
    bucket bigint not null,
    subject text not null,
    outbox_id bytes not null,
    topic text not null,
    state text not null,
    created_at bigint not null,
    next_at bigint not null,
    tries bigint not null,
    lease bigint not null,
    lease_until bigint,
    done_at bigint,
    version bigint not null,
    constraint outbox_pk primary key (bucket, subject, outbox_id), -- by time
    constraint outbox_state check (state in ('waiting','done','failed')),
    constraint outbox_bucket check (bucket between 0 and 4095)
) clustered;

create table exception_case (
    bucket bigint not null,
    case_id bytes not null,
    kind text not null,
    state text not null,
    order_id bytes,
    subject text not null,
    detail text not null,
    opened_at bigint not null,
    version bigint not null,
    constraint exception_case_pk primary key (bucket, case_id),
    constraint exception_case_state check (state in ('open','closed')),
    constraint exception_case_bucket check (bucket between 0 and 4095)
) clustered;

-- What each command touched: the audit chain hangs on these rows.
create table event (
    bucket bigint not null,
    chain_id bytes not null,
    link_no bigint not null,
    seq bigint not null,
    command text not null,
    actor text not null,
    at bigint not null,
    touched bytes not null,
    constraint event_pk primary key (bucket, chain_id, link_no, seq), -- by time
    constraint event_bucket check (bucket between 0 and 4095)
);

-- One row a commit: a chain belongs to one writer, and its rows lie in that writer's bucket group.
create table link (
    bucket bigint not null,
    chain_id bytes not null,
    link_no bigint not null,
    previous bytes not null,
    hash bytes not null,
    event_hashes bytes not null,
    book_day text not null,
    at bigint not null,
    constraint link_pk primary key (bucket, chain_id, link_no),
    constraint link_bucket check (bucket between 0 and 4095)
) clustered;

create table checkpoint (
    bucket bigint not null,
    checkpoint_id bytes not null,
    at bigint not null,
    heads text not null,
    key_id text not null,
    signature bytes not null,
    constraint checkpoint_pk primary key (bucket, checkpoint_id),
    constraint checkpoint_bucket check (bucket between 0 and 4095)
);

-- One live premium per person, scheme and benefit year. A second payment is true money: it is
-- recorded as surplus and given back, never refused by this constraint.
create unique index slot_live on slot (bucket, person_id, scheme, benefit_year) where ended_at is null;
create unique index voucher_of_slot on voucher (bucket, due_id, generation) where state = 'valid';
create unique index pay_order_no on pay_order (bucket, order_no); -- by time

-- Ranges of the records.
create index due_by_person on due (bucket, person_id);
create index attempt_by_order on attempt (bucket, order_id); -- by time
create index fact_by_attempt on fact (bucket, attempt_no); -- by time
create index refund_by_order on refund (bucket, order_id); -- by time
create index refund_by_attempt on refund (bucket, attempt_no); -- by time
create index refund_by_channel_no on refund (bucket, channel_no); -- by time
create index voucher_by_order on voucher (order_bucket, order_id); -- by time
create index exception_case_by_subject on exception_case (bucket, subject);
create index pay_order_by_holder on pay_order (holder);
create index roster_by_source on roster (source, region, benefit_year);

-- Discovery of work that is due: these lead with their own column, and only waiting rows are in.
create index attempt_to_ask on attempt (ask_at) where ask_at is not null;
create index refund_to_ask on refund (ask_at) where ask_at is not null;
create index outbox_waiting on outbox (next_at) where state = 'waiting' and topic <> 'hook';
create index voucher_issued on voucher (issued_at);

-- Rows of a roster file between reading and publishing: pages of sorted runs, so that they are
-- written one after the other. Not part of the books: no audit image. The bucket is that of the
-- page's first row.
create table staged_page (
    bucket bigint not null,
    roster_id bytes not null,
    run_no bigint not null,
    page_no bigint not null,
    row_keys bytes not null,
    row_data bytes not null,
    constraint staged_page_pk primary key (bucket, roster_id, run_no, page_no),
    constraint staged_page_bucket check (bucket between 0 and 4095)
);
create index staged_page_of_run on staged_page (roster_id, run_no, page_no);

-- Barrier rows of each writer (DESIGN.md 1): a commit made after a read proves what the read saw.
create table barrier (
    bucket bigint not null,
    writer bytes not null,
    number bigint not null,
    at bigint not null,
    constraint barrier_pk primary key (bucket, writer),
    constraint barrier_bucket check (bucket between 0 and 4095)
) clustered;

create table schema_version (
    version bigint not null,
    applied_at bigint not null,
    constraint schema_version_pk primary key (version)
) clustered;
