//! What every service of ours needs around its routes: configuration, logs, metrics, health,
//! shutdown, an HTTP server that strangers may talk to, and errors as `application/problem+json`.
//!
//! Never here: rules of a domain, SQL, pages.
//!
//! Start with [`service`], what a `main.rs` does. A request's way: [`server`] (sockets, framing) →
//! [`layers`] (context, limits, headers) → [`extract`] and [`auth`] → a handler →
//! [`Failure`], if it did not go well.

pub mod admin;
pub mod auth;
mod client;
pub mod config;
pub mod extract;
mod failure;
mod faults;
pub mod health;
pub mod layers;
pub mod lifecycle;
pub mod rpc;
pub mod server;
pub mod service;
pub mod telemetry;
pub mod trace;

pub use auth::{expired_session_cookie, session_cookie};
pub use boxstat::{Exposition, Kind, name as box_name};
pub use client::{Origin, client};
pub use failure::Failure;
pub use faults::{Fault, Faults};
pub use health::Health;
pub use layers::{CountedAs, LayerConfig};
pub use lifecycle::ShutdownConfig;
pub use server::HttpConfig;
pub use service::{Admin, BoxError, Service, WriteFigures, main};
pub use telemetry::LogConfig;
