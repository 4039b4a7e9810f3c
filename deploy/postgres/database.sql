-- Database `shop`, with a schema and a role per domain. Every statement may run again.
set client_min_messages = warning;

select 'create database shop'
where not exists (select from pg_database where datname = 'shop') \gexec

-- What Postgres grants to everyone by default, nobody gets here.
revoke all on database postgres, template1, shop from public;

\connect shop
set client_min_messages = warning;

revoke all on schema public from public;
create extension if not exists pg_trgm;
create extension if not exists pg_stat_statements;

\set domain users
\ir domain.sql
\set domain inventory
\ir domain.sql
\set domain orders
\ir domain.sql
