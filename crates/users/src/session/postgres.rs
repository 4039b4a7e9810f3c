//! Sessions in Postgres: any box knows them, and they outlive each of them.

use chrono::{DateTime, Utc};
use contract::{Ctx, Fault, UserId};
use db::Db;

use super::{Found, Session, SessionKey, Sessions, count_lookup};
use crate::store;

#[derive(Debug, Clone)]
pub(super) struct PostgresSessions(pub(super) Db);

#[async_trait::async_trait]
impl Sessions for PostgresSessions {
    async fn start(&self, ctx: &Ctx, key: &SessionKey, session: &Session) -> Result<(), Fault> {
        let shard = self.0.shard(key.bucket);
        let mut tx = shard.write(ctx, "start_session").await?;
        store::sessions::create(&mut tx, key, session).await?;
        Ok(tx.commit().await?)
    }

    async fn find(&self, ctx: &Ctx, key: &SessionKey) -> Result<Option<Found>, Fault> {
        let found = async {
            let shard = self.0.shard(key.bucket);
            let mut conn = shard.read(ctx, "find_session").await?;
            let found = store::sessions::find(&mut conn, key).await?;
            Ok(found.map(|(session, holder)| Found {
                session,
                holder: Some(holder),
            }))
        };
        let found = found.await;
        count_lookup("postgres", &found);
        found
    }

    async fn touch(
        &self,
        ctx: &Ctx,
        key: &SessionKey,
        _: &Session,
        now: DateTime<Utc>,
    ) -> Result<(), Fault> {
        let shard = self.0.shard(key.bucket);
        let mut tx = shard.write(ctx, "touch_session").await?;
        store::sessions::touch(&mut tx, key, now).await?;
        Ok(tx.commit().await?)
    }

    async fn end(&self, ctx: &Ctx, key: &SessionKey) -> Result<(), Fault> {
        let shard = self.0.shard(key.bucket);
        let mut tx = shard.write(ctx, "end_session").await?;
        store::sessions::take(&mut tx, key).await?;
        Ok(tx.commit().await?)
    }

    async fn end_all(&self, ctx: &Ctx, user: UserId) -> Result<(), Fault> {
        let shard = self.0.shard(user.bucket());
        let mut tx = shard.write(ctx, "end_sessions").await?;
        store::sessions::delete_all(&mut tx, user).await?;
        Ok(tx.commit().await?)
    }

    async fn expire(&self, ctx: &Ctx, now: DateTime<Utc>, limit: u32) -> Result<u64, Fault> {
        let mut expired = 0;
        for shard in self.0.shards() {
            let mut tx = shard.write(ctx, "expire_sessions").await?;
            expired += store::sessions::delete_expired(&mut tx, now, limit).await?;
            tx.commit().await?;
        }
        Ok(expired)
    }
}
