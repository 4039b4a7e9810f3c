//! The catalogue, the stock and the reservations: [`contract::Inventory`] on Postgres.
//!
//! **Owns** the schema `inventory`. Its books always balance: of each product, all that ever came in
//! is either available, or held or bought under some order's id ([`audit`] looks).
//!
//! **Never** reads another schema, and never decides whether an order exists: a hold that nobody
//! confirmed stays until whoever records orders confirms or releases it.
//!
//! **Start** at [`Service`]: routes in [`http`], rules in `service.rs`, each query in `store/`; what is kept
//! in the cache in `copies.rs`.

mod config;
mod copies;
pub mod http;
mod service;
mod store;

mod audit;
mod seed;

#[cfg(test)]
mod tests;

pub use audit::{audit, reservations_after};
pub use config::Config;
pub use seed::seed;
pub use service::Service;
pub use store::reservations::{Reservation, State};

/// Brings the schema `inventory` up to date.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();
