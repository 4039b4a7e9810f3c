//! `orders.cart_items`: what somebody means to buy.

use contract::inventory::{Line, Quantity};
use contract::{Sku, UserId};
use sqlx::PgConnection;

/// As many products as an order may have lines.
pub(crate) const MAX_ITEMS: i64 = 50;

/// In the order in which they were put in.
pub(crate) async fn items(conn: &mut PgConnection, user: UserId) -> db::Result<Vec<Line>> {
    let rows = sqlx::query!(
        "select sku, quantity from orders.cart_items
         where bucket = $1 and user_id = $2
         order by added_at, sku",
        i16::from(user.bucket()),
        user.0,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| super::line(row.sku, row.quantity))
        .collect()
}

/// Sets how many of a product are in the cart: false if the cart is full. Several puts at once may
/// overfill it by as many; then a checkout of the whole cart says so.
pub(crate) async fn put(
    conn: &mut PgConnection,
    user: UserId,
    sku: &Sku,
    quantity: Quantity,
) -> db::Result<bool> {
    let done = sqlx::query!(
        "with items as (
             select sku from orders.cart_items where bucket = $1 and user_id = $2
         )
         insert into orders.cart_items (bucket, user_id, sku, quantity)
         select $1, $2, $3, $4
         where $3 in (select sku from items) or (select count(*) from items) < $5
         on conflict (bucket, user_id, sku) do update set quantity = excluded.quantity",
        i16::from(user.bucket()),
        user.0,
        sku.as_str(),
        quantity.get(),
        MAX_ITEMS,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// As [`put`], but on top of what is there; a line that is full (99) stays so.
pub(crate) async fn add(
    conn: &mut PgConnection,
    user: UserId,
    sku: &Sku,
    quantity: Quantity,
) -> db::Result<bool> {
    let done = sqlx::query!(
        "with items as (
             select sku from orders.cart_items where bucket = $1 and user_id = $2
         )
         insert into orders.cart_items as item (bucket, user_id, sku, quantity)
         select $1, $2, $3, $4
         where $3 in (select sku from items) or (select count(*) from items) < $5
         on conflict (bucket, user_id, sku) do update
         set quantity = least(item.quantity + excluded.quantity, 99)",
        i16::from(user.bucket()),
        user.0,
        sku.as_str(),
        quantity.get(),
        MAX_ITEMS,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes these products out, whatever their quantity.
pub(crate) async fn remove(conn: &mut PgConnection, user: UserId, skus: &[&str]) -> db::Result<()> {
    sqlx::query!(
        "delete from orders.cart_items where bucket = $1 and user_id = $2 and sku = any($3)",
        i16::from(user.bucket()),
        user.0,
        skus as &[&str],
    )
    .execute(conn)
    .await?;
    Ok(())
}
