-- Links through which institutions keep their own keys.
create table access_link (
    inst_id text not null,
    link_id text not null,
    device bytes not null,
    made_at bigint not null,
    valid_until bigint not null,
    version bigint not null,
    constraint access_link_pk primary key (inst_id, link_id)
) clustered;
