//! For tests that cross crates: a real database that comes and goes, a whole shop on a port of its
//! own or as three services, requests in a line, a browser, a binary as it
//! ships, bytes on its sockets, and a proxy that cuts the sockets of whoever goes through it.
//!
//! Never in a program that ships.
//!
//! Start with [`Shop`].

mod browser;
mod client;
mod cut;
mod database;
mod process;
pub mod raw;
mod redis;
mod services;
mod shop;

pub use browser::Browser;
pub use client::{Answer, Client};
pub use cut::Cut;
pub use database::Database;
pub use process::{Process, free_address};
pub use redis::{redis, redis_addr};
pub use services::Services;
pub use shop::Shop;
