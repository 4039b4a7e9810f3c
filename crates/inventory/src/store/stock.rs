//! How many there are. Stock rows are always locked in the order of SKUs.

use contract::inventory::StockDelta;
use contract::{RestockId, Sku};
use sqlx::PgConnection;

use super::decode;

/// A product's place in the stock: nobody else can take from it before this transaction ends.
#[derive(Debug)]
pub(crate) struct Shelf {
    pub(crate) sku: Sku,
    pub(crate) name: String,
    pub(crate) price_cents: i64,
    pub(crate) available: i32,
}

/// Locks the shelves that exist among these. What they tell is true until the transaction ends.
pub(crate) async fn lock(conn: &mut PgConnection, skus: &[Sku]) -> db::Result<Vec<Shelf>> {
    let skus: Vec<&str> = skus.iter().map(Sku::as_str).collect();
    let rows = sqlx::query!(
        "select sku, name, price_cents, available
         from inventory.stock join inventory.products using (sku)
         where sku = any($1)
         order by sku
         for update of stock",
        skus as _,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Shelf {
                sku: decode("sku", row.sku)?,
                name: row.name,
                price_cents: row.price_cents,
                available: row.available,
            })
        })
        .collect()
}

/// Notes a change of stock under its id; false when it was noted before.
pub(crate) async fn record(
    conn: &mut PgConnection,
    id: RestockId,
    sku: &Sku,
    delta: StockDelta,
) -> db::Result<bool> {
    let done = sqlx::query!(
        "insert into inventory.restocks (id, sku, delta) values ($1, $2, $3)
         on conflict (id) do nothing",
        id.0,
        sku.as_str(),
        delta.get(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether just this change was noted under its id.
pub(crate) async fn is_recorded(
    conn: &mut PgConnection,
    id: RestockId,
    sku: &Sku,
    delta: StockDelta,
) -> db::Result<bool> {
    let row = sqlx::query!(
        r#"select exists (
             select from inventory.restocks where id = $1 and sku = $2 and delta = $3
         ) as "same!""#,
        id.0,
        sku.as_str(),
        delta.get(),
    )
    .fetch_one(conn)
    .await?;
    Ok(row.same)
}

/// Answers the new level, and its version.
pub(crate) async fn add(
    conn: &mut PgConnection,
    sku: &Sku,
    delta: StockDelta,
) -> db::Result<(i32, i64)> {
    let row = sqlx::query!(
        "update inventory.stock set available = available + $2 where sku = $1
         returning available, version",
        sku.as_str(),
        delta.get(),
    )
    .fetch_one(conn)
    .await?;
    Ok((row.available, row.version))
}
