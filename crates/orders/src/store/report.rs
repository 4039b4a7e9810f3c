//! The sums behind the sales report. What was cancelled or abandoned is no sale.

use chrono::{DateTime, Utc};
use contract::orders::{DaySales, ProductSales};
use sqlx::PgConnection;

/// Days (UTC) with a sale, oldest first.
pub(crate) async fn days(
    conn: &mut PgConnection,
    since: DateTime<Utc>,
) -> db::Result<Vec<DaySales>> {
    let days = sqlx::query_as!(
        DaySales,
        r#"select (created_at at time zone 'utc')::date as "day!",
                  count(*) as "orders!",
                  sum(total_cents)::bigint as "revenue_cents!"
           from orders.orders
           where created_at >= $1 and status in ('placed', 'delivered')
           group by 1
           order by 1"#,
        since,
    )
    .fetch_all(conn)
    .await?;
    Ok(days)
}

/// Every product that was sold: the best ten of all shards may be nobody's best ten.
pub(crate) async fn products(
    conn: &mut PgConnection,
    since: DateTime<Utc>,
) -> db::Result<Vec<ProductSales>> {
    let rows = sqlx::query!(
        r#"select l.sku,
                  max(l.name) as "name!",
                  sum(l.quantity)::bigint as "quantity!",
                  sum(l.quantity * l.price_cents)::bigint as "revenue_cents!"
           from orders.orders o
           join orders.order_lines l on l.bucket = o.bucket and l.order_id = o.id
           where o.created_at >= $1 and o.status in ('placed', 'delivered')
           group by l.sku"#,
        since,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(ProductSales {
                sku: super::sku(row.sku)?,
                name: row.name,
                quantity: row.quantity,
                revenue_cents: row.revenue_cents,
            })
        })
        .collect()
}
