//! Bulk loading, by COPY from CSV.

use db::bulk::copy;
use sqlx::PgConnection;

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
