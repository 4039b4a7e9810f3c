//! Buying: carts, checkout, orders, the outbox, the sales report.
//!
//! **Owns** the schema `orders`: the decision that an order stands, what it was for, and what the
//! world must still hear of it.
//!
//! **Never** reads the schemas of users or inventory, nor depends on their crates: it knows buyers
//! by [`contract::orders::Buyer`] and stock by the trait [`contract::Inventory`], and cannot tell
//! whether that is in this process or at the other end of a wire.
//!
//! **Invariants.**
//! - An order exists from the commit of its row on, with its lines and its outbox event.
//! - An id is decided once: placed or abandoned, and only a placed order can be cancelled.
//! - Stock is given back only under an id that is decided against.
//!
//! **Start** with [`checkout`], which argues why no crash loses an order or oversells stock. From
//! there: `settle.rs` brings abandoned checkouts right, `outbox.rs` tells the world, `store/` is
//! the SQL.

mod audit;
mod cart;
pub mod checkout;
mod doorbell;
mod event;
mod history;
pub mod http;
mod key;
mod mail;
mod outbox;
mod report;
mod scatter;
mod seed;
mod service;
mod settle;
mod store;

pub use audit::{OpenOrder, OrderState, audit, missing, open_orders_after};
pub use mail::MailFolder;
pub use outbox::{Worker, outbox_pending};
pub use seed::seed;
pub use service::Service;

/// Brings the schema `orders` up to date: see [`db::Db::migrate`].
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();
