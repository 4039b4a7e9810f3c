//! Against a real Prometheus that scrapes boxes which only pretend.
//!
//! Needs the binary `prometheus` on the path (Debian: `apt-get install prometheus`), and for the
//! browser's part `chromedriver` and Chromium.

mod boxes;
mod browser;
mod page;
mod prometheus;
mod shown;
mod stage;
mod watching;
