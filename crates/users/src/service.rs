//! The rules of accounts, log-in and sessions.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use cache::{Cache, Feed, Redises};
use contract::text::{Email, Password, PersonName};
use contract::users::{Credentials, Identity, LoggedIn, NewUser, SessionToken, User};
use contract::{Bucket, Ctx, Fault, UserId, Users, UsersError};
use db::Db;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::{Config, SessionConfig};
use crate::copies;
use crate::limit::LogInLimits;
use crate::password::Hasher;
use crate::session::{Session, SessionKey, Sessions, new_token, sessions};
use crate::store;

/// A claim whose user has not come by then will see him no more: longer than any request lives.
pub(crate) const CLAIM_HOLDS: Duration = Duration::from_secs(60);

/// How exactly we know when a session was last used: finer costs a write for each request.
const SEEN_WITHIN: Duration = Duration::from_secs(60);

/// [`Users`] in this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Service {
    db: Db,
    hasher: Arc<Hasher>,
    limits: Arc<LogInLimits>,
    sessions: Arc<dyn Sessions>,
    identities: Cache<UserId, Identity>,
    session: SessionConfig,
    clock: Clock,
}

impl Service {
    /// Without a Redis each look-up is a query, and each process counts attempts for itself.
    pub fn new(db: Db, redis: Option<&Redises>, config: &Config) -> Service {
        Service {
            sessions: sessions(&db, redis.map(|redis| &redis.sessions), &config.session),
            identities: copies::identities(&db, redis.map(|redis| redis.cache.clone())),
            limits: Arc::new(LogInLimits::new(
                &config.log_in,
                redis.map(|redis| redis.sessions.clone()),
            )),
            db,
            hasher: Arc::new(Hasher::new(&config.hashing)),
            session: config.session.clone(),
            clock: Clock::default(),
        }
    }

    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Service {
        Service { clock, ..self }
    }

    /// Tells the cache who changed. Somebody has to run it.
    pub fn feed(&self) -> Feed<UserId, Identity> {
        copies::feed(&self.identities, &self.db)
    }

    /// Makes its connections to the database, and the plan on each for what is asked when the cache is gone.
    pub async fn warm_up(&self, ctx: &Ctx) -> db::Result<()> {
        for mut conn in self.db.warm_up(ctx).await {
            store::identities(&mut conn, Bucket(0), &[]).await?;
        }
        Ok(())
    }

    /// Deletes sessions past their absolute end, at most `limit` in each shard; says how many.
    /// Sessions that ended by idling are dead already, and go with their absolute end too.
    pub async fn expire_sessions(&self, ctx: &Ctx, limit: u32) -> Result<u64, UsersError> {
        let now = self.clock.now();
        Ok(self.sessions.expire(ctx, now, limit).await?)
    }

    /// First of the two steps of registering. The address is this user's afterwards, unless it
    /// belongs to an account, or to somebody who is just opening one.
    async fn claim(&self, ctx: &Ctx, email: &Email, id: UserId) -> Result<(), UsersError> {
        let now = self.clock.now();
        let shard = self.db.shard(Bucket::of(email.as_str().as_bytes()));
        let mut tx = shard.write(ctx, "claim_email").await?;
        if store::claim_email(&mut tx, email, id, now).await? {
            return Ok(tx.commit().await?);
        }
        let held = store::claim(&mut tx, email).await?;
        drop(tx);

        let abandoned = match held {
            Some(held) if held.created_at < now - CLAIM_HOLDS => held,
            _ => return Err(UsersError::EmailTaken),
        };
        let holder = self.user(ctx, abandoned.user_id).await?;
        if holder.is_some_and(|user| user.email == *email) {
            return Err(UsersError::EmailTaken);
        }
        let mut tx = shard.write(ctx, "take_over_email").await?;
        if !store::take_over_email(&mut tx, email, &abandoned, id, now).await? {
            return Err(UsersError::EmailTaken);
        }
        Ok(tx.commit().await?)
    }

    /// Asks the same questions whether or not the address is known, since their time and their
    /// names are seen from outside (`Server-Timing`).
    async fn account(&self, ctx: &Ctx, email: &Email) -> Result<Option<(User, String)>, Fault> {
        let email_hash = Sha256::digest(email.as_str());
        let shard = self.db.shard(Bucket(email_hash[0]));
        let mut conn = shard.read(ctx, "find_email").await?;
        let claim = store::claim(&mut conn, email).await?;
        drop(conn);

        // The unknown one's id is always the same too, and so is his shard.
        let nobody = || {
            UserId(Uuid::new_v8(
                email_hash[..16].try_into().unwrap_or_default(),
            ))
        };
        let id = claim.map_or_else(nobody, |claim| claim.user_id);
        let mut conn = self.db.shard(id.bucket()).read(ctx, "find_account").await?;
        Ok(store::account(&mut conn, id).await?)
    }

