//! The shop as one program: the three domains in process, the storefront and the jobs.
//!
//! **Owns** the wiring, and the two questions that no domain can answer alone: is an empty database to
//! be filled ([`seed`]), and do the books of orders and inventory agree ([`audit`])?
//!
//! **Never** here: rules, SQL, pages.
//!
//! **Start** with [`App`]: which domain is local and which remote is decided there and nowhere else.

mod app;
mod audit;
mod config;
mod fault;
mod health;
mod openapi;
mod seed;
mod starting;

pub use app::{App, AppDatabases};
pub use audit::{Books, audit};
pub use config::{Config, Role, SeedConfig};
pub use fault::set_fault;
pub use health::{health, require_databases};
pub use starting::Starting;
