//! Where sessions live.

mod process;
mod token;

use chrono::{DateTime, Utc};
use contract::users::{Identity, User};
use contract::{Ctx, UserId};
use db::{Db, Result};

pub(crate) use token::{SessionKey, new_token};

use crate::config::SessionStore;
use crate::store;
use process::ProcessSessions;

/// The sessions of all users, wherever the configuration puts them. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum Sessions {
    Postgres(Db),
    Process(Db, ProcessSessions),
}

impl Sessions {
    pub(crate) fn new(db: Db, place: SessionStore) -> Sessions {
        match place {
            SessionStore::Postgres => Sessions::Postgres(db),
            SessionStore::Process => {
                tracing::warn!("sessions live in this process alone and end with it");
                Sessions::Process(db, ProcessSessions::default())
            }
        }
    }

    pub(crate) async fn start(
        &self,
        ctx: &Ctx,
        key: &SessionKey,
        user: UserId,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Result<()> {
        match self {
            Sessions::Postgres(db) => {
                let mut tx = db.shard(key.bucket).write(ctx, "start_session").await?;
                store::create_session(&mut tx, key, user, now, expires_at).await?;
                tx.commit().await
            }
            Sessions::Process(_, sessions) => {
                sessions.start(key, user, now, expires_at);
                Ok(())
            }
        }
    }

    /// Who holds a session that has not expired and was used after `used_after`, and its last use.
    pub(crate) async fn holder(
        &self,
        ctx: &Ctx,
        key: &SessionKey,
        now: DateTime<Utc>,
        used_after: DateTime<Utc>,
    ) -> Result<Option<(Identity, DateTime<Utc>)>> {
        match self {
            Sessions::Postgres(db) => {
                let mut conn = db.shard(key.bucket).read(ctx, "find_session").await?;
                store::session_holder(&mut conn, key, now, used_after).await
            }
            Sessions::Process(db, sessions) => {
                let Some((user, last_seen_at)) = sessions.holder(key, now, used_after) else {
                    return Ok(None);
                };
                // Only that he logged in is remembered here: his name may change on any box.
                let mut conn = db.shard(user.bucket()).read(ctx, "find_user").await?;
                let user = store::user(&mut conn, user).await?;
                Ok(user.map(|user| (identity(user), last_seen_at)))
            }
        }
    }

    pub(crate) async fn touch(
        &self,
        ctx: &Ctx,
        key: &SessionKey,
        now: DateTime<Utc>,
    ) -> Result<()> {
        match self {
            Sessions::Postgres(db) => {
                let mut tx = db.shard(key.bucket).write(ctx, "touch_session").await?;
                store::touch_session(&mut tx, key, now).await?;
                tx.commit().await
            }
            Sessions::Process(_, sessions) => {
                sessions.touch(key, now);
                Ok(())
            }
        }
    }

    pub(crate) async fn end(&self, ctx: &Ctx, key: &SessionKey) -> Result<()> {
        match self {
            Sessions::Postgres(db) => {
                let mut tx = db.shard(key.bucket).write(ctx, "end_session").await?;
                store::delete_session(&mut tx, key).await?;
                tx.commit().await
            }
            Sessions::Process(_, sessions) => {
                sessions.end(key);
                Ok(())
            }
        }
    }

    /// Deletes sessions past their absolute end, at most `limit` in each shard; says how many.
    pub(crate) async fn expire(&self, ctx: &Ctx, now: DateTime<Utc>, limit: u32) -> Result<u64> {
        match self {
            Sessions::Postgres(db) => {
                let mut expired = 0;
                for shard in db.shards() {
                    let mut tx = shard.write(ctx, "expire_sessions").await?;
                    expired += store::delete_expired_sessions(&mut tx, now, limit).await?;
                    tx.commit().await?;
                }
                Ok(expired)
            }
            Sessions::Process(_, sessions) => Ok(sessions.expire(now, limit)),
        }
    }
}

fn identity(user: User) -> Identity {
    Identity {
        user_id: user.id,
        email: user.email,
        name: user.name,
        staff: user.staff,
    }
}