    async fn start_session(&self, ctx: &Ctx, user: User) -> Result<LoggedIn, UsersError> {
        let now = self.clock.now();
        let expires_at = now + self.session.absolute;
        let (token, key) = new_token(user.id.bucket())?;
        let session = Session {
            user: user.id,
            created_at: now,
            last_seen_at: now,
            expires_at,
        };
        self.sessions.start(ctx, &key, &session).await?;
        Ok(LoggedIn {
            token,
            expires_at,
            user,
        })
    }
}

#[async_trait::async_trait]
impl Users for Service {
    async fn register(&self, ctx: &Ctx, id: UserId, new: NewUser) -> Result<User, UsersError> {
        if new.password.expose().chars().count() < Password::MIN_CHARS {
            return Err(UsersError::PasswordTooShort);
        }
        // Before the claim: who is refused here because of load may try again with the same address.
        let password_hash = self.hasher.hash(ctx, new.password).await?;
        self.claim(ctx, &new.email, id).await?;

        let wanted = User {
            id,
            email: new.email,
            name: new.name,
            staff: false,
            created_at: self.clock.now(),
        };
        let mut tx = self.db.shard(id.bucket()).write(ctx, "create_user").await?;
        store::create_user(&mut tx, &wanted, &password_hash).await?;
        let user = store::user(&mut tx, id).await?;
        tx.commit().await?;
        // Another address: two registrations under one id, and the second one is nobody's.
        user.filter(|user| user.email == wanted.email)
            .ok_or_else(|| Fault::internal("a user's id was chosen twice").into())
    }

    async fn log_in(
        &self,
        ctx: &Ctx,
        credentials: Credentials,
        client: IpAddr,
    ) -> Result<LoggedIn, UsersError> {
        self.limits.attempt(&credentials.email, client).await?;
        let account = self.account(ctx, &credentials.email).await?;
        let (user, password_hash) = account.unzip();
        let password = credentials.password;
        if !self.hasher.verify(ctx, password, password_hash).await? {
            return Err(UsersError::WrongCredentials);
        }
        let user = user.ok_or(UsersError::WrongCredentials)?;
        self.start_session(ctx, user).await
    }

    async fn log_out(&self, ctx: &Ctx, token: &SessionToken) -> Result<(), UsersError> {
        let Some(key) = SessionKey::parse(token) else {
            return Ok(());
        };
        Ok(self.sessions.end(ctx, &key).await?)
    }

    async fn log_out_everywhere(&self, ctx: &Ctx, id: UserId) -> Result<(), UsersError> {
        Ok(self.sessions.end_all(ctx, id).await?)
    }

    async fn authenticate(
        &self,
        ctx: &Ctx,
        token: &SessionToken,
    ) -> Result<Option<Identity>, UsersError> {
        let Some(key) = SessionKey::parse(token) else {
            return Ok(None);
        };
        let now = self.clock.now();
        let found = self.sessions.find(ctx, &key).await?;
        let lives = |session: &Session| {
            session.expires_at > now && session.last_seen_at > now - self.session.idle
        };
        let Some(found) = found.filter(|found| lives(&found.session)) else {
            return Ok(None);
        };
        let identity = match found.holder {
            Some(holder) => Some(holder),
            None => self.identities.get(ctx, &found.session.user).await?,
        };
        let Some(identity) = identity else {
            return Ok(None);
        };
        if found.session.last_seen_at < now - SEEN_WITHIN
            && let Err(error) = self.sessions.touch(ctx, &key, &found.session, now).await
        {
            // The session only ends a little early, if nobody comes again.
            tracing::warn!(user.id = %identity.user_id, %error, "session's use not noted");
        }
        Ok(Some(identity))
    }

    async fn user(&self, ctx: &Ctx, id: UserId) -> Result<Option<User>, UsersError> {
        let mut conn = self.db.shard(id.bucket()).read(ctx, "find_user").await?;
        Ok(store::user(&mut conn, id).await?)
    }

    async fn rename(&self, ctx: &Ctx, id: UserId, name: PersonName) -> Result<User, UsersError> {
        let mut tx = self.db.shard(id.bucket()).write(ctx, "rename_user").await?;
        let renamed = store::rename(&mut tx, id, &name).await?;
        tx.commit().await?;
        let (user, version) = renamed.ok_or(UsersError::NoSuchUser)?;
        self.identities.invalidate(vec![(id, version)]).await;
        Ok(user)
    }
}
