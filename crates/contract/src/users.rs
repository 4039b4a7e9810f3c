//! The domain of people: accounts, log-in, sessions.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::context::Ctx;
use crate::fault::Fault;
use crate::ids::UserId;
use crate::problem::Problem;
use crate::text::{Email, Password, PersonName};

#[async_trait::async_trait]
pub trait Users: Send + Sync {
    /// Opens an account under an id that the caller chose: repeating it is harmless.
    async fn register(&self, ctx: &Ctx, id: UserId, new: NewUser) -> Result<User, UsersError>;

    /// Starts a session. Costs the same time whether or not the e-mail is known.
    async fn log_in(
        &self,
        ctx: &Ctx,
        credentials: Credentials,
        client: IpAddr,
    ) -> Result<LoggedIn, UsersError>;

    /// Ends a session; ending it twice is fine.
    async fn log_out(&self, ctx: &Ctx, token: &SessionToken) -> Result<(), UsersError>;

    /// Ends all sessions of a user, wherever they began.
    async fn log_out_everywhere(&self, ctx: &Ctx, id: UserId) -> Result<(), UsersError>;

    /// Who holds this token, if its session lives.
    async fn authenticate(
        &self,
        ctx: &Ctx,
        token: &SessionToken,
    ) -> Result<Option<Identity>, UsersError>;

    async fn user(&self, ctx: &Ctx, id: UserId) -> Result<Option<User>, UsersError>;

    async fn rename(&self, ctx: &Ctx, id: UserId, name: PersonName) -> Result<User, UsersError>;
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    pub email: Email,
    pub password: Password,
    pub name: PersonName,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    pub email: Email,
    pub password: Password,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    pub id: UserId,
    pub email: Email,
    pub name: PersonName,
    /// May restock and see the sales report.
    pub staff: bool,
    pub created_at: DateTime<Utc>,
}

/// The holder of a session: what every request needs to know of its user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub user_id: UserId,
    pub email: Email,
    pub name: PersonName,
    pub staff: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoggedIn {
    pub token: SessionToken,
    pub expires_at: DateTime<Utc>,
    pub user: User,
}

/// An opaque secret of at least 128 random bits. Stores keep only its hash.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String)]
pub struct SessionToken(String);

impl SessionToken {
    /// Any text may come in a cookie: a malformed token is simply one that nobody holds.
    pub fn new(text: impl Into<String>) -> SessionToken {
        SessionToken(text.into())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionToken(..)")
    }
}

#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    #[error("this e-mail address has an account already")]
    EmailTaken,
    #[error(
        "the password is too short: expected at least {} characters",
        Password::MIN_CHARS
    )]
    PasswordTooShort,
    /// Says nothing about which of the two was wrong.
    #[error("no account has this e-mail address and password")]
    WrongCredentials,
    #[error("too many attempts: try again in {retry_after} s")]
    TooManyAttempts { retry_after: u32 },
    #[error("there is no such user")]
    NoSuchUser,
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<&UsersError> for Problem {
    fn from(error: &UsersError) -> Problem {
        let detail = error.to_string();
        match error {
            UsersError::EmailTaken => {
                Problem::new(409, "email-taken", "E-mail address taken").detail(detail)
            }
            UsersError::PasswordTooShort => Problem::invalid("password", detail),
            UsersError::WrongCredentials => {
                Problem::new(401, "wrong-credentials", "Wrong e-mail address or password")
                    .detail(detail)
            }
            UsersError::TooManyAttempts { retry_after } => {
                Problem::new(429, "too-many-attempts", "Too many attempts")
                    .detail(detail)
                    .retry_after(*retry_after)
            }
            UsersError::NoSuchUser => Problem::not_found("user"),
            UsersError::Fault(fault) => fault.into(),
        }
    }
}

impl From<Problem> for UsersError {
    fn from(problem: Problem) -> UsersError {
        match problem.slug() {
            "email-taken" => UsersError::EmailTaken,
            "invalid" if problem.errors.iter().any(|e| e.field == "password") => {
                UsersError::PasswordTooShort
            }
            "wrong-credentials" => UsersError::WrongCredentials,
            "too-many-attempts" => UsersError::TooManyAttempts {
                retry_after: problem.retry_after.unwrap_or(1),
            },
            "not-found" => UsersError::NoSuchUser,
            _ => UsersError::Fault(problem.into()),
        }
    }
}
