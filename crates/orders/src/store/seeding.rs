//! Bulk loading, by COPY from CSV.

use sqlx::PgConnection;

/// Keeps other seeders out until the transaction ends; false when there are orders already.
pub(crate) async fn claim(conn: &mut PgConnection) -> db::Result<bool> {
    // Loading takes longer than any request may, and so does waiting for somebody who loads.
    sqlx::raw_sql(
        "set local statement_timeout = 0;
         set local lock_timeout = 0;
         lock table orders.orders in share row exclusive mode",
    )
    .execute(&mut *conn)
    .await?;
    let seeded = sqlx::query_scalar!(r#"select exists (select from orders.orders) as "seeded!""#)
        .fetch_one(conn)
        .await?;
    Ok(!seeded)
}

pub(crate) async fn copy_orders(conn: &mut PgConnection, csv: String) -> db::Result<()> {
    const COPY: &str = "copy orders.orders
         (bucket, id, user_id, status, request_hash, total_cents, created_at)
         from stdin with (format csv)";
    copy(conn, COPY, csv).await
}

pub(crate) async fn copy_lines(conn: &mut PgConnection, csv: String) -> db::Result<()> {
    const COPY: &str = "copy orders.order_lines
         (bucket, order_id, sku, name, quantity, price_cents)
         from stdin with (format csv)";
    copy(conn, COPY, csv).await
}

/// Good plans from the first request on.
pub(crate) async fn analyze(conn: &mut PgConnection) -> db::Result<()> {
    sqlx::raw_sql("analyze orders.orders, orders.order_lines")
        .execute(conn)
        .await?;
    Ok(())
}

async fn copy(conn: &mut PgConnection, statement: &'static str, csv: String) -> db::Result<()> {
    let mut sink = conn.copy_in_raw(statement).await?;
    sink.send(csv.into_bytes()).await?;
    sink.finish().await?;
    Ok(())
}
