//! Sessions, where they live in Postgres.

use chrono::{DateTime, Utc};
use contract::UserId;
use contract::users::Identity;
use db::Result;
use sqlx::PgConnection;

use super::identity;
use crate::session::{Session, SessionKey};

pub(crate) async fn create(
    db: &mut PgConnection,
    key: &SessionKey,
    session: &Session,
) -> Result<()> {
    sqlx::query!(
        "insert into users.sessions
             (bucket, token_hash, user_id, created_at, last_seen_at, expires_at)
         values ($1, $2, $3, $4, $5, $6)",
        i16::from(key.bucket),
        &key.token_hash,
        session.user.0,
        session.created_at,
        session.last_seen_at,
        session.expires_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The session and who holds it, in one look.
pub(crate) async fn find(
    db: &mut PgConnection,
    key: &SessionKey,
) -> Result<Option<(Session, Identity)>> {
    let row = sqlx::query!(
        r#"select u.id, u.email, u.name, u.staff,
             s.created_at as started_at, s.last_seen_at, s.expires_at
         from users.sessions s
         join users.users u on u.bucket = s.bucket and u.id = s.user_id
         where s.bucket = $1 and s.token_hash = $2"#,
        i16::from(key.bucket),
        &key.token_hash,
    );
    let Some(row) = row.fetch_optional(db).await? else {
        return Ok(None);
    };
    let session = Session {
        user: UserId(row.id),
        created_at: row.started_at,
        last_seen_at: row.last_seen_at,
        expires_at: row.expires_at,
    };
    Ok(Some((
        session,
        identity(row.id, row.email, row.name, row.staff)?,
    )))
}

pub(crate) async fn touch(
    db: &mut PgConnection,
    key: &SessionKey,
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "update users.sessions set last_seen_at = $3
         where bucket = $1 and token_hash = $2 and last_seen_at < $3",
        i16::from(key.bucket),
        &key.token_hash,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Deletes it; answers what it was. Whoever else wants to waits until this transaction ends.
pub(crate) async fn take(db: &mut PgConnection, key: &SessionKey) -> Result<Option<Session>> {
    let row = sqlx::query!(
        "delete from users.sessions where bucket = $1 and token_hash = $2
         returning user_id, created_at, last_seen_at, expires_at",
        i16::from(key.bucket),
        &key.token_hash,
    );
    Ok(row.fetch_optional(db).await?.map(|row| Session {
        user: UserId(row.user_id),
        created_at: row.created_at,
        last_seen_at: row.last_seen_at,
        expires_at: row.expires_at,
    }))
}

pub(crate) async fn delete_all(db: &mut PgConnection, user: UserId) -> Result<()> {
    sqlx::query!(
        "delete from users.sessions where bucket = $1 and user_id = $2",
        i16::from(user.bucket()),
        user.0,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Deletes the longest expired sessions of this shard; says how many.
pub(crate) async fn delete_expired(
    db: &mut PgConnection,
    now: DateTime<Utc>,
    limit: u32,
) -> Result<u64> {
    let done = sqlx::query!(
        "delete from users.sessions where (bucket, token_hash) in (
             select bucket, token_hash from users.sessions where expires_at <= $1
             order by expires_at limit $2 for update skip locked)",
        now,
        i64::from(limit),
    );
    Ok(done.execute(db).await?.rows_affected())
}
