//! What every service of ours needs around its routes: configuration, logs, metrics, health,
//! shutdown, an HTTP server that strangers may talk to, and errors as `application/problem+json`.
//!
//! Never here: rules of a domain, SQL, pages.
//!
//! A request's way: [`layers`] (context, limits, headers) → [`extract`] and [`auth`] → a handler →
//! [`Failure`], if it did not go well.

pub mod auth;
pub mod extract;
mod failure;
pub mod layers;
pub mod rpc;

pub use auth::{expired_session_cookie, session_cookie};
pub use failure::Failure;
