//! Work on whole tables, which takes longer than any request may.

use sqlx::{AssertSqlSafe, PgConnection};

use crate::error::Result;

/// Lifts the limits on statements and on waits for locks, until the transaction ends.
pub async fn lift_limits(conn: &mut PgConnection) -> Result<()> {
    sqlx::raw_sql("set local statement_timeout = 0; set local lock_timeout = 0")
        .execute(conn)
        .await?;
    Ok(())
}

/// Keeps others from filling this table until the transaction ends, for as long as that takes; false
/// when there are rows already.
pub async fn claim(conn: &mut PgConnection, table: &'static str) -> Result<bool> {
    lift_limits(conn).await?;
    let lock = format!("lock table {table} in share row exclusive mode");
    sqlx::raw_sql(AssertSqlSafe(lock))
        .execute(&mut *conn)
        .await?;
    let is_empty = format!("select not exists (select from {table})");
    Ok(sqlx::query_scalar(AssertSqlSafe(is_empty))
        .fetch_one(conn)
        .await?)
}

/// Hands rows to a `copy .. from stdin`, in the format that it names.
pub async fn copy(conn: &mut PgConnection, statement: &'static str, rows: String) -> Result<()> {
    let mut sink = conn.copy_in_raw(statement).await?;
    sink.send(rows.into_bytes()).await?;
    sink.finish().await?;
    Ok(())
}
