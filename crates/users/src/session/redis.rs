//! Sessions in Redis: any box knows them, and to look one up costs Postgres no query.
//!
//! A session is a hash under `session:{SHA-256 of the token}` that Redis lets expire when it was not
//! used for too long, or is too old. `sessions-of:{user}` is a sorted set of a user's sessions by their
//! absolute end, so that he can end them all.
//!
//! Those that began in Postgres, before there was a Redis, are moved over when they are used next. So
//! tokens that Redis does not know, and log-outs, are looked for there, too.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use cache::Redis;
use chrono::{DateTime, Utc};
use contract::{Ctx, Fault, UserId};
use metrics::counter;
use redis::Script;
use uuid::Uuid;

use super::postgres::PostgresSessions;
use super::{Found, Session, SessionKey, Sessions};
use crate::store;

/// What the keys of users' sets of sessions begin with.
const SETS: &str = "sessions-of:";

/// Of one user, those that end last: more than anybody has devices, and a bound to what one account can fill.
const MOST_OF_A_USER: u32 = 50;

/// What it is noted under that a session was ended, or when all of a user were: longer than a request to move one
/// over may be under way, which must not bring it back.
const ENDED: &str = "session:ended:";
const ENDED_FOR: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct RedisSessions {
    redis: Redis,
    before: PostgresSessions,
    idle: Duration,
}

/// KEYS: the session, the user's sessions, and if it is moved over those that tell whether it was ended;
/// ARGV: user, created, seen, expires, gone (when Redis lets it go), most. Times in milliseconds since the
/// epoch. Members of the set are the sessions' keys. Answers 0 for one that was ended.
static START: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local user, created, seen, expires, gone, most = unpack(ARGV)
if KEYS[3] then
  local all_ended = redis.call('GET', KEYS[4])
  if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
  if all_ended and tonumber(created) <= tonumber(all_ended) then return 0 end
end
redis.call('HSET', KEYS[1], 'user', user, 'created', created, 'seen', seen, 'expires', expires)
redis.call('PEXPIREAT', KEYS[1], gone)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', created)
redis.call('ZADD', KEYS[2], expires, KEYS[1])
local surplus = redis.call('ZCARD', KEYS[2]) - tonumber(most)
if surplus > 0 then
  for _, old in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    if redis.call('EXISTS', old) == 0 then surplus = surplus - redis.call('ZREM', KEYS[2], old) end
  end
end
if surplus > 0 then
  for _, old in ipairs(redis.call('ZRANGE', KEYS[2], 0, surplus - 1)) do
    redis.call('DEL', old)
    redis.call('ZREM', KEYS[2], old)
  end
end
local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')
if last[2] then redis.call('PEXPIREAT', KEYS[2], string.format('%.0f', last[2])) end
return 1
",
    )
});

/// KEYS: the session; ARGV: seen, gone. It may have ended meanwhile, or been seen later.
static TOUCH: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local before = redis.call('HGET', KEYS[1], 'seen')
if not before or tonumber(before) >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'seen', ARGV[1])
redis.call('PEXPIREAT', KEYS[1], ARGV[2])
return 1
",
    )
});

/// KEYS: the session, what tells that it was ended; ARGV: what the keys of users' sets begin with, for how
/// long it is told.
static END: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local user = redis.call('HGET', KEYS[1], 'user')
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], 1, 'PX', ARGV[2])
if user then redis.call('ZREM', ARGV[1] .. user, KEYS[1]) end
return 1
",
    )
});

/// KEYS: the user's sessions, what tells that they were ended; ARGV: for how long it is told.
static END_ALL: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
for _, session in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  redis.call('DEL', session)
end
redis.call('DEL', KEYS[1])
local now = redis.call('TIME')
redis.call('SET', KEYS[2], string.format('%.0f', now[1] * 1000 + now[2] / 1000), 'PX', ARGV[1])
return 1
",
    )
});

impl RedisSessions {
    pub(super) fn new(redis: Redis, before: PostgresSessions, idle: Duration) -> RedisSessions {
        RedisSessions {
            redis,
            before,
            idle,
        }
    }

    fn key(&self, key: &SessionKey) -> String {
        self.redis.key(format_args!("session:{}", digits(key)))
    }

    fn set_of(&self, user: UserId) -> String {
        self.redis.key(format_args!("{SETS}{}", user.0))
    }

    fn ended(&self, key: &SessionKey) -> String {
        self.redis.key(format_args!("{ENDED}{}", digits(key)))
    }

    fn all_ended(&self, user: UserId) -> String {
        self.redis.key(format_args!("{ENDED}{}", user.0))
    }

    /// When Redis lets it go, if it is not used again.
    fn gone(&self, seen: DateTime<Utc>, expires: DateTime<Utc>) -> i64 {
        (seen + self.idle).min(expires).timestamp_millis()
    }

    /// `unless`: keys that tell that it was ended meanwhile. Says whether it was not.
    async fn put(
        &self,
        key: &SessionKey,
        session: &Session,
        unless: &[String],
    ) -> Result<bool, Fault> {
        let mut start = START.prepare_invoke();
        start.key(self.key(key)).key(self.set_of(session.user));
        start.key(unless);
        start
            .arg(session.user.0.to_string())
            .arg(session.created_at.timestamp_millis())
            .arg(session.last_seen_at.timestamp_millis())
            .arg(session.expires_at.timestamp_millis())
            .arg(self.gone(session.last_seen_at, session.expires_at))
            .arg(MOST_OF_A_USER);
        Ok(self.redis.run("start_session", &start).await?)
    }

