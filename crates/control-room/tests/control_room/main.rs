//! Against a real Prometheus that scrapes boxes which only pretend.
//!
//! Needs the binary `prometheus` on the path (Debian: `apt-get install prometheus`).

mod boxes;
mod page;
mod prometheus;
mod watching;
