//! Who holds or bought what.

use std::time::Duration;

use contract::inventory::PricedLine;
use contract::{OrderId, Sku};
use sqlx::PgConnection;
use uuid::Uuid;

use super::decode;

/// What an order took out of the stock, at the prices of that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    pub order: OrderId,
    pub state: State,
    /// In the order of SKUs.
    pub lines: Vec<PricedLine>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum State {
    /// Taken for a checkout under way.
    Held,
    /// Sold.
    Confirmed,
    /// Given back, or given up before it was taken. For good.
    Released,
}

/// Opens a reservation under this id; false when there is one. Waits for another transaction that is
/// just opening it.
pub(crate) async fn open(conn: &mut PgConnection, order: OrderId) -> db::Result<bool> {
    let done = sqlx::query!(
        "insert into inventory.reservations (id, state) values ($1, 'held')
         on conflict (id) do nothing",
        order.0,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes the lines out of the stock; answers its new versions. The caller has locked it and seen that
/// there is enough.
pub(crate) async fn take(
    conn: &mut PgConnection,
    order: OrderId,
    lines: &[PricedLine],
) -> db::Result<Vec<(Sku, i64)>> {
    let skus: Vec<&str> = lines.iter().map(|line| line.sku.as_str()).collect();
    let quantities: Vec<i32> = lines.iter().map(|line| line.quantity.get()).collect();
    let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    let prices: Vec<i64> = lines.iter().map(|line| line.price_cents).collect();
    let rows = sqlx::query!(
        "with taken as (
             insert into inventory.reservation_lines (reservation_id, sku, quantity, name, price_cents)
             select $1, * from unnest($2::text[], $3::int[], $4::text[], $5::bigint[])
             returning sku, quantity
         )
         update inventory.stock set available = available - quantity
         from taken where stock.sku = taken.sku
         returning stock.sku, stock.version",
        order.0,
        skus as _,
        &quantities,
        names as _,
        &prices,
    );
    let rows = rows.fetch_all(conn).await?.into_iter();
    rows.map(|row| Ok((decode("sku", row.sku)?, row.version)))
        .collect()
}

/// Makes sales of those that are held.
pub(crate) async fn confirm(conn: &mut PgConnection, orders: &[OrderId]) -> db::Result<()> {
    let ids: Vec<Uuid> = orders.iter().map(|order| order.0).collect();
    // Locked in one order, so that two batches never wait for each other.
    sqlx::query!(
        "with held as (
             select id from inventory.reservations
             where id = any($1) and state = 'held'
             order by id
             for update
         )
         update inventory.reservations set state = 'confirmed', updated_at = now()
         from held where reservations.id = held.id",
        &ids,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Spends the id, whether or not it was ever used; false when it was spent before.
pub(crate) async fn release(conn: &mut PgConnection, order: OrderId) -> db::Result<bool> {
    let done = sqlx::query!(
        "insert into inventory.reservations (id, state) values ($1, 'released')
         on conflict (id) do update set state = 'released', updated_at = now()
         where reservations.state <> 'released'",
        order.0,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Puts the lines back into the stock; answers its new versions. Only after [`release`] said true: once.
pub(crate) async fn give_back(
    conn: &mut PgConnection,
    order: OrderId,
) -> db::Result<Vec<(Sku, i64)>> {
    let rows = sqlx::query!(
        "with back as (
             select sku, quantity
             from inventory.stock join inventory.reservation_lines using (sku)
             where reservation_id = $1
             order by sku
             for update of stock
         )
         update inventory.stock set available = available + quantity
         from back where stock.sku = back.sku
         returning stock.sku, stock.version",
        order.0,
    );
    let rows = rows.fetch_all(conn).await?.into_iter();
    rows.map(|row| Ok((decode("sku", row.sku)?, row.version)))
        .collect()
}

/// Held for longer than `hold`, oldest first.
pub(crate) async fn overdue(
    conn: &mut PgConnection,
    hold: Duration,
    limit: u32,
) -> db::Result<Vec<OrderId>> {
    let rows = sqlx::query!(
        "select id from inventory.reservations
         where state = 'held' and created_at < now() - make_interval(secs => $1)
         order by created_at
         limit $2",
        hold.as_secs_f64(),
        i64::from(limit),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| OrderId(row.id)).collect())
}

pub(crate) async fn find(
    conn: &mut PgConnection,
    order: OrderId,
) -> db::Result<Option<Reservation>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id, state as "state: State", sku as "sku?", quantity as "quantity?", name as "name?",
             price_cents as "price_cents?"
         from inventory.reservations left join inventory.reservation_lines on reservation_id = id
         where id = $1
         order by sku"#,
        order.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(reservations(rows)?.pop())
}

/// In the order of ids, those after `after`.
pub(crate) async fn after(
    conn: &mut PgConnection,
    after: Option<OrderId>,
    limit: u32,
) -> db::Result<Vec<Reservation>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id, state as "state: State", sku as "sku?", quantity as "quantity?", name as "name?",
             price_cents as "price_cents?"
         from (select id, state from inventory.reservations where id > $1 order by id limit $2) as page
         left join inventory.reservation_lines on reservation_id = id
         order by id, sku"#,
        after.map_or(Uuid::nil(), |order| order.0),
        i64::from(limit),
    )
    .fetch_all(conn)
    .await?;
    reservations(rows)
}

/// A reservation and one of its lines, if it has any.
struct Row {
    id: Uuid,
    state: State,
    sku: Option<String>,
    quantity: Option<i32>,
    name: Option<String>,
    price_cents: Option<i64>,
}

/// Gathers the lines; rows of one reservation come together.
fn reservations(rows: Vec<Row>) -> db::Result<Vec<Reservation>> {
    let mut reservations: Vec<Reservation> = Vec::new();
    for row in rows {
        let order = OrderId(row.id);
        if reservations.last().is_none_or(|last| last.order != order) {
            reservations.push(Reservation {
                order,
                state: row.state,
                lines: Vec::new(),
            });
        }
        if let (Some(sku), Some(quantity), Some(name), Some(price_cents), Some(last)) = (
            row.sku,
            row.quantity,
            row.name,
            row.price_cents,
            reservations.last_mut(),
        ) {
            last.lines.push(PricedLine {
                sku: decode("sku", sku)?,
                name,
                quantity: decode("quantity", i64::from(quantity))?,
                price_cents,
            });
        }
    }
    Ok(reservations)
}
