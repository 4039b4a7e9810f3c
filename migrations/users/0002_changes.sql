-- What caches must hear of, as in `inventory`: each change of a user gives his row a new version, and
-- leaves word in the outbox within the same transaction.

alter table users.users add column version bigint not null default 1;

-- Rows are there for moments: the feed tells the cache, and deletes them.
create table users.outbox (
    id bigint generated always as identity primary key,
    user_id uuid not null,
    version bigint not null
);

create function users.note_change() returns trigger language plpgsql as $$
begin
    new.version := old.version + 1;
    insert into users.outbox (user_id, version) values (new.id, new.version);
    return new;
end
$$;

create trigger user_changes before update on users.users
    for each row execute function users.note_change();

-- To log out everywhere.
create index sessions_of_user_idx on users.sessions (bucket, user_id);
