//! The asset pipeline, run once when the image is built.
//!
//! **Owns** every byte under `/assets/`: it paints a picture per product and the hero, takes the
//! storefront's static sources, packs those that are text, names each by its content, and writes
//! `manifest.json`.
//!
//! **Never** runs while the shop serves, draws a random number that is not seeded, or leaves a
//! half-written folder: the same sources give the same bytes under the same names.
//!
//! **Start** at [`build`]. The drawings are plain SVG: `art/` has one per kind of ware, `scene/`
//! what surrounds them.

mod build;

mod coding;
mod css;
mod output;

mod hero;
mod picture;

mod drawing;
mod palette;

pub use build::{Error, Progress, Summary, build};
pub use hero::paint_hero;
pub use picture::paint_product;
