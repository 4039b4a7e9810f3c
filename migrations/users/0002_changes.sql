-- What caches must hear of, as in `inventory`: each change of a user gives his row a new version, and
-- leaves word in the outbox within the same transaction.

create sequence users.versions;

alter table users.users add column version bigint not null default 0;

create table users.outbox (
    id bigint generated always as identity primary key,
    user_id uuid not null,
    version bigint not null,
    created_at timestamptz not null default now()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

create function users.note_change() returns trigger language plpgsql as $$
declare
    next bigint := nextval('users.versions');
begin
    if tg_op = 'DELETE' then
        insert into users.outbox (user_id, version) values (old.id, next);
        return old;
    end if;
    new.version := next;
    insert into users.outbox (user_id, version) values (new.id, next);
    return new;
end
$$;

create trigger user_changes before update or delete on users.users
    for each row execute function users.note_change();

-- To log out everywhere.
create index sessions_of_user_idx on users.sessions (bucket, user_id);
