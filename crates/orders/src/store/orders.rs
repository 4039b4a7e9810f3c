//! `orders.orders`: one row for each decision that an order stands or never will.

use chrono::{DateTime, Utc};
use contract::ids::Malformed;
use contract::orders::{Order, OrderStatus};
use contract::{OrderId, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::history::Position;

struct Row {
    id: Uuid,
    user_id: Uuid,
    status: String,
    total_cents: i64,
    created_at: DateTime<Utc>,
}

impl Row {
    /// The order, its lines still missing: see [`super::lines::fill`].
    fn into_order(self) -> db::Result<Order> {
        let status = match self.status.as_str() {
            "placed" => OrderStatus::Placed,
            "cancelled" => OrderStatus::Cancelled,
            "delivered" => OrderStatus::Delivered,
            _ => return Err(super::corrupt(Malformed("expected a status of orders"))),
        };
        Ok(Order {
            id: OrderId(self.id),
            user_id: UserId(self.user_id),
            status,
            lines: Vec::new(),
            total_cents: self.total_cents,
            created_at: self.created_at,
        })
    }
}

/// Records a placed order; when, or `None` if its id is taken. Waits for a transaction that is
/// about to take it.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    id: OrderId,
    user: UserId,
    request_hash: &[u8],
    total_cents: i64,
) -> db::Result<Option<DateTime<Utc>>> {
    let created_at = sqlx::query_scalar!(
        "insert into orders.orders (bucket, id, user_id, status, request_hash, total_cents)
         values ($1, $2, $3, 'placed', $4, $5)
         on conflict (bucket, id) do nothing
         returning created_at",
        i16::from(id.bucket()),
        id.0,
        user.0,
        request_hash,
        total_cents,
    )
    .fetch_optional(conn)
    .await?;
    Ok(created_at)
}

/// Takes the id, if it is free, for an order that will never be. Waits like [`insert`].
pub(crate) async fn insert_tombstone(conn: &mut PgConnection, id: OrderId) -> db::Result<()> {
    sqlx::query!(
        "insert into orders.orders (bucket, id, status, total_cents)
         values ($1, $2, 'abandoned', 0)
         on conflict (bucket, id) do nothing",
        i16::from(id.bucket()),
        id.0,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether the goods of this order are sold (placed or delivered) or not (cancelled or abandoned);
/// `None` if nothing is decided.
pub(crate) async fn is_sold(conn: &mut PgConnection, id: OrderId) -> db::Result<Option<bool>> {
    let sold = sqlx::query_scalar!(
        r#"select status in ('placed', 'delivered') as "sold!"
           from orders.orders where bucket = $1 and id = $2"#,
        i16::from(id.bucket()),
        id.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(sold)
}

/// What the row under an id says.
pub(crate) enum Recorded {
    /// An order, without lines.
    Order {
        order: Order,
        request_hash: Vec<u8>,
    },
    Abandoned,
}

/// What is decided under this id; `None` if nothing is.
pub(crate) async fn recorded(conn: &mut PgConnection, id: OrderId) -> db::Result<Option<Recorded>> {
    let row = sqlx::query!(
        "select user_id, status, request_hash, total_cents, created_at
         from orders.orders where bucket = $1 and id = $2",
        i16::from(id.bucket()),
        id.0,
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let (Some(user_id), Some(request_hash)) = (row.user_id, row.request_hash) else {
        return Ok(Some(Recorded::Abandoned));
    };
    let order = Row {
        id: id.0,
        user_id,
        status: row.status,
        total_cents: row.total_cents,
        created_at: row.created_at,
    };
    Ok(Some(Recorded::Order {
        order: order.into_order()?,
        request_hash,
    }))
}

/// This user's order, without lines.
pub(crate) async fn find(
    conn: &mut PgConnection,
    user: UserId,
    id: OrderId,
) -> db::Result<Option<Order>> {
    let row = sqlx::query_as!(
        Row,
        r#"select id, user_id as "user_id!", status, total_cents, created_at
           from orders.orders where bucket = $1 and id = $2 and user_id = $3"#,
        i16::from(user.bucket()),
        id.0,
        user.0,
    )
    .fetch_optional(conn)
    .await?;
    row.map(Row::into_order).transpose()
}

/// Cancels this user's order if it is placed: whether it was.
pub(crate) async fn cancel(conn: &mut PgConnection, user: UserId, id: OrderId) -> db::Result<bool> {
    let done = sqlx::query!(
        "update orders.orders set status = 'cancelled'
         where bucket = $1 and id = $2 and user_id = $3 and status = 'placed'",
        i16::from(user.bucket()),
        id.0,
        user.0,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// This user's orders before `before`, newest first, without lines.
pub(crate) async fn of_user(
    conn: &mut PgConnection,
    user: UserId,
    before: Position,
    limit: i64,
) -> db::Result<Vec<Order>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id, user_id as "user_id!", status, total_cents, created_at
           from orders.orders
           where bucket = $1 and user_id = $2 and (created_at, id) < ($3, $4)
           order by created_at desc, id desc
           limit $5"#,
        i16::from(user.bucket()),
        user.0,
        before.0,
        before.1.0,
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Row::into_order).collect()
}

/// Everybody's orders before `before`, newest first, without lines.
pub(crate) async fn newest(
    conn: &mut PgConnection,
    before: Position,
    limit: i64,
) -> db::Result<Vec<Order>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id, user_id as "user_id!", status, total_cents, created_at
           from orders.orders
           where status <> 'abandoned' and (created_at, id) < ($1, $2)
           order by created_at desc, id desc
           limit $3"#,
        before.0,
        before.1.0,
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Row::into_order).collect()
}
