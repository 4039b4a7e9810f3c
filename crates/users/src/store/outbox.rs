//! Who changed and is not yet told: rows that a trigger writes (`migrations/users`).

use std::time::Duration;

use cache::Change;
use contract::UserId;
use db::Result;
use sqlx::PgConnection;

/// The oldest first.
pub(crate) async fn waiting(db: &mut PgConnection, limit: u32) -> Result<Vec<Change<UserId>>> {
    let rows = sqlx::query!(
        "select id, user_id, version from users.outbox order by id limit $1",
        i64::from(limit),
    );
    let rows = rows.fetch_all(db).await?.into_iter();
    Ok(rows
        .map(|row| Change {
            id: row.id,
            key: UserId(row.user_id),
            version: row.version,
        })
        .collect())
}

pub(crate) async fn delete(db: &mut PgConnection, ids: &[i64]) -> Result<()> {
    sqlx::query!("delete from users.outbox where id = any($1)", ids)
        .execute(db)
        .await?;
    Ok(())
}

pub(crate) async fn delete_older(db: &mut PgConnection, than: Duration) -> Result<()> {
    sqlx::query!(
        "delete from users.outbox where created_at < now() - make_interval(secs => $1)",
        than.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(())
}
