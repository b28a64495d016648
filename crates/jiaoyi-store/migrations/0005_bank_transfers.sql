-- Bank transfers by which staff paid out what no channel gives back.
create table bank_transfer (
    bucket bigint not null,
    refund_no text not null,
    order_id bytes not null,
    amount bigint not null,
    reference text not null,
    paid_on text not null,
    account_tail text,
    recorded_by text not null,
    at bigint not null,
    constraint bank_transfer_pk primary key (bucket, refund_no), -- by time
    constraint bank_transfer_bucket check (bucket between 0 and 4095),
    constraint bank_transfer_amount check (amount > 0)
) clustered;

-- What staff have to pay out: few rows, and a row leaves with its transfer.
create index refund_for_staff on refund (refund_no) where state = 'manual';
