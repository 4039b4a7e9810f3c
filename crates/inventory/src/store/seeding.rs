//! Bulk loading, by COPY from CSV.

use sqlx::PgConnection;

/// Keeps other seeders out until the transaction ends; false when there are products already.
pub(crate) async fn claim(conn: &mut PgConnection) -> db::Result<bool> {
    // Loading takes longer than any request may, and so does waiting for somebody who loads.
    sqlx::raw_sql(
        "set local statement_timeout = 0;
         set local lock_timeout = 0;
         lock table inventory.products in share row exclusive mode",
    )
    .execute(&mut *conn)
    .await?;
    let row = sqlx::query!(r#"select exists (select from inventory.products) as "seeded!""#)
        .fetch_one(conn)
        .await?;
    Ok(!row.seeded)
}

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

async fn copy(conn: &mut PgConnection, statement: &'static str, csv: String) -> db::Result<()> {
    let mut sink = conn.copy_in_raw(statement).await?;
    sink.send(csv.into_bytes()).await?;
    sink.finish().await?;
    Ok(())
}
