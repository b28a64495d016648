-- Institutions that call us (the biller API): their terms and keys, the serials they use, what was decided
-- under each, and their day files.

create table institution (
    inst_id text not null,
    name text not null,
    front_ends text not null,
    scopes text not null,
    addresses text not null,
    cut_over bigint not null,
    hours_from bigint not null,
    hours_until bigint not null,
    live bigint not null,
    webhook text not null,
    created_at bigint not null,
    version bigint not null,
    constraint institution_pk primary key (inst_id)
) clustered;

create table institution_key (
    inst_id text not null,
    key_id text not null,
    scheme text not null,
    public_key bytes not null,
    valid_from bigint not null,
    valid_until bigint,
    version bigint not null,
    constraint institution_key_pk primary key (inst_id, key_id)
) clustered;

-- A serial is a name that others make: claimed in the bucket of its hash before anything is decided.
create table claim (
    bucket bigint not null,
    inst_id text not null,
    seq text not null,
    verb text not null,
    body_hash bytes not null,
    target bigint not null,
    at bigint not null,
    constraint claim_pk primary key (bucket, inst_id, seq), -- by time
    constraint claim_bucket check (bucket between 0 and 4095)
) clustered;

create table biller_call (
    bucket bigint not null,
    inst_id text not null,
    seq text not null,
    verb text not null,
    state text not null,
    reason text,
    body_hash bytes not null,
    answer text not null,
    trace_date text not null,
    channel text,
    due_id bytes,
    generation bigint,
    order_id bytes,
    attempt_no text,
    amount bigint not null,
    undoes text,
    at bigint not null,
    undone_by text,
    ended_at bigint,
    version bigint not null,
    constraint biller_call_pk primary key (bucket, inst_id, seq), -- by time
    constraint biller_call_state check (state in ('done','refused','reversed','dead')),
    constraint biller_call_bucket check (bucket between 0 and 4095),
    constraint biller_call_amount check (amount >= 0)
) clustered;

create table day_file (
    bucket bigint not null,
    inst_id text not null,
    day text not null,
    file_hash bytes not null,
    received_at bigint not null,
    body_sealed bytes not null,
    answer text not null,
    result text not null,
    constraint day_file_pk primary key (bucket, inst_id, day, file_hash),
    constraint day_file_bucket check (bucket between 0 and 4095)
);

-- What institutions are told without asking.
create table hook_event (
    bucket bigint not null,
    hook_id bytes not null,
    inst_id text not null,
    kind text not null,
    body text not null,
    at bigint not null,
    state text not null,
    tries bigint not null,
    log text not null,
    ended_at bigint,
    version bigint not null,
    constraint hook_event_pk primary key (bucket, hook_id), -- by time
    constraint hook_event_state check (state in ('waiting','delivered','failed')),
    constraint hook_event_bucket check (bucket between 0 and 4095)
);

-- Surplus that takes a slot whose filling fact is reversed first.
alter table slot add column next_refund text;

-- A day of an institution, for its day file.
create index biller_call_of_day on biller_call (inst_id, trace_date);
create index hook_event_of on hook_event (inst_id, hook_id);
-- Events on their way, institution by institution.
create index outbox_hooks on outbox (subject) where state = 'waiting' and topic = 'hook';
create index biller_call_by_order on biller_call (bucket, order_id); -- by time
-- Locks of institutions, the only ones that end by time.
create index pay_order_collected on pay_order (until) where state = 'placed' and attempt_count = 0;
