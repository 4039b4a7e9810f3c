//! What Postgres may answer, and what that means to a request.

use contract::{Fault, InventoryError, OrdersError, UsersError};
use sqlx::migrate::MigrateError;
use sqlx::postgres::PgDatabaseError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Migrate(MigrateError),
    /// The request's time was over before the database was asked.
    #[error("deadline exceeded")]
    DeadlineExceeded,
    /// No connection came free in time.
    #[error("no connection to {node} within {waited_ms} ms")]
    NoConnection { node: String, waited_ms: u128 },
    /// A mistake in `[databases.<domain>]`: says which key, and what was expected.
    #[error("{0}")]
    Config(String),
}

pub type Result<T> = std::result::Result<T, Error>;

/// What Postgres says while migrating is what it says at any other time.
impl From<MigrateError> for Error {
    fn from(error: MigrateError) -> Error {
        match error {
            MigrateError::Execute(error) => Error::Sql(error),
            error => Error::Migrate(error),
        }
    }
}

impl Error {
    /// The name of the violated constraint: names of constraints are API.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Error::Sql(sqlx::Error::Database(error)) => error.constraint(),
            _ => None,
        }
    }

    /// Somebody else held the lock for longer than `lock_timeout`.
    pub fn is_lock_timeout(&self) -> bool {
        self.sqlstate() == Some("55P03")
    }

    fn sqlstate(&self) -> Option<&str> {
        match self {
            Error::Sql(sqlx::Error::Database(error)) => error
                .try_downcast_ref::<PgDatabaseError>()
                .map(PgDatabaseError::code),
            _ => None,
        }
    }

    /// True where the same request may succeed a moment later, each for a reason.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Error::NoConnection { .. } => true,
            Error::Sql(
                sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed,
            ) => true,
            // A connection that broke in the middle of a message.
            Error::Sql(sqlx::Error::Protocol(_)) => true,
            _ => self.sqlstate().is_some_and(|state| {
                matches!(
                    state,
                    // Shutting down, crashed, or still starting; too many connections; a standby.
                    "57P01" | "57P02" | "57P03" | "53300" | "25006"
                    // Lost a race with another transaction; waited too long for its lock.
                    | "40001" | "40P01" | "55P03"
                ) || state.starts_with("08")
            }),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        match error {
            Error::DeadlineExceeded => Fault::DeadlineExceeded,
            // `statement_timeout`.
            error if error.sqlstate() == Some("57014") => Fault::DeadlineExceeded,
            error if error.is_passing() => Fault::Unavailable(format!("database: {error}")),
            error => Fault::Internal(format!("database: {error}")),
        }
    }
}

/// So that `?` works in every domain's rules.
macro_rules! into_domain_error {
    ($($error:ident),*) => {$(
        impl From<Error> for $error {
            fn from(error: Error) -> $error {
                $error::Fault(error.into())
            }
        }
    )*};
}

into_domain_error!(UsersError, InventoryError, OrdersError);
