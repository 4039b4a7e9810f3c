//! Whether the books balance.

use sqlx::PgConnection;
use uuid::Uuid;

/// A product of which `stocked` is not `available` + `taken`.
pub(crate) struct Imbalance {
    pub(crate) sku: String,
    /// All that ever came in, less what was written off.
    pub(crate) stocked: i64,
    pub(crate) available: i64,
    /// Held or sold.
    pub(crate) taken: i64,
}

pub(crate) async fn imbalances(conn: &mut PgConnection) -> db::Result<Vec<Imbalance>> {
    let found = sqlx::query_as!(
        Imbalance,
        r#"with entries as (
             select sku, delta as stocked, 0 as available, 0 as taken from inventory.restocks
             union all
             select sku, 0, available, 0 from inventory.stock
             union all
             select sku, 0, 0, quantity
             from inventory.reservation_lines
             join inventory.reservations on reservations.id = reservation_id
             where state in ('held', 'confirmed')
         )
         select sku as "sku!", sum(stocked) as "stocked!", sum(available) as "available!",
             sum(taken) as "taken!"
         from entries
         group by sku
         having sum(stocked) <> sum(available) + sum(taken)
         order by sku"#,
    )
    .fetch_all(conn)
    .await?;
    Ok(found)
}

/// Reservations that only their lines know. A foreign key forbids them, but a restore or a careless
/// copy can leave keys behind.
pub(crate) async fn stray_lines(conn: &mut PgConnection) -> db::Result<Vec<Uuid>> {
    let found = sqlx::query_scalar!(
        "select distinct reservation_id from inventory.reservation_lines
         where not exists (select from inventory.reservations where id = reservation_id)",
    )
    .fetch_all(conn)
    .await?;
    Ok(found)
}