    async fn look(&self, key: &SessionKey) -> Result<Option<Session>, Fault> {
        let mut get = redis::cmd("HMGET");
        get.arg(self.key(key));
        get.arg(&["user", "created", "seen", "expires"]);
        type Fields = (Option<String>, Option<i64>, Option<i64>, Option<i64>);
        match self.redis.ask::<Fields>("find_session", &get).await? {
            (Some(user), Some(created), Some(seen), Some(expires)) => {
                let at = |ms| DateTime::from_timestamp_millis(ms).ok_or("a time out of range");
                Ok(Some(Session {
                    user: UserId(user.parse::<Uuid>().map_err(Fault::internal)?),
                    created_at: at(created).map_err(Fault::internal)?,
                    last_seen_at: at(seen).map_err(Fault::internal)?,
                    expires_at: at(expires).map_err(Fault::internal)?,
                }))
            }
            _ => Ok(None),
        }
    }

    /// Moves it over from Postgres, if it began there. The row is deleted, and so locked, before Redis
    /// is told, and the transaction commits after: a log-out at the same time waits for it and then
    /// ends what we moved; a crash in between leaves it in both places, to be moved again. What we told
    /// Redis may be under way for longer than we wait, and the row be there again for who logs out: he
    /// leaves word in Redis.
    async fn import(&self, ctx: &Ctx, key: &SessionKey) -> Result<Option<Session>, Fault> {
        let shard = self.before.0.shard(key.bucket);
        {
            // Most of those that Redis does not know are over: they cost a read, and no transaction.
            let mut conn = shard.read_primary(ctx, "find_session").await?;
            if store::sessions::find(&mut conn, key).await?.is_none() {
                return self.look(key).await;
            }
        }
        let mut tx = shard.write(ctx, "move_session").await?;
        let Some(session) = store::sessions::take(&mut tx, key).await? else {
            // Somebody else was faster: to move it, or to end it.
            drop(tx);
            return self.look(key).await;
        };
        let unless = [self.ended(key), self.all_ended(session.user)];
        let is_live = self.put(key, &session, &unless).await?;
        tx.commit().await?;
        Ok(is_live.then_some(session))
    }
}

#[async_trait::async_trait]
impl Sessions for RedisSessions {
    async fn start(&self, _: &Ctx, key: &SessionKey, session: &Session) -> Result<(), Fault> {
        self.put(key, session, &[]).await.map(drop)
    }

    async fn find(&self, ctx: &Ctx, key: &SessionKey) -> Result<Option<Found>, Fault> {
        let started = Instant::now();
        let (found, outcome) = match self.look(key).await {
            Ok(Some(session)) => (Ok(Some(session)), "found"),
            Ok(None) => match self.import(ctx, key).await {
                Ok(Some(session)) => (Ok(Some(session)), "imported"),
                Ok(None) => (Ok(None), "unknown"),
                Err(fault) => (Err(fault), "failed"),
            },
            Err(fault) => (Err(fault), "failed"),
        };
        counter!("session_lookups_total", "store" => "redis", "outcome" => outcome).increment(1);
        ctx.record(
            "cache",
            format!("redis sessions {outcome}"),
            started.elapsed(),
        );
        let found = found?;
        Ok(found.map(|session| Found {
            session,
            holder: None,
        }))
    }

    async fn touch(
        &self,
        _: &Ctx,
        key: &SessionKey,
        session: &Session,
        now: DateTime<Utc>,
    ) -> Result<(), Fault> {
        let mut touch = TOUCH.prepare_invoke();
        touch
            .key(self.key(key))
            .arg(now.timestamp_millis())
            .arg(self.gone(now, session.expires_at));
        Ok(self.redis.run::<()>("touch_session", &touch).await?)
    }

    async fn end(&self, ctx: &Ctx, key: &SessionKey) -> Result<(), Fault> {
        // First where it may be moved away from: see `import`. Whatever became of that, it ends here.
        let before = self.before.end(ctx, key).await;
        let mut end = END.prepare_invoke();
        end.key(self.key(key)).key(self.ended(key));
        end.arg(self.redis.key(SETS))
            .arg(ENDED_FOR.as_millis() as u64);
        self.redis.run::<()>("end_session", &end).await?;
        before
    }

    async fn end_all(&self, ctx: &Ctx, user: UserId) -> Result<(), Fault> {
        let before = self.before.end_all(ctx, user).await;
        let mut end = END_ALL.prepare_invoke();
        end.key(self.set_of(user)).key(self.all_ended(user));
        end.arg(ENDED_FOR.as_millis() as u64);
        self.redis.run::<()>("end_sessions", &end).await?;
        before
    }

    /// Redis lets its own expire by itself.
    async fn expire(&self, ctx: &Ctx, now: DateTime<Utc>, limit: u32) -> Result<u64, Fault> {
        self.before.expire(ctx, now, limit).await
    }
}

fn digits(key: &SessionKey) -> String {
    let digits = key.token_hash.iter().map(|byte| format!("{byte:02x}"));
    digits.collect()
}
