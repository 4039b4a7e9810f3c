-- A domain's role and schema, named for it. The role owns nothing else and sees no other domain.
-- As the shop reads it (crates/contract/src/secret.rs), without the end of its line: psql takes the \n.
\set password `sed '$ s/\r$//' /run/secrets/db-:domain`

select format('create role %I', :'domain') where to_regrole(:'domain') is null \gexec
-- Set anew at each start: a password is changed by changing its file.
alter role :domain login nosuperuser nocreatedb nocreaterole noreplication nobypassrls
    password :'password';
grant connect, create on database shop to :domain;
-- For pg_trgm's operators; it may make nothing there.
grant usage on schema public to :domain;
create schema if not exists :domain authorization :domain;
