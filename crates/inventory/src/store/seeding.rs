//! Bulk loading, by COPY from CSV.

use db::bulk::copy;
use sqlx::PgConnection;

pub(crate) async fn copy_categories(conn: &mut PgConnection, csv: String) -> db::Result<()> {
    const COPY: &str =
        "copy inventory.categories (slug, name, position) from stdin with (format csv)";
    copy(conn, COPY, csv).await
}

pub(crate) async fn copy_products(conn: &mut PgConnection, csv: String) -> db::Result<()> {
    const COPY: &str = "copy inventory.products (sku, name, description, category, price_cents)
         from stdin with (format csv)";
    copy(conn, COPY, csv).await
}

pub(crate) async fn copy_restocks(conn: &mut PgConnection, csv: String) -> db::Result<()> {
    const COPY: &str = "copy inventory.restocks (id, sku, delta) from stdin with (format csv)";
    copy(conn, COPY, csv).await
}

/// The opening balances become the stock.
pub(crate) async fn open_stock(conn: &mut PgConnection) -> db::Result<()> {
    sqlx::query!(
        "insert into inventory.stock (sku, available) select sku, delta from inventory.restocks"
    )
    .execute(&mut *conn)
    .await?;
    // Good plans from the first request on.
    sqlx::raw_sql("analyze inventory.products, inventory.stock")
        .execute(conn)
        .await?;
    Ok(())
}
