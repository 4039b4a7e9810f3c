-- What Postgres knows of itself, as Prometheus reads it. boxd runs this once in a session that
-- stays, and then executes `figures` once a scrape. Names are those of postgres_exporter where it
-- has them. Statements of class `write` are those that only a primary can run.
set default_transaction_read_only = on;
-- A scrape has two seconds; late figures help nobody.
set statement_timeout = '1s';
set jit = off;

prepare figures as
with statements as (
  select
    userid::regrole::text as role,
    case when query ~* '\m(insert into|update|delete from|merge into|for share)\M' then 'write' else 'read' end
      as class,
    sum(total_exec_time) / 1000 as seconds,
    sum(calls) as calls,
    sum(rows) as rows
  from pg_stat_statements
  where toplevel and dbid = (select oid from pg_database where datname = current_database())
  group by 1, 2
),
activity as (
  select
    coalesce(datname, '') as datname,
    coalesce(state, '') as state,
    coalesce(wait_event_type, '') as wait_event_type,
    count(*) as count
  from pg_stat_activity
  where backend_type = 'client backend' and pid <> pg_backend_pid()
  group by 1, 2, 3
)
select format('pg_up 1')
union all
select format('pg_settings_max_connections %s', current_setting('max_connections'))
union all
select format('pg_replication_is_replica %s', pg_is_in_recovery()::int)
union all
select format(
  E'pg_stat_database_xact_commit{datname="%1$s"} %2$s\n'
  'pg_stat_database_xact_rollback{datname="%1$s"} %3$s\n'
  'pg_stat_database_blks_hit{datname="%1$s"} %4$s\n'
  'pg_stat_database_blks_read{datname="%1$s"} %5$s\n'
  'pg_stat_database_tup_returned{datname="%1$s"} %6$s\n'
  'pg_stat_database_tup_fetched{datname="%1$s"} %7$s\n'
  'pg_stat_database_tup_inserted{datname="%1$s"} %8$s\n'
  'pg_stat_database_tup_updated{datname="%1$s"} %9$s\n'
  'pg_stat_database_tup_deleted{datname="%1$s"} %10$s\n'
  'pg_stat_database_deadlocks{datname="%1$s"} %11$s',
  datname, xact_commit, xact_rollback, blks_hit, blks_read, tup_returned, tup_fetched,
  tup_inserted, tup_updated, tup_deleted, deadlocks)
from pg_stat_database
where datname = current_database()
union all
select format(
  E'pg_stat_statements_seconds_total{user="%1$s",class="%2$s"} %3$s\n'
  'pg_stat_statements_calls_total{user="%1$s",class="%2$s"} %4$s\n'
  'pg_stat_statements_rows_total{user="%1$s",class="%2$s"} %5$s',
  role, class, seconds, calls, rows)
from statements
union all
select format(
  'pg_stat_activity_count{datname="%s",state="%s",wait_event_type="%s"} %s',
  datname, state, wait_event_type, count)
from activity
union all
select format('pg_stat_wal_bytes_total %s', wal_bytes) from pg_stat_wal;
