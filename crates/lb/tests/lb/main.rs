//! The balancer as it ships, between raw sockets: what it lets through, and what it never does.

mod answers;
mod authority;
mod certificates;
mod http2;
mod input;
mod operation;
mod passages;
mod passing;
mod retries;
mod support;
mod tls;
