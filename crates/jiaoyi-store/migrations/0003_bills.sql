-- Bills of the channels that were fetched. The raw file lies beside the database; its hash is here.
-- Not part of the books: no audit image.
create table kept_bill (
    bucket bigint not null,
    channel text not null,
    merchant text not null,
    sort text not null,
    day text not null,
    file text not null,
    sha256 bytes not null,
    bytes bigint not null,
    payments bigint not null,
    paid bigint not null,
    refunds bigint not null,
    returned bigint not null,
    others bigint not null,
    fees bigint not null,
    fetched_at bigint not null,
    constraint kept_bill_pk primary key (bucket, channel, merchant, sort, day),
    constraint kept_bill_sort check (sort in ('trade','success','refund','funds')),
    constraint kept_bill_bucket check (bucket between 0 and 4095)
) clustered;
