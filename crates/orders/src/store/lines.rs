//! `orders.order_lines`: what was bought, at the price of that moment.

use std::collections::HashMap;

use contract::OrderId;
use contract::inventory::PricedLine;
use contract::orders::Order;
use sqlx::PgConnection;
use uuid::Uuid;

pub(crate) async fn insert(
    conn: &mut PgConnection,
    order: OrderId,
    lines: &[PricedLine],
) -> db::Result<()> {
    let skus: Vec<_> = lines.iter().map(|l| l.sku.to_string()).collect();
    let names: Vec<_> = lines.iter().map(|l| l.name.clone()).collect();
    let quantities: Vec<_> = lines.iter().map(|l| l.quantity.get()).collect();
    let prices: Vec<_> = lines.iter().map(|l| l.price_cents).collect();
    sqlx::query!(
        "insert into orders.order_lines (bucket, order_id, sku, name, quantity, price_cents)
         select $1, $2, l.sku, l.name, l.quantity, l.price_cents
         from unnest($3::text[], $4::text[], $5::integer[], $6::bigint[])
              as l (sku, name, quantity, price_cents)",
        i16::from(order.bucket()),
        order.0,
        &skus,
        &names,
        &quantities,
        &prices,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Reads the lines of all these orders at once.
pub(crate) async fn fill(conn: &mut PgConnection, orders: &mut [Order]) -> db::Result<()> {
    let buckets: Vec<_> = orders.iter().map(|o| i16::from(o.id.bucket())).collect();
    let ids: Vec<_> = orders.iter().map(|o| o.id.0).collect();
    let rows = sqlx::query!(
        "select l.order_id, l.sku, l.name, l.quantity, l.price_cents
         from unnest($1::smallint[], $2::uuid[]) as o (bucket, id)
         join orders.order_lines l on l.bucket = o.bucket and l.order_id = o.id
         order by l.order_id, l.sku",
        &buckets,
        &ids,
    )
    .fetch_all(conn)
    .await?;

    let mut lines: HashMap<Uuid, Vec<PricedLine>> = HashMap::new();
    for row in rows {
        lines.entry(row.order_id).or_default().push(PricedLine {
            sku: super::sku(row.sku)?,
            name: row.name,
            quantity: super::quantity(row.quantity)?,
            price_cents: row.price_cents,
        });
    }
    for order in orders {
        order.lines = lines.remove(&order.id.0).unwrap_or_default();
    }
    Ok(())
}
