create table remark (
    bucket bigint not null,
    remark_id bytes not null,
    text text not null,
    constraint remark_pk primary key (bucket, remark_id)
) clustered;
create index notice_link_tries on notice_link (bucket, tries);
create index remark_text on remark (bucket, text);
