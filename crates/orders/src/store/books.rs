//! Questions of the audit: each answers what should not be there.

use contract::{Bucket, OrderId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::audit::{OpenOrder, OrderState};

/// Orders whose total is not the sum of their lines, and orders without lines.
pub(crate) async fn wrong_totals(conn: &mut PgConnection) -> db::Result<Vec<Uuid>> {
    let ids = sqlx::query_scalar!(
        "select o.id from orders.orders o
         left join orders.order_lines l on l.bucket = o.bucket and l.order_id = o.id
         where o.status <> 'abandoned'
         group by o.bucket, o.id
         having o.total_cents is distinct from sum(l.quantity * l.price_cents)",
    )
    .fetch_all(conn)
    .await?;
    Ok(ids)
}

/// Orders that have lines, but do not exist or were abandoned.
pub(crate) async fn stray_lines(conn: &mut PgConnection) -> db::Result<Vec<Uuid>> {
    let ids = sqlx::query_scalar!(
        "select distinct l.order_id from orders.order_lines l
         left join orders.orders o on o.bucket = l.bucket and o.id = l.order_id
         where o.status is null or o.status = 'abandoned'",
    )
    .fetch_all(conn)
    .await?;
    Ok(ids)
}

/// Orders in another bucket than their id says.
pub(crate) async fn wrong_buckets(conn: &mut PgConnection) -> db::Result<Vec<Uuid>> {
    let ids = sqlx::query_scalar!(
        "select id from orders.orders where bucket <> get_byte(uuid_send(id), 15)",
    )
    .fetch_all(conn)
    .await?;
    Ok(ids)
}

/// Placed, cancelled and abandoned orders, in the order of ids, those after `after`.
pub(crate) async fn open_after(
    conn: &mut PgConnection,
    after: Option<OrderId>,
    limit: i64,
) -> db::Result<Vec<OpenOrder>> {
    let rows = sqlx::query!(
        r#"select o.id, o.status, l.sku as "sku?", l.quantity as "quantity?"
           from (
               select bucket, id, status from orders.orders
               where status <> 'delivered' and id > $1
               order by id
               limit $2
           ) o
           left join orders.order_lines l on l.bucket = o.bucket and l.order_id = o.id
           order by o.id, l.sku"#,
        after.map_or(Uuid::nil(), |order| order.0),
        limit,
    )
    .fetch_all(conn)
    .await?;
    let mut orders: Vec<OpenOrder> = Vec::new();
    for row in rows {
        let id = OrderId(row.id);
        if orders.last().is_none_or(|last| last.id != id) {
            let state = match row.status.as_str() {
                "placed" => OrderState::Placed,
                "cancelled" => OrderState::Cancelled,
                _ => OrderState::Abandoned,
            };
            let lines = Vec::new();
            orders.push(OpenOrder { id, state, lines });
        }
        if let (Some(order), Some(sku), Some(quantity)) = (orders.last_mut(), row.sku, row.quantity)
        {
            order.lines.push(super::line(sku, quantity)?);
        }
    }
    Ok(orders)
}

/// Those among these orders, all of one bucket, that exist.
pub(crate) async fn existing(
    conn: &mut PgConnection,
    bucket: Bucket,
    ids: &[Uuid],
) -> db::Result<Vec<Uuid>> {
    let ids = sqlx::query_scalar!(
        "select id from orders.orders
         where bucket = $1 and id = any($2) and status <> 'abandoned'",
        i16::from(bucket),
        ids,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids)
}
