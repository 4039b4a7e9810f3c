//! The seeded world: products, shoppers and the random numbers behind them.
//!
//! **Owns** what the shop sells and who shops there before the first visitor comes. Seeding writes
//! it to the databases, the `assets` crate paints it; both agree because both ask here.
//!
//! **Never** reads a clock, a file or the environment: item `i` is the same on every machine, in
//! every run, and whatever the size of the world.
//!
//! **Start** at [`products`] and [`shopper`]; the wares themselves are the table in `kind.rs`.

mod product;

mod category;
mod colour;
mod finish;
mod kind;
mod material;

mod rng;
mod shopper;

pub use category::{Category, categories};
pub use colour::Colour;
pub use finish::Finish;
pub use kind::{Kind, kinds};
pub use material::Material;
pub use product::{Product, product, products};
pub use rng::Rng;
pub use shopper::{PASSWORD, STAFF_EMAIL, STAFF_NAME, Shopper, shopper};
