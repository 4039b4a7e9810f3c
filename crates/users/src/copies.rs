//! What of users is kept in the cache: who they are, as each page asks it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cache::{Cache, Change, Changes, Feed, Redis, Room, Source, Spec, Versioned};
use contract::users::Identity;
use contract::{Bucket, Ctx, Fault, UserId};
use db::Db;

use crate::store::{self, outbox};

/// Changes seldom. A new name that other boxes show two seconds late harms nobody.
const IDENTITIES: Spec = Spec {
    name: "identities",
    prefix: "identity",
    good_for: Duration::from_secs(600),
    absent_for: Duration::from_secs(10),
    bound: Some(Duration::from_secs(2)),
};

pub(crate) fn identities(db: &Db, redis: Option<Redis>) -> Cache<UserId, Identity> {
    let room = Arc::new(Room::of(db.connections()));
    Cache::new(IDENTITIES, redis, room, Database(db.clone()))
}

pub(crate) fn feed(identities: &Cache<UserId, Identity>, db: &Db) -> Feed<UserId, Identity> {
    Feed::new(identities.clone(), Arc::new(Database(db.clone())))
}

struct Database(Db);

#[async_trait::async_trait]
impl Source<UserId, Identity> for Database {
    async fn load(
        &self,
        ctx: &Ctx,
        users: &[UserId],
    ) -> Result<Vec<(UserId, Versioned<Identity>)>, Fault> {
        let mut by_bucket: BTreeMap<u8, Vec<_>> = BTreeMap::new();
        for user in users {
            by_bucket.entry(user.bucket().0).or_default().push(user.0);
        }
        let mut found = Vec::with_capacity(users.len());
        for (bucket, ids) in by_bucket {
            let bucket = Bucket(bucket);
            let mut conn = self.0.shard(bucket).read(ctx, "find_user").await?;
            let identities = store::identities(&mut conn, bucket, &ids).await?;
            found.extend(identities.into_iter().map(|one| (one.value.user_id, one)));
        }
        Ok(found)
    }
}

/// Of the one shard there is: with more, each has an outbox of its own.
#[async_trait::async_trait]
impl Changes<UserId> for Database {
    async fn waiting(&self, ctx: &Ctx, limit: u32) -> Result<Vec<Change<UserId>>, Fault> {
        let mut conn = self.0.read_primary(ctx, "user_changes").await?;
        Ok(outbox::waiting(&mut conn, limit).await?)
    }

    async fn put_away(&self, ctx: &Ctx, ids: &[i64]) -> Result<(), Fault> {
        let mut tx = self.0.write(ctx, "put_away_user_changes").await?;
        outbox::delete(&mut tx, ids).await?;
        Ok(tx.commit().await?)
    }

    async fn put_away_older(&self, ctx: &Ctx, than: Duration) -> Result<(), Fault> {
        let mut tx = self.0.write(ctx, "put_away_user_changes").await?;
        outbox::delete_older(&mut tx, than).await?;
        Ok(tx.commit().await?)
    }
}
