//! The domain on a real Postgres, with nothing but its own migrations.

mod accounts;
mod books;
mod http;
mod log_in;
mod redis;
mod remote;
mod seeding;
mod sessions;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache::Redises;
use chrono::{DateTime, SubsecRound, Utc};
use contract::text::Password;
use contract::users::{Credentials, LoggedIn, NewUser, User};
use contract::{Ctx, UserId, Users, UsersError};
use db::Db;
use sqlx::PgPool;
use users::{Clock, Config, Service};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PASSWORD: &str = "correct horse";

/// The domain, and a clock that stands still.
struct World {
    users: Service,
    now: Arc<Mutex<DateTime<Utc>>>,
    redis: Option<Redises>,
    db: Db,
    pool: PgPool,
}

impl World {
    fn new(pool: PgPool) -> World {
        World::configured(pool, &Config::default())
    }

    fn configured(pool: PgPool, config: &Config) -> World {
        World::with(pool, None, config)
    }

    fn with(pool: PgPool, redis: Option<Redises>, config: &Config) -> World {
        let mut start: DateTime<Utc> = "2026-01-01T12:00:00Z".parse().unwrap();
        if redis.is_some() {
            // What should have expired by its own clock Redis does not even take.
            start = Utc::now().trunc_subsecs(3);
        }
        let now = Arc::new(Mutex::new(start));
        let clock = Clock::new({
            let now = now.clone();
            move || *now.lock().unwrap()
        });
        let db = Db::from_pool(pool.clone());
        World {
            users: Service::new(db.clone(), redis.as_ref(), config).with_clock(clock),
            now,
            redis,
            db,
            pool,
        }
    }

    fn now(&self) -> DateTime<Utc> {
        *self.now.lock().unwrap()
    }

    fn pass(&self, time: Duration) {
        *self.now.lock().unwrap() += time;
    }

    async fn register(&self, email: &str) -> Result<User, UsersError> {
        self.users
            .register(&ctx(), UserId::new(), new_user(email))
            .await
    }

    async fn log_in(&self, email: &str, password: &str) -> Result<LoggedIn, UsersError> {
        let credentials = credentials(email, password);
        self.users.log_in(&ctx(), credentials, CLIENT).await
    }
}

fn ctx() -> Ctx {
    Ctx::background("test", Duration::from_secs(30))
}

fn new_user(email: &str) -> NewUser {
    NewUser {
        email: email.parse().unwrap(),
        password: password(PASSWORD),
        name: "Ada".parse().unwrap(),
    }
}

fn credentials(email: &str, typed: &str) -> Credentials {
    Credentials {
        email: email.parse().unwrap(),
        password: password(typed),
    }
}

fn password(typed: &str) -> Password {
    Password::try_from(typed.to_owned()).unwrap()
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
