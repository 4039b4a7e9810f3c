//! The CDN as it ships, between raw sockets. Tests are named after what the RFCs say.

mod collapsing;
mod disk;
mod invalidation;
mod operation;
mod poisoning;
mod reuse;
mod stale;
mod support;
mod validation;
