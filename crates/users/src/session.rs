//! Where sessions live: one trait, and a store for each kind of place.

mod postgres;
mod process;
mod redis;
mod token;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use contract::users::Identity;
use contract::{Ctx, Fault, UserId};
use db::Db;

pub(crate) use token::{SessionKey, new_token};

use crate::config::{SessionConfig, SessionStore};
use postgres::PostgresSessions;
use process::ProcessSessions;
use redis::RedisSessions;

/// Who logged in, and when. Which name he goes by is asked elsewhere: it may change on any box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) user: UserId,
    pub(crate) created_at: DateTime<Utc>,
    /// To within `SEEN_WITHIN`.
    pub(crate) last_seen_at: DateTime<Utc>,
    /// However often it is used.
    pub(crate) expires_at: DateTime<Utc>,
}

/// A session that was found, and its holder where the store knows him, too.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) session: Session,
    pub(crate) holder: Option<Identity>,
}

/// Keeps sessions. A store that is away says so: nobody is taken for logged in, or out, because of it.
#[async_trait::async_trait]
pub(crate) trait Sessions: std::fmt::Debug + Send + Sync {
    async fn start(&self, ctx: &Ctx, key: &SessionKey, session: &Session) -> Result<(), Fault>;

    /// As it was started and touched; it may be over by now.
    async fn find(&self, ctx: &Ctx, key: &SessionKey) -> Result<Option<Found>, Fault>;

    /// Notes that a session was used, which was just found.
    async fn touch(
        &self,
        ctx: &Ctx,
        key: &SessionKey,
        session: &Session,
        now: DateTime<Utc>,
    ) -> Result<(), Fault>;

    /// Ending it twice is fine.
    async fn end(&self, ctx: &Ctx, key: &SessionKey) -> Result<(), Fault>;

    /// Ends all sessions of a user, on whichever box or device they began.
    async fn end_all(&self, ctx: &Ctx, user: UserId) -> Result<(), Fault>;

    /// Deletes sessions past their absolute end, at most `limit` in each place; says how many.
    async fn expire(&self, ctx: &Ctx, now: DateTime<Utc>, limit: u32) -> Result<u64, Fault>;
}

/// The store that the configuration names; see [`crate::Config::check`].
pub(crate) fn sessions(
    db: &Db,
    redis: Option<&cache::Redis>,
    config: &SessionConfig,
) -> Arc<dyn Sessions> {
    match (config.store, redis) {
        (SessionStore::Redis, Some(redis)) => Arc::new(RedisSessions::new(
            redis.clone(),
            PostgresSessions(db.clone()),
            config.idle,
        )),
        (SessionStore::Process, _) => {
            tracing::warn!("sessions live in this process alone and end with it");
            Arc::new(ProcessSessions::default())
        }
        (SessionStore::Postgres | SessionStore::Redis, _) => Arc::new(PostgresSessions(db.clone())),
    }
}

/// Counts what became of a look-up.
fn count_lookup(store: &'static str, found: &Result<Option<Found>, Fault>) {
    let outcome = match found {
        Ok(Some(_)) => "found",
        Ok(None) => "unknown",
        Err(_) => "failed",
    };
    metrics::counter!("session_lookups_total", "store" => store, "outcome" => outcome).increment(1);
}
