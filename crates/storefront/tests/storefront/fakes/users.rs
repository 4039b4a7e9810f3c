use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{Days, Utc};
use contract::text::{Password, PersonName};
use contract::users::{Credentials, Identity, LoggedIn, NewUser, SessionToken, User};
use contract::{Ctx, UserId, Users, UsersError};

use super::{PASSWORD, World, lock};

#[async_trait]
impl Users for World {
    async fn register(&self, ctx: &Ctx, id: UserId, new: NewUser) -> Result<User, UsersError> {
        self.users(ctx, "users.insert", 2_100)?;
        let mut users = lock(&self.users);
        if users.iter().any(|user| user.email == new.email) {
            return Err(UsersError::EmailTaken);
        }
        if new.password.expose().chars().count() < Password::MIN_CHARS {
            return Err(UsersError::PasswordTooShort);
        }
        let user = User {
            id,
            email: new.email,
            name: new.name,
            staff: false,
            created_at: Utc::now(),
        };
        users.push(user.clone());
        Ok(user)
    }

    async fn log_in(
        &self,
        ctx: &Ctx,
        credentials: Credentials,
        _: IpAddr,
    ) -> Result<LoggedIn, UsersError> {
        self.users(ctx, "users.by_email", 900)?;
        if self.attempts_left.load(Ordering::Relaxed) == 0 {
            return Err(UsersError::TooManyAttempts { retry_after: 30 });
        }
        let users = lock(&self.users);
        let user = users.iter().find(|user| user.email == credentials.email);
        let user = user.filter(|_| credentials.password.expose() == PASSWORD);
        let user = user.cloned().ok_or(UsersError::WrongCredentials)?;
        drop(users);
        Ok(LoggedIn {
            token: self.session_of(user.email.as_str()),
            expires_at: Utc::now() + Days::new(30),
            user,
        })
    }

    async fn log_out(&self, ctx: &Ctx, token: &SessionToken) -> Result<(), UsersError> {
        self.users(ctx, "sessions.delete", 700)?;
        lock(&self.sessions).remove(token.expose());
        Ok(())
    }

    async fn log_out_everywhere(&self, ctx: &Ctx, id: UserId) -> Result<(), UsersError> {
        self.users(ctx, "sessions.delete_all", 900)?;
        lock(&self.sessions).retain(|_, user| *user != id);
        Ok(())
    }

    async fn authenticate(
        &self,
        ctx: &Ctx,
        token: &SessionToken,
    ) -> Result<Option<Identity>, UsersError> {
        self.users(ctx, "sessions.find", 310)?;
        let Some(id) = lock(&self.sessions).get(token.expose()).copied() else {
            return Ok(None);
        };
        let user = self
            .user(&Ctx::background("test", Duration::from_secs(1)), id)
            .await?;
        Ok(user.map(|user| Identity {
            user_id: user.id,
            email: user.email,
            name: user.name,
            staff: user.staff,
        }))
    }

    async fn user(&self, _: &Ctx, id: UserId) -> Result<Option<User>, UsersError> {
        Ok(lock(&self.users).iter().find(|user| user.id == id).cloned())
    }

    async fn rename(&self, _: &Ctx, _: UserId, _: PersonName) -> Result<User, UsersError> {
        Err(UsersError::NoSuchUser)
    }
}
