//! What the three domains promise each other and the world: ids, data, errors, the traits
//! [`Users`], [`Inventory`] and [`Orders`], and their HTTP clients in [`remote`].
//!
//! Two small things are here because all of the ground stands on it: where a server is ([`NodeAddr`]),
//! and a password that comes in a file ([`Secret`]).
//!
//! Never here: rules, SQL, routes. This crate depends on none of ours, so any domain can be
//! replaced by a remote one without the others noticing.
//!
//! Start with [`orders::Orders`], the richest trait, then [`context::Ctx`], which every call takes.

mod addr;
pub mod context;
pub mod fault;
pub mod ids;
pub mod inventory;
mod key;
pub mod orders;
pub mod page;
pub mod problem;
pub mod remote;
mod secret;
pub mod text;
pub mod users;

pub use addr::NodeAddr;
pub use context::Ctx;
pub use fault::Fault;
pub use ids::{Bucket, IdempotencyKey, OrderId, RestockId, Sku, UserId};
pub use inventory::{Inventory, InventoryError};
pub use orders::{Orders, OrdersError};
pub use page::{Cursor, Page, PageQuery};
pub use problem::Problem;
pub use secret::Secret;
pub use users::{Users, UsersError};
