//! What changed and is not yet told: rows that triggers write (`migrations/inventory`).

use std::time::Duration;

use cache::Change;
use contract::Sku;
use sqlx::PgConnection;

use super::decode;

/// The oldest first.
pub(crate) async fn waiting(conn: &mut PgConnection, limit: u32) -> db::Result<Vec<Change<Sku>>> {
    let rows = sqlx::query!(
        "select id, sku, version from inventory.outbox order by id limit $1",
        i64::from(limit),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Change {
                id: row.id,
                key: decode("sku", row.sku)?,
                version: row.version,
            })
        })
        .collect()
}

pub(crate) async fn delete(conn: &mut PgConnection, ids: &[i64]) -> db::Result<()> {
    sqlx::query!("delete from inventory.outbox where id = any($1)", ids)
        .execute(conn)
        .await?;
    Ok(())
}

pub(crate) async fn delete_older(conn: &mut PgConnection, than: Duration) -> db::Result<()> {
    sqlx::query!(
        "delete from inventory.outbox where created_at < now() - make_interval(secs => $1)",
        than.as_secs_f64(),
    )
    .execute(conn)
    .await?;
    Ok(())
}
