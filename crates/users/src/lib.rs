//! The domain of people: accounts, log-in, sessions.
//!
//! **Owns** the schema `users`: who somebody is, by which e-mail address and password he logs in,
//! and which sessions live. A user's rows are in the shard of his bucket, the claim on his address
//! in the shard of the address's bucket, so nothing here spans the two in one transaction.
//!
//! **Never** knows what users buy, and never keeps a password or a session's token: only hashes.
//!
//! **Start** at [`http::routes`], or at [`Service`], the rules; its SQL is in `store.rs`, and what
//! makes it slow on purpose in `password.rs`.

pub mod http;
mod service;

mod copies;
mod limit;
mod password;
mod session;
mod store;

mod audit;
mod clock;
mod config;
pub mod seed;

pub use audit::audit;
pub use clock::Clock;
pub use config::{Config, HashingConfig, LogInConfig, SessionConfig, SessionStore};
pub use seed::seed;
pub use service::Service;

/// Brings the schema `users` up to date.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();
